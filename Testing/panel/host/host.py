"""The host: loads module files unchanged, shows their panels, and works them as a person would."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer

from host.application import HostApplication, HostModule, qSlicerScriptedLoadableModuleWidget
from host.dialogs import Dialogs
from host.mrml_scene_observer import stop_observing
from host.settings import MemorySettings

__all__ = ["Host"]


class Host:
    """Modules, their panels, what was said (`dialogs`), and the errors that nobody caught (`errors`)."""

    def __init__(self, application: HostApplication, dialogs: Dialogs) -> None:
        self.application = application
        self.dialogs = dialogs
        self.scene = slicer.mrmlScene
        self.errors: list[BaseException] = []
        slicer.qSlicerScriptedLoadableModule = HostModule
        slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
        self._other_hook = sys.excepthook
        sys.excepthook = self._on_error

    def _on_error(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        """An error in a slot or an observer ends here; one that was shown to the user is not counted."""
        if error not in self.dialogs.shown_errors:
            self.errors.append(error)
        self._other_hook(kind, error, traceback)

    def loadModule(self, path: str | os.PathLike[str]) -> Any:
        """Load a module file as the application does; the instance of its module class.

        A module that is loaded already is returned as it is. Raises what the file raises.
        """
        path = Path(path).resolve()
        known = slicer.app.moduleManager().module(path.stem)
        if known is not None and known.path == str(path):
            return known.instance
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        parent = HostModule(path)
        parent.instance = getattr(module, path.stem)(parent)
        vars(slicer.modules)[path.stem.lower()] = parent
        vars(slicer.modules)[f"{path.stem}Instance"] = parent.instance
        slicer.app.moduleManager().add(parent)
        self.application.finish_startup()
        return parent.instance

    def widgetOf(self, name: str) -> Any:
        """The panel of a loaded module, made and entered when it is first asked for.

        Its class is `<name>Widget`; its Qt widget is `.parent`.
        """
        module = self._module(name)
        if module.widget is None:
            container = qSlicerScriptedLoadableModuleWidget(module)
            module.widget = getattr(sys.modules[name], f"{name}Widget")(container)
            vars(slicer.modules)[f"{name}Widget"] = module.widget
            module.widget.setup()
            container.show()
            container.isEntered = True
            self._call(module.widget, "enter")
            self.processEvents()
        return module.widget

    def closeWidget(self, name: str) -> None:
        """Leave the panel of a module and take it down, as the application does when it ends or reloads."""
        module = self._module(name)
        if module.widget is not None:
            module.widget.parent.isEntered = False
            self._call(module.widget, "exit")
            widget, module.widget = module.widget, None
            slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
            widget.parent.hide()
            widget.parent.deleteLater()
            vars(slicer.modules).pop(f"{name}Widget", None)
            self.processEvents()
            # Here rather than in whatever thread collects next: Qt objects die in the thread they belong to.
            del widget
            gc.collect()

    def _module(self, name: str) -> HostModule:
        module = slicer.app.moduleManager().module(name)
        if module is None:
            raise KeyError(f"Module '{name}' is not loaded: call loadModule with the path of its file")
        return module

    @staticmethod
    def _call(widget: Any, method: str) -> None:
        if hasattr(widget, method):
            getattr(widget, method)()

    def processEvents(self) -> None:
        """Let Qt do what is waiting, deletions too."""
        self.application.processEvents()
        qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete.value)

    def click(self, button: Any) -> None:
        """Click a button, a check box, a title that folds or an action; what is disabled is refused.

        Raises RuntimeError for a disabled button: a person could not click it either.
        """
        if not button.enabled:
            raise RuntimeError(f"'{button.name}' is disabled: {button.toolTip}")
        if isinstance(button, qt.QGroupBox):
            button.checked = not button.checked
        else:
            button.trigger() if isinstance(button, qt.QAction) else button.click()
        self.processEvents()

    def choose(self, widget: Any, text: str) -> None:
        """Choose the entry `text` of a combo box, of Qt's or of a node or an item of the scene."""
        if not widget.enabled:
            raise RuntimeError(f"'{widget.name}' is disabled: {widget.toolTip}")
        box = widget.comboBox() if hasattr(widget, "comboBox") else widget
        row = box.findText(text)
        if row < 0:
            offered = [box.itemText(index) for index in range(box.count)]
            raise ValueError(f"'{widget.name}' offers no '{text}', only {offered}")
        box.setCurrentIndex(row)
        box.activated.emit(row)
        self.processEvents()

    def type(self, widget: Any, value: Any) -> None:
        """Give a spin box, a slider or a line of text its value."""
        if not widget.enabled:
            raise RuntimeError(f"'{widget.name}' is disabled: {widget.toolTip}")
        if isinstance(widget, ctk.ctkPathLineEdit):
            widget.currentPath = str(value)
        elif isinstance(widget, qt.QLineEdit):
            widget.text = str(value)
            widget.editingFinished.emit()
        elif isinstance(widget, qt.QPlainTextEdit | qt.QTextEdit):
            widget.setPlainText(str(value))
        else:
            widget.value = value
        self.processEvents()

    def wait(self, condition: Callable[[], Any], seconds: float = 240.0) -> Any:
        """Let the event loop run until `condition()` is true; what it returned.

        Raises TimeoutError after `seconds`.
        """
        end = time.monotonic() + seconds
        while not (result := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"Nothing came of waiting {seconds:g} s for {condition}")
            self.processEvents()
            time.sleep(0.005)
        return result

    def screenshot(self, widget: Any, path: str | os.PathLike[str], width: int | None = None) -> Path:
        """Write a picture of a widget, as high as its contents need, as .png; the path."""
        widget = getattr(widget, "parent", widget) if not isinstance(widget, qt.QWidget) else widget
        top = widget.window()
        if not top.visible:
            top.show()
        self.processEvents()
        if width is not None or widget is top:
            top.resize(width or top.width, max(top.sizeHint().height(), 40))
        for _ in range(3):
            self.processEvents()
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not widget.grab().save(str(path)):
            raise OSError(f"The picture {path} could not be written")
        return path

    def reset(self) -> None:
        """Close the panels, empty the scene, and forget what was said and what went wrong."""
        for name in slicer.app.moduleManager().modulesNames():
            self.closeWidget(name)
        self.scene.Clear(False)
        self.processEvents()
        MemorySettings.store.clear()
        self.dialogs.clear()
        self.errors.clear()

    def close(self) -> None:
        """Take down every panel and take the widgets' observers off the scene."""
        for name in slicer.app.moduleManager().modulesNames():
            self.closeWidget(name)
        stop_observing()
        sys.excepthook = self._other_hook
