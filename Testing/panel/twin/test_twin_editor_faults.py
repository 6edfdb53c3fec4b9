"""What goes wrong in the TwinEditor panel: it is said, and the scene stays as it was."""

import os
import signal

import numpy as np
import pytest
from twin_steps import (
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


def test_a_model_that_is_not_there_is_missed_before_anything_runs(heart, monkeypatch):
    from cardiactwins.panel.twin import context

    monkeypatch.setattr(type(heart.panel.context), "weightsOf", lambda _self, _kind: None)
    heart.panel.update()
    assert "there are no weights of the model on this computer" in heart.ui.editButton.toolTip
    assert "The model cannot be used: there are no weights" in heart.ui.cardLabel.text
    monkeypatch.setattr(context, "find_spec", lambda name: None if name in ("torch", "monai") else object())
    heart.panel.update()
    assert "PyTorch is not installed (it comes with the PyTorch extension)" in heart.ui.editButton.toolTip
    assert "pip_install('monai --no-deps')" in heart.ui.editButton.toolTip
    assert heart.ui.surfacesButton.enabled


def test_weights_that_are_cut_off_or_foreign_are_not_used(host, heart, tmp_path):
    path = give_weights(heart, np.zeros((128,) * 3, np.uint8))
    assert heart.ui.editButton.enabled and heart.panel.context.weightsOf("twin").path == path
    path.write_bytes(path.read_bytes()[:-1])
    heart.panel.update()
    used = heart.panel.context.weightsOf("twin")
    assert used is None or not used.own
    assert heart.ui.editButton.enabled == (used is not None)
    assert any("get it again" in row[3] for row in texts(heart.ui.weightsTable))
    write_card(path, kind="lma onset")
    host.dialogs.answer("path", path)
    host.click(heart.ui.addWeightsButton)
    assert "holds weights of 'lma onset'; used here: twin" in host.dialogs.texts("error")[-1]


def test_corrupt_weights_end_the_run_with_the_reason(host, ready):
    path, before = ready.panel.context.weightsOf("twin").path, nodes(host.scene)
    path.write_bytes(b"not an archive")
    write_card(path)
    ready.panel.update()
    ready.panel.edit.form.node.preview = False
    finish(host, ready, ready.ui.editButton)
    assert "The computation failed" in host.dialogs.texts("error")[0]
    assert nodes(host.scene) == before and texts(ready.ui.siblingsTable) == []


def test_a_heart_without_a_chamber_and_an_empty_one_are_refused_by_name(host, editor, scan):
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    labels = np.where(scan[0] == 6, 0, scan[0]).astype(np.uint8)
    for name, heart, said in (
        ("No atrium", labels, "has no left atrium"),
        ("Empty", np.zeros_like(labels), "None of them was found"),
    ):
        parameters(editor).segmentation = new_heart_segmentation(name, heart, scan[1])
        host.dialogs.clear()
        finish(host, editor, editor.ui.importButton)
        assert name in host.dialogs.texts("error")[0] and said in host.dialogs.texts("error")[0]
        assert editor.panel.context.case() is None and not editor.ui.editButton.enabled


def test_a_scale_outside_its_range_cannot_be_set(host, ready):
    ui = ready.ui
    for value, kept in ((1.5, 1.0), (0.0, 0.05)):
        ui.psiSlider.value = value
        assert ui.psiSlider.value == pytest.approx(kept)
        assert parameters(ready).psi == pytest.approx(kept)
    with pytest.raises(ValueError, match="psi"):
        ready.logic.perturb(ready.panel.context.case(), psi=1.5)


def test_a_mask_that_keeps_everything_or_nothing_is_refused(host, ready, scan):
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    ui, node = ready.ui, parameters(ready)
    host.choose(ui.kindBox, "One region")
    for name in ("Ao", "Myo", "RV", "LV", "RA", "LA"):
        setattr(node, f"keep{name}", True)
    assert "leave at least one tissue free to change" in ui.editButton.toolTip
    for name in ("Ao", "Myo", "RV", "LV", "RA", "LA"):
        setattr(node, f"keep{name}", False)
    assert "check at least one tissue that stays" in ui.editButton.toolTip
    host.choose(ui.regionByBox, "A painted segment")
    assert "choose the segmentation that the region is painted in" in ui.editButton.toolTip
    labels = np.zeros_like(scan[0])
    labels[:2, :2, :2] = 1
    before = None
    for region, said in ((labels, "keep"), (np.ones_like(labels), "keeps nothing")):
        node.paintedSegmentation = new_heart_segmentation("Painted", region, scan[1])
        before = nodes(host.scene)
        host.dialogs.clear()
        finish(host, ready, ui.editButton)
        assert len(host.dialogs.texts("error")) == 1 and nodes(host.scene) == before, said


def test_targets_that_are_none_are_named_by_their_line(host, ready):
    ui = ready.ui
    host.choose(ui.kindBox, "Measures that are asked for")
    for text, said in (
        ("RV volume 150 ml\nthe wall thicker", "line 2: 'the wall thicker' is no target"),
        ("RV volume 150 ml, RV volume +2 ml", "line 1 asks for one measure twice"),
        ("spleen volume 3 ml", "There is no measure 'spleen volume'"),
    ):
        host.type(ui.targetsEdit, text)
        assert not ui.editButton.enabled and said in ui.editButton.toolTip
    host.type(ui.designEdit, "RV volume between 3 and 4")
    host.click(ui.gridButton)
    assert "is no range" in host.dialogs.texts("error")[-1]


def test_a_run_can_be_cancelled_at_its_start_in_the_middle_and_at_its_end(host, ready, twin, tmp_path):
    ui, button = ready.ui, ready.ui.editButton
    give_weights(ready, twin.labels, delay=0.5)
    ui.editSection.collapsed = False
    before = nodes(host.scene)

    def computing():
        return "Sibling 1 of 2" in ui.statusLabel.text

    def showing():
        return ui.statusLabel.text.startswith("Showing sibling 2")

    for reached in (lambda: True, computing, showing):
        if reached is showing:
            give_weights(ready, twin.labels)
        button.click()
        assert button.text == "Cancel"
        host.wait(reached)
        button.click()
        host.wait(lambda: not occupied(ready))
        assert nodes(host.scene) == before and texts(ui.siblingsTable) == []
        assert ui.statusLabel.text == "Cancelled. Nothing in the scene was changed."
        assert not ui.previewLabel.visible and not ui.undoButton.enabled
    assert list((tmp_path / "jobs").iterdir()) == [] and host.dialogs.texts("error") == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_others_add_while_siblings_are_shown_is_none_of_the_result(host, heart, cancelled):
    from cardiactwins.mrml.tables import new_table

    before = nodes(host.scene)
    case = heart.panel.context.case()
    heart.panel.edit._show(case, [sibling_of(case, seed) for seed in range(3)], None)
    host.wait(lambda: heart.ui.statusLabel.text.startswith("Showing sibling 2"))
    own = new_table("Mine", {"a": [1]})
    if cancelled:
        heart.panel.edit.controls.cancel()
    host.wait(lambda: not occupied(heart))
    if not cancelled:
        assert len(texts(heart.ui.siblingsTable)) == 3
        host.click(heart.ui.undoButton)
    assert nodes(host.scene) == before | {own.GetID()}


def test_a_heart_that_is_deleted_while_it_is_imported_is_let_go(host, editor):
    host.click(editor.ui.sampleButton)
    editor.ui.importButton.click()
    host.wait(lambda: editor.panel.worker.busy)
    host.scene.RemoveNode(parameters(editor).segmentation)
    host.wait(lambda: not occupied(editor))
    assert host.dialogs.texts("error") == [] and editor.panel.context.imported == {}
    assert "was deleted meanwhile" in editor.ui.statusLabel.text


def test_closing_the_scene_stops_the_run_and_forgets_the_hearts(host, ready, twin):
    show_siblings(host, ready, sibling_of(ready.panel.context.case(), 1))
    give_weights(ready, twin.labels, delay=0.2)
    host.click(ready.ui.editButton)
    host.scene.Clear(False)
    host.wait(lambda: not occupied(ready))
    context = ready.panel.context
    assert context.imported == {} and context.siblings == [] and context.case() is None
    for table in ("twinTable", "siblingsTable", "volumesTable", "checksTable"):
        assert texts(getattr(ready.ui, table)) == []
    assert not ready.ui.undoButton.enabled and not ready.ui.editButton.enabled
    host.click(ready.ui.sampleButton)
    assert ready.ui.importButton.enabled


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_killed_worker_says_so_and_the_next_run_works_though_its_heart_is_deleted(
    host, ready, twin, tmp_path
):
    before = nodes(host.scene)
    give_weights(ready, twin.labels, delay=0.5)
    host.click(ready.ui.editButton)
    host.wait(lambda: "Sibling 1 of 2" in ready.ui.statusLabel.text)
    os.kill(ready.panel.worker.process_id, signal.SIGKILL)
    host.wait(lambda: not occupied(ready))
    assert "The worker process ended" in host.dialogs.texts("error")[0]
    assert nodes(host.scene) == before and list((tmp_path / "jobs").iterdir()) == []
    host.dialogs.clear()
    give_weights(ready, twin.labels)
    parameters(ready).number = 1
    host.click(ready.ui.editButton)
    host.scene.RemoveNode(parameters(ready).segmentation)
    ready.exit()
    host.wait(lambda: not occupied(ready))
    ready.enter()
    assert host.dialogs.texts("error") == [] and len(texts(ready.ui.siblingsTable)) == 1
    assert "import a heart in section 1" in ready.ui.editButton.toolTip
    assert not ready.ui.goOnButton.enabled and ready.ui.differenceButton.enabled


def test_folders_that_are_files_or_absent_are_refused(host, heart, tmp_path):
    ui = heart.ui
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    host.type(ui.surfacesFolderPath, file)
    assert "choose a folder for the files, not a file" in ui.surfacesButton.toolTip
    host.choose(ui.taskBox, "Judge hearts of a folder")
    host.type(ui.referencePath, tmp_path / "nowhere")
    host.type(ui.heartsPath, tmp_path)
    host.type(ui.cohortPath, file)
    assert "is no folder: choose the folder of the reference hearts" in ui.cohortButton.toolTip
    assert "choose a folder for the cohort, not a file" in ui.cohortButton.toolTip
    host.type(ui.referencePath, tmp_path)
    host.type(ui.cohortPath, tmp_path / "judged")
    finish(host, heart, ui.cohortButton)
    assert "holds no label maps of hearts" in host.dialogs.texts("error")[0]


def test_a_sibling_without_any_change_has_no_difference_to_show(host, heart):
    case = heart.panel.context.case()
    sibling = sibling_of(case, 1)
    same = type(sibling)(sibling.recipe, case.twin.labels, case.twin.labels, sibling.checks, sibling.checks)
    show_siblings(host, heart, same)
    before = nodes(host.scene)
    host.click(heart.ui.differenceButton)
    assert "there is no difference to show" in host.dialogs.texts("error")[-1]
    assert nodes(host.scene) == before
    assert texts(heart.ui.siblingsTable)[0][:1] == ["sibling 1"]
    assert "not guarded" in heart.ui.siblingLabel.text
