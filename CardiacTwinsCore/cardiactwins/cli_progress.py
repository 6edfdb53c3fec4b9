"""A `Progress` for the terminal: one bar with the step, the time left and the last message."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cardiactwins.compute.progress import Progress

__all__ = ["progress_bar"]

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A bar on standard error for the length of the block; Ctrl+C stops the run there.

    Where standard error is no terminal (a log, a pipe), short runs are quiet and long ones print a line every
    half minute.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    console = Console(stderr=True, markup=False, highlight=False)
    if not console.is_terminal:
        yield _now_and_then(console, title)
        return
    columns = (
        TextColumn(title, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Bars(*columns, console=console) as bars:
        task = bars.add_task(title, total=None, message="")

        def show(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
            bars.update(task, completed=step, total=total, **({"message": message} if message else {}))

        yield show


def _now_and_then(console: Any, title: str) -> Progress:
    printed = time.monotonic()

    def show(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        nonlocal printed
        now = time.monotonic()
        if message and now - printed >= SECONDS_BETWEEN_LINES:
            console.print(f"{title} {step}/{total}: {message}", soft_wrap=True)
            printed = now

    return show
