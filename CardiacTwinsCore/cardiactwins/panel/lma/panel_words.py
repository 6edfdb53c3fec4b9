"""Errors of the library in words of the panel: the field to fill in place of the argument in Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from slicer.i18n import tr as _

__all__ = ["inWordsOfPanel"]

HINTS = {
    r"stored_range=\(0, 4096\)": _("in 'Stored values' of section 2"),
    r"frame_interval=17, or times=\(T,\) in ms": _("in 'Frame interval' of section 2"),
    r"roles=\{'\w+': \.\.\.\}": _("under 'Segments'"),
}
"""What errors say to who calls from Python (as a pattern), and where the panel has it."""


@contextmanager
def inWordsOfPanel() -> Iterator[None]:
    """A ValueError that tells what to do in Python tells the field of the panel instead."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for hint, field in HINTS.items():
            text = re.sub(rf"\(in Python: {hint}\)", field, text)
        if text == str(error):
            raise
        raise ValueError(text) from error
