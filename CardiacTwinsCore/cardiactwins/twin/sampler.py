"""Samples from a denoiser: the noise schedule and the deterministic second-order sampler of EDM."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress, silent

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AfterStep", "Denoise", "evaluations", "heun", "noise_schedule"]

Denoise = Callable[["Tensor", float], "Tensor"]
"""(state, sigma) -> the clean state that is expected given the noisy one."""

AfterStep = Callable[[int, float, "Tensor", "Tensor"], "Tensor | None"]
"""(step, sigma, x0, state) -> the state to go on with, or None for the one that is given."""


def noise_schedule(
    steps: int = 20, *, smallest: float = 2e-3, largest: float = 80.0, rho: float = 3.0
) -> NDArray[np.float64]:
    """Noise levels (steps + 1,), falling from `largest` to `smallest`, then 0 (Kadry et al. 2023, Eq. 4).

    ValueError unless steps >= 1 and 0 < smallest < largest.
    """
    if steps < 1:
        raise ValueError(f"Sampling takes 1 step at least; found {steps}.")
    if not 0 < smallest < largest or rho <= 0:
        raise ValueError(
            "Noise falls from `largest` to `smallest`, both above 0, with rho above 0; found "
            f"{largest}, {smallest} and {rho}."
        )
    share = np.arange(steps) / max(steps - 1, 1)
    high, low = largest ** (1 / rho), smallest ** (1 / rho)
    return np.append((high + share * (low - high)) ** rho, 0.0)


def evaluations(sigmas: NDArray[np.float64], start: int = 0) -> int:
    """How often `heun` calls the denoiser: twice a step, once in a step that ends without noise."""
    ends = np.asarray(sigmas)[start + 1 :]
    return int(2 * ends.size - np.count_nonzero(ends == 0))


def heun(
    denoise: Denoise,
    state: Tensor,
    sigmas: NDArray[np.float64],
    *,
    start: int = 0,
    after_step: AfterStep | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Follow dz/dsigma = (z - D(z; sigma)) / sigma from sigmas[start] to the last level (Eq. 1).

    Heun's method, deterministic (Karras et al. 2022, algorithm 1); Euler's in a step that ends at 0.
    state: noisy at level sigmas[start], of any shape. sigmas: falling, as of `noise_schedule`.
    after_step: called after each step with its number (start, ..., steps - 1), the level that the state now
    has (sigmas[step + 1]), the clean state last expected, and the state; what it returns replaces the state.
    progress: steps, of those from `start` on; raises Cancelled to stop.

    ValueError when `start` is no step, or the levels do not fall.
    """
    levels = [float(sigma) for sigma in sigmas]
    if len(levels) < 2 or any(b >= a for a, b in itertools.pairwise(levels)) or levels[-1] < 0:
        raise ValueError(f"Noise levels fall from step to step and end at 0 or above; found {levels}.")
    if not 0 <= start < len(levels) - 1:
        raise ValueError(f"Sampling starts at one of the steps 0 to {len(levels) - 2}; found {start}.")
    total = len(levels) - 1 - start
    for step in range(start, len(levels) - 1):
        sigma, following = levels[step], levels[step + 1]
        clean = denoise(state, sigma)
        slope = (state - clean) / sigma
        ahead = state + (following - sigma) * slope
        if following > 0:
            clean = denoise(ahead, following)
            slope = (slope + (ahead - clean) / following) / 2
            ahead = state + (following - sigma) * slope
        state = ahead
        if after_step is not None:
            replaced = after_step(step, following, clean, state)
            state = state if replaced is None else replaced
        progress(step + 1 - start, total, f"Step {step + 1 - start} of {total}", {"sigma": following})
    return state
