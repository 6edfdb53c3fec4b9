"""Meshes of a heart in files for simulation: VTP and STL with named patches, and a report in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.compute.files import atomic_path
from cardiactwins.mrml.poly_data import poly_data
from cardiactwins.mrml.twin_surfaces import PATCH, HeartSurfaces, patch_name
from cardiactwins.twin.interface_mesh import InterfaceMesh

__all__ = ["Space", "write_surfaces"]

Space = Literal["LPS", "RAS"]
TO_LPS = np.array([-1.0, -1.0, 1.0])
PATCH_NAMES = "PatchNames"


def write_surfaces(
    surfaces: HeartSurfaces,
    directory: str | Path,
    name: str,
    *,
    space: Space = "LPS",
    formats: tuple[str, ...] = ("vtp", "stl"),
) -> list[Path]:
    """Write the meshes of a heart into a folder; the files' paths.

    NAME-heart.vtp holds all borders once, so that neighbours share points: cell arrays Behind and InFront
    (labels; normals point from the first to the second) and Patch (number into the field array PatchNames).
    NAME-LV.vtp and NAME-LV.stl, ... are closed surfaces of one tissue; the STL is text with one solid a
    patch, named mitral_valve, LV_endocardium and so on. Lengths are in mm. space: LPS or RAS, stated in the
    field arrays SPACE and UNITS of VTP files (3D Slicer reads them so), behind the name of every solid, and
    in NAME-mesh.json, the mesh quality report. ValueError for an unknown space or format.
    """
    if space not in ("LPS", "RAS"):
        raise ValueError(f"Meshes are written in LPS or RAS coordinates; found '{space}'.")
    unknown = sorted(set(formats) - {"vtp", "stl"})
    if unknown or not formats:
        raise ValueError(f"Meshes are written as vtp or stl; found {', '.join(unknown) or 'none'}.")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    mesh = surfaces.mesh
    if space == "LPS":
        # Turning two axes by half a circle keeps the normals outside.
        mesh = InterfaceMesh(mesh.points * TO_LPS, mesh.triangles, mesh.sides)
    written = []
    if "vtp" in formats:
        written.append(_write_vtp(_all_borders(mesh), directory / f"{name}-heart.vtp", space))
    for tissue in Tissue:
        if tissue not in mesh.labels:
            continue
        stem = f"{name}-{TISSUE_NAMES[tissue]}"
        if "vtp" in formats:
            written.append(_write_vtp(_tissue(mesh, tissue), directory / f"{stem}.vtp", space))
        if "stl" in formats:
            written.append(_write_stl(mesh, tissue, directory / f"{stem}.stl", space))
    report = {"units": "mm", "space": space, "patches": _patches(mesh), **surfaces.quality.as_dict()}
    with atomic_path(directory / f"{name}-mesh.json") as path:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return [*written, directory / f"{name}-mesh.json"]


def _all_borders(mesh: InterfaceMesh) -> Any:
    pairs, interface = mesh.interfaces()
    poly = poly_data(mesh.points, mesh.triangles)
    for title, values in (("Behind", mesh.sides[:, 0]), ("InFront", mesh.sides[:, 1]), (PATCH, interface)):
        array = numpy_to_vtk(np.ascontiguousarray(values.astype(np.int32)), deep=True)
        array.SetName(title)
        poly.GetCellData().AddArray(array)
    _add_texts(poly, PATCH_NAMES, [patch_name(*pair) for pair in pairs.tolist()])
    return poly


def _tissue(mesh: InterfaceMesh, tissue: Tissue) -> Any:
    triangles, others = _surface(mesh, tissue)
    kept, corners = np.unique(triangles, return_inverse=True)
    poly = poly_data(mesh.points[kept], corners.reshape(-1, 3))
    labels, patch = np.unique(others, return_inverse=True)
    array = numpy_to_vtk(patch.reshape(-1).astype(np.int32), deep=True)
    array.SetName(PATCH)
    poly.GetCellData().AddArray(array)
    _add_texts(poly, PATCH_NAMES, [patch_name(tissue, label, tissue) for label in labels.tolist()])
    return poly


def _surface(mesh: InterfaceMesh, tissue: Tissue) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Triangles of a tissue's surface and the labels on their other sides."""
    behind, before = (mesh.sides[:, side] == tissue for side in (0, 1))
    return mesh.surface_of(tissue), np.concatenate([mesh.sides[behind, 1], mesh.sides[before, 0]])


def _write_stl(mesh: InterfaceMesh, tissue: Tissue, path: Path, space: Space) -> Path:
    triangles, others = _surface(mesh, tissue)
    with atomic_path(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        for label in np.unique(others).tolist():
            corners = mesh.points[triangles[others == label]]
            normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
            patch = patch_name(tissue, label, tissue)
            file.write(f"solid {patch} SPACE={space} UNITS=mm\n")
            for row in np.hstack([normals, corners.reshape(-1, 9)]):
                file.write(FACET.format(*row))
            file.write(f"endsolid {patch}\n")
    return path


FACET = """facet normal {:.6g} {:.6g} {:.6g}
 outer loop
  vertex {:.6f} {:.6f} {:.6f}
  vertex {:.6f} {:.6f} {:.6f}
  vertex {:.6f} {:.6f} {:.6f}
 endloop
endfacet
"""


def _write_vtp(poly: Any, path: Path, space: Space) -> Path:
    _add_texts(poly, "SPACE", [space])
    _add_texts(poly, "UNITS", ["mm"])
    writer = vtkXMLPolyDataWriter()
    writer.SetInputData(poly)
    writer.SetDataModeToAppended()
    writer.SetCompressorTypeToZLib()
    with atomic_path(path) as unfinished:
        writer.SetFileName(str(unfinished))
        if not writer.Write():
            raise OSError(f"{path} could not be written. Check that the disk has room.")
    return path


def _patches(mesh: InterfaceMesh) -> dict[str, dict[str, Any]]:
    """Name of each border -> the labels on its sides, its triangles and area."""
    pairs, interface = mesh.interfaces()
    areas = np.linalg.norm(mesh.normals(), axis=1) / 200
    return {
        patch_name(*pair): {
            "between": [_label_name(label) for label in pair],
            "triangles": int(np.count_nonzero(interface == number)),
            "area_cm2": float(areas[interface == number].sum()),
        }
        for number, pair in enumerate(pairs.tolist())
    }


def _label_name(label: int) -> str:
    if label == 0:
        return "background"
    return TISSUE_NAMES[Tissue(label)] if label <= max(Tissue) else "outside the image"


def _add_texts(poly: Any, title: str, texts: list[str]) -> None:
    array = vtkStringArray()
    array.SetName(title)
    for text in texts:
        array.InsertNextValue(text)
    poly.GetFieldData().AddArray(array)
