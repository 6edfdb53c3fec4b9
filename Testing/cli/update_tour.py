"""Run the commands of Docs/command-line.md in a new folder and write what they print below them.

Run `python Testing/cli/update_tour.py` after a change of what commands print; `--only lma` runs the demo and
the commands of one group alone. Long outputs are shortened. Most commands of `twin` need PyTorch and weights
of the generative model.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TOUR = Path(__file__).resolve().parents[2] / "Docs" / "command-line.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
HEAD, TAIL = 10, 8


def commands(text: str) -> Iterator[str]:
    """The command lines of a document, without prompt."""
    for block in BLOCK.findall(text):
        yield from (line.removeprefix(PROMPT) for line in block.splitlines() if line.startswith(PROMPT))


def run(command: str, folder: Path) -> str:
    """What a command prints on standard output, shortened; RuntimeError when it fails."""
    _, *arguments = shlex.split(command)
    result = subprocess.run(
        [sys.executable, "-m", "cardiactwins", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "110"},
    )
    left_out = result.returncode == 1 and "Left out:" in result.stdout
    if result.returncode and not left_out:
        raise RuntimeError(f"`{command}` ended with {result.returncode}: {result.stderr}")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    if len(lines) > HEAD + TAIL + 1:
        lines = [*lines[:HEAD], "...", *lines[-TAIL:]]
    return "".join(f"{line}\n" for line in lines)


def updated(text: str, only: str | None = None) -> str:
    """The document with the outputs of its commands, run in their order.

    only: a group of commands ("infarct", "lma", "twin"); the blocks of others, but for the demo, stay as they
    are.
    """

    def chosen(block: str) -> bool:
        words = [shlex.split(command)[1] for command in commands(block)]
        return only is None or any(word in (only, "demo") for word in words)

    with tempfile.TemporaryDirectory() as folder:
        return BLOCK.sub(
            lambda block: (
                "```console\n"
                + "\n".join(
                    f"{PROMPT}{command}\n{run(command, Path(folder))}" for command in commands(block[0])
                )
                + "```"
                if chosen(block[0])
                else block[0]
            ),
            text,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write what the commands of the tour print.")
    parser.add_argument(
        "--only", choices=("infarct", "lma", "twin"), help="run the commands of one group alone"
    )
    TOUR.write_text(
        updated(TOUR.read_text(encoding="utf-8"), parser.parse_args().only), encoding="utf-8", newline="\n"
    )
