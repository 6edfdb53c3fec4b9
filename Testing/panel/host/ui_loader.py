"""slicer.util.loadUI: a module's .ui file as widgets."""

from __future__ import annotations

import inspect
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import qt
from PySide6 import QtCore, QtUiTools

__all__ = ["load_ui"]


class _Loader(QtUiTools.QUiLoader):
    """Makes every widget of a .ui file of the class that `qt`, `ctk` or `slicer` has for it."""

    def __init__(self, classes: dict[str, type]) -> None:
        super().__init__()
        self._classes = classes
        self.made: list[qt.QWidget] = []
        self.unknown: set[str] = set()

    def createWidget(self, name: str, parent: Any = None, object_name: str = "") -> Any:
        kind = self._classes.get(name) or (None if name == "Line" else getattr(qt, name, None))
        if kind is None:
            if name not in self.availableWidgets():
                self.unknown.add(name)
            widget = super().createWidget(name, parent, object_name)
        else:
            widget = kind(parent)
        if widget is not None:
            widget.setObjectName(object_name)
            widget._loading = True
            self.made.append(widget)
        return widget


def load_ui(path: str | Path, classes: dict[str, type]) -> qt.QWidget:
    """The widget of the .ui file at `path`; `classes` are the stand-ins for widgets that are not Qt's own.

    Connections of the file are made between signals and methods of the same names. Raises RuntimeError when
    the file is absent or broken, or when it names a class or sets a property that no stand-in has.
    """
    path = Path(path)
    if not path.is_file():
        raise RuntimeError(f"Could not load UI file: file not found {path}")
    tree = ElementTree.parse(path)
    connections = tree.getroot().find("connections")
    wanted = [] if connections is None else connections.findall("connection")
    if connections is not None:
        tree.getroot().remove(connections)

    loader = _Loader(classes)
    buffer = QtCore.QBuffer()
    buffer.setData(ElementTree.tostring(tree.getroot()))
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    loader.setWorkingDirectory(QtCore.QDir(str(path.parent)))
    try:
        widget = loader.load(buffer)
    except RuntimeError:
        widget = None
    if loader.unknown:
        raise RuntimeError(
            f"{path.name} uses widgets without a stand-in: {', '.join(sorted(loader.unknown))}"
        )
    if widget is None:
        raise RuntimeError(f"Could not load UI file: {path}: {loader.errorString()}")
    try:
        _complete(widget, loader.made, tree, wanted, path)
    except RuntimeError:
        widget.deleteLater()
        raise
    return widget


def _complete(
    widget: qt.QWidget,
    widgets: list[qt.QWidget],
    tree: ElementTree.ElementTree,
    connections: list[ElementTree.Element],
    path: Path,
) -> None:
    _refuse_unknown_properties(tree, widgets, path)
    for made in widgets:
        del made._loading
        # PySide6 makes every child an attribute of the widget; PythonQt does not.
        for child in widgets:
            made.__dict__.pop(child.objectName, None)
    # Qt owns the widgets, but Python must keep what it knows of them.
    widget._made = widgets
    _connect(widget, connections, path)


def _refuse_unknown_properties(tree: ElementTree.ElementTree, made: list[qt.QWidget], path: Path) -> None:
    said = {
        (element.get("name"), declared.get("name"))
        for element in tree.iter("widget")
        for declared in element.findall("property")
        if declared.get("stdset") == "0"
    }
    for widget in made:
        for name in (bytes(dynamic).decode() for dynamic in widget.dynamicPropertyNames()):
            if not name.startswith(("_", "Slicer")) and (widget.objectName, name) not in said:
                raise RuntimeError(
                    f"{path.name}: {widget.className()} '{widget.name}' has no property '{name}'"
                )


def _connect(root: qt.QWidget, connections: list[ElementTree.Element], path: Path) -> None:
    widgets = {widget.objectName: widget for widget in root._made}
    for connection in connections:
        sender, signal, receiver, slot = (
            connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")
        )
        try:
            signal_object = getattr(widgets[sender], signal.partition("(")[0])
            method = getattr(widgets[receiver], slot.partition("(")[0])
        except (KeyError, AttributeError) as error:
            text = f"{path.name}: {sender}.{signal} cannot be connected to {receiver}.{slot}"
            raise RuntimeError(text) from error
        signal_object.connect(_call(method))


def _call(method: Any) -> Any:
    # A connected bound method does not keep its widget, but the function here keeps it.
    try:
        takes = len(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        takes = 1
    return (lambda: method()) if takes == 0 else (lambda value: method(value))
