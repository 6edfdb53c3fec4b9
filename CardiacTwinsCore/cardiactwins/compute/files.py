"""Files that are whole or absent: nothing half-written is left by an error, a full disk or a kill."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "atomic_path",
    "check_writable",
    "file_name",
    "json_text",
    "write_json_atomic",
    "write_text_atomic",
]

DISK_IS_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary sibling of `path` to write to; it becomes `path` when the block ends without an error.

    The sibling keeps the whole ending of the name ('.seg.nrrd'), as writers choose their format by it.
    Missing folders are made. When the block raises, the sibling is removed and an older file stays as it was.
    Raises OSError with what to do when the disk is full, or when the folder cannot be made or written to;
    FileNotFoundError when the block wrote nothing.
    """
    target = Path(path)
    _make_directory(target.parent)
    temporary = target.with_name(f".{secrets.token_hex(6)}-{target.name}")
    try:
        yield temporary
        if not temporary.exists():
            raise FileNotFoundError(errno.ENOENT, "Nothing was written to", str(target))
        temporary.replace(target)
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise _disk_is_full(target.parent, f"{target.name} was not written") from error
        if error.filename is not None and Path(os.fsdecode(error.filename)) == temporary:
            raise type(error)(error.errno, f"Cannot write ({error.strerror})", str(target)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` as UTF-8, all of it or nothing; returns the path. Raises OSError as `atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def write_json_atomic(path: str | os.PathLike[str], value: Any) -> Path:
    """Write `value` as indented JSON (see `json_text`), all of it or nothing; returns the path."""
    return write_text_atomic(path, json_text(value, indent=2) + "\n")


def file_name(title: str) -> str:
    """A title without what names of files cannot have: letters, digits, - and _ alone."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in title).strip("-")
    return plain or "unnamed"


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as strict JSON: arrays, numpy scalars, dataclasses, paths, sets and tuples become plain values.

    Numbers that JSON does not know (NaN, infinities) become null. Raises TypeError for anything else unknown.
    """
    return json.dumps(_plain(value), indent=indent, allow_nan=False, ensure_ascii=False)


def check_writable(directory: str | os.PathLike[str], needed_bytes: int = 0) -> Path:
    """Make `directory` if it is missing and prove that a file can be written there; returns it.

    Call it before a long run. Raises NotADirectoryError or PermissionError (or another OSError) saying which
    folder cannot be used, and OSError(ENOSPC) when fewer than `needed_bytes` are free there.
    """
    directory = Path(directory)
    _make_directory(directory)
    try:
        with tempfile.TemporaryFile(dir=directory) as probe:
            probe.write(b"0")
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise _disk_is_full(directory, "nothing can be written") from error
        raise type(error)(
            error.errno,
            f"The output folder cannot be written to ({error.strerror}). Choose another",
            str(directory),
        ) from error
    if shutil.disk_usage(directory).free < needed_bytes:
        raise _disk_is_full(directory, f"{needed_bytes / 1e6:,.0f} MB are needed")
    return directory


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            errno.ENOTDIR,
            "The output folder cannot be made, a file stands in its way. Choose another",
            str(directory),
        ) from error
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise _disk_is_full(directory, "the folder cannot be made") from error
        raise type(error)(
            error.errno,
            f"The output folder cannot be made ({error.strerror}). Choose another",
            str(directory),
        ) from error


def _disk_is_full(directory: Path, consequence: str) -> OSError:
    existing = next(
        folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.is_dir()
    )
    free = shutil.disk_usage(existing).free / 1e6
    return OSError(
        errno.ENOSPC,
        f"The disk is full ({free:,.0f} MB free): {consequence}. Free some space or choose another folder",
        str(directory),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    raise TypeError(f"JSON cannot carry a {type(value).__name__}.")
