"""The record that every run leaves: what ran, on what, with which versions, how long, and what came out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cardiactwins.compute.environment import cpu_name, package_versions, thread_count
from cardiactwins.compute.files import write_json_atomic

__all__ = ["RunReport"]


def _this_cpu() -> str:
    return f"{cpu_name()} ({thread_count()} threads)"


@dataclass(frozen=True)
class RunReport:
    """One run.

    job: name of the command or function. inputs: name -> file, node or description.
    parameters: everything that, with `seed` and `inputs`, makes the run again.
    results: the figures that came out. device: what computed.
    started: ISO 8601 time in UTC. seconds: duration, None while the run is under way.

        report = RunReport.begin("infarct personalize", parameters={"threshold": 0.01}, seed=7)
        ...
        report.finish(results={"loss": 0.004}).write(folder / "run.json")
    """

    job: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    results: Mapping[str, Any] = field(default_factory=dict)
    started: str = ""
    seconds: float | None = None
    device: str = field(default_factory=_this_cpu)
    versions: Mapping[str, str] = field(default_factory=package_versions)

    @classmethod
    def begin(
        cls,
        job: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ) -> RunReport:
        """A report whose clock starts now."""
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(job, parameters or {}, inputs or {}, seed, started=started)

    def finish(self, results: Mapping[str, Any], device: str | None = None) -> RunReport:
        """The same report with its results and the seconds since `begin`; ValueError if it never began.

        device: what computed, where it was not the processor alone.
        """
        if not self.started:
            raise ValueError("This report has no start time. Make it with RunReport.begin(...).")
        elapsed = datetime.now(UTC) - datetime.fromisoformat(self.started)
        return replace(self, results=results, seconds=elapsed.total_seconds(), device=device or self.device)

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the report as JSON, whole or not at all; returns the path."""
        return write_json_atomic(path, self)
