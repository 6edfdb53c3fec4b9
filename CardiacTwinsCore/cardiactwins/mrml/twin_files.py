"""A twin as one file: the heart on the common grid, the patient's own map, and the way between them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.compute.files import atomic_path, json_text
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_segmentation import SegmentStyle
from cardiactwins.twin.tissue_names import tissue_of_key
from cardiactwins.twin.twin_grid import Twin

__all__ = ["TWIN_ENDING", "read_case", "write_case"]

TWIN_ENDING = ".npz"
FORMAT = "cardiactwins twin 1"


def write_case(path: str | Path, case: TwinCase) -> Path:
    """Write the twin of a case (.npz), without its edits, whole or not at all; returns the path.

    Arrays: labels (128, 128, 128) on the common grid, heart_to_ras (4, 4) in mm, original (k, j, i) on the
    patient's grid and its ijk_to_ras (4, 4), values of Tissue; about: JSON with name, remarks and the names,
    colours and terminology of the segments. OSError as of `atomic_path`.
    """
    twin = case.twin
    about = {
        "format": FORMAT,
        "name": twin.name,
        "remarks": twin.remarks,
        "styles": {TISSUE_NAMES[tissue]: asdict(style) for tissue, style in case.styles.items()},
    }
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            labels=twin.labels,
            heart_to_ras=twin.heart_to_ras,
            original=twin.original,
            ijk_to_ras=twin.original_geometry.ijk_to_ras,
            about=np.array(json_text(about)),
        )
    return Path(path)


def read_case(path: str | Path) -> TwinCase:
    """The case that was written. FileNotFoundError without the file, ValueError when it holds no twin."""
    path = Path(path)
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
        styles = {
            tissue_of_key(name): SegmentStyle(style["name"], tuple(style["color"]), style["terminology"])
            for name, style in about["styles"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no twin ({error}). Make it with `cardiactwins twin import`, or give the segmentation."
        ) from error
    return TwinCase(twin, styles)
