"""Pictures in few colours, which makes them small enough for the documentation."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

__all__ = ["small_copy"]

COLOURS, WIDEST = 256, 1900
"""Colours, and pixels across."""


def small_copy(figure: Path, path: Path) -> Path:
    """A copy of a picture in few colours."""
    with Image.open(figure) as image:
        image = image.convert("RGB")
        image.thumbnail((WIDEST, 4 * WIDEST), Image.Resampling.LANCZOS)
        image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
    return path
