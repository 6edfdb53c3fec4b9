"""Surfaces of a heart, made in the worker process: VTK is there, a scene is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.compute.progress import Progress
from cardiactwins.mrml.surface_files import Space, write_surfaces
from cardiactwins.mrml.twin_surfaces import HeartSurfaces, heart_surfaces
from cardiactwins.twin.interface_mesh import InterfaceMesh
from cardiactwins.twin.label_files import read_heart
from cardiactwins.twin.mesh_quality import MeshQuality, TissueMesh

__all__ = ["load_surfaces", "surfaces_job"]

MESH_FILE = "mesh.npz"


def surfaces_job(
    *,
    folder: Path,
    progress: Progress,
    heart: str = "heart.nrrd",
    edge_length: float | None = 2.0,
    directory: str | None = None,
    name: str = "Heart",
    space: Space = "LPS",
) -> dict[str, Any]:
    """Surfaces of all tissues of a heart (`write_heart`), as `load_surfaces` reads them.

    directory: where VTP, STL and the mesh quality report go as well, called `name`, in `space` coordinates.
    Returns "quality", "changed" and the "files" that were written. See `heart_surfaces`, `write_surfaces`.
    """
    labels, geometry = read_heart(folder / heart)
    found = heart_surfaces(labels, geometry, edge_length=edge_length, progress=progress)
    written = [] if directory is None else write_surfaces(found, directory, name, space=space)
    mesh = found.mesh
    np.savez(folder / MESH_FILE, points=mesh.points, triangles=mesh.triangles, sides=mesh.sides)
    return {
        "quality": found.quality.as_dict(),
        "changed": found.changed,
        "files": [str(path) for path in written],
    }


def load_surfaces(folder: Path, result: dict[str, Any]) -> HeartSurfaces:
    """The surfaces that `surfaces_job` made in a folder."""
    with np.load(folder / MESH_FILE, allow_pickle=False) as arrays:
        mesh = InterfaceMesh(arrays["points"], arrays["triangles"], arrays["sides"])
    values = {key: value for key, value in result["quality"].items() if key != "watertight"}
    tissues = {tissue: TissueMesh(**part) for tissue, part in values.pop("tissues").items()}
    return HeartSurfaces(mesh, MeshQuality(**values, tissues=tissues), result["changed"])
