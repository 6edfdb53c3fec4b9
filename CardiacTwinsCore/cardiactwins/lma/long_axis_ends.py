"""Base and apex as long-axis slices show them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.lma.slice_stack import SliceStack

__all__ = ["long_axis_ends"]

APEX_QUANTILE = 0.998
BASE_QUANTILE = 0.01
LEAST_WALL = 20
"""A side of the axis with fewer points of wall does not show its base."""


def long_axis_ends(stack: SliceStack, points: ArrayLike, values: ArrayLike) -> tuple[float, float] | None:
    """Heights in mm along the normal (as `centers() @ normal`) of base plane and epicardial apex, or None.

    points: (P, 3) RAS mm of long-axis slices. values: (P, 2), cavity and myocardium. The apex is where the
    wall ends. On either side of the axis the wall begins at another height; the base plane lies at the lower
    one of them, where both walls are there, but not below the first short-axis slice. None where the points
    show no wall on either side of the axis, or no wall beyond the last short-axis slice.
    """
    points, values = np.asarray(points, dtype=float), np.asarray(values, dtype=float)
    wall = points[values[:, 1] >= 0.5]
    levels = stack.centers() @ stack.normal
    if len(wall) < 2 * LEAST_WALL:
        return None
    heights = wall @ stack.normal
    center = np.average(stack.centers(), axis=0, weights=stack.areas())
    across = wall - center
    across -= (across @ stack.normal)[:, None] * stack.normal
    # The line in which the slices cut the plane of the short axis: the walls lie at its two ends.
    line = np.linalg.svd(across, full_matrices=False)[2][0]
    sides = across @ line
    starts = [
        np.quantile(heights[side], BASE_QUANTILE)
        for side in (sides > 0, sides < 0)
        if side.sum() >= LEAST_WALL
    ]
    apex = float(np.quantile(heights, APEX_QUANTILE))
    if len(starts) < 2 or apex <= levels[-1]:
        return None
    base = min(float(max(starts)), float(levels[0]))
    return base, apex
