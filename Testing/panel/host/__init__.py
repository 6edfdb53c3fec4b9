"""A Qt host for 3D Slicer's scripted modules: their files run unchanged, off screen, without the application.

It stands on PySide6; Docs/developer/qt-host.md says what it proves and what it does not. `start()` must come
before anything imports `qt`, `ctk` or `slicer.ScriptedLoadableModule`.
"""

from __future__ import annotations

import os
import sys
import types
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from host.dialogs import Dialogs
    from host.host import Host

__all__ = ["start", "start_widgets"]

CTK_MODULES = ("ctk_choices", "ctk_collapsible", "ctk_values")
MRML_MODULES = ("mrml_node_combo_box", "mrml_widgets", "mrml_hierarchy_combo_box", "mrml_views")

_dialogs: Dialogs | None = None
_host: Host | None = None


def start() -> Host:
    """The host of this process, with the real, headless scene; one for the life of the process."""
    global _host
    if _host is None:
        dialogs = start_widgets()
        import slicer

        starting = slicer.app
        # Or the library would take this process for the application.
        del slicer.app
        from cardiactwins.mrml.headless import start as start_scene

        scene_host = start_scene()
        import qt

        from host.application import HostApplication
        from host.host import Host

        slicer.app = HostApplication(
            scene_host.scene, scene_host.application_logic, qt.QApplication.instance(), starting
        )
        _host = Host(slicer.app, dialogs)
    return _host


def start_widgets() -> Dialogs:
    """Make `qt`, `ctk`, the widgets of `slicer` and its Python files importable; there is no scene yet.

    Nothing of the library is imported, so that a module file can be loaded as the application loads it.
    """
    global _dialogs
    if _dialogs is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        # matplotlib would take an event loop of Qt for a wish for windows.
        os.environ.setdefault("MPLBACKEND", "Agg")
        from host.python_qt import create_qt

        qt = sys.modules["qt"] = create_qt()
        application = qt.QApplication.instance() or qt.QApplication(["CardiacTwins"])
        application.setStyle("Fusion")
        _dialogs = _complete_slicer(qt)
    return _dialogs


def _complete_slicer(qt: types.ModuleType) -> Dialogs:
    """Give slicer-core's `slicer` what the application's has for Qt."""
    import slicer
    import slicer.util

    classes = _create_widgets(slicer)
    from host.dialogs import install_dialogs
    from host.settings import MemorySettings
    from host.slicer_python import add_slicer_python
    from host.startup import StartingApplication
    from host.ui_loader import load_ui

    qt.QSettings = MemorySettings
    slicer.app = StartingApplication()
    slicer.selfTests = {}
    slicer.util.loadUI = lambda path: load_ui(path, classes)
    slicer.util.mainWindow = lambda: None
    add_slicer_python()
    return install_dialogs()


def _create_widgets(slicer: Any) -> dict[str, type]:
    """The module `ctk` and the widgets in `slicer`; by name, what a .ui file may ask for."""
    ctk = sys.modules["ctk"] = types.ModuleType("ctk")
    classes = {}
    for target, names in ((ctk, CTK_MODULES), (slicer, MRML_MODULES)):
        for name in names:
            module = import_module(f"host.{name}")
            for kind in module.__all__:
                classes[kind] = getattr(module, kind)
                setattr(target, kind, classes[kind])
    return classes
