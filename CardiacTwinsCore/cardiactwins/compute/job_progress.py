"""Progress of a job as lines for its parent: never too many, none that matters lost, with the time left."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cardiactwins.compute.files import json_text
from cardiactwins.compute.job import Job
from cardiactwins.compute.progress import Cancelled

__all__ = ["JobProgress", "Pace"]

SECONDS_BETWEEN_LINES = 0.05
SECONDS_TO_KNOW_THE_PACE = 0.5
LONGEST_HISTORY = 256


class JobProgress:
    """A `Progress` that hands lines to `send` and raises `Cancelled` when the job's stop file is there.

    Lines go out at most every 50 ms; what comes between waits, and goes out then, from a thread of its own if
    the job does not call again. Of waiting lines without values only the newest stays; every line with values
    goes out. The job is not slowed by calling often: a call costs a few microseconds.

    send: receives {"job", "step", "total", "message", "values", "eta"}, from one thread at a time.
    """

    def __init__(self, job: Job, send: Callable[[Mapping[str, Any]], None]) -> None:
        self._job, self._send = job, send
        self._pace = Pace()
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._wake, self._closed = threading.Event(), False
        self._sender: threading.Thread | None = None
        self._last_sent = self._last_look = float("-inf")

    def __call__(
        self, step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None
    ) -> None:
        now = time.monotonic()
        if now - self._last_look >= SECONDS_BETWEEN_LINES:
            self._last_look = now
            if self._job.stop_requested:
                raise Cancelled("The job was asked to stop.")
        plain = None if values is None else json.loads(json_text(values))
        with self._lock:
            eta = self._pace.seconds_left(step, total, now)
            line = {
                "job": str(self._job.folder),
                "step": int(step),
                "total": int(total),
                "message": str(message),
                "values": plain,
                "eta": None if eta is None else round(eta, 1),
            }
            if self._waiting and self._waiting[-1]["values"] is None:
                line["message"] = line["message"] or self._waiting[-1]["message"]
                self._waiting.pop()
            self._waiting.append(line)
            if now - self._last_sent >= SECONDS_BETWEEN_LINES:
                self._send_waiting()
            elif self._sender is None:
                # Kept when it has started: a Ctrl+C in between leaves none that could not be joined.
                sender = threading.Thread(target=self._send_later, daemon=True)
                sender.start()
                self._sender = sender
        self._wake.set()

    def close(self) -> None:
        """Send what waits; no line follows."""
        with self._lock:
            self._send_waiting()
            self._closed = True
        self._wake.set()
        if self._sender is not None:
            self._sender.join()

    def _send_waiting(self) -> None:
        self._last_sent = time.monotonic()
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._send(line)

    def _send_later(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            while (rest := self._send_when_due()) > 0:
                time.sleep(rest)

    def _send_when_due(self) -> float:
        """Send what waits, if it may go out now; else the seconds until then, 0 where nothing waits."""
        with self._lock:
            if self._closed or not self._waiting:
                return 0.0
            rest = self._last_sent + SECONDS_BETWEEN_LINES - time.monotonic()
            if rest <= 0:
                self._send_waiting()
            return rest


class Pace:
    """How long the rest will take, from the times at which the steps of a run were reported.

    The first step does not count (imports, caches and compilation make it slow), and of a long run only the
    newer half does, so that the time left follows steps that become slower or faster.
    """

    def __init__(self) -> None:
        self._reached: list[tuple[int, float]] = []

    def seconds_left(self, step: int, total: int, now: float) -> float | None:
        """Seconds from `now` (a monotonic time, s) until `total` steps are done; None while it is not known.

        A step below the one before starts a new count: the run has begun another part.
        """
        reached = self._reached
        if reached and step < reached[-1][0]:
            reached.clear()
        if not reached or step > reached[-1][0]:
            reached.append((step, now))
        if len(reached) > LONGEST_HISTORY:
            del reached[1:-1:2]
        if len(reached) < 3:
            return None
        newest_step, newest_time = reached[-1]
        oldest_step, oldest_time = reached[1 if len(reached) <= 8 else len(reached) // 2]
        if newest_time - reached[1][1] < SECONDS_TO_KNOW_THE_PACE:
            return None
        pace = (newest_time - oldest_time) / (newest_step - oldest_step)
        return max(0.0, pace * (total - step) - min(now - newest_time, pace))
