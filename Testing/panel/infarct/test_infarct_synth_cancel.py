"""Runs that are cancelled, and workers that are killed, leave the scene as it was."""

import os
import signal
import time

import pytest
from infarct_steps import (
    RUNS,
    assert_usable,
    choose_search,
    finish,
    held,
    in_the_middle,
    leftovers,
    occupied,
    state,
)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_that_is_killed_leaves_the_scene_as_it_was(host, plain, temporary):
    choose_search(host, plain, generations=30)
    before = state(host.scene)
    with held(plain):
        host.click(plain.ui.personalizeButton)
        host.wait(lambda: plain.panel.personalization.live.generations >= 2)
    assert state(host.scene) != before and not plain.ui.lossBox.enabled
    os.kill(plain.panel.worker.process_id, signal.SIGKILL)
    host.wait(lambda: not occupied(plain))
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
        host.wait(lambda: not occupied(ready))
        assert state(host.scene) == before
        assert ready.ui.statusLabel.text == "Cancelled. Nothing in the scene was changed."
        assert leftovers(temporary) == [] and not ready.ui.progressBar.visible
        assert button.enabled and button.text != "Cancel"

    button.click()
    cancel()
    with held(ready):
        host.click(button)
        host.wait(lambda: in_the_middle(ready))
    cancel()
    # Long enough for the panel to be seen at work, also beside other work.
    choose_search(host, ready, generations=20)
    before = state(host.scene)
    host.click(button)
    host.wait(lambda: ready.panel.worker.busy)
    (folder,) = leftovers(temporary)
    end = time.monotonic() + 240
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
