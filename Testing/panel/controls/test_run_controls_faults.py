"""What the user is told when a run, its worker or what takes its result fails."""

import os
import signal

import pytest
from controls_panel import Panel


def test_a_failed_job_is_shown_with_its_traceback(host, panel, job):
    panel.start(job(steps=3, fail_at=1))
    assert host.wait(lambda: panel.idle)
    (said,) = host.dialogs.said
    assert said.kind == "error"
    assert "The wall has no voxels. Draw it. Nothing in the scene was changed." in said.text
    assert said.details.startswith("Traceback") and "in count" in said.details
    assert [event.kind for event in panel.failures] == ["failed"]
    assert panel.label.text == said.text
    assert (panel.results, panel.cancelled, panel.button.text) == ([], 0, "Personalize")


def test_a_worker_that_dies_shows_the_end_of_its_log(host, panel, job):
    panel.start(job(steps=3, die_at=1))
    assert host.wait(lambda: panel.idle)
    (said,) = host.dialogs.said
    assert said.kind == "error" and "Nothing in the scene was changed" in said.text
    assert said.details.splitlines()[-1] == "line 59"
    assert len(said.details.splitlines()) == 50
    assert [event.kind for event in panel.failures] == ["died"]
    assert panel.results == []
    panel.start(job(steps=2))
    assert host.wait(lambda: panel.idle)
    assert panel.results == [{"steps": 2}]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_killed_from_outside_is_noticed(host, panel, job):
    panel.start(job("process"))
    assert host.wait(lambda: panel.events)
    os.kill(int(panel.events[0].message.split()[1]), signal.SIGKILL)
    assert host.wait(lambda: panel.idle)
    assert [event.kind for event in panel.failures] == ["died"]
    assert "Nothing in the scene was changed" in host.dialogs.texts("error")[0]


def test_an_error_in_what_takes_the_result_is_shown(host, panel, job):
    def broken(result):
        raise KeyError("no table")

    panel.start(job(steps=2), onDone=broken)
    assert host.wait(lambda: panel.idle and host.dialogs.said)
    (said,) = host.dialogs.said
    assert "The result could not be shown: 'no table'" in said.text
    assert "in broken" in said.details
    assert panel.button.text == "Personalize" and panel.button.enabled


def test_an_error_in_what_shows_the_progress_does_not_stop_the_run(host, panel, job, caplog):
    def broken(event):
        raise KeyError("no plot")

    panel.start(job(steps=2), onProgress=broken)
    assert host.wait(lambda: panel.idle)
    assert panel.results == [{"steps": 2}]
    assert "no plot" in caplog.text
    assert host.dialogs.said == []


def test_a_run_that_cannot_start_says_why_and_leaves_everything_as_it_was(host, worker, job):
    panel = Panel(worker, onApply=lambda: panel.start(job(steps={1, 2}, seconds=object())))
    host.click(panel.button)
    (said,) = host.dialogs.said
    assert said.kind == "error" and "The computation could not start" in said.text
    assert panel.idle and (panel.button.text, panel.button.enabled) == ("Personalize", True)
    assert panel.bar.isHidden()
