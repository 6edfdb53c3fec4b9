"""Scenes that are closed or saved in the middle of a run hold nothing of it."""

from infarct_steps import (
    RUNS,
    add_patients,
    assert_usable,
    held,
    in_the_middle,
    leftovers,
    occupied,
    parameters,
    prepare,
    state,
)


def test_closing_the_scene_stops_what_runs_and_nothing_of_it_comes_into_the_new_one(
    host, ready, temporary, hearts, lesions, tmp_path
):
    host.scene.Clear(False)
    host.processEvents()
    empty = state(host.scene)
    for run, name in RUNS.items():
        prepare(host, ready, lesions, tmp_path)
        add_patients(host, ready, hearts)
        with held(ready):
            host.click(getattr(ready.ui, name))
            host.wait(lambda: in_the_middle(ready))
        host.scene.Clear(False)
        host.processEvents()
        assert state(host.scene) == empty, run
        host.wait(lambda: not occupied(ready))
        assert state(host.scene) == empty, run
        assert leftovers(temporary) == [] and host.dialogs.said == []
        assert ready.ui.casesTable.rowCount == 0 and not getattr(ready.ui, name).enabled
        assert ready.ui.lossBox.enabled
    assert_usable(host, ready)


def test_closing_the_scene_stops_what_is_written_in_steps(host, plain, temporary, tmp_path):
    host.choose(plain.ui.outputBox, "Files with a manifest")
    host.type(plain.ui.outputFolderPath, tmp_path / "cohort")
    host.click(plain.ui.generateButton)
    host.wait(lambda: plain.ui.statusLabel.text.startswith("Write "))
    host.scene.Clear(False)
    host.processEvents()
    assert not occupied(plain) and not (tmp_path / "cohort").exists()
    assert list(tmp_path.glob(".*-cohort")) == [] and host.dialogs.said == []
    assert plain.ui.generatedTable.rowCount == 0


def test_closing_the_scene_stops_the_reading_of_patients(host, ready, temporary):
    host.click(ready.ui.alignButton)
    host.wait(lambda: ready.ui.progressBar.value >= 2)
    host.scene.Clear(False)
    after = state(host.scene)
    host.processEvents()
    assert not occupied(ready) and state(host.scene) == after
    assert host.dialogs.said == [] and leftovers(temporary) == []


def test_a_scene_closed_while_another_module_is_shown_stops_the_run_too(host, plain, temporary):
    with held(plain):
        host.click(plain.ui.personalizeButton)
        host.wait(lambda: in_the_middle(plain))
    plain.parent.isEntered = False
    plain.exit()
    host.scene.Clear(False)
    host.wait(lambda: not occupied(plain))
    assert host.dialogs.said == [] and leftovers(temporary) == []
    assert parameters(plain) is None
    plain.parent.isEntered = True
    plain.enter()
    assert_usable(host, plain)


def test_a_scene_saved_in_the_middle_of_a_run_holds_its_values_and_nothing_of_the_run(host, plain, tmp_path):
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    host.type(plain.ui.noReflowSlider, 25.0)
    before = state(host.scene)
    with held(plain):
        host.click(plain.ui.personalizeButton)
        host.wait(lambda: in_the_middle(plain))
    save_scene(tmp_path / "scene.mrb")
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: not occupied(plain))
    host.scene.Clear(False)
    load_scene(tmp_path / "scene.mrb")
    host.processEvents()
    after = state(host.scene)
    names = [sorted(name for name, _parent in there["items"].values()) for there in (before, after)]
    assert names[0] == names[1]
    assert not [name for name in after["nodes"].values() if "running" in name]
    assert (plain.ui.noReflowSlider.value, plain.ui.countBox.value) == (25, 40)
    assert plain.ui.personalizeButton.enabled and plain.ui.personalizeButton.text == "Personalize"
    assert host.dialogs.said == []
