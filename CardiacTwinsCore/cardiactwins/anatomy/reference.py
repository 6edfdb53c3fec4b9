"""The reference left ventricle onto which infarcts are aligned and in which models draw."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry

__all__ = ["INSERTION_ANGLE", "ReferenceAnatomy"]

INSERTION_ANGLE = 2 * np.pi / 3
"""Angle of the anterior RV insertion in a reference slice as displayed (rad, counter-clockwise from +x)."""


@dataclass(frozen=True, eq=False)
class ReferenceAnatomy:
    """Semi-ellipsoidal left ventricle on a stack of slices (konik-2024, section 2.1).

    All lengths are in pixels of the reference grid. The radii hold at mid-level (half the epicardial long
    axis), so that the 2D reference is the mid-level slice of the 3D one. The papers print 30 and 50 pixels,
    which do not fit their 80 x 80 grid; 18.4 and 30.7 keep the ratio 3 : 5 and give the 1,892 myocardial
    pixels of their data.

    slices: number of slices (1 for 2D; 11 in konik-2024, 21 in mom-2021). Slice k = 0 is the most apical one.
    size: rows and columns of a slice. endocardial_radius, epicardial_radius: in-plane radii at mid-level.
    endocardial_length, epicardial_length: distance of the endocardial and epicardial apex from the base
    plane.

    Frame: x (columns) to the patient's left, y (rows) to posterior, z (slices) from apex to base, as a
    short-axis slice is displayed, seen from the apex. The circumferential coordinate starts at the anterior
    RV insertion (120 degrees, upper left) and runs counter-clockwise as displayed, through the septum to
    inferior.
    """

    slices: int = 1
    size: int = 80
    endocardial_radius: float = 18.4
    epicardial_radius: float = 30.7
    endocardial_length: float = 84.0
    epicardial_length: float = 96.0

    def __post_init__(self) -> None:
        if self.slices < 1 or self.size < 8:
            raise ValueError(
                f"A reference needs at least 1 slice of 8 x 8 pixels; found {self.slices} x {self.size}."
            )
        if not 0 < self.endocardial_radius < self.epicardial_radius:
            raise ValueError(
                "The endocardial radius must be positive and smaller than the epicardial radius; found "
                f"{self.endocardial_radius} and {self.epicardial_radius} pixels."
            )
        if not self.epicardial_length / 2 < self.endocardial_length < self.epicardial_length:
            raise ValueError(
                "The endocardial apex must lie between mid-level and the epicardial apex; found lengths "
                f"{self.endocardial_length} and {self.epicardial_length} pixels."
            )
        if self.slice_radii[1].max() > self.size / 2:
            raise ValueError(
                f"The epicardium (radius {self.slice_radii[1].max():.1f} pixels at the base) does not fit "
                f"a grid of {self.size} pixels. Enlarge the grid or reduce the radii."
            )

    @property
    def is_3d(self) -> bool:
        """Whether the reference has more than one slice."""
        return self.slices > 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a reference image (k, j, i)."""
        return (self.slices, self.size, self.size)

    @property
    def slice_spacing(self) -> float:
        """Distance between slice centres in pixels: the slices share the epicardial long axis evenly."""
        return self.epicardial_length / self.slices if self.is_3d else 1.0

    @cached_property
    def slice_heights(self) -> NDArray[np.float64]:
        """Distance of each slice centre from the base plane in pixels, (slices,); slice 0 is apical."""
        if not self.is_3d:
            return np.array([self.epicardial_length / 2])
        return (self.slices - np.arange(self.slices) - 0.5) * self.slice_spacing

    @cached_property
    def slice_radii(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Endocardial and epicardial radius of each slice in pixels, each (slices,); 0 beyond the apex."""
        return (
            self._radius(self.slice_heights, self.endocardial_radius, self.endocardial_length),
            self._radius(self.slice_heights, self.epicardial_radius, self.epicardial_length),
        )

    def _radius(self, height: NDArray[np.float64], mid_radius: float, length: float) -> NDArray[np.float64]:
        at_mid_level = 1 - (self.epicardial_length / 2 / length) ** 2
        return mid_radius * np.sqrt(np.clip(1 - (height / length) ** 2, 0, None) / at_mid_level)

    @cached_property
    def geometry(self) -> ImageGeometry:
        """Grid of the reference in RAS, a pixel taken as 1 mm; the long axis passes through (0, 0)."""
        center = (self.size - 1) / 2
        return ImageGeometry.from_spacing(
            self.shape,
            spacing=(1.0, 1.0, self.slice_spacing),
            origin=(center, center, 0.0),
            direction=np.diag([-1.0, -1.0, 1.0]),
        )

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Myocardium, (slices, size, size)."""
        radius = np.hypot(*self._plane)
        endocardium, epicardium = self.slice_radii
        return (radius >= endocardium[:, None, None]) & (radius <= epicardium[:, None, None])

    @cached_property
    def cavity(self) -> NDArray[np.bool_]:
        """Left-ventricular cavity, (slices, size, size)."""
        return np.hypot(*self._plane) < self.slice_radii[0][:, None, None]

    @cached_property
    def _plane(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        axis = np.arange(self.size) - (self.size - 1) / 2
        return axis[None, None, :], axis[None, :, None]

    @property
    def n_voxels(self) -> int:
        """Number of myocardial voxels N."""
        return len(self.positions)

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """Array indices (k, j, i) of the myocardial voxels in C order, (N, 3)."""
        return np.argwhere(self.mask)

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Positions (x, y, z) of the voxels in pixels from the long axis and the apical slice, (N, 3)."""
        center = (self.size - 1) / 2
        k, j, i = self.indices.T
        return np.stack([i - center, j - center, k * self.slice_spacing], axis=1)

    @cached_property
    def radial(self) -> NDArray[np.float64]:
        """Transmural coordinate of the voxels, 0 endocardium to 1 epicardium in the slice, (N,)."""
        endocardium, epicardium = (radii[self.indices[:, 0]] for radii in self.slice_radii)
        radius = np.hypot(self.positions[:, 0], self.positions[:, 1])
        return np.clip((radius - endocardium) / (epicardium - endocardium), 0, 1)

    @cached_property
    def circumferential(self) -> NDArray[np.float64]:
        """Circumferential coordinate of the myocardial voxels in [0, 1), (N,)."""
        angle = np.arctan2(-self.positions[:, 1], self.positions[:, 0])
        return np.mod((angle - INSERTION_ANGLE) / (2 * np.pi), 1.0)

    @cached_property
    def longitudinal(self) -> NDArray[np.float64]:
        """Long-axis coordinate of the myocardial voxels, 0 basal slice to 1 apical slice, (N,); 0.5 in 2D."""
        if not self.is_3d:
            return np.full(self.n_voxels, 0.5)
        return 1 - self.indices[:, 0] / (self.slices - 1)

    def to_image(self, values: ArrayLike, background: float = 0) -> NDArray:
        """Values on myocardial voxels (..., N) as images (..., k, j, i)."""
        values = np.asarray(values)
        image = np.full((*values.shape[:-1], *self.shape), background, dtype=values.dtype)
        image[..., self.mask] = values
        return image

    def from_image(self, image: ArrayLike) -> NDArray:
        """Values on the myocardial voxels (..., N) of images (..., k, j, i)."""
        image = np.asarray(image)
        if image.shape[-3:] != self.shape:
            raise ValueError(f"An image of this reference has shape {self.shape}; found {image.shape[-3:]}.")
        return image[..., self.mask]
