"""The paper's experiments on a cohort folder, each in one call: made, measured, compared, reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.compute.files import write_json_atomic
from cardiactwins.compute.page import PageSection
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_augmentation import (
    STRATEGIES,
    CohortFilter,
    augment,
    augmentation_recipes,
    augmentation_rows,
)
from cardiactwins.twin.cohort_files import attempts_of
from cardiactwins.twin.cohort_quality import cohort_quality
from cardiactwins.twin.cohort_report import (
    augmentation_section,
    experiment_sections,
    quality_sections,
    sensitivity_section,
    write_cohort_report,
)
from cardiactwins.twin.guarded_hearts import raw_and_guarded, tissues_cut_in
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.heat_maps import heat_maps
from cardiactwins.twin.paper_experiment import (
    bias_rows,
    paper_experiment,
    seed_hearts,
    violation_rows,
)
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sensitivity import SIZES, size_rows, step_recipes, step_rows
from cardiactwins.twin.study_maker import StudyMaker

__all__ = ["augmentation_study", "editing_study", "evaluate_hearts", "judged_cohort", "unconditional_study"]


def evaluate_hearts(
    reference: Hearts,
    synthetic: Hearts,
    spacing: ArrayLike,
    report: str | Path,
    *,
    training: Hearts | None = None,
    guard: bool = True,
    rng: np.random.Generator | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Judge hearts from anywhere, such as label maps of a folder, against a reference on the same grid.

    spacing: of all, along i, j, k in mm. guard: also repair what can be repaired and judge that; without it
    the hearts without violations are what is accepted. The border of the grid may cut the aorta, and tissues
    that it cuts in the reference; hearts that it cuts elsewhere are not accepted. Writes cohort.html and
    .json into the folder `report`; returns what the latter has. ValueError for fewer than 6 hearts on either
    side.
    """
    rng = rng or np.random.default_rng(0)
    real = reference.measured(spacing, heat_map=True, progress=progress)
    if guard:
        raw, accepted = raw_and_guarded(
            synthetic, spacing, cut=tissues_cut_in(real), heat_map=True, progress=progress
        )
    else:
        raw = synthetic.measured(spacing, heat_map=True, progress=progress)
        accepted = raw.select(~raw.violated.any(axis=1))
    seen = None if training is None else training.measured(spacing)
    return judged_cohort(real, raw, accepted, Path(report) / "cohort", training=seen, rng=rng)


def unconditional_study(
    maker: StudyMaker,
    reference: Hearts,
    *,
    training: Hearts | None = None,
    seen: Cohort | None = None,
    measured: Cohort | None = None,
    number: int = 360,
    steps: int = 20,
    first_seed: int = 0,
    sensitivity: Sequence[int] = (),
    sensitivity_number: int = 100,
    sizes: Sequence[int] = SIZES,
    rng: np.random.Generator | None = None,
    progress: Progress = silent,
    **values: Any,
) -> dict[str, Any]:
    """Section 4.1 and appendix C: hearts from noise against hearts the model never saw.

    sensitivity: numbers of steps to try with `sensitivity_number` hearts each; cohort sizes are tried with
    the cohort itself. seen: the training hearts, where they have been measured; measured: the reference, with
    its heat map, where it has been. values: settings of every recipe, such as guard. Writes
    report/unconditional.html and .json in the folder; returns what the latter has.
    "rejected" is the share of all attempts that the guard turned away.
    """
    rng = rng or np.random.default_rng(0)
    recipes = [Recipe("unconditional", seed=first_seed + n, steps=steps, **values) for n in range(number)]
    by_steps = step_recipes(sensitivity, sensitivity_number, first_seed, **values)
    maker.make([*recipes, *(recipe for part in by_steps.values() for recipe in part)], progress)
    spacing = maker.folder.geometry.spacing
    real = measured or reference.measured(spacing, heat_map=True, progress=progress)
    if training is not None and seen is None:
        seen = training.measured(spacing, progress=progress)
    raw, guarded = maker.cohorts(recipes, heat_map=True)
    steps_found = step_rows(real, {count: maker.cohorts(part)[0] for count, part in by_steps.items()})
    sizes_found = size_rows(real, raw, rng, sizes)
    pictures = maker.folder.path / "report"
    more = [sensitivity_section(steps_found, sizes_found, pictures)]
    return judged_cohort(
        real,
        raw,
        guarded,
        pictures / "unconditional",
        title="Hearts from noise",
        training=seen,
        more=more,
        rng=rng,
        attempts=attempts_of(maker.records(recipes)),
        steps=steps_found,
        sizes=sizes_found,
    )


def editing_study(
    maker: StudyMaker,
    population: Hearts,
    *,
    number: int = 60,
    autoencoded: Mapping[str, NDArray[np.uint8]] | None = None,
    measured: Cohort | None = None,
    progress: Progress = silent,
    **values: Any,
) -> dict[str, Any]:
    """Sections 4.2 and 4.3: four seed hearts of the population, five psi, two masks; tables 2 and 3.

    number: siblings a cohort. autoencoded: the encoded and decoded population by name, for the first row of
    the tables. measured: the population, where it has been measured. values: settings of every recipe
    (`paper_experiment`), such as steps, psis or edits. Writes report/edits.html and .json; returns what the
    latter has.
    """
    spacing = maker.folder.geometry.spacing
    real = measured or population.measured(spacing, progress=progress)
    seeds = seed_hearts(real)
    for name in seeds.values():
        maker.folder.add_twin(name, population[name])
    experiment = paper_experiment(seeds, number=number, **values)
    maker.make(experiment.all(), progress)
    raw, guarded, maps = {}, {}, {}
    for key, recipes in experiment.recipes.items():
        raw[key], after = maker.cohorts(recipes)
        if not len(after):
            continue
        guarded[key] = after
        occupied = maker.folder.with_occupancy(after)
        maps[key] = heat_maps(population[seeds[key[1]]], occupied, mask="both").through(1)
    own = None
    if autoencoded is not None:
        own = {
            label: 100 * float(np.mean([not check.holds for check in topology_checks(autoencoded[name])]))
            for label, name in seeds.items()
        }
    pictures = maker.folder.path / "report"
    sections = experiment_sections(guarded, raw, real, seeds, pictures, maps=maps, autoencoded=own)
    write_cohort_report(pictures / "edits.html", "Edits of four seed hearts", sections)
    found = {
        "seeds": seeds,
        "violations": violation_rows(raw, own),
        "violations_guarded": violation_rows(guarded),
        "bias": bias_rows(raw, real, seeds),
    }
    write_json_atomic(pictures / "edits.json", found)
    return found


def augmentation_study(
    maker: StudyMaker,
    population: Hearts,
    chosen: CohortFilter,
    *,
    made: Mapping[str, int] | None = None,
    size: int = 140,
    first_seed: int = 0,
    measured: Cohort | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress = silent,
    **values: Any,
) -> dict[str, Any]:
    """Section 4.4: enrich the hearts that pass a filter by three strategies; table 4.

    made: hearts by strategy, {"unconditional": 3600, "perturbational": 280, "localized": 280} by default.
    size: hearts that are kept of each; their names are in the result. measured: the population, where it has
    been measured. values: settings of every recipe, such as steps. Writes report/augmentation.html and .json;
    returns what the latter has. ValueError when too few hearts pass, before any is made.
    """
    rng = rng or np.random.default_rng(0)
    made = made or {"unconditional": 3600, "perturbational": 2 * size, "localized": 2 * size}
    real = measured or population.measured(maker.folder.geometry.spacing, progress=progress)
    target, _ = augment(real, {}, chosen, rng)
    for name in target.names:
        maker.folder.add_twin(name, population[name])
    recipes = {
        strategy: augmentation_recipes(
            strategy, target.names, made[strategy], first_seed=first_seed + 1_000_000 * (1 + index), **values
        )
        for index, strategy in enumerate(STRATEGIES)
        if strategy in made
    }
    maker.make([recipe for part in recipes.values() for recipe in part], progress)
    cohorts = {strategy: maker.cohorts(part)[1] for strategy, part in recipes.items()}
    target, found = augment(real, cohorts, chosen, rng, size=size)
    pictures = maker.folder.path / "report"
    section = augmentation_section(real, target, found, chosen, pictures)
    write_cohort_report(pictures / "augmentation.html", "Augmentation", [section])
    rows = {
        one.strategy: {
            "made": one.made,
            "passed": one.passed,
            "kept": len(one.kept),
            "names": list(one.kept.names),
            **({} if one.comparison is None else one.comparison.values()),
        }
        for one in found
    }
    result = {
        "population": len(real),
        "references": len(target),
        "filter": str(chosen),
        "strategies": rows,
        "table": augmentation_rows(target, found),
    }
    write_json_atomic(pictures / "augmentation.json", result)
    return result


def judged_cohort(
    reference: Cohort,
    raw: Cohort,
    guarded: Cohort,
    path: Path,
    *,
    title: str = "Cohort",
    training: Cohort | None = None,
    more: Sequence[PageSection] = (),
    rng: np.random.Generator | None = None,
    attempts: int | None = None,
    **values: Any,
) -> dict[str, Any]:
    """Judge hearts before and after the guard and write the report, path.html and path.json.

    path: without an ending. title: of the page. more: its further sections. attempts: hearts that were made
    for it, one each by default. values: further ones for the JSON. Returns what that has. ValueError as
    of `cohort_quality`.
    """
    rng = rng or np.random.default_rng(0)
    attempts = attempts or len(raw)
    quality = cohort_quality(reference, raw, guarded, rng, training=training)
    sections = quality_sections(reference, raw, guarded, quality, path.parent, attempts=attempts)
    write_cohort_report(path.with_suffix(".html"), title, [*sections, *more])
    nearest = quality.nearest
    found = {
        "hearts": len(raw),
        "reference": len(reference),
        "attempts": attempts,
        "rejected": 1 - len(guarded) / max(attempts, 1),
        "raw": quality.raw.values(),
        "guarded": None if quality.guarded is None else quality.guarded.values(),
        "halves": quality.halves,
        "nearest": None if nearest is None else {name: float(np.median(v)) for name, v in nearest.items()},
        "memorising": None if quality.memory is None else quality.memory.values(),
        **values,
    }
    write_json_atomic(path.with_suffix(".json"), found)
    return found
