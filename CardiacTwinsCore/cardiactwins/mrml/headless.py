"""3D Slicer's scene, logics and I/O in a plain Python process, without its application."""

from __future__ import annotations

import atexit
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from vtkmodules.vtkCommonCore import vtkCollection, vtkOutputWindow

from cardiactwins.mrml.headless_hierarchy import HierarchyObserver
from cardiactwins.mrml.headless_io import HeadlessIOManager
from cardiactwins.mrml.headless_logics import HeadlessModules, create_module_logics
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segment_roles import register_terminology

__all__ = ["HeadlessApplication", "SlicerHost", "start", "where"]


@dataclass(frozen=True, eq=False)
class SlicerHost:
    """Where this process has its scene.

    scene: the vtkMRMLScene that slicer.mrmlScene names. application_logic: its vtkSlicerApplicationLogic.
    in_application: whether the 3D Slicer application owns both.
    """

    scene: Any
    application_logic: Any
    in_application: bool


class HeadlessApplication:
    """Stands for `slicer.app`: the parts that slicer.util uses and that make sense without windows."""

    applicationName = "CardiacTwins"

    def __init__(self, scene: Any, application_logic: Any, modules: HeadlessModules) -> None:
        self.applicationVersion = _slicer_core_version()
        self.temporaryPath = application_logic.GetTemporaryPath()
        self._scene = scene
        self._application_logic = application_logic
        self._io_manager = HeadlessIOManager(scene, modules)

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def applicationLogic(self) -> Any:
        """The application logic, which knows the view and slice logics."""
        return self._application_logic

    def coreIOManager(self) -> HeadlessIOManager:
        """What loads and saves."""
        return self._io_manager

    ioManager = coreIOManager

    def layoutManager(self) -> None:
        """There are no views."""

    def testingEnabled(self) -> bool:
        """True: slicer.util then logs its messages instead of opening dialogs."""
        return True

    def processEvents(self) -> None:
        """There is no event loop."""

    def pauseRender(self) -> None:
        """There are no views to pause."""

    def resumeRender(self) -> None:
        """There are no views to resume."""


_host: SlicerHost | None = None


def start() -> SlicerHost:
    """The scene of this process: that of the 3D Slicer application when it runs here, else a headless one.

    The first call outside the application takes about a second and sets `slicer.mrmlScene`, `slicer.modules`
    and `slicer.app`, so that slicer.util works; later calls return the same host. Inside the application
    nothing is changed. Raises ImportError on import of this module when slicer-core is missing or its
    namesake is installed.
    """
    global _host
    if _host is None:
        _host = _application_host() or _headless_host()
    return _host


def where() -> str:
    """Where the scene of this process comes from, such as '3D Slicer application 5.12.0'."""
    application = _application_host()
    if application is not None:
        return f"3D Slicer application {slicer.app.applicationVersion}"
    return f"slicer-core {_slicer_core_version()}"


def _application_host() -> SlicerHost | None:
    application = getattr(slicer, "app", None)
    if application is None or isinstance(application, HeadlessApplication):
        return None
    return SlicerHost(slicer.mrmlScene, application.applicationLogic(), in_application=True)


def _headless_host() -> SlicerHost:
    # On Windows the default output window is a dialog.
    vtkOutputWindow.SetInstance(vtkOutputWindow())
    folder = tempfile.TemporaryDirectory(prefix="cardiactwins-slicer-", ignore_cleanup_errors=True)
    scene = slicer.vtkMRMLScene()
    application_logic = slicer.vtkSlicerApplicationLogic()
    application_logic.SetTemporaryPath(folder.name)
    application_logic.SetMRMLScene(scene)
    application_logic.SetSliceLogics(vtkCollection())
    application_logic.SetViewLogics(vtkCollection())
    _connect_cache(scene, Path(folder.name, "cache"))
    modules = create_module_logics(application_logic, scene)
    modules.colors.logic().AddDefaultColorNodes()
    register_terminology(modules.terminologies.logic())
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    _add_crosshair(scene)
    slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
    hierarchy = HierarchyObserver(scene)
    slicer.mrmlScene = scene
    slicer.modules = modules
    slicer.app = HeadlessApplication(scene, application_logic, modules)
    atexit.register(_close, os.getpid(), scene, hierarchy, folder)
    return SlicerHost(scene, application_logic, in_application=False)


def _connect_cache(scene: Any, directory: Path) -> None:
    """Give the scene a data I/O manager with a cache folder; reading .mrb fails without."""
    directory.mkdir()
    cache = slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(directory))
    data_io = slicer.vtkDataIOManager()
    data_io.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(data_io)


def _add_crosshair(scene: Any) -> None:
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)


def _close(
    process: int, scene: Any, hierarchy: HierarchyObserver, folder: tempfile.TemporaryDirectory[str]
) -> None:
    """Empty the scene before the interpreter takes it down: Python observers on a dying scene crash it."""
    if os.getpid() == process:
        hierarchy.stop()
        scene.Clear(True)
        folder.cleanup()


def _slicer_core_version() -> str:
    try:
        return metadata.version("slicer-core")
    except metadata.PackageNotFoundError:
        return "of unknown version"
