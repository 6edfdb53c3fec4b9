"""Segmentation, label-map, point and curve files, read without touching the scene of the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.file_endings import LABEL_MAP_ENDINGS, SEGMENTATION_ENDINGS
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.vtk_messages import without_vtk_messages

__all__ = [
    "LABEL_MAP_ENDINGS",
    "SEGMENTATION_ENDINGS",
    "curve_from_file",
    "labels_from_file",
    "points_from_file",
    "segmentation_from_file",
]


@contextmanager
def segmentation_from_file(path: str | Path) -> Iterator[Any]:
    """The segmentation node of a .seg.nrrd file, in a scene of its own that lasts as long as the block.

    Raises as `check_image_file` does; ValueError when 3D Slicer cannot make a segmentation of it.
    """
    check_image_file(path)
    node = slicer.vtkMRMLSegmentationNode()
    with _read_in_own_scene(node, slicer.vtkMRMLSegmentationStorageNode(), Path(path)):
        yield node


@contextmanager
def labels_from_file(path: str | Path) -> Iterator[Any]:
    """The label-map volume node of an image file, in a scene of its own that lasts as long as the block.

    3D Slicer turns left-handed images into right-handed ones by mirroring an axis; voxels keep their place in
    RAS. Raises as `check_image_file` does; ValueError when 3D Slicer cannot read it as labels.
    """
    check_image_file(path)
    node = slicer.vtkMRMLLabelMapVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetSingleFile(True)
    with _read_in_own_scene(node, storage, Path(path)):
        yield node


def points_from_file(path: str | Path) -> NDArray[np.float64]:
    """RAS positions (M, 3) in mm of the points of a markups file (.mrk.json).

    FileNotFoundError when there is no file; ValueError when it holds no readable points.
    """
    node = slicer.vtkMRMLMarkupsFiducialNode()
    with _read_in_own_scene(node, slicer.vtkMRMLMarkupsJsonStorageNode(), Path(path)):
        return points_of_markups(node)


@contextmanager
def curve_from_file(path: str | Path) -> Iterator[Any]:
    """The closed-curve node of a markups file (.mrk.json), named as it, in a scene that ends with the block.

    ValueError when it cannot be read.
    """
    node = slicer.vtkMRMLMarkupsClosedCurveNode()
    path = Path(path)
    with _read_in_own_scene(node, slicer.vtkMRMLMarkupsJsonStorageNode(), path):
        node.SetName(path.name.removesuffix(".mrk.json"))
        yield node


@contextmanager
def _read_in_own_scene(node: Any, storage: Any, path: Path) -> Iterator[None]:
    scene = slicer.vtkMRMLScene()
    node.SetName(path.name.split(".")[0])
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    with without_vtk_messages():
        succeeded = storage.ReadData(node)
    if not succeeded:
        raise ValueError(f"{path.name} cannot be read: 3D Slicer does not know its format, or it is damaged.")
    try:
        yield
    finally:
        scene.Clear(True)
