"""Folders of siblings in a patient's grid, with which runs go on only where they belong."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import json_text, write_json_atomic
from cardiactwins.twin.twin_grid import Twin, twin_geometry

__all__ = ["claim_meshes", "claim_patient"]

PATIENT, MESHES = "patient.json", "meshes.json"
PLACE_TOLERANCE_MM = 0.01
"""Between corners of grids: other processors and numbers of threads round a pose otherwise."""


def claim_patient(directory: Path, twin: Twin) -> Path:
    """Make a folder for siblings of a twin in its patient, or go on with one; returns it.

    Its patient.json holds the patient's grid and where the heart lies in it. ValueError when that of another
    patient, grid or import is there: of another shape, or further than `PLACE_TOLERANCE_MM` away.
    """
    geometry = twin.original_geometry
    values = {"shape": geometry.shape, "ijk_to_ras": geometry.ijk_to_ras, "heart_to_ras": twin.heart_to_ras}
    what = "siblings in another grid, or of another import of the heart"
    _claim(directory / PATIENT, values, what, _same_place)
    return directory


def claim_meshes(directory: Path, edge_length: float, space: str) -> Path:
    """The same for meshes with edges of so many mm in RAS or LPS coordinates."""
    _claim(directory / MESHES, {"edge_length": edge_length, "space": space}, "meshes of other settings")
    return directory


def _same_place(found: Any, wanted: dict[str, Any]) -> bool:
    """Whether two grids, and two hearts in them, lie at one place."""
    try:
        grids = [ImageGeometry(tuple(one["shape"]), one["ijk_to_ras"]) for one in (found, wanted)]
        hearts = [twin_geometry(one["heart_to_ras"]) for one in (found, wanted)]
    except (KeyError, TypeError, ValueError):
        return False
    return all(one.matches(other, PLACE_TOLERANCE_MM) for one, other in (grids, hearts))


def _claim(
    file: Path, values: dict[str, Any], what: str, same: Callable[[Any, Any], bool] = operator.eq
) -> None:
    wanted = json.loads(json_text(values))
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(file, wanted)
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read ({error}). Choose another folder.") from error
    if not same(found, wanted):
        raise ValueError(f"{file.parent} holds {what}. Choose another folder.")
