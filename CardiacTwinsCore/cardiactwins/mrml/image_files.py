"""Segmentation, label-map and point files, checked before 3D Slicer reads them and read without touching the
scene.

A damaged .seg.nrrd ends the whole process when 3D Slicer loads it, and other damaged images load as if
nothing were wrong, with voxels missing.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import get_numpy_array_type

from cardiactwins.mrml.geometry import matrix_from_vtk
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.vtk_messages import vtk_errors, without_vtk_messages

__all__ = [
    "LABEL_MAP_ENDINGS",
    "SEGMENTATION_ENDINGS",
    "check_image_file",
    "labels_from_file",
    "points_from_file",
    "segmentation_from_file",
]

SEGMENTATION_ENDINGS = (".seg.nrrd", ".seg.nhdr")
LABEL_MAP_ENDINGS = (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")

GREATEST_COMPRESSION = 1100
"""Deflate shrinks data at most 1032 times."""
DECOMPRESSION_ERRORS = (OSError, EOFError, zlib.error)
REMEDY = "Copy or export it again."
CHUNK = 1 << 20
NIFTI_HEAD = 348
NIFTI_FIELDS = {348: (72, 40, "h", 108, "f"), 540: (14, 16, "q", 168, "q")}
"""Size of the header -> where it keeps the bits a voxel, the sizes (and their type), the start of the data
(and its type)."""


def check_image_file(path: str | Path) -> None:
    """Make sure that an image file is whole: its header, the amount of data, and the checksum of compressed
    data.

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
        _check_nifti(path)


@contextmanager
def segmentation_from_file(path: str | Path) -> Iterator[Any]:
    """The segmentation node of a .seg.nrrd file, in a scene of its own that lasts as long as the block.

    Raises as `check_image_file` does; ValueError when 3D Slicer cannot make a segmentation of it.
    """
    check_image_file(path)
    node = slicer.vtkMRMLSegmentationNode()
    with _read_in_own_scene(node, slicer.vtkMRMLSegmentationStorageNode(), Path(path)):
        yield node


@contextmanager
def labels_from_file(path: str | Path) -> Iterator[Any]:
    """The label-map volume node of an image file, in a scene of its own that lasts as long as the block.

    3D Slicer turns left-handed images into right-handed ones by mirroring an axis; voxels keep their place in
    RAS. Raises as `check_image_file` does; ValueError when 3D Slicer cannot read it as labels.
    """
    check_image_file(path)
    node = slicer.vtkMRMLLabelMapVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetSingleFile(True)
    with _read_in_own_scene(node, storage, Path(path)):
        yield node


def points_from_file(path: str | Path) -> NDArray[np.float64]:
    """RAS positions (M, 3) in mm of the points of a markups file (.mrk.json).

    FileNotFoundError when there is no file; ValueError when it holds no readable points.
    """
    node = slicer.vtkMRMLMarkupsFiducialNode()
    with _read_in_own_scene(node, slicer.vtkMRMLMarkupsJsonStorageNode(), Path(path)):
        return points_of_markups(node)


@contextmanager
def _read_in_own_scene(node: Any, storage: Any, path: Path) -> Iterator[None]:
    scene = slicer.vtkMRMLScene()
    node.SetName(path.name.split(".")[0])
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    with without_vtk_messages():
        succeeded = storage.ReadData(node)
    if not succeeded:
        raise ValueError(f"{path.name} cannot be read: 3D Slicer does not know its format, or it is damaged.")
    try:
        yield
    finally:
        scene.Clear(True)


def _check_nrrd(path: Path) -> None:
    """Read header and data with the reader that reports errors instead of throwing them."""
    reader = slicer.vtkTeemNRRDReader()
    reader.SetFileName(str(path))
    with vtk_errors(reader) as errors:
        reader.UpdateInformation()
    if errors or not reader.CanReadFile(str(path)):
        raise ValueError(f"{path.name} is not a valid NRRD file: {_reason(errors) or 'bad header'}.")
    axes = matrix_from_vtk(reader.GetRasToIjkMatrix())
    if not np.isfinite(axes).all() or abs(np.linalg.det(axes)) < 1e-12:
        raise ValueError(
            f"{path.name} is not a valid NRRD file: its space directions are zero or not finite."
        )
    head, data, *_ = *re.split(rb"\r?\n\r?\n", path.read_bytes(), maxsplit=1), b""
    sizes = re.search(rb"(?m)^sizes: *([\d ]+)", head)
    voxel_bytes = np.dtype(get_numpy_array_type(reader.GetDataScalarType())).itemsize
    promised = math.prod(int(size) for size in sizes.group(1).split()) * voxel_bytes
    attached = not re.search(rb"(?im)^data ?file:", head)
    if attached and promised > GREATEST_COMPRESSION * len(data):
        _raise_cut_off(path, promised, len(data))
    with vtk_errors(reader) as errors:
        reader.Update()
    if errors:
        raise ValueError(f"{path.name} is damaged: {_reason(errors)}. {REMEDY}")
    if attached and re.search(rb"(?im)^encoding: *(gz|gzip) *\r?$", head):
        _check_gzip(data, promised, path)


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


def _check_nifti(path: Path) -> None:
    """Compare the voxels that a NIfTI-1 or NIfTI-2 header promises with the length of the file."""
    try:
        with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            head = file.read(NIFTI_HEAD)
            size = len(head)
            while chunk := file.read(CHUNK):
                size += len(chunk)
    except DECOMPRESSION_ERRORS as error:
        raise ValueError(f"{path.name} is damaged: {error}. {REMEDY}") from error
    for order in "<>":
        for version, (bits_at, dims_at, dims_type, offset_at, offset_type) in NIFTI_FIELDS.items():
            if len(head) == NIFTI_HEAD and struct.unpack_from(f"{order}i", head)[0] == version:
                bits = struct.unpack_from(f"{order}h", head, bits_at)[0]
                n_axes, *sizes = struct.unpack_from(f"{order}8{dims_type}", head, dims_at)
                offset = struct.unpack_from(f"{order}{offset_type}", head, offset_at)[0]
                promised = math.prod(max(length, 1) for length in sizes[:n_axes]) * bits // 8
                if size < offset + promised:
                    _raise_cut_off(path, promised, max(size - int(offset), 0))
                return
    raise ValueError(f"{path.name} is not a valid NIfTI file: bad header. {REMEDY}")


def _raise_cut_off(path: Path, promised: int, found: int) -> None:
    raise ValueError(
        f"{path.name} is cut off: its header promises {promised:,} bytes of voxels, "
        f"but only {found:,} bytes follow. {REMEDY}"
    )


def _reason(errors: list[str]) -> str:
    """The innermost reason of the first error, which the reader puts last."""
    lines = [line.strip() for line in errors[0].splitlines() if line.strip()] if errors else []
    return re.sub(r"^\[\w+\] \w*: *", "", lines[-1]).rstrip(".!") if lines else ""
