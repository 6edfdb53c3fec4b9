"""Images whose files are damaged, told apart before 3D Slicer reads them.

A damaged .seg.nrrd ends the whole process when 3D Slicer loads it, and other damaged images load as if
nothing were wrong, with voxels missing.
"""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np
from vtkmodules.util.numpy_support import get_numpy_array_type

from cardiactwins.compute.nifti_files import DECOMPRESSION_ERRORS, REMEDY, check_nifti_file, cut_off_error
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.vtk_messages import vtk_errors

__all__ = ["check_image_file"]

GREATEST_COMPRESSION = 1100
"""Deflate shrinks data at most 1032 times."""

NRRD_FIELDS = frozenset(
    b"content,number,type,block size,blocksize,dimension,space,space dimension,sizes,spacings,thicknesses,"
    b"axis mins,axismins,axis maxs,axismaxs,space directions,centers,centerings,kinds,labels,units,"
    b"space units,space origin,measurement frame,min,max,old min,oldmin,old max,oldmax,endian,encoding,"
    b"line skip,lineskip,byte skip,byteskip,sample units,sampleunits,data file,datafile".split(b",")
)
LONGEST_FIELD = 1000


def check_image_file(path: str | Path) -> None:
    """Make sure that an image file is whole: its header, the amount of data, and its checksum.

    FileNotFoundError when there is no file; ValueError with the file's name and what is wrong. Formats other
    than NRRD
    and NIfTI are only checked for being there: 3D Slicer notices by itself when they are damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path.name} is empty. {REMEDY}")
    name = path.name.lower()
    if name.endswith((".nrrd", ".nhdr")):
        _check_nrrd(path)
    elif name.endswith((".nii", ".nii.gz")):
        check_nifti_file(path)


def _check_nrrd(path: Path) -> None:
    """Read header and data with the reader that reports errors instead of throwing them."""
    head, data, *_ = *re.split(rb"\r?\n\r?\n", path.read_bytes(), maxsplit=1), b""
    _check_header_lines(head, path)
    reader = slicer.vtkTeemNRRDReader()
    reader.SetFileName(str(path))
    with vtk_errors(reader) as errors:
        reader.UpdateInformation()
    if errors or not reader.CanReadFile(str(path)):
        raise ValueError(f"{path.name} is not a valid NRRD file: {_reason(errors) or 'bad header'}.")
    axes = slicer.util.arrayFromVTKMatrix(reader.GetRasToIjkMatrix())
    if not np.isfinite(axes).all() or abs(np.linalg.det(axes)) < 1e-12:
        raise ValueError(
            f"{path.name} is not a valid NRRD file: its space directions are zero or not finite."
        )
    sizes = re.search(rb"(?m)^sizes: *([\d ]+)", head)
    voxel_bytes = np.dtype(get_numpy_array_type(reader.GetDataScalarType())).itemsize
    promised = math.prod(int(size) for size in sizes.group(1).split()) * voxel_bytes
    attached = not re.search(rb"(?im)^data ?file:", head)
    if attached and promised > GREATEST_COMPRESSION * len(data):
        raise cut_off_error(path, promised, len(data))
    with vtk_errors(reader) as errors:
        reader.Update()
    if errors:
        raise ValueError(f"{path.name} is damaged: {_reason(errors)}. {REMEDY}")
    if attached and re.search(rb"(?im)^encoding: *(gz|gzip) *\r?$", head):
        _check_gzip(data, promised, path)


def _check_header_lines(head: bytes, path: Path) -> None:
    """ValueError when a line is no comment, field or key: on long ones the reader overruns its buffer."""
    first, *lines = re.split(rb"\r\n|\r|\n", head)
    if not first.startswith(b"NRRD"):
        raise ValueError(f"{path.name} is not a valid NRRD file: bad header. {REMEDY}")
    for number, line in enumerate(lines, start=2):
        name, colon, _ = line.partition(b":")
        is_field = name.strip().lower() in NRRD_FIELDS and len(line) <= LONGEST_FIELD
        is_key = line[len(name) :].startswith(b":=") and b": " not in name
        if line.strip() and not line.startswith(b"#") and not (colon and (is_field or is_key)):
            raise ValueError(
                f"{path.name} is not a valid NRRD file: line {number} of its header is damaged. {REMEDY}"
            )


def _check_gzip(data: bytes, promised: int, path: Path) -> None:
    try:
        size = len(gzip.decompress(data))
    except DECOMPRESSION_ERRORS as error:
        raise ValueError(f"{path.name} is damaged: {error}. {REMEDY}") from error
    if size != promised:
        raise ValueError(
            f"{path.name} is damaged: its header promises {promised:,} bytes of voxels, it holds {size:,}. "
            f"{REMEDY}"
        )


def _reason(errors: list[str]) -> str:
    """The innermost reason of the first error, which the reader puts last."""
    lines = [line.strip() for line in errors[0].splitlines() if line.strip()] if errors else []
    return re.sub(r"^\[\w+\] \w*: *", "", lines[-1]).rstrip(".!") if lines else ""
