"""Elliptical model: one random ellipse (2D) or ellipsoid (3D) that sits on the endocardium."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import Parameter, StartZone, checked_parameters

__all__ = ["EllipticalModel"]

AXES = ("circumferential", "radial", "longitudinal")
SHORTEST_AXIS = 1e-6


@dataclass(frozen=True, eq=False)
class EllipticalModel:
    """Intersection of a random ellipse or ellipsoid with the myocardium (konik-2024, 2.2, model 1).

    The centre is a random voxel of the start zone. Axis 1 lies along the circumference, axis 2 along the
    endocardial normal (the radius of the slice in 2D), axis 3 (3D only) along the meridian. Semi-axes are
    drawn in pixels.

    draws: "normal" - each semi-axis is |Normal(mean, std)|, parameters (mean1, std1, mean2, std2[, mean3,
    std3]) (konik-2024); "uniform" - |centre + extension * U(-1, 1)|, parameters (centre1, extension1, ...)
    (mom-2021).
    """

    anatomy: ReferenceAnatomy
    zone: StartZone = StartZone()
    draws: Literal["normal", "uniform"] = "normal"
    name: str = "elliptical"

    def __post_init__(self) -> None:
        if self.draws not in ("normal", "uniform"):
            raise ValueError(
                f"Draws of the elliptical model are 'normal' or 'uniform'; found {self.draws!r}."
            )

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, 2 in 2D and 3 in 3D."""
        return AXES[: 3 if self.anatomy.is_3d else 2]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Centre and extension of each semi-axis in pixels; defaults: the papers' best start (table 2)."""
        centre, extension = ("mean", "std") if self.draws == "normal" else ("centre", "extension")
        defaults = {"circumferential": (22.0, 10.0), "radial": (16.0, 20.0), "longitudinal": (22.0, 10.0)}
        return tuple(
            parameter
            for axis in self.axes
            for parameter in (
                Parameter(f"{axis} {centre}", "pixels", 0.0, 80.0, 10.0, defaults[axis][0]),
                Parameter(f"{axis} {extension}", "pixels", 0.0, 40.0, 5.0, defaults[axis][1]),
            )
        )

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a lesion takes: the start voxel and one an axis."""
        return 1 + len(self.axes)

    @cached_property
    def start_voxels(self) -> NDArray[np.int64]:
        """Voxels where lesions may be centred, (M,)."""
        return self.zone.voxels(self.anatomy)

    @cached_property
    def _squared_offsets(self) -> NDArray[np.float64]:
        """Squared coordinates of every voxel in the local frame of every start voxel, (M, axes, N)."""
        centres = self.anatomy.positions[self.start_voxels]
        frames = self.frames(centres)[:, : len(self.axes)]
        along = frames @ self.anatomy.positions.T - (frames * centres[:, None]).sum(-1)[..., None]
        return along**2

    def frames(self, centres: ArrayLike) -> NDArray[np.float64]:
        """Orthonormal frames (circumferential, radial, longitudinal) at positions (M, 3), as rows, (M, 3, 3).

        In 3D the radial direction is the normal of the ellipsoid through the point that is concentric with
        the endocardial one and has its proportions.
        """
        x, y, z = np.asarray(centres, dtype=float).T
        angle = np.arctan2(y, x)
        tangent = np.stack([-np.sin(angle), np.cos(angle), np.zeros_like(x)], axis=1)
        normal = np.stack([x, y, self._squared_proportion * (z - self.anatomy.slice_heights[0])], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return np.stack([tangent, normal, np.cross(normal, tangent)], axis=1)

    @property
    def _squared_proportion(self) -> float:
        """(radius at the base / length)^2 of the endocardial ellipsoid; 0 in 2D: normals lie in the slice."""
        if not self.anatomy.is_3d:
            return 0.0
        length = self.anatomy.endocardial_length
        at_mid_level = 1 - (self.anatomy.epicardial_length / 2 / length) ** 2
        return (self.anatomy.endocardial_radius / length) ** 2 / at_mid_level

    def semi_axes(self, parameters: ArrayLike, uniforms: ArrayLike) -> NDArray[np.float64]:
        """Semi-axes (n, axes) in pixels from parameters (d,) or (n, d) and uniform numbers (n, axes)."""
        parameters = checked_parameters(self, parameters)
        centre, extension = parameters[..., 0::2], parameters[..., 1::2]
        uniforms = np.asarray(uniforms)
        spread = ndtri(uniforms) if self.draws == "normal" else 2 * uniforms - 1
        lengths = np.abs(centre + extension * np.clip(spread, -8.0, 8.0))
        return np.maximum(lengths, SHORTEST_AXIS)

    def paint(self, parameters: ArrayLike, uniforms: ArrayLike) -> NDArray[np.bool_]:
        """Lesions (n, N) from parameters (d,) or (n, d) and uniform numbers (n, n_uniforms)."""
        uniforms = np.asarray(uniforms, dtype=float)
        weights = self.semi_axes(parameters, uniforms[:, 1:]) ** -2.0
        centres = (uniforms[:, 0] * len(self.start_voxels)).astype(int)
        by_centre = np.argsort(centres, kind="stable")
        weights = weights[by_centre]
        present, first = np.unique(centres[by_centre], return_index=True)
        lesions = np.empty((len(uniforms), self.anatomy.n_voxels), dtype=bool)
        for centre, start, end in zip(present, first, [*first[1:], len(uniforms)], strict=True):
            rows = by_centre[start:end]
            lesions[rows] = weights[start:end] @ self._squared_offsets[centre] <= 1
        return lesions

    def sample(self, parameters: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """n random lesions (n, N)."""
        return self.paint(parameters, rng.random((n, self.n_uniforms)))
