"""Many independent cells of a study, on local processes or a Dask cluster, resumable after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cardiactwins.compute.cell_worker import answer_cell, resolve_function
from cardiactwins.compute.environment import thread_count
from cardiactwins.compute.files import check_writable, write_json_atomic
from cardiactwins.compute.progress import Progress, silent

__all__ = ["CellOutcome", "cell_name", "run_cells"]

SECONDS_BETWEEN_LOOKS = 0.25
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)

Answers = Iterator[tuple[str, dict[str, Any]] | None]
"""(name of a cell, its answer) as they arrive, and None now and then while there is none."""


@dataclass(frozen=True)
class CellOutcome:
    """One cell, and either its result or its error (the other is None); seconds of computing."""

    cell: Mapping[str, Any]
    result: Any
    error: str | None
    seconds: float


def run_cells(
    function: str | Callable[..., Any],
    cells: Sequence[Mapping[str, Any]],
    directory: str | os.PathLike[str],
    *,
    places: Mapping[str, Any] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> list[CellOutcome]:
    """Call `function(**cell)` for every cell without a result in `directory`; returns the outcomes in order.

    function: "module:name", or a top-level function of an importable module. It returns what JSON can carry.
    cells: JSON-able dicts of keyword arguments; equal cells run once.
    directory: holds one file a finished cell, named by the hash of function and cell, whole or absent. A run
        that was killed goes on where it stopped. A cell that raised is recorded as NAME.error.json, reported
        in its outcome, and tried again by the next run.
    places: further keyword arguments of every call that say where things lie and not what is computed, such
        as the path of the data; no part of a cell's name, so that a folder that was moved keeps its results.
    workers: processes of one thread each, as many as the machine has threads by default.
    scheduler: address of a Dask scheduler ("tcp://host:8786") to use instead; its workers need cardiactwins.
    progress: called a few times a second; values are finished, failed and seconds_left (None at first).
        When it raises `Cancelled` the local workers are killed (on Dask, waiting cells are withdrawn).

    Raises ValueError for an unknown function, a cell that is not JSON, or workers < 1; OSError when the
    directory cannot be used; ConnectionError when no Dask scheduler answers.
    """
    function = _importable_name(function)
    if workers is not None and workers < 1:
        raise ValueError(f"A study needs at least 1 worker; found {workers}.")
    directory = check_writable(directory)
    names = [cell_name(function, cell) for cell in cells]
    unique = dict(zip(names, cells, strict=True))
    answers = {name: answer for name in unique if (answer := _stored_answer(directory, name)) is not None}
    pending = {name: cell for name, cell in unique.items() if name not in answers}

    tally = _Tally(total=len(unique), stored=len(answers))
    tally.report(progress, f"{len(answers)} of {len(unique)} cells were finished before")
    if pending:
        calls = {name: {**cell, **(places or {})} for name, cell in pending.items()}
        arriving = (
            _answers_of_dask(function, calls, scheduler)
            if scheduler
            else _answers_of_processes(function, calls, min(workers or thread_count(), len(calls)))
        )
        with closing(arriving):
            for arrival in arriving:
                if arrival is None:
                    tally.report(progress)
                    continue
                name, answer = arrival
                answers[name] = answer
                _store_answer(directory, name, function, pending[name], answer)
                tally.count(answer)
                tally.report(
                    progress, f"{pending[name]} failed: {answer['error']}" if "error" in answer else ""
                )
    return [
        CellOutcome(cell, answers[name].get("result"), answers[name].get("error"), answers[name]["seconds"])
        for name, cell in zip(names, cells, strict=True)
    ]


def cell_name(function: str, cell: Mapping[str, Any]) -> str:
    """Name of a cell's file: a hash of function and cell, in any order of keys. ValueError if not JSON."""
    try:
        text = json.dumps([function, cell], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A cell must be a dict that JSON can carry ({error}); found {cell!r}.") from error
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _importable_name(function: str | Callable[..., Any]) -> str:
    if isinstance(function, str):
        resolve_function(function)
        return function
    name = f"{function.__module__}:{function.__qualname__}"
    if function.__module__ == "__main__" or "<" in function.__qualname__:
        raise ValueError(f"Worker processes cannot import '{name}'. Move it to the top level of a module.")
    return name


class _Tally:
    """Counts cells and tells the progress, with the time left at the pace of this run."""

    def __init__(self, total: int, stored: int) -> None:
        self.total, self.stored, self.finished, self.failed = total, stored, stored, 0
        self.started = time.monotonic()

    def count(self, answer: Mapping[str, Any]) -> None:
        self.finished += "error" not in answer
        self.failed += "error" in answer

    def report(self, progress: Progress, message: str = "") -> None:
        done = self.finished + self.failed
        run_now = done - self.stored
        pace = (time.monotonic() - self.started) / run_now if run_now else None
        seconds_left = None if pace is None else pace * (self.total - done)
        values = {"finished": self.finished, "failed": self.failed, "seconds_left": seconds_left}
        progress(done, self.total, message, values)


def _stored_answer(directory: Path, name: str) -> dict[str, Any] | None:
    try:
        answer = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
        return {"result": answer["result"], "seconds": answer["seconds"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _store_answer(
    directory: Path, name: str, function: str, cell: Mapping[str, Any], answer: Mapping[str, Any]
) -> None:
    failure = directory / f"{name}.error.json"
    record = {"function": function, "cell": cell, **answer}
    if "error" in answer:
        write_json_atomic(failure, record)
    else:
        write_json_atomic(directory / f"{name}.json", record)
        failure.unlink(missing_ok=True)


class _Processes:
    """Worker processes that answer one cell at a time."""

    def __init__(self, function: str) -> None:
        self._command = [sys.executable, "-m", "cardiactwins.compute.cell_worker", function]
        self._environment = {
            **os.environ,
            **ONE_THREAD,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        self._closed = False
        self._lock = threading.Lock()

    def answer(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        process = self._take()
        try:
            process.stdin.write(json.dumps(cell) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):
            line = ""
        if line.endswith("\n"):
            self._idle.put(process)
            return json.loads(line)
        return {
            "error": _told_of_end(process.wait()),
            "traceback": "",
            "seconds": time.perf_counter() - started,
        }

    def _take(self) -> subprocess.Popen[str]:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        with self._lock:
            if self._closed:
                raise RuntimeError("The workers are closed.")
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment,
                encoding="utf-8",
            )
            self._all.append(process)
            return process

    def kill(self) -> None:
        with self._lock:
            self._closed = True
        for process in self._all:
            process.kill()

    def close(self) -> None:
        for process in self._all:
            process.wait()
            process.stdout.close()
            with suppress(OSError):
                process.stdin.close()


def _told_of_end(code: int) -> str:
    """Why a worker process ended by itself, of its exit code (below 0: the signal that ended it), and what to
    do."""
    kill = getattr(signal, "SIGKILL", None)
    if kill is not None and code == -kill:
        return (
            "The worker process was killed, most likely by the system because memory ran out. Lower the "
            "batch or the number of workers, or close other programs, and run it again: what is finished "
            "stays."
        )
    how = f"crashed (signal {-code})" if code < 0 else f"ended with exit code {code}"
    return f"The worker process {how}; standard error may tell why. Run it again: what is finished stays."


def _answers_of_processes(function: str, cells: Mapping[str, Mapping[str, Any]], workers: int) -> Answers:
    processes = _Processes(function)
    threads = ThreadPoolExecutor(workers)
    try:
        yield from _as_they_arrive({threads.submit(processes.answer, cells[name]): name for name in cells})
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        processes.kill()
        threads.shutdown()
        processes.close()


def _answers_of_dask(function: str, cells: Mapping[str, Mapping[str, Any]], scheduler: str) -> Answers:
    try:
        import distributed
    except ImportError as error:
        raise ModuleNotFoundError(
            "A Dask cluster needs dask and distributed: python -m pip install dask distributed"
        ) from error
    try:
        client = distributed.Client(scheduler, set_as_default=False, timeout="30s")
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"No Dask scheduler answers at {scheduler} ({error}). Is it running?"
        ) from error
    with client:
        names = {client.submit(answer_cell, function, cells[name], pure=False): name for name in cells}
        try:
            yield from _as_they_arrive(names)
        finally:
            client.cancel(list(names))


def _as_they_arrive(names: Mapping[Any, str]) -> Answers:
    """names: future of an answer -> name of its cell; one that raised becomes an answer with an error."""
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for future in names:
        future.add_done_callback(arrived.put)
    to_come = len(names)
    while to_come:
        try:
            future = arrived.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            yield None
            continue
        to_come -= 1
        lost = future.exception()
        error = {"error": f"{type(lost).__name__}: {lost}", "traceback": "", "seconds": 0.0}
        yield names[future], future.result() if lost is None else error
