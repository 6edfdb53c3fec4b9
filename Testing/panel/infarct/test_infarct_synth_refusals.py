"""Runs and inputs that the panel refuses: second runs, missing packages, damaged or unfit data."""

import pytest
from infarct_steps import RUNS, finish, in_the_middle, leftovers, occupied, parameters, state


def test_two_runs_at_once_are_refused(host, ready, temporary):
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: in_the_middle(ready))
    during = state(host.scene)
    panel = ready.panel
    for run, name in RUNS.items():
        if run != "personalize":
            button = getattr(ready.ui, name)
            assert not button.enabled and "Another computation is running" in button.toolTip
    starts = (
        panel.population.align,
        panel.personalization.personalize,
        panel.generate.generate,
        panel.generate.preview,
        panel.explore.computeModes,
        panel.explore.compare,
        panel.study.run,
    )
    for start in starts:
        with pytest.raises(RuntimeError, match="still running"):
            start()
        assert state(host.scene)["nodes"] == during["nodes"] and len(leftovers(temporary)) == 1
    live = panel.personalization.live
    generations = live.generations
    host.wait(lambda: live.generations > generations)
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: not occupied(ready))


def test_nothing_runs_when_the_packages_that_are_missing_are_declined(
    host, plain, temporary, tmp_path, monkeypatch
):
    from cardiactwins.panel import requirements

    def never(*_arguments):
        raise AssertionError("pip was run")

    monkeypatch.setattr(requirements, "_run_pip", never)
    plain.panel.context.requirements = tmp_path / "requirements.txt"
    plain.panel.context.requirements.write_text("cardiactwins-has-no-such-package>=1\n")
    before = state(host.scene)
    host.dialogs.answer("confirm", False)
    host.click(plain.ui.personalizeButton)
    assert "cardiactwins-has-no-such-package>=1 (not installed)" in host.dialogs.texts("confirm")[0]
    assert not occupied(plain) and "Python packages are missing" in plain.ui.statusLabel.text
    assert state(host.scene) == before and leftovers(temporary) == []
    assert plain.ui.personalizeButton.enabled and host.dialogs.texts("error") == []


def test_damaged_files_of_a_folder_are_left_out_with_the_reason(host, synth, hearts, tmp_path):
    from cardiactwins.mrml.cohorts import write_heart

    folder = tmp_path / "patients"
    for number, heart in enumerate(hearts):
        write_heart(heart, folder / f"patient {number}.seg.nrrd")
    whole = (folder / "patient 0.seg.nrrd").read_bytes()
    (folder / "patient cut.seg.nrrd").write_bytes(whole[: len(whole) // 2])
    (folder / "patient empty.seg.nrrd").write_bytes(b"")
    (folder / "patient noise.nii.gz").write_bytes(b"no image at all")
    host.choose(synth.ui.populationSourceBox, "Folder on disk")
    host.type(synth.ui.populationFolderPath, folder)
    before = state(host.scene)["nodes"]
    finish(host, synth, synth.ui.alignButton)
    table = synth.ui.casesTable
    reasons = {table.item(row, 0).text(): table.item(row, 4).text() for row in range(table.rowCount)}
    assert len(reasons) == len(hearts) + 3
    assert "is not a valid NRRD file" in reasons["patient cut"]
    assert "is empty" in reasons["patient empty"]
    assert "is damaged" in reasons["patient noise"]
    assert [name for name, reason in reasons.items() if not reason] == [f"patient {n}" for n in range(6)]
    host.click(synth.ui.undoButton)
    assert state(host.scene)["nodes"] == before


def test_a_damaged_population_of_a_saved_scene_is_not_used(host, plain):
    node = parameters(plain).population
    text = node.GetNodeReference("CardiacTwins.Archive")
    text.SetText(text.GetText()[: len(text.GetText()) // 8 * 4])
    node.Modified()
    plain.panel.update()
    assert "'Population' is not a population file or is damaged" in plain.ui.statusLabel.text
    for name in ("personalizeButton", "modesButton", "compareButton", "studyButton"):
        assert not getattr(plain.ui, name).enabled
    assert plain.ui.generateButton.enabled


def test_a_model_of_another_dimension_is_not_compared_with_the_population(host, plain):
    assert plain.ui.compareButton.enabled
    host.choose(plain.ui.presetBox, "EMIDEC 3D elliptical, KL_full")
    host.click(plain.ui.loadPresetButton)
    assert not plain.ui.compareButton.enabled
    assert "this one's has 11" in plain.ui.compareButton.toolTip
    host.click(plain.ui.undoButton)
    assert plain.ui.compareButton.enabled
