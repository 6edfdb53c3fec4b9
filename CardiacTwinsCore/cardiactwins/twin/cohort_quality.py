"""A synthetic cohort judged in all respects: raw, guarded, against chance, against the training hearts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_comparison import (
    CohortComparison,
    Halves,
    compare_cohorts,
    compare_halves,
    nearest_training,
)
from cardiactwins.twin.memorising import Memorising, memorising

__all__ = ["CohortQuality", "cohort_quality"]


@dataclass(frozen=True, eq=False)
class CohortQuality:
    """A synthetic cohort judged.

    raw, guarded: before and after the guard against a reference; guarded is None where the guard accepted too
    few. halves: what two halves of the reference do against each other. nearest: distances to the nearest
    training heart, of "held out" and "synthetic" hearts; memory: what they tell of copying. Both None without
    training hearts.
    """

    raw: CohortComparison
    guarded: CohortComparison | None
    halves: Halves
    nearest: dict[str, np.ndarray] | None
    memory: Memorising | None = None


def cohort_quality(
    reference: Cohort,
    raw: Cohort,
    guarded: Cohort,
    rng: np.random.Generator,
    *,
    training: Cohort | None = None,
    k: int = 5,
    repeats: int = 1000,
    splits: int = 200,
) -> CohortQuality:
    """Judge a cohort against hearts that the model never saw.

    raw, guarded: the same hearts before the topology guard, and those that it accepted. training: hearts
    that the model was trained on, of which copies would lie too near.
    """
    nearest = None
    if training is not None:
        nearest = {
            "held out": nearest_training(reference, training)[0],
            "synthetic": nearest_training(raw, training)[0],
        }
    return CohortQuality(
        compare_cohorts(reference, raw, rng, k=k, repeats=repeats),
        compare_cohorts(reference, guarded, rng, k=k, repeats=repeats) if len(guarded) > k else None,
        compare_halves(reference, rng, synthetic=raw, k=k, splits=splits),
        nearest,
        None if training is None else memorising(reference, raw, training, rng, repeats=repeats),
    )
