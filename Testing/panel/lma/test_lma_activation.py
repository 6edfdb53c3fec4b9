"""TOS, the map and the late region in the LMAReconstruct panel."""

import numpy as np
import pytest
from lma_steps import LATE_AT, SECTORS, finish, late_around, parameters, tos_file


def test_tos_is_typed_in_cell_by_cell(host, heart):
    ui = heart.ui
    host.choose(ui.activationSourceBox, "TOS that is known")
    assert not ui.loadTosButton.enabled
    host.click(ui.newTosButton)
    assert (ui.tosTable.rowCount, ui.tosTable.columnCount) == (6, SECTORS + 1)
    assert "type TOS of slice 1 into section 2" in ui.mapButton.toolTip
    for row, values in enumerate(late_around()):
        for column, value in enumerate(values, start=1):
            ui.tosTable.item(row, column).setText(f"{value:.0f}")
    assert ui.mapButton.enabled
    np.testing.assert_allclose(heart.panel.context.tosTable().values, late_around(), atol=0.51)
    ui.tosTable.item(0, 1).setText("soon")
    assert "Not changed: TOS is a number of ms from 0 to 2000, not 'soon'" in ui.statusLabel.text
    assert ui.tosTable.item(0, 1).text() == f"{late_around()[0, 0]:.0f}"
    host.click(ui.mapButton)
    assert host.dialogs.texts("error") == [] and ui.segmentTable.rowCount >= 16


def test_a_typed_value_goes_to_its_slice_whatever_the_order_of_the_table(host, heart):
    from cardiactwins.mrml.tables import columns_of_table, new_table

    columns = {"slice": np.array([3, 1, 2])} | {str(n): np.array([30.0, 10, 20]) for n in range(1, 5)}
    parameters(heart).tos = new_table("Wide", columns)
    host.choose(heart.ui.activationSourceBox, "TOS that is known")
    assert [heart.ui.tosTable.item(row, 2).text() for row in range(3)] == ["10", "20", "30"]
    heart.ui.tosTable.item(0, 2).setText("15")
    assert [heart.ui.tosTable.item(row, 2).text() for row in range(3)] == ["15", "20", "30"]
    np.testing.assert_array_equal(columns_of_table(parameters(heart).tos)["2"], [30, 15, 20])


def test_a_typed_value_loses_the_interval_of_the_estimate(host, heart):
    from cardiactwins.lma.tos_table import TosTable

    values, heights = np.array([[30.0, 40, 50, 60]]), np.array([0.5])
    table = TosTable(values, np.array([1]), heights, values - 9, values + 9, np.full((1, 4), 0.25))
    parameters(heart).tos = heart.logic.showTOS(table)
    host.choose(heart.ui.activationSourceBox, "TOS that is known")
    grid, found = heart.ui.tosTable, heart.panel.context
    assert "90 % interval 31 to 49 ms" in grid.item(0, 2).toolTip()
    grid.item(0, 2).setText("90")
    assert grid.item(0, 2).toolTip() == "slice 1, sector 2"
    assert "90 % interval 21 to 39 ms" in grid.item(0, 1).toolTip()
    np.testing.assert_allclose(found.tosTable().sector_values().errors, table.errors)
    for column in (1, 3, 4):
        grid.item(0, column).setText("90")
    assert found.tosTable().sector_values().errors is None


def test_tos_of_a_file_needs_to_know_where_its_slices_lie(host, heart):
    ui = heart.ui
    host.choose(ui.activationSourceBox, "TOS that is known")
    host.type(ui.tosFilePath, tos_file(heart, slices=4, heights=False))
    host.click(ui.loadTosButton)
    assert "where the slices of TOS lie" in ui.mapButton.toolTip
    for typed, said in (
        ("0.2 0.4", "4 slices of TOS need as many heights; 2 are given"),
        ("low high", "numbers with spaces between"),
        ("0.2 0.4 0.6 1.8", "lie between 0 (base) and 1 (apex)"),
        ("0.2 0.4 0.6 nan", "lie between 0 (base) and 1 (apex)"),
    ):
        host.type(ui.heightsEdit, typed)
        assert not ui.mapButton.enabled and said in ui.mapButton.toolTip
    host.type(ui.heightsEdit, "0.2, 0.4, 0.6, 0.8")
    host.click(ui.mapButton)
    np.testing.assert_allclose(heart.panel.context.mapped().tos_table.longitudinal, (0.2, 0.4, 0.6, 0.8))
    assert "TOS (file tos.csv)" in ui.activationLabel.text
    for value in ("55", "56"):
        ui.tosTable.item(0, 1).setText(value)
        assert "TOS (file tos.csv, changed by hand)" in ui.activationLabel.text
    broken = tos_file(heart)
    broken.write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    host.click(ui.loadTosButton)
    assert "A table of TOS has a column 'TOS'" in host.dialogs.texts("error")[0]


def test_typed_heights_stay_with_the_table_that_they_were_typed_for(host, heart):
    ui, heights = heart.ui, heart.panel.context
    host.choose(ui.activationSourceBox, "TOS that is known")
    host.type(ui.tosFilePath, tos_file(heart, slices=4, heights=False))
    host.type(ui.heightsEdit, "0.1 0.3 0.5 0.7")
    host.click(ui.loadTosButton)
    first = parameters(heart).tos
    assert ui.heightsEdit.text == "0.1 0.3 0.5 0.7"
    assert "The heights of its slices are those that were typed." in ui.activationLabel.text
    host.type(ui.tosFilePath, tos_file(heart, slices=4))
    host.click(ui.loadTosButton)
    assert ui.heightsEdit.text == "" and heights.tosHeights(heights.tosTable()) is None
    assert "typed" not in ui.activationLabel.text
    host.type(ui.heightsEdit, "0.2 0.4 0.6 0.8")
    assert "The typed heights replace those that the table tells." in ui.activationLabel.text
    host.click(ui.newTosButton)
    assert ui.heightsEdit.text == ""
    host.click(ui.undoButton)
    assert ui.heightsEdit.text == "0.2 0.4 0.6 0.8"
    parameters(heart).tos = first
    assert ui.heightsEdit.text == "0.1 0.3 0.5 0.7"
    host.click(ui.mapButton)
    np.testing.assert_allclose(heart.panel.context.mapped().tos_table.longitudinal, (0.1, 0.3, 0.5, 0.7))


def test_strain_tables_give_tos_when_their_heights_are_typed_in(host, heart):
    from cardiactwins.lma.strain_phantom import simulate_strain
    from cardiactwins.mrml.lma_strain import new_strain_table

    ui = heart.ui
    for number in (1, 2, 3):
        made = simulate_strain("LBBB", np.random.default_rng(number))
        new_strain_table(f"Strain {number}", made.strain, made.times)
    host.choose(ui.activationSourceBox, "Strain tables")
    for number in (1, 2, 3):
        host.choose(ui.strainSelector, f"Strain {number}")
        host.click(ui.addSliceButton)
    assert ui.slicesTable.rowCount == 3
    ui.slicesTable.item(0, 2).setText("0.2")
    assert "type in the heights of all slices, or of none" in ui.activationButton.toolTip
    ui.slicesTable.item(1, 2).setText("1.5")
    assert "a height lies between 0 (base) and 1 (apex)" in ui.statusLabel.text
    ui.slicesTable.item(1, 2).setText("0.5")
    ui.slicesTable.item(2, 2).setText("0.8")
    finish(host, heart, ui.activationButton)
    np.testing.assert_allclose(heart.panel.context.tosTable().longitudinal, (0.2, 0.5, 0.8))
    assert "after the last frame" not in ui.activationLabel.text
    ui.tosTable.item(2, 4).setText(f"{made.times[-1] + 1:.0f}")
    assert f"in sectors of slice 3 ({made.times[-1]:.0f} ms): 4. Do not" in ui.activationLabel.text
    ui.slicesTable.setCurrentCell(1, 0)
    ui.slicesTable.cellClicked.emit(1, 0)
    chart = host.scene.GetFirstNodeByName("Strain 2: curves")
    assert chart.GetNumberOfPlotSeriesNodes() == SECTORS
    host.click(ui.removeSliceButton)
    assert [ui.slicesTable.item(row, 1).text() for row in range(2)] == ["Strain 1", "Strain 3"]
    assert ui.slicesTable.item(1, 2).text() == "0.8"


def test_dense_slices_need_their_encoding_frequency(host, heart):
    from cardiactwins.mrml.lma_sample import new_sample_heart

    ui = heart.ui
    new_sample_heart(0, name="Other")
    host.click(ui.guessButton)
    assert ui.slicesTable.rowCount == 4 and ui.slicesTable.item(0, 2).text() == ""
    assert "encoding frequency (ke) of slice 1, in cycles/mm" in ui.activationButton.toolTip
    for row in range(4):
        ui.slicesTable.item(row, 2).setText("0.1")
    assert ui.activationButton.enabled
    host.scene.RemoveNode(host.scene.GetFirstNodeByName("Other: DENSE 2 mask"))
    heart.panel.update()
    assert "slice 2 has lost a node: remove it and add it again" in ui.activationButton.toolTip


def test_images_as_a_scanner_stores_them_give_the_same_tos(host, heart):
    from cardiactwins.mrml.lma_sample import new_sample_heart
    from cardiactwins.mrml.sequences import nodes_of_sequence
    from cardiactwins.panel.lma.made_from import keptMadeFrom

    ui, node = heart.ui, parameters(heart)
    given = new_sample_heart(0).dense[1]
    host.type(ui.keBox, 0.1)
    node.phaseX, node.phaseY, node.mask = given.phase_x, given.phase_y, given.mask
    host.click(ui.addSliceButton)
    assert "stored values" not in ui.activationLabel.text
    finish(host, heart, ui.activationButton)
    expected = heart.panel.context.tosTable().values

    for sequence, sign in ((given.phase_x, -1), (given.phase_y, 1)):
        for _index, volume in nodes_of_sequence(sequence):
            array = slicer_array(volume)
            array[:] = np.clip(np.round(sign * array / np.pi * 4096), -4096, 4095)
        sequence.Modified()
    times = [float(index) for index, _volume in nodes_of_sequence(given.phase_x)]
    given.phase_x.SetIndexUnit("")
    heart.panel.update()
    assert "is read as stored values from -4096 (-pi) to 4096 (pi)." in ui.activationLabel.text
    assert "type in the frame interval: the sequences of slice 1 tell no times" in ui.activationButton.toolTip
    host.type(ui.frameIntervalBox, times[1] - times[0])
    for typed in ("4096", "a b", "5 5"):
        host.type(ui.storedRangeEdit, typed)
        assert "'Stored values' are two rising numbers" in ui.activationButton.toolTip
    host.type(ui.storedRangeEdit, "0 2048")
    finish(host, heart, ui.activationButton)
    (error,) = host.dialogs.texts("error")
    assert "Slice 1: Stored values were to lie from 0 (-pi) to 2048 (pi)" in error
    assert "in 'Stored values' of section 2" in error and "Python" not in error
    host.dialogs.clear()
    host.type(ui.storedRangeEdit, "")
    host.click(ui.reverseXBox)
    finish(host, heart, ui.activationButton)
    assert host.dialogs.texts("error") == []
    found = heart.panel.context.tosTable().values
    assert np.abs(found - expected).mean() < 3
    made = keptMadeFrom(node.tos).parameters
    assert made["stored values"] == [[-4096.0, 4096.0]] and made["signs"] == [-1, 1, 1]
    assert made["frame interval"] == pytest.approx(times[1] - times[0], abs=0.01)
    host.choose(ui.activationSourceBox, "Strain tables")
    assert ui.reverseZBox.isHidden() and ui.storedRangeEdit.isHidden() and ui.frameIntervalBoxLabel.isHidden()
    host.click(ui.sampleButton)
    assert node.storedRange == "" and not node.reverseX


def slicer_array(volume):
    """The voxels of a volume, to be changed in place."""
    import slicer.util

    return slicer.util.arrayFromVolume(volume)


def test_a_click_on_a_slice_shows_the_strain_of_the_chosen_tos(host, heart, monkeypatch):
    from cardiactwins.mrml.lma_sample import new_sample_heart
    from cardiactwins.panel.lma import activation_section

    ui, shown = heart.ui, []
    monkeypatch.setattr(activation_section, "show_chart", shown.append)
    sample = new_sample_heart(0)
    node = parameters(heart)
    node.phaseX, node.phaseY, node.mask = (
        getattr(sample.dense[1], k) for k in ("phase_x", "phase_y", "mask")
    )
    host.type(ui.keBox, 0.1)
    host.click(ui.addSliceButton)
    ui.slicesTable.cellClicked.emit(0, 0)
    assert shown == []
    found = []
    for sectors in (18, 12):
        host.type(ui.sectorsBox, sectors)
        finish(host, heart, ui.activationButton)
        found.append(node.tos)
        ui.slicesTable.cellClicked.emit(0, 0)
        assert shown[-1].GetNumberOfPlotSeriesNodes() == sectors
        table = shown[-1].GetNthPlotSeriesNode(0).GetTableNode()
        assert table is node.tos.GetNodeReference("CardiacTwins.Strain")
        table.SetName("renamed")
        ui.slicesTable.cellClicked.emit(0, 0)
        assert shown[-1] is shown[-2]
    node.tos = found[0]
    ui.slicesTable.cellClicked.emit(0, 0)
    assert shown[-1] is shown[0]
    host.scene.RemoveNode(shown[0])
    ui.slicesTable.cellClicked.emit(0, 0)
    assert shown[-1].GetNumberOfPlotSeriesNodes() == 18


def test_colours_legend_and_views_follow_the_controls(host, mapped):
    import slicer

    from cardiactwins.mrml.lma_map import TOS

    ui, model = mapped.ui, parameters(mapped).model
    camera = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCameraNode")
    bounds = np.zeros(6)
    model.GetRASBounds(bounds)
    for button, side in ((ui.laoButton, -np.sin(np.radians(40))), (ui.raoButton, np.sin(np.radians(30)))):
        host.type(ui.laoSlider, 40.0)
        host.click(button)
        seen = np.array(camera.GetPosition()) - np.array(camera.GetFocalPoint())
        np.testing.assert_allclose(camera.GetFocalPoint(), (bounds[::2] + bounds[1::2]) / 2, atol=1e-6)
        assert seen[0] / np.linalg.norm(seen) == pytest.approx(side, abs=1e-6) and seen[1] > 0
    assert ui.laoButton.text == "LAO 40°"
    assert not ui.lookButton.enabled
    host.click(ui.lateButton)
    host.click(ui.lookButton)
    seen = np.array(camera.GetPosition()) - np.array(camera.GetFocalPoint())
    centre = mapped.panel.context.lateRegion().region.centre - np.array(camera.GetFocalPoint())
    assert seen @ centre / np.linalg.norm(seen) / np.linalg.norm(centre) == pytest.approx(1.0, abs=1e-6)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(model)
    assert legend.GetVisibility() and legend.GetTitleText() == TOS
    host.choose(ui.scalarBox, "Distance to the nearest slice (mm)")
    assert model.GetDisplayNode().GetActiveScalarName() == legend.GetTitleText() == "Slice distance (mm)"
    host.choose(ui.scalarBox, "Extrapolated (beyond the slices)")
    assert model.GetDisplayNode().GetActiveScalarName() == "Extrapolated"
    assert tuple(model.GetDisplayNode().GetScalarRange()) == (0.0, 1.0)
    host.choose(ui.scalarBox, "Scar (share of the wall)")
    assert "does not have 'Scar (share of the wall)'" in ui.mapLabel.text
    host.click(ui.legendBox)
    assert not legend.GetVisibility()


def test_the_reference_model_stands_beside_the_patients(host, mapped):
    import slicer

    ui = mapped.ui
    host.click(mapped.ui.referenceModelBox)
    host.click(mapped.ui.mapButton)
    model = parameters(mapped).model
    reference = slicer.mrmlScene.GetFirstNodeByName(f"{model.GetName()}: reference model")
    own, other = np.zeros(6), np.zeros(6)
    model.GetRASBounds(own)
    reference.GetRASBounds(other)
    assert other[1] < own[0]
    for node in (model, reference):
        lines, place = node.GetNodeReference("CardiacTwins.MeasuredRange"), np.zeros(6)
        lines.GetRASBounds(place)
        node.GetRASBounds(own)
        assert (place[::2] > own[::2] - 1).all() and (place[1::2] < own[1::2] + 1).all()
    host.type(ui.heightsEdit, "0.3 0.4 0.5 0.6 0.7 0.8")
    changed = model.GetNodeReference("CardiacTwins.MeasuredRange")
    before = changed.GetPolyData().GetBounds()
    host.click(ui.mapButton)
    assert changed.GetPolyData().GetBounds() != before
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    again = [node for node in models if node.GetName() == reference.GetName()][-1]
    assert again is not reference and again.GetDisplayVisibility()
    assert not reference.GetDisplayVisibility()
    assert not reference.GetNodeReference("CardiacTwins.MeasuredRange").GetDisplayVisibility()
    host.click(ui.undoButton)
    assert reference.GetDisplayVisibility()
    assert changed.GetPolyData().GetBounds() == before
    assert reference.GetPolyData().GetPointData().GetArray("TOS (ms)") is not None


def test_the_model_that_is_left_after_an_undo_is_no_reference_model(host, mapped):
    ui, model = mapped.ui, parameters(mapped).model
    host.click(ui.referenceModelBox)
    host.click(ui.mapButton)
    finish(host, mapped, ui.reconstructButton)
    assert parameters(mapped).model is not model
    host.click(ui.undoButton)
    assert parameters(mapped).model is model


def test_a_late_region_is_that_of_the_map_and_criterion_that_are_shown(host, mapped):
    ui, model = mapped.ui, parameters(mapped).model
    segmentation = model.GetNodeReference("CardiacTwins.Segmentation").GetSegmentation()
    cells = model.GetPolyData().GetCellData

    host.click(ui.lateButton)
    first, said = mapped.panel.context.lateRegion().centre, ui.lateLabel.text
    host.type(ui.delaySlider, 80.0)
    host.click(ui.lateButton)
    second = mapped.panel.context.lateRegion().centre
    assert not first.GetDisplayVisibility() and second.GetDisplayVisibility()
    host.click(ui.undoButton)
    assert first.GetDisplayVisibility() and ui.lateLabel.text == said

    host.type(ui.heightsEdit, "0.3 0.4 0.5 0.6 0.7 0.8")
    host.click(ui.mapButton)
    assert ui.lateTable.rowCount == 0 and ui.lateLabel.text == "" and not ui.lookButton.enabled
    assert segmentation.GetSegment("Late activation") is None and not first.GetDisplayVisibility()
    assert not cells().HasArray("Late activation")
    host.click(ui.undoButton)
    assert ui.lateLabel.text == said and ui.lookButton.enabled and first.GetDisplayVisibility()
    assert segmentation.GetSegment("Late activation") is not None and cells().HasArray("Late activation")


def test_scar_is_left_out_of_the_late_region(host, mapped, phantom):
    from cardiactwins.mrml.segmentations import new_segmentation

    ui = mapped.ui
    host.choose(ui.criterionBox, "The latest share of the epicardium")
    host.type(ui.areaSlider, 20.0)
    host.click(ui.lateButton)
    assert "20 % of the epicardium is late" in ui.lateLabel.text
    before = ui.lateLabel.text
    turn = (phantom.circumferential - (LATE_AT - 0.5) / SECTORS + 0.5) % 1 - 0.5
    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    new_segmentation(
        "LGE", phantom.geometry, {**masks, "infarct": phantom.myocardium & (np.abs(turn) < 0.12)}
    )
    assert not ui.scarLimitSlider.enabled
    host.choose(ui.scarSelector, "LGE")
    assert ui.scarLimitSlider.enabled
    host.click(ui.lateButton)
    assert host.dialogs.texts("error") == [] and ui.lateLabel.text != before
    quantities = [ui.lateTable.item(row, 0).text() for row in range(ui.lateTable.rowCount)]
    assert "latest viable segment" in quantities and "the latest viable segment is" in ui.lateLabel.text
    host.choose(ui.scalarBox, "Late region")
    assert parameters(mapped).model.GetDisplayNode().GetActiveScalarName() == "Late activation"
    host.click(ui.undoButton)
    assert ui.lateLabel.text == before
