"""A run as the user sees it: Apply, progress, Cancel, results, and what is said when something goes wrong."""

import gc
import os
import signal
import sys
import time
import weakref
from pathlib import Path

import pytest

from cardiactwins.compute.job import Job
from cardiactwins.compute.worker_process import WorkerProcess

FUNCTIONS = """
import os, sys, time

def count(folder, progress, steps, seconds=0.0, fail_at=None, die_at=None):
    for step in range(steps):
        progress(step, steps, f"Round {step + 1} of {steps}", {"loss": 1.0 / (step + 1)})
        time.sleep(seconds)
        if step == fail_at:
            raise ValueError("The wall has no voxels. Draw it")
        if step == die_at:
            for line in range(60):
                print("line", line, flush=True)
            os._exit(3)
    progress(steps, steps, "Ready")
    return {"steps": steps}

def process(folder, progress):
    progress(0, 0, f"process {os.getpid()}")
    for _ in range(1200):
        progress(0, 0, f"process {os.getpid()}")
        time.sleep(0.05)
    return {}
"""


@pytest.fixture(scope="module")
def functions(tmp_path_factory):
    """The folder of a module of job functions."""
    folder = tmp_path_factory.mktemp("functions")
    (folder / "job_functions_of_test.py").write_text(FUNCTIONS)
    return folder


@pytest.fixture
def job(functions, tmp_path, monkeypatch):
    """Makes jobs, each in a folder of its own."""
    monkeypatch.syspath_prepend(str(functions))

    def make(name="count", **arguments):
        folder = tmp_path / f"job {len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Job(folder, f"job_functions_of_test:{name}", arguments)

    return make


@pytest.fixture
def worker(host):
    worker = WorkerProcess(stop_seconds=2.0, terminate_seconds=0.5)
    yield worker
    worker.close()


class Panel:
    """The widgets around a run, and what its callbacks were told."""

    def __init__(self, worker, onApply=None):
        import qt

        from cardiactwins.panel.run_controls import RunControls

        self.button, self.bar, self.label = qt.QPushButton("Personalize"), qt.QProgressBar(), qt.QLabel()
        self.button.toolTip = "Find the parameters of the model (minutes)"
        self.controls = RunControls(self.button, self.bar, self.label, worker, onApply)
        self.events, self.results, self.failures, self.cancelled = [], [], [], 0

    def start(self, job, **more):
        callbacks = {
            "onDone": self.results.append,
            "onProgress": self.events.append,
            "onFailed": self.failures.append,
            "onCancelled": self._onCancelled,
        }
        self.controls.start(job, **(callbacks | more))

    def _onCancelled(self):
        self.cancelled += 1

    @property
    def idle(self):
        return not self.controls.running


@pytest.fixture
def panel(worker):
    panel = Panel(worker)
    yield panel
    panel.controls.close()


def test_a_run_shows_its_progress_and_hands_over_its_result_once(host, panel, job):
    panel.start(job(steps=4, seconds=0.1))
    assert panel.controls.running
    assert (panel.button.text, panel.button.enabled) == ("Cancel", True)
    assert host.wait(lambda: panel.events, 20)
    assert not panel.bar.isHidden()
    assert host.wait(lambda: panel.bar.maximum == 4 and panel.bar.value == 2, 20)
    assert "Round 3 of 4" in panel.label.text
    assert host.wait(lambda: panel.idle, 20)
    assert panel.results == [{"steps": 4}]
    assert [event.step for event in panel.events] == [0, 1, 2, 3, 4]
    assert panel.events[1].values == {"loss": 0.5}
    assert panel.bar.isHidden()
    assert (panel.button.text, panel.button.enabled) == ("Personalize", True)
    assert panel.label.text.startswith("Done in ")
    assert host.dialogs.said == [] and panel.failures == [] and panel.cancelled == 0


def test_apply_turns_into_cancel_and_back(host, worker, job):
    panel = Panel(worker, onApply=lambda: panel.start(job(steps=500, seconds=0.05)))
    host.click(panel.button)
    assert host.wait(lambda: panel.events, 20)
    assert panel.button.text == "Cancel" and "Nothing in the scene" in panel.button.toolTip
    host.click(panel.button)
    assert (panel.button.text, panel.button.enabled) == ("Cancelling...", False)
    assert panel.label.text == "Cancelling..."
    assert host.wait(lambda: panel.idle, 20)
    assert (panel.cancelled, panel.results) == (1, [])
    assert (panel.button.text, panel.button.enabled) == ("Personalize", True)
    assert panel.button.toolTip == "Find the parameters of the model (minutes)"
    assert panel.label.text == "Cancelled. Nothing in the scene was changed."
    host.click(panel.button)
    assert panel.controls.running
    panel.controls.close()


def test_a_run_cancelled_at_its_very_start_or_end_is_cancelled(host, panel, job):
    panel.start(job(steps=3))
    panel.controls.cancel()
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle, 20)
    panel.start(job(steps=3), onProgress=lambda event: event.step == 3 and panel.controls.cancel())
    assert host.wait(lambda: panel.idle, 20)
    assert (panel.cancelled, panel.results) == (2, [])
    panel.start(job(steps=3))
    assert host.wait(lambda: panel.idle, 20)
    assert panel.results == [{"steps": 3}]
    panel.controls.cancel()
    assert panel.cancelled == 2


def test_what_is_missing_disables_the_button_and_stands_in_its_tooltip(host, panel, job):
    panel.controls.setMissing(["a population of at least 3 cases", "a model"])
    assert not panel.button.enabled
    assert panel.button.toolTip.splitlines() == [
        "Find the parameters of the model (minutes)",
        "Still missing:",
        "- a population of at least 3 cases",
        "- a model",
    ]
    with pytest.raises(RuntimeError, match="disabled"):
        host.click(panel.button)
    panel.controls.setMissing([])
    assert panel.button.enabled
    assert panel.button.toolTip == "Find the parameters of the model (minutes)"
    panel.start(job(steps=3, seconds=0.1))
    panel.controls.setMissing(["a model"])
    assert (panel.button.text, panel.button.enabled) == ("Cancel", True)
    assert host.wait(lambda: panel.idle, 20)
    assert not panel.button.enabled


def test_two_runs_at_once_are_refused_on_one_worker(host, worker, panel, job):
    other = Panel(worker)
    panel.start(job(steps=100, seconds=0.05))
    assert not other.button.enabled
    assert "Another computation is running" in other.button.toolTip
    for refused in (panel, other):
        with pytest.raises(RuntimeError, match="still running"):
            refused.start(job(steps=3))
    assert other.idle and not panel.idle
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle, 20)
    assert other.button.enabled
    other.start(job(steps=3))
    assert not panel.button.enabled
    assert host.wait(lambda: other.idle, 20)
    assert (other.results, panel.results) == ([{"steps": 3}], [])


def test_the_end_of_a_run_may_start_the_next_one(host, panel, job):
    def next_one(result):
        panel.results.append(result)
        if len(panel.results) < 3:
            panel.start(job(steps=len(panel.results)), onDone=next_one)

    panel.start(job(steps=5), onDone=next_one)
    assert host.wait(lambda: len(panel.results) == 3, 20)
    assert panel.results == [{"steps": 5}, {"steps": 1}, {"steps": 2}]
    assert panel.idle


def test_a_failed_job_is_shown_with_its_traceback(host, panel, job):
    panel.start(job(steps=3, fail_at=1))
    assert host.wait(lambda: panel.idle, 20)
    (said,) = host.dialogs.said
    assert said.kind == "error"
    assert "The wall has no voxels. Draw it. Nothing in the scene was changed." in said.text
    assert said.details.startswith("Traceback") and "in count" in said.details
    assert [event.kind for event in panel.failures] == ["failed"]
    assert panel.label.text == said.text
    assert (panel.results, panel.cancelled, panel.button.text) == ([], 0, "Personalize")


def test_a_worker_that_dies_shows_the_end_of_its_log(host, panel, job):
    panel.start(job(steps=3, die_at=1))
    assert host.wait(lambda: panel.idle, 20)
    (said,) = host.dialogs.said
    assert said.kind == "error" and "Nothing in the scene was changed" in said.text
    assert said.details.splitlines()[-1] == "line 59"
    assert len(said.details.splitlines()) == 50
    assert [event.kind for event in panel.failures] == ["died"]
    assert panel.results == []
    panel.start(job(steps=2))
    assert host.wait(lambda: panel.idle, 20)
    assert panel.results == [{"steps": 2}]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_killed_from_outside_is_noticed(host, panel, job):
    panel.start(job("process"))
    assert host.wait(lambda: panel.events, 20)
    os.kill(int(panel.events[0].message.split()[1]), signal.SIGKILL)
    assert host.wait(lambda: panel.idle, 20)
    assert [event.kind for event in panel.failures] == ["died"]
    assert "Nothing in the scene was changed" in host.dialogs.texts("error")[0]


def test_an_error_in_what_takes_the_result_is_shown(host, panel, job):
    def broken(result):
        raise KeyError("no table")

    panel.start(job(steps=2), onDone=broken)
    assert host.wait(lambda: panel.idle and host.dialogs.said, 20)
    (said,) = host.dialogs.said
    assert "The result could not be shown: 'no table'" in said.text
    assert "in broken" in said.details
    assert panel.button.text == "Personalize" and panel.button.enabled


def test_an_error_in_what_shows_the_progress_does_not_stop_the_run(host, panel, job, caplog):
    def broken(event):
        raise KeyError("no plot")

    panel.start(job(steps=2), onProgress=broken)
    assert host.wait(lambda: panel.idle, 20)
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


def test_a_callback_that_lets_events_pass_is_not_called_again_meanwhile(host, panel, job):
    depth, deepest = 0, 0

    def slow(event):
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        end = time.monotonic() + 0.15
        while time.monotonic() < end:
            host.processEvents()
            time.sleep(0.005)
        depth -= 1

    panel.start(job(steps=4), onProgress=slow)
    assert host.wait(lambda: panel.idle, 20)
    assert deepest == 1
    assert panel.results == [{"steps": 4}]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
def test_closed_controls_stop_their_own_worker_and_call_nobody(host, job):
    panel = Panel(None)
    panel.start(job("process"))
    assert host.wait(lambda: panel.events, 20)
    process = int(panel.events[0].message.split()[1])
    panel.controls.close()
    assert host.wait(lambda: not _alive(process), 10)
    seen = len(panel.events)
    with pytest.raises(TimeoutError):
        host.wait(lambda: len(panel.events) > seen, 0.3)
    assert (len(panel.events), panel.results, panel.failures, panel.cancelled) == (seen, [], [], 0)
    assert host.dialogs.said == []
    with pytest.raises(RuntimeError, match="closed"):
        panel.start(job(steps=1))
    panel.controls.close()


def test_closed_controls_are_forgotten(worker):
    panel = Panel(worker)
    panel.controls.close()
    controls = weakref.ref(panel.controls)
    del panel
    gc.collect()
    assert controls() is None


def test_lengths_of_time_are_for_people(host):
    from cardiactwins.panel.messages import duration_text

    texts = [duration_text(seconds) for seconds in (-3, 0.4, 59.4, 59.6, 250, 3599.7, 7500)]
    assert texts == ["0 s", "0 s", "59 s", "1 min 0 s", "4 min 10 s", "1 h 0 min", "2 h 5 min"]


class Steps:
    """Work on the main thread in steps, and how it ended."""

    def __init__(self, count, fail_at=None, each=None):
        self.count, self.fail_at, self.each = count, fail_at, each
        self.taken, self.closed, self.ends = 0, False, []

    def __iter__(self):
        try:
            for step in range(1, self.count + 1):
                if step == self.fail_at:
                    raise ValueError("There is no wall")
                if self.each is not None:
                    self.each()
                self.taken = step
                yield step, self.count, f"Case {step}"
        finally:
            self.closed = True

    def start(self, controls):
        controls.runSteps(
            iter(self),
            onDone=lambda: self.ends.append("done"),
            onFailed=lambda error: self.ends.append(str(error)),
            onCancelled=lambda: self.ends.append("cancelled"),
        )


def test_work_on_the_main_thread_goes_on_in_steps_between_events(host, panel):
    seen = []
    steps = Steps(5, each=lambda: seen.append((panel.bar.value, panel.label.text)))
    steps.start(panel.controls)
    assert steps.taken == 0 and panel.controls.running and panel.button.text == "Cancel"
    assert host.wait(lambda: panel.idle, 10)
    assert (steps.taken, steps.ends, steps.closed) == (5, ["done"], True)
    assert seen[1:] == [(step, f"Case {step}") for step in range(1, 5)]
    assert panel.bar.isHidden() and panel.button.text == "Personalize"


def test_steps_can_be_cancelled_also_from_within_a_step(host, panel):
    steps = Steps(1000)
    steps.start(panel.controls)
    assert host.wait(lambda: steps.taken == 3, 10)
    panel.controls.cancel()
    assert (steps.ends, steps.closed, panel.idle) == (["cancelled"], True, True)
    assert panel.label.text == "Cancelled. Nothing in the scene was changed."
    within = Steps(1000, each=lambda: within.taken == 2 and panel.controls.cancel())
    within.start(panel.controls)
    assert host.wait(lambda: within.closed, 10)
    assert (within.ends, within.taken) == (["cancelled"], 3)
    with pytest.raises(TimeoutError):
        host.wait(lambda: steps.taken > 3 or within.taken > 3, 0.2)
    assert host.dialogs.said == []


def test_steps_that_fail_are_told(host, panel):
    steps = Steps(5, fail_at=3)
    steps.start(panel.controls)
    assert host.wait(lambda: panel.idle, 10)
    assert (steps.taken, steps.ends) == (2, ["There is no wall"])
    (said,) = host.dialogs.said
    assert said.text == "It failed: There is no wall."
    assert "raise ValueError" in said.details


def test_the_end_of_steps_may_start_a_job_whose_cancel_is_told_once(host, panel, job):
    panel.controls.runSteps(iter(Steps(3)), lambda: panel.start(job(steps=500, seconds=0.05)))
    assert host.wait(lambda: panel.events, 20)
    assert panel.button.text == "Cancel" and not panel.bar.isHidden()
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle, 20)
    assert (panel.cancelled, panel.results, host.dialogs.said) == (1, [], [])


def test_an_error_in_what_goes_on_after_the_steps_is_shown_and_leaves_the_controls_free(host, panel, job):
    panel.controls.runSteps(iter(Steps(3)), lambda: panel.start(job(steps={1, 2}, seconds=object())))
    assert host.wait(lambda: host.dialogs.said, 10)
    (said,) = host.dialogs.said
    assert said.kind == "error" and said.text.startswith("It failed: ") and said.text == panel.label.text
    assert panel.idle and panel.bar.isHidden() and panel.button.enabled
    panel.start(job(steps=2))
    assert host.wait(lambda: panel.idle, 20)
    assert panel.results == [{"steps": 2}]


def test_the_owner_of_steps_that_fail_is_called_after_the_message_when_all_is_free(host, panel):
    seen = []
    panel.controls.runSteps(
        iter(Steps(5, fail_at=1)),
        onDone=lambda: seen.append("done"),
        onFailed=lambda error: seen.append((str(error), len(host.dialogs.said), panel.idle)),
    )
    assert host.wait(lambda: seen, 10)
    assert seen == [("There is no wall", 1, True)]


def test_steps_and_jobs_do_not_run_at_once(host, worker, panel, job):
    other = Panel(worker)
    Steps(10**6).start(panel.controls)
    assert not other.button.enabled
    for controls in (panel, other):
        with pytest.raises(RuntimeError, match="still running"):
            controls.start(job(steps=1))
    panel.controls.cancel()
    assert other.button.enabled
    other.start(job(steps=1000, seconds=0.05))
    with pytest.raises(RuntimeError, match="still running"):
        Steps(1).start(panel.controls)
    other.controls.close()


def test_closed_controls_take_no_further_step(host, worker):
    panel = Panel(worker)
    steps = Steps(10**6)
    steps.start(panel.controls)
    assert host.wait(lambda: steps.taken > 2, 10)
    panel.controls.close()
    taken = steps.taken
    with pytest.raises(TimeoutError):
        host.wait(lambda: steps.taken > taken, 0.2)
    assert (steps.closed, steps.ends) == (True, [])


@pytest.mark.skipif(os.name == "nt", reason="the launcher is a shell script")
def test_in_the_application_pythonslicer_does_the_work_and_cancel_ends_it_with_its_child(
    host, job, tmp_path, monkeypatch
):
    launcher = tmp_path / "bin" / "PythonSlicer"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\n"{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{launcher.parent}{os.pathsep}{os.environ['PATH']}")
    panel = Panel(None)
    panel.controls.worker.stop_seconds = 0.1
    panel.start(job("process"))
    assert host.wait(lambda: panel.events, 20)
    assert (tmp_path / "used").exists()
    process = int(panel.events[0].message.split()[1])
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle, 20)
    assert panel.cancelled == 1
    panel.controls.close()
    assert host.wait(lambda: not Path(f"/proc/{process}").exists() or not _alive(process), 10)


def _alive(process):
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
