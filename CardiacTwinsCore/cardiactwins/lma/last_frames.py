"""TOS that lies beyond the last frame, where nothing was measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.lma.tos_table import TosTable

__all__ = ["beyond_frames", "remark_on_frames"]


def beyond_frames(values: ArrayLike, last_frames: ArrayLike) -> list[list[int]]:
    """Sectors of each slice, counted from 1, whose TOS (S, N) in ms lies after its last frame (S,) in ms."""
    values, last = np.asarray(values, dtype=float), np.asarray(last_frames, dtype=float)
    return [(np.flatnonzero(row) + 1).tolist() for row in values > last[:, None]]


def remark_on_frames(table: TosTable, last_frames: ArrayLike) -> str:
    """Which sectors of which slices begin to shorten after the last frame (S,) in ms; "" where none does."""
    last = np.asarray(last_frames, dtype=float)
    found = [
        f"slice {number} ({time:.0f} ms): {', '.join(map(str, sectors))}"
        for number, time, sectors in zip(table.slices, last, beyond_frames(table.values, last), strict=True)
        if sectors
    ]
    if not found:
        return ""
    return (
        f"TOS lies after the last frame, where nothing was measured, in sectors of {'; of '.join(found)}. Do "
        "not rely on it: use strain of more frames, or leave fewer of the last ones out."
    )
