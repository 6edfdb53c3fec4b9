"""What a reconstruction is given and what it answers with, on the normalised grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume

__all__ = ["HeartReconstruction", "SliceAgreement", "SliceOutlines", "WallSurface"]

FEWEST = 3


@dataclass(frozen=True, eq=False)
class SliceOutlines:
    """The myocardium as far as it is outlined, in voxels of the normalised grid.

    positions: (S,) places of the short-axis slices along k, rising, not necessarily whole voxels. cavity,
    myocardium: (S, 64, 64) float32, share of each pixel, resampled in plane onto the grid. points, values:
    (P, 3) further places k, j, i where cavity and myocardium are known, (P, 2), such as those of long-axis
    slices; or None. apex: place of the epicardial apex along k; nearer to the base than usual in hearts that
    are wide for their length. Raises ValueError for fewer than 3 slices, places that are not rising or
    outside of the grid, slices without myocardium, and shapes that do not fit.
    """

    positions: NDArray[np.float64]
    cavity: NDArray[np.float32]
    myocardium: NDArray[np.float32]
    points: NDArray[np.float64] | None = None
    values: NDArray[np.float32] | None = None
    apex: float = BASE + LENGTH

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, dtype=float)
        object.__setattr__(self, "positions", positions)
        if len(positions) < FEWEST:
            raise ValueError(
                f"A reconstruction needs at least {FEWEST} slices; found {len(positions)}. Outline the "
                "myocardium in more slices."
            )
        if not np.isfinite(positions).all() or positions[0] < 0 or positions[-1] > SIZE - 1:
            raise ValueError(
                f"Slices must lie within the box, at 0 to {SIZE - 1}; found {positions.round(1).tolist()}. "
                "Check the long axis: base and apex of the slices."
            )
        if (np.diff(positions) <= 0).any():
            raise ValueError(
                f"Slices must run from base to apex, each at its own height; found "
                f"{positions.round(1).tolist()}."
            )
        wanted = (len(positions), SIZE, SIZE)
        for name in ("cavity", "myocardium"):
            share = np.asarray(getattr(self, name), dtype=np.float32)
            if share.shape != wanted or not np.isfinite(share).all():
                raise ValueError(f"The {name} must be finite and {wanted}; found {share.shape}.")
            object.__setattr__(self, name, share)
        empty = np.flatnonzero(self.myocardium.reshape(len(positions), -1).max(axis=1) < 0.5)
        if empty.size:
            raise ValueError(f"Slice {int(empty[0]) + 1} holds no myocardium. Outline it or leave it out.")
        if (self.points is None) != (self.values is None):
            raise ValueError("Further points come with their values, and values with their points.")
        if self.points is not None and self.values.shape != (len(self.points), 2):
            raise ValueError(
                f"Each of the {len(self.points)} further points has two values, cavity and myocardium; found "
                f"{self.values.shape}."
            )

    def __len__(self) -> int:
        return len(self.positions)

    def without(self, index: int) -> SliceOutlines:
        """The outlines without one short-axis slice, for leaving one out."""
        kept = np.arange(len(self)) != index
        return SliceOutlines(
            self.positions[kept],
            self.cavity[kept],
            self.myocardium[kept],
            self.points,
            self.values,
            self.apex,
        )


@dataclass(frozen=True)
class SliceAgreement:
    """How well a reconstruction meets one slice.

    position: of the slice along k in voxels. dice: of the myocardium. distance: mean distance between both
    outlines in voxels.
    """

    position: float
    dice: float
    distance: float


@dataclass(frozen=True, eq=False)
class WallSurface:
    """The closed surface of a wall.

    points: (P, 3) voxels k, j, i. triangles: (T, 3), their normals point out of the wall. layer: (P,) uint8,
    0 endocardium, 1 epicardium, 2 base rim.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    layer: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class HeartReconstruction:
    """A left ventricle rebuilt from slices.

    volume: on the normalised grid. surface: of the wall. deviation: (P,) standard deviation of each point's
    position across the surface in voxels, or None where the method has none. agreement: with each slice.
    method: that was used. values: what else it says of itself, plain numbers and texts.
    """

    volume: ShapeVolume
    surface: WallSurface
    deviation: NDArray[np.float64] | None
    agreement: tuple[SliceAgreement, ...]
    method: str
    values: Mapping[str, Any] = field(default_factory=dict)
