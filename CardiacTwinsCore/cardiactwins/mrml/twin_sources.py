"""Whatever holds a whole heart, or a region of it, as what TwinEditor takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.segmentations import segment_array
from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
from cardiactwins.mrml.twin_segmentation import (
    SegmentedHeart,
    heart_of_file,
    heart_of_label_map,
    heart_of_segmentation,
)
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin
from cardiactwins.twin.twin_import import mask_on_twin

__all__ = ["heart_of", "labels_of", "region_name", "region_on_twin", "unplaced_case"]


def heart_of(source: Any, tissues: Mapping[str | Tissue, Any] | str | None = None) -> SegmentedHeart:
    """A segmented heart from a node, a file, or a pair (labels (k, j, i), ImageGeometry).

    tissues: as of `heart_of_segmentation`, `heart_of_label_map` and `heart_of_file`, whose errors it raises.
    """
    if isinstance(source, (str, Path)):
        return heart_of_file(source, tissues)
    if isinstance(source, tuple):
        return SegmentedHeart(source[0], source[1], "Twin", {})
    if source.IsA("vtkMRMLSegmentationNode"):
        return heart_of_segmentation(source, tissues)
    return heart_of_label_map(source, tissues)


def region_on_twin(case: TwinCase, region: Any) -> NDArray[np.bool_]:
    """A region on the common grid: a pair (segmentation node, segment), or a mask (k, j, i) on the patient's.

    ValueError for a mask of another shape, and for a segment that is not there.
    """
    geometry = case.twin.original_geometry
    if isinstance(region, tuple):
        region = segment_array(*region, geometry)
    mask = np.asarray(region)
    if mask.shape != geometry.shape:
        raise ValueError(
            f"A painted region has the patient's grid, {geometry.shape} (k, j, i); found {mask.shape}."
        )
    return mask_on_twin(mask, geometry, case.twin)


def region_name(region: Any) -> str:
    """What a recipe calls a region."""
    return str(region[1]) if isinstance(region, tuple) else "a painted region"


def labels_of(sibling: SiblingNodes | ArrayLike) -> NDArray[np.uint8]:
    """The label map (128, 128, 128) of a sibling, or the one that was given."""
    return sibling.sibling.labels if isinstance(sibling, SiblingNodes) else np.asarray(sibling)


def unplaced_case(name: str) -> TwinCase:
    """Where hearts without a patient lie: on the model's own grid."""
    empty = np.zeros(TWIN_GRID.shape, dtype=np.uint8)
    return TwinCase(Twin(empty, np.eye(4), empty, TWIN_GRID, name))
