"""Pictures of parts of a panel, for the documents: a section as high as it is, its tooltips, messages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import qt
from PIL import Image

__all__ = ["PanelPictures", "save_png"]

COLORS = 192
WIDTH = 540
PADDING = 6


def save_png(image: Image.Image, path: Path) -> Path:
    """Write a picture with a palette of its own, which makes screenshots a third as large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    return path


class PanelPictures:
    """Takes pictures of sections of an open panel, `WIDTH` pixels wide, into a folder.

    host: the running Qt host. panel: the module's widget; `sections` are the names of its collapsible
    sections, `foot` those of the widgets below them.
    """

    def __init__(
        self, host: Any, panel: Any, folder: Path, sections: tuple[str, ...], foot: tuple[str, ...]
    ) -> None:
        self.host, self.folder = host, folder
        self.sections = {name: getattr(panel.ui, name) for name in sections}
        self.foot = [getattr(panel.ui, name) for name in foot]
        self.others = [panel.setupSection.widget]
        self.top = panel.parent

    def take(self, name: str, section: str, foot: bool = False, tip: Any = None) -> Path:
        """A picture of one section, opened; with the foot of the panel, and with the tooltip of a widget."""
        self.open(section)
        return self.snap(name, section, foot, tip)

    def snap(self, name: str, section: str, foot: bool = False, tip: Any = None) -> Path:
        """The same of a section that is open already, at this very moment of a run."""
        wanted = [self.sections[section], *(widget for widget in self.foot if foot and widget.visible)]
        return self._write(name, wanted, tip)

    def take_folded(self, name: str) -> Path:
        """A picture of the whole panel with all sections folded."""
        self.open("")
        return self._write(name, [*self.sections.values(), *self.others], None)

    def take_widget(self, name: str, widget: Any, table: Any) -> Path:
        """A picture of one collapsible widget of the panel alone, with the end of a table in it."""
        self.open("")
        widget.collapsed = False
        self._settle()
        table.scrollToBottom()
        path = self._write(name, [widget], None)
        widget.collapsed = True
        return path

    def take_message(self, name: str, text: str) -> Path:
        """A picture of an error message with that text, as Qt draws it."""
        box = qt.QMessageBox(qt.QMessageBox.Critical, "InfarctSynth", text, qt.QMessageBox.Ok)
        box.show()
        self._settle()
        path = save_png(_image(box.grab()), self.folder / f"{name}.png")
        box.hide()
        box.deleteLater()
        return path

    def open(self, section: str) -> None:
        """Unfold one section, hide the others, and give the panel the height that this needs.

        Without a section: all of them, folded.
        """
        for name, widget in self.sections.items():
            widget.collapsed = name != section
            widget.visible = not section or name == section
        for widget in self.others:
            widget.visible = not section
        self._settle()
        self.top.resize(WIDTH, max(self.top.sizeHint().height(), self.top.minimumSizeHint().height()))
        self._settle()

    def _write(self, name: str, widgets: list[Any], tip: Any) -> Path:
        picture = self.top.grab()
        corners = [widget.mapTo(self.top, qt.QPoint(0, 0)) for widget in widgets]
        area = qt.QRect()
        for widget, corner in zip(widgets, corners, strict=True):
            area = area.united(qt.QRect(corner, widget.size))
        area = area.adjusted(-PADDING, -PADDING, PADDING, PADDING)
        if tip is not None:
            area = self._add_tip(picture, area, tip)
        return save_png(_image(picture.copy(area)), self.folder / f"{name}.png")

    def _add_tip(self, picture: Any, area: Any, widget: Any) -> Any:
        """Draw the tooltip of a widget below it; the area that shows both."""
        label = qt.QLabel(widget.toolTip)
        label.setStyleSheet("background: #ffffdc; border: 1px solid #808080; padding: 4px; color: black;")
        label.adjustSize()
        corner = widget.mapTo(self.top, qt.QPoint(40, widget.height + 2))
        corner.setX(min(corner.x(), self.top.width - label.width - PADDING))
        painter = qt.QPainter(picture)
        painter.drawPixmap(corner, label.grab())
        painter.end()
        return area.united(qt.QRect(corner, label.size).adjusted(0, 0, PADDING, PADDING))

    def _settle(self) -> None:
        for _ in range(4):
            self.host.processEvents()


def _image(pixmap: Any) -> Image.Image:
    data = qt.QByteArray()
    buffer = qt.QBuffer(data)
    buffer.open(qt.QIODevice.WriteOnly)
    pixmap.save(buffer, "PNG")
    return Image.open(io.BytesIO(bytes(data)))
