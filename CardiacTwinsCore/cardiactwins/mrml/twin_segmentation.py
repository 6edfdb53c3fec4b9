"""Whole hearts between segmentation nodes, label maps, files and tissue labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import (
    LABEL_MAP_ENDINGS,
    SEGMENTATION_ENDINGS,
    labels_from_file,
    segmentation_from_file,
)
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.mask_folders import masks_of_folder
from cardiactwins.mrml.segment_roles import TISSUE_ROLES
from cardiactwins.mrml.segmentations import (
    add_segment,
    find_segment,
    geometry_of_segmentation,
    segment_array,
    segment_code,
    segment_names,
    set_reference_geometry,
    terminology_of,
)
from cardiactwins.mrml.volumes import volume_array
from cardiactwins.twin.label_table import nifti_label_names
from cardiactwins.twin.label_values import heart_of_values
from cardiactwins.twin.nifti_axes import check_nifti_axes
from cardiactwins.twin.tissue_names import (
    TISSUE_CODES,
    missing_tissues_text,
    tissue_of_key,
    tissues_of_names,
)
from cardiactwins.twin.twin_import import check_size

__all__ = [
    "SegmentStyle",
    "SegmentedHeart",
    "heart_of_file",
    "heart_of_label_map",
    "heart_of_segmentation",
    "new_heart_segmentation",
    "segments_of_tissues",
]

DRAWN = (Tissue.MYO, Tissue.AO, Tissue.RA, Tissue.RV, Tissue.LA, Tissue.LV)
"""Where segments overlap, the later one is kept: a myocardium painted over its cavity loses it."""


@dataclass(frozen=True)
class SegmentStyle:
    """How a tissue's segment is called and shown. color: RGB in 0..1. terminology: 3D Slicer's entry."""

    name: str
    color: tuple[float, float, float]
    terminology: str

    @classmethod
    def standard(cls, tissue: Tissue) -> SegmentStyle:
        """The style of a tissue whose source had none."""
        role = TISSUE_ROLES[tissue]
        return cls(role.name, role.color, role.terminology)


@dataclass(frozen=True, eq=False)
class SegmentedHeart:
    """A whole heart read from a node or a file.

    labels: (k, j, i) uint8, values of Tissue, all six present. geometry: its grid, RAS. name: of the case.
    sources: tissue -> name of the structure that it was read from. styles: for segmentations made of it.
    remarks: sentences about the reading.
    """

    labels: NDArray[np.uint8]
    geometry: ImageGeometry
    name: str
    sources: Mapping[Tissue, str]
    styles: Mapping[Tissue, SegmentStyle] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def heart_of_segmentation(node: Any, tissues: Mapping[str | Tissue, str] | None = None) -> SegmentedHeart:
    """The whole heart that a segmentation node holds, on the node's reference geometry.

    tissues: tissue ('LA') -> segment by name or id, where terminology and names do not tell. ValueError when
    one of the six is missing or empty, when two segments look like one tissue, or the map is too large.
    """
    names, assigned = segment_names(node), segments_of_tissues(node, tissues)
    title = f"Segmentation '{node.GetName()}'"
    if len(assigned) < len(Tissue):
        raise ValueError(missing_tissues_text(title, set(assigned), list(names.values())))
    geometry = geometry_of_segmentation(node)
    check_size(geometry.shape)
    labels = np.zeros(geometry.shape, dtype=np.uint8)
    overlap = 0
    for tissue in DRAWN:
        mask = segment_array(node, assigned[tissue])
        if not mask.any():
            raise ValueError(f"{title}: segment '{names[assigned[tissue]]}' is empty.")
        overlap += int(np.count_nonzero(labels[mask]))
        labels[mask] = tissue
    _check_complete(labels, title, {tissue: names[segment] for tissue, segment in assigned.items()})
    remarks = (f"Segments overlapped in {overlap:,} voxels; inner chambers were kept.",) if overlap else ()
    return SegmentedHeart(
        labels,
        geometry,
        node.GetName(),
        {tissue: names[assigned[tissue]] for tissue in Tissue},
        {tissue: _style(node, assigned[tissue]) for tissue in Tissue},
        remarks,
    )


def segments_of_tissues(node: Any, tissues: Mapping[str | Tissue, str] | None = None) -> dict[Tissue, str]:
    """Tissue -> id of its segment, as far as that is told by `tissues`, by terminology or by names.

    tissues: as of `heart_of_segmentation`. ValueError when two segments look like one tissue.
    """
    assigned = {tissue_of_key(key): find_segment(node, value) for key, value in (tissues or {}).items()}
    names = segment_names(node)
    rest = {key: name for key, name in names.items() if key not in assigned.values()}
    for tissue, segment in _segments_by_code(node, rest).items():
        assigned.setdefault(tissue, segment)
    rest = {key: name for key, name in rest.items() if key not in assigned.values()}
    for tissue, segment in tissues_of_names(rest).items():
        assigned.setdefault(tissue, segment)
    return assigned


def heart_of_label_map(
    node: Any,
    tissues: Mapping[str | Tissue, str | int] | str | None = None,
    names: Mapping[int, str] | None = None,
) -> SegmentedHeart:
    """The whole heart that a label-map volume node holds.

    tissues: tissue ('LA') -> label value or name, or a key of LABEL_PRESETS; None: from the names of labels.
    names: label value -> name; those of the node's colour table when None. ValueError as of
    `heart_of_segmentation`, and when there are neither names nor tissues.
    """
    title = f"Label map '{node.GetName()}'"
    image = node.GetImageData()
    if image is not None:
        check_size(image.GetDimensions()[::-1])
    values, geometry = volume_array(node)
    known = _color_names(node) if names is None else names
    labels, sources = heart_of_values(title, values, tissues, known)
    return SegmentedHeart(labels, geometry, node.GetName(), sources)


def heart_of_file(
    path: str | Path, tissues: Mapping[str | Tissue, str | int] | str | None = None
) -> SegmentedHeart:
    """The whole heart of a segmentation (.seg.nrrd), a label map (.nii.gz, .nrrd, ...) or a folder of masks.

    NIfTI files of TotalSegmentator carry the names of their labels; its folders hold a mask a structure. The
    scene stays as it is. tissues: as of the functions above, and their ValueErrors; ValueError too for
    damaged files and sheared axes, FileNotFoundError where there is none.
    """
    path = Path(path)
    start()
    if path.is_dir():
        _refuse_preset(tissues, path)
        labels, geometry, sources = masks_of_folder(path, DRAWN, tissues)
        _check_complete(labels, f"The folder {path.name}", sources)
        return SegmentedHeart(labels, geometry, path.name, {tissue: sources[tissue] for tissue in Tissue})
    ending = path.name.lower()
    if ending.endswith(SEGMENTATION_ENDINGS):
        _refuse_preset(tissues, path)
        with segmentation_from_file(path) as node:
            return heart_of_segmentation(node, tissues)
    if not ending.endswith(LABEL_MAP_ENDINGS):
        known = ", ".join((*SEGMENTATION_ENDINGS, *LABEL_MAP_ENDINGS))
        raise ValueError(f"{path} is no segmentation or label map ({known}).")
    if ending.endswith((".nii", ".nii.gz")) and path.is_file():
        check_image_file(path)
        check_nifti_axes(path)
    with labels_from_file(path) as node:
        names = nifti_label_names(path) if ending.endswith((".nii", ".nii.gz")) else {}
        return heart_of_label_map(node, tissues, names)


def new_heart_segmentation(
    name: str,
    labels: ArrayLike,
    geometry: ImageGeometry,
    styles: Mapping[Tissue, SegmentStyle] | None = None,
    scene: Any = None,
) -> Any:
    """A segmentation node with one segment a tissue, in the order of Tissue; absent ones are left out.

    labels: (k, j, i) on `geometry`, values of Tissue. styles: names, colours and terminology, such as those
    of the twin's own segments; standard ones where there are none.
    """
    array = tissue_labels(labels)
    # Another scene needs the start as well: it registers the representations of segments.
    own_scene = start().scene
    scene = own_scene if scene is None else scene
    node = slicer.vtkMRMLSegmentationNode()
    node.SetName(name)
    scene.AddNode(node)
    try:
        node.CreateDefaultDisplayNodes()
        set_reference_geometry(node, geometry)
        for tissue in Tissue:
            mask = array == tissue
            if not mask.any():
                continue
            style = (styles or {}).get(tissue) or SegmentStyle.standard(tissue)
            add_segment(
                node,
                style.name,
                mask,
                geometry,
                style.color,
                style.terminology,
                segment_id=TISSUE_NAMES[tissue],
            )
    except Exception:
        scene.RemoveNode(node.GetDisplayNode())
        scene.RemoveNode(node)
        raise
    return node


def _refuse_preset(tissues: Any, path: Path) -> None:
    if isinstance(tissues, str):
        raise ValueError(f"'{tissues}' tells label values; {path.name} has structures with names.")


def _segments_by_code(node: Any, segments: Mapping[str, str]) -> dict[Tissue, str]:
    """Tissue -> segment id from terminology; a tissue that several segments claim is left to their names."""
    found: dict[Tissue, list[str]] = {}
    for segment_id in segments:
        tissue = TISSUE_CODES.get(segment_code(node, segment_id))
        if tissue is not None:
            found.setdefault(tissue, []).append(segment_id)
    return {tissue: claims[0] for tissue, claims in found.items() if len(claims) == 1}


def _style(node: Any, segment_id: str) -> SegmentStyle:
    segment = node.GetSegmentation().GetSegment(segment_id)
    return SegmentStyle(
        segment_names(node)[segment_id], tuple(segment.GetColor()), terminology_of(node, segment_id)
    )


def _color_names(node: Any) -> dict[int, str]:
    """Label value -> name of a label map's own colour table; 3D Slicer's general tables name nothing."""
    display = node.GetDisplayNode()
    table = display.GetColorNode() if display is not None else None
    if table is None or table.GetSingletonTag() or not hasattr(table, "GetNumberOfColors"):
        return _names_in_file(node)
    return {index: table.GetColorName(index) or "" for index in range(table.GetNumberOfColors())}


def _names_in_file(node: Any) -> dict[int, str]:
    """Names in the header of the NIfTI file that a label map was loaded from, where it is still there."""
    storage = node.GetStorageNode()
    path = Path(storage.GetFileName() or "") if storage is not None else Path()
    if not path.name.lower().endswith((".nii", ".nii.gz")) or not path.is_file():
        return {}
    return nifti_label_names(path)


def _check_complete(labels: NDArray[np.uint8], title: str, names: Mapping[Tissue, str]) -> None:
    """ValueError when another segment covers a tissue whole."""
    counts = np.bincount(labels.ravel(), minlength=max(Tissue) + 1)
    hidden = [names[tissue] for tissue in Tissue if not counts[tissue]]
    if hidden:
        raise ValueError(f"{title}: other segments cover all of {', '.join(repr(name) for name in hidden)}.")
