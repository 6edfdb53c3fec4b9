"""Enriching a cohort with rare hearts: three strategies (Kadry et al. 2023, section 4.4 and table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiactwins.twin.cohort import Cohort, measure_of
from cardiactwins.twin.cohort_comparison import CohortComparison, compare_cohorts
from cardiactwins.twin.paper_experiment import LOCAL_EDITS
from cardiactwins.twin.recipe import Recipe

__all__ = ["STRATEGIES", "Augmented", "CohortFilter", "augment", "augmentation_recipes", "augmentation_rows"]

STRATEGIES = ("unconditional", "perturbational", "localized")


@dataclass(frozen=True)
class CohortFilter:
    """Hearts whose measure (a name of MORPHOLOGY_NAMES, or its short form) lies between two values.

    The paper's: CohortFilter("RV volume", least=115). ValueError for an unknown measure, and when nothing
    can pass.
    """

    measure: str
    least: float = -np.inf
    most: float = np.inf

    def __post_init__(self) -> None:
        measure_of(self.measure)
        if not self.least < self.most:
            raise ValueError(f"No heart has a {self.measure} between {self.least} and {self.most}.")

    def __call__(self, cohort: Cohort) -> Cohort:
        """The hearts that pass."""
        values = cohort.measure(self.measure)
        return cohort.select((values > self.least) & (values < self.most))

    def __str__(self) -> str:
        parts = [f"above {self.least:g}"] if np.isfinite(self.least) else []
        parts += [f"below {self.most:g}"] if np.isfinite(self.most) else []
        return f"{self.measure} {' and '.join(parts) or 'any'}"


@dataclass(frozen=True)
class Augmented:
    """One strategy: hearts made, that passed the filter, that were kept, and what they are against the
    reference; None where too few passed."""

    strategy: str
    made: int
    passed: int
    kept: Cohort
    comparison: CohortComparison | None


def augmentation_recipes(
    strategy: str, targets: Sequence[str], number: int, *, first_seed: int = 0, **values: Any
) -> list[Recipe]:
    """`number` recipes of a strategy.

    targets: names of the target cohort's hearts. "unconditional": hearts from noise. "perturbational": the
    first half of the targets is edited with psi 0.5, the other with 0.35. "localized": the first half gets
    other LVs, the other half other RVs. Siblings are spread evenly over the targets. values: further
    settings of every recipe. ValueError for an unknown strategy, and for edits without targets.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"Cohorts are augmented by {', '.join(STRATEGIES)}; found '{strategy}'.")
    if strategy == "unconditional":
        return [Recipe("unconditional", seed=first_seed + index, **values) for index in range(number)]
    if not targets:
        raise ValueError("There is no heart in the target cohort to edit.")
    half = (len(targets) + 1) // 2
    recipes = []
    for index in range(number):
        target = index % len(targets)
        if strategy == "perturbational":
            settings: dict[str, Any] = {"psi": 0.5 if target < half else 0.35}
        else:
            settings = {"keep": LOCAL_EDITS["LV edit" if target < half else "RV edit"]}
        recipes.append(Recipe(strategy, seed=first_seed + index, twin=targets[target], **settings, **values))
    return recipes


def augment(
    population: Cohort,
    made: Mapping[str, Cohort],
    chosen: CohortFilter,
    rng: np.random.Generator,
    *,
    size: int = 140,
    k: int = 5,
    repeats: int = 1000,
) -> tuple[Cohort, list[Augmented]]:
    """The target cohort, and each strategy's hearts filtered, cut to `size`, and compared with it.

    population: the real hearts; those that pass the filter are the reference, and all of them give the scale
    of the measures. made: hearts by strategy. ValueError when k hearts or fewer of the population pass.
    """
    target = chosen(population)
    if len(target) <= k:
        raise ValueError(
            f"{len(target)} of {len(population)} hearts have {chosen}: precision and recall need more than "
            f"{k}. Choose a lower threshold."
        )
    found = []
    for strategy, cohort in made.items():
        passed = chosen(cohort)
        kept = passed.select(np.sort(rng.permutation(len(passed))[:size]))
        comparison = None
        if len(kept) > k:
            comparison = compare_cohorts(target, kept, rng, k=k, scale=population, repeats=repeats)
        found.append(Augmented(strategy, len(cohort), len(passed), kept, comparison))
    return target, found


def augmentation_rows(target: Cohort, found: Sequence[Augmented]) -> list[dict[str, Any]]:
    """Table 4: one row a strategy, with the hearts made, passed and kept, and the references."""
    rows = []
    for one in found:
        nothing = {"FD": "too few hearts", "precision": "", "recall": "", "TV (%)": ""}
        values = nothing if one.comparison is None else one.comparison.row()
        values = {key: value for key, value in values.items() if key != "hearts"}
        rows.append(
            {
                "strategy": f"{one.strategy} + filtering",
                "made": one.made,
                "passed": one.passed,
                "kept": len(one.kept),
                "references": len(target),
                **values,
            }
        )
    return rows
