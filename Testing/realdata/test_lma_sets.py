"""Real hearts as volumes on the normalised grid: sizes, surfaces, directions, and who is in which set."""

import runpy
import sys
from math import ceil
from pathlib import Path

import numpy as np
import pytest
from skimage.measure import marching_cubes

from cardiactwins.lma.agreement import is_sound
from cardiactwins.lma.shape_volume import BASE, LENGTH
from cardiactwins.lma.sparse_slices import cut_slices

pytest.importorskip("vtkmodules")
BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"
MESA = Path(__file__).resolve().parents[2].parent / "shared/data/mesa-lv-shapes/mesa_lv_pca.npz"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not MESA.is_file(), reason=f"The MESA shapes are not at {MESA}"),
]


@pytest.fixture(scope="module")
def sets():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return runpy.run_path(str(BENCHMARKS / "lma_sets.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def mesh_distance():
    return runpy.run_path(str(BENCHMARKS / "mesh_volumes.py"))["surface_distance"]


@pytest.fixture(scope="module")
def model():
    with np.load(MESA) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def hearts(sets, model):
    """(meshes of endo- and epicardium, frame, volume) of three people at both phases."""
    people = sets["mesa_people"](model)["test"][:3]
    return [
        (sets["mesa_meshes"](model, person, phase), sets["mesa_case"](model, person, phase))
        for person in people
        for phase in ("ED", "ES")
    ]


def below_base_ml(mesh, frame):
    """Volume of a closed surface below the base plane by VTK's clipping and surface integral."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPlane, vtkPlaneCollection, vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkPolyDataNormals, vtkTriangleFilter
    from vtkmodules.vtkFiltersGeneral import vtkClipClosedSurface

    points, triangles = mesh
    surface, places, cells = vtkPolyData(), vtkPoints(), vtkCellArray()
    places.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))
    for triangle in triangles:
        cells.InsertNextCell(3, [int(t) for t in triangle])
    surface.SetPoints(places)
    surface.SetPolys(cells)
    clean = vtkCleanPolyData()
    clean.SetInputData(surface)
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(clean.GetOutputPort())
    normals.ConsistencyOn()
    normals.AutoOrientNormalsOn()
    normals.SplittingOff()
    plane, planes = vtkPlane(), vtkPlaneCollection()
    plane.SetOrigin(*frame.base)
    plane.SetNormal(*frame.axes[0])
    planes.AddItem(plane)
    clip = vtkClipClosedSurface()
    clip.SetInputConnection(normals.GetOutputPort())
    clip.SetClippingPlanes(planes)
    to_triangles = vtkTriangleFilter()
    to_triangles.SetInputConnection(clip.GetOutputPort())
    to_triangles.Update()
    closed = to_triangles.GetOutput()
    corners = np.array([closed.GetPoint(n) for n in range(closed.GetNumberOfPoints())])
    faces = np.array(
        [[closed.GetCell(c).GetPointId(n) for n in range(3)] for c in range(closed.GetNumberOfCells())]
    )
    a, b, c = corners[faces[:, 0]], corners[faces[:, 1]], corners[faces[:, 2]]
    return abs(float(np.einsum("ij,ij->", a, np.cross(b, c)))) / 6000


def test_volumes_of_cavity_and_wall_are_those_of_the_meshes(hearts):
    for (inner, outer, frame), volume in hearts:
        cavity, whole = below_base_ml(inner, frame), below_base_ml(outer, frame)
        assert volume.cavity_ml == pytest.approx(cavity, rel=0.02)
        assert volume.wall_ml == pytest.approx(whole - cavity, rel=0.02)


def test_the_surface_of_a_volume_lies_on_its_mesh(hearts, mesh_distance):
    for (inner, outer, frame), volume in hearts:
        for mesh, share in ((inner, volume.cavity), (outer, volume.cavity + volume.myocardium)):
            found = marching_cubes(share, 0.5)[0]
            found = found[found[:, 0] > BASE + 1]
            distance = np.abs(mesh_distance(frame.to_grid(mesh[0]), mesh[1], found[::7]))
            assert distance.mean() < 0.1
            assert np.quantile(distance, 0.99) < 0.5


def test_base_and_apex_lie_where_the_grid_has_them(hearts):
    for (_, outer, frame), volume in hearts:
        k = frame.to_grid(outer[0])[:, 0]
        assert k.max() == pytest.approx(BASE + LENGTH, abs=1e-6)
        assert not volume.myocardium[: ceil(BASE)].any()
        assert volume.myocardium[int(BASE + LENGTH)].any()


def test_slices_within_a_tenth_of_the_ends_hold_whole_rings(hearts):
    for _, volume in hearts:
        cut_slices(volume, 10)
        assert is_sound(volume.mask)


def test_axes_are_right_handed_as_in_the_phantoms_and_lateral_is_away_from_the_right_ventricle(hearts):
    for (_, _, frame), _ in hearts:
        k, j, i = frame.axes
        assert np.allclose(np.cross(i, j), k)
        assert i[1] < -0.9, "the model's y axis points to the right ventricle"


def test_people_are_split_once_and_each_into_one_set(sets, model):
    people = sets["mesa_people"](model)
    assert [len(people[part]) for part in ("train", "validate", "test")] == [150, 33, 32]
    assert len(np.unique(np.concatenate(list(people.values())))) == 215
    assert all((sets["mesa_people"](model)[part] == rows).all() for part, rows in people.items())


def test_stored_sets_come_back(sets, hearts, tmp_path):
    volumes = [volume for _, volume in hearts[:2]]
    sets["save_volumes"]({"train": volumes}, tmp_path / "sets.npz")
    found = sets["load_volumes"](tmp_path / "sets.npz", "train")
    for before, after in zip(volumes, found, strict=True):
        assert np.allclose(before.myocardium, after.myocardium, atol=1e-3)
        assert np.allclose(before.cavity, after.cavity, atol=1e-3)
        assert before.voxel == after.voxel


@pytest.fixture(scope="module")
def real():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return runpy.run_path(str(BENCHMARKS / "real_hearts.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_walls_of_the_late_activation_group_fill_the_grid_from_base_to_apex(real):
    volumes = real["myocardium_64"]()
    assert len(volumes) == 5
    for volume in volumes.values():
        shown = np.flatnonzero(volume.mask.any(axis=(1, 2)))
        assert shown[0] == ceil(BASE)
        assert abs(shown[-1] - (BASE + LENGTH)) <= 1
        assert (volume.cavity + volume.myocardium).max() <= 1 + 1e-6
        assert 0.4 < volume.cavity.sum() / volume.myocardium.sum() < 1.5
        cut_slices(volume, 10)


def test_a_turned_and_scaled_cup_comes_back_upright(real):
    """A cup whose apex points as in the chest; the apex is one voxel, a few degrees to the side perhaps."""
    axis = np.array([0.6, -0.5, -0.6])
    axis /= np.linalg.norm(axis)
    k, j, i = np.indices((64, 64, 64), dtype=float)
    offset = np.stack([i, j, k], axis=-1) - 31.5 - 12 * -axis
    along = offset @ axis
    across = np.sqrt((offset**2).sum(axis=-1) - along**2)
    level = [np.sqrt((across / r) ** 2 + (along / h) ** 2) for r, h in ((12, 33), (18, 40))]
    wall = ((level[0] > 1) & (level[1] < 1) & (along > -6)).astype(float)
    frame = real["myocardium_frame"](wall)
    assert np.degrees(np.arccos(frame.axes[0] @ axis)) < 4
    assert frame.voxel * LENGTH == pytest.approx(46, abs=2)


def test_outlines_of_the_bivme_patient_lie_at_whole_slices_and_hold_their_contours(real):
    found = real["bivme_slices"]()
    assert len(found.slices) == 5
    assert found.voxel * LENGTH == pytest.approx(94, abs=4)
    for cavity, wall, (inner, outer) in zip(
        found.slices.cavity, found.slices.myocardium, found.contours, strict=True
    ):
        assert cavity.sum() == pytest.approx(polygon_area(inner), rel=0.02)
        assert (cavity + wall).sum() == pytest.approx(polygon_area(outer), rel=0.02)


def polygon_area(points):
    j, i = points.T
    return abs(float(j @ np.roll(i, -1) - i @ np.roll(j, -1))) / 2
