"""Nodes and scenes to files that are whole or absent.

3D Slicer's writers can report success on a full disk and leave half a file: what they wrote is checked before
it takes its place.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cardiactwins.compute.files import atomic_path, check_writable
from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.headless_io import can_write
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.vtk_messages import without_vtk_messages

__all__ = ["save_node", "save_scene"]

NEARLY_FULL = 1 << 20
"""Bytes: a writer that failed with less room than this failed for want of it."""


def save_node(node: Any, path: str | Path) -> Path:
    """Write a node to a file (.seg.nrrd, .nrrd, .nii.gz, .mrk.json, .seq.mrb, ...) and return the path.

    The format follows the ending. The node keeps the file that it has in the scene, and need not be in a
    scene. Missing folders are made. ValueError when the node has no such format; OSError when the file cannot
    be written, and then nothing is left of it and an older file stays as it was.
    """
    path = Path(path)
    class_name = node.GetDefaultStorageNodeClassName(str(path))
    storage = getattr(slicer, class_name)() if class_name else None
    if storage is None or not can_write(storage, str(path)):
        raise ValueError(
            f"'{node.GetName()}' cannot be saved as {path.name}: no format of its kind has this ending."
        )

    def write(draft: Path) -> bool:
        storage.SetFileName(str(draft))
        return bool(storage.WriteData(node))

    with _in_scene_of(node, storage):
        _save(path, write, storage.GetUserMessages())
    return path


def save_scene(path: str | Path) -> Path:
    """Write the whole scene, data included, to a .mrb file and return the path.

    ValueError when the ending is another; OSError as of `save_node`.
    """
    path = Path(path)
    if path.suffix.lower() != ".mrb":
        raise ValueError(f"A scene with its data is a .mrb file; found {path.name}.")
    messages = slicer.vtkMRMLMessageCollection()
    _save(path, lambda draft: bool(start().scene.WriteToMRB(str(draft), None, messages)), messages)
    return path


@contextmanager
def _in_scene_of(node: Any, storage: Any) -> Iterator[None]:
    """Put a storage node into the node's scene for a while; that of sequences needs it to write."""
    scene = node.GetScene()
    if scene is None:
        yield
        return
    scene.AddNode(storage)
    try:
        yield
    finally:
        scene.RemoveNode(storage)


def _save(path: Path, write: Callable[[Path], bool], messages: Any) -> None:
    """Let `write` make a draft in a folder beside `path`, check it, and put it in its place."""
    check_writable(path.parent)
    # The writer of bundles takes absolute paths only.
    path = path.absolute()
    with (
        atomic_path(path) as temporary,
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".", ignore_cleanup_errors=True) as folder,
    ):
        draft = Path(folder, path.name)
        with without_vtk_messages():
            written = write(draft)
        if not written:
            raise _failure(path, messages.GetAllMessagesAsString())
        try:
            _check(draft)
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise _failure(path, str(error)) from error
        draft.replace(temporary)


def _check(draft: Path) -> None:
    """ValueError, OSError or BadZipFile when a file that was just written is not whole."""
    if draft.suffix == ".mrb":
        with zipfile.ZipFile(draft) as bundle:
            damaged = bundle.testzip()
        if damaged:
            raise ValueError(f"{damaged} in it is damaged.")
    elif draft.suffix == ".json":
        json.loads(draft.read_text(encoding="utf-8"))
    else:
        check_image_file(draft)


def _failure(path: Path, reason: str) -> OSError:
    if shutil.disk_usage(path.parent).free < NEARLY_FULL:
        return OSError(errno.ENOSPC, "The disk is full", str(path))
    lines = [line.strip("- ") for line in reason.splitlines() if line.strip()]
    return OSError(
        errno.EIO, f"3D Slicer could not write it ({lines[-1] if lines else 'no reason given'})", str(path)
    )
