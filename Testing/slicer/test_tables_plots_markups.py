"""Columns, curves and points as nodes."""

import numpy as np
import pytest
import slicer
import slicer.util

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.personalization import PersonalizationHistory
from cardiactwins.mrml.geometry import matrix_to_vtk
from cardiactwins.mrml.markups import new_markups, points_of_markups
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.results import new_heat_map, new_history, new_mode_volumes, new_parameter_table
from cardiactwins.mrml.tables import columns_of_table, new_table
from cardiactwins.mrml.volumes import volume_array

COLUMNS = {
    "loss": [0.25, np.nan, -1e-12],
    "generation": [1, 2, 3],
    "draws": [1, 2, 2**40],
    "confirmed": [True, False, True],
    "stop": ["", "threshold, confirmed", "Generationen für α"],
}


def assert_columns(found):
    assert list(found) == list(COLUMNS)
    for name, values in COLUMNS.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert [found[name].dtype.kind for name in COLUMNS] == ["f", "i", "i", "b", "U"]


def test_columns_come_back_with_their_types_and_units():
    table = new_table(
        "history", COLUMNS, units={"loss": "nats"}, descriptions={"loss": "best of its generation"}
    )
    assert_columns(columns_of_table(table))
    assert table.GetColumnUnitLabel("loss") == "nats"
    assert table.GetColumnDescription("loss") == "best of its generation"


def test_columns_come_back_from_a_scene_file(tmp_path):
    new_table("history", COLUMNS, units={"loss": "nats"})
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    table = slicer.util.getNode("history")
    assert_columns(columns_of_table(table))
    assert table.GetColumnUnitLabel("loss") == "nats"


def test_columns_that_do_not_fit_are_refused(scene):
    before = scene.GetNumberOfNodes()
    with pytest.raises(ValueError, match=r"differ in length: \{'a': 2, 'b': 3\}"):
        new_table("table", {"a": [1, 2], "b": [1, 2, 3]})
    with pytest.raises(ValueError, match=r"no column 'c'. Its columns: a"):
        new_table("table", {"a": [1]}, units={"c": "mm"})
    assert scene.GetNumberOfNodes() == before


def test_a_plot_draws_the_columns_of_its_table():
    table = new_table(
        "history", {"generation": [1, 2], "loss": [2.0, 1.0], "best": [2.0, 1.0]}, {"loss": "nats"}
    )
    chart = new_plot("Loss", table, "generation", ["loss", "best"], log_y=True)
    series = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [(one.GetXColumnName(), one.GetYColumnName()) for one in series] == [
        ("generation", "loss"),
        ("generation", "best"),
    ]
    assert all(one.GetTableNode() is table for one in series)
    assert chart.GetYAxisLogScale()
    assert new_plot("One", table, "generation", ["loss"]).GetYAxisTitle() == "loss (nats)"
    with pytest.raises(ValueError, match=r"no column 'size'"):
        new_plot("Loss", table, "generation", ["size"])


def test_a_history_becomes_a_table_with_two_charts():
    model = EllipticalModel(ReferenceAnatomy())
    names = [parameter.name for parameter in model.parameters]
    rng = np.random.default_rng(0)
    parameters = rng.random((5, len(names)))
    history = PersonalizationHistory(
        stage=("search",) * 3 + ("polish",) * 2,
        loss=np.linspace(1, 0.1, 5),
        mean_loss=np.linspace(2, 0.2, 5),
        parameters=parameters,
        spread=rng.random((5, len(names))),
        eigenvalues=rng.random((5, len(names))),
        condition=np.full(5, 10.0),
    )
    table, losses, charted = new_history("run", history, model)
    columns = columns_of_table(table)
    np.testing.assert_array_equal(columns["generation"], [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(np.column_stack([columns[name] for name in names]), parameters)
    assert columns["stage"].tolist() == ["search"] * 3 + ["polish"] * 2
    assert (losses.GetNumberOfPlotSeriesNodes(), charted.GetNumberOfPlotSeriesNodes()) == (2, len(names))


def test_parameters_become_a_table_with_units_and_bounds():
    model = EllipticalModel(ReferenceAnatomy())
    values = [parameter.default for parameter in model.parameters]
    columns = columns_of_table(new_parameter_table("optimum", model, values))
    assert columns["value"].tolist() == values
    assert columns["unit"].tolist() == [parameter.unit for parameter in model.parameters]
    with pytest.raises(ValueError, match=r"parameters; found values \(1,\)"):
        new_parameter_table("optimum", model, [1.0])


def test_modes_become_volumes_on_the_reference():
    anatomy = ReferenceAnatomy(slices=3)
    modes = np.random.default_rng(2).random((2, 3, anatomy.n_voxels)).astype(np.float32)
    volumes = new_mode_volumes("real", anatomy, modes, (-2, 0, 2))
    assert [node.GetName() for node in volumes[1]] == [
        "real mode 2, -2 SD",
        "real mode 2, +0 SD",
        "real mode 2, +2 SD",
    ]
    image, geometry = volume_array(volumes[1][2])
    assert geometry.matches(anatomy.geometry)
    np.testing.assert_array_equal(anatomy.from_image(image), modes[1, 2])


def test_a_heat_map_keeps_its_rows_and_columns():
    values = np.arange(6.0).reshape(2, 3)
    image, geometry = volume_array(new_heat_map("losses", values))
    np.testing.assert_array_equal(image[0], values)
    assert geometry.kji_to_ras([0, 1, 2]) == pytest.approx([-2, -1, 0])


def test_points_come_back_in_the_world_with_their_transform(scene):
    points = np.array([[1.0, 2, 3], [-4, 5, -6]])
    node = new_markups("insertion", points, ["base", "apex"])
    np.testing.assert_allclose(points_of_markups(node), points)
    assert node.GetNthControlPointLabel(1) == "apex"
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(
        matrix_to_vtk([[1, 0, 0, 5], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    )
    node.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_allclose(points_of_markups(node), [[6, -3, 2], [1, 6, 5]], atol=1e-12)


def test_a_point_that_is_not_placed_yet_does_not_count():
    node = new_markups("insertion", [[1, 2, 3], [4, 5, 6]])
    node.SetNthControlPointPositionMissing(0)
    assert points_of_markups(node).tolist() == [[4, 5, 6]]


def test_a_point_that_is_nan_is_refused():
    node = new_markups("insertion", [[1, 2, np.nan]])
    with pytest.raises(ValueError, match=r"'insertion' hold positions that are NaN"):
        points_of_markups(node)
