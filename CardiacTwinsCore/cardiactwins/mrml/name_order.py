"""The order of names that hold numbers."""

from __future__ import annotations

import re

__all__ = ["name_order"]


def name_order(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Key to sort names by, numbers in them by their size: 'epi 10' behind 'epi 9'. Case counts last."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(part)) if index % 2 else (1, part) for index, part in enumerate(parts)], name
