"""Values with their bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimate", "bootstrap_share", "bootstrap_spread"]


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high


def bootstrap_share(held: ArrayLike, rng: np.random.Generator, repeats: int = 1000) -> Estimate:
    """Mean of booleans or numbers (N, ...) and the percentiles of its bootstrap over the first axis."""
    values = np.asarray(held, dtype=float).reshape(len(held), -1).mean(axis=1)
    if not len(values):
        raise ValueError("There is nothing to take the mean of.")
    draws = rng.integers(len(values), size=(repeats, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), (0.025, 0.975))
    return Estimate(float(values.mean()), float(low), float(high))


def bootstrap_spread(
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rng: np.random.Generator,
    repeats: int = 300,
) -> Estimate:
    """A measure of two sets of vectors and how it spreads when both are drawn anew with replacement.

    Drawing anew adds the noise of a second sampling to a distance, so that the bootstrap's mean lies above
    the value; the interval is the bootstrap's, shifted back by that much (not below 0). What finite cohorts
    themselves add to a distance stays in the value: compare cohorts of the same size.
    """
    value = measure(first, second)
    again = np.array(
        [
            measure(first[rng.integers(len(first), size=len(first))],
                    second[rng.integers(len(second), size=len(second))])
            for _ in range(repeats)
        ]
    )  # fmt: skip
    low, high = np.quantile(again, (0.025, 0.975)) - (again.mean() - value)
    return Estimate(float(value), max(float(low), 0.0), float(high))
