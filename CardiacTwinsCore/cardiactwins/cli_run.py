"""One run of a command: its options, its progress, its files, its report, and what it prints at the end."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.compute.progress import Progress

if TYPE_CHECKING:
    from cardiactwins.compute.report import RunReport

__all__ = [
    "CommandRun",
    "Force",
    "Json",
    "Seed",
    "claim_files",
    "claim_folder",
    "new_folder",
    "write_table",
]

Force = Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON summary as the last line.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random numbers: the same seed, the same result.")]

REPORT = "report.json"
"""Name of the report of a run that writes a folder."""

WIDTH_OF_FILES = 160
NOT_PARAMETERS = {"as_json", "force", "seed"}


@dataclass(frozen=True)
class CommandRun:
    """One run of a command.

    report: under way; its parameters are the options of the command. as_json: whether standard output gets
    the summary for programs instead of tables for people.

        run = CommandRun.begin(context, inputs={"population": path})
        with run.progress("Align") as progress:
            ...
        run.finish(results, {"population": out}, report=out.with_suffix(".report.json"))
    """

    report: RunReport
    as_json: bool

    @classmethod
    def begin(cls, context: typer.Context, inputs: Mapping[str, Any]) -> CommandRun:
        """A run whose clock starts now, with the options in `context`."""
        from cardiactwins.compute.report import RunReport

        options = context.params
        parameters = {name: value for name, value in options.items() if name not in NOT_PARAMETERS}
        group = context.parent.info_name if context.parent else None
        job = f"{group} {context.info_name}"
        report = RunReport.begin(
            job,
            parameters={name: value for name, value in parameters.items() if name not in inputs},
            inputs=inputs,
            seed=options.get("seed"),
        )
        return cls(report, bool(options["as_json"]))

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """The bar of `progress_bar` for the length of the block."""
        from cardiactwins.cli_progress import progress_bar

        with progress_bar(title) as progress:
            yield progress

    def show(self, *renderables: Any) -> None:
        """Print text or rich tables on standard output, unless it is for programs."""
        if not self.as_json:
            from rich.console import Console

            # Rich takes a file or pipe to be 80 columns wide, and would fold tables.
            known_width = sys.stdout.isatty() or "COLUMNS" in os.environ
            console = Console(highlight=False, width=None if known_width else WIDTH_OF_FILES)
            for renderable in renderables:
                console.print(renderable, soft_wrap=isinstance(renderable, str), markup=False)

    def tell(self, text: str, results: Mapping[str, Any]) -> None:
        """Print text for people, or the figures of the run as the JSON summary."""
        from cardiactwins.compute.files import json_text

        if self.as_json:
            typer.echo(json_text({"command": self.report.job, **results}))
        else:
            self.show(text)

    def finish(
        self,
        results: Mapping[str, Any],
        outputs: Mapping[str, Path],
        report: Path,
        device: str | None = None,
    ) -> None:
        """Write the report and tell what was written. device: what computed, if not the processor alone."""
        written = {**outputs, "report": report}
        finished = self.report.finish({**results, "outputs": written}, device)
        finished.write(report)
        text = "\nWritten: " + ", ".join(str(path) for path in written.values())
        self.tell(text, {"seconds": finished.seconds, **finished.results})


def claim_files(paths: Sequence[Path], force: bool) -> None:
    """Make sure before a long run that all files can be written.

    ValueError when one exists and `force` is not given, IsADirectoryError when one is a folder, OSError as
    `check_writable`.
    """
    from cardiactwins.compute.files import check_writable

    present = [path for path in paths if path.exists()]
    if present and not force:
        names = ", ".join(str(path) for path in present)
        raise ValueError(f"{names} would be overwritten. Choose another name with --out, or add --force.")
    for path in paths:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "A folder stands where this file would go", str(path))
        check_writable(path.parent)


def claim_folder(folder: Path, job: str, force: bool) -> None:
    """The same for a folder: absent, empty, or with `force` one that an earlier run of this job made.

    The folder itself is not made. ValueError when it holds something else, OSError as `check_writable`.
    """
    from cardiactwins.compute.files import check_writable

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Choose a folder with --out.")
    if folder.is_dir() and any(folder.iterdir()):
        if _job_of(folder) != job:
            raise ValueError(f"{folder} holds files of something else. Choose another folder with --out.")
        if not force:
            raise ValueError(
                f"{folder} holds an earlier run. Choose another folder with --out, or add --force."
            )
    check_writable(folder.absolute().parent)


def _job_of(folder: Path) -> str | None:
    """The job whose report lies in a folder, or None."""
    try:
        return json.loads((folder / REPORT).read_text(encoding="utf-8"))["job"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A sibling to be made and filled, which becomes `folder` when the block ends without an error.

    What stood there is replaced then, and not before.
    """
    folder = folder.absolute()
    draft = folder.with_name(f".{secrets.token_hex(6)}-{folder.name}")
    try:
        yield draft
        if folder.exists():
            shutil.rmtree(folder)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows of the same keys as a CSV file, whole or not at all; returns the path."""
    from cardiactwins.compute.files import write_text_atomic

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return write_text_atomic(path, text.getvalue())
