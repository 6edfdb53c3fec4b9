"""Image grids between nodes, VTK's oriented images and `ImageGeometry`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.installation import slicer

__all__ = [
    "empty_image",
    "geometry_of_oriented_image",
    "geometry_of_volume",
    "image_with_geometry",
    "matrix_to_vtk",
    "voxels_of_oriented_image",
    "world_matrix",
]


def geometry_of_volume(node: Any) -> ImageGeometry:
    """Grid of a volume node in RAS, its linear parent transforms included.

    Raises ValueError when the volume has no voxels, or a transform is not linear or holds NaN.
    """
    image = node.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise ValueError(
            f"Volume '{node.GetName()}' has no voxels. Load its data again or choose another volume."
        )
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return _geometry(
        image.GetDimensions()[::-1], world_matrix(node) @ slicer.util.arrayFromVTKMatrix(matrix), node
    )


def world_matrix(node: Any) -> NDArray[np.float64]:
    """(4, 4) map from the coordinates of a node to RAS, the product of its linear parent transforms.

    Raises ValueError that names the transform when one is not linear or holds NaN.
    """
    matrix = np.eye(4)
    transform = node.GetParentTransformNode()
    while transform is not None:
        if not transform.IsLinear():
            raise ValueError(
                f"'{node.GetName()}' is under the transform '{transform.GetName()}', which is not linear. "
                "Harden the transform on it first (Data module, right click on the transform)."
            )
        to_parent = vtkMatrix4x4()
        transform.GetMatrixTransformToParent(to_parent)
        values = slicer.util.arrayFromVTKMatrix(to_parent)
        if not np.isfinite(values).all():
            raise ValueError(
                f"The transform '{transform.GetName()}' above '{node.GetName()}' holds NaN or infinite "
                "values. Correct the transform or remove it from the node."
            )
        matrix = values @ matrix
        transform = transform.GetParentTransformNode()
    return matrix


def geometry_of_oriented_image(image: Any, to_world: ArrayLike | None = None) -> ImageGeometry:
    """Grid of the allocated voxels of a vtkOrientedImageData, mapped by `to_world` (4, 4) if given.

    ValueError when it is empty.
    """
    if image.IsEmpty():
        raise ValueError("The image is empty.")
    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    extent = image.GetExtent()
    first_voxel = np.eye(4)
    first_voxel[:3, 3] = extent[0::2]
    to_world = np.eye(4) if to_world is None else np.asarray(to_world, dtype=float)
    shape = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0))
    return ImageGeometry(shape, to_world @ slicer.util.arrayFromVTKMatrix(matrix) @ first_voxel)


def voxels_of_oriented_image(image: Any) -> NDArray:
    """The voxels of an image as an array (k, j, i) that shares its memory."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def image_with_geometry(array: ArrayLike, geometry: ImageGeometry) -> Any:
    """A vtkOrientedImageData that holds a copy of `array` (k, j, i) on the grid; bool becomes uint8.

    ValueError when the shapes differ.
    """
    array = np.ascontiguousarray(array)
    if array.shape != geometry.shape:
        raise ValueError(f"The array has shape {array.shape} (k, j, i), its geometry {geometry.shape}.")
    if array.dtype == bool:
        array = array.view(np.uint8)
    image = empty_image(geometry)
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))
    return image


def empty_image(geometry: ImageGeometry) -> Any:
    """A vtkOrientedImageData with the grid alone, without voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*geometry.shape[::-1])
    image.SetImageToWorldMatrix(matrix_to_vtk(geometry.ijk_to_ras))
    return image


def matrix_to_vtk(matrix: ArrayLike) -> vtkMatrix4x4:
    """An array (4, 4) as a vtkMatrix4x4."""
    return slicer.util.vtkMatrixFromArray(np.asarray(matrix, dtype=float))


def _geometry(shape: tuple[int, ...], matrix: NDArray[np.float64], node: Any) -> ImageGeometry:
    try:
        return ImageGeometry(shape, matrix)
    except ValueError as error:
        raise ValueError(f"'{node.GetName()}': {error}") from error
