"""A job: one long computation, described by files in a folder of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardiactwins.compute.files import json_text, write_json_atomic, write_text_atomic

__all__ = ["Job"]

LOG_TAIL_BYTES = 65536


@dataclass(frozen=True)
class Job:
    """One call of a function in a worker process (`compute.worker`), and the folder of its files.

    folder: holds job.json (the call), stop (the wish to end it), result.json (what it returned), worker.log
        (all that it printed), and whatever large inputs and outputs the function reads and writes there.
    function: "package.module:name". It is called `f(folder=Path, progress=Progress, **arguments)` and returns
        a mapping that JSON can carry. It calls `progress` often: `Cancelled` is raised from there.
    arguments: what JSON can carry (see `json_text`); tuples arrive as lists, NaN and infinities as None.
    """

    folder: Path
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The description of the call, job.json."""
        return Path(self.folder) / "job.json"

    @property
    def log(self) -> Path:
        """What the job printed, on standard output and standard error, from Python or not."""
        return Path(self.folder) / "worker.log"

    def log_lines(self, count: int = 50) -> list[str]:
        """The last lines of the log, at most `count` and 64 kB of them; none where there is no log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                return file.read().decode("utf-8", "replace").splitlines()[-count:]
        except OSError:
            return []

    @property
    def stop_requested(self) -> bool:
        return self._stop.exists()

    @property
    def _stop(self) -> Path:
        return Path(self.folder) / "stop"

    @property
    def _result(self) -> Path:
        return Path(self.folder) / "result.json"

    def write(self) -> Path:
        """Write job.json, the folder too if it is missing, and return its path.

        Result, log and stop request of an earlier run in the same folder are removed. Raises ValueError when
        an argument is not JSON, OSError when the folder cannot be made or written to.
        """
        try:
            call = json.loads(json_text({"function": self.function, "arguments": self.arguments}))
        except TypeError as error:
            raise ValueError(
                f"The arguments of '{self.function}' must be plain values ({error}). "
                "Write large inputs to files in the job folder."
            ) from error
        for leftover in (self._stop, self._result, self.log):
            leftover.unlink(missing_ok=True)
        return write_json_atomic(self.file, call)

    @classmethod
    def read(cls, path: str | Path) -> Job:
        """The job that a job.json describes. Raises OSError if there is none, ValueError if it is no job."""
        path = Path(path)
        try:
            call = json.loads(path.read_text(encoding="utf-8"))
            function, arguments = call["function"], call["arguments"]
            if not isinstance(function, str) or not isinstance(arguments, dict):
                raise TypeError("'function' must be a text and 'arguments' an object")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is not a job ({type(error).__name__}: {error}). Write jobs with Job(...).write()."
            ) from error
        return cls(path.parent, function, arguments)

    def request_stop(self) -> None:
        """Ask the job to end: its next call of `progress` raises `Cancelled`."""
        self._stop.touch()

    def write_result(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Store what the function returned, all of it or nothing; returns it as JSON carries it.

        Raises TypeError when it is not a mapping that JSON can carry, OSError when the disk is full.
        """
        if not isinstance(result, Mapping):
            raise TypeError(f"'{self.function}' returned a {type(result).__name__}; a job returns a dict.")
        text = json_text(result, indent=2)
        write_text_atomic(self._result, text + "\n")
        return json.loads(text)

    def remove_result(self) -> None:
        """Forget a result, as when it came just after the job was cancelled."""
        self._result.unlink(missing_ok=True)

    def result(self) -> dict[str, Any] | None:
        """What the function returned; None while there is none (not finished, failed, cancelled)."""
        try:
            return json.loads(self._result.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
