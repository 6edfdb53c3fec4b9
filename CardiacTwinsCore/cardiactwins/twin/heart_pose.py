"""How a heart lies in the patient: the axis from the LV to the LA, then rigid registration to a reference."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.label_resampling import resampled_labels
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["Alignment", "extent_in_frame", "landmark_pose", "reference_labels", "registered_pose"]

SHADES = {Tissue.LV: 1.0, Tissue.RV: 0.6, Tissue.MYO: 0.3, Tissue.LA: 0.8, Tissue.RA: 0.45, Tissue.AO: 0.15}
"""Grey values that the registration sees; tissues that lie side by side differ."""
BLUR = 1.5
"""Standard deviation of the blur of grey values, in voxels of the registration's grid."""
SIZE, SPACING = 64, 2.8
"""Voxels along each axis of the registration's grid, and their size in mm."""
REFERENCE_SEED = 7
"""Draws a heart whose sizes all lie within 1.1 SD of the published means and that is turned and shifted
against the mean of many phantoms by 0.3 degrees and 2 mm."""
MIRROR_MARGIN = 5.0
"""Whole hearts have their aortic root 16 mm and more before the plane through LV, LA and RV."""

Alignment = Literal["axis", "rigid"]


def landmark_pose(labels: NDArray[np.uint8], geometry: ImageGeometry) -> NDArray[np.float64]:
    """Frame of a heart in RAS mm, (4, 4), from the centroids of its chambers.

    z runs from the centroid of the LV to that of the LA (Kadry et al. 2023, section 3.1), x towards the
    RV, y, perpendicular to both, to the anterior wall. The box around chambers and wall in these directions
    is centered on 0. ValueError when LV, LA or RV is missing, their centroids lie on a line, or the heart is
    a mirror image, which a wrong image header makes of it.
    """
    lv, la, rv = (_centroid(labels, geometry, tissue) for tissue in (Tissue.LV, Tissue.LA, Tissue.RV))
    z = _unit(la - lv)
    across = rv - lv - (rv - lv) @ z * z
    if np.linalg.norm(across) < 0.1 * np.linalg.norm(la - lv):
        raise ValueError(
            "The centroids of LV, LA and RV lie on a line, so the heart's orientation cannot be told. Check "
            "that the segments are assigned to the right chambers."
        )
    x = _unit(across)
    turn = np.column_stack([x, np.cross(z, x), z])
    _check_handedness(labels, geometry, turn, lv)
    pose = np.eye(4)
    pose[:3, :3] = turn
    return _centered(labels, geometry, pose)


def registered_pose(
    labels: NDArray[np.uint8],
    geometry: ImageGeometry,
    pose: NDArray[np.float64],
    alignment: Alignment = "axis",
) -> NDArray[np.float64]:
    """The pose, (4, 4), improved by rigid registration of the heart to the reference heart (SimpleITK).

    Mean squares of grey values (`SHADES`) at three resolutions, of the heart scaled to the size of the
    reference for this alone. alignment: "axis" turns about z alone, so
    that the LA stays right above the LV, and centers the box around chambers and wall, as whole-heart
    phantoms lie; "rigid" takes all six degrees of freedom from the registration (Kadry et al. 2023, section
    3.1). The same heart always gives the same pose.
    """
    import SimpleITK

    scale = _size(labels) * np.cbrt(geometry.voxel_volume_ml) / _reference_size()
    grid = _coarse_grid(pose, scale)
    moving = _grey_image(resampled_labels(labels, geometry, grid))
    transform = SimpleITK.Euler3DTransform()
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=1e-3, numberOfIterations=120, relaxationFactor=0.6
    )
    # A turn by 1 rad moves the surface of the heart by about 50 mm.
    method.SetOptimizerScales([2500.0] * 3 + [1.0] * 3)
    if alignment == "axis":
        method.SetOptimizerWeights([0.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4.0, 2.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(_reference_image(), moving)
    # It maps points of the reference's frame to points of the frame given.
    step = np.eye(4)
    step[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    step[:3, 3] = scale * np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    found = pose @ step
    found[:3, :3] = Rotation.from_matrix(found[:3, :3]).as_matrix()
    return _centered(labels, geometry, found) if alignment == "axis" else found


def extent_in_frame(
    labels: NDArray[np.uint8], geometry: ImageGeometry, pose: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest coordinates (x, y, z) in mm of chambers and wall in a frame of the pose (4, 4).

    Voxel centers count; the aorta does not.
    """
    inside = (labels != 0) & (labels != Tissue.AO)
    # Only voxels at the surface can lie outermost.
    surface = np.argwhere(inside & ~ndimage.binary_erosion(inside))
    at = (geometry.kji_to_ras(surface) - pose[:3, 3]) @ pose[:3, :3]
    return at.min(axis=0), at.max(axis=0)


@lru_cache(maxsize=1)
def reference_labels() -> NDArray[np.uint8]:
    """The reference heart on the common grid: an ordinary whole-heart phantom near the published means."""
    labels = whole_heart_phantom(np.random.default_rng(REFERENCE_SEED), kind="ordinary", deformation=0).labels
    labels.setflags(write=False)
    return labels


def _centered(
    labels: NDArray[np.uint8], geometry: ImageGeometry, pose: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The pose, shifted so that the box around chambers and wall has its middle on 0."""
    low, high = extent_in_frame(labels, geometry, pose)
    shifted = pose.copy()
    shifted[:3, 3] = pose[:3, 3] + pose[:3, :3] @ ((low + high) / 2)
    return shifted


@lru_cache(maxsize=1)
def _reference_image() -> Any:
    return _grey_image(resampled_labels(reference_labels(), TWIN_GRID, _coarse_grid(np.eye(4))))


def _size(labels: NDArray[np.uint8]) -> float:
    """Cube root of the number of voxels in chambers and wall."""
    return float(np.cbrt(np.count_nonzero((labels != 0) & (labels != Tissue.AO))))


@lru_cache(maxsize=1)
def _reference_size() -> float:
    return _size(reference_labels()) * float(np.cbrt(TWIN_GRID.voxel_volume_ml))


def _coarse_grid(pose: NDArray[np.float64], scale: float = 1.0) -> ImageGeometry:
    """The grid of the registration in RAS: that of the twin with voxels of twice the size, scaled."""
    spacing = SPACING * scale
    coarse = ImageGeometry.from_spacing((SIZE,) * 3, (spacing,) * 3, (-spacing * (SIZE - 1) / 2,) * 3)
    return ImageGeometry(coarse.shape, pose @ coarse.ijk_to_ras)


def _grey_image(labels: NDArray[np.uint8]) -> Any:
    """A SimpleITK image of the shades in the heart's frame."""
    import SimpleITK

    table = np.zeros(max(Tissue) + 1, dtype=np.float32)
    for tissue, shade in SHADES.items():
        table[tissue] = shade
    image = SimpleITK.GetImageFromArray(ndimage.gaussian_filter(table[labels], BLUR, mode="constant"))
    image.SetSpacing((SPACING,) * 3)
    image.SetOrigin((-SPACING * (SIZE - 1) / 2,) * 3)
    return image


def _centroid(labels: NDArray[np.uint8], geometry: ImageGeometry, tissue: Tissue) -> NDArray[np.float64]:
    """Center of a tissue in RAS mm."""
    voxels = np.argwhere(labels == tissue)
    if not len(voxels):
        raise ValueError(f"The label map has no {TISSUE_NAMES[tissue]}.")
    return geometry.kji_to_ras(voxels.mean(axis=0))


def _check_handedness(
    labels: NDArray[np.uint8], geometry: ImageGeometry, turn: NDArray[np.float64], lv: NDArray[np.float64]
) -> None:
    """ValueError when the aortic root lies behind the LV: the heart is then a mirror image."""
    root = _root_of_aorta(labels)
    if root is None:
        return
    ahead = (geometry.kji_to_ras(root) - lv) @ turn
    if ahead[1] < -MIRROR_MARGIN:
        raise ValueError(
            "The heart is a mirror image: seen from the apex, the aortic root lies on the wrong side. The "
            "image axes have lost their handedness, for example by a header that was written anew. Load the "
            "original image, or mirror the label map along one axis."
        )


def _root_of_aorta(labels: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Middle (k, j, i) of the aorta's voxels beside the LV; None where they do not touch."""
    aorta = labels == Tissue.AO
    beside = np.argwhere(aorta & ndimage.binary_dilation(labels == Tissue.LV))
    return beside.mean(axis=0) if len(beside) else None


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)
