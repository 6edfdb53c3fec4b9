"""What twin_quality.py measures: autoencoding, hearts from noise, edits, targets, designs, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from twin_measures import dice_of, mean_dice, surface_change

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.compute.files import write_json_atomic
from cardiactwins.compute.progress import Progress
from cardiactwins.twin.cohort import Cohort, measure_cohort, measure_of
from cardiactwins.twin.cohort_augmentation import CohortFilter
from cardiactwins.twin.cohort_comparison import nearest_training
from cardiactwins.twin.cohort_files import SiblingRecord
from cardiactwins.twin.cohort_studies import (
    augmentation_study,
    editing_study,
    unconditional_study,
)
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.latent_edits import HeartModel
from cardiactwins.twin.paper_experiment import (
    LOCAL_EDITS,
    PSIS,
    Experiment,
    paper_experiment,
    seed_hearts,
)
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.soft_measures import hard_measures
from cardiactwins.twin.study_maker import StudyMaker

Labels = NDArray[np.uint8]
TARGETS = ("RV volume", "LV volume", "LA volume", "RA volume", "wall")
REFERENCES = 47
"""Hearts of the target cohort in section 4.4."""


@dataclass(frozen=True)
class Sizes:
    """How many hearts each part takes."""

    cohort: int = 360
    siblings: int = 20
    exact: int = 5
    targets: int = 20
    designed: int = 10
    augmented: Mapping[str, int] = field(
        default_factory=lambda: {"unconditional": 3600, "perturbational": 280, "localized": 280}
    )
    kept: int = 140
    references: int = REFERENCES
    steps: int = 20
    sensitivity: tuple[int, ...] = ()
    tried: int = 100


@dataclass(frozen=True, eq=False)
class Bench:
    """What all parts share. unseen, training: hearts that the model never saw and those it was trained on."""

    model: HeartModel
    maker: StudyMaker
    unseen: Hearts
    training: Hearts | None
    sizes: Sizes
    out: Path
    progress: Progress
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Settings of localized recipes, such as dilation_mm and rule."""

    @property
    def spacing(self) -> NDArray[np.float64]:
        return self.maker.folder.geometry.spacing

    @cached_property
    def seen(self) -> Cohort | None:
        """The hearts trained on, measured."""
        return None if self.training is None else self.training.measured(self.spacing, progress=self.progress)

    def autoencoded(self, labels: Labels) -> Labels:
        """A heart encoded and decoded."""
        with torch.no_grad():
            latent = self.model.encode(torch.from_numpy(labels.copy())[None].to(self.model.device))
            return self.model.decode_labels(latent)[0].cpu().numpy()


def autoencoding(bench: Bench) -> dict[str, Any]:
    """Dice of each tissue after encoding and decoding, and TV % before and after."""
    dice: dict[str, list[float]] = {name: [] for name in TISSUE_NAMES.values()}

    def decoded() -> Labels:
        for index, name in enumerate(bench.unseen):
            bench.progress(index, len(bench.unseen), "Autoencoding")
            own = bench.unseen[name]
            again = bench.autoencoded(own)
            for tissue, short in TISSUE_NAMES.items():
                dice[short].append(dice_of(own == tissue, again == tissue))
            yield again

    again = measure_cohort(decoded(), bench.spacing, names=list(bench.unseen))
    own = bench.unseen.measured(bench.spacing)
    values: dict[str, Any] = {}
    if bench.seen is not None:
        near, before = (nearest_training(cohort, bench.seen)[0] for cohort in (again, own))
        values["nearest_autoencoded"] = float(np.median(near))
        values["nearest_autoencoded_shift"] = float(np.median(near - before))
    return {
        **values,
        "vae_dice": {name: float(np.mean(values)) for name, values in dice.items()},
        "vae_dice_worst": {name: float(np.min(values)) for name, values in dice.items()},
        "tv_heldout": own.violations_percent,
        "tv_autoencoded": again.violations_percent,
        "violations_autoencoded": {k: v for k, v in again.violations_by_check().items() if v},
    }


def from_noise(bench: Bench) -> dict[str, Any]:
    """An unconditional cohort against the unseen hearts, raw and guarded.

    Distances of small cohorts are larger, so that an interval of two halves holds for cohorts of that size:
    precision, recall and frechet are means over the same splits of as many raw synthetic hearts against one
    half; *_whole are those of the whole cohort against all unseen hearts.
    """
    sizes = bench.sizes
    found = unconditional_study(
        bench.maker,
        bench.unseen,
        training=bench.training,
        seen=bench.seen,
        number=sizes.cohort,
        steps=sizes.steps,
        sensitivity=sizes.sensitivity,
        sensitivity_number=sizes.tried,
        progress=bench.progress,
    )
    recipes = [Recipe("unconditional", seed=seed, steps=sizes.steps) for seed in range(sizes.cohort)]
    records = bench.maker.records(recipes)
    repaired = [record.repaired for record in records if record.accepted and record.repaired]
    raw, guarded, halves = found["raw"], found["guarded"], found["halves"]
    matched = dict(zip(("frechet", "precision", "recall"), halves.matched, strict=True))
    values: dict[str, Any] = {
        "tv_synthetic": raw["violations"]["value"],
        "tv_guarded": guarded["violations"]["value"] if guarded else float("nan"),
        "rejected_percent": 100 * found["rejected"],
        "repaired_hearts_percent": 100 * len(repaired) / max(len(records), 1),
        "repaired_voxels": float(np.mean(repaired)) if repaired else 0.0,
    }
    for name in ("precision", "recall", "frechet"):
        estimate = getattr(halves, name)
        values[name] = matched[name]
        values[f"{name}_halves"] = [estimate.low, estimate.high]
        values[f"{name}_whole"] = raw[name]["value"]
        values[f"{name}_guarded"] = guarded[name]["value"] if guarded else float("nan")
    if found["steps"]:
        values["steps_tried"] = found["steps"]
    if found["nearest"] is not None:
        values["nearest_train"] = found["nearest"]["synthetic"]
        values["nearest_heldout"] = found["nearest"]["held out"]
        values |= {f"nearest_{name}": value for name, value in found["memorising"].items()}
    return values


def edits(bench: Bench) -> dict[str, Any]:
    """Four seed hearts, five psi and two masks: how much, how coarsely and where siblings differ."""
    sizes, maker = bench.sizes, bench.maker
    population = bench.unseen.measured(bench.spacing)
    seeds = seed_hearts(population)
    again = {name: bench.autoencoded(bench.unseen[name]) for name in seeds.values()}
    settings = {"steps": sizes.steps, **bench.recipe}
    study = editing_study(
        maker, bench.unseen, number=sizes.siblings, autoencoded=again, progress=bench.progress, **settings
    )
    experiment = paper_experiment(seeds, number=sizes.siblings, **settings)
    own_error = float(np.mean([1 - mean_dice(bench.unseen[name], heart) for name, heart in again.items()]))
    rows = []
    for psi in PSIS:
        errors, moved, smooth = [], [], []
        for label, name in seeds.items():
            for record in maker.records(experiment.recipes[f"psi {psi:g}", label]):
                sibling = maker.folder.labels(record.name)
                errors.append(1 - mean_dice(bench.unseen[name], sibling))
                distance, share = surface_change(again[name], sibling, bench.spacing)
                moved.append(distance)
                smooth.append(share)
        rows.append(
            {
                "psi": psi,
                "dice_error": float(np.mean(errors)),
                "moved_mm": float(np.mean(moved)),
                "smooth_share": float(np.nanmean(smooth)),
            }
        )
    return {
        "autoencoder_error": own_error,
        "perturbational": rows,
        **_localized(bench, experiment, seeds, population, again),
        "edits_tv": study["violations"],
        "edits_tv_guarded": study["violations_guarded"],
        "bias": study["bias"],
    }


def _localized(
    bench: Bench,
    experiment: Experiment,
    seeds: Mapping[str, str],
    population: Cohort,
    again: Mapping[str, Labels],
) -> dict[str, Any]:
    maker, kept, spread = bench.maker, [], {}
    for edit in LOCAL_EDITS:
        volume = f"{edit.split()[0]} volume"
        for label, name in seeds.items():
            records = maker.records(experiment.recipes[edit, label])
            spread[f"{edit} {label}"] = _spread(records, volume, population)
            kept += _kept_dice(maker, records, again[name])
    settings = {**bench.recipe, "steps": bench.sizes.steps}
    exact = [
        Recipe("localized", seed=seed, twin=name, keep=tuple(keep), exact=True, **settings)
        for name in seeds.values()
        for keep in LOCAL_EDITS.values()
        for seed in range(bench.sizes.exact)
    ]
    maker.make(exact, bench.progress)
    same = [
        dice_of(bench.unseen[record.recipe.twin] == tissue, maker.folder.labels(record.name) == tissue)
        for record in maker.records(exact)
        for tissue in record.recipe.kept_tissues
    ]
    return {
        "localized_kept_dice": float(np.mean(kept)),
        "localized_kept_dice_worst": float(np.min(kept)),
        "localized_exact_dice": float(np.min(same)),
        "localized_volume_sd": spread,
        "localized_exact_tv": _tv(maker, exact),
    }


def targets(bench: Bench) -> dict[str, Any]:
    """Targets drawn inside the range of the population, one a run: how many are met, and what else moves."""
    rng = np.random.default_rng(2023)
    names = list(bench.unseen)
    population = [hard_measures(bench.unseen[name], bench.spacing) for name in names[:60]]
    recipes, plain = [], []
    for run in range(bench.sizes.targets):
        measure, name = TARGETS[run % len(TARGETS)], names[int(rng.integers(len(names)))]
        low, high = np.quantile([one[measure] for one in population], (0.1, 0.9))
        unit = "mm" if measure == "wall" else "ml"
        settings = {"seed": run, "psi": 0.5, "twin": name, "steps": bench.sizes.steps}
        bench.maker.folder.add_twin(name, bench.unseen[name])
        recipes.append(
            Recipe("perturbational", targets=(f"{measure} {rng.uniform(low, high):.4g} {unit}",), **settings)
        )
        plain.append(Recipe("perturbational", **settings))
    bench.maker.make([*recipes, *plain], bench.progress)
    records = bench.maker.records(recipes)
    met = [all(row["met"] for row in record.targets if not row["held"]) for record in records]
    held = [all(row["met"] for row in record.targets if row["held"]) for record in records]
    errors = [
        abs(row["reached"] / row["wanted"] - 1)
        for record in records
        for row in record.targets
        if not row["held"]
    ]
    return {
        "targets_met_percent": 100 * float(np.mean(met)),
        "targets_held_percent": 100 * float(np.mean(held)),
        "targets_error_percent": 100 * float(np.mean(errors)),
        "targets_tv": _tv(bench.maker, recipes),
        "targets_tv_without": _tv(bench.maker, plain),
        "targets_seconds": float(np.mean([record.seconds for record in records])),
    }


def designs(bench: Bench) -> dict[str, Any]:
    """Localized edits by design: the ventricle's volume in even steps over two deviations of the population.

    They lie about the seed heart's own volume, moved into the middle 98 % of the population where needed.
    """
    maker, number = bench.maker, bench.sizes.designed
    population = bench.unseen.measured(bench.spacing)
    places = (np.arange(number) + 0.5) / number
    spread, kept, recipes = {}, [], []
    for label, name in seed_hearts(population).items():
        maker.folder.add_twin(name, bench.unseen[name])
        again = bench.autoencoded(bench.unseen[name])
        for edit, keep in LOCAL_EDITS.items():
            volume = f"{edit.split()[0]} volume"
            column = population.measure(volume)
            own, width = column[population.names.index(name)], 2 * column.std()
            low, high = np.quantile(column, (0.01, 0.99))
            values = np.clip(own - width / 2, low, high - width) + width * places
            cell = [
                Recipe(
                    "localized",
                    seed=seed,
                    twin=name,
                    keep=keep,
                    targets=(f"{volume} {value:.4g} ml",),
                    steps=bench.sizes.steps,
                    **bench.recipe,
                )
                for seed, value in enumerate(values)
            ]
            maker.make(cell, bench.progress)
            records = maker.records(cell)
            spread[f"{edit} {label}"] = _spread(records, volume, population)
            kept += _kept_dice(maker, records, again)
            recipes += cell
    met = [all(row["met"] for row in record.targets) for record in maker.records(recipes)]
    return {
        "designed_volume_sd": spread,
        "designed_kept_dice": float(np.mean(kept)),
        "designed_kept_dice_worst": float(np.min(kept)),
        "designed_met_percent": 100 * float(np.mean(met)),
        "designed_tv": _tv(maker, recipes),
    }


def augmentation(bench: Bench) -> dict[str, Any]:
    """Table 4: the hearts with the largest RVs, enriched by three strategies."""
    population = bench.training if bench.training is not None else bench.unseen
    measured = bench.seen or population.measured(bench.spacing)
    volumes = np.sort(measured.measure("RV volume"))
    least = float(volumes[-min(bench.sizes.references, len(volumes) // 2) - 1])
    found = augmentation_study(
        bench.maker,
        population,
        CohortFilter("RV volume", least=least),
        made=bench.sizes.augmented,
        size=bench.sizes.kept,
        measured=measured,
        progress=bench.progress,
        steps=bench.sizes.steps,
    )
    return {"augmentation": found}


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "autoencoder": autoencoding,
    "noise": from_noise,
    "edits": edits,
    "targets": targets,
    "designs": designs,
    "augmentation": augmentation,
}


def measured(bench: Bench, parts: Sequence[str]) -> dict[str, Any]:
    """The values of some parts; each is written to OUT/PART.json as soon as it is there."""
    values: dict[str, Any] = {}
    for part in parts:
        found = PARTS[part](bench)
        write_json_atomic(bench.out / f"{part}.json", found)
        values |= found
    return values


def _spread(records: Sequence[SiblingRecord], volume: str, population: Cohort) -> float:
    """Deviation of a volume among siblings, before the guard, as a share of the population's."""
    made = [record.raw_morphology[measure_of(volume)] for record in records]
    return float(np.std(made) / population.measure(volume).std())


def _kept_dice(maker: StudyMaker, records: Sequence[SiblingRecord], again: Labels) -> list[float]:
    """Dice of every tissue that siblings keep, with the autoencoded twin."""
    return [
        dice_of(again == tissue, sibling == tissue)
        for record, sibling in zip(records, maker.folder.hearts(records), strict=True)
        for tissue in record.recipe.kept_tissues
    ]


def _tv(maker: StudyMaker, recipes: Sequence[Recipe]) -> dict[str, float]:
    raw, guarded = maker.cohorts(recipes)
    return {"raw": raw.violations_percent, "guarded": guarded.violations_percent}
