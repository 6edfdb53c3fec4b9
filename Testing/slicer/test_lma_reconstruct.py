"""LMAReconstruct from segmentation nodes, curves and DENSE sequences to maps and regions, headless."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import shift as moved
from scipy.spatial.transform import Rotation
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkMassProperties

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.strain_phantom import simulate_strain
from cardiactwins.mrml.geometry import matrix_to_vtk
from cardiactwins.mrml.lma_inputs import heart_of_segmentation
from cardiactwins.mrml.lma_map import EXTRAPOLATED, SEGMENT, SLICE_DISTANCE, TOS, TOS_ERROR
from cardiactwins.mrml.lma_models import (
    LAYER,
    UNCERTAINTY,
    dense_geometry,
    dense_masks,
    open_edges,
    surface_of_model,
)
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.lma_strain import new_strain_table, strain_of_table
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.segmentations import new_segmentation, segment_array
from cardiactwins.mrml.tables import columns_of_table, new_table
from cardiactwins.mrml.volumes import new_volume


@pytest.fixture(scope="module")
def phantom():
    return lv_phantom(np.random.default_rng(3), slices=8, spacing=(1.4, 1.4, 8.0))


@pytest.fixture
def logic(scene):
    return LMAReconstructLogic()


def segmentation_of(heart, *roles, turn=None, name="Patient"):
    """A node of the phantom, its grid turned (4, 4) about the world's origin."""
    geometry = heart.geometry
    if turn is not None:
        geometry = ImageGeometry(geometry.shape, turn @ geometry.ijk_to_ras)
    roles = roles or ("cavity", "myocardium")
    return new_segmentation(name, geometry, {role: getattr(heart, role) for role in roles})


def point_array(node, name):
    return vtk_to_numpy(node.GetPolyData().GetPointData().GetArray(name)).astype(float)


def field(turn, height):
    """A smooth activation (ms), latest in the lateral base."""
    return 80 - 40 * np.cos(2 * np.pi * (turn - 1 / 6)) * (1 - 0.4 * height**2) + 15 * np.sin(3 * height)


def sampled(heights, sectors=36):
    middles = (np.arange(sectors) + 0.5) / sectors
    return field(middles[None], np.asarray(heights)[:, None])


def test_the_model_is_watertight_and_lies_where_the_heart_is(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    assert open_edges(heart.model) == 0
    mass = vtkMassProperties()
    mass.SetInputData(heart.model.GetPolyData())
    dense = lv_phantom(np.random.default_rng(3), slices=40, spacing=(1.4, 1.4, 8.0))
    truth = dense.myocardium.sum() * dense.geometry.voxel_volume_ml
    assert mass.GetVolume() / 1000 == pytest.approx(truth, rel=0.06)
    found = logic.reconstruct(
        segmentation_of(phantom),
        phantom.insertion_points,
        method="interpolation",
        referenceVolume=new_volume("grid", np.zeros(dense.geometry.shape, np.uint8), dense.geometry),
    )
    wall = segment_array(found.segmentation, "myocardium")
    assert wall.shape == dense.geometry.shape
    assert 2 * (wall & dense.myocardium).sum() / (wall.sum() + dense.myocardium.sum()) > 0.92
    assert set(np.unique(point_array(heart.model, LAYER))) == {0, 1, 2}
    assert not heart.disagreeing
    columns = columns_of_table(heart.table)
    np.testing.assert_allclose(columns["longitudinal"], (np.arange(8) + 0.5) / 8, atol=0.06)
    assert (columns["Dice"] > 0.95).all()


def test_normals_point_out_of_the_wall_for_mirrored_grids_too(logic):
    for left_handed in (False, True):
        heart = lv_phantom(
            np.random.default_rng(1), slices=6, spacing=(1.4, 1.4, 8.0), left_handed=left_handed
        )
        node = logic.reconstruct(segmentation_of(heart), heart.insertion_points, method="interpolation").model
        surface = surface_of_model(node)
        a, b, c = surface.points[surface.triangles].transpose(1, 0, 2)
        assert np.einsum("ni,ni->", a, np.cross(b, c)) / 6 > 0


def test_the_error_of_a_map_falls_with_the_number_of_slices(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    surface = surface_of_model(heart.model)
    turn, height = surface.frame.coordinates(surface.points)
    within = (height > 0.1) & (height < 0.9)
    errors = []
    for slices in (4, 6, 8):
        heights = np.linspace(0.1, 0.9, slices)
        logic.projectTOS(heart, sampled(heights), slicePositions=heights)
        wrong = np.abs(point_array(heart.model, TOS) - field(turn, height))[within]
        errors.append(wrong.max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1
    cells = vtk_to_numpy(heart.model.GetPolyData().GetCellData().GetArray(TOS))
    turn, height = surface.frame.coordinates(surface.middles)
    inside = (height > 0.1) & (height < 0.9)
    np.testing.assert_allclose(cells[inside], field(turn, height)[inside], atol=0.1)


def test_turning_the_patient_turns_the_map(logic, phantom):
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [35, -50, 110], degrees=True).as_matrix()
    turn[:3, 3] = (40, -25, 60)
    maps = []
    for matrix in (None, turn):
        move = np.eye(4) if matrix is None else matrix
        points = phantom.insertion_points @ move[:3, :3].T + move[:3, 3]
        heart = logic.reconstruct(segmentation_of(phantom, turn=matrix), points, method="interpolation")
        heights = np.linspace(0.1, 0.9, 6)
        logic.projectTOS(heart, sampled(heights), slicePositions=heights)
        maps.append((surface_of_model(heart.model).points, point_array(heart.model, TOS)))
    (points, tos), (turned, turned_tos) = maps
    np.testing.assert_allclose(turned, points @ turn[:3, :3].T + turn[:3, 3], atol=1e-2)
    np.testing.assert_allclose(turned_tos, tos, atol=0.02)


def test_a_map_tells_errors_distances_segments_and_what_is_extrapolated(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.3, 0.5, 0.7]
    values = sampled(heights, 18)
    columns = {
        "slice": np.repeat([1, 2, 3], 18),
        "longitudinal": np.repeat(heights, 18),
        "sector": np.tile(np.arange(1, 19), 3),
        "TOS": values.ravel(),
        "TOS lower": values.ravel() - 16.449,
        "TOS upper": values.ravel() + 16.449,
    }
    found = logic.projectTOS(heart, new_table("typed in", columns))
    surface = surface_of_model(heart.model)
    height = surface.frame.coordinates(surface.points)[1]
    length = surface.frame.length
    beyond = point_array(heart.model, EXTRAPOLATED) > 0
    np.testing.assert_array_equal(beyond, (height < 0.3) | (height > 0.7))
    distance = np.abs(height[:, None] - heights).min(axis=1) * length
    np.testing.assert_allclose(point_array(heart.model, SLICE_DISTANCE), distance, atol=1e-3)
    assert point_array(heart.model, TOS_ERROR).max() <= 10.5
    segments = point_array(heart.model, SEGMENT)
    assert set(np.unique(segments)) == set(range(1, 18))
    # Lateral segments (5, 6, 11, 12) are later than septal ones (2, 3, 8, 9).
    assert min(found.means[[4, 5, 10, 11]]) > max(found.means[[1, 2, 7, 8]]) + 30
    display = heart.model.GetDisplayNode()
    assert display.GetActiveScalarName() == TOS and display.GetScalarVisibility()
    first, last = np.zeros(4), np.zeros(4)
    colors = display.GetColorNode()
    colors.GetColor(0, first)
    colors.GetColor(colors.GetNumberOfColors() - 1, last)
    assert first[2] > 2 * first[0] and last[0] > 2 * last[2]
    assert found.legend.IsA("vtkMRMLColorLegendDisplayNode") and found.legend.GetVisibility()
    assert found.plot.GetNumberOfPlotSeriesNodes() == 3


def test_the_late_region_is_a_segment_with_centre_and_names(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.1, 0.35, 0.65, 0.9]
    tos = sampled(heights, 18)
    logic.projectTOS(heart, tos, slicePositions=heights)
    late = logic.lateRegion(heart, areaShare=0.2, tos=tos)
    assert late.region.share == pytest.approx(0.2, abs=0.005)
    assert late.target in (5, 6, 11, 12) and late.target_name.endswith("lateral")
    wall = segment_array(heart.segmentation, "myocardium")
    mask = segment_array(heart.segmentation, late.segment)
    assert not (mask & ~wall).any()
    assert mask.sum() / wall.sum() == pytest.approx(0.2, abs=0.06)
    rows = dict(zip(*[columns_of_table(late.table)[name] for name in ("quantity", "value")], strict=True))
    assert rows["latest segment"].startswith(f"{late.target} ")
    assert float(rows["SD-TOS"]) == pytest.approx(tos.std(ddof=1), rel=1e-3)
    assert late.centre.GetNumberOfControlPoints() == 1
    again = logic.lateRegion(heart, delay=60)
    assert again.region.threshold == pytest.approx(late_earliest(heart) + 60, abs=1e-3)
    names = [heart.segmentation.GetSegmentation().GetNthSegmentID(n) for n in range(3)]
    assert names.count(late.segment) == 1 and heart.segmentation.GetSegmentation().GetNumberOfSegments() == 3


def late_earliest(heart):
    """Earliest TOS of the triangles of the epicardium."""
    surface = surface_of_model(heart.model)
    tos = vtk_to_numpy(heart.model.GetPolyData().GetCellData().GetArray(TOS))
    return tos[surface.cell_layer == 1].min()


def test_nothing_is_late_where_all_shortens_at_once(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    logic.projectTOS(heart, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7])
    late = logic.lateRegion(heart)
    assert late.target is None and late.centre is None and late.region.area == 0
    assert not segment_array(heart.segmentation, late.segment).any()


def test_transmural_scar_is_left_out_of_the_late_region(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.1, 0.35, 0.65, 0.9]
    logic.projectTOS(heart, sampled(heights, 18), slicePositions=heights)
    turn = phantom.circumferential
    lateral = phantom.myocardium & (np.abs(turn - 2 / 3) < 1 / 12)
    late = {}
    for name, depth in (("none", None), ("thin", 0.25), ("transmural", 1.0)):
        scar = None
        if depth is not None:
            infarct = lateral & (phantom.radial <= depth)
            masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium, "infarct": infarct}
            scar = new_segmentation(f"scar {name}", phantom.geometry, masks)
        late[name] = logic.lateRegion(heart, areaShare=0.25, scar=scar)
    assert late["thin"].region.area == pytest.approx(late["none"].region.area, rel=0.03)
    assert late["transmural"].region.area < 0.75 * late["none"].region.area
    assert late["transmural"].region.excluded > 0.25
    rows = columns_of_table(late["transmural"].table)["quantity"]
    assert "latest viable segment" in rows and "of the late area over 50 % scar" in rows


def test_right_ventricle_or_points_tell_the_same_insertion(logic, phantom):
    node = segmentation_of(phantom, "cavity", "myocardium", "right_ventricle")
    frames = [logic.prepare(node, points).pose.frame for points in (None, phantom.insertion_points)]
    turn = frames[0].coordinates(phantom.insertion_points)[0]
    assert np.abs(np.mod(turn + 0.5, 1) - 0.5).max() < 0.03


def test_slices_on_grids_of_their_own_make_the_same_heart(logic, phantom):
    whole = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    nodes = []
    for k in np.random.default_rng(0).permutation(8):
        matrix = phantom.geometry.ijk_to_ras.copy()
        matrix[:3, 3] += k * matrix[:3, 2]
        # Every other slice is stored with its rows and columns the other way round.
        turn = (lambda mask: mask[::-1, ::-1]) if k % 2 else (lambda mask: mask)
        if k % 2:
            rows, columns = phantom.geometry.shape[1:]
            matrix[:3, 3] += (columns - 1) * matrix[:3, 0] + (rows - 1) * matrix[:3, 1]
            matrix[:3, :2] *= -1
        grid = ImageGeometry((1, *phantom.geometry.shape[1:]), matrix)
        masks = {role: turn(getattr(phantom, role)[k])[None] for role in ("cavity", "myocardium")}
        nodes.append(new_segmentation(f"slice {k}", grid, masks))
    found = logic.prepare(nodes, phantom.insertion_points)
    np.testing.assert_allclose(found.pose.grid_to_ras, whole.pose.grid_to_ras, atol=0.15)
    a, b = (heart.outlines.myocardium >= 0.5 for heart in (found, whole))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.97
    tilted = np.eye(4)
    tilted[:3, :3] = Rotation.from_euler("x", 40, degrees=True).as_matrix()
    odd = segmentation_of(phantom, turn=tilted, name="odd")
    with pytest.raises(ValueError, match="not parallel: that of 'odd' is tilted by"):
        logic.prepare([*nodes, *nodes, odd], phantom.insertion_points)
    with pytest.raises(ValueError, match="outlined in 2 slices"):
        logic.prepare(nodes[:2], phantom.insertion_points)
    with pytest.raises(ValueError, match="out of order"):
        logic.prepare([*nodes, nodes[0]], phantom.insertion_points)


def test_sparse_slices_on_a_fine_grid_are_no_dense_heart(logic):
    dense = lv_phantom(np.random.default_rng(3), slices=80, spacing=(1.4, 1.4, 8.0))
    shown = np.isin(np.arange(80), np.arange(5, 80, 10))[:, None, None]
    node = new_segmentation(
        "sparse", dense.geometry, {"cavity": dense.cavity & shown, "myocardium": dense.myocardium & shown}
    )
    sparse = logic.prepare(node, dense.insertion_points)
    assert len(sparse.stack) == 8
    whole = logic.prepare(segmentation_of(dense), dense.insertion_points, slices=6)
    assert len(whole.stack) == 6
    assert whole.pose.frame.length == pytest.approx(sparse.pose.frame.length, rel=0.05)


def test_a_wall_alone_is_enough_where_its_slices_enclose_the_cavity(logic, phantom):
    alone = logic.prepare(segmentation_of(phantom, "myocardium"), phantom.insertion_points)
    both = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    np.testing.assert_allclose(alone.stack.myocardium, both.stack.myocardium)
    given, found = (prepared.stack.cavity >= 0.5 for prepared in (both, alone))
    assert 2 * (given & found).sum() / (given.sum() + found.sum()) > 0.99


def test_bad_input_says_what_to_do(logic, phantom):
    node = segmentation_of(phantom)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.reconstruct(node)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.reconstruct(node, new_markups("empty", np.zeros((0, 3))))
    with pytest.raises(ValueError, match="mm from the myocardium"):
        logic.reconstruct(node, phantom.insertion_points + 90)
    with pytest.raises(ValueError, match="no segment for the LV myocardium"):
        logic.reconstruct(segmentation_of(phantom, "cavity"), phantom.insertion_points)
    with pytest.raises(ValueError, match="A method is one of"):
        logic.reconstruct(node, phantom.insertion_points, method="magic")
    heart = logic.reconstruct(node, phantom.insertion_points, method="interpolation")
    with pytest.raises(ValueError, match="heights of the TOS slices"):
        logic.projectTOS(heart, np.full((4, 18), 40.0))
    with pytest.raises(ValueError, match="12 are expected"):
        logic.projectTOS(heart, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7], sectors=12)
    with pytest.raises(ValueError, match="holds no TOS"):
        logic.lateRegion(heart)
    with pytest.raises(ValueError, match="does not tell its long axis"):
        heart.model.RemoveAttribute("CardiacTwins.LongAxisFrame")
        logic.projectTOS(heart.model, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7])


def test_a_failed_reconstruction_adds_nothing_to_the_scene(logic, phantom, scene):
    node = segmentation_of(phantom)
    before = scene.GetNumberOfNodes()
    with pytest.raises(ValueError, match="method"):
        logic.reconstruct(node, phantom.insertion_points, method="magic")
    assert scene.GetNumberOfNodes() == before


def test_shifted_slices_are_corrected_and_reported(logic, phantom):
    shifted = {}
    for role in ("cavity", "myocardium"):
        mask = getattr(phantom, role).copy()
        mask[3] = moved(mask[3].astype(float), (0, 3), order=0) > 0.5
        shifted[role] = mask
    node = new_segmentation("shifted", phantom.geometry, shifted)
    heart = logic.reconstruct(node, phantom.insertion_points, method="interpolation")
    lengths = columns_of_table(heart.table)["shift"]
    number = len(heart_of_segmentation(node).stack) - 1 - 3
    assert lengths[number] == pytest.approx(4.2, abs=1.3)
    assert (np.delete(lengths, number) < 1.5).all()


def test_the_sample_heart_gives_its_late_lateral_wall_from_dense_to_region(logic):
    sample = new_sample_heart(1)
    heart = logic.reconstruct(sample.segmentation, sample.insertion, method="interpolation")
    strain = [
        logic.computeStrain(
            slice_.phase_x,
            slice_.phase_y,
            slice_.mask,
            ke=slice_.ke,
            insertionPoints=sample.insertion,
            model=heart,
        )
        for slice_ in sample.dense
    ]
    tos = logic.estimateTOS(strain, model=heart, method="change point")
    heights = [slice_.longitudinal for slice_ in sample.dense]
    np.testing.assert_allclose(tos.table.longitudinal, heights, atol=0.02)
    truth = np.array([slice_.onset for slice_ in sample.dense])
    assert np.abs(tos.table.values - truth).mean() < 17
    found = logic.projectTOS(heart, tos.node)
    late = logic.lateRegion(heart, tos=tos.table, strain=[slice_.matrix for slice_ in strain])
    assert late.target in (5, 6, 11, 12, 16)
    lateral = sample.phantom.heart_to_ras[:3, 0]
    away = (late.region.centre - found.frame.base) @ lateral
    assert away > 15
    rows = columns_of_table(late.table)["quantity"]
    assert {"SD-TOS", "CURE"} <= set(rows)


def test_strain_tables_typed_in_give_tos_without_any_image(logic, phantom):
    slice_ = simulate_strain("LBBB", np.random.default_rng(2))
    node = new_strain_table("strain", slice_.strain, slice_.times)
    matrix, times = strain_of_table(node)
    np.testing.assert_allclose(matrix, slice_.strain)
    np.testing.assert_allclose(times, slice_.times)
    found = logic.estimateTOS(node, method="change point", slicePositions=[0.5])
    assert found.table.values.shape == (1, 18)
    assert np.abs(found.table.values[0] - slice_.onset).mean() < 17
    with pytest.raises(ValueError, match="12 are expected"):
        logic.estimateTOS(node, method="change point", sectors=12)


def test_dense_images_that_cannot_be_used_say_why(logic):
    sample = new_sample_heart(0)
    first = sample.dense[0].arguments()
    with pytest.raises(ValueError, match="encoding frequency"):
        logic.computeStrain(**{**first, "ke": None}, insertionPoints=sample.insertion)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.computeStrain(**first)
    phase = np.zeros((12, 20, 20))
    ring = np.zeros((12, 20, 20), dtype=bool)
    ring[:, 5:15, 5:15] = True
    arrays = {"phaseX": phase, "phaseY": phase, "mask": ring, "ke": 0.1, "insertionPoints": (5.0, 5.0)}
    with pytest.raises(ValueError, match="frame times are not known"):
        logic.computeStrain(**arrays, pixel=2.0)
    with pytest.raises(ValueError, match="size of a pixel is not known"):
        logic.computeStrain(**arrays, times=np.arange(1, 13) * 20.0)
    broken = phase.copy()
    broken[4, 8, 8] = np.nan
    with pytest.raises(ValueError, match="NaN inside the myocardium in 1 frames"):
        logic.computeStrain(**{**arrays, "phaseX": broken}, times=np.arange(1, 13) * 20.0, pixel=2.0)


def test_uncertainty_is_given_in_mm_at_each_point(logic, phantom):
    node = segmentation_of(phantom)
    prepared = logic.prepare(node, phantom.insertion_points)
    found = reconstruct(prepared.outlines, method="interpolation")
    deviation = np.random.default_rng(0).random(len(found.surface.points))
    shown = logic.showReconstruction(prepared, replace(found, deviation=deviation))
    np.testing.assert_allclose(
        point_array(shown.model, UNCERTAINTY), deviation * prepared.pose.voxel, rtol=1e-5
    )


def test_a_model_under_a_transform_is_mapped_where_it_lies(logic, phantom, scene):
    node = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation").model
    heights = [0.2, 0.5, 0.8]
    logic.projectTOS(node, sampled(heights), slicePositions=heights)
    before = point_array(node, TOS)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [10, 70, -30], degrees=True).as_matrix()
    turn[:3, 3] = (5, 50, -10)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turn")
    transform.SetMatrixTransformToParent(matrix_to_vtk(turn))
    points = surface_of_model(node).points
    node.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_allclose(
        surface_of_model(node).points, points @ turn[:3, :3].T + turn[:3, 3], atol=1e-3
    )
    logic.projectTOS(node, sampled(heights), slicePositions=heights)
    np.testing.assert_allclose(point_array(node, TOS), before, atol=0.01)
    insertion = phantom.insertion_points @ turn[:3, :3].T + turn[:3, 3]
    logic.projectTOS(node, sampled(heights), insertion, slicePositions=heights)
    np.testing.assert_allclose(point_array(node, TOS), before, atol=0.1)


def test_the_dense_grid_of_its_own_holds_what_any_grid_holds(logic, phantom):
    prepared = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    found = reconstruct(prepared.outlines, method="interpolation", voxel=prepared.pose.voxel)
    own = dense_geometry(prepared.pose)
    # The same voxels in another order of the axes, which have to be sampled the slow way.
    swapped = ImageGeometry(own.shape, own.ijk_to_ras[:, [1, 0, 2, 3]])
    for name, mask in dense_masks(found, prepared.pose, own).items():
        other = dense_masks(found, prepared.pose, swapped)[name]
        assert (mask != other.transpose(0, 2, 1)).mean() < 1e-5
        inside = found.volume.cavity if name == "cavity" else found.volume.myocardium
        assert mask.sum() * own.voxel_volume_ml * 1000 == pytest.approx(
            inside.sum() * prepared.pose.voxel**3, rel=0.02
        )
