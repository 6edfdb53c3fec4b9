"""The section 'Networks': which trained weights are on this computer, added, checked and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.weights_folder import WeightsFile, add_weights, delete_weights
from cardiactwins.panel.context import PanelContext, Section, fillTable

__all__ = ["WeightsSection"]


class WeightsSection(Section):
    """Lists the weights from their cards; nothing is loaded, and nothing is downloaded.

    kinds: kind of weights that can be added here -> what they are for.
    """

    def __init__(self, context: PanelContext, kinds: Mapping[str, str]) -> None:
        super().__init__(context)
        self.kinds = dict(kinds)
        ui = self.ui
        self._files: list[WeightsFile] = []
        self._shown: Any = None
        self._problems: dict[Path, str] = {}
        ui.addWeightsButton.connect("clicked(bool)", self.add)
        ui.checkWeightsButton.connect("clicked(bool)", self.check)
        ui.deleteWeightsButton.connect("clicked(bool)", self.delete)
        ui.weightsTable.connect("itemSelectionChanged()", self._enable)

    def add(self, _checked: bool = False) -> None:
        """Ask for a file, check it, and use it from now on."""
        chosen = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Weights"), "", _("Weights (*.safetensors)")
        )
        if not chosen:
            return
        with slicer.util.tryWithErrorDisplay(_("The weights cannot be used."), waitCursor=True):
            added = add_weights(chosen, self.context.ownWeights(), self.kinds)
            self._problems = {}
            self.context.panelChanged()
            self.context.say(_("{name} is used from now on.").format(name=added.path.name))

    def check(self, _checked: bool = False) -> None:
        """Compare every file with the SHA256 of its card."""
        with slicer.util.tryWithErrorDisplay(_("The weights cannot be checked."), waitCursor=True):
            self._problems = {file.path: file.check() for file in self.context.weights()}
            self._shown = None
            self.update()

    def delete(self, _checked: bool = False) -> None:
        """Remove the chosen file of the user's, after asking."""
        file = self._chosen()
        if file is None or not slicer.util.confirmOkCancelDisplay(
            _("Delete {path} and its card?").format(path=file.path), _("Delete weights")
        ):
            return
        with slicer.util.tryWithErrorDisplay(_("The weights cannot be deleted.")):
            delete_weights(file)
            self.context.panelChanged()
            self.context.say(_("{name} is deleted.").format(name=file.path.name))

    def update(self) -> None:
        """List the files, when they have changed."""
        self._files = [
            file for file in self.context.weights() if file.kind in self.kinds or file.kind == "unknown"
        ]
        shown = (tuple(self._files), tuple(self._problems.items()))
        if shown != self._shown:
            self._shown = shown
            header = [_("for"), _("from"), _("size"), _("state"), _("licence"), "SHA256"]
            fillTable(self.ui.weightsTable, header, [self._row(file) for file in self._files])
            for row, file in enumerate(self._files):
                for column in range(len(header)):
                    self.ui.weightsTable.item(row, column).setToolTip(
                        f"{file.path}\n{file.data}\nSHA256: {file.sha256}"
                    )
            self._describe()
        self._enable()

    def _row(self, file: WeightsFile) -> tuple[str, ...]:
        used = self.context.weightsOf(file.kind)
        problem = self._problems.get(file.path, file.problem)
        state = problem or (_("used") if used is not None and used.path == file.path else _("not used"))
        if not problem and file.path in self._problems:
            state = _("{state}, checked").format(state=state)
        return (
            self.kinds.get(file.kind, file.kind),
            _("file of yours") if file.own else _("the extension"),
            _("{size:.1f} MB").format(size=file.size / 1e6),
            state,
            file.licence,
            f"{file.sha256[:12]}…" if file.sha256 else "",
        )

    def _describe(self) -> None:
        absent = [text for kind, text in self.kinds.items() if self.context.weightsOf(kind) is None]
        lines = [_("There are no weights for: {kinds}.").format(kinds=", ".join(absent))] if absent else []
        lines.append(_("Files of your own are kept in {folder}.").format(folder=self.context.ownWeights()))
        self.ui.weightsLabel.text = "\n".join(lines)

    def _chosen(self) -> WeightsFile | None:
        rows = {index.row() for index in self.ui.weightsTable.selectionModel().selectedRows()}
        row = min(rows, default=-1)
        return self._files[row] if 0 <= row < len(self._files) else None

    def _enable(self) -> None:
        file, button = self._chosen(), self.ui.deleteWeightsButton
        button.enabled = file is not None and file.own
        if file is None:
            button.toolTip = _("Choose a file in the table first.")
        elif not file.own:
            button.toolTip = _("This file came with the extension and is removed with it.")
        else:
            button.toolTip = _("Remove the file and its card from this computer; you are asked before.")
        self.ui.checkWeightsButton.enabled = bool(self._files)
