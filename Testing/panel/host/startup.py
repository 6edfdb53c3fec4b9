"""The start of the application: what modules ask to be called back for, before there is a scene."""

from __future__ import annotations

import sys
from collections.abc import Callable

__all__ = ["StartingApplication"]


class StartingApplication:
    """Stands for `slicer.app` while module files are loaded and no scene has been started."""

    SIGNALS = ("startupCompleted()", "aboutToQuit()", "lastWindowClosed()")

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def connect(self, signal: str, slot: Callable[[], object]) -> bool:
        """Connect one of SIGNALS; raises AttributeError for another."""
        if signal not in self.SIGNALS:
            raise AttributeError(f"The host's application has no signal '{signal}', only {self.SIGNALS}")
        if signal == "startupCompleted()":
            self.waiting.append(slot)
        return True

    def finish_startup(self) -> None:
        """Call, once, those who wait for the end of the start."""
        waiting, self.waiting = self.waiting, []
        for slot in waiting:
            try:
                slot()
            except Exception:  # as Qt does with an error in a slot
                sys.excepthook(*sys.exc_info())

    def translate(self, _context: str, text: str) -> str:
        """There is no translation."""
        return text
