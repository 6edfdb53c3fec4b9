"""Outlines and reconstructions as files, for the jobs that work on them in another process."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.files import atomic_path, json_text
from cardiactwins.lma.heart_reconstruction import (
    HeartReconstruction,
    SliceAgreement,
    SliceOutlines,
    WallSurface,
)
from cardiactwins.lma.shape_volume import ShapeVolume

__all__ = ["load_outlines", "load_reconstruction", "save_outlines", "save_reconstruction"]

OUTLINES_FORMAT = "cardiactwins slice outlines 2"
RECONSTRUCTION_FORMAT = "cardiactwins heart reconstruction 1"


def save_outlines(outlines: SliceOutlines, voxel: float, path: str | Path) -> Path:
    """Write outlines on the normalised grid and the edge of its voxels (mm) as .npz; whole or not at all."""
    arrays = {name: getattr(outlines, name) for name in ("positions", "cavity", "myocardium")}
    if outlines.points is not None:
        arrays |= {"points": outlines.points, "values": outlines.values}
    return _write(path, OUTLINES_FORMAT, {"voxel": float(voxel), "apex": outlines.apex}, arrays)


def load_outlines(path: str | Path) -> tuple[SliceOutlines, float]:
    """Outlines and voxel edge in mm. ValueError when the file is something else or damaged."""
    description, arrays = _read(path, OUTLINES_FORMAT)
    return SliceOutlines(**arrays, apex=description["apex"]), description["voxel"]


def save_reconstruction(found: HeartReconstruction, path: str | Path) -> Path:
    """Write a reconstruction as .npz; whole or not at all."""
    arrays = {
        "cavity": found.volume.cavity,
        "myocardium": found.volume.myocardium,
        "points": found.surface.points,
        "triangles": found.surface.triangles,
        "layer": found.surface.layer,
    }
    if found.deviation is not None:
        arrays["deviation"] = found.deviation
    description = {
        "voxel": found.volume.voxel,
        "method": found.method,
        "agreement": [asdict(slice_) for slice_ in found.agreement],
        "values": dict(found.values),
    }
    return _write(path, RECONSTRUCTION_FORMAT, description, arrays)


def load_reconstruction(path: str | Path) -> HeartReconstruction:
    """Read what `save_reconstruction` wrote. ValueError when the file is something else or damaged."""
    description, arrays = _read(path, RECONSTRUCTION_FORMAT)
    return HeartReconstruction(
        ShapeVolume(arrays["cavity"], arrays["myocardium"], description["voxel"]),
        WallSurface(arrays["points"], arrays["triangles"], arrays["layer"]),
        arrays.get("deviation"),
        tuple(
            # JSON has no infinity: a distance that is none comes back so.
            SliceAgreement(**{**slice_, "distance": _number(slice_["distance"])})
            for slice_ in description["agreement"]
        ),
        description["method"],
        description["values"],
    )


def _number(value: float | None) -> float:
    return float("inf") if value is None else value


def _write(
    path: str | Path, form: str, description: Mapping[str, Any], arrays: Mapping[str, NDArray]
) -> Path:
    text = json_text({"format": form, **description})
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, description=np.array(text), **arrays)
    return Path(path)


def _read(path: str | Path, form: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description = json.loads(str(arrays.pop("description")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read ({error}).") from error
    if description.get("format") != form:
        raise ValueError(f"{path} holds '{description.get('format')}', not '{form}'.")
    return description, arrays
