"""The borders of a whole heart as triangle meshes with named patches.

Needs VTK alone, no scene: worker processes import it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.mrml.poly_data import poly_data, with_normals
from cardiactwins.twin.interface_mesh import InterfaceMesh
from cardiactwins.twin.mesh_quality import MeshQuality, mesh_quality
from cardiactwins.twin.meshable_labels import meshable_labels
from cardiactwins.twin.remeshing import remeshed
from cardiactwins.twin.untangling import untangled
from cardiactwins.twin.volume_match import with_volumes

__all__ = [
    "OUTSIDE",
    "PATCH",
    "VALVES",
    "HeartSurfaces",
    "heart_surfaces",
    "patch_name",
    "tissue_poly_data",
]

OUTSIDE = 7
"""Label of what lies beyond the image, so that cut tissues end in a patch of their own."""
PATCH = "Patch"
PATCH_NAMES = "PatchNames"
VALVES: Mapping[frozenset[int], str] = {
    frozenset({int(Tissue.LV), int(Tissue.LA)}): "mitral_valve",
    frozenset({int(Tissue.RV), int(Tissue.RA)}): "tricuspid_valve",
    frozenset({int(Tissue.LV), int(Tissue.AO)}): "aortic_valve",
}
"""Openings between cavities, by the labels that they part."""
WALLS: Mapping[frozenset[int], str] = {
    frozenset({int(Tissue.LV), int(Tissue.MYO)}): "LV_endocardium",
    frozenset({int(Tissue.RV), int(Tissue.MYO)}): "septum_RV_side",
    frozenset({0, int(Tissue.MYO)}): "epicardium",
}
ITERATIONS, CONSTRAINT = 8, 1.0
"""Smoothing rounds of surface nets, and how far points may leave their cell, in cells."""
SMALLEST_CONTACT_MM2 = 12.0


@dataclass(frozen=True, eq=False)
class HeartSurfaces:
    """Meshes of a whole heart in RAS mm.

    mesh: the borders of all tissues, each triangle once. quality: its report. changed: voxels that took
    another label, so that tissues have manifold borders and no contacts too small for the mesh.
    """

    mesh: InterfaceMesh
    quality: MeshQuality
    changed: int


def heart_surfaces(
    labels: ArrayLike,
    geometry: ImageGeometry,
    *,
    edge_length: float | None = None,
    keep_volumes: bool = True,
    progress: Progress = silent,
) -> HeartSurfaces:
    """Smooth surfaces of all tissues that share their common borders, watertight a tissue.

    Surface nets (Frisken 2022, vtkSurfaceNets3D) of all labels at once. labels: (k, j, i), values of Tissue.
    geometry: its grid. edge_length: target in mm of the remeshing (`remeshed`); None keeps the triangles of
    surface nets, about as large as voxels. keep_volumes: move borders by tenths of a mm so that every tissue
    has the volume of its voxels, which smoothing shrinks by a percent or two. ValueError for an empty map or
    an edge length that is not positive or coarser than chambers are wide.
    """
    array = tissue_labels(labels)
    if array.shape != geometry.shape:
        raise ValueError(f"The label map has shape {array.shape} (k, j, i), its grid {geometry.shape}.")
    if not array.any():
        raise ValueError("The label map is empty: there is nothing to draw surfaces around.")
    if edge_length is not None and not 0.3 <= edge_length <= 10:
        raise ValueError(f"The target edge length is 0.3 to 10 mm; found {edge_length} mm.")
    progress(0, 4, "Preparing the labels")
    face = np.cbrt(geometry.voxel_volume_ml * 1000) ** 2
    smallest = int(np.ceil(max(SMALLEST_CONTACT_MM2, 2 * (edge_length or 0) ** 2) / face))
    array, changed = meshable_labels(array, smallest)
    progress(1, 4, "Extracting surfaces")
    mesh = _surface_nets(array, geometry)
    counts = np.bincount(array.ravel(), minlength=OUTSIDE)
    volumes = {int(t): float(counts[t] * geometry.voxel_volume_ml) for t in Tissue if counts[t]}
    if edge_length is not None:
        progress(2, 4, "Remeshing")
        mesh = remeshed(mesh, edge_length)
    if keep_volumes:
        mesh = with_volumes(mesh, volumes)
    mesh = untangled(mesh)
    progress(3, 4, "Measuring the mesh")
    quality = mesh_quality(mesh, volumes)
    progress(4, 4, "Surfaces ready")
    return HeartSurfaces(mesh, quality, changed)


def patch_name(first: int, second: int, tissue: int | None = None) -> str:
    """Name of the border between two labels, such as 'mitral_valve' or 'RA_outer_wall'.

    Borders with the background are named for their tissue; `tissue` says whose surface a patch is seen from.
    """
    pair = frozenset({int(first), int(second)})
    if pair in VALVES:
        return VALVES[pair]
    if pair in WALLS:
        return WALLS[pair]
    names = [TISSUE_NAMES[Tissue(label)] for label in sorted(pair) if label in TISSUE_NAMES]
    if OUTSIDE in pair:
        return f"{names[0]}_end_at_image_border"
    if 0 in pair:
        return f"{names[0]}_outer_wall"
    if tissue is not None and TISSUE_NAMES[Tissue(tissue)] in names:
        names.sort(key=lambda name: name != TISSUE_NAMES[Tissue(tissue)])
    return f"{names[0]}_{names[1]}_border"


def tissue_poly_data(mesh: InterfaceMesh, tissue: Tissue) -> Any:
    """The closed surface of a tissue as vtkPolyData, normals pointing out.

    Cell array `PATCH`: the label on the other side of each triangle (0 background, 7 the image's border);
    field array `PATCH_NAMES`: name of each patch, by that label.
    """
    behind, before = (mesh.sides[:, side] == tissue for side in (0, 1))
    others = np.concatenate([mesh.sides[behind, 1], mesh.sides[before, 0]])
    kept, corners = np.unique(mesh.surface_of(tissue), return_inverse=True)
    poly = poly_data(mesh.points[kept], corners.reshape(-1, 3))
    patch = numpy_to_vtk(others.astype(np.uint8), deep=True)
    patch.SetName(PATCH)
    poly.GetCellData().AddArray(patch)
    names = vtkStringArray()
    names.SetName(PATCH_NAMES)
    for label in range(OUTSIDE + 1):
        names.InsertNextValue(patch_name(tissue, label, tissue) if label in others else "")
    poly.GetFieldData().AddArray(names)
    return with_normals(poly)


def _surface_nets(labels: NDArray[np.uint8], geometry: ImageGeometry) -> InterfaceMesh:
    padded = np.pad(labels, 1, constant_values=OUTSIDE)
    image = vtkImageData()
    image.SetDimensions(*padded.shape[::-1])
    image.SetSpacing(*geometry.spacing)
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    for number, label in enumerate(np.unique(padded[padded > 0])):
        nets.SetValue(number, int(label))
    nets.SetOutputMeshTypeToTriangles()
    nets.SmoothingOn()
    nets.SetNumberOfIterations(ITERATIONS)
    nets.SetConstraintScale(CONSTRAINT)
    nets.Update()
    output = nets.GetOutput()
    steps = vtk_to_numpy(output.GetPoints().GetData()).astype(float) / geometry.spacing - 1
    triangles = vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    sides = vtk_to_numpy(output.GetCellData().GetArray("BoundaryLabels")).astype(np.uint8)
    heart = ~np.isin(sides, (0, OUTSIDE)).all(axis=1)
    if geometry.is_left_handed:
        # A mapping that mirrors turns the normals inside out.
        triangles = triangles[:, ::-1]
    points = geometry.kji_to_ras(steps[:, ::-1])
    return InterfaceMesh(points, triangles[heart], sides[heart]).used()
