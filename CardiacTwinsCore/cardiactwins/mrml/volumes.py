"""Arrays to volume nodes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonDataModel import vtkImageData

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.colors import color_table, label_color_table
from cardiactwins.mrml.geometry import geometry_of_volume, matrix_to_vtk
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["EMIDEC_LABELS", "new_label_volume", "new_volume", "volume_array"]

EMIDEC_LABELS = {1: "cavity", 2: "myocardium", 3: "infarct", 4: "no_reflow"}
"""Label values of the EMIDEC challenge -> roles; its myocardium is the healthy part."""


def volume_array(node: Any) -> tuple[NDArray, ImageGeometry]:
    """A copy of the voxels (k, j, i) of a scalar or label-map volume, and their grid in RAS.

    ValueError as `geometry_of_volume` raises it, or when voxels hold more than one number.
    """
    geometry = geometry_of_volume(node)
    components = node.GetImageData().GetNumberOfScalarComponents()
    if components != 1:
        raise ValueError(
            f"Volume '{node.GetName()}' has {components} numbers a voxel. Use a scalar volume or a label map."
        )
    return slicer.util.arrayFromVolume(node).copy(), geometry


def new_volume(
    name: str,
    array: ArrayLike,
    geometry: ImageGeometry,
    color: str = "Grey",
    value_range: tuple[float, float] | None = None,
) -> Any:
    """A scalar volume node in the scene from voxels (k, j, i) on a grid, shown in the colours `color`.

    value_range: values that take the first and last colour; by default the least and greatest finite ones.
    bool becomes uint8, float16 becomes float32. ValueError when the shapes differ or the type has no
    counterpart.
    """
    node = _add_volume("vtkMRMLScalarVolumeNode", name, array, geometry)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(color_table(color).GetID())
    if value_range is None:
        finite = np.asarray(array)[np.isfinite(array)]
        value_range = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(*value_range)
    display.SetInterpolate(False)
    return node


def new_label_volume(
    name: str, labels: ArrayLike, geometry: ImageGeometry, roles: Mapping[int, str] | None = None
) -> Any:
    """A label-map volume node in the scene from integers (k, j, i) on a grid.

    roles: label value -> role, for names and colours (default: `EMIDEC_LABELS`).
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "bui":
        raise ValueError(f"A label map holds integers; found {labels.dtype}.")
    roles = EMIDEC_LABELS if roles is None else roles
    node = _add_volume("vtkMRMLLabelMapVolumeNode", name, labels, geometry)
    table_name = "EMIDEC labels" if roles == EMIDEC_LABELS else f"{name} labels"
    node.GetDisplayNode().SetAndObserveColorNodeID(label_color_table(table_name, roles).GetID())
    return node


def _add_volume(class_name: str, name: str, array: ArrayLike, geometry: ImageGeometry) -> Any:
    array = _storable(np.asarray(array), name)
    if array.shape != geometry.shape:
        raise ValueError(f"The array has shape {array.shape} (k, j, i), its geometry {geometry.shape}.")
    image = vtkImageData()
    image.SetDimensions(*geometry.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    node = start().scene.AddNewNodeByClass(class_name, name)
    node.SetIJKToRASMatrix(matrix_to_vtk(geometry.ijk_to_ras))
    node.SetAndObserveImageData(image)
    node.CreateDefaultDisplayNodes()
    return node


def _storable(array: NDArray, name: str) -> NDArray:
    """The array in a type that VTK and every image format here can hold."""
    if array.dtype == bool:
        return array.view(np.uint8)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype in (np.int64, np.uint64):
        limits = np.iinfo(np.int32)
        if array.size and (array.min() < limits.min or array.max() > limits.max):
            raise ValueError(
                f"Volume '{name}': 64-bit integers beyond 2,147,483,647 cannot be stored. Use float64."
            )
        return array.astype(np.int32)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"Volume '{name}': voxels of type {array.dtype} cannot be stored. Use numbers.")
    return array
