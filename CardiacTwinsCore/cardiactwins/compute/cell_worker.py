"""The process that computes cells of a study: cells as JSON lines in, answers as JSON lines out.

`python -m cardiactwins.compute.cell_worker module:name` is started by `scheduling.run_cells`. It ends as soon
as its standard input closes, in the middle of a cell too, so no worker outlives a killed study.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from cardiactwins.compute.files import json_text
from cardiactwins.compute.memory import described_error

__all__ = ["answer_cell", "resolve_function"]


def resolve_function(name: str) -> Callable[..., Any]:
    """The function that "module:name" names. ValueError when there is no such module or function."""
    module_name, _, function_name = name.partition(":")
    try:
        function = importlib.import_module(module_name)
        for part in function_name.split("."):
            function = getattr(function, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"No function '{name}' can be imported ({error}). Name it as 'package.module:name'."
        ) from error
    if not callable(function):
        raise ValueError(f"'{name}' is a {type(function).__name__}, not a function.")
    return function


def answer_cell(function: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    """Call `function` ("module:name") with the items of `cell` as keyword arguments.

    Returns {"result", "seconds"}, or {"error", "traceback", "seconds"} when it raised; all of it plain JSON.
    """
    started = time.perf_counter()
    try:
        answer = {"result": json.loads(json_text(resolve_function(function)(**cell)))}
    except Exception as error:
        answer = {"error": described_error(error), "traceback": traceback.format_exc()}
    return {**answer, "seconds": time.perf_counter() - started}


def main(function: str) -> None:
    # Ctrl+C in a terminal reaches workers as well as their parent, which is the one to end them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a cell prints must not mix with the answers: the answers keep the real standard output.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    cells: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_until_the_parent_is_gone, args=(cells,), daemon=True).start()
    while True:
        answer = answer_cell(function, json.loads(cells.get()))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _read_until_the_parent_is_gone(cells: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin.buffer:
        cells.put(line.decode("utf-8"))
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
