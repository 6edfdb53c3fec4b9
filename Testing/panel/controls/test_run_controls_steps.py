"""Work on the main thread that goes on in steps between events."""

import pytest
from controls_panel import Panel


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
    assert host.wait(lambda: panel.idle)
    assert (steps.taken, steps.ends, steps.closed) == (5, ["done"], True)
    assert seen[1:] == [(step, f"Case {step}") for step in range(1, 5)]
    assert panel.bar.isHidden() and panel.button.text == "Personalize"


def test_steps_can_be_cancelled_also_from_within_a_step(host, panel):
    steps = Steps(1000)
    steps.start(panel.controls)
    assert host.wait(lambda: steps.taken == 3)
    panel.controls.cancel()
    assert (steps.ends, steps.closed, panel.idle) == (["cancelled"], True, True)
    assert panel.label.text == "Cancelled. Nothing in the scene was changed."
    within = Steps(1000, each=lambda: within.taken == 2 and panel.controls.cancel())
    within.start(panel.controls)
    assert host.wait(lambda: within.closed)
    assert (within.ends, within.taken) == (["cancelled"], 3)
    with pytest.raises(TimeoutError):
        host.wait(lambda: steps.taken > 3 or within.taken > 3, 0.2)
    assert host.dialogs.said == []


def test_steps_that_fail_are_told(host, panel):
    steps = Steps(5, fail_at=3)
    steps.start(panel.controls)
    assert host.wait(lambda: panel.idle)
    assert (steps.taken, steps.ends) == (2, ["There is no wall"])
    (said,) = host.dialogs.said
    assert said.text == "It failed: There is no wall."
    assert "raise ValueError" in said.details


def test_the_end_of_steps_may_start_a_job_whose_cancel_is_told_once(host, panel, job):
    panel.controls.runSteps(iter(Steps(3)), lambda: panel.start(job(steps=500, seconds=0.05)))
    assert host.wait(lambda: panel.events)
    assert panel.button.text == "Cancel" and not panel.bar.isHidden()
    panel.controls.cancel()
    assert host.wait(lambda: panel.idle)
    assert (panel.cancelled, panel.results, host.dialogs.said) == (1, [], [])


def test_an_error_in_what_goes_on_after_the_steps_is_shown_and_leaves_the_controls_free(host, panel, job):
    panel.controls.runSteps(iter(Steps(3)), lambda: panel.start(job(steps={1, 2}, seconds=object())))
    assert host.wait(lambda: host.dialogs.said)
    (said,) = host.dialogs.said
    assert said.kind == "error" and said.text.startswith("It failed: ") and said.text == panel.label.text
    assert panel.idle and panel.bar.isHidden() and panel.button.enabled
    panel.start(job(steps=2))
    assert host.wait(lambda: panel.idle)
    assert panel.results == [{"steps": 2}]


def test_the_owner_of_steps_that_fail_is_called_after_the_message_when_all_is_free(host, panel):
    seen = []
    panel.controls.runSteps(
        iter(Steps(5, fail_at=1)),
        onDone=lambda: seen.append("done"),
        onFailed=lambda error: seen.append((str(error), len(host.dialogs.said), panel.idle)),
    )
    assert host.wait(lambda: seen)
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
    assert host.wait(lambda: steps.taken > 2)
    panel.controls.close()
    taken = steps.taken
    with pytest.raises(TimeoutError):
        host.wait(lambda: steps.taken > taken, 0.2)
    assert (steps.closed, steps.ends) == (True, [])
