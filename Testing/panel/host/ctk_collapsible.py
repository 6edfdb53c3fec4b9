"""ctkCollapsibleButton and ctkCollapsibleGroupBox: a titled part of a panel that folds."""

from __future__ import annotations

import qt
from PySide6.QtCore import Property, Signal

from host.stand_in import stand_in, stored

__all__ = ["ctkCollapsibleButton", "ctkCollapsibleGroupBox"]

HEADER_HEIGHT = 26
UNBOUNDED = (1 << 24) - 1
"""Qt's own greatest height of a widget."""


class _Folding:
    """Hides the children of a widget while it is collapsed, and shows again those that were to be seen.

    A child that its panel hides or shows meanwhile is left to the panel.
    """

    def _fold(self, collapsed: bool) -> None:
        if collapsed:
            self._hidden = [child for child in self._child_widgets() if not child.isHidden()]
            for child in self._child_widgets():
                child.installEventFilter(self)
            for child in self._hidden:
                _hide(child)
        else:
            for child in self._child_widgets():
                child.removeEventFilter(self)
            for child in self.__dict__.pop("_hidden", ()):
                if not child.testAttribute(qt.Qt.WA_WState_ExplicitShowHide):
                    child.show()
        self.setMaximumHeight(self.FOLDED_HEIGHT if collapsed else UNBOUNDED)
        self.updateGeometry()
        self.update()

    def _child_widgets(self) -> list[qt.QWidget]:
        return [child for child in self.children() if child.isWidgetType()]

    def childEvent(self, event: qt.QChildEvent) -> None:
        # A .ui file sets `collapsed` before the children come.
        if event.added() and "_hidden" in self.__dict__ and event.child().isWidgetType():
            self._hidden.append(event.child())
            event.child().installEventFilter(self)
            _hide(event.child())

    def eventFilter(self, child: qt.QWidget, event: qt.QEvent) -> bool:
        # The layout, or the panel, shows a child of what is folded: it has to wait.
        if event.type() == qt.QEvent.ShowToParent and "_hidden" in self.__dict__:
            if child not in self._hidden:
                self._hidden.append(child)
            _hide(child)
        return False


def _hide(child: qt.QWidget) -> None:
    child.hide()
    # Qt takes no notice of who hides what is hidden already, unless nobody has hidden it explicitly.
    child.setAttribute(qt.Qt.WA_WState_ExplicitShowHide, False)


@stand_in("ctk")
class ctkCollapsibleButton(_Folding, qt.QWidget):
    """A header that looks like a button, and below it what it folds away."""

    FOLDED_HEIGHT = HEADER_HEIGHT

    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)
    clicked = Signal(bool)

    def __init__(self, text: str | qt.QWidget | None = None, parent: qt.QWidget | None = None) -> None:
        if text is not None and not isinstance(text, str):
            text, parent = "", text
        super().__init__(parent)
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)
        self.setFocusPolicy(qt.Qt.StrongFocus)
        self.text = text or ""

    text = stored(str, "", changed="update")
    flat = stored(bool, False)
    contentsFrameShape = stored(int, 0)
    contentsFrameShadow = stored(int, 0)
    collapsedHeight = stored(int, 10)
    buttonTextAlignment = stored(int, 0)
    checkable = stored(bool, True)

    def _is_collapsed(self) -> bool:
        return "_hidden" in self.__dict__

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed != self._is_collapsed():
            self._fold(collapsed)
            self.contentsCollapsed.emit(collapsed)
            self.toggled.emit(not collapsed)

    collapsed = Property(bool, _is_collapsed, _set_collapsed)
    checked = Property(
        bool, lambda self: not self.collapsed, lambda self, checked: self._set_collapsed(not checked)
    )

    def click(self) -> None:
        """Fold or unfold, as a click on the header does."""
        self.collapsed = not self.collapsed
        self.clicked.emit(not self.collapsed)

    def sizeHint(self) -> qt.QSize:
        return qt.QWidget.sizeHint(self).expandedTo(qt.QSize(160, HEADER_HEIGHT))

    def mousePressEvent(self, event: qt.QMouseEvent) -> None:
        if event.position().y() < HEADER_HEIGHT:
            self.click()

    def keyPressEvent(self, event: qt.QKeyEvent) -> None:
        if event.key() == qt.Qt.Key_Space:
            self.click()

    def paintEvent(self, event: qt.QPaintEvent) -> None:
        painter = qt.QPainter(self)
        header = qt.QStyleOptionButton()
        header.initFrom(self)
        header.rect = qt.QRect(0, 0, self.width, HEADER_HEIGHT - 2)
        header.state |= qt.QStyle.State_Raised
        style = self.style()
        style.drawControl(qt.QStyle.CE_PushButtonBevel, header, painter, self)
        arrow = qt.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = qt.QRect(8, (HEADER_HEIGHT - 12) // 2, 10, 10)
        indicator = qt.QStyle.PE_IndicatorArrowRight if self.collapsed else qt.QStyle.PE_IndicatorArrowDown
        style.drawPrimitive(indicator, arrow, painter, self)
        painter.setPen(self.palette.color(qt.QPalette.ButtonText))
        painter.drawText(header.rect.adjusted(26, 0, -6, 0), qt.Qt.AlignVCenter | qt.Qt.AlignLeft, self.text)
        painter.end()


@stand_in("ctk")
class ctkCollapsibleGroupBox(_Folding, qt.QGroupBox):
    """A group box whose title folds it."""

    FOLDED_HEIGHT = 20

    def __init__(self, title: str | qt.QWidget | None = None, parent: qt.QWidget | None = None) -> None:
        if title is not None and not isinstance(title, str):
            title, parent = "", title
        super().__init__(title or "", parent)
        self.checkable = True
        self.checked = True
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, checked: bool) -> None:
        if checked == ("_hidden" in self.__dict__):
            self._fold(not checked)

    collapsed = Property(
        bool, lambda self: not self.checked, lambda self, collapsed: self.setChecked(not collapsed)
    )
    collapsedHeight = stored(int, 14)
