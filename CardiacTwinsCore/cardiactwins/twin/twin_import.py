"""A segmented heart as a twin on the common grid, and edits of the twin back in the patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels
from cardiactwins.compute.environment import memory_bytes
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.cleaning import clean_heart
from cardiactwins.twin.heart_pose import Alignment, extent_in_frame, landmark_pose, registered_pose
from cardiactwins.twin.heart_review import review_heart
from cardiactwins.twin.label_resampling import resampled_labels
from cardiactwins.twin.restored_tissues import restored_tissues
from cardiactwins.twin.tissue_names import missing_tissues_text
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin, twin_geometry

__all__ = ["box_of_grid", "check_size", "import_twin", "mask_on_twin", "return_labels"]

BYTES_A_VOXEL = 4
"""Memory that an import takes at most, on top of the label map itself."""
CHANGED_VOXELS = 2.0
"""Around an edit, labels are taken from the twin up to this distance, in voxels of the common grid."""
STEPS = 4


def import_twin(
    labels: ArrayLike,
    geometry: ImageGeometry,
    *,
    name: str = "Twin",
    alignment: Alignment = "axis",
    clean: bool = False,
    progress: Progress = silent,
) -> Twin:
    """A patient's heart on the common grid: cropped, turned, registered, 128^3 voxels of 1.4 mm.

    Kadry et al. 2023, section 3.1. labels: (k, j, i), values of Tissue, all six. geometry: its grid, of any
    orientation and spacing. alignment: as of `registered_pose`. clean: remove specks and fill holes first
    (`clean_heart`). What is wrong with the heart is told in the twin's remarks.

    ValueError for an empty map, a missing tissue, a heart that does not fit the grid or is a mirror image,
    and a map too large for the memory at hand.
    """
    array = tissue_labels(labels)
    if array.shape != geometry.shape:
        raise ValueError(f"The label map has shape {array.shape} (k, j, i), its grid {geometry.shape}.")
    check_size(array.shape)
    _check_tissues(array, name)
    remarks: list[str] = []
    progress(0, STEPS, "Looking at the segmentation")
    box, part = _cropped(array, geometry)
    if clean:
        cleaned = clean_heart(array[box], part)
        remarks.append(cleaned.text)
        array = array.copy()
        array[box] = cleaned.labels
    remarks += [str(finding) for finding in review_heart(array, geometry)]
    progress(1, STEPS, "Finding the axis of the heart")
    inside = array[box]
    pose = landmark_pose(inside, part)
    _check_extent(inside, part, pose, name)
    progress(2, STEPS, "Registering the heart to the reference")
    pose = _fitting(inside, part, registered_pose(inside, part, pose, alignment=alignment))
    progress(3, STEPS, "Resampling the heart")
    on_grid = resampled_labels(inside, part, twin_geometry(pose))
    twin = Twin(on_grid, pose, array, geometry, name, tuple(remarks))
    progress(STEPS, STEPS, "Imported")
    return twin


def return_labels(
    twin: Twin, edited: ArrayLike, *, keep_unchanged: bool = True, region: ArrayLike | None = None
) -> NDArray[np.uint8]:
    """An edited heart in the patient's own grid, (k, j, i) as `twin.original_geometry`, values of Tissue.

    edited: (128, 128, 128), values of Tissue, on the common grid. Tissues outside the crop stay as they are.
    keep_unchanged: so do those more than two voxels of the common grid away from what the edit changed,
    voxel by voxel, so that a heart without changes comes back exactly, and so does every tissue that the edit
    has not touched; False: all of the crop is resampled. region: (128, 128, 128) bool, outside of which
    everything stays as it is. ValueError for shapes that do not fit.
    """
    array = tissue_labels(edited)
    within = np.ones(TWIN_GRID.shape, dtype=bool) if region is None else np.asarray(region, dtype=bool)
    for what, shape in (("An edit", array.shape), ("A region", within.shape)):
        if shape != TWIN_GRID.shape:
            raise ValueError(f"{what} has the shape {TWIN_GRID.shape} of its twin; found {shape}.")
    box, part = box_of_grid(twin)
    if part is None:
        return twin.original.copy()
    zone = np.zeros(TWIN_GRID.shape, dtype=bool)
    # Half a voxel inside the border, where interpolation still sees the crop alone.
    zone[1:-1, 1:-1, 1:-1] = within[1:-1, 1:-1, 1:-1]
    changed = array != twin.labels
    if keep_unchanged:
        if not changed.any():
            return twin.original.copy()
        zone &= ndimage.distance_transform_edt(~changed) <= CHANGED_VOXELS
    fresh = resampled_labels(array, twin.geometry, part)
    returned = twin.original.copy()
    before = twin.original[box]
    after = np.where(_mask_on(zone, twin.geometry, part), fresh, before)
    if keep_unchanged:
        touched = {*np.unique(array[changed]), *np.unique(twin.labels[changed])}
        after = restored_tissues(before, after, [tissue for tissue in Tissue if tissue not in touched], part)
    returned[box] = after
    return returned


def mask_on_twin(mask: ArrayLike, geometry: ImageGeometry, twin: Twin) -> NDArray[np.bool_]:
    """A region painted in the patient on the common grid, (128, 128, 128); half covered voxels belong to it.

    mask: (k, j, i) on `geometry`.
    """
    painted = np.asarray(mask).astype(bool)
    return resampled_labels(painted.view(np.uint8), geometry, twin.geometry) != 0


def box_of_grid(twin: Twin) -> tuple[tuple[slice, ...], ImageGeometry | None]:
    """Part of the patient's grid that the common grid reaches, and its geometry; None where it misses it."""
    last = np.array(TWIN_GRID.shape) - 1
    corners = np.array(np.meshgrid(*[(0, n) for n in last], indexing="ij")).reshape(3, -1).T
    at = twin.original_geometry.ras_to_kji(twin.geometry.kji_to_ras(corners))
    shape = np.array(twin.original_geometry.shape)
    low = np.clip(np.floor(at.min(axis=0)).astype(int), 0, shape)
    high = np.clip(np.ceil(at.max(axis=0)).astype(int) + 1, 0, shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return box, None if (high <= low).any() else _part(twin.original_geometry, box)


def check_size(shape: tuple[int, ...]) -> None:
    """ValueError when a label map of this shape cannot be handled in the memory at hand."""
    voxels = int(np.prod([int(n) for n in shape], dtype=object))
    available = memory_bytes()[1]
    if available is not None and voxels * BYTES_A_VOXEL > available:
        raise ValueError(
            f"The label map is too large: {' x '.join(str(n) for n in shape[::-1])} voxels need about "
            f"{voxels * BYTES_A_VOXEL / 1e9:.1f} GB, {available / 1e9:.1f} GB of memory are free. Crop it to "
            "the heart first (Crop Volume)."
        )


def _check_tissues(labels: NDArray[np.uint8], name: str) -> None:
    present = {tissue for tissue in Tissue if tissue in np.flatnonzero(np.bincount(labels.ravel()))}
    if not present:
        raise ValueError(f"The label map of '{name}' is empty: it holds background alone.")
    if len(present) < len(Tissue):
        raise ValueError(missing_tissues_text(f"'{name}'", present, []))


def _check_extent(
    labels: NDArray[np.uint8], geometry: ImageGeometry, pose: NDArray[np.float64], name: str
) -> None:
    """ValueError when chambers and wall are larger than the common grid, or tiny."""
    low, high = extent_in_frame(labels, geometry, pose)
    extent = high - low
    room = TWIN_GRID.spacing * (np.array(TWIN_GRID.shape) - 2)
    if (extent > room).any() or extent.max() < 0.2 * room.max():
        what = "do not fit" if (extent > room).any() else "are far too small for"
        raise ValueError(
            f"The chambers and the wall of '{name}' {what} the grid of the model: they span "
            f"{' x '.join(f'{length:.0f}' for length in extent)} mm, it {room[0]:.0f} mm along each axis. "
            f"Check the voxel spacing ({' x '.join(f'{size:.3g}' for size in geometry.spacing)} mm) and that "
            "no segment holds other structures."
        )


def _fitting(
    labels: NDArray[np.uint8], geometry: ImageGeometry, pose: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The pose, shifted as little as brings chambers and wall inside the common grid."""
    low, high = extent_in_frame(labels, geometry, pose)
    limit = TWIN_GRID.spacing * (np.array(TWIN_GRID.shape) - 2) / 2
    shift = np.maximum(high - limit, 0) + np.minimum(low + limit, 0)
    moved = pose.copy()
    moved[:3, 3] = pose[:3, 3] + pose[:3, :3] @ shift
    return moved


def _cropped(labels: NDArray[np.uint8], geometry: ImageGeometry) -> tuple[tuple[slice, ...], ImageGeometry]:
    """The box of all tissues with a voxel around it, and its geometry."""
    found = ndimage.find_objects((labels != 0).view(np.uint8))[0]
    box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in found)
    box = tuple(slice(s.start, min(s.stop, n)) for s, n in zip(box, labels.shape, strict=True))
    return box, _part(geometry, box)


def _part(geometry: ImageGeometry, box: tuple[slice, ...]) -> ImageGeometry:
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 3] = geometry.kji_to_ras([s.start for s in box])
    return ImageGeometry(tuple(s.stop - s.start for s in box), matrix)


def _mask_on(mask: NDArray[np.bool_], source: ImageGeometry, target: ImageGeometry) -> NDArray[np.bool_]:
    """Nearest neighbour of a mask on another grid, False outside."""
    to_source = np.linalg.solve(source.ijk_to_ras, target.ijk_to_ras)
    linear, offset = to_source[2::-1, 2::-1], to_source[2::-1, 3]
    found = ndimage.affine_transform(
        mask.view(np.uint8), linear, offset, target.shape, order=0, mode="constant", cval=0
    )
    return found.view(bool)
