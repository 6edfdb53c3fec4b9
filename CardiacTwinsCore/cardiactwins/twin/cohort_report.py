"""Reports on cohorts: tables and pictures in one page that can be sent alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES
from cardiactwins.compute.page import PageSection, write_page
from cardiactwins.twin.cohort import CHECK_NAMES, Cohort
from cardiactwins.twin.cohort_augmentation import Augmented, CohortFilter, augmentation_rows
from cardiactwins.twin.cohort_figures import (
    curves_figure,
    heat_map_figure,
    heat_map_grid,
    nearest_figure,
    save_figure,
    scatter_figure,
    scatter_grid,
)
from cardiactwins.twin.cohort_quality import CohortQuality
from cardiactwins.twin.heat_maps import HeatMaps, heat_maps
from cardiactwins.twin.paper_experiment import bias_rows, violation_rows

__all__ = [
    "augmentation_section",
    "experiment_sections",
    "quality_sections",
    "sensitivity_section",
    "write_cohort_report",
]


def quality_sections(
    reference: Cohort,
    raw: Cohort,
    guarded: Cohort,
    quality: CohortQuality,
    pictures: str | Path,
    *,
    attempts: int | None = None,
) -> list[PageSection]:
    """Quality, topology and morphology of a cohort, with figures 4 and 5; pictures: folder for them.

    attempts: how many hearts were made for the cohort, where that is more than one each (`attempts_of`).
    The heat maps are left out where the cohorts have none.
    """
    folder = Path(pictures)
    halves = quality.halves
    raw_row = quality.raw.row()
    rows = [
        {"cohort": "synthetic, raw", **raw_row},
        {
            "cohort": "synthetic, guarded",
            **(
                dict.fromkeys(raw_row, "too few hearts") if quality.guarded is None else quality.guarded.row()
            ),
        },
        {
            "cohort": "two halves of the reference",
            "hearts": len(reference) // 2,
            "FD": str(halves.frechet),
            "precision": str(halves.precision),
            "recall": str(halves.recall),
            "TV (%)": f"{reference.violations_percent:.3g}",
        },
    ]
    matched = halves.matched
    attempts = attempts or len(raw)
    of_attempts = f" of {attempts} attempts" if attempts > len(raw) else ""
    text = [
        f"{len(raw)} synthetic hearts against {len(reference)} of the reference, on 12 standardised "
        f"measures. The guard accepted {len(guarded)}{of_attempts}: "
        f"{1 - len(guarded) / max(attempts, 1):.1%} were rejected. Brackets hold 95 %.",
    ]
    if matched is not None:
        text.append(
            "At the size of the halves the raw synthetic hearts reach "
            f"FD {matched[0]:.3g}, precision {matched[1]:.3g} and recall {matched[2]:.3g}."
        )
    figures = {
        "Volumes of LV and RV.": save_figure(
            scatter_figure(_volumes(reference), {"synthetic": _volumes(raw)}), folder / "volumes.png"
        )
    }
    if reference.occupancy is not None and raw.occupancy is not None:
        figures["Where hearts are, and the difference."] = save_figure(
            heat_map_figure(heat_maps(reference, raw)), folder / "heat-maps.png"
        )
    sections = [PageSection("Quality", text, rows, figures)]
    if quality.nearest is not None:
        medians = {name: float(np.median(values)) for name, values in quality.nearest.items()}
        picture = save_figure(nearest_figure(quality.nearest), folder / "nearest-training.png")
        sections.append(
            PageSection(
                "Nearest training heart",
                [
                    "Median distance in standard deviations of the training hearts: "
                    + ", ".join(f"{name} {value:.3g}" for name, value in medians.items())
                    + ". Memorised hearts would lie nearer than those held out.",
                    *(() if quality.memory is None else quality.memory.sentences()),
                ],
                pictures={"Share of the hearts within a distance.": picture},
            )
        )
    checks = [cohort.violations_by_check() for cohort in (reference, raw, guarded)]
    by_check = [
        {
            "violated by (%)": name,
            "reference": checks[0][name],
            "raw": checks[1][name],
            "guarded": checks[2][name],
        }
        for name in CHECK_NAMES
    ]
    by_check.append(
        {
            "violated by (%)": "mean: TV",
            "reference": reference.violations_percent,
            "raw": raw.violations_percent,
            "guarded": guarded.violations_percent,
        }
    )
    sections.append(PageSection("Topology", (), by_check))
    sections.append(
        PageSection("Morphology", ["Mean and standard deviation."], _morphology_rows(reference, raw))
    )
    return sections


def experiment_sections(
    cohorts: Mapping[tuple[str, str], Cohort],
    raw: Mapping[tuple[str, str], Cohort],
    population: Cohort,
    seeds: Mapping[str, str],
    pictures: str | Path,
    *,
    maps: Mapping[tuple[str, str], HeatMaps] | None = None,
    autoencoded: Mapping[str, float] | None = None,
) -> list[PageSection]:
    """Tables 2 and 3 and figures 6 to 9.

    cohorts, raw: by (row, seed heart), after the guard and before. seeds: label -> name in the population.
    maps: heat maps of seed heart and siblings, by the same keys. autoencoded: TV % of the encoded and decoded
    seed hearts.
    """
    folder = Path(pictures)
    sections = []
    for heading, part, name in (
        ("Perturbational edits", "psi ", "perturbational"),
        ("Localized edits", "", "localized"),
    ):
        before = {key: cohort for key, cohort in raw.items() if key[0].startswith("psi ") == (part == "psi ")}
        if not before:
            continue
        own = {key: cohorts[key] for key in before if key in cohorts}
        rows = violation_rows(before, autoencoded)
        rows += [{**row, "TV (%)": f"{row['TV (%)']}, guarded"} for row in violation_rows(own)]
        panels = {
            label: (
                _place(population, seeds[label]),
                {row: _volumes(cohort) for (row, seed), cohort in own.items() if seed == label},
            )
            for label in dict.fromkeys(seed for _, seed in before)
        }
        figures = {
            "Siblings of each seed heart over the population.": save_figure(
                scatter_grid(_volumes(population), panels, reference_name="population"),
                folder / f"{name}-volumes.png",
            )
        }
        shown = {key: maps[key] for key in own if key in maps} if maps else {}
        if shown:
            figures["Share of siblings less the seed heart, four chambers."] = save_figure(
                heat_map_grid(shown), folder / f"{name}-heat-maps.png"
            )
        sections.append(PageSection(heading, (), rows, figures))
        sections.append(
            PageSection(f"{heading}: towards common hearts", (), bias_rows(own, population, seeds))
        )
    return sections


def augmentation_section(
    population: Cohort,
    target: Cohort,
    found: Sequence[Augmented],
    chosen: CohortFilter,
    pictures: str | Path,
) -> PageSection:
    """Table 4 and figure 10."""
    threshold = chosen.least if chosen.measure.lower().startswith("rv volume") else None
    picture = save_figure(
        scatter_figure(
            _volumes(target),
            {one.strategy: _volumes(one.kept) for one in found},
            reference_name="target cohort",
            threshold=threshold if threshold is not None and np.isfinite(threshold) else None,
        ),
        Path(pictures) / "augmentation.png",
    )
    text = [
        f"Target: {len(target)} of {len(population)} hearts, those with {chosen}. Hearts of each strategy "
        "are filtered alike and compared with the target, on the scale of all hearts."
    ]
    return PageSection(
        "Augmentation", text, augmentation_rows(target, found), {"Target and strategies.": picture}
    )


def sensitivity_section(
    step_rows: Sequence[Mapping[str, float]], size_rows: Sequence[Mapping[str, float]], pictures: str | Path
) -> PageSection:
    """Figures 11 and 12."""
    names = ["FD", "precision", "recall", "TV (%)"]
    figures = {}
    if step_rows:
        figures["Quality over sampling steps."] = save_figure(
            curves_figure(step_rows, "steps", names, label="sampling steps"), Path(pictures) / "steps.png"
        )
    if size_rows:
        figures["Quality over cohort size."] = save_figure(
            curves_figure(size_rows, "size", names, label="hearts"), Path(pictures) / "sizes.png"
        )
    return PageSection("Sensitivity", (), list(step_rows), figures)


def write_cohort_report(path: str | Path, title: str, sections: Sequence[PageSection]) -> Path:
    """Write the page (.html), whole or not at all, its pictures inside."""
    return write_page(path, title, sections)


def _volumes(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    return cohort.measure("LV volume"), cohort.measure("RV volume")


def _place(population: Cohort, name: str) -> tuple[float, float]:
    index = population.names.index(name)
    return tuple(float(values[index]) for values in _volumes(population))


def _morphology_rows(reference: Cohort, synthetic: Cohort) -> list[dict[str, Any]]:
    return [
        {
            "measure": name,
            "reference": _mean_and_deviation(reference.morphology[:, column]),
            "synthetic": _mean_and_deviation(synthetic.morphology[:, column]),
        }
        for column, name in enumerate(MORPHOLOGY_NAMES)
    ]


def _mean_and_deviation(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std():.1f}"
