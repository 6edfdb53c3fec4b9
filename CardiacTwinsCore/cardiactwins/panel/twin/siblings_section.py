"""Section 3: the siblings of this session, shown, compared and gone on from."""

from __future__ import annotations

from typing import Any

import slicer.util
from slicer.i18n import tr as _

from cardiactwins.panel.context import Section, fillTable, inScene
from cardiactwins.panel.twin.context import ImportedHeart, ShownSibling, TwinContext
from cardiactwins.panel.twin.sibling_tables import SiblingTables
from cardiactwins.panel.views import show_segmentation

__all__ = ["SiblingsSection"]


class SiblingsSection(Section):
    """Lists siblings; all of it is quick and happens on the main thread."""

    context: TwinContext

    def __init__(self, context: TwinContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.tables = SiblingTables(context)
        self._shown: Any = None
        self._filling = False
        ui.siblingsTable.connect("itemSelectionChanged()", self._onSelected)
        ui.siblingsTable.connect("cellClicked(int,int)", self._onClicked)
        ui.showButton.connect("clicked(bool)", self.showOrHide)
        ui.differenceButton.connect("clicked(bool)", self.showDifference)
        ui.goOnButton.connect("clicked(bool)", self.goOn)
        ui.backButton.connect("clicked(bool)", self.back)

    def showOrHide(self, _checked: bool = False) -> None:
        """Show the selected sibling beside what is shown, or hide it."""
        display = self.context.sibling().nodes.segmentation.GetDisplayNode()
        self._setVisible(self.context.sibling(), not display.GetVisibility())

    def showDifference(self, _checked: bool = False) -> None:
        """A segmentation of what the selected sibling changed, shown alone."""
        with slicer.util.tryWithErrorDisplay(_("The difference cannot be shown."), waitCursor=True):
            sibling = self.context.sibling()
            name = _("{name}: difference").format(name=sibling.name)
            with self.context.results.recording(name):
                node = self.context.logic.showDifference(sibling.case, sibling.nodes, name)
            show_segmentation(node, _segmentations())
            self.context.say(_("Colours show what became which tissue; grey is heart no longer."))

    def goOn(self, _checked: bool = False) -> None:
        """Let the next edit start from the selected sibling."""
        with slicer.util.tryWithErrorDisplay(_("The sibling cannot be edited.")):
            sibling = self.context.sibling()
            self.context.setCase(sibling.case.with_edit(sibling.nodes.sibling, sibling.region))
            self.context.panelChanged()
            self.context.say(_("The next edit starts from {name}.").format(name=sibling.name))

    def back(self, _checked: bool = False) -> None:
        """Let the next edit start from what the last one had started from, or from an earlier import."""
        with slicer.util.tryWithErrorDisplay(_("The edit cannot be taken back.")):
            self.context.back()
            self.context.panelChanged()
            edits = len(self.context.case().edits)
            self.context.say(
                _("The next edit starts after edit {number}.").format(number=edits)
                if edits
                else _("The next edit starts from the twin.")
            )

    def update(self) -> None:
        """List the siblings, when they have changed, and say what can be done with the selected one."""
        siblings = self.context.siblings
        shown = [(one.name, one.nodes.segmentation.GetID()) for one in siblings]
        if shown != self._shown:
            self._shown = shown
            self._list(siblings)
        self.tables.update()
        self._showEdits()
        self._enable()

    def sceneChanged(self) -> None:
        self._shown = None
        self._list([])
        self.tables.clear()
        self.ui.editsLabel.text = ""
        self._enable()

    def _list(self, siblings: list[ShownSibling]) -> None:
        self._filling = True
        try:
            header = [_("sibling"), _("what"), _("failing: raw"), _("guarded"), _("remark")]
            fillTable(self.ui.siblingsTable, header, [row_of(one) for one in siblings])
            selected = self.context.sibling()
            if selected is not None:
                self.context.selected = siblings.index(selected)
                self.ui.siblingsTable.selectRow(self.context.selected)
        finally:
            self._filling = False

    def _showEdits(self) -> None:
        heart = self.context.heart()
        if heart is None:
            self.ui.editsLabel.text = ""
            return
        lines = [_("The next edit starts from the twin, {name}.").format(name=heart.case.name)]
        edits = heart.case.edits.rows(heart.case.twin.geometry.spacing)
        if edits:
            lines = [_("{name}, and then:").format(name=heart.case.name)]
            lines += [f"{row['edit']}. {row['what']} ({changes_text(row)})" for row in edits]
        if heart.earlier is not None:
            count = len(heart.earlier.case.edits)
            number = _("1 edit") if count == 1 else _("{count} edits").format(count=count)
            lines.append(
                _("An earlier import with {edits} is kept; going back leads to it.").format(edits=number)
            )
        self.ui.editsLabel.text = "\n".join(lines)

    def _enable(self) -> None:
        ui, sibling, heart = self.ui, self.context.sibling(), self.context.heart()
        none = [_("choose a sibling in the table")] if sibling is None else []
        self.allow(ui.showButton, none)
        self.allow(ui.differenceButton, none)
        self.allow(ui.goOnButton, none or self._strange(sibling, heart))
        if heart is None:
            back = [_("import a heart in section 1")]
        else:
            first = not len(heart.case.edits) and heart.earlier is None
            back = [_("an edit: the next one starts from the twin")] if first else []
        self.allow(ui.backButton, back)

    @staticmethod
    def _strange(sibling: ShownSibling, heart: ImportedHeart | None) -> list[str]:
        """Why the next edit cannot start from a sibling."""
        if heart is None:
            return [_("import a heart in section 1")]
        if sibling.case.twin is heart.case.twin:
            return []
        return [_("a sibling of this import of {name}: this one is of another").format(name=heart.case.name)]

    def _onSelected(self) -> None:
        rows = {index.row() for index in self.ui.siblingsTable.selectionModel().selectedRows()}
        if not self._filling and rows:
            self.context.selected = min(rows)
            self.tables.update()
            self._enable()

    def _onClicked(self, row: int, _column: int) -> None:
        siblings = self.context.siblings
        if not 0 <= row < len(siblings):
            return
        for number, sibling in enumerate(siblings):
            self._setVisible(sibling, number == row)
        show_segmentation(siblings[row].nodes.segmentation, _segmentations())

    @staticmethod
    def _setVisible(sibling: ShownSibling, visible: bool) -> None:
        for node in (sibling.nodes.segmentation, sibling.nodes.violations):
            if inScene(node) and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(visible)


def row_of(shown: ShownSibling) -> tuple[Any, ...]:
    """Name, what was done, failing checks of the raw and of the guarded heart, remark."""
    sibling = shown.nodes.sibling
    raw = sum(not check.holds for check in sibling.raw_checks)
    after = sum(not check.holds for check in sibling.checks)
    remark = ""
    if sibling.guarded is None:
        guarded, remark = "", _("not guarded")
    elif sibling.accepted:
        guarded = str(after)
    else:
        guarded, remark = _("turned away"), sibling.guarded.reason
    if sibling.attempt and not remark:
        remark = _("attempt {number}").format(number=sibling.attempt + 1)
    name = shown.name.removeprefix(f"{shown.case.name}: ")
    return name, sibling.recipe.title(), raw, guarded, remark


def changes_text(row: dict[str, Any]) -> str:
    """The changes of volumes of one edit that are 0.1 ml or more."""
    changes = [
        f"{key.removesuffix(' (ml)')} {value:+.1f} ml"
        for key, value in row.items()
        if key.endswith("(ml)") and abs(value) >= 0.05
    ]
    return ", ".join(changes) or _("no volume changed")


def _segmentations() -> list[Any]:
    return slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
