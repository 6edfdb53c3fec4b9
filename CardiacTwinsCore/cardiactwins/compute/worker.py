"""The process that runs jobs: a job.json in, JSON lines on standard output, everything else in the job's log.

`python -m cardiactwins.compute.worker JOB.json [...]` runs these jobs and ends. With `--serve FOLDER` it runs
the jobs named in FOLDER/*.ticket as they appear, so that its start-up and its imports are paid once; it ends
when FOLDER/close appears (or FOLDER disappears), after an idle time, and when the process `--parent` is gone,
with FOLDER.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import io
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.job import Job
from cardiactwins.compute.job_progress import JobProgress
from cardiactwins.compute.memory import described_error
from cardiactwins.compute.process_tree import end_own_tree, lead_own_group, wait_for_end
from cardiactwins.compute.progress import Cancelled

__all__ = ["main", "run_job_file"]

SECONDS_BETWEEN_LOOKS = 0.05
_ENDING = threading.Lock()
"""Held by what kills this process, so that it does not end in peace before, with its descendants left."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; returns its exit code: 0, or 1 when a job named on the command line was not done."""
    parser = argparse.ArgumentParser(prog="python -m cardiactwins.compute.worker", description=__doc__)
    parser.add_argument("jobs", nargs="*", type=Path, metavar="JOB.json")
    parser.add_argument("--serve", type=Path, metavar="FOLDER")
    parser.add_argument("--parent", type=int, metavar="PID")
    parser.add_argument("--idle", type=float, default=600.0, metavar="SECONDS")
    options = parser.parse_args(arguments)

    lines = _Lines(options.serve)
    signal.signal(signal.SIGTERM, _interrupt)
    faulthandler.enable()
    if options.serve is not None:
        lead_own_group()
    if options.parent is not None:
        threading.Thread(target=_end_with, args=(options.parent, options.serve), daemon=True).start()
    try:
        done = [run_job_file(path, lines) for path in options.jobs]
        if options.serve is not None:
            _serve(options.serve, options.idle, lines)
    except KeyboardInterrupt:
        return 1
    finally:
        with _ENDING:
            pass
    return 0 if all(done) else 1


def run_job_file(path: Path, send: _Lines) -> bool:
    """Run one job to its end, whatever that is, and send it as a line; True when it is done.

    The last line is {"job", "done": result}, {"job", "cancelled": True} or {"job", "failed": error,
    "traceback"}. KeyboardInterrupt is raised, after the line, when this process was told to terminate.
    """
    try:
        job = Job.read(path)
    except (OSError, ValueError) as error:
        send({"job": str(path.parent), "failed": str(error), "traceback": ""})
        return False
    interrupt = None
    with _output_in(job.log):
        progress = JobProgress(job, send)
        try:
            end = {"done": _result(job, progress)}
        except Cancelled:
            end = {"cancelled": True}
        except KeyboardInterrupt as error:
            end, interrupt = {"cancelled": True}, error
        except BaseException as error:
            traceback.print_exc()
            end = {"failed": described_error(error), "traceback": traceback.format_exc()}
        progress.close()
    send({"job": str(job.folder), **end})
    if interrupt is not None:
        raise interrupt
    return "done" in end


def _result(job: Job, progress: JobProgress) -> dict[str, Any]:
    if job.stop_requested:
        raise Cancelled
    function = resolve_function(job.function)
    result = function(folder=Path(job.folder), progress=progress, **job.arguments)
    if job.stop_requested:
        raise Cancelled
    return job.write_result(result)


def _serve(folder: Path, idle_seconds: float, lines: _Lines) -> None:
    lines({"ready": os.getpid()})
    idle_since = time.monotonic()
    while folder.is_dir() and not (folder / "close").exists():
        tickets = sorted(folder.glob("*.ticket"))
        for ticket in tickets:
            path = Path(os.fsdecode(ticket.read_bytes()))
            ticket.unlink()
            run_job_file(path, lines)
            idle_since = time.monotonic()
        if not tickets:
            if time.monotonic() - idle_since > idle_seconds:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _interrupt(signal_number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_with(parent: int, folder: Path | None) -> None:
    wait_for_end(parent)
    _end_alone(folder)


def _end_alone(folder: Path | None) -> None:
    """Kill this process and all its descendants after their program, which can no more remove `folder`."""
    with _ENDING:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        end_own_tree()


class _Lines:
    """The real standard output, for JSON lines alone: what is printed from now on goes to standard error.

    folder: of the tickets, None without; it goes with this process when nobody reads any more.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._file = os.dup(1)
        self._lock = threading.Lock()
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        sys.stdout, sys.stderr = _text_stream(1), _text_stream(2)

    def __call__(self, line: Mapping[str, Any]) -> None:
        rest = json.dumps(line, allow_nan=False).encode("ascii") + b"\n"
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                # Nobody reads any more.
                _end_alone(self._folder)


class _Unfailing(io.RawIOBase):
    """Writes to a file descriptor; what a full disk or a closed pipe refuses is lost, and no error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        return size


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        _Unfailing(descriptor), encoding="utf-8", errors="backslashreplace", write_through=True
    )


@contextmanager
def _output_in(log: Path) -> Iterator[None]:
    """Standard output and standard error of this process, its libraries and its children go to `log`.

    Where `log` cannot be written, they stay where they are.
    """
    before = os.dup(1), os.dup(2)
    with suppress(OSError):
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
    try:
        yield
    finally:
        _flush_c_streams()
        for descriptor, original in enumerate(before, start=1):
            os.dup2(original, descriptor)
            os.close(original)


def _flush_c_streams() -> None:
    """What C code printed is still in its buffers."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        library.fflush(None)


if __name__ == "__main__":
    sys.exit(main())
