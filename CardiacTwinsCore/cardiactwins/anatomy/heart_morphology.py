"""Size and shape of a whole heart: the 12 measures of Kadry et al. 2023 and the thickness of the wall."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import CHAMBERS, TISSUE_NAMES, Tissue, tissue_labels

__all__ = ["MORPHOLOGY_NAMES", "heart_morphology", "tissue_volumes_ml", "wall_thickness_mm"]

MORPHOLOGY_NAMES = tuple(
    f"{TISSUE_NAMES[chamber]} {measure}"
    for chamber in CHAMBERS
    for measure in ("volume (ml)", "major axis (mm)", "minor axis (mm)")
)
"""Names of the 12 measures, in the order in which `heart_morphology` gives them."""


def heart_morphology(labels: ArrayLike, spacing: ArrayLike = (1.4, 1.4, 1.4)) -> NDArray[np.float64]:
    """The 12 measures of section 3.5 of Kadry et al. 2023, (12,), named by MORPHOLOGY_NAMES.

    Volume (ml), major and minor axis length (mm) of LV, RV, LA and RA. The axes are the longest and the
    shortest full axis of the solid ellipsoid with the chamber's second moments, as scikit-image's regionprops
    gives them. labels: (k, j, i), values of Tissue. spacing: voxel size along i, j, k in mm. A chamber that
    is missing has 0 volume and NaN axes.
    """
    array, sizes = tissue_labels(labels), _voxel_size(spacing)
    boxes = ndimage.find_objects(array, max_label=max(Tissue))
    return np.concatenate([_chamber(array, boxes[chamber - 1], chamber, sizes) for chamber in CHAMBERS])


def tissue_volumes_ml(labels: ArrayLike, spacing: ArrayLike = (1.4, 1.4, 1.4)) -> dict[str, float]:
    """Volume of each tissue in ml, by its short name."""
    counts = np.bincount(tissue_labels(labels).ravel(), minlength=max(Tissue) + 1)
    ml = _voxel_size(spacing).prod() / 1000
    return {name: float(counts[tissue] * ml) for tissue, name in TISSUE_NAMES.items()}


def wall_thickness_mm(labels: ArrayLike, spacing: ArrayLike = (1.4, 1.4, 1.4)) -> NDArray[np.float64]:
    """Distance from the outside of the left-ventricular wall to the cavity, (N,) mm, over the wall's outer
    surface.

    The outer surface are the voxels beside the myocardium (6-neighbours) that belong neither to it nor to the
    LV, below the top of the myocardium by 25 % of its extent along the LV-LA axis or, where there is no LA,
    all of them: the rim of the base is no wall. Each distance runs between voxel centers and is shortened by
    half a voxel, by which the outer one lies outside the wall on average; the nearest voxel of the cavity
    lies close to the wall. Empty where LV or Myo is missing.
    """
    array, sizes = tissue_labels(labels), _voxel_size(spacing)
    wall, cavity = array == Tissue.MYO, array == Tissue.LV
    if not wall.any() or not cavity.any():
        return np.empty(0)
    box = tuple(
        slice(max(s.start - 1, 0), s.stop + 1)
        for s in ndimage.find_objects((wall | cavity).astype(np.uint8))[0]
    )
    wall, cavity = wall[box], cavity[box]
    outer = ndimage.binary_dilation(wall) & ~wall & ~cavity
    distance = ndimage.distance_transform_edt(~cavity, sampling=sizes)
    surface = np.argwhere(outer)
    if (array == Tissue.LA).any():
        start = [s.start for s in box]
        axis = _center(array == Tissue.LA, sizes) - _center(array == Tissue.LV, sizes)
        heights = (np.argwhere(wall) + start) * sizes @ axis
        top = heights.max() - 0.25 * np.ptp(heights)
        surface = surface[(surface + start) * sizes @ axis < top]
    return distance[tuple(surface.T)] - sizes.mean() / 2


def _voxel_size(spacing: ArrayLike) -> NDArray[np.float64]:
    """Voxel size along k, j, i."""
    sizes = np.asarray(spacing, dtype=float)
    if sizes.shape != (3,) or not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(f"The spacing needs three positive voxel sizes (i, j, k) in mm; found {spacing}.")
    return sizes[::-1]


def _chamber(
    labels: NDArray[np.uint8], box: tuple[slice, ...] | None, chamber: Tissue, sizes: NDArray[np.float64]
) -> NDArray[np.float64]:
    if box is None:
        return np.array([0.0, np.nan, np.nan])
    positions = np.argwhere(labels[box] == chamber) * sizes
    variances = np.linalg.eigvalsh(np.cov(positions.T, bias=True)) if len(positions) > 1 else np.zeros(3)
    minor, _, major = 2 * np.sqrt(5 * np.clip(variances, 0, None))
    return np.array([len(positions) * sizes.prod() / 1000, major, minor])


def _center(mask: NDArray[np.bool_], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.argwhere(mask).mean(axis=0) * sizes
