"""What a person who looks for help is asked for: versions, machine, device, and what is missing."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec

import slicer
from slicer.i18n import tr as _

from cardiactwins.compute.devices import Device, choose_device
from cardiactwins.compute.environment import cpu_name, memory_bytes, package_versions, thread_count
from cardiactwins.compute.packages import PackageProblem
from cardiactwins.panel.child_program import run_program
from cardiactwins.panel.requirements import problem_text

__all__ = ["device_text", "find_device", "report_text", "system_rows"]

Row = tuple[str, str]

COMMAND_LINE_ONLY = {"typer", "rich", "dask", "distributed"}

DEVICE_PROGRAM = """
import json, sys
from dataclasses import asdict
from cardiactwins.compute.devices import choose_device
try:
    answer = asdict(choose_device(sys.argv[1]))
except ValueError as error:
    answer = {"obstacle": str(error)}
print(json.dumps({"device": answer}))
"""


def system_rows() -> list[Row]:
    """Name and value of what is known without a delay: application, library, Python, machine, packages.

    Nothing is imported for it.
    """
    versions = package_versions()
    total, available = memory_bytes()
    memory = _("not told by the system")
    if total is not None:
        memory = _("{total:.1f} GB, {free:.1f} GB of it free").format(
            total=total / 1e9, free=(available or 0) / 1e9
        )
    rows = [
        ("3D Slicer", f"{slicer.app.applicationVersion} ({slicer.app.revision})"),
        ("CardiacTwins", versions.pop("cardiactwins")),
        ("Python", versions.pop("python")),
        (_("System"), platform.platform()),
        (_("Processor"), _("{name}, {count} threads").format(name=cpu_name(), count=thread_count())),
        (_("Memory"), memory),
    ]
    rows += [(name, version) for name, version in versions.items() if name not in COMMAND_LINE_ONLY]
    if "torch" not in versions:
        rows.append(("torch", _("not installed; networks need it, and get it from the PyTorch extension")))
    return rows


def find_device(choice: str, title: str) -> Device | str:
    """The device of `choose_device`, or why the chosen one cannot be used.

    PyTorch, if it is installed, is loaded in a child process, behind a dialog with the title (seconds): it
    may crash, and must not take the application with it.
    """
    if find_spec("torch") is None:
        try:
            return choose_device(choice)
        except ValueError as error:
            return str(error)
    arguments = ["-c", DEVICE_PROGRAM, choice]
    outcome = run_program(arguments, title, _("Looking for a device that computes..."))
    if outcome.cancelled:
        return _("not known: the check was cancelled")
    for line in reversed(outcome.output.splitlines()):
        if line.startswith('{"device"'):
            answer = json.loads(line)["device"]
            return answer["obstacle"] if "obstacle" in answer else Device(**answer)
    last = (outcome.output.splitlines() or [_("it said nothing")])[-1]
    return _("PyTorch cannot be used: its process ended with exit code {code} ({last})").format(
        code=outcome.return_code, last=last
    )


def device_text(device: Device | str) -> str:
    """A device, its memory and the reason for it; or why there is none."""
    if isinstance(device, str):
        return device
    parts = asdict(device)
    parts["memory"] = "" if device.memory_bytes is None else f", {device.memory_bytes / 1e9:.1f} GB"
    return _("{kind}: {name}{memory} ({reason})").format(**parts)


def report_text(title: str, rows: Sequence[Row], problems: Sequence[PackageProblem] | None) -> str:
    """All of it as text to be copied. problems: None when the packages have not been checked."""
    if problems is None:
        state = _("Python packages: not checked")
    elif problems:
        state = _("Python packages missing: {names}").format(names="; ".join(map(problem_text, problems)))
    else:
        state = _("Python packages: complete")
    return "\n".join([title, *(f"{name}: {value}" for name, value in rows), state])
