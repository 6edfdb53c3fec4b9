"""Whether a model gives hearts of its training back: how much nearer its hearts lie than chance has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.estimate import Estimate
from cardiactwins.twin.frechet import standardised
from cardiactwins.twin.neighbours import nearest_distances

__all__ = ["Memorising", "memorising"]

RIM = 0.05
"""Share of the unseen hearts that count as near the training."""


@dataclass(frozen=True)
class Memorising:
    """What tells remembered hearts from new ones; distances in standard deviations of the training hearts.

    difference: median distance of the synthetic hearts to the nearest training heart, less that of the unseen
    ones. near: share of the synthetic hearts that lie nearer than all but 5 % of the unseen ones. Both with
    95 % intervals, hearts of both cohorts drawn anew. A cohort that is more alike than the population lies
    nearer to the training without copying it, as the training is densest among common hearts. So,
    to_unseen: median distance of the synthetic hearts to the nearest unseen heart; to_training: the same to
    as many training hearts, the mean over random draws of them, with the interval that holds 95 % of the
    draws. A model without memory has to_unseen in that interval; one that remembers has it above.
    """

    difference: Estimate
    near: Estimate
    to_unseen: float
    to_training: Estimate

    @property
    def remembers(self) -> bool:
        """Whether training hearts lie nearer than as many unseen ones, beyond what chance explains."""
        return self.to_unseen > self.to_training.high

    def sentences(self) -> list[str]:
        """For a report."""
        verdict = "nearer than chance explains" if self.remembers else "no nearer than chance explains"
        return [
            f"Synthetic hearts less held-out ones: {self.difference}. Nearer than all but {RIM:.0%} of those "
            f"held out: {self.near} of the synthetic hearts.",
            f"From synthetic hearts to the nearest one held out: {self.to_unseen:.3g}; to as many of the "
            f"training: {self.to_training}. So the training hearts lie {verdict}.",
        ]

    def values(self) -> dict[str, object]:
        """All of it as plain values for JSON."""
        return asdict(self)


def memorising(
    unseen: Cohort, synthetic: Cohort, training: Cohort, rng: np.random.Generator, *, repeats: int = 1000
) -> Memorising:
    """Compare a synthetic cohort with hearts of the same population that the model saw and did not see.

    repeats: bootstrap draws. ValueError for a cohort without hearts.
    """
    if not len(unseen) or not len(synthetic):
        raise ValueError(f"There are {len(unseen)} unseen and {len(synthetic)} synthetic hearts to compare.")
    seen, held, made = (
        standardised(c.morphology, training.morphology) for c in (training, unseen, synthetic)
    )
    own, other = nearest_distances(made, seen)[0], nearest_distances(held, seen)[0]
    number = min(len(held), len(seen))
    medians = [
        _median_to(made, seen[rng.permutation(len(seen))[:number]]) for _ in range(max(repeats // 5, 1))
    ]
    low, high = np.quantile(medians, (0.025, 0.975))
    return Memorising(
        difference=_redrawn(own, other, rng, repeats, _difference),
        near=_redrawn(own, other, rng, repeats, _near),
        to_unseen=_median_to(made, held[:number]),
        to_training=Estimate(float(np.mean(medians)), float(low), float(high)),
    )


def _median_to(points: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    return float(np.median(nearest_distances(points, others)[0]))


def _difference(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.median(own, axis=-1) - np.median(other, axis=-1)


def _near(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return (own < np.quantile(other, RIM, axis=-1)[..., None]).mean(axis=-1)


def _redrawn(
    own: NDArray[np.float64],
    other: NDArray[np.float64],
    rng: np.random.Generator,
    repeats: int,
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> Estimate:
    """A measure of both groups' distances (..., N), (..., M) and its bootstrap, hearts of both drawn anew."""
    draws = [values[rng.integers(len(values), size=(repeats, len(values)))] for values in (own, other)]
    low, high = np.quantile(measure(*draws), (0.025, 0.975))
    return Estimate(float(measure(own, other)), float(low), float(high))
