"""One started worker process: how it starts, what it prints, how it ends."""

from __future__ import annotations

import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from cardiactwins.compute.job import Job
from cardiactwins.compute.process_tree import end_tree, spawn_options

__all__ = ["Launch", "StartedWorker", "launch_python"]

SECONDS_TO_READ_THE_REST = 1.0
STRAY_LINES = 500

Launch = Callable[[list[str], dict[str, str]], Any]
"""Starts a Python interpreter with the arguments (the interpreter itself is not among them) and with the
environment variables added to those it has anyway; returns what behaves as a `subprocess.Popen` whose stdout
is a pipe (text or bytes; standard error may come along in it)."""


class StartedWorker:
    """One started process: its lines, its folder, its end.

    worker_id: the process that runs the jobs, once it has said so; `process` may be a launcher of it.
    stray: the last lines it printed outside of a job, as when it cannot start.
    remove: deletes its folder.
    """

    def __init__(self, parent: Path | None, launch: Launch, idle_seconds: float) -> None:
        if parent is None:
            self.folder = Path(tempfile.mkdtemp(prefix="cardiactwins-worker-"))
        else:
            self.folder = parent / f"worker-{secrets.token_hex(4)}"
            self.folder.mkdir(parents=True)
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.stray: deque[str] = deque(maxlen=STRAY_LINES)
        self.worker_id: int | None = None
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._ticket = self.folder / "1.ticket"
        self._seen_ended: float | None = None
        arguments = ["-m", "cardiactwins.compute.worker", "--serve", str(self.folder)]
        arguments += ["--parent", str(os.getpid()), "--idle", str(idle_seconds)]
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            self.process = launch(arguments, environment)
        except BaseException:
            self.remove()
            raise
        stream = getattr(self.process.stdout, "buffer", self.process.stdout)
        self._reader = threading.Thread(target=_read, args=(stream, self._lines), daemon=True)
        self._reader.start()

    def hand_over(self, job: Job) -> None:
        """Let the worker run the job next. OSError when this cannot be written."""
        half = self._ticket.with_suffix(".half")
        half.write_bytes(os.fsencode(job.file))
        half.replace(self._ticket)

    @property
    def job_was_not_taken(self) -> bool:
        """Whether the worker ended before it saw the job handed over."""
        return self.ended and self._ticket.exists()

    def next_line(self) -> dict[str, Any] | None:
        """The next JSON line about a job; None when none has come. What else was printed becomes `stray`."""
        while True:
            try:
                raw = self._lines.get_nowait()
            except queue.Empty:
                return None
            text = raw.decode("utf-8", "replace").rstrip()
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict) and "job" in line:
                return line
            if isinstance(line, dict) and isinstance(line.get("ready"), int):
                self.worker_id = line["ready"]
            elif text:
                self.stray.append(text)

    @property
    def serves(self) -> bool:
        """Whether it takes jobs: it has not ended, nor been ended and its folder removed."""
        return not self.ended and self.remove.alive

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def finished(self) -> bool:
        """The process has ended, what it had started too, and what it printed has been read."""
        if not self.ended:
            return False
        if self._seen_ended is None:
            self._seen_ended = time.monotonic()
            self.end(force=True)
        if self._reader.is_alive() and time.monotonic() - self._seen_ended < SECONDS_TO_READ_THE_REST:
            return False
        return self._lines.empty()

    def end(self, force: bool) -> None:
        """Terminate the worker and what it started, or kill (`force`) them and the launcher it may have."""
        if self.worker_id is not None:
            end_tree(self.worker_id, force)
        if not self.ended and (force or self.worker_id is None):
            end_tree(self.process.pid, force)

    def close(self, patience: float) -> None:
        """Let the worker end by itself within `patience` seconds; terminate it, kill it if it does not."""
        with suppress(OSError):
            (self.folder / "close").touch()
        while self.next_line() is not None:
            pass
        for seconds, climb in ((patience, None), (0.3, False), (2.0, True)):
            if climb is not None:
                self.end(force=climb)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        self.end(force=True)


def launch_python(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """This interpreter, in a process group of its own; the default `Launch`."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **spawn_options(),
    )


def _read(stream: Any, lines: queue.SimpleQueue[bytes]) -> None:
    with suppress(OSError, ValueError), stream:
        for line in stream:
            lines.put(line)
