"""The heights that were typed for a table of TOS, which stay with that table."""

from __future__ import annotations

from typing import Any

from cardiactwins.panel.lma.context import LMAContext

__all__ = ["TYPED_HEIGHTS", "TypedHeights"]

TYPED_HEIGHTS = "CardiacTwins.TypedHeights"
"""Attribute of a table of TOS: what was typed as the heights of its slices."""


class TypedHeights:
    """Keeps what is typed with the chosen table, and shows what was typed for another one that is chosen.

    What was typed while no table was chosen belongs to the first that is, if it has none of its own.
    """

    def __init__(self, context: LMAContext) -> None:
        self.context = context
        self._of: str | None = None

    def update(self) -> None:
        """Follow the chosen table, or the text."""
        node = self.context.parameterNode
        tos: Any = node.tos
        chosen = None if tos is None else tos.GetID()
        kept = "" if tos is None else tos.GetAttribute(TYPED_HEIGHTS) or ""
        if chosen != self._of:
            first = self._of is None
            self._of = chosen
            if kept or not first:
                node.tosHeights = kept
        if tos is not None and node.tosHeights != kept:
            tos.SetAttribute(TYPED_HEIGHTS, node.tosHeights or None)

    def forget(self) -> None:
        """Forget the table of a scene that was closed."""
        self._of = None
