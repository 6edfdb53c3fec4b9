"""Segmentation nodes to masks on one grid, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import affine_transform
from vtkmodules.vtkCommonCore import reference

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.geometry import (
    empty_image,
    geometry_of_oriented_image,
    image_with_geometry,
    voxels_of_oriented_image,
    world_matrix,
)
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES

__all__ = [
    "add_segment",
    "find_segment",
    "geometry_of_segmentation",
    "new_segmentation",
    "segment_array",
    "segment_code",
    "segment_names",
    "set_reference_geometry",
    "terminology_of",
]

LABELMAP = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
REFERENCE_GEOMETRY = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()


def segment_names(node: Any) -> dict[str, str]:
    """Segment id -> name, in the order of the segmentation."""
    segmentation = node.GetSegmentation()
    segments = {
        segmentation.GetNthSegmentID(index): segmentation.GetNthSegment(index).GetName() or ""
        for index in range(segmentation.GetNumberOfSegments())
    }
    # VTK hands out bytes for a text that is not UTF-8.
    return {
        key: name if isinstance(name, str) else name.decode("utf-8", "replace")
        for key, name in segments.items()
    }


def terminology_of(node: Any, segment_id: str) -> str:
    """Terminology entry of a segment ('context~category~type~...'); empty where it has none."""
    text = reference("")
    segment = node.GetSegmentation().GetSegment(segment_id)
    found = segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), text)
    return str(text) if found else ""


def segment_code(node: Any, segment_id: str) -> tuple[str, str]:
    """Scheme and code of the type in a segment's terminology entry; empty where it has none."""
    parts = terminology_of(node, segment_id).split("~")
    scheme, code, *_ = (*(parts[2].split("^") if len(parts) > 2 else ()), "", "")
    return scheme, code


def find_segment(node: Any, segment: str) -> str:
    """Id of a segment given by its id or its name (case does not matter).

    ValueError that lists the segments when there is none or more than one.
    """
    names = segment_names(node)
    if segment in names:
        return segment
    for matches in (
        [key for key, name in names.items() if name == segment],
        [key for key, name in names.items() if name.casefold() == segment.casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ValueError(
                f"Segmentation '{node.GetName()}' has {len(matches)} segments named '{segment}'. "
                f"Rename them or give the segment id: {', '.join(matches)}."
            )
    listed = ", ".join(f"'{name}'" for name in names.values()) or "none"
    raise ValueError(f"Segmentation '{node.GetName()}' has no segment '{segment}'. Its segments: {listed}.")


def geometry_of_segmentation(node: Any) -> ImageGeometry:
    """Grid on which the segments of a node are read, its linear parent transforms included.

    It is the node's reference geometry (that of the image it was drawn on). Without one, it is the union of
    the segments' extents when all lie on one voxel grid. ValueError when they do not, when there is no
    segment with voxels, or when a transform is not linear or holds NaN.
    """
    to_world = world_matrix(node)
    reference = _reference_image(node)
    if reference is not None:
        return geometry_of_oriented_image(reference, to_world)
    grids = {
        name: geometry_of_oriented_image(image, to_world)
        for segment_id, name in segment_names(node).items()
        if not (image := _labelmap(node, segment_id)).IsEmpty()
    }
    if not grids:
        raise ValueError(
            f"Segmentation '{node.GetName()}' has no voxels and no reference geometry. "
            "Draw its segments, or set its source geometry from the image (Segment editor)."
        )
    return _union(node, grids)


def segment_array(node: Any, segment: str, geometry: ImageGeometry | None = None) -> NDArray[np.bool_]:
    """Mask (k, j, i) of a segment, given by id or name, on `geometry` (default: `geometry_of_segmentation`).

    A voxel belongs to the mask when its centre lies in a voxel of the segment; on the segment's own grid this
    is exact. Without `geometry`, ValueError when the segment reaches outside the node's reference geometry.
    """
    segment_id = find_segment(node, segment)
    image = _labelmap(node, segment_id)
    target = geometry_of_segmentation(node) if geometry is None else geometry
    if image.IsEmpty():
        return np.zeros(target.shape, dtype=bool)
    source = geometry_of_oriented_image(image, world_matrix(node))
    voxels = voxels_of_oriented_image(image) != 0
    if geometry is None:
        _check_inside(node, segment_id, voxels, source, target)
    return _resample(voxels, source, target)


def new_segmentation(
    name: str, geometry: ImageGeometry, masks: Mapping[str, ArrayLike], scene: Any = None
) -> Any:
    """A segmentation node in the scene with one standard segment a role, on the given grid.

    masks: role (a key of `SEGMENT_ROLES`) -> mask (k, j, i). scene: another scene than that of the process.
    Overlapping masks keep their voxels. ValueError when a role is unknown or a shape does not fit.
    """
    unknown = sorted(set(masks) - set(SEGMENT_ROLES))
    if unknown:
        raise ValueError(f"Unknown segment roles: {', '.join(unknown)}. Known: {', '.join(SEGMENT_ROLES)}.")
    # Another scene needs the start as well: it registers the representations of segments.
    own_scene = start().scene
    scene = own_scene if scene is None else scene
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    scene.AddNode(node)
    try:
        node.CreateDefaultDisplayNodes()
        set_reference_geometry(node, geometry)
        for key, role in SEGMENT_ROLES.items():
            if key in masks:
                segment_id = add_segment(
                    node, role.name, masks[key], geometry, role.color, role.terminology, segment_id=key
                )
                node.GetDisplayNode().SetSegmentOpacity3D(segment_id, role.opacity)
    except Exception:
        scene.RemoveNode(node.GetDisplayNode())
        scene.RemoveNode(node)
        raise
    return node


def add_segment(
    node: Any,
    name: str,
    mask: ArrayLike,
    geometry: ImageGeometry,
    color: tuple[float, float, float] | None = None,
    terminology: str = "",
    segment_id: str = "",
) -> str:
    """Add a segment with the voxels of `mask` (k, j, i) on the grid `geometry` (RAS); returns its id.

    color: RGB in 0..1, chosen by 3D Slicer when None. terminology: an entry as `SegmentRole.terminology`
    gives it.
    segment_id: wanted id, made unique; the name by default.
    The node's linear parent transforms are undone, so that the segment lies where `geometry` says.
    """
    local = ImageGeometry(geometry.shape, np.linalg.solve(world_matrix(node), geometry.ijk_to_ras))
    image = image_with_geometry(np.asarray(mask).astype(bool), local)
    segmentation = node.GetSegmentation()
    wanted_id = segmentation.GenerateUniqueSegmentID(segment_id or name)
    color_argument = (color,) if color else ()
    segment_id = segmentation.AddEmptySegment(wanted_id, name, *color_argument)
    segment = segmentation.GetSegment(segment_id)
    segment.SetNameAutoGenerated(False)
    if color:
        segment.SetColorAutoGenerated(False)
    if terminology:
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    if not logic.SetBinaryLabelmapToSegment(image, node, segment_id, logic.MODE_REPLACE):
        segmentation.RemoveSegment(segment_id)
        raise ValueError(f"3D Slicer did not accept the voxels of segment '{name}' in '{node.GetName()}'.")
    return segment_id


def set_reference_geometry(node: Any, geometry: ImageGeometry) -> None:
    """Make `geometry`, in the node's own coordinates, the grid on which 3D Slicer edits the node."""
    node.GetSegmentation().SetConversionParameter(
        REFERENCE_GEOMETRY, slicer.vtkSegmentationConverter.SerializeImageGeometry(empty_image(geometry))
    )


def _labelmap(node: Any, segment_id: str) -> Any:
    """Binary labelmap of one segment in the node's coordinates; the node is not changed to get it."""
    image = slicer.vtkOrientedImageData()
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(segment_id).GetRepresentation(LABELMAP) is not None:
        node.GetBinaryLabelmapRepresentation(segment_id, image)
        return image
    copy = slicer.vtkSegmentation()
    copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
    copy.CopyConversionParameters(segmentation)
    copy.CopySegmentFromSegmentation(segmentation, segment_id)
    if copy.CreateRepresentation(LABELMAP):
        image.DeepCopy(copy.GetSegmentRepresentation(segment_id, LABELMAP))
    return image


def _reference_image(node: Any) -> Any:
    text = node.GetSegmentation().GetConversionParameter(REFERENCE_GEOMETRY)
    image = slicer.vtkOrientedImageData()
    if not text or not slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, image, False):
        return None
    return None if 0 in image.GetDimensions() else image


def _union(node: Any, grids: Mapping[str, ImageGeometry]) -> ImageGeometry:
    """Smallest grid that holds all grids, when they are parts of one lattice of voxels."""
    first_name, first = next(iter(grids.items()))
    lower, upper = np.zeros(3), np.array(first.shape) - 1.0
    for name, grid in grids.items():
        corners = first.ras_to_kji(grid.kji_to_ras([np.zeros(3), np.array(grid.shape) - 1]))
        same_axes = np.allclose(grid.ijk_to_ras[:3, :3], first.ijk_to_ras[:3, :3], atol=1e-4)
        if not same_axes or not np.allclose(corners, np.round(corners), atol=1e-2):
            raise ValueError(
                f"Segments '{first_name}' and '{name}' of '{node.GetName()}' lie on different voxel grids "
                f"(spacing {_text(first.spacing)} and {_text(grid.spacing)} mm), and the segmentation has no "
                "reference geometry. Set its source geometry from the image (Segment editor)."
            )
        lower = np.minimum(lower, np.round(corners[0]))
        upper = np.maximum(upper, np.round(corners[1]))
    matrix = first.ijk_to_ras.copy()
    matrix[:3, 3] = first.kji_to_ras(lower)
    return ImageGeometry(tuple((upper - lower + 1).astype(int)), matrix)


def _check_inside(
    node: Any,
    segment_id: str,
    voxels: NDArray[np.bool_],
    source: ImageGeometry,
    target: ImageGeometry,
) -> None:
    """ValueError when centres of the segment's voxels lie outside the target grid."""
    kji = target.ras_to_kji(source.kji_to_ras(np.argwhere(voxels)))
    outside = int(((kji < -0.51) | (kji > np.array(target.shape) - 0.49)).any(axis=1).sum())
    if outside:
        raise ValueError(
            f"Segment '{segment_names(node)[segment_id]}' of '{node.GetName()}' reaches outside the "
            f"reference geometry ({outside:,} of {len(kji):,} voxels). Set the source geometry of the "
            "segmentation to an image that holds all of it (Segment editor)."
        )


def _resample(voxels: NDArray[np.bool_], source: ImageGeometry, target: ImageGeometry) -> NDArray[np.bool_]:
    """Nearest neighbour of every voxel centre of `target` in `voxels` on `source`; False outside."""
    to_source = np.linalg.solve(source.ijk_to_ras, target.ijk_to_ras)
    linear, offset = to_source[2::-1, 2::-1], to_source[2::-1, 3]
    steps = np.round(offset).astype(int)
    if np.allclose(linear, np.eye(3), atol=1e-6) and np.allclose(offset, steps, atol=1e-3):
        return _shifted(voxels, steps, target.shape)
    # 'constant' would lose boundary voxels to rounding: only 'grid-constant' reaches half a voxel beyond the
    # centres.
    resampled = affine_transform(
        voxels.view(np.uint8), linear, offset, target.shape, order=0, mode="grid-constant", cval=0
    )
    return resampled.view(bool)


def _shifted(
    voxels: NDArray[np.bool_], steps: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Voxels on another part of their own lattice, whose first voxel is `steps` (k, j, i) of theirs."""
    found = np.zeros(shape, dtype=bool)
    low = np.maximum(-steps, 0)
    high = np.minimum(np.array(voxels.shape) - steps, shape)
    if (high > low).all():
        here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        there = tuple(slice(a, b) for a, b in zip(low + steps, high + steps, strict=True))
        found[here] = voxels[there]
    return found


def _text(values: NDArray[np.float64]) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
