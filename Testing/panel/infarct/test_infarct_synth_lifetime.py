"""A panel that is taken down, reloaded, or used for long."""

from pathlib import Path

import pytest
from held_memory import CAN_COUNT, held_bytes
from infarct_steps import assert_usable, finish, held, in_the_middle, leftovers, parameters, state
from worker_steps import alive


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_a_panel_that_is_taken_down_ends_its_worker_and_takes_its_folders_along(
    host, plain, panel, temporary
):
    before = state(host.scene)
    with held(plain):
        host.click(plain.ui.personalizeButton)
        host.wait(lambda: in_the_middle(plain))
    process = plain.panel.worker.process_id
    assert alive(process) and len(leftovers(temporary)) == 1
    host.closeWidget("InfarctSynth")
    host.wait(lambda: not alive(process), 30)
    assert leftovers(temporary) == []
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


@pytest.mark.skipif(not CAN_COUNT, reason="held memory is counted by glibc 2.33 and later")
def test_memory_stays_flat_over_fifty_rounds_of_generating_and_taking_back(host, synth):
    """One of the two hearts of a round holds 0.1 MB: forty that stayed would show as 4 MB."""
    import slicer

    host.choose(synth.ui.presetBox, "EMIDEC 3D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    host.type(synth.ui.countBox, 2)
    before = state(host.scene)
    sizes = []
    for number in range(1, 51):
        finish(host, synth, synth.ui.generateButton)
        assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 2
        host.click(synth.ui.undoButton)
        if number % 10 == 0:
            sizes.append(held_bytes() / 2**20)
    assert state(host.scene) == before
    assert max(sizes) - sizes[0] < 0.5, sizes
