"""Slices outlined by closed curves: the markups files of a folder, and the curves of a scene."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import curve_from_file, points_from_file
from cardiactwins.mrml.name_order import name_order

__all__ = ["curves_from_folder", "curves_of_scene"]

CURVE = "ClosedCurve"
POINTS = "Fiducial"
INSERTION = re.compile(r"insert|\brv", re.IGNORECASE)


@contextmanager
def curves_from_folder(folder: str | Path) -> Iterator[tuple[list[Any], NDArray[np.float64] | None]]:
    """Closed-curve nodes of the .mrk.json files of a folder, and the points (M, 3) RAS mm of its point lists.

    The curves are named as their files, in the order of these names, numbers by their size; their scenes end
    with the block. Of several point lists those count that are named as insertions, if there are such. Points
    are None where there is no point list. ValueError when there is no closed curve or a file cannot be read.
    """
    start()
    files = sorted(Path(folder).glob("*.mrk.json"), key=lambda path: name_order(path.name))
    kinds = {path: _kind(path) for path in files}
    curves = [path for path, kind in kinds.items() if kind == CURVE]
    if not curves:
        raise ValueError(
            f"The folder {folder} holds no closed curves of the Markups module (epi 1.mrk.json, ...)."
        )
    others = [path for path, kind in kinds.items() if kind == POINTS]
    named = [path for path in others if INSERTION.search(path.name)]
    lists = [points_from_file(path) for path in named or others]
    points = np.concatenate(lists) if lists else None
    with ExitStack() as opened:
        nodes = [opened.enter_context(curve_from_file(path)) for path in curves]
        yield nodes, points if points is not None and len(points) else None


def curves_of_scene() -> list[Any]:
    """The closed-curve nodes of the scene of this process, in the order of their names."""
    scene = start().scene
    count = scene.GetNumberOfNodesByClass("vtkMRMLMarkupsClosedCurveNode")
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLMarkupsClosedCurveNode") for index in range(count)]
    return sorted(nodes, key=lambda node: name_order(node.GetName()))


def _kind(path: Path) -> str:
    """Type of the first markups of a file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return str(content["markups"][0]["type"])
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is no markups file or is damaged ({error}).") from error
