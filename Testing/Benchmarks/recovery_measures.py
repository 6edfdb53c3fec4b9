"""What the recovery experiment measures: distances of length distributions, their floors, and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.stats import wasserstein_distance

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.spherical import SMALLEST_RADIUS, IterativeSphericalModel

__all__ = [
    "folded_normal_fit",
    "length_distances",
    "length_quantiles",
    "oracle_distances",
    "seen_intervals",
    "true_lengths",
    "within_two_errors",
]

QUANTILES = (np.arange(20_000) + 0.5) / 20_000


def length_quantiles(model: EllipticalModel | IterativeSphericalModel, parameters: ArrayLike) -> NDArray:
    """Sorted lengths that stand for a model's distributions, (axes or 1, 20000), pixels.

    Semi-axes of the elliptical model, |Normal(mean, std)|; radii of the spherical one, U(1, maximal radius).
    """
    if isinstance(model, EllipticalModel):
        uniforms = np.repeat(QUANTILES[:, None], len(model.axes), axis=1)
        return np.sort(model.semi_axes(parameters, uniforms).T, axis=1)
    return (SMALLEST_RADIUS + (np.asarray(parameters)[1] - SMALLEST_RADIUS) * QUANTILES)[None]


def length_distances(found: NDArray, true: NDArray) -> NDArray[np.float64]:
    """Wasserstein-1 distance of each axis in pixels, (axes,), between samples of lengths (axes, any n)."""
    return np.array([wasserstein_distance(a, b) for a, b in zip(found, true, strict=True)])


def true_lengths(
    model: EllipticalModel | IterativeSphericalModel, parameters: ArrayLike, uniforms: NDArray
) -> NDArray:
    """Lengths behind a population's uniform numbers (n, n_uniforms), (axes, n) or (1, n * spheres)."""
    if isinstance(model, EllipticalModel):
        return model.semi_axes(parameters, uniforms[:, 1:]).T
    spheres, largest = parameters
    radii = SMALLEST_RADIUS + (largest - SMALLEST_RADIUS) * uniforms[:, 1 : 1 + 2 * int(spheres) : 2]
    return radii.reshape(1, -1)


def folded_normal_fit(lengths: NDArray) -> tuple[float, float]:
    """Mean and std of the |Normal(mean, std)| that makes the lengths (n,) most likely."""

    def cost(point: NDArray) -> float:
        mean, std = point[0], np.exp(point[1])
        both = np.logaddexp(-0.5 * ((lengths - mean) / std) ** 2, -0.5 * ((lengths + mean) / std) ** 2)
        return len(lengths) * point[1] - both.sum()

    centre, spread = lengths.mean(), lengths.std()
    starts = [(centre * share, np.log(spread * width)) for share in (0.1, 0.6, 1) for width in (0.7, 1.2)]
    best = min((minimize(cost, start, method="Nelder-Mead") for start in starts), key=lambda fit: fit.fun)
    return abs(float(best.x[0])), float(np.exp(best.x[1]))


def oracle_distances(
    model: EllipticalModel | IterativeSphericalModel, truth: Sequence[float], lengths: NDArray
) -> tuple[NDArray, NDArray]:
    """What one who measures the true lengths (axes, n) misses: W1 of the lengths as they are, and of the fit.

    The fit is that of maximum likelihood: of a folded normal, or of U(1, maximal radius), whose estimate is
    the largest radius. Two arrays (axes,), pixels.
    """
    true = length_quantiles(model, truth)
    if isinstance(model, EllipticalModel):
        fitted = np.ravel([folded_normal_fit(row) for row in lengths])
    else:
        fitted = np.array([truth[0], lengths.max()])
    return length_distances(lengths, true), length_distances(length_quantiles(model, fitted), true)


def seen_intervals(model: EllipticalModel, parameters: ArrayLike, uniforms: NDArray) -> NDArray[np.float64]:
    """Between which lengths of an axis the lesion stays the same image, (axes, n, 2) in pixels, 2D.

    The other axis is held. The upper end is infinite where a longer axis adds no pixel: what lies beyond
    the epicardium is not seen.
    """
    axes = model.semi_axes(parameters, uniforms[:, 1:])
    centres = model.anatomy.positions[
        model.start_voxels[(uniforms[:, 0] * len(model.start_voxels)).astype(int)]
    ]
    intervals = np.empty((2, len(axes), 2))
    for row, (centre, frame) in enumerate(zip(centres, model.frames(centres), strict=True)):
        along = (model.anatomy.positions - centre) @ frame[:2].T
        for axis in (0, 1):
            left = 1 - (along[:, 1 - axis] / axes[row, 1 - axis]) ** 2
            enters = np.sort(np.abs(along[left > 0, axis]) / np.sqrt(left[left > 0]))
            place = np.searchsorted(enters, axes[row, axis], side="right")
            intervals[axis, row] = (
                enters[place - 1] if place else 0.0,
                enters[place] if place < len(enters) else np.inf,
            )
    return intervals


def within_two_errors(found: dict[str, Any], truth: dict[str, Any]) -> dict[str, bool]:
    """Whether the loss found exceeds the truth's by at most 2 standard errors, in three ways.

    own: each with its own 20 fresh populations, standard error of the difference. truth: the same, standard
    error of the truth's mean alone. paired: both on the same 20 fresh random numbers, standard error of the
    mean difference.
    """
    loss, error = np.mean(truth["losses"]), np.std(truth["losses"], ddof=1) / np.sqrt(len(truth["losses"]))
    difference = np.subtract(found["shared_losses"], truth["shared_losses"])
    paired_error = difference.std(ddof=1) / np.sqrt(len(difference))
    return {
        "own": bool(found["loss"] <= loss + 2 * np.hypot(error, found["loss_error"])),
        "truth": bool(found["loss"] <= loss + 2 * error),
        "paired": bool(difference.mean() <= 2 * paired_error),
    }
