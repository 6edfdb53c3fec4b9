"""Columns of values to table nodes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkBitArray, vtkStringArray

from cardiactwins.mrml.headless import start

__all__ = ["columns_of_table", "new_table"]


def new_table(
    name: str,
    columns: Mapping[str, ArrayLike],
    units: Mapping[str, str] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> Any:
    """A table node in the scene with one column a name; all columns have R values.

    Floats stay double, integers 32 or 64 bit, booleans bit, everything else text (None becomes empty). units
    and
    descriptions: column -> text, shown as its unit and tooltip. ValueError when lengths differ or a unit has
    no column.
    """
    arrays = {column: np.asarray(values) for column, values in columns.items()}
    lengths = {column: len(values) for column, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"The columns of table '{name}' differ in length: {lengths}.")
    for extra in sorted({*(units or ()), *(descriptions or ())} - set(arrays)):
        raise ValueError(f"Table '{name}' has no column '{extra}'. Its columns: {', '.join(arrays)}.")
    node = start().scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for column, values in arrays.items():
        array = _to_vtk(values)
        array.SetName(column)
        node.AddColumn(array)
        # The schema is what keeps types and units when the table is saved as text.
        node.SetColumnProperty(column, "type", node.GetValueTypeAsString(array.GetDataType()))
    for column, unit in (units or {}).items():
        node.SetColumnUnitLabel(column, unit)
    for column, text in (descriptions or {}).items():
        node.SetColumnDescription(column, text)
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def columns_of_table(node: Any) -> dict[str, NDArray]:
    """Column name -> values (R,) of a table node: float64, integer, bool or text arrays."""
    table = node.GetTable()
    return {
        table.GetColumnName(index): _from_vtk(table.GetColumn(index))
        for index in range(table.GetNumberOfColumns())
    }


def _to_vtk(values: NDArray) -> Any:
    if values.dtype == bool:
        return _filled(vtkBitArray(), [int(value) for value in values])
    if values.dtype.kind in "iu":
        fits = not values.size or (values.min() >= -(2**31) and values.max() < 2**31)
        return numpy_to_vtk(np.ascontiguousarray(values, dtype=np.int32 if fits else np.int64), deep=True)
    if values.dtype.kind == "f":
        return numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
    return _filled(vtkStringArray(), ["" if value is None else str(value) for value in values.tolist()])


def _filled(array: Any, values: list[Any]) -> Any:
    for value in values:
        array.InsertNextValue(value)
    return array


def _from_vtk(array: Any) -> NDArray:
    values = range(array.GetNumberOfValues())
    if isinstance(array, vtkStringArray):
        return np.array([array.GetValue(index) for index in values], dtype=str)
    if isinstance(array, vtkBitArray):
        return np.array([bool(array.GetValue(index)) for index in values], dtype=bool)
    return vtk_to_numpy(array).copy()
