"""Which Python files stand for those of the application: our own, or Slicer's from a checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import slicer

__all__ = ["SOURCE_VARIABLE", "add_slicer_python", "slicer_source"]

SOURCE_VARIABLE = "CARDIACTWINS_SLICER_SOURCE"
STAND_INS = Path(__file__).parent / "stand_ins"


def slicer_source() -> Path | None:
    """Folder Base/Python/slicer of the checkout that the environment names; None when it names none.

    Raises FileNotFoundError when there is none in it.
    """
    named = os.environ.get(SOURCE_VARIABLE)
    if not named:
        return None
    folder = Path(named).resolve() / "Base" / "Python" / "slicer"
    if not (folder / "ScriptedLoadableModule.py").is_file():
        raise FileNotFoundError(
            f"{SOURCE_VARIABLE} is {named}, but {folder} has no ScriptedLoadableModule.py. "
            "Name the root of a checkout of https://github.com/Slicer/Slicer, or unset the variable."
        )
    return folder


def add_slicer_python() -> None:
    """Let `import slicer.ScriptedLoadableModule` and its neighbours find one set of files or the other."""
    source = slicer_source()
    folder = source or STAND_INS / "slicer"
    if str(folder) not in slicer.__path__:
        slicer.__path__.append(str(folder))
    sample_data = STAND_INS if source is None else source.parents[2] / "Modules" / "Scripted" / "SampleData"
    for modules in (sample_data, STAND_INS):  # modules of the application that others import
        if str(modules) not in sys.path:
            sys.path.append(str(modules))
