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


def test_a_heart_is_imported_varied_shown_and_taken_back(host, editor, twin, monkeypatch):
    import slicer

    from cardiactwins.panel.twin.edit_section import EditSection

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
    pictures, told, show = [], [], EditSection._onProgress

    def note(section, event):
        show(section, event)
        pictures.append(not ui.previewLabel.isHidden())
        told.append(ui.statusLabel.text)

    monkeypatch.setattr(EditSection, "_onProgress", note)
    ui.editSection.collapsed = False
    host.click(ui.editButton)
    assert ui.editButton.text == "Cancel" and not ui.importButton.enabled
    host.wait(lambda: not occupied(editor))
    assert any(pictures) and any("0 of 12 topology checks fail" in text for text in told)
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
