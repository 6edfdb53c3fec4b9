"""Paths, directories, colours and the other small widgets of CTK."""

from __future__ import annotations

from pathlib import Path

import qt
from PySide6.QtCore import Property, Signal

from host.stand_in import stand_in, stored

__all__ = [
    "ctkCheckBox",
    "ctkCheckablePushButton",
    "ctkColorPickerButton",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkFittedTextBrowser",
    "ctkMessageBox",
    "ctkPathLineEdit",
]


@stand_in("ctk")
class ctkPathLineEdit(qt.QWidget):
    """A path, typed or found by a dialog."""

    Dirs, Drives, Files, Readable, Writable = 0x1, 0x4, 0x2, 0x10, 0x20
    Executable, Hidden = 0x40, 0x100

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit = qt.QLineEdit()
        self._edit.textChanged.connect(self.currentPathChanged)
        self._browse = qt.QToolButton()
        self._browse.text = "…"
        self._browse.clicked.connect(lambda _checked=False: self.browse())
        layout.addWidget(self._edit, 1)
        layout.addWidget(self._browse)
        self.setFocusProxy(self._edit)

    def browse(self) -> None:
        """Ask for the path, for a directory when only directories are wanted."""
        if self.filters & self.Dirs and not self.filters & self.Files:
            path = qt.QFileDialog.getExistingDirectory(self, "", self.currentPath)
        else:
            path = qt.QFileDialog.getOpenFileName(self, "", self.currentPath, ";;".join(self.nameFilters))
        if path:
            self.currentPath = path

    currentPath = Property(
        str, lambda self: self._edit.text, lambda self, path: self._edit.setText(str(path))
    )
    settingKey = stored(str, "")
    filters = stored(int, Files)
    nameFilters = stored("QStringList", [])
    showBrowseButton = stored(bool, True)
    showHistoryButton = stored(bool, True)
    label = stored(str, "")

    def addCurrentPathToHistory(self) -> None: ...


@stand_in("ctk")
class ctkDirectoryButton(qt.QPushButton):
    """A button that shows a directory and asks for another."""

    directoryChanged = Signal(str)
    directorySelected = Signal(str)

    def __init__(self, *arguments: object) -> None:
        super().__init__("", next((each for each in arguments if isinstance(each, qt.QWidget)), None))
        self._directory = "."
        self.text = self._directory
        self.clicked.connect(lambda _checked=False: self.browse())

    def browse(self) -> None:
        path = qt.QFileDialog.getExistingDirectory(self, self.caption, self.directory)
        if path:
            self.directory = path
            self.directorySelected.emit(path)

    def _set_directory(self, path: str) -> None:
        absolute = str(Path(path).resolve())
        if absolute != str(Path(self._directory).resolve()):
            self._directory = absolute
            self.text = self._directory
            self.directoryChanged.emit(self._directory)

    directory = Property(str, lambda self: self._directory, _set_directory)
    caption = stored(str, "")
    acceptMode = stored(int, 0)


@stand_in("ctk")
class ctkColorPickerButton(qt.QPushButton):
    """A button that shows a colour."""

    colorChanged = Signal(object)

    def _set_color(self, color: qt.QColor) -> None:
        if color != self.color:
            self._color = qt.QColor(color)
            self.colorChanged.emit(self._color)

    color = Property("QColor", lambda self: self.__dict__.get("_color", qt.QColor("black")), _set_color)
    displayColorName = stored(bool, True)


@stand_in("ctk")
class ctkComboBox(qt.QComboBox):
    """A combo box with a text for no choice."""

    defaultText = stored(str, "")
    defaultIcon = stored("QIcon", None)
    forceDefault = stored(bool, False)


@stand_in("ctk")
class ctkCheckBox(qt.QCheckBox):
    """A check box."""


@stand_in("ctk")
class ctkCheckablePushButton(qt.QPushButton):
    """A push button with a check box in it."""

    checkBoxToggled = Signal(bool)
    checkBoxControlsButton = stored(bool, True)
    checkBoxControlsButtonToggleState = stored(bool, True)


@stand_in("ctk")
class ctkFittedTextBrowser(qt.QTextBrowser):
    """A text as high as it needs to be."""

    collapsed = stored(bool, False)
    collapsibleText = stored(str, "")


@stand_in("ctk")
class ctkMessageBox(qt.QMessageBox):
    """A message that can be asked not to come again."""

    dontShowAgainSettingsKey = stored(str, "")
    dontShowAgainVisible = stored(bool, False)
