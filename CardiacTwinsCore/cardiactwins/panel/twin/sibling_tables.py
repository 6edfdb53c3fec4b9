"""What was made of the selected sibling: volumes, topology raw and guarded, targets."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.panel.context import fillTable, inScene
from cardiactwins.panel.twin.context import ShownSibling, TwinContext
from cardiactwins.panel.views import jump_to
from cardiactwins.twin.siblings import Sibling, tissue_changes
from cardiactwins.twin.violation_places import violation_places

__all__ = ["SiblingTables", "check_rows", "volume_rows"]


class SiblingTables:
    """Two tables and a line; clicking a check that fails goes to the first of its places."""

    def __init__(self, context: TwinContext) -> None:
        self.context, self.ui = context, context.ui
        self._shown: Any = None
        self.ui.checksTable.connect("cellClicked(int,int)", self._onCheck)

    def update(self) -> None:
        """Tell of the selected sibling, when it is another one."""
        shown = self.context.sibling()
        if shown is self._shown:
            return
        if shown is None:
            self.clear()
            return
        self._shown = shown
        sibling = shown.nodes.sibling
        header = [
            _("tissue"),
            _("twin (ml)"),
            _("sibling (ml)"),
            _("change (ml)"),
            _("change (%)"),
            _("Dice"),
        ]
        fillTable(self.ui.volumesTable, header, volume_rows(shown))
        header = [_("check"), _("raw"), _("guarded"), _("repaired voxels")]
        fillTable(self.ui.checksTable, header, check_rows(sibling))
        self.ui.siblingLabel.text = "\n".join([totals_text(sibling), *target_lines(sibling)])

    def clear(self) -> None:
        """Tell of none."""
        self._shown = None
        for table in (self.ui.volumesTable, self.ui.checksTable):
            fillTable(table, [], [])
        self.ui.siblingLabel.text = ""

    def _onCheck(self, row: int, _column: int) -> None:
        shown = self._shown
        if shown is None or not 0 <= row < len(shown.nodes.sibling.raw_checks):
            return
        sibling = shown.nodes.sibling
        name = sibling.raw_checks[row].name
        # Where the guard has repaired it, the raw heart says where that was.
        for checks in (sibling.checks, sibling.raw_checks):
            places = [
                place for place in violation_places(checks, shown.case.twin.geometry) if place.check == name
            ]
            if places:
                jump_to(places[0].position)
                return
        markups = shown.nodes.violations
        if inScene(markups) and len(points_of_markups(markups)):
            jump_to(points_of_markups(markups)[0])


def volume_rows(shown: ShownSibling) -> list[tuple[Any, ...]]:
    """Tissue, ml of twin and sibling, change in ml and in %, Dice; hearts from noise have no twin."""
    sibling, twin = shown.nodes.sibling, shown.case.twin
    rows = []
    for row in tissue_changes(twin.labels, sibling.labels, twin.geometry.spacing):
        if sibling.recipe.kind == "unconditional":
            rows.append((row["tissue"], None, row["sibling (ml)"], None, None, None))
            continue
        before, change = row["twin (ml)"], row["change (ml)"]
        percent = f"{100 * change / before:+.1f}" if before else ""
        rows.append(
            (row["tissue"], before, row["sibling (ml)"], f"{change:+.1f}", percent, f"{row['Dice']:.3f}")
        )
    return rows


def check_rows(sibling: Sibling) -> list[tuple[str, str, str, str]]:
    """Name, raw, guarded, and what repairs of it changed, of each of the 12 checks."""
    words = {True: _("holds"), False: _("fails")}
    guarded = sibling.guarded
    rows = []
    for raw, after in zip(sibling.raw_checks, sibling.checks, strict=True):
        changed: dict[str, int] = {}
        for repair in () if guarded is None else guarded.repairs:
            if repair.check == raw.name:
                changed[repair.action] = changed.get(repair.action, 0) + len(repair.voxels)
        told = ", ".join(f"{voxels:,} ({action})" for action, voxels in changed.items())
        rows.append((raw.name, words[raw.holds], words[after.holds] if guarded is not None else "", told))
    return rows


def totals_text(sibling: Sibling) -> str:
    """TV of the raw and the guarded heart side by side, and what the guard changed in all."""
    raw = 100 * sum(not check.holds for check in sibling.raw_checks) / len(sibling.raw_checks)
    if sibling.guarded is None:
        return _("Topology violations: {raw:.1f} % (not guarded).").format(raw=raw)
    after = 100 * sum(not check.holds for check in sibling.checks) / len(sibling.checks)
    text = _(
        "Topology violations: raw {raw:.1f} %, guarded {after:.1f} %; repairs changed {share:.2f} % of it."
    )
    told = text.format(raw=raw, after=after, share=100 * sibling.guarded.share)
    if not sibling.accepted:
        told += " " + _("The guard turned it away: {reason}").format(reason=sibling.guarded.reason)
    return told


def target_lines(sibling: Sibling) -> list[str]:
    """A line for each target and held volume."""
    lines = []
    for report in sibling.targets:
        text = (
            _("{measure} held: {wanted:.1f}, reached {reached:.1f} ({error:.1f} % off){met}")
            if report.held
            else _("{measure} wanted: {wanted:.1f}, reached {reached:.1f} ({error:.1f} % off){met}")
        )
        lines.append(
            text.format(
                measure=report.measure,
                wanted=report.wanted,
                reached=report.reached,
                error=100 * report.error,
                met="" if report.met else _(", not met"),
            )
        )
    return lines
