"""A case of TwinEditor as one file: its twin, and how the segments of its source are called and shown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_segmentation import SegmentStyle
from cardiactwins.twin.tissue_names import tissue_of_key
from cardiactwins.twin.twin_archive import TWIN_ENDING, read_twin, write_twin

__all__ = ["TWIN_ENDING", "read_case", "write_case"]


def write_case(path: str | Path, case: TwinCase) -> Path:
    """Write the twin of a case (.npz), without its edits, whole or not at all; returns the path.

    As of `write_twin`, with the names, colours and terminology of the segments. OSError as of `atomic_path`.
    """
    styles = {TISSUE_NAMES[tissue]: asdict(style) for tissue, style in case.styles.items()}
    return write_twin(path, case.twin, styles=styles)


def read_case(path: str | Path) -> TwinCase:
    """The case that was written. FileNotFoundError without the file, ValueError when it holds no twin."""
    twin, about = read_twin(path)
    try:
        styles = {
            tissue_of_key(name): SegmentStyle(style["name"], tuple(style["color"]), style["terminology"])
            for name, style in about["styles"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is no twin ({error}). Make it with `cardiactwins twin import`, or give the segmentation."
        ) from error
    return TwinCase(twin, styles)
