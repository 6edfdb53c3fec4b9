"""The Python packages that a module needs and the application does not bring: found missing, and installed.

PyTorch is never among them: it comes with the PyTorch extension.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

import slicer.util
from slicer.i18n import tr as _

from cardiactwins.compute.packages import (
    PackageProblem,
    import_name,
    problems_of_output,
    read_requirements,
)
from cardiactwins.compute.progress import Cancelled
from cardiactwins.panel.child_program import Outcome, run_program
from cardiactwins.panel.install_repair import broken_repair, permission_repair, repair

__all__ = ["ensure_requirements", "missing_requirements", "problem_text"]

NEVER_REPLACED = ("numpy", "scipy", "SimpleITK", "vtk", "torch", "itk")
"""What the application brings in versions that fit to it; pip must not put others in their place."""

PIP_OPTIONS = (
    "--only-binary=:all:",
    "--no-input",
    "--disable-pip-version-check",
    "--no-warn-script-location",
    "--progress-bar=off",
    "--retries=2",
)

_met: set[tuple[str, ...]] = set()
"""Requirements that were found complete in this session; they are not looked for again at every run."""


def missing_requirements(path: str | os.PathLike[str], title: str = "") -> tuple[PackageProblem, ...]:
    """What is absent, too old, or installed but broken, of the packages in a requirements file.

    They are imported in a child process, behind a dialog with the title, which takes a few seconds.
    Raises Cancelled when the user cancels that, RuntimeError when the check itself does not work, OSError
    when the file is not there.
    """
    requirements = tuple(read_requirements(path))
    arguments = ["-m", "cardiactwins.compute.packages", "check", str(path)]
    outcome = run_program(arguments, title or _("Check"), _("Checking the Python packages..."))
    if outcome.cancelled:
        raise Cancelled(_("The check of the Python packages was cancelled."))
    problems = tuple(problems_of_output(outcome.output, outcome.return_code))
    _met.discard(requirements)
    if not problems:
        _met.add(requirements)
    return problems


def ensure_requirements(path: str | os.PathLike[str], title: str) -> bool:
    """Whether the packages in a requirements file are there; what is not is installed if the user agrees.

    path: the module's Resources/requirements_<Module>.txt. title: of the module, for the dialogs. To be
    called when something is about to be computed, never on import. False when the user declines or cancels
    (nothing is changed by declining), and when it fails, after the user has been told why and how to repair
    it. Nothing is installed in the application's testing mode.
    """
    if tuple(read_requirements(path)) in _met:
        return True
    problems = _check(path, title)
    if not problems:
        return problems is not None
    if slicer.app.testingEnabled():
        logging.info("Testing mode: not installed: %s", ", ".join(p.requirement for p in problems))
        return False
    folder = sysconfig.get_path("purelib")
    requirements = [problem.requirement for problem in problems]
    if not _writable(folder):
        _tell(permission_repair(requirements, folder), title)
        return False
    if _other_installation():
        _tell(
            _("3D Slicer installs other packages just now. Wait until it has finished, then try again."),
            title,
        )
        return False
    if not slicer.util.confirmOkCancelDisplay(_question(problems, title), windowTitle=title):
        return False
    return _install(path, problems, title, folder)


def problem_text(problem: PackageProblem) -> str:
    """A requirement and what is wrong with it, on a line."""
    return {
        "absent": _("{requirement} (not installed)"),
        "outdated": _("{requirement} (version {detail} is installed)"),
        "broken": _("{requirement} (installed, but damaged: {detail})"),
    }[problem.kind].format(requirement=problem.requirement, detail=problem.detail)


def _question(problems: Sequence[PackageProblem], title: str) -> str:
    text = _(
        "{title} needs Python packages that 3D Slicer does not bring:\n\n{packages}\n\n"
        "They are downloaded from the Python package index (pypi.org) and installed into this 3D Slicer "
        "only, which takes about a minute. What 3D Slicer itself brings is not replaced.\n\n"
        "Cancel changes nothing; they can be installed later in the section 'Setup and diagnostics'."
    )
    lines = "\n".join(f"- {problem_text(problem)}" for problem in problems)
    return text.format(title=title, packages=lines)


def _install(
    path: str | os.PathLike[str], problems: Sequence[PackageProblem], title: str, folder: str
) -> bool:
    requirements = [problem.requirement for problem in problems]
    outcome = _run_pip(problems, title)
    if outcome.cancelled:
        return False
    if not outcome.succeeded:
        _tell(repair(outcome.output, requirements, folder), title, outcome.output)
        return False
    # What was installed must be seen by this process too.
    importlib.invalidate_caches()
    left = _check(path, title)
    if left:
        _tell(broken_repair(left), title, outcome.output)
    if left != ():
        return False
    replaced = [problem.name for problem in problems if problem.kind != "absent"]
    if any(import_name(name) in sys.modules for name in replaced):
        text = _("{packages} had been loaded before. Restart 3D Slicer before you go on.")
        slicer.util.infoDisplay(text.format(packages=", ".join(replaced)), windowTitle=title)
    return True


def _check(path: str | os.PathLike[str], title: str) -> tuple[PackageProblem, ...] | None:
    """As `missing_requirements`; None when there is no answer, of which the user knows then."""
    try:
        return missing_requirements(path, title)
    except Cancelled:
        return None
    except RuntimeError as error:
        _tell(str(error), title)
        return None


def _run_pip(problems: Sequence[PackageProblem], title: str) -> Outcome:
    """Replace what is broken, without its dependencies, then install everything that is missing."""
    broken = [problem.requirement for problem in problems if problem.kind == "broken"]
    everything = [problem.requirement for problem in problems]
    with tempfile.TemporaryDirectory(prefix="cardiactwins-") as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("\n".join(_constraints()) + "\n", encoding="utf-8")
        install = ["-m", "cardiactwins.compute.packages", "install", *PIP_OPTIONS, "-c", str(constraints)]
        text = _("Installing Python packages. Do not close 3D Slicer.")
        if broken:
            options = ["--force-reinstall", "--no-deps", "--no-cache-dir"]
            outcome = run_program([*install, *options, *broken], title, text)
            if not outcome.succeeded:
                return outcome
        return run_program([*install, *everything], title, text)


def _constraints() -> list[str]:
    lines = []
    for name in NEVER_REPLACED:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if version is not None:
            lines.append(f"{name}=={version}")
    return lines


def _other_installation() -> bool:
    """Whether the application itself runs pip; before 3D Slicer 5.11 it could not do so in the background."""
    try:
        from slicer.packaging import isPipInstallInProgress
    except ImportError:
        return False
    return isPipInstallInProgress()


def _writable(folder: str) -> bool:
    """Whether a file can be made there; asking for permissions does not tell on Windows."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _tell(text: str, title: str, output: str = "") -> None:
    """Show what is wrong; the details hold it again, to be copied, and what pip said."""
    logging.error("%s\n%s", text, output)
    details = "\n\n".join(filter(None, (text, output)))
    slicer.util.errorDisplay(text, windowTitle=title, detailedText=details)
