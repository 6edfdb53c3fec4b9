"""Where points of a surface lie in the left ventricle: around it from the RV insertion, and along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LongAxisFrame"]

SHORTEST_AXIS = 1.0


@dataclass(frozen=True, eq=False)
class LongAxisFrame:
    """The long axis of a left ventricle and the anterior insertion of the right one, in RAS mm.

    base, apex: (3,) ends of the axis. insertion: (M, 3) points of the anterior RV insertion, at one or more
    levels; between them the start of the circumference turns evenly, beyond them it stays. Raises ValueError
    when the axis has no length, no insertion point is given, or one lies on the axis.
    """

    base: NDArray[np.float64]
    apex: NDArray[np.float64]
    insertion: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("base", "apex"):
            point = np.asarray(getattr(self, name), dtype=float)
            if point.shape != (3,) or not np.isfinite(point).all():
                raise ValueError(f"The {name} is one point (3,) in RAS mm; found {point.tolist()}.")
            object.__setattr__(self, name, point)
        insertion = np.atleast_2d(np.asarray(self.insertion, dtype=float))
        if insertion.size == 0:
            raise ValueError(
                "There is no RV insertion point, so sectors have no beginning. Place a point where the right "
                "ventricle meets the anterior wall."
            )
        if insertion.shape[1] != 3 or not np.isfinite(insertion).all():
            raise ValueError(f"Insertion points are (M, 3) in RAS mm, all finite; found {insertion.shape}.")
        object.__setattr__(self, "insertion", insertion)
        if self.length < SHORTEST_AXIS:
            raise ValueError(f"Base and apex are {self.length:.2g} mm apart. Check the long axis.")
        if (self._cylindrical(insertion)[1] < 1e-6).any():
            raise ValueError(
                "An insertion point lies on the long axis. Place it where the right ventricle meets the wall."
            )

    @property
    def length(self) -> float:
        """Length of the axis in mm."""
        return float(np.linalg.norm(self.apex - self.base))

    @property
    def direction(self) -> NDArray[np.float64]:
        """Unit vector from base to apex, (3,)."""
        return (self.apex - self.base) / self.length

    @cached_property
    def _across(self) -> NDArray[np.float64]:
        """Unit vectors (2, 3) across the axis, the second a quarter turn later seen from the apex."""
        helper = np.eye(3)[np.argmin(np.abs(self.direction))]
        first = np.cross(helper, self.direction)
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(self.direction, first)])

    def _cylindrical(self, points: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
        """Angle (rad), distance from the axis and height below the base (mm) of points (n, 3)."""
        offset = points - self.base
        x, y = (offset @ axis for axis in self._across)
        return np.arctan2(y, x), np.hypot(x, y), offset @ self.direction

    @cached_property
    def _insertion_by_height(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        angle, _, height = self._cylindrical(self.insertion)
        order = np.argsort(height)
        return height[order], np.unwrap(angle[order])

    def coordinates(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Circumferential and longitudinal coordinate of points (n, 3) in RAS mm, (n,) each.

        Circumferential: [0, 1), counter-clockwise seen from the apex, from the anterior insertion.
        Longitudinal: 0 at the base, 1 at the apex, beyond where a point lies beyond.
        """
        angle, _, height = self._cylindrical(np.asarray(points, dtype=float))
        start = np.interp(height, *self._insertion_by_height)
        return np.mod((angle - start) / (2 * np.pi), 1.0), height / self.length

    def positions(self, circumferential: ArrayLike, longitudinal: ArrayLike, radius: ArrayLike) -> NDArray:
        """The way back: points (n, 3) in RAS mm at coordinates (n,) and distances from the axis (mm)."""
        height = np.asarray(longitudinal, dtype=float) * self.length
        start = np.interp(height, *self._insertion_by_height)
        angle = 2 * np.pi * np.asarray(circumferential, dtype=float) + start
        across = np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ self._across
        return self.base + height[..., None] * self.direction + np.asarray(radius)[..., None] * across
