"""The slices that activation is computed from, kept with the parameter node and so with the scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["ActivationSlice", "SliceList"]

ROLES = ("phaseX", "phaseY", "phaseZ", "mask", "strain")


@dataclass(frozen=True)
class ActivationSlice:
    """One slice. nodes: role -> node that is still in the scene. ke: cycles/mm, 0 where it was not given.

    height: 0 base to 1 apex, None where it was not typed in. kind: "dense" or "strain". number: in the list.
    """

    kind: str
    nodes: Mapping[str, Any]
    ke: float
    height: float | None
    number: int

    @property
    def name(self) -> str:
        """Of the first node, "" when it is gone."""
        node = self.nodes.get("phaseX") or self.nodes.get("strain")
        return "" if node is None else node.GetName()

    @property
    def complete(self) -> bool:
        """Whether all nodes that it cannot do without are still there."""
        wanted = {"strain"} if self.kind == "strain" else {"phaseX", "phaseY", "mask"}
        return wanted <= self.nodes.keys()


class SliceList:
    """Reads and writes the slices of a wrapped parameter node. A scene that is saved holds them."""

    def __init__(self, parameterNode: Any) -> None:
        self._wrapped, self._node = parameterNode, parameterNode.parameterNode

    def slices(self, kind: str) -> list[ActivationSlice]:
        """Those of a kind of which a node is left, in the order in which they were added."""
        return [slice_ for slice_ in self._all() if slice_.kind == kind and slice_.nodes]

    def add(self, kind: str, nodes: Mapping[str, Any], ke: float = 0.0) -> None:
        """Append a slice. nodes: role -> node; None is left out."""
        given = {role: node for role, node in nodes.items() if node is not None}
        slices = self._all()
        self._write([*slices, ActivationSlice(kind, given, ke, None, len(slices))])

    def change(self, number: int, ke: float | None = None, height: float | None = None) -> None:
        """Give the slice of a number another encoding frequency or height."""
        slices = self._all()
        old = slices[number]
        slices[number] = replace(
            old, ke=old.ke if ke is None else ke, height=old.height if height is None else height
        )
        self._write(slices)

    def remove(self, number: int) -> None:
        """Take the slice of a number out."""
        self._write([slice_ for slice_ in self._all() if slice_.number != number])

    def _all(self) -> list[ActivationSlice]:
        try:
            rows = json.loads(self._wrapped.activationSlices or "[]")
        except json.JSONDecodeError:
            rows = []
        slices = []
        for number, row in enumerate(rows):
            nodes = {role: self._node.GetNodeReference(_reference(number, role)) for role in ROLES}
            present = {role: node for role, node in nodes.items() if node is not None}
            slices.append(ActivationSlice(row["kind"], present, row["ke"], row["height"], number))
        return slices

    def _write(self, slices: list[ActivationSlice]) -> None:
        before = len(self._all())
        for number in range(max(before, len(slices))):
            nodes = slices[number].nodes if number < len(slices) else {}
            for role in ROLES:
                node = nodes.get(role)
                identifier = None if node is None else node.GetID()
                self._node.SetNodeReferenceID(_reference(number, role), identifier)
        rows = [{"kind": slice_.kind, "ke": slice_.ke, "height": slice_.height} for slice_ in slices]
        self._wrapped.activationSlices = json.dumps(rows)


def _reference(number: int, role: str) -> str:
    return f"activation{number}.{role}"
