"""Values of sectors, measured in a few slices, on every point of a surface model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, RectBivariateSpline, make_interp_spline
from scipy.ndimage import map_coordinates

__all__ = ["ActivationMap", "SectorValues", "activation_map"]

FEWEST_SECTORS = 4
FARTHEST_BEYOND = 0.5
"""Slices lie at most so far beyond base or apex, as a share of the long axis."""
GRID_ANGLES = 180
GRID_HEIGHTS = 151


@dataclass(frozen=True, eq=False)
class SectorValues:
    """One value a sector and slice, such as the time to onset of shortening (TOS) in ms.

    values: (slices, sectors); NaN where a sector could not be measured. The middle of sector i lies (i + 0.5)
    / sectors turns counter-clockwise, seen from the apex, from the anterior RV insertion.
    longitudinal: (slices,) height of each slice, 0 base to 1 apex, all different. errors: (slices, sectors)
    standard errors in the same unit, or None. Raises ValueError for shapes that do not fit, fewer than 4
    sectors, slices at one height or far beyond base or apex, infinite values, and a slice without any value.
    """

    values: NDArray[np.float64]
    longitudinal: NDArray[np.float64]
    errors: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        values = np.atleast_2d(np.asarray(self.values, dtype=float))
        heights = np.atleast_1d(np.asarray(self.longitudinal, dtype=float))
        if values.ndim != 2 or heights.shape != values.shape[:1]:
            raise ValueError(
                f"Values are (slices, sectors) with one height a slice; found {values.shape} and "
                f"{heights.shape}."
            )
        if values.shape[1] < FEWEST_SECTORS:
            raise ValueError(
                f"A slice needs at least {FEWEST_SECTORS} sectors; found {values.shape[1]} (18 are usual)."
            )
        if not np.isfinite(heights).all() or len(np.unique(heights)) < len(heights):
            raise ValueError(f"Slices must lie at different finite heights; found {heights.tolist()}.")
        if heights.min() < -FARTHEST_BEYOND or heights.max() > 1 + FARTHEST_BEYOND:
            raise ValueError(
                f"Heights of slices run from 0 (base) to 1 (apex); found {np.round(heights, 2).tolist()}. "
                "Give them as shares of the long axis, and positions in the space of the model."
            )
        if np.isinf(values).any():
            raise ValueError("A sector has an infinite value. Leave it out (NaN) or measure it again.")
        empty = np.flatnonzero(np.isnan(values).all(axis=1))
        if empty.size:
            raise ValueError(f"Slice {int(empty[0]) + 1} has no value in any sector. Leave the slice out.")
        order = np.argsort(heights)
        object.__setattr__(self, "values", values[order])
        object.__setattr__(self, "longitudinal", heights[order])
        if self.errors is not None:
            errors = np.atleast_2d(np.asarray(self.errors, dtype=float))
            if errors.shape != values.shape or (errors < 0).any():
                raise ValueError(
                    f"Errors are (slices, sectors), none negative; found {errors.shape} for {values.shape}."
                )
            object.__setattr__(self, "errors", errors[order])

    @property
    def sectors(self) -> int:
        """Sectors a slice."""
        return self.values.shape[1]

    @property
    def middles(self) -> NDArray[np.float64]:
        """Circumferential coordinate of the middle of each sector, (sectors,)."""
        return (np.arange(self.sectors) + 0.5) / self.sectors

    def filled(self) -> NDArray[np.float64]:
        """The values with missing sectors interpolated from their neighbours around the slice."""
        filled = self.values.copy()
        for row in filled:
            known = np.isfinite(row)
            if not known.all():
                row[~known] = np.interp(self.middles[~known], self.middles[known], row[known], period=1.0)
        return filled


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """Values at places of the wall.

    values: (n,) in the unit of the sectors. errors: (n,) standard errors, or None. slice_distance: (n,)
    longitudinal distance to the nearest measured slice, as a share of the axis. extrapolated: (n,) bool,
    beyond the first or last slice, where the value is that of the nearest slice.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None
    slice_distance: NDArray[np.float64]
    extrapolated: NDArray[np.bool_]


def activation_map(
    measured: SectorValues, circumferential: ArrayLike, longitudinal: ArrayLike
) -> ActivationMap:
    """Interpolate sector values at places (n,) of the wall (jayakumar-2023, 3.2).

    A tensor-product spline: cubic and periodic around the circumference, cubic along the axis (of lower order
    where there are fewer than four slices), constant beyond the outermost slices. It is linear in the values,
    so that standard errors follow for sectors with independent errors; they are computed on a grid of 2
    degrees and 1/150 of the measured height, linear in between.
    """
    turn = np.mod(np.asarray(circumferential, dtype=float), 1.0)
    height = np.asarray(longitudinal, dtype=float)
    slices = measured.longitudinal
    inside = np.clip(height, slices[0], slices[-1])
    errors = None if measured.errors is None else _errors(measured, turn, inside)
    after = np.clip(np.searchsorted(slices, height), 1, max(len(slices) - 1, 1))
    nearest = np.minimum(
        np.abs(height - slices[after - 1]), np.abs(height - slices[np.minimum(after, len(slices) - 1)])
    )
    return ActivationMap(
        _spline(measured, turn, inside), errors, nearest, (height < slices[0]) | (height > slices[-1])
    )


def _spline(measured: SectorValues, turn: NDArray, height: NDArray) -> NDArray[np.float64]:
    """The values at places (n,), heights within the slices."""
    values, slices = measured.filled(), measured.longitudinal
    if len(slices) == 1:
        closed = np.append(values[0], values[0, 0])
        knots = np.append(measured.middles, measured.middles[0] + 1)
        return CubicSpline(knots, closed, bc_type="periodic")(turn)
    # What lies a whole turn away has no weight left: three turns in a row are as good as a closed circle.
    around = np.concatenate([measured.middles - 1, measured.middles, measured.middles + 1])
    order = min(3, len(slices) - 1)
    spline = RectBivariateSpline(around, slices, np.tile(values, 3).T, kx=3, ky=order)
    return spline.ev(turn, height)


def _errors(measured: SectorValues, turn: NDArray, height: NDArray) -> NDArray[np.float64]:
    """Standard errors at places (n,), heights within the slices."""
    slices = measured.longitudinal
    heights = np.linspace(slices[0], slices[-1], GRID_HEIGHTS if len(slices) > 1 else 1)
    around = _periodic_weights(measured.middles, np.arange(GRID_ANGLES) / GRID_ANGLES)
    along = _axial_weights(slices, heights)
    grid = np.sqrt((around**2) @ (measured.errors**2).T @ (along**2).T)
    span = max(slices[-1] - slices[0], 1e-12)
    places = (turn * GRID_ANGLES, (height - slices[0]) / span * (len(heights) - 1))
    return map_coordinates(np.vstack([grid, grid[:1]]), places, order=1, mode="nearest")


def _periodic_weights(knots: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each knot in a periodic cubic spline of period 1 at places (n,), (n, knots)."""
    closed = np.append(knots, knots[0] + 1)
    unit = np.eye(len(knots))
    return CubicSpline(closed, np.vstack([unit, unit[:1]]), bc_type="periodic")(at)


def _axial_weights(knots: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each slice in a spline along the axis at heights (n,) within the slices, (n, slices)."""
    if len(knots) == 1:
        return np.ones((len(at), 1))
    return make_interp_spline(knots, np.eye(len(knots)), k=min(3, len(knots) - 1))(at)
