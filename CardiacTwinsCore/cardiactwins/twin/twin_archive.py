"""A twin in its file: the heart on the common grid, the patient's own map, and the way between them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import atomic_path, json_text
from cardiactwins.twin.twin_grid import Twin

__all__ = ["TWIN_ENDING", "read_twin", "write_twin"]

TWIN_ENDING = ".npz"
FORMAT = "cardiactwins twin 1"


def write_twin(path: str | Path, twin: Twin, **about: Any) -> Path:
    """Write a twin (.npz), whole or not at all; returns the path.

    Arrays: labels (128, 128, 128) on the common grid, heart_to_ras (4, 4) in mm, original (k, j, i) on the
    patient's grid and its ijk_to_ras (4, 4), values of Tissue; about: JSON with format, name, remarks, and
    what else is given. OSError as of `atomic_path`.
    """
    told = {"format": FORMAT, "name": twin.name, "remarks": twin.remarks, **about}
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            labels=twin.labels,
            heart_to_ras=twin.heart_to_ras,
            original=twin.original,
            ijk_to_ras=twin.original_geometry.ijk_to_ras,
            about=np.array(json_text(told)),
        )
    return Path(path)


def read_twin(path: str | Path) -> tuple[Twin, dict[str, Any]]:
    """The twin that was written, and what was told about it.

    FileNotFoundError without the file, ValueError when it holds no twin.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            if about["format"] != FORMAT:
                raise ValueError(f"it holds '{about['format']}', not '{FORMAT}'")
            original = archive["original"]
            twin = Twin(
                archive["labels"],
                archive["heart_to_ras"],
                original,
                ImageGeometry(original.shape, archive["ijk_to_ras"]),
                about["name"],
                tuple(about["remarks"]),
            )
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no twin ({error}). Make it with `cardiactwins twin import`, or give the segmentation."
        ) from error
    return twin, about
