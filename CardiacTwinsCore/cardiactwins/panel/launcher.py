"""How a panel starts Python beside the application."""

from __future__ import annotations

import shutil
from typing import Any

import slicer.util

from cardiactwins.compute import started_worker

__all__ = ["launch_python", "python_executable"]


def python_executable() -> str | None:
    """The application's Python, PythonSlicer; None outside of the application."""
    return shutil.which("PythonSlicer")


def launch_python(arguments: list[str], environment: dict[str, str]) -> Any:
    """Start Python with the arguments and the additional environment variables, without a console window.

    In the application this is PythonSlicer with the application's own environment, elsewhere the running
    interpreter. Returns what behaves as a `subprocess.Popen`, standard error in its standard output; it is
    made to be the `launch` of a `WorkerProcess`. OSError when it cannot be started.
    """
    executable = python_executable()
    if executable is None:
        return started_worker.launch_python(arguments, environment)
    return slicer.util.launchConsoleProcess(
        [executable, *arguments], useStartupEnvironment=False, updateEnvironment=environment
    )
