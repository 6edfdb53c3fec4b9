"""How far slices lie beside each other because the patient held the breath differently, in their plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.slice_stack import SliceStack

__all__ = ["SliceShifts", "slice_shifts"]

FREE_MM = 100.0
"""SD of the place and the tilt of the axis, which say nothing about shifts."""
BEND_MM = 4.0
BEND_SHARE = 0.4
"""The bent axis departs from a straight one by this SD, smooth over this share of the ventricle's length."""
UNEVEN_MM = 0.5
"""SD by which the middle of a slice departs from a smooth axis: an uneven wall, outlines drawn by hand."""
LEAST_MM = 2.0
"""Shorter shifts are not told from an uneven wall and are left alone."""
ROUNDS = 200


@dataclass(frozen=True, eq=False)
class SliceShifts:
    """Shifts of slices in their planes.

    shifts: (S, 3) RAS mm by which each slice lies beside its place, 0 where none is recognised; take them off
    to correct it. spread: (S,) mm, standard deviation of a shift along each direction.
    """

    shifts: NDArray[np.float64]
    spread: NDArray[np.float64]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Length of each shift in mm, (S,)."""
        return np.linalg.norm(self.shifts, axis=1)

    def corrected(self, stack: SliceStack) -> SliceStack:
        """The slices where they belong."""
        return stack.moved(-self.shifts)


def slice_shifts(stack: SliceStack) -> SliceShifts:
    """Tell shifted slices from a bent ventricle by the middles of their outlines.

    The middle of a slice (mean centroid of endo- and epicardium) is a straight axis of any place and tilt,
    plus a smooth bend (Gaussian process), plus an uneven wall, plus the shift of the slice. Each slice has a
    variance of its own for its shift, and these variances are those of the greatest likelihood (automatic
    relevance determination, Tipping, J Mach Learn Res 1:211, 2001): most become zero, so that an unshifted
    slice stays where it is. Bend and unevenness are such as phantoms and MESA hearts show: of their unshifted
    slices about 2 % are moved. A shift of all slices or one that grows evenly with height cannot be told from
    the place and tilt of the heart and is not corrected. With fewer than 4 slices there is nothing to tell a
    shift from a bend, and all are 0.
    """
    count = len(stack)
    directions = stack.plane.direction[:, :2].T
    directions = np.stack([directions[0], np.cross(stack.normal, directions[0])])
    middles = _middles(stack) @ directions.T
    if count < 4:
        return SliceShifts(np.zeros((count, 3)), np.full(count, np.nan))
    along = (stack.heights - stack.heights.mean()) / np.ptp(stack.heights)
    apart = (along[:, None] - along) / BEND_SHARE
    smooth = FREE_MM**2 * (1 + np.outer(along, along)) + BEND_MM**2 * np.exp(-0.5 * apart**2)
    smooth += UNEVEN_MM**2 * np.eye(count)
    variance = np.full(count, 4.0)
    for _ in range(ROUNDS):
        gain = np.diag(variance) @ np.linalg.inv(smooth + np.diag(variance))
        found = gain @ (middles - middles.mean(axis=0))
        left = np.diag(np.diag(variance) - gain @ np.diag(variance))
        certain = np.maximum(1 - left / np.maximum(variance, 1e-12), 1e-6)
        variance = np.maximum((found**2).mean(axis=1) / certain, 1e-8)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    shifts = np.where(lengths < LEAST_MM, 0.0, found)
    return SliceShifts(shifts @ directions, np.sqrt(np.maximum(left, 0)))


def _middles(stack: SliceStack) -> NDArray[np.float64]:
    """Middle of each slice (S, 3): mean of the centroids of what epi- and endocardium enclose."""
    outer = stack.centers()
    inner = stack.centers(stack.cavity)
    drawn = (stack.cavity.sum(axis=(1, 2)) > 0.25 * stack.whole.sum(axis=(1, 2)))[:, None]
    return np.where(drawn, (outer + np.nan_to_num(inner)) / 2, outer)
