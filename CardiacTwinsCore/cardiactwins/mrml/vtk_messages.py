"""What VTK and MRML have to say of an error: collected, or kept from being printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_STRING, vtkObject

__all__ = ["vtk_errors", "without_vtk_messages"]


@contextmanager
def vtk_errors(vtk_object: Any) -> Iterator[list[str]]:
    """The texts of the errors that an object reports in the block; they are not printed."""
    errors: list[str] = []

    @calldata_type(VTK_STRING)
    def on_error(caller: Any, event: str, text: str) -> None:
        errors.append(text)

    tag = vtk_object.AddObserver("ErrorEvent", on_error)
    try:
        yield errors
    finally:
        vtk_object.RemoveObserver(tag)


@contextmanager
def without_vtk_messages() -> Iterator[None]:
    """Keep VTK from printing what is about to be told by an exception."""
    were_on = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtkObject.SetGlobalWarningDisplay(were_on)
