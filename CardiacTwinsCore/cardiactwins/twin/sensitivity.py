"""How the quality of a cohort depends on sampling steps and cohort size (Kadry et al. 2023, appendix C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.frechet import frechet_distance, standardised
from cardiactwins.twin.neighbours import precision_recall
from cardiactwins.twin.recipe import Recipe

__all__ = ["SIZES", "STEPS", "quality_row", "size_rows", "step_recipes", "step_rows"]

STEPS = (5, 10, 20, 50, 100, 200)
SIZES = (5, 10, 20, 50, 100, 200)


def step_recipes(
    steps: Sequence[int] = STEPS, number: int = 100, first_seed: int = 0, **values: Any
) -> dict[int, list[Recipe]]:
    """`number` unconditional hearts for each number of steps, of the same seeds; values: further settings."""
    return {
        count: [Recipe("unconditional", seed=first_seed + i, steps=count, **values) for i in range(number)]
        for count in steps
    }


def step_rows(reference: Cohort, cohorts: Mapping[int, Cohort], k: int = 5) -> list[dict[str, float]]:
    """Quality by number of steps."""
    return [{"steps": steps, **quality_row(reference, cohort, k)} for steps, cohort in cohorts.items()]


def size_rows(
    reference: Cohort,
    synthetic: Cohort,
    rng: np.random.Generator,
    sizes: Sequence[int] = SIZES,
    *,
    k: int = 5,
    draws: int = 20,
) -> list[dict[str, float]]:
    """Quality by size: means over `draws` random parts of one cohort; sizes that it lacks are left out."""
    rows = []
    for size in sizes:
        if size > len(synthetic):
            continue
        parts = [
            quality_row(reference, synthetic.select(rng.permutation(len(synthetic))[:size]), k)
            for _ in range(draws)
        ]
        means = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
        rows.append({"size": size, **means})
    return rows


def quality_row(reference: Cohort, synthetic: Cohort, k: int = 5) -> dict[str, float]:
    """FD, precision, recall and TV (%); NaN where a cohort is too small for them."""
    real = standardised(reference.morphology, reference.morphology)
    made = standardised(synthetic.morphology, reference.morphology)
    nan = float("nan")
    row = {"FD": nan, "precision": nan, "recall": nan, "TV (%)": synthetic.violations_percent}
    if len(made) > 1:
        row["FD"] = frechet_distance(real, made)
    if len(made) > k:
        found = precision_recall(real, made, k)
        row |= {"precision": found.precision, "recall": found.recall}
    return row
