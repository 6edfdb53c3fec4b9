"""What `slicer.app` and `slicer.modules` offer of the application beyond the headless scene."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import qt
import slicer

from cardiactwins.mrml.headless import HeadlessApplication
from host.mrml_widgets import qSlicerWidget
from host.settings import MemorySettings
from host.stand_in import stand_in, stored
from host.startup import StartingApplication

__all__ = ["HostApplication", "HostModule", "ModuleManager", "qSlicerScriptedLoadableModuleWidget"]


class ModuleManager(qt.QObject):
    """Knows the loaded modules and says when one is about to go."""

    moduleAboutToBeUnloaded = qt.Signal("QString")
    moduleLoaded = qt.Signal("QString")

    def __init__(self) -> None:
        super().__init__()
        self._modules: dict[str, HostModule] = {}

    def module(self, name: str) -> HostModule | None:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def factoryManager(self) -> Any:
        return types.SimpleNamespace(loadedModuleNames=self.modulesNames)

    def isLoaded(self, name: str) -> bool:
        return name in self._modules

    def add(self, module: HostModule) -> None:
        self._modules[module.name] = module
        self.moduleLoaded.emit(module.name)


class HostModule:
    """What the application knows of a scripted module: the `parent` that the module's class describes.

    The module's own class sets `title`, `categories`, `helpText` and the rest on it.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.name = path.stem
        self.title, self.helpText, self.acknowledgementText = "", "", ""
        self.categories: list[str] = []
        self.contributors: list[str] = []
        self.dependencies: list[str] = []
        self.associatedNodeTypes: list[str] = []
        self.hidden, self.widgetRepresentationCreationEnabled = False, True
        self.index = -1
        self.icon = qt.QIcon()
        self.widget: Any = None
        self.instance: Any = None

    def widgetRepresentation(self) -> Any:
        """The Qt widget that holds the module's panel; None while there is none."""
        return None if self.widget is None else self.widget.parent

    def self(self) -> Any:
        """The module's own class."""
        return self.instance


@stand_in("slicer")
class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The Qt widget that holds a scripted module's panel."""

    isEntered = stored(bool, False)

    def __init__(self, module: HostModule) -> None:
        super().__init__()
        self._module = module
        self.setLayout(qt.QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.windowTitle = module.title
        self.resize(520, 900)

    def self(self) -> Any:
        """The module's own widget class."""
        return self._module.widget


class HostApplication(HeadlessApplication):
    """Stands for `slicer.app` with an event loop, settings and a module manager.

    It does not run in testing mode: messages are shown, and so noted by the host's dialogs.
    """

    def __init__(
        self, scene: Any, application_logic: Any, qt_application: Any, starting: StartingApplication
    ) -> None:
        super().__init__(scene, application_logic, slicer.modules)
        self._qt_application = qt_application
        self._module_manager = ModuleManager()
        self.connect, self.finish_startup = starting.connect, starting.finish_startup
        self.documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"
        self.slicerHome = str(Path(slicer.__file__).parent)
        self.revision = "0"
        self.majorVersion, self.minorVersion = (int(n) for n in self.applicationVersion.split(".")[:2])

    def connect(self, signal: str, function: Any) -> bool:
        """Of `startupCompleted()`: startup is over here, so `function` is called with the next events."""
        if signal != "startupCompleted()":
            raise ValueError(f"The host's application has no signal '{signal}'")
        qt.QTimer.singleShot(0, function)
        return True

    def testingEnabled(self) -> bool:
        return False

    def processEvents(self, *_arguments: Any) -> None:
        self._qt_application.processEvents()

    def moduleManager(self) -> ModuleManager:
        return self._module_manager

    def settings(self) -> MemorySettings:
        return MemorySettings()

    userSettings = revisionUserSettings = settings

    def translate(self, _context: str, text: str) -> str:
        return text

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def clipboard(self) -> Any:
        return self._qt_application.clipboard()

    def keyboardModifiers(self) -> Any:
        return self._qt_application.keyboardModifiers()

    def setOverrideCursor(self, cursor: Any) -> None:
        self._qt_application.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        self._qt_application.restoreOverrideCursor()

    def palette(self) -> Any:
        return self._qt_application.palette()
