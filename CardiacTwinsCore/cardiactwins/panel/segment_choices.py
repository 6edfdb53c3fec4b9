"""Which segment of the patients is what: found by name, or chosen where names mislead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from slicer.i18n import tr as _

from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segmentations import segment_names
from cardiactwins.panel.context import PanelContext

__all__ = ["SegmentChoices"]

LOOKED_AT = 20
"""Patients whose segment names are offered: those of one population are alike."""


class SegmentChoices:
    """One list a role with the names of the patients' segments; the parameter node keeps what was chosen.

    boxes: role -> name of its combo box. The first entry says what the name tells for the first patient
    ("found by name: Scar"). guess: role -> segment id of a segmentation node; ValueError where two look
    alike.
    """

    def __init__(
        self,
        context: PanelContext,
        boxes: Mapping[str, str],
        guess: Callable[[Any], Mapping[str, str]] = guess_roles,
    ) -> None:
        self.context, self.boxes, self._guess = context, dict(boxes), guess
        self._offered: Any = None
        for role, box in self.boxes.items():
            widget = getattr(context.ui, box)
            widget.connect("currentIndexChanged(int)", lambda _index, role=role: self._onChosen(role))

    def roles(self) -> dict[str, str]:
        """Role -> segment name, for the roles that the user has assigned."""
        try:
            roles = json.loads(self.context.parameterNode.segmentRoles or "{}")
        except json.JSONDecodeError:
            return {}
        return {role: str(name) for role, name in roles.items() if role in self.boxes}

    def update(self, segmentations: Iterable[Any]) -> None:
        """Offer the segments of segmentation nodes and show what is chosen."""
        nodes = list(segmentations)[:LOOKED_AT]
        chosen = self.roles()
        names = list(dict.fromkeys(name for node in nodes for name in segment_names(node).values()))
        names += [name for name in chosen.values() if name not in names]
        offered = (tuple(names), tuple(sorted(chosen.items())), nodes[0].GetID() if nodes else None)
        if offered == self._offered:
            return
        self._offered = offered
        guessed = self._guessed(nodes[0]) if nodes else {}
        for role, box in self.boxes.items():
            widget = getattr(self.context.ui, box)
            blocked = widget.blockSignals(True)
            widget.clear()
            found = guessed.get(role)
            widget.addItem(_("found by name: {name}").format(name=found) if found else _("found by name"))
            for name in names:
                widget.addItem(name)
            widget.setCurrentIndex(1 + names.index(chosen[role]) if role in chosen else 0)
            widget.blockSignals(blocked)

    def _onChosen(self, role: str) -> None:
        if self.context.parameterNode is None:
            return
        widget = getattr(self.context.ui, self.boxes[role])
        roles = self.roles()
        roles.pop(role, None)
        if widget.currentIndex > 0:
            roles[role] = widget.currentText
        self.context.parameterNode.segmentRoles = json.dumps(roles, sort_keys=True)

    def _guessed(self, node: Any) -> dict[str, str]:
        names = segment_names(node)
        try:
            return {role: names[segment] for role, segment in self._guess(node).items()}
        except ValueError:  # two segments look the same: nothing can be said before the user chooses
            return {}
