"""NIfTI files that are damaged or cut off, told apart as readers take what is missing for background."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

__all__ = ["DECOMPRESSION_ERRORS", "REMEDY", "check_nifti_file", "cut_off_error"]

DECOMPRESSION_ERRORS = (OSError, EOFError, zlib.error)
"""What unpacking a damaged file raises."""
REMEDY = "Copy or export it again."
CHUNK = 1 << 20
HEAD = 348
FIELDS = {348: (72, 40, "h", 108, "f"), 540: (14, 16, "q", 168, "q")}
"""Size of the header -> where it keeps the bits a voxel, the sizes (and their type), the start of the data
(and its type)."""


def check_nifti_file(path: str | Path) -> None:
    """Compare the voxels that a NIfTI-1 or NIfTI-2 header promises with the length of the file.

    ValueError with the file's name when it is damaged, cut off or has no such header; also when it cannot be
    read.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            head = file.read(HEAD)
            size = len(head)
            while chunk := file.read(CHUNK):
                size += len(chunk)
    except DECOMPRESSION_ERRORS as error:
        raise ValueError(f"{path.name} is damaged: {error}. {REMEDY}") from error
    for order in "<>":
        for version, (bits_at, dims_at, dims_type, offset_at, offset_type) in FIELDS.items():
            if len(head) == HEAD and struct.unpack_from(f"{order}i", head)[0] == version:
                bits = struct.unpack_from(f"{order}h", head, bits_at)[0]
                n_axes, *sizes = struct.unpack_from(f"{order}8{dims_type}", head, dims_at)
                offset = struct.unpack_from(f"{order}{offset_type}", head, offset_at)[0]
                promised = math.prod(max(length, 1) for length in sizes[:n_axes]) * bits // 8
                if size < offset + promised:
                    raise cut_off_error(path, promised, max(size - int(offset), 0))
                return
    raise ValueError(f"{path.name} is not a valid NIfTI file: bad header. {REMEDY}")


def cut_off_error(path: Path, promised: int, found: int) -> ValueError:
    """The error of a file with fewer bytes of voxels than its header promises."""
    return ValueError(
        f"{path.name} is cut off: its header promises {promised:,} bytes of voxels, "
        f"but only {found:,} bytes follow. {REMEDY}"
    )
