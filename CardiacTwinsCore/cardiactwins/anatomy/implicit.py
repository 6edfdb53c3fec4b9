"""Smooth implicit surfaces on a grid: negative inside, positive outside, in mm near the surface."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from scipy.optimize import root_scalar

__all__ = [
    "capsule_chain",
    "cylinder",
    "ellipsoid",
    "level_for_volume",
    "plane",
    "refined",
    "smooth_noise",
    "smooth_union",
    "volume_inside",
]

Field = NDArray[np.float32]
Points = tuple[Field, Field, Field]
"""Coordinates x, y, z of the grid's points in mm, each of the grid's shape."""


def ellipsoid(
    points: Points, center: ArrayLike, radii: ArrayLike, rotation: ArrayLike | None = None
) -> Field:
    """Distance to an ellipsoid to first order: |p/r| (|p/r| - 1) / |p/r^2|.

    rotation: (3, 3), its columns are the directions of the three radii.
    """
    offset = [(p - np.float32(c)) for p, c in zip(points, center, strict=True)]
    if rotation is not None:
        axes = np.asarray(rotation, dtype=np.float32)
        offset = [sum(axes[k, axis] * offset[k] for k in range(3)) for axis in range(3)]
    radii = np.asarray(radii, dtype=np.float32)
    squares = [(x / r) ** 2 for x, r in zip(offset, radii, strict=True)]
    scaled = np.sqrt(sum(squares))
    slope = np.sqrt(sum(s / r**2 for s, r in zip(squares, radii, strict=True)))
    return scaled * (scaled - 1) / np.maximum(slope, np.float32(1e-6))


def capsule_chain(points: Points, line: ArrayLike, radii: ArrayLike) -> Field:
    """Distance to a tube around a polyline, (N, 3) mm, whose radius runs linearly between `radii`, (N,)."""
    line, radii = np.asarray(line, dtype=np.float32), np.asarray(radii, dtype=np.float32)
    x, y, z = points
    nearest = np.full(x.shape, 1e3, dtype=np.float32)
    for a, b, at_a, at_b in zip(line[:-1], line[1:], radii[:-1], radii[1:], strict=True):
        along = b - a
        dx, dy, dz = x - a[0], y - a[1], z - a[2]
        share = (dx * along[0] + dy * along[1] + dz * along[2]) / np.float32(along @ along)
        np.clip(share, 0, 1, out=share)
        away = (dx - share * along[0]) ** 2 + (dy - share * along[1]) ** 2 + (dz - share * along[2]) ** 2
        np.minimum(nearest, np.sqrt(away) - (at_a + share * (at_b - at_a)), out=nearest)
    return nearest


def plane(points: Points, center: ArrayLike, normal: ArrayLike) -> Field:
    """Height above a plane, in the direction of its normal."""
    normal = np.asarray(normal, dtype=np.float32)
    normal = normal / np.linalg.norm(normal)
    return sum((p - np.float32(c)) * n for p, c, n in zip(points, center, normal, strict=True))


def cylinder(points: Points, center: ArrayLike, axis: ArrayLike, radius: float) -> Field:
    """Distance to an endless cylinder."""
    height = plane(points, center, axis)
    squares = sum((p - np.float32(c)) ** 2 for p, c in zip(points, center, strict=True))
    return np.sqrt(np.maximum(squares - height**2, 0)) - np.float32(radius)


def smooth_union(first: Field, second: Field, width: float) -> Field:
    """Union whose crease is rounded over `width` mm: min(a, b) - max(width - |a - b|, 0)^2 / (4 width)."""
    overlap = np.maximum(np.float32(width) - np.abs(first - second), 0)
    return np.minimum(first, second) - overlap**2 / np.float32(4 * width)


def smooth_noise(rng: np.random.Generator, knots: int, size: int, fields: int) -> NDArray[np.float32]:
    """Random cubic-spline fields with `knots` independent standard normal coefficients along each axis.

    Returns (fields, size, size, size) float32 of standard deviation 1 each.
    """
    at = np.linspace(0, knots - 3, size, endpoint=False) + (knots - 3) / (2 * size)
    basis = BSpline.design_matrix(at + 3, np.arange(knots + 4.0), 3).toarray().astype(np.float32)
    noise = rng.standard_normal((fields, knots, knots, knots), dtype=np.float32)
    for axis in (1, 2, 3):
        noise = np.moveaxis(np.tensordot(basis, noise, axes=(1, axis)), 0, axis)
    return noise / noise.std(axis=(1, 2, 3), keepdims=True)


def refined(field: Field) -> Field:
    """The field on a grid of twice as many points along each axis, (2n, ...), by linear interpolation.

    Either grid covers the same cube with the centers of its voxels. All weights are positive, so that an
    inequality between two fields holds between the refined fields too.
    """
    for axis in range(3):
        field = np.moveaxis(field, axis, 0)
        fine = np.empty((2 * len(field), *field.shape[1:]), dtype=np.float32)
        fine[2::2] = 0.75 * field[1:] + 0.25 * field[:-1]
        fine[1:-1:2] = 0.75 * field[:-1] + 0.25 * field[1:]
        fine[0], fine[-1] = field[0], field[-1]
        field = np.moveaxis(fine, 0, axis)
    return field


def volume_inside(field: Field, spacing: float) -> float:
    """Volume in ml where the field is negative; voxels on the surface count by the share inside."""
    return float(np.clip(0.5 - field / np.float32(spacing), 0, 1).sum(dtype=float)) * spacing**3 / 1000


def level_for_volume(
    surface: Callable[[float], Field], volume: float, spacing: float, largest: float = 15.0
) -> float:
    """The offset in mm, at most `largest` either way, for which `surface(offset)` holds `volume` ml.

    surface: a field that falls, and so a volume that grows, with the offset.
    """

    def excess(offset: float) -> float:
        return volume_inside(surface(offset), spacing) - volume

    found = root_scalar(excess, method="secant", x0=0.0, x1=1.0, xtol=0.02, maxiter=12)
    return float(np.clip(found.root, -largest, largest))
