"""The section 'Setup and diagnostics' at the end of every panel."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.devices import DEVICE_CHOICES
from cardiactwins.compute.packages import PackageProblem
from cardiactwins.compute.progress import Cancelled
from cardiactwins.panel.diagnostics import Row, device_text, find_device, report_text, system_rows
from cardiactwins.panel.requirements import ensure_requirements, missing_requirements, problem_text

__all__ = ["SetupSection"]


class SetupSection:
    """Versions, machine, device, and the Python packages that are missing; to check, install and copy.

    layout: the panel's layout, or a widget that has one; the section is added at its end, collapsed.
    requirementsPath: the module's requirements file. title: of the module.
    deviceParameter: name of the parameter (a Choice of `DEVICE_CHOICES`) that the device is bound to.
    onInstalled: called when everything needed is there after it had been installed here.

    Nothing is looked up before the section is opened; what takes seconds waits for the button Check.
    """

    def __init__(
        self,
        layout: Any,
        requirementsPath: str | os.PathLike[str],
        title: str,
        deviceParameter: str | None = None,
        onInstalled: Callable[[], None] | None = None,
    ) -> None:
        self.title, self.requirementsPath, self._onInstalled = title, requirementsPath, onInstalled
        self._rows: list[Row] = []
        self._problems: tuple[PackageProblem, ...] | None = None
        self.widget = ctk.ctkCollapsibleButton()
        self.widget.objectName = "setupCollapsibleButton"
        self.widget.text = _("Setup and diagnostics")
        self.widget.toolTip = _("Versions, device and memory of this computer, and what has to be installed.")
        self._build(deviceParameter)
        self.widget.collapsed = True
        addTo = layout if hasattr(layout, "addWidget") else layout.layout()
        addTo.addWidget(self.widget)
        self.widget.connect("contentsCollapsed(bool)", self._onCollapsed)
        self.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChanged)
        self.checkButton.connect("clicked(bool)", self._onCheck)
        self.installButton.connect("clicked(bool)", self._onInstall)
        self.copyButton.connect("clicked(bool)", self._onCopy)

    @property
    def device(self) -> str:
        """The user's choice, one of `DEVICE_CHOICES`."""
        return DEVICE_CHOICES[max(self.deviceComboBox.currentIndex, 0)]

    @property
    def text(self) -> str:
        """What the button Copy puts on the clipboard."""
        return report_text(self.title, [*self._rows, (_("Device"), self.deviceLabel.text)], self._problems)

    def check(self) -> None:
        """Look everything up anew: packages and device are tried in child processes (seconds).

        Raises Cancelled, and RuntimeError when the packages cannot be checked.
        """
        self._problems = missing_requirements(self.requirementsPath, self.title)
        self._refresh()
        self.deviceLabel.text = device_text(find_device(self.device, self.title))

    def close(self) -> None:
        """Take the section out of its panel's connections; to be called when the panel is taken down."""
        self.widget.disconnect("contentsCollapsed(bool)", self._onCollapsed)
        self.deviceComboBox.disconnect("currentIndexChanged(int)", self._onDeviceChanged)
        self.checkButton.disconnect("clicked(bool)", self._onCheck)
        self.installButton.disconnect("clicked(bool)", self._onInstall)
        self.copyButton.disconnect("clicked(bool)", self._onCopy)

    def _build(self, deviceParameter: str | None) -> None:
        form = qt.QFormLayout(self.widget)
        self.table = qt.QTableWidget()
        self.table.setColumnCount(2)
        self.table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.table.setFocusPolicy(qt.Qt.NoFocus)
        self.table.horizontalHeader().setVisible(False)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.verticalHeader().setVisible(False)
        self.table.verticalHeader().setDefaultSectionSize(22)
        self.table.setMinimumHeight(220)
        self.table.toolTip = _("Versions of 3D Slicer and of the Python packages, and this computer.")
        form.addRow(self.table)

        self.deviceComboBox = qt.QComboBox()
        self.deviceComboBox.objectName = "deviceComboBox"
        for choice in DEVICE_CHOICES:
            self.deviceComboBox.addItem(choice)
        self.deviceComboBox.toolTip = _(
            "Where networks compute: auto takes the fastest GPU that works, else the processor (CPU). CUDA "
            "is an NVIDIA GPU, MPS the GPU of a Mac. What needs no network always computes on the processor."
        )
        if deviceParameter is not None:
            self.deviceComboBox.setProperty("SlicerParameterName", deviceParameter)
        form.addRow(_("Device:"), self.deviceComboBox)
        self.deviceLabel = self._label(_("The device that is used, its memory in GB, and why this one."))
        self.deviceLabel.text = _("press Check to find out")
        form.addRow("", self.deviceLabel)

        self.statusLabel = self._label(_("The Python packages that {title} needs.").format(title=self.title))
        form.addRow(_("Packages:"), self.statusLabel)
        buttons = qt.QHBoxLayout()
        self.checkButton, self.installButton, self.copyButton = (
            self._button(buttons, text, toolTip)
            for text, toolTip in (
                (
                    _("Check"),
                    _("Try to load every Python package that is needed, and look for a GPU (a few seconds)."),
                ),
                (_("Install"), ""),
                (_("Copy"), _("Copy all of this as text, to be pasted into a question or an issue.")),
            )
        )
        form.addRow(buttons)
        self._refresh()

    def _label(self, toolTip: str) -> Any:
        label = qt.QLabel()
        label.wordWrap = True
        label.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
        label.toolTip = toolTip
        return label

    def _button(self, layout: Any, text: str, toolTip: str) -> Any:
        button = qt.QPushButton(text)
        button.toolTip = toolTip
        layout.addWidget(button)
        return button

    def _refresh(self) -> None:
        """Say what the last check has found."""
        problems = self._problems
        if problems is None:
            self.statusLabel.text = _("not checked yet: press Check")
            toolTip = _("Press Check first: it finds out whether something has to be installed.")
        elif problems:
            lines = "\n".join(f"- {problem_text(problem)}" for problem in problems)
            self.statusLabel.text = _("missing:\n{lines}\nPress Install.").format(lines=lines)
            toolTip = _("Download what is missing from pypi.org and install it; you are asked before.")
        else:
            self.statusLabel.text = _("complete")
            toolTip = _("There is nothing to install.")
        self.installButton.enabled = bool(problems)
        self.installButton.toolTip = toolTip

    def _fill(self) -> None:
        self._rows = system_rows()
        self.table.setRowCount(len(self._rows))
        for row, cells in enumerate(self._rows):
            for column, text in enumerate(cells):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
        self.table.resizeColumnToContents(0)

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self._fill()

    def _onDeviceChanged(self, _index: int = 0) -> None:
        self.deviceLabel.text = _("press Check to find out")

    def _onCheck(self, _checked: bool = False) -> None:
        with slicer.util.tryWithErrorDisplay(_("The check did not work.")):
            try:
                self.check()
            except Cancelled:
                return
        self._fill()

    def _onInstall(self, _checked: bool = False) -> None:
        with slicer.util.tryWithErrorDisplay(_("The installation did not work.")):
            if not ensure_requirements(self.requirementsPath, self.title):
                return
            self._problems = ()
            self._refresh()
            self._fill()
            if self._onInstalled is not None:
                self._onInstalled()

    def _onCopy(self, _checked: bool = False) -> None:
        slicer.app.clipboard().setText(self.text)
