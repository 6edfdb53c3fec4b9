"""What the panels say and ask: nothing pops up, everything is noted, and a test gives the answers."""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import qt
import slicer.util

__all__ = ["Dialogs", "Said", "install_dialogs"]


@dataclass(frozen=True)
class Said:
    """One message. kind: 'info', 'warning', 'error', 'confirm' or 'path'; details: its detailed text."""

    kind: str
    text: str
    title: str = ""
    details: str = ""


@dataclass
class Dialogs:
    """Everything said so far, and the answers to come.

    A question without an answer in waiting gets True (OK, Yes); a file dialog without one is cancelled.
    """

    said: list[Said] = field(default_factory=list)
    shown_errors: list[BaseException] = field(default_factory=list)
    _answers: dict[str, deque[Any]] = field(default_factory=dict)

    def answer(self, kind: str, *answers: Any) -> None:
        """Answer the next questions of `kind`: 'confirm' by True or False, 'path' by a path."""
        self._answers.setdefault(kind, deque()).extend(answers)

    def texts(self, kind: str | None = None) -> list[str]:
        """The texts said, of one kind or of all."""
        return [said.text for said in self.said if kind in (None, said.kind)]

    def clear(self) -> None:
        """Forget what was said and the answers left."""
        self.said.clear()
        self.shown_errors.clear()
        self._answers.clear()

    def say(self, kind: str, text: Any, title: Any = None, details: Any = None, **_more: Any) -> Any:
        """Note a message; the answer to it."""
        self.said.append(Said(kind, str(text), str(title or "").strip(), str(details or "")))
        logging.getLogger("host.dialogs").info("%s: %s", kind, text)
        error = sys.exc_info()[1]
        if kind == "error" and error is not None:
            self.shown_errors.append(error)
        answers = self._answers.get(kind)
        return answers.popleft() if answers else None

    def ask(self, text: Any, title: Any = None, **more: Any) -> bool:
        """Note a question; whether it is answered by OK, Yes or Retry."""
        answer = self.say("confirm", text, title, more.pop("detailedText", None), **more)
        return True if answer is None else bool(answer)


def _display(dialogs: Dialogs, kind: str) -> Any:
    def display(text: Any, windowTitle: Any = None, parent: Any = None, **more: Any) -> Any:
        dialogs.say(kind, text, windowTitle, more.pop("detailedText", None))
        return qt.QMessageBox.Ok

    return display


def _confirm(dialogs: Dialogs) -> Any:
    def confirm(text: Any, windowTitle: Any = None, parent: Any = None, **more: Any) -> bool:
        return dialogs.ask(text, windowTitle, **more)

    return confirm


def _message_box(dialogs: Dialogs) -> type:
    native = qt.QMessageBox

    class QMessageBox(native):
        """Notes its text instead of waiting for a click."""

        def exec_(self) -> Any:
            choices = self.standardButtons()
            positive = next(
                (button for button in (self.Ok, self.Yes, self.Retry) if choices & button), self.Ok
            )
            negative = next(
                (button for button in (self.Cancel, self.No, self.Close) if choices & button), self.Cancel
            )
            kind = "error" if self.icon == native.Critical else "confirm"
            answer = dialogs.say(kind, self.text, self.windowTitle, self.detailedText)
            return negative if answer is False else positive

        exec = exec_

        @staticmethod
        def question(parent: Any, title: str, text: str, *_buttons: Any) -> Any:
            return native.Yes if dialogs.ask(text, title) else native.No

        @staticmethod
        def information(parent: Any, title: str, text: str, *_buttons: Any) -> Any:
            dialogs.say("info", text, title)
            return native.Ok

        @staticmethod
        def warning(parent: Any, title: str, text: str, *_buttons: Any) -> Any:
            dialogs.say("warning", text, title)
            return native.Ok

        @staticmethod
        def critical(parent: Any, title: str, text: str, *_buttons: Any) -> Any:
            dialogs.say("error", text, title)
            return native.Ok

    return QMessageBox


def _file_dialog(dialogs: Dialogs) -> type:
    def ask(parent: Any = None, caption: str = "", directory: str = "", *_more: Any) -> str:
        answer = dialogs.say("path", directory, caption)
        return "" if answer is None else str(answer)

    def ask_several(*arguments: Any) -> list[str]:
        answer = ask(*arguments)
        return [answer] if answer else []

    class QFileDialog(qt.QFileDialog):
        """Answers with the paths that a test has laid ready; PythonQt returns the path alone."""

        getExistingDirectory = getOpenFileName = getSaveFileName = staticmethod(ask)
        getOpenFileNames = staticmethod(ask_several)

    return QFileDialog


def _refuse_to_wait(self: Any) -> None:
    raise RuntimeError(f"{type(self).__name__} '{self.windowTitle}' would wait for a person for ever")


def install_dialogs() -> Dialogs:
    """Put the stand-ins in the place of the dialogs of `qt` and `slicer.util`; what they note."""
    dialogs = Dialogs()
    qt.QDialog.exec_ = qt.QDialog.exec = _refuse_to_wait
    qt.QMessageBox = _message_box(dialogs)
    qt.QFileDialog = _file_dialog(dialogs)
    util = slicer.util
    util.infoDisplay, util.warningDisplay, util.errorDisplay = (
        _display(dialogs, kind) for kind in ("info", "warning", "error")
    )
    util.messageBox = util.infoDisplay
    util.confirmOkCancelDisplay = util.confirmYesNoDisplay = util.confirmRetryCloseDisplay = _confirm(dialogs)
    util.delayDisplay = lambda message, *_times, **_more: logging.getLogger(Path(__file__).stem).info(message)
    return dialogs
