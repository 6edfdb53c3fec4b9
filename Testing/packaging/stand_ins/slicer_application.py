"""Stands for the parts of the 3D Slicer application that a module file uses and slicer-core does not bring.

They do what the application's own classes do with a module's metadata, logic and tests; widgets only remember
what was set. That is enough to check a module file, and says nothing of how its panel looks or behaves.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
import unittest
from pathlib import Path

import slicer
import slicer.util


class Widget:
    """A Qt widget that remembers its properties, its children and what is connected."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.children: list[object] = []
        self.connected: dict[str, object] = {}

    def connect(self, signal: str, function: object) -> None:
        self.connected[signal] = function

    def click(self) -> None:
        self.connected["clicked(bool)"](False)

    def addWidget(self, widget: Widget) -> None:
        self.children.append(widget)

    def addStretch(self, stretch: int) -> None: ...

    def setTextInteractionFlags(self, flags: int) -> None: ...


class ScriptedLoadableModule:
    def __init__(self, parent: types.SimpleNamespace) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def runTest(self, **_options: object) -> None:
        getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")().runTest()


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Widget | None = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent or Widget()
        self.layout = self.parent

    def setup(self) -> None: ...


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: object = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> None: ...


def install() -> None:
    """Make `qt`, `slicer.i18n` and `slicer.ScriptedLoadableModule` importable and complete `slicer.util`."""
    qt = types.ModuleType("qt")
    qt.QLabel = qt.QPushButton = Widget
    qt.Qt = types.SimpleNamespace(TextSelectableByMouse=1)

    scripted = types.ModuleType("slicer.ScriptedLoadableModule")
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(scripted, kind.__name__, kind)

    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text

    sys.modules.update({"qt": qt, "slicer.i18n": i18n, "slicer.ScriptedLoadableModule": scripted})
    slicer.selfTests = {}
    slicer.util.confirmOkCancelDisplay = lambda question: True
    slicer.util.tryWithErrorDisplay = lambda message, waitCursor=False: contextlib.nullcontext()


def load_module(path: Path) -> object:
    """Load a module file as the application does; returns the instance of its module class."""
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)(types.SimpleNamespace(path=str(path)))
