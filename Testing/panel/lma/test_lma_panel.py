"""The LMAReconstruct panel, worked as a person would: from outlined slices to a late region, and back."""

from dataclasses import replace

import numpy as np
from lma_steps import SECTORS, controls, finish, nodes, parameters, with_result


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

    from cardiactwins.panel.lma.made_from import keptMadeFrom

    ui, before = lma.ui, nodes(host.scene)
    host.click(ui.sampleButton)
    host.choose(ui.methodBox, "Interpolation between the slices")
    host.choose(ui.onsetBox, "Change point")
    assert ui.slicesTable.rowCount == 4 and ui.slicesTable.item(0, 2).text() == "0.1"
    host.click(ui.reconstructButton)
    assert ui.reconstructButton.text == "Cancel" and not ui.activationButton.enabled
    assert "Another computation" in ui.activationButton.toolTip
    host.wait(lambda: not controls(lma).occupied)
    assert ui.agreementTable.rowCount == 8 and ui.agreementTable.item(0, 5).text() == "yes"
    assert "The model meets all 8 slices" in ui.agreementLabel.text
    finish(host, lma, ui.activationButton)
    assert (ui.tosTable.rowCount, ui.tosTable.columnCount) == (4, SECTORS + 1)
    assert "TOS (change point)" in ui.activationLabel.text
    made = keptMadeFrom(parameters(lma).tos)
    assert made.parameters == {
        "onset": "change point",
        "sectors": SECTORS,
        "trim": 5,
        "ke": [0.1] * 4,
        "stored values": [None] * 4,
        "signs": [1, 1, 1],
        "frame interval": None,
    }
    assert made.inputs["activation"][1] == "LBBB phantom: DENSE 2 phase x"
    heights = lma.panel.context.tosTable().longitudinal
    np.testing.assert_allclose(heights, (0.2, 0.4, 0.6, 0.8), atol=0.06)
    host.click(ui.mapButton)
    assert ui.segmentTable.rowCount >= 16 and ui.bullseyeButton.enabled
    display = parameters(lma).model.GetDisplayNode()
    assert display.GetActiveScalarName() == "TOS (ms)" and display.GetScalarVisibility()
    host.type(ui.delaySlider, 40.0)
    host.click(ui.lateButton)
    assert "lateral" in ui.lateLabel.text  # where a left bundle branch block is late
    assert "% of the late area lies beyond the measured slices" in ui.lateLabel.text
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
    assert node.longAxis2 is None and lma.ui.longAxis3Selector.isHidden()
    assert "slices, insertion points, long-axis slices, scar" in lma.ui.statusLabel.text
    assert lma.ui.cavityRoleBox.currentText.startswith("found by name")
    assert lma.ui.reconstructButton.enabled


def test_slices_of_dense_images_are_guessed_in_the_order_of_their_numbers(host, lma):
    for number in (10, 2):
        for part in ("phase x", "phase y", "mask"):
            host.scene.AddNewNodeByClass("vtkMRMLSequenceNode", f"DENSE {number} {part}")
    host.click(lma.ui.guessButton)
    listed = [lma.ui.slicesTable.item(row, 1).text() for row in range(lma.ui.slicesTable.rowCount)]
    assert listed == ["DENSE 2 phase x", "DENSE 10 phase x"]


def test_several_long_axis_slices_are_guessed_and_go_to_the_reconstruction(
    host, ready, slices, phantom, monkeypatch
):
    from cardiactwins.mrml.segmentations import new_segmentation

    ui, node = ready.ui, parameters(ready)
    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    axes = [new_segmentation(f"Patient {n}ch", phantom.geometry, masks) for n in (4, 2, 3)]
    assert ui.longAxis2Selector.isHidden()
    host.choose(ui.longAxisSelector, "Patient 2ch")
    assert not ui.longAxis2Selector.isHidden() and ui.longAxis3Selector.isHidden()
    host.click(ui.guessButton)
    assert [node.longAxis, node.longAxis2, node.longAxis3] == [axes[1], axes[0], axes[2]]
    assert not ui.longAxis3Selector.isHidden() and node.slicesSegmentation is slices[0]
    prepare, given = ready.logic.prepare, []

    def noting(*arguments, longAxis, **options):
        given.append(longAxis)
        return prepare(*arguments, longAxis=None, **options)

    monkeypatch.setattr(ready.logic, "prepare", noting)
    node.longAxis3 = axes[0]
    finish(host, ready, ui.reconstructButton)
    node.longAxis = node.longAxis2 = node.longAxis3 = None
    finish(host, ready, ui.reconstructButton)
    assert given == [[axes[1], axes[0]], None] and host.dialogs.texts("error") == []


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
    with_result(monkeypatch, values={"why this method": "the weights are asleep"})
    finish(host, ready, ready.ui.reconstructButton)
    assert "Why this one: the weights are asleep." in ready.ui.agreementLabel.text


def test_slices_that_disagree_are_named_and_uncertainty_is_told(host, ready, monkeypatch):
    def poor(found):
        return tuple(replace(part, dice=0.4) if i == 2 else part for i, part in enumerate(found.agreement))

    with_result(
        monkeypatch,
        agreement=poor,
        deviation=lambda found: np.full(len(found.surface.points), 2.0),
        values={"slices against the others": 4.25, "slice farthest from the others": 6},
    )
    finish(host, ready, ready.ui.reconstructButton)
    assert "These slices disagree with the model: slice 3 (Dice 0.40)." in ready.ui.agreementLabel.text
    assert ready.ui.agreementTable.item(2, 5).text() == "no"
    assert "Uncertainty of the surface (SD): median" in ready.ui.agreementLabel.text
    assert "slices lie 4.2 times as far from what the others predict" in ready.ui.agreementLabel.text
    assert "slice 6 most" in ready.ui.agreementLabel.text
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


def test_the_device_is_kept_with_the_scene_and_goes_to_the_job(host, ready, monkeypatch):
    from cardiactwins.compute.devices import DEVICE_CHOICES

    box = ready.ui.deviceComboBox
    assert [box.itemText(n) for n in range(box.count)] == list(DEVICE_CHOICES)
    assert parameters(ready).device == "auto"
    box.currentIndex = 1
    assert parameters(ready).device == "CPU"
    given, start = [], ready.panel.context.start

    def noting(controls, function, prepare, *callbacks):
        def noted(folder):
            given.append(prepare(folder))
            return given[-1]

        start(controls, function, noted, *callbacks)

    monkeypatch.setattr(ready.panel.context, "start", noting)
    values = {"device": "CPU, as the memory of cuda:0 was not enough. Close other programs that use it."}
    with_result(monkeypatch, values=values)
    finish(host, ready, ready.ui.reconstructButton)
    assert [arguments["device"] for arguments in given] == ["CPU"]
    assert "Computed on CPU, as the memory of cuda:0 was not enough." in ready.ui.agreementLabel.text
    parameters(ready).device = "auto"
    assert box.currentIndex == 0


def test_values_models_and_maps_survive_a_saved_scene(host, mapped, tmp_path):
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    ui = mapped.ui
    host.type(ui.delaySlider, 50.0)
    host.click(ui.lateButton)
    host.type(ui.slicesBox, 5)
    host.type(ui.heightsEdit, "0.1 0.2 0.4 0.6 0.8 0.9")
    target, spread = ui.lateLabel.text, ui.mapLabel.text
    figures = [ui.lateTable.item(row, 0).text() for row in range(ui.lateTable.rowCount)]
    assert "SD-TOS" in figures and "SD-TOS" in spread
    save_scene(tmp_path / "scene.mrb")
    host.scene.Clear(False)
    host.processEvents()
    assert ui.slicesBox.value == 0 and ui.agreementTable.rowCount == 0
    load_scene(tmp_path / "scene.mrb")
    host.processEvents()
    assert ui.slicesBox.value == 5 and ui.delaySlider.value == 50
    assert ui.agreementTable.rowCount == 6 and ui.tosTable.rowCount == 6 and ui.segmentTable.rowCount >= 16
    assert ui.lateLabel.text == target and ui.bullseyeButton.enabled
    assert ui.heightsEdit.text == "0.1 0.2 0.4 0.6 0.8 0.9"
    assert ui.mapLabel.text == spread
    assert "in this session" in ui.reportButton.toolTip
    host.click(ui.lateButton)
    assert host.dialogs.texts("error") == []
    assert [ui.lateTable.item(row, 0).text() for row in range(ui.lateTable.rowCount)] == figures
