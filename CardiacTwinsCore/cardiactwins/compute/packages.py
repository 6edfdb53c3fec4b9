"""Whether required Python packages are there, new enough, and can be imported: found out in a child process.

`python -m cardiactwins.compute.packages check REQUIREMENTS.txt` imports them one by one; what fails, or
crashes Python, does so there. `python -m cardiactwins.compute.packages install ...` is pip, in a process
group of its own. Both first print a line of JSON with their process, so that a parent can end them.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import runpy
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cardiactwins.compute.environment import PACKAGES
from cardiactwins.compute.process_tree import lead_own_group

__all__ = [
    "PackageProblem",
    "child_process_id",
    "find_problem",
    "import_name",
    "problems_of_output",
    "read_requirements",
]

CODE = {".py", ".so", ".pyd", ".dll", ".dylib"}


@dataclass(frozen=True)
class PackageProblem:
    """Why a requirement is not met.

    requirement: the line of the file, such as "scikit-image>=0.24". name: of the distribution.
    kind: "absent"; "outdated" (another version is installed); "broken" (installed, but its import fails, as
        after an installation that was interrupted). detail: the installed version, or the error.
    """

    requirement: str
    name: str
    kind: Literal["absent", "outdated", "broken"]
    detail: str = ""


def read_requirements(path: str | os.PathLike[str]) -> list[str]:
    """The requirements of a file in pip's format, without comments and options. OSError if there is none."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    lines = [line.partition(" #")[0].strip() for line in lines]
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def find_problem(requirement: str) -> PackageProblem | None:
    """What keeps a requirement from being met in this process, where it is imported; None if nothing does.

    A requirement whose marker does not apply here is met.
    """
    parsed = _parsed(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate():
        return None
    try:
        version = importlib.metadata.version(parsed.name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version is None:
        return PackageProblem(requirement, parsed.name, "absent")
    if not parsed.specifier.contains(version, prereleases=True):
        return PackageProblem(requirement, parsed.name, "outdated", version)
    if missing := _missing_files(parsed.name):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        detail = f"files are missing: {missing[0]}{more}"
        return PackageProblem(requirement, parsed.name, "broken", detail)
    try:
        importlib.import_module(import_name(parsed.name))
    except Exception as error:
        lines = f"{type(error).__name__}: {error}".splitlines()
        return PackageProblem(requirement, parsed.name, "broken", lines[0])
    return None


def problems_of_output(output: str, return_code: int) -> list[PackageProblem]:
    """What a child process has found ("check") from all that it printed.

    A package in whose import it ended is broken. RuntimeError when the check itself did not work.
    """
    messages = list(_messages(output))
    problems = [PackageProblem(**message["problem"]) for message in messages if "problem" in message]
    if any("checked" in message for message in messages):
        return problems
    started = [message["importing"] for message in messages if "importing" in message]
    if not started:
        raise RuntimeError(f"The packages could not be checked (exit code {return_code}): {output[-2000:]}")
    if all(problem.requirement != started[-1] for problem in problems):
        detail = f"Python itself ended when it was imported (exit code {return_code})"
        problems.append(PackageProblem(started[-1], _parsed(started[-1]).name, "broken", detail))
    return problems


def child_process_id(output: str) -> int | None:
    """The process that does the work, from what was printed so far; a launcher may stand before it."""
    return next((message["process"] for message in _messages(output) if "process" in message), None)


def _parsed(requirement: str) -> Any:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        from pip._vendor.packaging.requirements import Requirement
    return Requirement(requirement)


def import_name(distribution: str) -> str:
    """The package that a distribution brings: scikit-image brings skimage."""
    if distribution.lower() in PACKAGES:
        return PACKAGES[distribution.lower()]
    text = importlib.metadata.distribution(distribution).read_text("top_level.txt") or ""
    return next((name for name in text.split() if not name.startswith("_")), distribution.replace("-", "_"))


def _missing_files(distribution: str) -> list[str]:
    """Files that the installation has listed and that are not there; packages that load lazily hide them."""
    files = importlib.metadata.files(distribution) or []
    code = [file for file in files if file.suffix in CODE and not {"..", "tests"}.intersection(file.parts)]
    return [file.as_posix() for file in code if not Path(file.locate()).exists()]


def _messages(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        if line.startswith('{"') and line.endswith("}"):
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main(arguments: list[str]) -> None:
    """Run the command `check FILE` or `install ...`."""
    lead_own_group()
    _say({"process": os.getpid()})
    command, *rest = arguments
    if command == "install":
        sys.argv = ["pip", *arguments]
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
        return
    for requirement in read_requirements(rest[0]):
        _say({"importing": requirement})
        if (problem := find_problem(requirement)) is not None:
            _say({"problem": asdict(problem)})
    _say({"checked": rest[0]})


if __name__ == "__main__":
    main(sys.argv[1:])
