"""A `Progress` for the terminal: one bar with the step, the time left and the last message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cardiactwins.compute.progress import Progress

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """A bar on standard error for the length of the block; Ctrl+C stops the run there.

    Where standard error is no terminal (a log, a pipe), each new message becomes a line instead.
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
        yield _line_by_line(console, title)
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


def _line_by_line(console: Any, title: str) -> Progress:
    last = ""

    def show(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        nonlocal last
        if message and message != last:
            console.print(f"{title} {step}/{total}: {message}", soft_wrap=True)
            last = message

    return show
