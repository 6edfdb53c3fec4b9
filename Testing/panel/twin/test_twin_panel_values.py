"""What is asked for in the TwinEditor panel: recipes, estimates, the model, saved values."""

import numpy as np
import pytest
from twin_steps import (
    NAME,
    finish,
    parameters,
    show_siblings,
    sibling_of,
    texts,
    write_card,
)


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
