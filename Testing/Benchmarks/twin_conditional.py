"""How much a ventricle can vary once the rest of the heart is kept, in a population and in siblings.

    python Testing/Benchmarks/twin_conditional.py --hearts DIR [--number 2000] [--quality DIR] [--out FILE]

A localized edit frees a ventricle and the myocardium and keeps all else (Kadry et al. 2023, section 4.3). The
ventricle's volume is predicted from what is kept, by ridge regression in five-fold cross-validation. The
deviation that is left is an upper estimate of that of a faithful model's siblings: a better regression
would leave less. Taken as known are, one after the other, the volumes of the kept tissues; these tissues as
shares of blocks of 8 voxels, moved to the middle of the grid; the same where they lie; and all tissues in the
kept latents, which reach farther, as the mask is grown. --hearts: a folder of many hearts, such as the
training's.

--quality: the folder that twin_quality.py left, with its parts noise and edits. The same is found for its
hearts from noise, and its siblings of the four seed hearts stand beside the volume that is to be expected of
each and the deviation about it, among the 200 hearts that are nearest to the seed heart in LV and RV volume.

Prints tables, and one line of JSON last.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.compute.files import json_text, write_json_atomic
from cardiactwins.twin.cohort import measure_of
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.keep_mask import kept_by_tissues, latent_keep
from cardiactwins.twin.paper_experiment import LOCAL_EDITS, seed_hearts
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.twin_grid import TWIN_GRID

Labels = NDArray[np.uint8]
BLOCK = 8
"""Voxels along a block, as along a latent of the preset "swift"."""
KNOWN = ("volumes", "tissues, centered", "tissues", "latents")
PENALTIES = np.logspace(-1, 3, 9)
NEAREST = 200


@dataclass(frozen=True, eq=False)
class Kept:
    """What edits of one ventricle keep of some hearts, and that ventricle's volume.

    known: by a name of KNOWN, (N, D). volumes: (N,) in ml.
    """

    known: Mapping[str, NDArray[np.float32]]
    volumes: NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hearts", type=Path, required=True)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--quality", type=Path, help="what twin_quality.py left (its --out)")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    chosen = parser.parse_args(arguments)
    population = Hearts.in_folder(chosen.hearts, chosen.number)
    kept = kept_of(population[name] for name in population)
    values: dict[str, Any] = {
        "hearts": len(population),
        "population": {edit: shares_left(kept[edit]) for edit in LOCAL_EDITS},
    }
    told(f"{len(population)} hearts", values["population"])
    if chosen.quality:
        folder = CohortFolder(chosen.quality / "cohort")
        records = folder.records()
        usual = Recipe("unconditional", seed=0).steps
        made = [r for r in records if r.recipe.kind == "unconditional" and r.recipe.steps == usual]
        made = made[: chosen.number]
        if made:
            own = kept_of(folder.hearts(made))
            values["from_noise"] = {edit: shares_left(own[edit]) for edit in LOCAL_EDITS}
            told(f"{len(made)} hearts from noise", values["from_noise"])
        unseen = Hearts.in_folder(chosen.quality / "unseen")
        values["seeds"] = [
            row
            for edit in LOCAL_EDITS
            for row in seed_rows(edit, kept, unseen, records, folder.geometry.spacing)
        ]
        for row in values["seeds"]:
            print(" ".join(f"{v:>8.3g}" if isinstance(v, float) else f"{v:>8}" for v in row.values()))
    if chosen.out:
        write_json_atomic(chosen.out, values)
    print(json_text(values))
    return values


def kept_of(hearts: Iterable[Labels]) -> dict[str, Kept]:
    """What the edits keep of hearts, by edit; one heart in memory at a time."""
    known = {edit: {name: [] for name in KNOWN} for edit in LOCAL_EDITS}
    volumes = {edit: [] for edit in LOCAL_EDITS}
    for labels in hearts:
        for edit in LOCAL_EDITS:
            found, volume = kept_of_heart(labels, edit)
            volumes[edit].append(volume)
            for name, values in found.items():
                known[edit][name].append(values)
    return {
        edit: Kept({name: np.array(rows) for name, rows in known[edit].items()}, np.array(volumes[edit]))
        for edit in LOCAL_EDITS
    }


def kept_of_heart(labels: Labels, edit: str) -> tuple[dict[str, NDArray[np.float32]], float]:
    """What an edit keeps of one heart, by the names of KNOWN, and the volume of the freed ventricle in ml."""
    keep, voxel_ml = LOCAL_EDITS[edit], TWIN_GRID.voxel_volume_ml
    kept_tissues = [tissue for tissue, name in TISSUE_NAMES.items() if name in keep]
    freed = next(tissue for tissue, name in TISSUE_NAMES.items() if name == edit.split()[0])
    kept = kept_by_tissues(labels, kept_tissues)
    size = tuple(n // BLOCK for n in labels.shape)
    at, inside = np.argwhere(labels), labels[labels > 0]
    shares = block_shares(at, inside, size)
    chosen = np.isin(inside, kept_tissues)
    columns = [tissue - 1 for tissue in kept_tissues]
    middle = (np.array(labels.shape) - 1) / 2
    moved = at[chosen] + np.rint(middle - at[chosen].mean(axis=0)).astype(int)
    on_grid = ((moved >= 0) & (moved < labels.shape)).all(axis=1)
    centered = block_shares(moved[on_grid], inside[chosen][on_grid], size)
    counts = np.bincount(inside, minlength=len(Tissue) + 1)
    latents = latent_keep(kept, size)
    found = {
        "volumes": counts[kept_tissues] * voxel_ml,
        "tissues, centered": centered[:, columns].ravel(),
        "tissues": shares[:, columns].ravel(),
        "latents": (shares * latents.reshape(-1, 1)).ravel(),
    }
    return {name: values.astype(np.float32) for name, values in found.items()}, counts[freed] * voxel_ml


def block_shares(at: NDArray[np.intp], tissues: Labels, size: tuple[int, ...]) -> NDArray[np.float64]:
    """Share of each block that is each tissue, (blocks, 6). at: voxels k, j, i (N, 3); tissues: (N,)."""
    block = np.ravel_multi_index(tuple((at // BLOCK).T), size)
    number, cells = len(Tissue), int(np.prod(size))
    counts = np.bincount(block * number + tissues.astype(int) - 1, minlength=cells * number)
    return counts.reshape(cells, number) / BLOCK**3


def shares_left(kept: Kept) -> dict[str, float]:
    """Deviation that each of KNOWN leaves open, as a share of the population's."""
    return {
        name: float(np.std(kept.volumes - expected(kept, name)) / kept.volumes.std()) for name in kept.known
    }


def expected(kept: Kept, name: str) -> NDArray[np.float64]:
    """The volumes predicted in cross-validation, (N,)."""
    folds = KFold(5, shuffle=True, random_state=0)
    return cross_val_predict(RidgeCV(PENALTIES), _varying(kept.known[name])[0], kept.volumes, cv=folds)


def seed_rows(
    edit: str,
    kept: Mapping[str, Kept],
    unseen: Hearts,
    records: Sequence[SiblingRecord],
    spacing: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """One row a seed heart: volumes in ml, deviations as shares of the population's."""
    population, own = kept[edit], unseen.measured(spacing)
    column, deviation = measure_of(f"{edit.split()[0]} volume"), population.volumes.std()
    both = np.stack([kept[name].volumes for name in ("LV edit", "RV edit")], axis=1)
    left = population.volumes - expected(population, "tissues")
    known, varying = _varying(population.known["tissues"])
    model = RidgeCV(PENALTIES).fit(known, population.volumes)
    rows = []
    for label, name in seed_hearts(own).items():
        seed = own.morphology[own.names.index(name)]
        place = np.array([seed[measure_of(f"{chamber} volume")] for chamber in ("LV", "RV")])
        near = np.argsort(np.linalg.norm((both - place) / both.std(axis=0), axis=1))[:NEAREST]
        found, _ = kept_of_heart(unseen[name], edit)
        siblings = [
            record.raw_morphology[column]
            for record in records
            if record.recipe.kind == "localized"
            and record.recipe.twin == name
            and set(record.recipe.keep) == set(LOCAL_EDITS[edit])
            and not record.recipe.exact
            and not record.recipe.targets
        ]
        rows.append(
            {
                "edit": edit,
                "seed": label,
                "own_ml": float(seed[column]),
                "expected_ml": float(model.predict(found["tissues"][None, varying])[0]),
                "left": float(left[near].std() / deviation),
                "siblings": len(siblings),
                "siblings_ml": float(np.mean(siblings)) if siblings else float("nan"),
                "siblings_sd": float(np.std(siblings) / deviation) if siblings else float("nan"),
            }
        )
    return rows


def told(title: str, values: Mapping[str, Mapping[str, float]]) -> None:
    """A table of shares."""
    print(f"{title}: deviation left, share of the population's")
    for edit, row in values.items():
        print(f"  {edit}: " + ", ".join(f"{name} {share:.3f}" for name, share in row.items()), flush=True)


def _varying(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The columns that vary, and which they are."""
    varying = values.std(axis=0) > 1e-3
    return values[:, varying], varying


if __name__ == "__main__":
    main()
