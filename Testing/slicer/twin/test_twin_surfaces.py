"""Surfaces of whole hearts: watertight, shared borders, named patches, files with units and axes."""

import json

import numpy as np
import pytest
from scipy import ndimage
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkFeatureEdges, vtkMassProperties
from vtkmodules.vtkIOGeometry import vtkSTLReader
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.surface_files import write_surfaces
from cardiactwins.mrml.twin_models import new_surface_models
from cardiactwins.mrml.twin_surfaces import (
    OUTSIDE,
    heart_surfaces,
    patch_name,
    tissue_poly_data,
)
from cardiactwins.twin.label_resampling import resampled_labels


@pytest.fixture(scope="module")
def coarse_heart():
    """A phantom on 3 mm voxels, oblique as in a patient."""
    phantom = whole_heart_phantom(np.random.default_rng([3, 1]))
    fine = phantom.patient_geometry()
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, :3] *= 3 / 1.4
    geometry = ImageGeometry((60, 60, 60), matrix)
    return resampled_labels(phantom.labels, fine, geometry), geometry


@pytest.fixture(scope="module")
def surfaces(coarse_heart):
    return heart_surfaces(*coarse_heart, edge_length=4.0)


def vtk_open_edges(poly):
    """Boundary and non-manifold edges, counted by VTK."""
    edges = vtkFeatureEdges()
    edges.SetInputData(poly)
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.Update()
    return edges.GetOutput().GetNumberOfCells()


def vtk_volume_ml(poly):
    mass = vtkMassProperties()
    mass.SetInputData(poly)
    return mass.GetVolume() / 1000


def patches(poly):
    """Names of the patches of a surface in a file, and the name of each triangle's."""
    array = poly.GetFieldData().GetAbstractArray("PatchNames")
    names = np.array([array.GetValue(n) for n in range(array.GetNumberOfValues())])
    return set(names), names[vtk_to_numpy(poly.GetCellData().GetArray("Patch"))]


@pytest.mark.parametrize("tissue", Tissue)
def test_every_tissue_is_watertight_and_has_the_volume_of_its_voxels(coarse_heart, surfaces, tissue):
    labels, geometry = coarse_heart
    poly = tissue_poly_data(surfaces.mesh, tissue)
    assert vtk_open_edges(poly) == 0
    expected = np.count_nonzero(labels == tissue) * geometry.voxel_volume_ml
    assert vtk_volume_ml(poly) == pytest.approx(expected, rel=0.02)
    part = surfaces.quality.tissues[TISSUE_NAMES[tissue]]
    assert part.volume_ml == pytest.approx(vtk_volume_ml(poly), rel=1e-4)
    assert part.volume_ml == pytest.approx(part.label_volume_ml, rel=5e-3)


def test_the_surface_lies_where_the_voxels_are(coarse_heart, surfaces):
    labels, geometry = coarse_heart
    for tissue in (Tissue.LV, Tissue.RA):
        mask = labels == tissue
        border = geometry.kji_to_ras(np.argwhere(mask & ~ndimage.binary_erosion(mask)))
        points = surfaces.mesh.points[np.unique(surfaces.mesh.surface_of(tissue))]
        distance = np.linalg.norm(points[:, None] - border[None], axis=2).min(axis=1)
        assert np.percentile(distance, 99) < 3.5
        assert points.mean(axis=0) == pytest.approx(border.mean(axis=0), abs=1.5)


def test_tissues_share_their_common_borders(surfaces):
    mesh = surfaces.mesh
    both = np.sort(mesh.triangles[(np.sort(mesh.sides, axis=1) == (Tissue.MYO, Tissue.LV)).all(axis=1)])
    assert len(both) > 200
    for tissue in (Tissue.MYO, Tissue.LV):
        own = {tuple(row) for row in np.sort(mesh.surface_of(tissue)).tolist()}
        assert all(tuple(row) in own for row in both.tolist())


def test_the_mesh_quality_is_good(surfaces):
    quality = surfaces.quality
    assert quality.watertight
    assert quality.crossing == 0
    assert quality.edge_mean == pytest.approx(4.0, rel=0.12)
    assert quality.shape_mean > 0.9
    assert surfaces.changed < 0.01 * 60**3


def test_without_a_target_triangles_are_as_large_as_voxels(coarse_heart):
    found = heart_surfaces(*coarse_heart)
    assert found.quality.watertight
    assert found.quality.edge_mean == pytest.approx(2.8, rel=0.15)


def test_a_left_handed_grid_gives_the_same_surfaces(coarse_heart, surfaces):
    labels, geometry = coarse_heart
    mirrored = geometry.ijk_to_ras @ np.array(
        [[-1, 0, 0, 59], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float
    )
    found = heart_surfaces(labels[:, :, ::-1], ImageGeometry(labels.shape, mirrored), edge_length=4.0)
    assert found.quality.watertight
    for tissue in Tissue:
        assert found.mesh.volume_ml(tissue) > 0
        assert found.mesh.volume_ml(tissue) == pytest.approx(surfaces.mesh.volume_ml(tissue), rel=0.02)


def test_valves_are_patches_between_their_chambers(coarse_heart, surfaces):
    labels, geometry = coarse_heart
    mesh = surfaces.mesh
    for a, b, name in (
        (Tissue.LV, Tissue.LA, "mitral_valve"),
        (Tissue.RV, Tissue.RA, "tricuspid_valve"),
        (Tissue.LV, Tissue.AO, "aortic_valve"),
    ):
        assert patch_name(a, b) == patch_name(b, a) == name
        rows = (np.sort(mesh.sides, axis=1) == sorted((a, b))).all(axis=1)
        contact = ndimage.binary_dilation(labels == a) & (labels == b)
        center = geometry.kji_to_ras(np.argwhere(contact)).mean(axis=0)
        assert np.linalg.norm(mesh.points[mesh.triangles[rows]].mean(axis=(0, 1)) - center) < 4
    names = {patch_name(*sides) for sides in np.unique(np.sort(mesh.sides, axis=1), axis=0).tolist()}
    assert {"mitral_valve", "tricuspid_valve", "aortic_valve", "LV_endocardium", "epicardium"} <= names
    assert patch_name(Tissue.AO, OUTSIDE) in names


@pytest.mark.parametrize("space", ["LPS", "RAS"])
def test_files_state_units_and_axes_and_3d_slicer_reads_them_back(surfaces, tmp_path, space, scene):
    written = write_surfaces(surfaces, tmp_path, "heart", space=space)
    assert {path.name for path in written} == {
        "heart-heart.vtp",
        "heart-mesh.json",
        *(f"heart-{name}.{ending}" for name in TISSUE_NAMES.values() for ending in ("vtp", "stl")),
    }
    expected = surfaces.mesh.points[np.unique(surfaces.mesh.surface_of(Tissue.LV))]
    for ending in ("vtp", "stl"):
        node = slicer.util.loadModel(str(tmp_path / f"heart-LV.{ending}"))
        points = slicer.util.arrayFromModelPoints(node)
        assert points.min(axis=0) == pytest.approx(expected.min(axis=0), abs=1e-3)
        assert points.max(axis=0) == pytest.approx(expected.max(axis=0), abs=1e-3)
    report = json.loads((tmp_path / "heart-mesh.json").read_text())
    assert (report["units"], report["space"], report["watertight"]) == ("mm", space, True)
    assert report["patches"]["mitral_valve"]["between"] == ["LV", "LA"]


def test_vtp_files_hold_patches_and_closed_surfaces(surfaces, tmp_path):
    write_surfaces(surfaces, tmp_path, "a", space="RAS", formats=("vtp",))
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "a-LV.vtp"))
    reader.Update()
    poly = reader.GetOutput()
    assert vtk_open_edges(poly) == 0
    names, of_triangles = patches(poly)
    assert {"mitral_valve", "aortic_valve", "LV_endocardium"} <= names
    valve = of_triangles == "mitral_valve"
    triangles = vtk_to_numpy(poly.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    points = vtk_to_numpy(poly.GetPoints().GetData())
    a, b, c = (points[corner] for corner in triangles[valve].T)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 200
    report = json.loads((tmp_path / "a-mesh.json").read_text())
    assert area == pytest.approx(report["patches"]["mitral_valve"]["area_cm2"], rel=1e-3)
    assert poly.GetFieldData().GetAbstractArray("UNITS").GetValue(0) == "mm"


def test_stl_files_have_one_named_solid_a_patch(surfaces, tmp_path):
    write_surfaces(surfaces, tmp_path, "a", formats=("stl",))
    text = (tmp_path / "a-LV.stl").read_text()
    solids = [line.split() for line in text.splitlines() if line.startswith("solid")]
    assert all(words[2:] == ["SPACE=LPS", "UNITS=mm"] for words in solids)
    assert {"mitral_valve", "aortic_valve", "LV_endocardium"} <= {words[1] for words in solids}
    reader = vtkSTLReader()
    reader.SetFileName(str(tmp_path / "a-LV.stl"))
    reader.MergingOn()
    reader.Update()
    assert vtk_open_edges(reader.GetOutput()) == 0
    assert vtk_volume_ml(reader.GetOutput()) == pytest.approx(surfaces.mesh.volume_ml(Tissue.LV), rel=1e-3)


def test_models_are_named_and_coloured_like_segments(surfaces, scene):
    models = new_surface_models("Heart", surfaces)
    assert set(models) == set(Tissue)
    assert models[Tissue.LA].GetName() == "Heart: Left atrium"
    assert len({models[tissue].GetDisplayNode().GetColor() for tissue in Tissue}) == 6
    assert vtk_open_edges(models[Tissue.LA].GetPolyData()) == 0


def test_bad_input_is_told(coarse_heart, surfaces, tmp_path):
    labels, geometry = coarse_heart
    with pytest.raises(ValueError, match="empty"):
        heart_surfaces(np.zeros_like(labels), geometry)
    with pytest.raises(ValueError, match=r"0\.3 to 10 mm; found 50"):
        heart_surfaces(labels, geometry, edge_length=50)
    with pytest.raises(ValueError, match="LPS or RAS"):
        write_surfaces(surfaces, tmp_path, "a", space="XYZ")
    with pytest.raises(ValueError, match="vtp or stl; found obj"):
        write_surfaces(surfaces, tmp_path, "a", formats=("obj",))
