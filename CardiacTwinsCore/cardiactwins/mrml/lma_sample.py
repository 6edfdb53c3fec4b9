"""Sample data made on the spot: a heart with left bundle branch block, outlined slices, DENSE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import LVPhantom, lv_phantom
from cardiactwins.lma.dense_phantom import DensePhantom, dense_phantom
from cardiactwins.mrml.geometry import matrix_to_vtk
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.sequences import new_sequence

__all__ = ["SampleHeart", "SampleSlice", "new_sample_heart"]

SLICES = 8
DENSE_LEVELS = (0.2, 0.4, 0.6, 0.8)
KE = 0.1
PIXEL_MM = 2.0
INSERTION_DEGREES = 120.0


@dataclass(frozen=True, eq=False)
class SampleSlice:
    """DENSE images of one slice as sequence nodes, indexed by time in ms.

    phase_x, phase_y: wrapped phase in rad; mask: 1 in the myocardium. ke: cycles/mm. longitudinal: height, 0
    base to 1 apex. onset: (18,) true TOS in ms.
    """

    phase_x: Any
    phase_y: Any
    mask: Any
    ke: float
    longitudinal: float
    onset: NDArray[np.float64]

    def arguments(self) -> dict[str, Any]:
        """What `LMAReconstructLogic.computeStrain` takes."""
        return {"phaseX": self.phase_x, "phaseY": self.phase_y, "mask": self.mask, "ke": self.ke}


@dataclass(frozen=True, eq=False)
class SampleHeart:
    """A heart in the scene.

    segmentation: 8 short-axis slices of cavity, myocardium and right ventricle. insertion: markups, a point a
    slice. dense: four slices. phantom: the heart that all of it was made from.
    """

    segmentation: Any
    insertion: Any
    dense: tuple[SampleSlice, ...]
    phantom: LVPhantom


def new_sample_heart(seed: int = 0, pattern: str = "LBBB", name: str = "LBBB phantom") -> SampleHeart:
    """A random heart (`lv_phantom`) whose activation follows a pattern (`simulate_strain`), as nodes.

    The DENSE images are those of rings (`dense_phantom`) as wide as the heart is at their heights, centred on
    its axis and turned to its insertion. Which part is activated when is the same in all slices but for their
    own noise. ValueError for an unknown pattern.
    """
    phantom = lv_phantom(np.random.default_rng(seed), slices=SLICES, spacing=(1.4, 1.4, 8.0), deformation=0.6)
    rings = [_ring(phantom, level, pattern, seed) for level in DENSE_LEVELS]
    segmentation = new_segmentation(
        f"{name}: slices",
        phantom.geometry,
        {
            "cavity": phantom.cavity,
            "myocardium": phantom.myocardium,
            "right_ventricle": phantom.right_ventricle,
        },
    )
    insertion = new_markups(f"{name}: RV insertion", phantom.insertion_points)
    dense = tuple(
        _nodes(f"{name}: DENSE {number}", phantom, level, ring)
        for number, (level, ring) in enumerate(zip(DENSE_LEVELS, rings, strict=True), start=1)
    )
    return SampleHeart(segmentation, insertion, dense, phantom)


def _ring(phantom: LVPhantom, level: float, pattern: str, seed: int) -> DensePhantom:
    """A ring with the heart's mean radii at a height."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radii = phantom.shape.radii(angle, np.full_like(angle, level * phantom.shape.epicardial_length))
    inner, outer = (float(radius.mean()) for radius in radii)
    return dense_phantom(
        pattern,
        np.random.default_rng(seed),
        endocardium=inner,
        epicardium=max(outer, inner + 6.0),
        pixel=PIXEL_MM,
        ke=KE,
        insertion_angle=INSERTION_DEGREES,
        heart_rate=70.0,
    )


def _nodes(name: str, phantom: LVPhantom, level: float, ring: DensePhantom) -> SampleSlice:
    images = ring.images
    geometry = _geometry(phantom, level, ring)
    times = [f"{time:g}" for time in images.times]

    def sequence(part: str, frames: NDArray) -> Any:
        volumes = (_volume(f"{name} {part}", frame[None], geometry) for frame in frames)
        return new_sequence(f"{name} {part}", zip(times, volumes, strict=True), "time", "ms")

    return SampleSlice(
        sequence("phase x", images.phase[0].astype(np.float32)),
        sequence("phase y", images.phase[1].astype(np.float32)),
        sequence("mask", images.mask.astype(np.uint8)),
        KE,
        level,
        ring.onset(18),
    )


def _volume(name: str, array: NDArray, geometry: ImageGeometry) -> Any:
    """A volume node outside of any scene, as an item of a sequence is."""
    image = vtkImageData()
    image.SetDimensions(*geometry.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    node = slicer.vtkMRMLScalarVolumeNode()
    node.SetName(name)
    node.SetIJKToRASMatrix(matrix_to_vtk(geometry.ijk_to_ras))
    node.SetAndObserveImageData(image)
    return node


def _geometry(phantom: LVPhantom, level: float, ring: DensePhantom) -> ImageGeometry:
    """Where the ring lies: seen from the apex, columns to the right and rows down, at its height."""
    turn, move = phantom.heart_to_ras[:3, :3], phantom.heart_to_ras[:3, 3]
    height = level * phantom.shape.epicardial_length
    # The image shows the insertion at its own angle; the heart has it elsewhere.
    around = float(phantom.shape.insertion_angle(height)) - np.radians(INSERTION_DEGREES)
    right = np.array([np.cos(around), np.sin(around), 0.0])
    down = np.array([np.sin(around), -np.cos(around), 0.0])
    shape = ring.reference.shape
    step = np.stack([right * PIXEL_MM, down * PIXEL_MM, np.array([0.0, 0.0, -8.0])], axis=1)
    center = np.append(phantom.shape.axis(height), height)
    first = center - step[:, :2] @ (ring.center / PIXEL_MM)
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ step
    matrix[:3, 3] = turn @ first + move
    return ImageGeometry((1, *shape), matrix)
