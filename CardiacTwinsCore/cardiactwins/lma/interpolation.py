"""A volume between parallel slices without a model of the heart: cubic signed-distance interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt

__all__ = ["interpolate_distances", "interpolate_slices", "signed_distance"]


def signed_distance(mask: ArrayLike, spacing: ArrayLike = 1.0) -> NDArray[np.float64]:
    """Distance to the outline of a mask of any dimension, negative inside, in the unit of `spacing`.

    The outline runs midway between the centres of neighbouring voxels in and out of the mask, half a voxel
    (of the finest axis) from either. spacing: one number or one an axis, in the order of the axes. ValueError
    for a mask that is empty or full: it has no outline.
    """
    mask = np.asarray(mask, dtype=bool)
    spacing = np.broadcast_to(np.asarray(spacing, dtype=float), mask.ndim)
    if mask.all() or not mask.any():
        raise ValueError(f"A mask of shape {mask.shape} is {'full' if mask.any() else 'empty'}: no outline.")
    outside = distance_transform_edt(~mask, sampling=spacing)
    inside = distance_transform_edt(mask, sampling=spacing)
    return outside - inside + np.where(mask, 0.5, -0.5) * spacing.min()


def interpolate_slices(
    slices: ArrayLike,
    positions: ArrayLike,
    heights: ArrayLike,
    *,
    spacing: ArrayLike = 1.0,
    reach: tuple[float, float] | None = None,
) -> NDArray[np.bool_]:
    """Volume from the masks of parallel slices: `interpolate_distances` of their signed distances.

    slices: (S, j, i) bool, S >= 2, one outline or more in each. positions, heights, reach: as there. spacing:
    pixel size (j, i) in mm or one number. Returns (K, j, i) bool.

    ValueError as there, and for an empty or full slice (leave out slices beyond the heart).
    """
    slices = np.asarray(slices, dtype=bool)
    if slices.ndim != 3:
        raise ValueError(f"Slices are an array (S, j, i); found shape {slices.shape}.")
    distances = [signed_distance(mask, spacing) for mask in slices]
    return interpolate_distances(np.stack(distances), positions, heights, reach=reach) < 0


def interpolate_distances(
    distances: ArrayLike,
    positions: ArrayLike,
    heights: ArrayLike,
    *,
    reach: tuple[float, float] | None = None,
) -> NDArray[np.float64]:
    """Signed distances at all heights from those in parallel slices: a natural cubic spline across them.

    distances: (S, j, i), S >= 2, within each slice, negative inside. positions: (S,) heights of the slices
    along their normal in mm, in any order. heights: (K,) where they are wanted, mm. Returns (K, j, i).

    Beyond the outermost slices the signed distance goes on in a straight line, so that what tapers goes on
    tapering, up to `reach` (below the lowest, above the highest slice, mm); farther it is infinite. None:
    half the mean distance between slices, what each slice of a stack stands for.

    ValueError for fewer than two slices, slices at one height, or numbers that do not fit.
    """
    distances, positions = (np.asarray(part, dtype=float) for part in (distances, positions))
    heights = np.atleast_1d(np.asarray(heights, dtype=float))
    if distances.ndim != 3 or len(distances) < 2 or positions.shape != distances.shape[:1]:
        raise ValueError(
            f"Interpolation takes at least 2 slices (S, j, i), each with its height; found slices of shape "
            f"{distances.shape} and heights of shape {positions.shape}."
        )
    if not (np.isfinite(positions).all() and np.isfinite(heights).all()):
        raise ValueError("Heights of slices or of wanted planes are NaN or infinite.")
    order = np.argsort(positions)
    positions = positions[order]
    if np.diff(positions).min() <= 0:
        raise ValueError(f"Two slices lie at the same height: {positions.tolist()} mm. Keep one of them.")
    spline = CubicSpline(positions, distances[order], bc_type="natural")

    low, high = positions[[0, -1]]
    within = np.clip(heights, low, high)
    # A natural spline has no curvature at its ends: the straight line leaves it smoothly.
    beyond = (heights - within)[:, None, None]
    slope = np.where(beyond < 0, spline(low, 1), spline(high, 1))
    below, above = (np.diff(positions).mean() / 2,) * 2 if reach is None else reach
    reached = (heights >= low - below) & (heights <= high + above)
    return np.where(reached[:, None, None], spline(within) + beyond * slope, np.inf)
