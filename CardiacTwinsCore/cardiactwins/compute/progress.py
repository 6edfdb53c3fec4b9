"""Progress of a long function, and the way to stop it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["Cancelled", "Progress", "silent"]


class Cancelled(Exception):
    """Raised from inside a `Progress` when the user asks a run to stop; nothing has been written."""


class Progress(Protocol):
    """Receives the state of a long run; raises `Cancelled` from inside to stop it.

    step, total: finished units of work and their number (`total` may shrink when a run stops early).
    message: one line for people.
    values: figures to plot (loss, parameters, ...), plain Python numbers or lists.
    """

    def __call__(
        self, step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None
    ) -> None: ...


def silent(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
    """A `Progress` that says nothing and never cancels."""
