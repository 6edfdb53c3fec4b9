"""The TwinEditor panel, worked as a person would: from a segmented heart to siblings and cohorts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from twin_steps import (
    NAME,
    finish,
    give_weights,
    nodes,
    occupied,
    parameters,
    show_siblings,
    sibling_of,
    texts,
    write_card,
)


def test_buttons_say_what_is_missing_before_anything_is_chosen(editor):
    ui = editor.ui
    for button, text in (
        (ui.importButton, "choose the segmentation of a whole heart"),
        (ui.editButton, "import a heart in section 1"),
        (ui.estimateButton, "import a heart in section 1"),
        (ui.surfacesButton, "import a heart in section 1"),
        (ui.cohortButton, "choose the folder of the cohort"),
        (ui.deleteWeightsButton, "Choose a file in the table first"),
    ):
        assert not button.enabled
        assert text in button.toolTip
    assert not ui.undoButton.enabled
    for button, text in (
        (ui.chartButton, "run a task of a cohort"),
        (ui.reportButton, "run a task of a cohort"),
        (ui.cleanButton, "import a heart in section 1"),
        (ui.placesButton, "import a heart in section 1"),
        (ui.backButton, "import a heart in section 1"),
        (ui.showButton, "choose a sibling in the table"),
        (ui.differenceButton, "choose a sibling in the table"),
        (ui.goOnButton, "choose a sibling in the table"),
    ):
        assert not button.enabled and f"Still missing:\n- {text}" in button.toolTip


def test_grey_buttons_of_a_heart_and_its_siblings_say_why(host, heart):
    ui, context = heart.ui, heart.panel.context
    for button, text in (
        (ui.cleanButton, "nothing is wrong with it"),
        (ui.placesButton, "all topology checks hold"),
        (ui.backButton, "starts from the twin"),
        (ui.goOnButton, "choose a sibling"),
    ):
        assert not button.enabled and text in button.toolTip
    own = "The next edit starts from this sibling. The twin itself is kept."
    show_siblings(host, heart, sibling_of(context.case(), 1))
    assert ui.goOnButton.enabled and ui.goOnButton.toolTip == own
    finish(host, heart, ui.importButton)
    assert not ui.goOnButton.enabled and "this one is of another" in ui.goOnButton.toolTip
    assert ui.differenceButton.enabled and "missing" not in ui.differenceButton.toolTip
    parameters(heart).segmentation = None
    assert not ui.goOnButton.enabled and "import a heart in section 1" in ui.goOnButton.toolTip


def test_every_control_that_a_person_can_use_has_a_tooltip(editor):
    import ctk
    import qt
    import slicer

    kinds = (
        qt.QAbstractButton,
        qt.QComboBox,
        qt.QSpinBox,
        qt.QDoubleSpinBox,
        qt.QLineEdit,
        qt.QTextEdit,
        qt.QTableWidget,
        ctk.ctkSliderWidget,
        ctk.ctkPathLineEdit,
        slicer.qMRMLNodeComboBox,
    )
    own = {name: widget for name, widget in vars(editor.ui).items() if not name.startswith("qt_")}
    named = {name: widget for name, widget in own.items() if isinstance(widget, kinds)}
    assert len(named) > 70
    assert [name for name, widget in named.items() if not widget.toolTip and "Section" not in name] == []


def test_a_heart_is_imported_varied_shown_and_taken_back(host, editor, twin):
    import slicer

    pytest.importorskip("torch")
    ui, before = editor.ui, nodes(host.scene)
    give_weights(editor, twin.labels)
    host.click(ui.sampleButton)
    assert ui.lvRoleBox.currentText == "found by name: Left ventricle"
    finish(host, editor, ui.importButton)
    assert ui.reviewLabel.text == "Imported; nothing is wrong."
    assert texts(ui.twinTable)[3][::3] == ["LV", "148 ± 30"]
    assert editor.panel.context.case().twin.labels.shape == (128, 128, 128)
    assert "4 siblings: typically" in ui.estimateLabel.text

    host.type(ui.numberBox, 2)
    host.type(ui.stepsBox, 4)
    host.type(ui.seedBox, 3)
    host.click(ui.editButton)
    assert ui.editButton.text == "Cancel" and not ui.importButton.enabled
    pictures, told = [], set()

    def ended():
        pictures.append(ui.previewLabel.visible)
        told.add(ui.statusLabel.text)
        return not occupied(editor)

    host.wait(ended, 240)
    assert any("0 of 12 topology checks fail" in text for text in told)
    assert host.dialogs.texts("error") == [] and not ui.previewLabel.visible
    rows = texts(ui.siblingsTable)
    assert [row[0] for row in rows] == ["sibling 1", "sibling 2"]
    assert editor.panel.context.siblings[1].name == f"{NAME}: sibling 2"
    assert rows[0][1] == "perturbational, psi 0.5; seed 3" and [row[3] for row in rows] == ["0", "0"]
    assert len(texts(ui.volumesTable)) == 6 and len(texts(ui.checksTable)) == 12
    assert "Topology violations: raw" in ui.siblingLabel.text and "guarded 0.0 %" in ui.siblingLabel.text
    shown = [one.nodes.segmentation for one in editor.panel.context.siblings]
    assert [bool(node.GetDisplayNode().GetVisibility()) for node in shown] == [True, False]
    assert json.loads(shown[1].GetAttribute("CardiacTwins.Recipe"))["seed"] == 4
    names = [
        shown[0].GetSegmentation().GetNthSegment(n).GetName()
        for n in range(shown[0].GetSegmentation().GetNumberOfSegments())
    ]
    assert "Left ventricle" in names and len(names) == 6

    assert editor.panel.context.results.titles == (
        "Sample heart",
        f"2 of {NAME}: perturbational, psi 0.5",
    )
    host.click(ui.undoButton)
    assert texts(ui.siblingsTable) == [] and texts(ui.volumesTable) == []
    host.click(ui.undoButton)
    assert nodes(host.scene) == before and not ui.editButton.enabled
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


def test_the_phantom_heart_is_in_the_sample_data_module_too(host, editor):
    from SampleData import SampleDataLogic

    sources = SampleDataLogic.sampleDataSourcesByCategory("CardiacTwins")
    (source,) = [one for one in sources if one.sampleName == "WholeHeartPhantom"]
    assert Path(source.thumbnailFileName).is_file()
    (node,) = source.customDownloader(source)
    assert node.GetSegmentation().GetNumberOfSegments() == 6
    host.choose(editor.ui.segmentationSelector, NAME)
    assert editor.ui.importButton.enabled


def test_tissues_are_assigned_where_names_do_not_tell(host, editor, scan):
    from cardiactwins.anatomy.heart_tissues import Tissue
    from cardiactwins.mrml.twin_segmentation import SegmentStyle, new_heart_segmentation

    styles = {tissue: SegmentStyle(f"Part {int(tissue)}", (0.5, 0.5, 0.5), "") for tissue in Tissue}
    parameters(editor).segmentation = new_heart_segmentation("Unnamed", *scan, styles)
    ui = editor.ui
    finish(host, editor, ui.importButton)
    assert "Part 1" in host.dialogs.texts("error")[-1] and editor.panel.context.case() is None
    for tissue in Tissue:
        host.choose(getattr(ui, f"{tissue.name.lower()}RoleBox"), f"Part {int(tissue)}")
    host.dialogs.clear()
    finish(host, editor, ui.importButton)
    assert host.dialogs.texts("error") == []
    assert [row[1] for row in texts(ui.twinTable)] == [f"Part {n}" for n in range(1, 7)]


def test_what_is_wrong_with_a_heart_is_told_and_can_be_cleaned(host, editor, scan):
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    labels = scan[0].copy()
    labels[2:4, 2:4, 2:4] = 6
    parameters(editor).segmentation = new_heart_segmentation("Specks", labels, scan[1])
    finish(host, editor, editor.ui.importButton)
    assert "LA has specks: it lies in 2 pieces" in editor.ui.reviewLabel.text
    host.click(editor.ui.cleanButton)
    host.wait(lambda: not occupied(editor), 240)
    assert "8 voxels of LA" in editor.ui.reviewLabel.text and "2 pieces" not in editor.ui.reviewLabel.text
    assert editor.ui.cleanBox.checked


def test_a_segmentation_that_is_painted_in_later_has_to_be_imported_again(heart):
    segment = parameters(heart).segmentation.GetSegmentation().GetSegment("LV")
    parameters(heart).segmentation.GetSegmentation().CreateRepresentation("Closed surface")
    heart.panel.update()
    assert "changed" not in heart.ui.reviewLabel.text
    segment.GetRepresentation("Binary labelmap").Modified()
    heart.panel.update()
    assert "was changed since it was imported" in heart.ui.reviewLabel.text


def test_a_segmentation_that_loses_a_segment_has_to_be_imported_again(heart):
    from cardiactwins.panel.twin.context import ImportedHeart, content_version

    node, context = parameters(heart).segmentation, heart.panel.context
    segmentation = node.GetSegmentation()
    segmentation.SeparateSegmentLabelmap("Ao")
    segmentation.GetSegment("LV").GetRepresentation("Binary labelmap").Modified()
    context.imported[node.GetID()] = ImportedHeart.of(context.case(), {}, content_version(node))
    heart.panel.update()
    assert "was changed" not in heart.ui.reviewLabel.text
    segmentation.RemoveSegment("Ao")
    heart.panel.update()
    assert "was changed since it was imported" in heart.ui.reviewLabel.text


def test_a_segmentation_that_is_painted_in_while_it_is_imported_has_to_be_imported_again(host, editor):
    host.click(editor.ui.sampleButton)
    host.click(editor.ui.importButton)
    host.wait(lambda: editor.panel.worker.busy, 240)
    segment = parameters(editor).segmentation.GetSegmentation().GetSegment("LV")
    segment.GetRepresentation("Binary labelmap").Modified()
    host.wait(lambda: not occupied(editor), 240)
    assert "was changed since it was imported" in editor.ui.reviewLabel.text
    finish(host, editor, editor.ui.importButton)
    assert "was changed" not in editor.ui.reviewLabel.text


def test_edits_follow_each_other_and_are_taken_back_one_by_one(host, heart):
    ui, context = heart.ui, heart.panel.context
    twin = context.case().twin
    show_siblings(host, heart, sibling_of(context.case(), 1, speck=True), sibling_of(context.case(), 2))
    rows = texts(ui.siblingsTable)
    assert [row[2:4] for row in rows] == [["1", "0"], ["0", "0"]]
    assert ["RV in one piece", "fails", "holds", "27 (largest component)"] in texts(ui.checksTable)
    assert "raw 8.3 %, guarded 0.0 %" in ui.siblingLabel.text
    volumes = {row[0]: row for row in texts(ui.volumesTable)}
    before, after = float(volumes["LV"][1]), float(volumes["LV"][2])
    assert float(volumes["LV"][3]) == pytest.approx(after - before, abs=0.11)
    assert float(volumes["LV"][4]) == pytest.approx(100 * (after / before - 1), abs=0.2)

    assert "starts from the twin" in ui.editsLabel.text and not ui.backButton.enabled
    host.click(ui.goOnButton)
    assert "1. perturbational, psi 0.5; seed 1" in ui.editsLabel.text
    np.testing.assert_array_equal(context.case().current, context.siblings[0].nodes.sibling.labels)
    # The second was made from the twin, so what was done to the first is no part of it.
    ui.siblingsTable.selectRow(1)
    host.click(ui.goOnButton)
    assert "1. perturbational, psi 0.5; seed 2" in ui.editsLabel.text
    assert len(context.case().edits) == 1
    show_siblings(host, heart, sibling_of(context.case(), 3))
    ui.siblingsTable.selectRow(2)
    host.click(ui.goOnButton)
    assert "2. perturbational, psi 0.5; seed 3" in ui.editsLabel.text
    assert len(context.case().edits) == 2 and context.case().twin is twin
    assert [ui.surfaceOfBox.itemText(n) for n in range(2)] == [NAME, f"{NAME}: edited"]
    host.click(ui.backButton)
    host.click(ui.backButton)
    assert len(context.case().edits) == 0 and not ui.backButton.enabled
    np.testing.assert_array_equal(context.case().current, twin.labels)


def test_edits_of_an_earlier_import_come_back(host, heart):
    ui, context = heart.ui, heart.panel.context
    show_siblings(host, heart, sibling_of(context.case(), 1), sibling_of(context.case(), 2))
    host.click(ui.goOnButton)
    edited = context.case()
    for _ in range(2):
        finish(host, heart, ui.importButton)
        assert "Back one edit" in ui.statusLabel.text
        assert len(context.case().edits) == 0 and context.case().twin is not edited.twin
    assert "An earlier import with 1 edit is kept" in ui.editsLabel.text and not ui.goOnButton.enabled
    show_siblings(host, heart, sibling_of(context.case(), 3))
    ui.siblingsTable.selectRow(2)
    host.click(ui.goOnButton)
    host.click(ui.backButton)
    assert len(context.case().edits) == 0
    host.click(ui.backButton)
    assert context.case() is edited and "1. perturbational, psi 0.5; seed 1" in ui.editsLabel.text
    assert "after edit 1" in ui.statusLabel.text
    ui.siblingsTable.selectRow(1)
    assert ui.goOnButton.enabled
    host.click(ui.backButton)
    assert not ui.backButton.enabled and "earlier" not in ui.editsLabel.text


def test_siblings_are_shown_hidden_and_compared(host, heart):
    ui, context = heart.ui, heart.panel.context
    show_siblings(host, heart, sibling_of(context.case(), 1), sibling_of(context.case(), 2))
    displays = [one.nodes.segmentation.GetDisplayNode() for one in context.siblings]
    ui.siblingsTable.selectRow(1)
    host.click(ui.showButton)
    assert [bool(display.GetVisibility()) for display in displays] == [True, True]
    ui.siblingsTable.cellClicked.emit(1, 0)
    assert [bool(display.GetVisibility()) for display in displays] == [False, True]
    host.click(ui.differenceButton)
    difference = host.scene.GetFirstNodeByName(f"{NAME}: sibling 2: difference")
    assert difference is not None and not displays[1].GetVisibility()
    host.click(ui.undoButton)
    assert host.scene.GetFirstNodeByName(f"{NAME}: sibling 2: difference") is None
    host.scene.RemoveNode(context.siblings[0].nodes.segmentation)
    heart.panel.update()
    assert [row[0] for row in texts(ui.siblingsTable)] == ["sibling 2"]


def test_the_form_becomes_recipes(host, ready, scan):
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    ui, form, context = ready.ui, ready.panel.edit.form, ready.panel.context

    def recipes():
        return form.recipes(context.case())

    host.type(ui.psiSlider, 0.35)
    assert [(one.kind, one.seed, one.psi) for one in recipes()] == [
        ("perturbational", n, 0.35) for n in (0, 1)
    ]
    host.choose(ui.kindBox, "One region")
    assert recipes()[0].keep == ("Ao", "LV", "RA", "LA") and recipes()[0].dilation_mm == 11.2
    host.click(ui.keepAoBox)
    host.click(ui.exactBox)
    assert recipes()[0].keep == ("LV", "RA", "LA") and recipes()[0].exact

    labels = np.zeros_like(scan[0])
    labels[20:60, 20:60, 20:60] = 4
    parameters(ready).paintedSegmentation = new_heart_segmentation("Painted", labels, scan[1])
    host.choose(ui.regionByBox, "A painted segment")
    host.choose(ui.paintedSegmentBox, "Left ventricle")
    assert recipes()[0].region == "Left ventricle" and recipes()[0].keep == ()
    region = form.region(context.case())
    assert region.sum() * 1.4**3 == pytest.approx(40**3 * 8, rel=0.02)

    host.choose(ui.kindBox, "Measures that are asked for")
    assert "write a target" in ui.editButton.toolTip
    host.choose(ui.measureBox, "RV volume (ml)")
    host.click(ui.addTargetButton)
    host.choose(ui.measureBox, "wall (mm)")
    host.choose(ui.relationBox, "changes by")
    ui.targetValueBox.value = 2
    host.click(ui.addTargetButton)
    host.click(ui.addTargetButton)
    assert parameters(ready).targets.splitlines() == ["RV volume 150 ml, wall +2 mm", "wall +2 mm"]
    assert [one.targets for one in recipes()][::2] == [("RV volume 150 ml", "wall +2 mm"), ("wall +2 mm",)]
    host.type(ui.designEdit, "RV volume 100 to 200; wall 7 to 9")
    host.type(ui.designNumberBox, 3)
    host.click(ui.gridButton)
    assert len(recipes()) == 9 and recipes()[0].targets == ("RV volume 100 ml", "wall 7 mm")
    host.click(ui.hypercubeButton)
    values = sorted(float(one.targets[0].split()[2]) for one in recipes())
    assert all(100 + 100 * n / 3 <= value <= 100 + 100 * (n + 1) / 3 for n, value in enumerate(values))

    host.choose(ui.kindBox, "New heart from noise")
    assert recipes()[0].kind == "unconditional" and recipes()[0].twin == ""


def test_a_trial_says_what_siblings_will_take_and_the_same_recipe_gives_the_same_sibling(host, ready):
    from cardiactwins.twin.siblings import make_siblings

    ui, case = ready.ui, ready.panel.context.case()
    finish(host, ready, ui.estimateButton)
    assert "2 siblings: about" in ui.estimateLabel.text and "as timed on this device" in ui.estimateLabel.text
    assert "GB of memory" in ui.estimateLabel.text
    host.type(ui.numberBox, 1)
    host.choose(ui.kindBox, "New heart from noise")
    assert "typically" in ui.estimateLabel.text
    finish(host, ready, ui.editButton)
    host.choose(ui.kindBox, "Measures that are asked for")
    host.type(ui.targetsEdit, "RV volume +1 %")
    finish(host, ready, ui.editButton)
    assert host.dialogs.texts("error") == []
    rows = texts(ui.siblingsTable)
    assert rows[0][1] == "from noise; seed 0" and "RV volume +1 %" in rows[1][1]
    assert "RV volume wanted:" in ui.siblingLabel.text and "LV volume held:" in ui.siblingLabel.text
    ui.siblingsTable.selectRow(0)
    assert texts(ui.volumesTable)[0][1] == ""
    ready.logic.weightsFile = ready.panel.context.weightsOf("twin").path
    for shown in ready.panel.context.siblings:
        made = shown.nodes.sibling
        (again,) = make_siblings(ready.logic.model(), [made.recipe], case.current)
        np.testing.assert_array_equal(again.labels, made.labels)


def test_what_of_a_heart_the_model_has_not_seen_is_told_before_siblings_are_made(host, ready):
    ui, told = ready.ui, "Outside what the model has seen: RV volume"
    assert told not in ui.estimateLabel.text
    path = ready.panel.context.weightsOf("twin").path
    write_card(path, ranges={"RV volume": [400, 500], "LV volume": [1, 500]})
    ready.panel.update()
    assert told in ui.estimateLabel.text and "LV volume" not in ui.estimateLabel.text
    assert told in ui.reviewLabel.text
    host.choose(ui.kindBox, "New heart from noise")
    assert told not in ui.estimateLabel.text
    host.choose(ui.kindBox, "Whole heart, on a scale")
    assert told in ui.estimateLabel.text
    write_card(path, ranges={"RV volume": [1, 500]})
    ready.panel.update()
    assert told not in ui.estimateLabel.text and told not in ui.reviewLabel.text


def test_the_card_of_the_model_is_shown_and_measures_are_those_of_the_library(host, ready):
    import TwinEditor

    from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES

    assert "data: one phantom" in ready.ui.cardLabel.text
    assert "cardiactwins twin train" in ready.ui.cardLabel.text
    assert texts(ready.ui.weightsTable)[0][:2] == ["siblings of hearts", "file of yours"]
    assert tuple(TwinEditor.MEASURES) == MORPHOLOGY_NAMES


def test_the_console_uses_the_weights_that_were_added_in_the_panel(ready):
    file = ready.panel.context.weightsOf("twin")
    assert file.own and ready.logic.weights() == file.path
    file.path.with_suffix(".json").unlink()
    assert ready.logic.weights() == ready.panel.context.weightsOf("twin").path != file.path


def test_values_survive_a_saved_scene_and_the_heart_can_be_imported_again(host, ready, tmp_path):
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    ui = ready.ui
    host.choose(ui.kindBox, "One region")
    host.type(ui.psiSlider, 0.8)
    show_siblings(host, ready, sibling_of(ready.panel.context.case(), 1))
    save_scene(tmp_path / "scene.mrb")
    host.scene.Clear(False)
    host.processEvents()
    assert ui.psiSlider.value == 0.5 and texts(ui.siblingsTable) == [] and ui.reviewLabel.text == ""
    load_scene(tmp_path / "scene.mrb")
    host.processEvents()
    assert ui.psiSlider.value == 0.8 and ui.kindBox.currentText == "One region"
    assert host.scene.GetFirstNodeByName(f"{NAME}: sibling 1") is not None
    assert "import a heart in section 1" in ui.editButton.toolTip and ui.importButton.enabled


def test_the_picture_of_a_step_has_the_colours_of_segments_and_rows_upward(host, editor, tmp_path):
    from PIL import Image

    from cardiactwins.anatomy.heart_tissues import Tissue
    from cardiactwins.mrml.twin_segmentation import SegmentStyle

    labels = np.zeros((4, 6), np.uint8)
    labels[0, 1], labels[3, 5] = Tissue.LV, Tissue.LA
    np.save(tmp_path / "step.npy", labels)
    editor.panel.edit.picture.show(tmp_path / "step.npy")
    assert editor.ui.previewLabel.pixmap.width() == 12
    pixels = np.asarray(Image.open(tmp_path / "step.png").convert("RGB"))
    assert pixels.shape == (8, 12, 3)
    for tissue, row, column in ((Tissue.LV, 7, 2), (Tissue.LA, 0, 11)):
        expected = np.round(255 * np.array(SegmentStyle.standard(tissue).color))
        np.testing.assert_array_equal(pixels[row, column], expected)
    assert np.count_nonzero(pixels.any(axis=2)) == 8


WITHOUT_TORCH = """
import sys
sys.path[:0] = [{folder!r}]
from pathlib import Path
import slicer
from host import start
host = start()
slicer.app.slicerUserSettingsFilePath = {settings!r}
host.loadModule({module!r})
editor = host.widgetOf("TwinEditor")
from twin_steps import finish, give_weights, texts
ui = editor.ui
host.click(ui.sampleButton)
from cardiactwins.panel.twin.context import ImportedHeart, content_version
node = editor.panel.context.parameterNode.segmentation
case = editor.logic.importTwin(node)
editor.panel.context.imported[node.GetID()] = ImportedHeart.of(case, {{}}, content_version(node))
give_weights(editor, case.twin.labels)
host.type(ui.numberBox, 1)
host.type(ui.stepsBox, 2)
finish(host, editor, ui.editButton)
print(host.dialogs.texts("error"), "torch" in sys.modules, len(texts(ui.siblingsTable)))
host.close()
"""


def test_pytorch_is_loaded_by_the_worker_and_never_by_the_application(started_host, tmp_path):
    pytest.importorskip("torch")
    folder = Path(__file__).parents[1]
    module = folder.parents[1] / "TwinEditor" / "TwinEditor.py"
    settings = str(tmp_path / "Slicer.ini")
    program = WITHOUT_TORCH.format(folder=str(folder), module=str(module), settings=settings)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.splitlines()[-1:] == ["[] False 1"], done.stderr
