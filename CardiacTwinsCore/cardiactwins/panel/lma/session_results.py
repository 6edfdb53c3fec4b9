"""What was computed in this session and the scene does not hold, by the node that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardiactwins.panel.context import inScene

__all__ = ["SessionResults"]


@dataclass(frozen=True, eq=False)
class _Kept:
    """node: stands for the result. found: the result. made: what it was made with."""

    node: Any
    found: Any
    made: Any


class SessionResults:
    """Results by the id of a node of theirs, as long as that node is in the scene."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}

    def keep(self, node: Any, found: Any, made: Any) -> None:
        """Keep a result and what it was made with; results whose nodes are gone are forgotten."""
        self._kept = {key: kept for key, kept in self._kept.items() if inScene(kept.node)}
        self._kept[node.GetID()] = _Kept(node, found, made)

    def found(self, node: Any) -> Any:
        """The result that a node (or None) stands for; None where it is not of this session."""
        kept = self._of(node)
        return None if kept is None else kept.found

    def made(self, node: Any) -> Any:
        """What the result was made with that a node stands for. KeyError where there is none."""
        kept = self._of(node)
        if kept is None:
            raise KeyError(f"Node '{node.GetName()}' stands for no result of this session.")
        return kept.made

    def clear(self) -> None:
        """Forget all results."""
        self._kept.clear()

    def _of(self, node: Any) -> _Kept | None:
        kept = None if not inScene(node) else self._kept.get(node.GetID())
        # Ids are given again in a scene that was closed.
        return kept if kept is not None and kept.node is node else None
