"""A worker process seen from its parent: jobs are submitted, events polled, and it ends when it shall."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cardiactwins.compute.job import Job
from cardiactwins.compute.progress import Cancelled, Progress, silent
from cardiactwins.compute.started_worker import Launch, StartedWorker, launch_python

__all__ = ["JobFailed", "WorkerDied", "WorkerEvent", "WorkerProcess", "run_job"]

SECONDS_OF_A_POLL = 0.02
SECONDS_BETWEEN_CALLS = 0.25


@dataclass(frozen=True)
class WorkerEvent:
    """What happened to a job.

    kind: "progress" (step, total, message, values; eta: seconds left, None while unknown); or the end of the
        job: "done" (result), "cancelled", "failed" (error, traceback: the function raised), or "died" (error,
        return_code, log_tail: the process ended by itself, as in a crash or without memory).
    """

    kind: Literal["progress", "done", "cancelled", "failed", "died"]
    job: Job
    step: int = 0
    total: int = 0
    message: str = ""
    values: Mapping[str, Any] | None = None
    eta: float | None = None
    result: Mapping[str, Any] | None = None
    error: str = ""
    traceback: str = ""
    return_code: int | None = None
    log_tail: str = ""


class JobFailed(Exception):
    """The function of a job raised an error; `traceback` is the worker's."""

    def __init__(self, error: str, traceback: str) -> None:
        super().__init__(error)
        self.traceback = traceback


class WorkerDied(Exception):
    """The worker process ended in the middle of a job; `log_tail` has the last lines it printed."""

    def __init__(self, error: str, return_code: int | None, log_tail: str) -> None:
        super().__init__(error)
        self.return_code, self.log_tail = return_code, log_tail


class WorkerProcess:
    """Runs one job at a time in a process that is started when first needed and kept for the next job.

    folder: where the worker finds its jobs; a temporary folder by default.
    launch: how to start Python, see `Launch`; `subprocess.Popen` of this interpreter by default.
    idle_seconds: the process ends after so long without a job (the next job starts a new one).
    stop_seconds: how long a cancelled job may take to notice its stop file before it is terminated;
    terminate_seconds: how long it may then take to clean up before it is killed. Both may be changed.

    Nothing here blocks but `close`, for at most about a second. The process and all that it started end with
    this object's `close`, and with this program however it ends.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        launch: Launch | None = None,
        *,
        idle_seconds: float = 600.0,
        stop_seconds: float = 5.0,
        terminate_seconds: float = 2.0,
    ) -> None:
        self.idle_seconds = idle_seconds
        self.stop_seconds = stop_seconds
        self.terminate_seconds = terminate_seconds
        self._folder = None if folder is None else Path(folder).absolute()
        self._launch = launch or launch_python
        self._running: StartedWorker | None = None
        self._job: Job | None = None
        self._latest: Job | None = None
        self._ladder: _StopLadder | None = None
        self._closed = self._was_idle = False

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def busy(self) -> bool:
        """Whether a job is running, or its end has not been polled yet."""
        return self._job is not None

    @property
    def process_id(self) -> int | None:
        """Of the worker; None while there is none, or it has not said so yet."""
        return self._running.worker_id if self._running is not None else None

    def submit(self, job: Job) -> None:
        """Write the job into its folder and hand it to the process; starts the process if there is none.

        Raises RuntimeError when a job is running or the worker is closed, ValueError when an argument is not
        JSON, OSError when the folder cannot be written to or Python cannot be started.
        """
        if self._closed:
            raise RuntimeError("This worker is closed. Make a new one.")
        if self._job is not None:
            raise RuntimeError(
                f"The worker still runs '{self._job.function}'. Wait for it, or cancel it, then start again."
            )
        job = replace(job, folder=Path(job.folder).absolute())
        job.write()
        self._latest = job
        self._was_idle = self._running is not None and self._running.serves
        if not self._was_idle:
            self._start()
        self._running.stray.clear()
        self._running.hand_over(job)
        self._job, self._ladder = job, None

    def poll(self) -> list[WorkerEvent]:
        """What has happened since the last call, oldest first. Never blocks; call it a few times a second."""
        if self._job is None or self._running is None:
            return []
        events: list[WorkerEvent] = []
        deadline = time.monotonic() + SECONDS_OF_A_POLL
        while time.monotonic() < deadline and (line := self._running.next_line()) is not None:
            if (event := _event(self._job, line)) is not None:
                events.append(event)
                if event.kind != "progress":
                    return [*events[:-1], self._end(event)]
        if self._ladder is not None:
            self._ladder.climb(self._running)
        if self._running.finished:
            if self._ladder is None and self._running.job_was_not_taken and self._was_idle:
                # It went home just when the job came.
                try:
                    self._start()
                    self._running.hand_over(self._job)
                except OSError as error:
                    events.append(self._end(WorkerEvent("died", self._job, error=str(error))))
            else:
                events.append(self._end(self._death()))
        return events

    def cancel(self) -> None:
        """Ask the job to stop; if it does not, later polls terminate, then kill, the process tree.

        Whatever comes of the job now, its last event is "cancelled". Without a job, nothing happens.
        """
        if self._job is None or self._ladder is not None:
            return
        patience = self.stop_seconds
        try:
            self._job.request_stop()
        except OSError:
            patience = 0.0
        self._ladder = _StopLadder(patience, self.terminate_seconds)

    def close(self) -> None:
        """End the process: an idle one goes by itself, a running job is killed with its children."""
        self._closed = True
        if self._running is None:
            return
        if self._job is not None:
            with suppress(OSError):
                self._job.request_stop()
        self._running.close(patience=1.0 if self._job is None else 0.2)
        self._running.remove()
        self._running, self._job = None, None

    def log_tail(self, lines: int = 50) -> str:
        """The last lines of what the worker and its latest job printed."""
        stray = list(self._running.stray) if self._running is not None else []
        logged = [] if self._latest is None else self._latest.log_lines(lines)
        return "\n".join([*stray, *logged][-lines:])

    def _start(self) -> None:
        if self._running is not None:
            self._running.end(force=True)
            self._running.remove()
            self._running = None
        self._was_idle = False
        self._running = StartedWorker(self._folder, self._launch, self.idle_seconds)

    def _end(self, event: WorkerEvent) -> WorkerEvent:
        job, ladder = self._job, self._ladder
        self._job = self._ladder = None
        if ladder is not None and ladder.climbed:
            # It ends by itself now, but what it had started may not.
            self._running.end(force=True)
            self._running.remove()
        elif self._running is not None and self._running.ended:
            # Should only a launcher have ended, the worker sees that it is not needed.
            self._running.remove()
        if ladder is not None and event.kind != "cancelled":
            with suppress(OSError):
                job.remove_result()
            return WorkerEvent("cancelled", job)
        return event

    def _death(self) -> WorkerEvent:
        code = self._running.process.poll()
        return WorkerEvent(
            "died",
            self._job,
            error=f"The worker process ended in the middle of the job ({_explain(code)}).",
            return_code=code,
            log_tail=self.log_tail(),
        )


def run_job(job: Job, progress: Progress = silent, worker: WorkerProcess | None = None) -> Mapping[str, Any]:
    """Run the job in a worker process and wait; returns what its function returned.

    progress: called for every line of the job and at least four times a second; `Cancelled` raised from it
        cancels the job, and is raised when the job has ended.
    worker: an idle one to use and keep; one of its own by default. Any other error that `progress` raises
        closes it.

    Raises Cancelled, JobFailed, WorkerDied, and what `WorkerProcess.submit` raises.
    """
    if worker is None:
        with WorkerProcess() as own:
            return run_job(job, progress, own)
    worker.submit(job)
    state: dict[str, Any] = {"step": 0, "total": 1, "message": "Starting"}
    cancelled: Cancelled | None = None
    called = time.monotonic()
    while True:
        events = worker.poll()
        steps = [event for event in events if event.kind == "progress"]
        try:
            for event in steps if cancelled is None else []:
                state = {"step": event.step, "total": event.total, "message": event.message}
                called = time.monotonic()
                progress(**state, values=event.values)
            if cancelled is None and time.monotonic() - called > SECONDS_BETWEEN_CALLS:
                called = time.monotonic()
                progress(**state, values=None)
        except Cancelled as error:
            cancelled = error
            worker.cancel()
        except BaseException:
            worker.close()
            raise
        if not worker.busy:
            return _outcome(events[-1], cancelled)
        if not events:
            time.sleep(SECONDS_OF_A_POLL)


def _outcome(last: WorkerEvent, cancelled: Cancelled | None) -> Mapping[str, Any]:
    if cancelled is not None or last.kind == "cancelled":
        last.job.remove_result()
        raise cancelled or Cancelled("The job was asked to stop.")
    if last.kind == "failed":
        raise JobFailed(last.error, last.traceback)
    if last.kind == "died":
        raise WorkerDied(last.error, last.return_code, last.log_tail)
    return last.result or {}


class _StopLadder:
    """Terminates a worker that has not stopped in time, then kills it."""

    def __init__(self, patience: float, terminate_seconds: float) -> None:
        now = time.monotonic()
        self._steps = [(now + patience, False), (now + patience + terminate_seconds, True)]

    @property
    def climbed(self) -> bool:
        """Whether the worker has been terminated at least."""
        return len(self._steps) < 2

    def climb(self, running: StartedWorker) -> None:
        while self._steps and time.monotonic() >= self._steps[0][0]:
            _, force = self._steps.pop(0)
            running.end(force)


def _event(job: Job, line: Mapping[str, Any]) -> WorkerEvent | None:
    if "step" in line:
        shown = {name: line[name] for name in ("step", "total", "message", "values", "eta")}
        return WorkerEvent("progress", job, **shown)
    if "done" in line:
        return WorkerEvent("done", job, result=line["done"])
    if "cancelled" in line:
        return WorkerEvent("cancelled", job)
    if "failed" in line:
        return WorkerEvent("failed", job, error=line["failed"], traceback=line.get("traceback", ""))
    return None


def _explain(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"{name}: killed, perhaps for want of memory" if name == "SIGKILL" else name
    return f"exit code {code}"
