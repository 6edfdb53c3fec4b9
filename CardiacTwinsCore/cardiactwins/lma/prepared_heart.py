"""A patient's slices, corrected and brought onto the normalised grid: ready to be reconstructed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.long_axis_ends import long_axis_ends
from cardiactwins.lma.pose import Pose
from cardiactwins.lma.slice_shifts import SliceShifts, slice_shifts
from cardiactwins.lma.slice_stack import SliceStack, outlines_in_grid, pose_of_stack

__all__ = ["PreparedHeart", "prepare_heart"]


@dataclass(frozen=True, eq=False)
class PreparedHeart:
    """stack: slices where they belong. shifts: that were taken off them. pose: of the heart in the patient.

    outlines: the same on the normalised grid, with further places of long-axis slices if there were any.
    corrected: whether the shifts were taken off, or are only told.
    """

    stack: SliceStack
    shifts: SliceShifts
    pose: Pose
    outlines: SliceOutlines
    corrected: bool = True


def prepare_heart(
    stack: SliceStack,
    insertion_points: ArrayLike,
    *,
    correct_shifts: bool = True,
    base: float | None = None,
    points: ArrayLike | None = None,
    values: ArrayLike | None = None,
) -> PreparedHeart:
    """Correct the shifts of the slices, find the pose of the heart and resample the outlines.

    insertion_points: (M, 3) RAS mm; they move with the slice they lie in. correct_shifts: False leaves every
    slice where it is (`shifts` still tells what was recognised). base: as in `pose_of_stack`. points, values:
    as in `outlines_in_grid`; they stay where they are, tell base and apex (`long_axis_ends`) and are left out
    above the base plane. ValueError as of the steps.
    """
    shifts = slice_shifts(stack)
    insertion = np.atleast_2d(np.asarray(insertion_points, dtype=float))
    if correct_shifts:
        levels = stack.centers() @ stack.normal
        nearest = np.abs((insertion @ stack.normal)[:, None] - levels).argmin(axis=1)
        insertion = insertion - shifts.shifts[nearest]
        stack = shifts.corrected(stack)
    apex = None
    if points is not None and (ends := long_axis_ends(stack, points, values)) is not None:
        levels = stack.centers() @ stack.normal
        base = float(levels[0]) - ends[0] if base is None else base
        apex = ends[1] - float(levels[-1])
    pose = pose_of_stack(stack, insertion, base=base, apex=apex)
    if points is not None:
        # The normalised heart ends at the base plane; what lies above says nothing of it.
        below_base = pose.frame.coordinates(points)[1] > 0
        points, values = np.asarray(points)[below_base], np.asarray(values)[below_base]
    return PreparedHeart(stack, shifts, pose, outlines_in_grid(stack, pose, points, values), correct_shifts)
