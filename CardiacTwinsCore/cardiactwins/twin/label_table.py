"""The names of labels that a NIfTI file carries in its header, as TotalSegmentator writes them."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["nifti_label_names"]

HEADERS = {348: (b"n+1\0", 344, 108, "f"), 540: (b"n+2\0", 4, 168, "q")}
"""Size of a header -> the mark of a single file and its place, the place and type of the start of voxels."""
LONGEST_HEAD = 1 << 22
"""Headers are read up to this many bytes."""


def nifti_label_names(path: str | Path) -> dict[int, str]:
    """Label value -> name of a .nii or .nii.gz file; empty where the header has no table of labels.

    TotalSegmentator and Connectome Workbench keep a CaretExtension (XML) with a LabelTable among the
    header's extensions. ValueError when the table cannot be read; OSError when the file cannot.
    """
    path = Path(path)
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        head = file.read(LONGEST_HEAD)
    for text in _extensions(head):
        start = text.find(b"<CaretExtension")
        if start >= 0:
            return _names(text[start : text.rfind(b">") + 1], path)
    return {}


def _extensions(head: bytes) -> Iterator[bytes]:
    """Content of the extensions of a header: each starts with its size and its code."""
    for order in "<>":
        for size, (mark, mark_at, voxels_at, kind) in HEADERS.items():
            if len(head) < size + 4 or struct.unpack_from(f"{order}i", head)[0] != size:
                continue
            if head[mark_at : mark_at + 4] != mark or head[size] == 0:
                continue
            end = min(int(struct.unpack_from(f"{order}{kind}", head, voxels_at)[0]), len(head))
            at = size + 4
            while at + 8 <= end:
                length = struct.unpack_from(f"{order}i", head, at)[0]
                if length < 8:
                    break
                yield head[at + 8 : min(at + length, end)]
                at += length


def _names(text: bytes, path: Path) -> dict[int, str]:
    try:
        labels = ElementTree.fromstring(text).iter("Label")
        return {int(label.attrib["Key"]): (label.text or "").strip() for label in labels}
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise ValueError(
            f"The table of label names in the header of {path.name} is damaged ({error}). Export the file "
            "again, or say which label value is which tissue."
        ) from error
