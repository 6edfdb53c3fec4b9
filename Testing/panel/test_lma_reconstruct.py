"""The LMAReconstruct panel, worked as a person would: from outlined slices to a late region, and back."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

SECTORS = 18
LATE_AT = 3
"""Sector around which the hearts here are late."""


@pytest.fixture
def lma(host, panel, tmp_path, monkeypatch):
    """The open panel, with settings and job folders of its own."""
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "jobs"))
    settings = str(tmp_path / "settings" / "Slicer.ini")
    monkeypatch.setattr(slicer.app, "slicerUserSettingsFilePath", settings, raising=False)
    return panel("LMAReconstruct")


@pytest.fixture(scope="module")
def phantom():
    from cardiactwins.anatomy.phantoms import lv_phantom

    return lv_phantom(np.random.default_rng(3), slices=6, spacing=(2.0, 2.0, 10.0))


@pytest.fixture
def slices(host, phantom):
    """The phantom's slices as a segmentation, and its insertion points."""
    from cardiactwins.mrml.markups import new_markups
    from cardiactwins.mrml.segmentations import new_segmentation

    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    return (
        new_segmentation("Patient", phantom.geometry, masks),
        new_markups("RV insertion", phantom.insertion_points),
    )


@pytest.fixture
def ready(host, lma, slices):
    """The panel with the slices chosen and what needs no network."""
    host.choose(lma.ui.segmentationSelector, "Patient")
    host.choose(lma.ui.insertionSelector, "RV insertion")
    host.choose(lma.ui.methodBox, "Interpolation between the slices")
    host.choose(lma.ui.onsetBox, "Change point")
    return lma


@pytest.fixture
def heart(host, ready):
    """The panel with a model of the slices, made without its worker."""
    section = ready.panel.reconstruction
    found = ready.logic.reconstruct(
        parameters(ready).slicesSegmentation, parameters(ready).insertionPoints, method="interpolation"
    )
    section._finish(found, found.reconstruction)
    parameters(ready).model = found.model
    return ready


@pytest.fixture
def mapped(host, heart):
    """The panel with a map of TOS that is latest around one sector."""
    host.choose(heart.ui.activationSourceBox, "TOS that is known")
    parameters(heart).tos = heart.logic.loadTOS(tos_file(heart))
    host.click(heart.ui.mapButton)
    return heart


def parameters(lma):
    return lma.panel.context.parameterNode


def controls(lma):
    return lma.panel.reconstruction.controls


def finish(host, lma, button, seconds=60):
    """Click a button that runs something and wait until nothing runs any more."""
    host.click(button)
    host.wait(lambda: not controls(lma).occupied, seconds)


def nodes(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def late_around(sectors=SECTORS, slices=6):
    """TOS (slices, sectors) in ms, 40 to 130, latest in the middle of one sector."""
    turn = (np.arange(sectors) - (LATE_AT - 1)) / sectors
    return np.tile(85 + 45 * np.cos(2 * np.pi * turn), (slices, 1))


def tos_file(lma, slices=6, heights=True):
    """A CSV file of late TOS below the folder of the settings."""
    path = lma.panel.context.ownWeights().parents[1] / "tos.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["slice,longitudinal,sector,TOS" if heights else "slice,sector,TOS"]
    for number, row in enumerate(late_around(slices=slices), start=1):
        height = f"{(number - 0.5) / slices:.3f}," if heights else ""
        lines += [f"{number},{height}{sector},{value:.1f}" for sector, value in enumerate(row, start=1)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_buttons_say_what_is_missing_before_anything_is_chosen(lma):
    ui = lma.ui
    for button, text in (
        (ui.reconstructButton, "choose the segmentation that holds the slices"),
        (ui.addSliceButton, "choose the sequence of the phase along x"),
        (ui.activationButton, "add at least one slice of DENSE images"),
        (ui.activationButton, "reconstruct the left ventricle in section 1"),
        (ui.mapButton, "compute, load or type in TOS in section 2"),
        (ui.lateButton, "reconstruct the left ventricle in section 1"),
        (ui.reportButton, "choose the folder of the report"),
        (ui.deleteWeightsButton, "Choose a file in the table first"),
    ):
        assert not button.enabled
        assert text in button.toolTip
    assert not any(
        button.enabled for button in (ui.undoButton, ui.laoButton, ui.bullseyeButton, ui.removeSliceButton)
    )


def test_every_control_that_a_person_can_use_has_a_tooltip(lma):
    import ctk
    import qt
    import slicer

    kinds = (
        qt.QAbstractButton,
        qt.QComboBox,
        qt.QSpinBox,
        qt.QDoubleSpinBox,
        qt.QLineEdit,
        qt.QTableWidget,
        ctk.ctkSliderWidget,
        ctk.ctkPathLineEdit,
        slicer.qMRMLNodeComboBox,
    )
    own = {name: widget for name, widget in vars(lma.ui).items() if not name.startswith("qt_")}
    named = {name: widget for name, widget in own.items() if isinstance(widget, kinds)}
    assert len(named) > 50
    assert [name for name, widget in named.items() if not widget.toolTip and "Section" not in name] == []


def test_sample_data_becomes_a_map_and_a_late_region_and_is_taken_back(host, lma, tmp_path):
    import slicer

    ui, before = lma.ui, nodes(host.scene)
    host.click(ui.sampleButton)
    host.choose(ui.methodBox, "Interpolation between the slices")
    host.choose(ui.onsetBox, "Change point")
    assert ui.slicesTable.rowCount == 4 and ui.slicesTable.item(0, 2).text() == "0.1"
    host.click(ui.reconstructButton)
    assert ui.reconstructButton.text == "Cancel" and not ui.activationButton.enabled
    assert "Another computation" in ui.activationButton.toolTip
    host.wait(lambda: not controls(lma).occupied, 60)
    assert ui.agreementTable.rowCount == 8 and ui.agreementTable.item(0, 5).text() == "yes"
    assert "The model meets all 8 slices" in ui.agreementLabel.text
    finish(host, lma, ui.activationButton)
    assert (ui.tosTable.rowCount, ui.tosTable.columnCount) == (4, SECTORS + 1)
    assert "TOS (change point)" in ui.activationLabel.text
    heights = lma.panel.context.tosTable().longitudinal
    np.testing.assert_allclose(heights, (0.2, 0.4, 0.6, 0.8), atol=0.06)
    host.click(ui.mapButton)
    assert ui.segmentTable.rowCount >= 16 and ui.bullseyeButton.enabled
    display = parameters(lma).model.GetDisplayNode()
    assert display.GetActiveScalarName() == "TOS (ms)" and display.GetScalarVisibility()
    host.type(ui.delaySlider, 40.0)
    host.click(ui.lateButton)
    assert "lateral" in ui.lateLabel.text  # where a left bundle branch block is late
    assert "CURE" in [ui.lateTable.item(row, 0).text() for row in range(ui.lateTable.rowCount)]
    assert not ui.reportButton.enabled
    host.type(ui.reportFolderPath, tmp_path / "report")
    assert ui.reportButton.enabled
    assert host.dialogs.texts("error") == []

    titles = lma.panel.context.results.titles
    assert len(titles) == 5 and titles[0] == "Sample data" and titles[-1] == "Late region"
    segmentation = parameters(lma).model.GetNodeReference("CardiacTwins.Segmentation")
    assert segmentation.GetSegmentation().GetSegment("Late activation") is not None
    host.click(ui.undoButton)
    assert segmentation.GetSegmentation().GetSegment("Late activation") is None
    assert ui.lateTable.rowCount == 0 and not ui.reportButton.enabled and ui.lateButton.enabled
    host.click(ui.undoButton)
    assert not ui.lateButton.enabled and ui.segmentTable.rowCount == 0
    for _ in range(3):
        host.click(ui.undoButton)
    assert not ui.undoButton.enabled and ui.slicesTable.rowCount == 0 and ui.agreementTable.rowCount == 0
    left = [slicer.mrmlScene.GetNodeByID(key).GetName() for key in nodes(host.scene) - before]
    assert [name for name in left if not name.startswith("Activation")] == []  # its colours stay


def test_the_report_is_written_from_the_results_of_the_session(host, ready, tmp_path, monkeypatch):
    from cardiactwins.mrml import lma_report
    from cardiactwins.mrml.offscreen import RenderingUnavailable

    def nothing(*_arguments):
        raise RenderingUnavailable("Nothing can be drawn in this test.")

    monkeypatch.setattr(lma_report, "map_pictures", nothing)
    finish(host, ready, ready.ui.reconstructButton)
    host.choose(ready.ui.activationSourceBox, "TOS that is known")
    host.type(ready.ui.tosFilePath, tos_file(ready))
    host.click(ready.ui.loadTosButton)
    host.click(ready.ui.mapButton)
    host.click(ready.ui.lateButton)
    host.type(ready.ui.reportFolderPath, tmp_path / "report")
    host.click(ready.ui.reportButton)
    assert host.dialogs.texts("error") == []
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert (
        record["results"]["method"] == "interpolation" and record["results"]["tos_method"] == "file tos.csv"
    )
    assert record["inputs"]["slices"] == "Patient" and record["seconds"] > 0
    host.click(ready.ui.mapButton)
    assert "find the late region of this map" in ready.ui.reportButton.toolTip


def test_inputs_are_guessed_from_names_and_contents(host, lma, slices, phantom):
    from cardiactwins.mrml.segmentations import new_segmentation

    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    long_axis = new_segmentation("Patient long axis 4ch", phantom.geometry, masks)
    lesion = phantom.myocardium & (phantom.circumferential < 0.2)
    scar = new_segmentation("LGE", phantom.geometry, {**masks, "infarct": lesion})
    host.click(lma.ui.guessButton)
    node = parameters(lma)
    assert node.slicesSegmentation is slices[0] and node.insertionPoints is slices[1]
    assert node.longAxis is long_axis and node.scar is scar
    assert "slices, insertion points, long-axis slices, scar" in lma.ui.statusLabel.text
    assert lma.ui.cavityRoleBox.currentText.startswith("found by name")
    assert lma.ui.reconstructButton.enabled


def test_a_panel_that_is_entered_with_slices_in_the_scene_has_chosen_them(host, slices, panel):
    lma = panel("LMAReconstruct")
    assert lma.ui.segmentationSelector.currentNode() is slices[0]
    assert lma.ui.insertionSelector.currentNode() is slices[1]


def test_automatic_says_that_it_falls_back_to_interpolation_and_why(host, ready, monkeypatch):
    monkeypatch.setattr(type(ready.panel.context), "weightsOf", lambda _self, _kind: None)
    host.choose(ready.ui.methodBox, "Network (jayakumar-2023)")
    assert "the weights of the reconstruction are not on this computer" in ready.ui.reconstructButton.toolTip
    assert not ready.ui.reconstructButton.enabled
    host.choose(ready.ui.methodBox, "Automatic")
    assert ready.ui.reconstructButton.enabled
    assert "Automatic means interpolation here: the weights" in ready.ui.methodLabel.text
    monkeypatch.setitem(REASON, "why not refinement", "the weights are asleep")
    with_result(ready, monkeypatch, values=REASON)
    finish(host, ready, ready.ui.reconstructButton)
    assert "Not refinement, because: the weights are asleep." in ready.ui.agreementLabel.text


REASON = {}


def with_result(lma, monkeypatch, **changes):
    """Let the next reconstruction come back with other fields."""
    from cardiactwins.panel.lma import reconstruction_section

    load = reconstruction_section.load_reconstruction

    def changed(path):
        found = load(path)
        return replace(found, **{key: new(found) if callable(new) else new for key, new in changes.items()})

    monkeypatch.setattr(reconstruction_section, "load_reconstruction", changed)


def test_slices_that_disagree_are_named_and_uncertainty_is_told(host, ready, monkeypatch):
    def poor(found):
        return tuple(replace(part, dice=0.4) if i == 2 else part for i, part in enumerate(found.agreement))

    with_result(
        ready, monkeypatch, agreement=poor, deviation=lambda found: np.full(len(found.surface.points), 2.0)
    )
    finish(host, ready, ready.ui.reconstructButton)
    assert "These slices disagree with the model: slice 3 (Dice 0.40)." in ready.ui.agreementLabel.text
    assert ready.ui.agreementTable.item(2, 5).text() == "no"
    assert "Uncertainty of the surface (SD): median" in ready.ui.agreementLabel.text
    host.choose(ready.ui.scalarBox, "Uncertainty of the surface (mm)")
    assert parameters(ready).model.GetDisplayNode().GetActiveScalarName() == "Uncertainty (mm)"


def test_closed_curves_in_a_folder_are_slices_too(host, ready, phantom):
    import slicer

    from cardiactwins.mrml.headless import start

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Contours")
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for index in range(4):
        wall = np.argwhere(phantom.myocardium[index + 1])
        middle = phantom.geometry.kji_to_ras([index + 1.0, *wall.mean(axis=0)])
        for name, radius in (("epi", 30.0), ("endo", 20.0)):
            node = start().scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", f"{name} {index + 1}")
            steps = phantom.geometry.ijk_to_ras[:3, :2] / np.linalg.norm(
                phantom.geometry.ijk_to_ras[:3, :2], axis=0
            )
            for angle in turn:
                node.AddControlPoint(*(middle + radius * steps @ (np.cos(angle), np.sin(angle))))
            hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    host.choose(ready.ui.sourceBox, "Closed curves")
    assert "choose the folder that holds the closed curves" in ready.ui.reconstructButton.toolTip
    host.choose(ready.ui.curvesItemBox, "Contours")
    assert ready.ui.reconstructButton.enabled
    finish(host, ready, ready.ui.reconstructButton)
    assert host.dialogs.texts("error") == []
    assert ready.ui.agreementTable.rowCount == 4
    assert parameters(ready).model.GetName() == "Contours: LV model"


def test_wrong_inputs_are_refused_with_what_to_do(host, ready):
    host.type(ready.ui.slicesBox, 2)
    assert "use at least 3 slices, or 0 for all" in ready.ui.reconstructButton.toolTip
    host.type(ready.ui.slicesBox, 0)
    host.choose(ready.ui.insertionSelector, "None: from the right ventricle's segment")
    before = nodes(host.scene)
    finish(host, ready, ready.ui.reconstructButton)
    assert "There is no RV insertion point" in host.dialogs.texts("error")[0]
    assert nodes(host.scene) == before and not controls(ready).occupied


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
    ):
        host.type(ui.heightsEdit, typed)
        assert not ui.mapButton.enabled and said in ui.mapButton.toolTip
    host.type(ui.heightsEdit, "0.2, 0.4, 0.6, 0.8")
    host.click(ui.mapButton)
    np.testing.assert_allclose(heart.panel.context.mapped().tos_table.longitudinal, (0.2, 0.4, 0.6, 0.8))
    broken = tos_file(heart)
    broken.write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    host.click(ui.loadTosButton)
    assert "A table of TOS has a column 'TOS'" in host.dialogs.texts("error")[0]


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
    centre = mapped.panel.context.late.region.centre - np.array(camera.GetFocalPoint())
    assert seen @ centre / np.linalg.norm(seen) / np.linalg.norm(centre) == pytest.approx(1.0, abs=1e-6)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(model)
    assert legend.GetVisibility() and legend.GetTitleText() == TOS
    host.choose(ui.scalarBox, "Distance to the nearest slice (mm)")
    assert model.GetDisplayNode().GetActiveScalarName() == legend.GetTitleText() == "Slice distance (mm)"
    host.choose(ui.scalarBox, "Scar (share of the wall)")
    assert "does not have 'Scar (share of the wall)'" in ui.mapLabel.text
    host.click(ui.legendBox)
    assert not legend.GetVisibility()


def test_the_reference_model_stands_beside_the_patients(host, mapped):
    import slicer

    host.click(mapped.ui.referenceModelBox)
    host.click(mapped.ui.mapButton)
    model = parameters(mapped).model
    reference = slicer.mrmlScene.GetFirstNodeByName(f"{model.GetName()}: reference model")
    own, other = np.zeros(6), np.zeros(6)
    model.GetRASBounds(own)
    reference.GetRASBounds(other)
    assert other[1] < own[0]
    assert reference.GetPolyData().GetPointData().GetArray("TOS (ms)") is not None


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


def weights_file(folder, kind="lma onset", content=b"weights"):
    """A file that looks like weights, and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mine.safetensors"
    path.write_bytes(content)
    card = {"format": "cardiactwins weights 1", "kind": kind, "file": path.name, "bytes": len(content)}
    card |= {"sha256": hashlib.sha256(content).hexdigest(), "licence": "CC0"}
    path.with_suffix(".json").write_text(json.dumps(card), encoding="utf-8")
    return path


def test_weights_are_listed_added_checked_and_deleted(host, lma, tmp_path):
    ui, context = lma.ui, lma.panel.context
    listed = ui.weightsTable.rowCount
    path = weights_file(tmp_path / "download")
    host.dialogs.answer("path", path)
    host.click(ui.addWeightsButton)
    assert "mine.safetensors is used from now on" in ui.statusLabel.text
    assert context.weightsOf("lma onset").path == context.ownWeights() / "mine.safetensors"
    assert ui.weightsTable.rowCount == listed + 1
    texts = [ui.weightsTable.item(0, column).text() for column in range(6)]
    assert texts[:2] == ["onset", "file of yours"] and texts[3:5] == ["used", "CC0"]
    (context.ownWeights() / "mine.safetensors").write_bytes(b"WEIGHTS")
    host.click(ui.checkWeightsButton)
    assert "SHA256 differs" in ui.weightsTable.item(0, 3).text()
    ui.weightsTable.selectRow(0)
    assert ui.deleteWeightsButton.enabled
    host.dialogs.answer("confirm", False)
    host.click(ui.deleteWeightsButton)
    assert context.weightsOf("lma onset").own
    host.click(ui.deleteWeightsButton)
    assert ui.weightsTable.rowCount == listed and list(context.ownWeights().iterdir()) == []


def test_weights_that_are_damaged_foreign_or_without_a_card_are_refused(host, lma, tmp_path):
    damaged = weights_file(tmp_path / "a")
    damaged.write_bytes(b"WEIGHTS")
    bare = weights_file(tmp_path / "b")
    bare.with_suffix(".json").unlink()
    foreign = weights_file(tmp_path / "c", kind="twin autoencoder")
    for path, said in ((damaged, "SHA256 differs"), (bare, "with its card"), (foreign, "twin autoencoder")):
        host.dialogs.answer("path", path)
        host.click(lma.ui.addWeightsButton)
        assert said in host.dialogs.texts("error")[-1]
    assert not lma.panel.context.ownWeights().exists()


def test_a_run_that_is_cancelled_while_it_reads_or_computes_leaves_the_scene_as_it_was(host, ready, tmp_path):
    before, button = nodes(host.scene), ready.ui.reconstructButton
    for computing in (False, True):
        button.click()
        assert button.text == "Cancel"
        if computing:
            host.wait(lambda: ready.panel.worker.busy, 30)
        button.click()
        host.wait(lambda: not controls(ready).occupied, 60)
        assert nodes(host.scene) == before and parameters(ready).model is None
        assert ready.ui.statusLabel.text == "Cancelled. Nothing in the scene was changed."
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_that_dies_says_so_and_the_next_run_works(host, ready, tmp_path):
    before = nodes(host.scene)
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: ready.panel.worker.process_id is not None, 30)
    os.kill(ready.panel.worker.process_id, signal.SIGKILL)
    host.wait(lambda: not controls(ready).occupied, 60)
    assert "The worker process ended" in host.dialogs.texts("error")[0]
    assert nodes(host.scene) == before and list((tmp_path / "jobs").iterdir()) == []
    host.dialogs.clear()
    finish(host, ready, ready.ui.reconstructButton)
    assert parameters(ready).model is not None and host.dialogs.texts("error") == []


def test_closing_the_scene_stops_the_run_and_forgets_the_results(host, mapped, tmp_path):
    host.click(mapped.ui.reconstructButton)
    host.scene.Clear(False)
    host.wait(lambda: not controls(mapped).occupied, 60)
    context = mapped.panel.context
    assert context.reconstructed() is None and context.mapped() is None
    assert parameters(mapped).model is None
    for table in ("agreementTable", "tosTable", "segmentTable", "lateTable", "slicesTable"):
        assert getattr(mapped.ui, table).rowCount == 0
    assert not mapped.ui.undoButton.enabled and not mapped.ui.mapButton.enabled
    host.click(mapped.ui.sampleButton)
    assert mapped.ui.reconstructButton.enabled and mapped.ui.slicesTable.rowCount == 4


def test_slices_that_are_deleted_while_they_are_reconstructed_still_become_a_model(host, ready):
    host.click(ready.ui.reconstructButton)
    host.scene.RemoveNode(parameters(ready).slicesSegmentation)
    host.wait(lambda: not controls(ready).occupied, 60)
    assert parameters(ready).model is not None and host.dialogs.texts("error") == []
    assert "choose the segmentation" in ready.ui.reconstructButton.toolTip


def test_the_device_is_kept_with_the_scene_and_goes_to_the_job(host, ready, monkeypatch):
    from cardiactwins.compute.devices import DEVICE_CHOICES

    box = ready.ui.deviceComboBox
    assert [box.itemText(n) for n in range(box.count)] == list(DEVICE_CHOICES)
    assert parameters(ready).device == "auto"
    box.currentIndex = 1
    assert parameters(ready).device == "CPU"
    parameters(ready).device = "auto"
    assert box.currentIndex == 0


def test_own_weights_refine_after_a_preview_which_a_cancel_takes_away(host, ready, tmp_path):
    torch = pytest.importorskip("torch")
    from cardiactwins.lma.reconstruction_model import ReconstructionModel, TrainingSettings
    from cardiactwins.lma.shape_volume import phantom_volume

    shape = phantom_volume(np.random.default_rng(0))
    atlas = torch.from_numpy(np.stack([shape.cavity, shape.myocardium]))
    untrained = ReconstructionModel(atlas, TrainingSettings(width=8, atlas_width=8, band_size=8))
    path = untrained.save(tmp_path / "own.safetensors", {"licence": "CC0", "data": "none"})
    host.dialogs.answer("path", path)
    host.click(ready.ui.addWeightsButton)
    host.choose(ready.ui.methodBox, "Automatic")
    assert ready.ui.methodLabel.text == "Automatic means refinement here."
    before, section = nodes(host.scene), ready.panel.reconstruction
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: section.preview is not None, 60)
    assert section.preview.node not in ready.ui.modelSelector.nodes()
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: not controls(ready).occupied, 60)
    assert nodes(host.scene) == before
    finish(host, ready, ready.ui.reconstructButton)
    assert host.dialogs.texts("error") == []
    assert ready.ui.agreementLabel.text.startswith("Method: refinement.")
    assert "Uncertainty of the surface (SD)" in ready.ui.agreementLabel.text
    assert parameters(ready).model is not None and section.preview is None


WITHOUT_TORCH = """
import sys
sys.path.append({folder!r})
from host import start
host = start()
host.loadModule({module!r})
panel = host.widgetOf("LMAReconstruct")
ui, controls = panel.ui, panel.panel.reconstruction.controls
host.click(ui.sampleButton)
for button in (ui.reconstructButton, ui.activationButton):
    host.click(button)
    host.wait(lambda: not controls.occupied, 120)
for button in (ui.mapButton, ui.lateButton):
    host.click(button)
print(host.dialogs.texts("error"), "torch" in sys.modules, ui.activationLabel.text.splitlines()[-1])
host.close()
"""


def test_pytorch_is_loaded_by_the_worker_and_never_by_the_application(started_host):
    pytest.importorskip("torch")
    folder = Path(__file__).parent
    module = folder.parents[1] / "LMAReconstruct" / "LMAReconstruct.py"
    program = WITHOUT_TORCH.format(folder=str(folder), module=str(module))
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.splitlines()[-1].startswith("[] False TOS (network)"), done.stderr


def test_values_models_and_maps_survive_a_saved_scene(host, mapped, tmp_path):
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    ui = mapped.ui
    host.type(ui.delaySlider, 50.0)
    host.click(ui.lateButton)
    host.type(ui.slicesBox, 5)
    target = ui.lateLabel.text
    save_scene(tmp_path / "scene.mrb")
    host.scene.Clear(False)
    host.processEvents()
    assert ui.slicesBox.value == 0 and ui.agreementTable.rowCount == 0
    load_scene(tmp_path / "scene.mrb")
    host.processEvents()
    assert ui.slicesBox.value == 5 and ui.delaySlider.value == 50
    assert ui.agreementTable.rowCount == 6 and ui.tosTable.rowCount == 6 and ui.segmentTable.rowCount >= 16
    assert ui.lateLabel.text == target and ui.bullseyeButton.enabled
    assert "in this session" in ui.reportButton.toolTip
    host.click(ui.lateButton)
    assert host.dialogs.texts("error") == []


def test_a_result_arrives_although_another_module_was_entered(host, ready):
    host.click(ready.ui.reconstructButton)
    ready.exit()
    host.wait(lambda: not controls(ready).occupied, 60)
    assert parameters(ready).model is not None
    ready.enter()
    assert ready.ui.agreementTable.rowCount == 6
