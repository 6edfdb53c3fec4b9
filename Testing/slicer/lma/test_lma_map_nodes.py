"""Maps of activation on the model, wherever the patient lies."""

import numpy as np
import pytest
from lma_phantom_nodes import field, point_array, sampled, segmentation_of
from scipy.spatial.transform import Rotation
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.geometry import matrix_to_vtk
from cardiactwins.mrml.lma_map import EXTRAPOLATED, LATE, SEGMENT, SLICE_DISTANCE, TOS, TOS_ERROR
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_range import range_lines
from cardiactwins.mrml.tables import new_table


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
    lines = range_lines(heart.model)
    _, along = surface.frame.coordinates(surface_of_lines(lines))
    # Tubes of half a millimetre around two lines.
    assert np.abs(along[:, None] - (0.3, 0.7)).min(axis=1).max() * length < 0.6
    assert min((along < 0.5).sum(), (along > 0.5).sum()) > 20
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


def surface_of_lines(node):
    """Points (P, 3) of a node of lines that lies under no transform."""
    return vtk_to_numpy(node.GetPolyData().GetPoints().GetData()).astype(float)


def test_a_map_that_is_made_again_moves_the_lines_of_the_measured_range(logic, phantom, scene):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    frame = surface_of_model(heart.model).frame
    for heights in ([0.2, 0.8], [0.4, 0.6], [0.5]):
        values = sampled(heights)
        logic.projectTOS(heart, values, slicePositions=heights)
        _, along = frame.coordinates(surface_of_lines(range_lines(heart.model)))
        assert along.min() == pytest.approx(min(heights), abs=0.01)
        assert along.max() == pytest.approx(max(heights), abs=0.01)
    models = scene.GetNodesByClass("vtkMRMLModelNode")
    assert models.GetNumberOfItems() == 2


def test_a_map_that_is_made_again_keeps_nothing_of_the_one_before(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = np.array([0.2, 0.5, 0.8])
    values = sampled(heights)
    table = TosTable(values, np.arange(1, 4), heights, values - 9, values + 9)
    logic.projectTOS(heart, table)
    late = logic.lateRegion(heart, areaShare=0.2)
    assert point_array(heart.model, TOS_ERROR).max() > 0
    logic.projectTOS(heart, values[::-1], slicePositions=heights)
    data = heart.model.GetPolyData()
    assert not data.GetPointData().HasArray(TOS_ERROR) and not data.GetCellData().HasArray(TOS_ERROR)
    assert not data.GetCellData().HasArray(LATE)
    assert heart.segmentation.GetSegmentation().GetSegment(late.segment) is None


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
