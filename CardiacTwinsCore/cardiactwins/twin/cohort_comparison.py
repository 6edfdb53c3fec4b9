"""How near a synthetic cohort comes to a reference, with what chance alone would do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.estimate import Estimate, bootstrap_share, bootstrap_spread
from cardiactwins.twin.frechet import frechet_distance, standardised
from cardiactwins.twin.neighbours import nearest_distances, precision_recall

__all__ = ["CohortComparison", "Halves", "compare_cohorts", "compare_halves", "nearest_training"]


@dataclass(frozen=True)
class CohortComparison:
    """A synthetic cohort against a reference on the 12 standardised measures.

    frechet, precision, recall, violations (TV %): values with 95 % bootstrap intervals. The intervals of
    precision and recall are over the hearts that are judged, the manifold that judges them held fixed.
    """

    hearts: int
    reference_hearts: int
    frechet: Estimate
    precision: Estimate
    recall: Estimate
    violations: Estimate

    def row(self) -> dict[str, Any]:
        """One row of a table like table 4 of Kadry et al. 2023, with the intervals as text."""
        return {
            "hearts": self.hearts,
            "FD": str(self.frechet),
            "precision": str(self.precision),
            "recall": str(self.recall),
            "TV (%)": str(self.violations),
        }

    def values(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Halves:
    """What two halves of one cohort do against each other, and a synthetic cohort at the same sizes.

    frechet, precision, recall: mean over random splits with the interval that holds 95 % of them. matched:
    mean of the same three (frechet, precision, recall) of as many synthetic hearts against one half; None
    without a synthetic cohort.
    """

    frechet: Estimate
    precision: Estimate
    recall: Estimate
    matched: tuple[float, float, float] | None = None


def compare_cohorts(
    reference: Cohort,
    synthetic: Cohort,
    rng: np.random.Generator,
    *,
    k: int = 5,
    scale: Cohort | None = None,
    repeats: int = 1000,
) -> CohortComparison:
    """Frechet distance, precision, recall and TV % of a synthetic cohort.

    scale: the cohort whose means and deviations standardise the measures, the reference by default; a target
    cohort chosen from a larger one is judged on the scale of the larger one. repeats: bootstrap draws.
    ValueError when a cohort has k hearts or fewer.
    """
    real, made = _standardised(reference, synthetic, scale=scale)
    found = precision_recall(real, made, k)
    return CohortComparison(
        hearts=len(synthetic),
        reference_hearts=len(reference),
        frechet=bootstrap_spread(frechet_distance, real, made, rng, max(repeats // 3, 1)),
        precision=bootstrap_share(found.plausible, rng, repeats),
        recall=bootstrap_share(found.covered, rng, repeats),
        violations=bootstrap_share(100.0 * synthetic.violated, rng, repeats),
    )


def compare_halves(
    reference: Cohort,
    rng: np.random.Generator,
    *,
    synthetic: Cohort | None = None,
    k: int = 5,
    splits: int = 200,
) -> Halves:
    """Random splits of a cohort into two halves, one as reference and one as if it were synthetic.

    A synthetic cohort that cannot be told from the reference lies in these intervals, at the sizes of the
    halves. synthetic: also draw as many hearts from it each time (with no more than it has).
    """
    real = _standardised(reference)[0]
    made = None if synthetic is None else _standardised(reference, synthetic)[1]
    between_halves, against_half = [], []
    for _ in range(splits):
        order = rng.permutation(len(real))
        half, other = np.array_split(real[order], 2)
        between_halves.append(_three(half, other, k))
        if made is not None:
            chosen = rng.permutation(len(made))[: len(other)]
            against_half.append(_three(half, made[chosen], k))
    values = np.array(between_halves)
    low, high = np.quantile(values, (0.025, 0.975), axis=0)
    estimates = [
        Estimate(float(m), float(a), float(b)) for m, a, b in zip(values.mean(axis=0), low, high, strict=True)
    ]
    matched = None if made is None else tuple(np.mean(against_half, axis=0).tolist())
    return Halves(*estimates, matched=matched)


def nearest_training(cohort: Cohort, training: Cohort) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance of each heart to the nearest training heart, and which it is, in deviations of the training.

    Compare the distances with those of hearts that were held out: memorised hearts lie nearer.
    """
    scaled = _standardised(training, cohort)
    return nearest_distances(scaled[1], scaled[0])


def _three(real: ArrayLike, made: ArrayLike, k: int) -> tuple[float, float, float]:
    found = precision_recall(real, made, k)
    return frechet_distance(real, made), found.precision, found.recall


def _standardised(reference: Cohort, *others: Cohort, scale: Cohort | None = None) -> list[NDArray]:
    by = (reference if scale is None else scale).morphology
    return [standardised(cohort.morphology, by) for cohort in (reference, *others)]
