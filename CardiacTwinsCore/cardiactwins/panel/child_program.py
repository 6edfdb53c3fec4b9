"""A program beside the application that a person waits for, and may cancel, while the windows stay alive."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.packages import child_process_id
from cardiactwins.compute.process_tree import end_tree
from cardiactwins.panel.launcher import launch_python

__all__ = ["Outcome", "run_program"]

SECONDS_BETWEEN_LOOKS = 0.02
LONGEST_LINE = 90


@dataclass(frozen=True)
class Outcome:
    """How a program has ended: its exit code, all that it printed, and whether the user cancelled it."""

    return_code: int
    output: str
    cancelled: bool

    @property
    def succeeded(self) -> bool:
        return self.return_code == 0 and not self.cancelled


def run_program(arguments: list[str], title: str, text: str) -> Outcome:
    """Run Python with the arguments behind a dialog that shows its last line and has a Cancel button.

    title, text: of the dialog. Returns when the program has ended; cancelling ends it with its descendants.
    OSError when it cannot be started.
    """
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    process = launch_python(arguments, environment)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    dialog = _dialog(title, text)
    printed: list[str] = []
    cancelled = False
    try:
        while process.poll() is None or reader.is_alive() or not lines.empty():
            while not lines.empty():
                printed.append(lines.get())
                if not printed[-1].startswith('{"'):
                    dialog.labelText = f"{text}\n{printed[-1][:LONGEST_LINE]}"
            if dialog.wasCanceled and not cancelled:
                cancelled = True
                end_tree(child_process_id("\n".join(printed)) or process.pid, force=True)
                end_tree(process.pid, force=True)
            slicer.app.processEvents()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        dialog.close()
        dialog.deleteLater()
    return Outcome(process.wait(), "\n".join(printed), cancelled)


def _dialog(title: str, text: str) -> Any:
    dialog = qt.QProgressDialog(slicer.util.mainWindow())
    dialog.windowTitle = title
    dialog.labelText = text
    dialog.setCancelButtonText(_("Cancel"))
    dialog.setRange(0, 0)
    dialog.setModal(True)
    dialog.setMinimumWidth(480)
    dialog.show()
    return dialog


def _read(stream: Any, lines: queue.SimpleQueue[str]) -> None:
    with suppress(OSError, ValueError), getattr(stream, "buffer", stream) as binary:
        for line in binary:
            lines.put(line.decode("utf-8", "replace").rstrip())
