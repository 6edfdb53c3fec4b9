"""The LMAReconstruct panel when weights are wrong, runs are cancelled, and nodes or workers go away."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lma_steps import controls, finish, nodes, parameters


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
            host.wait(lambda: ready.panel.worker.busy)
        button.click()
        host.wait(lambda: not controls(ready).occupied)
        assert nodes(host.scene) == before and parameters(ready).model is None
        assert ready.ui.statusLabel.text == "Cancelled. Nothing in the scene was changed."
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_that_dies_says_so_and_the_next_run_works(host, ready, tmp_path):
    before, context = nodes(host.scene), ready.panel.context
    jobs, context.jobs = context.jobs, "waiting_jobs"
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: ready.panel.worker.process_id is not None)
    os.kill(ready.panel.worker.process_id, signal.SIGKILL)
    host.wait(lambda: not controls(ready).occupied)
    assert "The worker process ended" in host.dialogs.texts("error")[0]
    assert nodes(host.scene) == before and list((tmp_path / "jobs").iterdir()) == []
    host.dialogs.clear()
    context.jobs = jobs
    finish(host, ready, ready.ui.reconstructButton)
    assert parameters(ready).model is not None and host.dialogs.texts("error") == []


def test_closing_the_scene_stops_the_run_and_forgets_the_results(host, mapped, tmp_path):
    host.click(mapped.ui.reconstructButton)
    host.scene.Clear(False)
    host.wait(lambda: not controls(mapped).occupied)
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
    host.wait(lambda: not controls(ready).occupied)
    assert parameters(ready).model is not None and host.dialogs.texts("error") == []
    assert "choose the segmentation" in ready.ui.reconstructButton.toolTip


def test_a_panel_that_is_closed_while_a_result_is_shown_keeps_no_folder_and_fails_nowhere(
    host, lma, tmp_path
):
    class Controls:
        def start(self, job, onDone, onProgress, onFailed, onCancelled):
            self.done, self.failed = onDone, onFailed

    context = lma.panel.context
    for end in ("done", "failed"):
        controls = Controls()
        context.start(controls, "job", lambda folder: {}, lambda folder, result: context.close())
        assert list((tmp_path / "jobs").iterdir()) != []
        if end == "failed":
            context.close()
        getattr(controls, end)({})
        assert list((tmp_path / "jobs").iterdir()) == []


def test_own_weights_refine_after_a_preview_which_a_cancel_takes_away(host, ready, tmp_path):
    torch = pytest.importorskip("torch")
    from cardiactwins.lma.reconstruction_model import ReconstructionModel, TrainingSettings
    from cardiactwins.lma.shape_volume import phantom_volume

    shape = phantom_volume(np.random.default_rng(0))
    atlas = torch.from_numpy(np.stack([shape.cavity, shape.myocardium]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = ReconstructionModel(atlas, TrainingSettings(width=8, atlas_width=8, band_size=8))
    path = untrained.save(tmp_path / "own.safetensors", {"licence": "CC0", "data": "none"})
    host.dialogs.answer("path", path)
    host.click(ready.ui.addWeightsButton)
    host.choose(ready.ui.methodBox, "Automatic")
    assert ready.ui.methodLabel.text == "Automatic means refinement here."
    before, section = nodes(host.scene), ready.panel.reconstruction
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: section.preview is not None)
    assert section.preview.node not in ready.ui.modelSelector.nodes()
    host.click(ready.ui.reconstructButton)
    host.wait(lambda: not controls(ready).occupied)
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
import slicer
slicer.app.slicerUserSettingsFilePath = {settings!r}
host.loadModule({module!r})
panel = host.widgetOf("LMAReconstruct")
ui, controls = panel.ui, panel.panel.reconstruction.controls
host.click(ui.sampleButton)
for button in (ui.reconstructButton, ui.activationButton):
    host.click(button)
    host.wait(lambda: not controls.occupied)
for button in (ui.mapButton, ui.lateButton):
    host.click(button)
print(host.dialogs.texts("error"), "torch" in sys.modules, ui.activationLabel.text.splitlines()[-1])
host.close()
"""


def test_pytorch_is_loaded_by_the_worker_and_never_by_the_application(started_host, tmp_path):
    pytest.importorskip("torch")
    folder = Path(__file__).parents[1]
    module = folder.parents[1] / "LMAReconstruct" / "LMAReconstruct.py"
    settings = str(tmp_path / "Slicer.ini")
    program = WITHOUT_TORCH.format(folder=str(folder), module=str(module), settings=settings)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout.splitlines()[-1].startswith("[] False TOS (network)"), done.stderr


def test_a_result_arrives_although_another_module_was_entered(host, ready):
    host.click(ready.ui.reconstructButton)
    ready.exit()
    host.wait(lambda: not controls(ready).occupied)
    assert parameters(ready).model is not None
    ready.enter()
    assert ready.ui.agreementTable.rowCount == 6
