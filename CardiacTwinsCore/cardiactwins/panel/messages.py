"""How panels tell lengths of time, what a button waits for, and errors."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection

import slicer.util
from slicer.i18n import tr as _

__all__ = ["duration_text", "sentence", "show_error", "tool_tip"]


def duration_text(seconds: float) -> str:
    """A length of time for people: '8 s', '4 min 10 s', '2 h 5 min'."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return _("{seconds} s").format(seconds=seconds)
    if seconds < 3600:
        return _("{minutes} min {seconds} s").format(minutes=seconds // 60, seconds=seconds % 60)
    return _("{hours} h {minutes} min").format(hours=seconds // 3600, minutes=seconds % 3600 // 60)


def sentence(text: str) -> str:
    """The text of an error with a full stop, so that another sentence can follow."""
    text = text.strip() or _("no reason was given")
    return text if text.endswith((".", "!", "?")) else f"{text}."


def show_error(text: str, details: str = "") -> None:
    """Tell the user, with the traceback of the error that is being handled unless details are given."""
    details = details or traceback.format_exc()
    logging.error("%s\n%s", text, details)
    slicer.util.errorDisplay(text, detailedText=details)


def tool_tip(own: str, missing: Collection[str]) -> str:
    """The tooltip of a button: its own text, and what it waits for, a line each."""
    lines = [own] if own else []
    if missing:
        lines += [_("Still missing:"), *(f"- {line}" for line in missing)]
    return "\n".join(lines)
