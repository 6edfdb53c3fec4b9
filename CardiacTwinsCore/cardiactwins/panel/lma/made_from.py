"""What a result of the panel was made with, kept when it is made: widgets may say something else later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MadeFrom", "keepMadeFrom", "keptMadeFrom"]

MADE_FROM = "CardiacTwins.MadeFrom"
"""Attribute of a table of TOS, as JSON."""


@dataclass(frozen=True)
class MadeFrom:
    """parameters: plain values by name. inputs: names of nodes or files by what they were."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


def keepMadeFrom(node: Any, made: MadeFrom) -> None:
    """Keep with a node what it was made with; a saved scene holds it."""
    content = {"parameters": dict(made.parameters), "inputs": dict(made.inputs)}
    node.SetAttribute(MADE_FROM, json.dumps(content))


def keptMadeFrom(node: Any) -> MadeFrom:
    """What a node was made with; nothing where that is not known."""
    try:
        return MadeFrom(**json.loads(node.GetAttribute(MADE_FROM) or "{}"))
    except (ValueError, TypeError):
        return MadeFrom()
