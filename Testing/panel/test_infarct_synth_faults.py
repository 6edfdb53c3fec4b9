"""What can go wrong while the InfarctSynth panel works: whatever it is, the scene stays whole.

Each fault happens in the middle of real runs in a real worker process. "As it was" means: the same nodes, the
same subject hierarchy with the same parents and names, the same values in the parameter node.
"""

import ctypes
import errno
import gc
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PHANTOMS, MISSING = 7, 1  # the second one's infarct does not reach the mid-level slice


@pytest.fixture(scope="module")
def hearts():
    """Six phantom patients that can all be used, made once."""
    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.infarct.phantom_cases import phantom_cases

    cases = phantom_cases(PHANTOMS, np.random.default_rng(7))
    del cases[MISSING]
    return [heart_of_case(case) for case in cases]


@pytest.fixture(scope="module")
def lesions():
    """A population on the mid-level slice, large enough for its modes to take a moment."""
    from cardiactwins.anatomy.reference import ReferenceAnatomy
    from cardiactwins.infarct.elliptical import EllipticalModel
    from cardiactwins.infarct.population import InfarctPopulation

    reference = ReferenceAnatomy()
    drawn = EllipticalModel(reference).sample((9.0, 5.0, 6.0, 5.0), 300, np.random.default_rng(1))
    return InfarctPopulation(reference, drawn, tuple(f"case {number}" for number in range(len(drawn))))


@pytest.fixture
def temporary(host, tmp_path, monkeypatch):
    """The application's temporary folder, in which job folders are made."""
    import slicer

    folder = tmp_path / "temporary"
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    return folder


@pytest.fixture
def synth(temporary, panel):
    """The open panel."""
    return panel("InfarctSynth")


@pytest.fixture
def ready(host, synth, hearts, lesions, tmp_path):
    """The panel with everything chosen that its runs need: patients, a population, a model, folders."""
    prepare(host, synth, lesions, tmp_path)
    add_patients(host, synth, hearts)
    return synth


@pytest.fixture
def plain(host, synth, lesions, tmp_path):
    """The same, for new infarcts on the reference and no patients to be read."""
    prepare(host, synth, lesions, tmp_path)
    return synth


def prepare(host, synth, lesions, tmp_path):
    from cardiactwins.mrml.archive_nodes import new_population_node

    parameters(synth).population = new_population_node("Population", lesions)
    host.choose(synth.ui.presetBox, "Paper 2D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    host.type(synth.ui.countBox, 40)
    host.choose(synth.ui.studyBox, "Loss")
    host.type(synth.ui.workersBox, 1)
    host.type(synth.ui.studyFolderPath, tmp_path / "study")


def add_patients(host, synth, hearts):
    import slicer

    from cardiactwins.mrml.lesions import new_heart_segmentation

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patients")
    for heart in hearts:
        node = new_heart_segmentation(heart)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    host.choose(synth.ui.targetBox, "A patient's ventricle")
    host.choose(synth.ui.patientSelector, "Phantom 01")


def choose_search(host, synth, generations):
    """One search of so many generations and nothing else."""
    synth.ui.searchGroup.collapsed = False
    host.choose(synth.ui.searchPresetBox, "Own numbers")
    numbers = {"generationsBox": generations, "searchesBox": 1, "scoutsBox": 0, "polishBox": 0}
    for box, value in numbers.items():
        host.type(getattr(synth.ui, box), value)


RUNS = {
    "align": "alignButton",
    "personalize": "personalizeButton",
    "generate": "generateButton",
    "modes": "modesButton",
    "compare": "compareButton",
    "study": "studyButton",
}


def parameters(synth):
    return synth.panel.context.parameterNode


def occupied(synth):
    return synth.panel.population.controls.occupied


def finish(host, synth, button, seconds=240):
    host.click(button)
    host.wait(lambda: not occupied(synth), seconds)


def in_the_middle(synth):
    """Whether the worker is at work and has told a step."""
    return synth.panel.worker.busy and synth.ui.progressBar.maximum > 0


def state(scene):
    """Nodes, subject hierarchy and the panel's values: what has to be as it was."""
    from vtkmodules.vtkCommonCore import vtkIdList

    nodes = [scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes())]
    hierarchy = scene.GetSubjectHierarchyNode()
    items = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    ids = [items.GetId(index) for index in range(items.GetNumberOfIds())]
    values = {}
    for node in nodes:
        if node.IsA("vtkMRMLScriptedModuleNode"):
            values |= {(node.GetID(), name): node.GetParameter(name) for name in node.GetParameterNames()}
            roles = [
                node.GetNthNodeReferenceRole(index) for index in range(node.GetNumberOfNodeReferenceRoles())
            ]
            values |= {(node.GetID(), role): node.GetNodeReferenceID(role) for role in roles}
    return {
        "nodes": {node.GetID(): node.GetName() for node in nodes},
        "items": {item: (hierarchy.GetItemName(item), hierarchy.GetItemParent(item)) for item in ids},
        "values": values,
    }


def leftovers(temporary):
    return list(temporary.iterdir()) if temporary.exists() else []


def assert_usable(host, synth):
    """A preset is loaded and its first infarct painted, in whatever scene there is now."""
    import slicer

    host.choose(synth.ui.targetBox, "Reference ventricle")
    host.click(synth.ui.loadPresetButton)
    finish(host, synth, synth.ui.previewButton)
    assert slicer.mrmlScene.GetFirstNodeByName("Preview 001") is not None
    assert host.dialogs.texts("error") == []


def alive(process):
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_that_is_killed_leaves_the_scene_as_it_was(host, plain, temporary):
    choose_search(host, plain, generations=30)
    before = state(host.scene)
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: plain.panel.personalization.live.generations >= 2, 240)
    assert state(host.scene) != before and not plain.ui.lossBox.enabled
    os.kill(plain.panel.worker.process_id, signal.SIGKILL)
    host.wait(lambda: not occupied(plain), 240)
    assert state(host.scene) == before
    assert "The worker process ended in the middle" in host.dialogs.texts("error")[0]
    assert plain.ui.lossBox.enabled and leftovers(temporary) == []
    host.dialogs.clear()
    assert_usable(host, plain)


@pytest.mark.parametrize("run", ["personalize", "generate", "modes", "align"])
def test_a_run_can_be_cancelled_at_its_start_in_its_middle_and_at_its_end(host, ready, temporary, run):
    button = getattr(ready.ui, RUNS[run])
    choose_search(host, ready, generations=30)
    before = state(host.scene)

    def cancel():
        assert button.text == "Cancel"
        host.click(button)
        host.wait(lambda: not occupied(ready), 240)
        assert state(host.scene) == before
        assert ready.ui.statusLabel.text == "Cancelled. Nothing in the scene was changed."
        assert leftovers(temporary) == [] and not ready.ui.progressBar.visible
        assert button.enabled and button.text != "Cancel"

    button.click()
    cancel()
    host.click(button)
    host.wait(lambda: in_the_middle(ready), 240)
    cancel()
    choose_search(host, ready, generations=2)
    before = state(host.scene)
    host.click(button)
    host.wait(lambda: ready.panel.worker.busy, 240)
    (folder,) = leftovers(temporary)
    end = time.monotonic() + 60
    while not (folder / "result.json").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    cancel()
    assert host.dialogs.said == []
    assert_usable(host, ready)


def test_the_reading_of_patients_can_be_cancelled(host, ready, temporary):
    before = state(host.scene)
    host.click(ready.ui.alignButton)
    host.wait(lambda: ready.ui.progressBar.value >= 2)
    assert not ready.panel.worker.busy and ready.ui.statusLabel.text.startswith("Read Phantom")
    host.click(ready.ui.alignButton)
    assert not occupied(ready) and state(host.scene) == before and leftovers(temporary) == []
    finish(host, ready, ready.ui.alignButton)
    assert "6 patients used" in ready.ui.populationLabel.text


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


OPEN = Path.open


def open_on_full_disk(path, mode="r", *more, **options):
    return OPEN(path, mode, *more, **options) if mode in ("r", "rb") else full()


def test_a_disk_that_is_full_when_inputs_are_written_refuses_the_run(host, ready, temporary, monkeypatch):
    before = state(host.scene)
    for name in RUNS.values():
        host.dialogs.clear()
        with monkeypatch.context() as context:
            context.setattr(Path, "open", open_on_full_disk)
            host.click(getattr(ready.ui, name))
            host.wait(lambda: not occupied(ready))
        (text,) = host.dialogs.texts("error")
        assert "The disk is full" in text and "Free some space" in text
        assert state(host.scene) == before and leftovers(temporary) == []
        assert getattr(ready.ui, name).text != "Cancel"


@pytest.fixture
def full_disk_of_the_worker(tmp_path, monkeypatch):
    """The disk is full for what a worker writes that starts from now on, but for its log."""
    folder = tmp_path / "on a full disk"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import errno, pathlib\n"
        "def full(*_arguments, **_options):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "reading = pathlib.Path.open\n"
        "def open(self, mode='r', *more, **options):\n"
        "    return reading(self, mode, *more, **options) if mode in ('r', 'rb') else full()\n"
        "pathlib.Path.open = open\n"
        "pathlib.Path.write_text = pathlib.Path.write_bytes = full\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_a_disk_that_is_full_when_results_are_written_fails_the_run(
    host, full_disk_of_the_worker, ready, temporary
):
    choose_search(host, ready, generations=2)
    before = state(host.scene)
    for run in RUNS:
        host.dialogs.clear()
        finish(host, ready, getattr(ready.ui, RUNS[run]))
        (text,) = host.dialogs.texts("error")
        assert "The disk is full" in text and "Nothing in the scene was changed" in text
        assert state(host.scene) == before and leftovers(temporary) == []


def test_a_disk_that_is_full_when_infarcts_are_written_leaves_no_folder(host, plain, tmp_path, monkeypatch):
    from cardiactwins.mrml import cohorts

    host.choose(plain.ui.outputBox, "Files with a manifest")
    host.type(plain.ui.outputFolderPath, tmp_path / "cohort")
    host.type(plain.ui.countBox, 3)
    before = state(host.scene)
    with monkeypatch.context() as context:
        context.setattr(cohorts, "write_json_atomic", full)
        finish(host, plain, plain.ui.generateButton)
    assert "No space left on device" in host.dialogs.texts("error")[0]
    assert state(host.scene) == before
    assert not (tmp_path / "cohort").exists() and list(tmp_path.glob(".*-cohort")) == []
    assert plain.ui.generatedTable.rowCount == 0
    finish(host, plain, plain.ui.generateButton)
    assert (tmp_path / "cohort" / "manifest.json").exists() and plain.ui.generatedTable.rowCount == 3
    assert not plain.ui.generateButton.enabled and "is not empty" in plain.ui.generateButton.toolTip


def test_closing_the_scene_stops_what_runs_and_nothing_of_it_comes_into_the_new_one(
    host, ready, temporary, hearts, lesions, tmp_path
):
    host.scene.Clear(False)
    host.processEvents()
    empty = state(host.scene)
    for run, name in RUNS.items():
        prepare(host, ready, lesions, tmp_path)
        add_patients(host, ready, hearts)
        host.click(getattr(ready.ui, name))
        host.wait(lambda: in_the_middle(ready), 240)
        host.scene.Clear(False)
        host.processEvents()
        assert state(host.scene) == empty, run
        host.wait(lambda: not occupied(ready), 240)
        assert state(host.scene) == empty, run
        assert leftovers(temporary) == [] and host.dialogs.said == []
        assert ready.ui.casesTable.rowCount == 0 and not getattr(ready.ui, name).enabled
        assert ready.ui.lossBox.enabled
    assert_usable(host, ready)


def test_closing_the_scene_stops_what_is_written_in_steps(host, plain, temporary, tmp_path):
    host.choose(plain.ui.outputBox, "Files with a manifest")
    host.type(plain.ui.outputFolderPath, tmp_path / "cohort")
    host.click(plain.ui.generateButton)
    host.wait(lambda: plain.ui.statusLabel.text.startswith("Write "), 240)
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
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: in_the_middle(plain), 240)
    plain.parent.isEntered = False
    plain.exit()
    host.scene.Clear(False)
    host.wait(lambda: not occupied(plain), 240)
    assert host.dialogs.said == [] and leftovers(temporary) == []
    assert parameters(plain) is None
    plain.parent.isEntered = True
    plain.enter()
    assert_usable(host, plain)


def test_a_run_goes_on_with_what_was_chosen_when_its_nodes_are_deleted(host, ready):
    """Population, model, patient and the live plots may go: the run has its own copies."""
    import slicer

    scene = slicer.mrmlScene
    host.choose(ready.ui.searchPresetBox, "Quick (one search)")
    host.type(ready.ui.countBox, 5)
    host.click(ready.ui.generateButton)
    scene.RemoveNode(parameters(ready).patient)
    scene.RemoveNode(parameters(ready).personalizedModel)
    host.wait(lambda: not occupied(ready), 240)
    assert scene.GetFirstNodeByName("Infarct 005") is not None
    assert not ready.ui.generateButton.enabled and not ready.ui.compareButton.enabled
    host.click(ready.ui.loadPresetButton)
    host.click(ready.ui.compareButton)
    scene.RemoveNode(parameters(ready).personalizedModel)
    host.wait(lambda: not occupied(ready), 240)
    assert ready.ui.comparisonTable.rowCount == 3
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: ready.panel.personalization.live.generations >= 2, 240)
    scene.RemoveNode(ready.panel.personalization.live.charts["loss"])
    scene.RemoveNode(ready.panel.personalization.live.table)
    scene.RemoveNode(parameters(ready).population)
    assert not ready.ui.modesButton.enabled and ready.ui.personalizeButton.text == "Cancel"
    host.wait(lambda: not occupied(ready), 240)
    assert parameters(ready).personalizedModel is not None
    assert not ready.ui.personalizeButton.enabled and host.dialogs.said == []


def test_modes_of_a_population_that_was_deleted_meanwhile_are_not_shown(host, plain, temporary):
    import slicer

    host.click(plain.ui.modesButton)
    slicer.mrmlScene.RemoveNode(parameters(plain).population)
    host.processEvents()
    before = state(host.scene)
    host.wait(lambda: not occupied(plain), 240)
    assert state(host.scene) == before and leftovers(temporary) == []
    assert "The population was deleted meanwhile" in host.dialogs.texts("error")[0]
    assert not plain.ui.mode1Slider.enabled


def test_a_patient_deleted_while_patients_are_read_is_left_out_with_the_reason(host, ready):
    import slicer

    host.click(ready.ui.alignButton)
    host.wait(lambda: ready.ui.progressBar.value >= 2)
    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByName("Phantom 07"))
    host.wait(lambda: not occupied(ready), 240)
    table = ready.ui.casesTable
    (row,) = [row for row in range(table.rowCount) if table.item(row, 0).text() == "Phantom 07"]
    assert table.item(row, 1).text() == "left out"
    assert "was deleted" in table.item(row, 4).text()


def test_deleting_the_pattern_of_a_mode_brings_it_back_with_the_next_move(host, plain):
    import slicer

    finish(host, plain, plain.ui.modesButton)
    slicer.mrmlScene.RemoveNode(plain.panel.explore.live.nodes[0])
    host.type(plain.ui.mode1Slider, 1.0)
    assert len(plain.panel.explore.live.nodes) == 1
    before = state(host.scene)["nodes"]
    host.click(plain.ui.modeSegmentationBox)
    assert len(plain.panel.explore.live.nodes) == 2
    host.click(plain.ui.undoButton)
    assert state(host.scene)["nodes"] == before


def test_two_runs_at_once_are_refused(host, ready, temporary):
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: in_the_middle(ready), 240)
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
    generations = panel.personalization.live.generations
    host.wait(lambda: panel.personalization.live.generations > generations, 240)
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: not occupied(ready), 240)


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


def test_a_scene_saved_in_the_middle_of_a_run_holds_its_values_and_nothing_of_the_run(host, plain, tmp_path):
    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    host.type(plain.ui.noReflowSlider, 25.0)
    before = state(host.scene)
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: in_the_middle(plain), 240)
    save_scene(tmp_path / "scene.mrb")
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: not occupied(plain), 240)
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


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_panel_that_is_taken_down_ends_its_worker_and_takes_its_folders_along(
    host, plain, panel, temporary
):
    before = state(host.scene)
    host.click(plain.ui.personalizeButton)
    host.wait(lambda: in_the_middle(plain), 240)
    process = plain.panel.worker.process_id
    assert alive(process) and len(leftovers(temporary)) == 1
    host.closeWidget("InfarctSynth")
    assert not alive(process) and leftovers(temporary) == []
    assert state(host.scene) == before
    again = panel("InfarctSynth")
    assert again is not plain and again.ui.personalizeButton.enabled
    assert_usable(host, again)


def test_a_panel_reloaded_by_its_developer_follows_the_scene_although_it_is_not_entered_anew(host, plain):
    """As `slicer.util.reloadScriptedModule` does it: `setup` alone, in the widget that is shown."""
    import slicer

    module = slicer.app.moduleManager().module("InfarctSynth")
    plain.cleanup()
    slicer.app.moduleManager().disconnect(
        "moduleAboutToBeUnloaded(QString)", plain._onModuleAboutToBeUnloaded
    )
    module.widget = again = type(plain)(plain.parent)
    again.setup()
    assert again.ui.personalizeButton.enabled
    host.scene.Clear(False)
    host.processEvents()
    assert parameters(again) is not None and not again.ui.personalizeButton.enabled
    assert_usable(host, again)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux and its C library tell it")
def test_memory_stays_flat_over_fifty_rounds_of_generating_and_taking_back(host, synth):
    """One of the two hearts of a round holds 0.1 MB: forty that stayed would show as 4 MB."""
    import slicer

    host.choose(synth.ui.presetBox, "EMIDEC 3D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    host.type(synth.ui.countBox, 2)
    before = state(host.scene)
    resident = []
    for number in range(1, 51):
        finish(host, synth, synth.ui.generateButton)
        assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
        host.click(synth.ui.undoButton)
        if number % 10 == 0:
            resident.append(resident_megabytes())
    assert state(host.scene) == before
    assert max(resident) - resident[0] < 1.5, resident


def resident_megabytes():
    """Memory of this process, once the C library has given back what earlier tests have freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
