"""A few short-axis slices of a left ventricle on the normalised grid: what a reconstruction is given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume

__all__ = ["PAPER_POSITIONS", "SparseSlices", "cut_slices", "slice_positions"]

FEWEST, MOST = 3, 16
PAPER_POSITIONS = (14, 19, 23, 28, 33, 38, 42, 47, 52, 57)
"""Columns of the array that the published code takes."""
END_MARGIN = 0.06
"""Distance of the outermost slices from base and apex as a share of the axis (both within 10 %)."""


@dataclass(frozen=True, eq=False)
class SparseSlices:
    """Slices across the long axis of the normalised grid, from base to apex.

    positions: (S,) int, slices k of the grid, rising. cavity, myocardium: (S, 64, 64) float32, shares of the
    voxels. Raises ValueError for fewer than 3 or more than 16 slices, positions outside of the grid or not
    rising, and slices without myocardium.
    """

    positions: NDArray[np.int64]
    cavity: NDArray[np.float32]
    myocardium: NDArray[np.float32]

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions)
        if not FEWEST <= len(positions) <= MOST:
            raise ValueError(
                f"A reconstruction needs {FEWEST} to {MOST} slices; found {len(positions)}. Outline the "
                "myocardium in more slices."
            )
        if positions[0] < 0 or positions[-1] >= SIZE or (np.diff(positions) <= 0).any():
            raise ValueError(
                f"Slices must lie at rising positions from 0 to {SIZE - 1}; found {positions.tolist()}."
            )
        wanted = (len(positions), SIZE, SIZE)
        if self.cavity.shape != wanted or self.myocardium.shape != wanted:
            raise ValueError(
                f"Cavity and myocardium must be {wanted}; found {self.cavity.shape}, {self.myocardium.shape}."
            )
        empty = np.flatnonzero(self.myocardium.reshape(len(positions), -1).max(axis=1) < 0.5)
        if empty.size:
            raise ValueError(f"Slice {int(empty[0]) + 1} holds no myocardium. Outline it or leave it out.")

    def __len__(self) -> int:
        return len(self.positions)

    def without(self, index: int) -> SparseSlices:
        """The slices without one of them, for leaving one out."""
        kept = np.arange(len(self)) != index
        return SparseSlices(self.positions[kept], self.cavity[kept], self.myocardium[kept])


def slice_positions(count: int) -> NDArray[np.int64]:
    """Evenly spread slices of the grid, (count,), the outermost within 10 % of the axis from its ends."""
    first, last = BASE + END_MARGIN * LENGTH, BASE + (1 - END_MARGIN) * LENGTH
    return np.round(np.linspace(first, last, count)).astype(np.int64)


def cut_slices(volume: ShapeVolume, positions: ArrayLike | int) -> SparseSlices:
    """Slices of a volume at positions of the grid, or so many of them (`slice_positions`)."""
    positions = slice_positions(positions) if isinstance(positions, int) else np.asarray(positions)
    if positions.min() < 0 or positions.max() >= SIZE:
        raise ValueError(f"Slices must lie at positions from 0 to {SIZE - 1}; found {positions.tolist()}.")
    return SparseSlices(positions, volume.cavity[positions], volume.myocardium[positions])
