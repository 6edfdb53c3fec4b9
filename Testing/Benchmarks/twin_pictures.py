"""Draw twins and their siblings out of a cohort folder: slices as in the paper's figure 3, and surfaces.

    python Testing/Benchmarks/twin_pictures.py --cohort DIR --out Docs/twin [--psi 0.5] [--siblings 4]

DIR: a cohort that twin_quality.py left (its --out, then cohort), or any other. Writes twin-slices.png, one
row a way of sampling, and twin-siblings.png, one row a twin with its siblings from the front and the right.
Hearts of the commonest number of steps are drawn. The figures of the cohort's report come along as
twin-NAME.png; with --figures these alone. All are in few colours, which makes them small.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
from small_pictures import small_copy
from whole_heart_pictures import VIEWS, surface_picture

from cardiactwins.twin.cohort_figures import save_figure, slices_figure
from cardiactwins.twin.cohort_files import CohortFolder, SiblingRecord

Labels = NDArray[np.uint8]
MOST = 7
"""Hearts in a row of slices."""
MOST_TWINS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--psi", type=float, default=0.5)
    parser.add_argument("--siblings", type=int, default=4)
    parser.add_argument("--figures", action="store_true", help="of the report alone")
    chosen = parser.parse_args()
    folder = CohortFolder(chosen.cohort)
    records = folder.records()
    counted = Counter(record.recipe.steps for record in records)
    records = [r for r in records if counted[r.recipe.steps] == max(counted.values())]
    chosen.out.mkdir(parents=True, exist_ok=True)
    for figure in sorted(chosen.cohort.glob("report/*.png")):
        print(small_copy(figure, chosen.out / f"twin-{figure.name}"))
    if chosen.figures:
        return
    for picture in (
        slices(folder, records, chosen.out / "twin-slices.png"),
        surfaces(folder, records, chosen.psi, chosen.siblings, chosen.out / "twin-siblings.png"),
    ):
        print(small_copy(picture, picture))


def slices(folder: CohortFolder, records: list[SiblingRecord], path: Path) -> Path:
    """One row each: hearts from noise, siblings of one twin by psi, and by edit, with the twin's outline."""
    rows: dict[str, list[Labels]] = {}
    outlines: dict[str, Labels] = {}
    edited = Counter(record.recipe.twin for record in records if record.recipe.twin)
    shown = edited.most_common(1)[0][0] if edited else ""
    for record in sorted(records, key=lambda one: (one.recipe.kind, one.recipe.psi, one.recipe.seed)):
        recipe = record.recipe
        if recipe.targets or recipe.exact or recipe.twin not in ("", shown):
            continue
        free = [name for name in ("RV", "LV") if recipe.keep and name not in recipe.keep]
        name = {
            "unconditional": "from noise",
            "perturbational": f"psi {recipe.psi:g}",
            "localized": f"{' and '.join(free) or recipe.region} edit",
        }[recipe.kind]
        row = rows.setdefault(name, [])
        if len(row) < MOST:
            row.append(folder.labels(record.name))
        if recipe.twin:
            outlines[name] = folder.twin(recipe.twin)
    order = ["from noise", *sorted(name for name in rows if name != "from noise")]
    return save_figure(
        slices_figure({name: rows[name] for name in order if name in rows}, outlines=outlines), path
    )


def surfaces(
    folder: CohortFolder, records: list[SiblingRecord], psi: float, siblings: int, path: Path
) -> Path:
    """Twins and siblings at one psi that the guard accepted, in 3D."""
    from matplotlib.figure import Figure

    groups: dict[str, list[Labels]] = {}
    for record in records:
        recipe = record.recipe
        wanted = recipe.kind == "perturbational" and recipe.psi == psi and not recipe.targets
        if wanted and record.accepted:
            group = groups.setdefault(recipe.twin, [folder.twin(recipe.twin)])
            if len(group) <= siblings:
                group.append(folder.labels(record.name))
    full = sorted(groups.values(), key=len, reverse=True)[:MOST_TWINS]
    if not full:
        raise SystemExit(f"The cohort has no siblings at psi {psi:g}.")
    views = [VIEWS[name] for name in ("front", "right")]
    figure = Figure(figsize=(1.9 * (siblings + 1), 1.9 * len(full) * len(views)), layout="constrained")
    axes = figure.subplots(len(full) * len(views), siblings + 1, squeeze=False)
    for place in axes.ravel():
        place.set_axis_off()
    for number, group in enumerate(full):
        for row, (stand, up) in enumerate(views):
            line = axes[number * len(views) + row]
            for column, (place, labels) in enumerate(zip(line, group, strict=False)):
                place.imshow(surface_picture(SimpleNamespace(labels=labels), stand, up))
                if number == 0 and row == 0:
                    place.set_title("twin" if column == 0 else f"sibling {column}", fontsize=9)
    return save_figure(figure, path)


if __name__ == "__main__":
    main()
