"""A run as the user sees it: Apply, progress, Cancel and results."""

import time

import pytest
from controls_panel import Panel


def test_a_run_shows_its_progress_and_hands_over_its_result_once(host, panel, job):
    shown = []

    def note(event):
        panel.events.append(event)
        shown.append((panel.bar.maximum, panel.bar.value, panel.bar.isHidden(), panel.label.text))

    panel.start(job(steps=4, seconds=0.1), onProgress=note)
    assert panel.controls.running
    assert (panel.button.text, panel.button.enabled) == ("Cancel", True)
    assert host.wait(lambda: panel.idle)
    assert shown[2][:3] == (4, 2, False) and "Round 3 of 4" in shown[2][3]
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
    assert host.wait(lambda: panel.events)
    assert panel.button.text == "Cancel" and "Nothing in the scene" in panel.button.toolTip
    host.click(panel.button)
    assert (panel.button.text, panel.button.enabled) == ("Cancelling...", False)
    assert panel.label.text == "Cancelling..."
    assert host.wait(lambda: panel.idle)
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
    assert host.wait(lambda: panel.idle)
    panel.start(job(steps=3), onProgress=lambda event: event.step == 3 and panel.controls.cancel())
    assert host.wait(lambda: panel.idle)
    assert (panel.cancelled, panel.results) == (2, [])
    panel.start(job(steps=3))
    assert host.wait(lambda: panel.idle)
    assert panel.results == [{"steps": 3}]
    panel.controls.cancel()
    assert panel.cancelled == 2


def test_a_run_cancelled_while_its_last_step_comes_with_its_result_is_cancelled(
    host, panel, job, monkeypatch
):
    poll, held = panel.controls.worker.poll, []

    def all_at_once():
        held.extend(poll())
        return list(held) if held and held[-1].kind != "progress" else []

    monkeypatch.setattr(panel.controls.worker, "poll", all_at_once)
    panel.start(job(steps=3), onProgress=lambda event: event.step == 3 and panel.controls.cancel())
    assert host.wait(lambda: panel.idle)
    assert held[-1].kind == "done" and (panel.cancelled, panel.results) == (1, [])


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
    assert host.wait(lambda: panel.idle)
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
    assert host.wait(lambda: panel.idle)
    assert other.button.enabled
    other.start(job(steps=3))
    assert not panel.button.enabled
    assert host.wait(lambda: other.idle)
    assert (other.results, panel.results) == ([{"steps": 3}], [])


def test_the_end_of_a_run_may_start_the_next_one(host, panel, job):
    def next_one(result):
        panel.results.append(result)
        if len(panel.results) < 3:
            panel.start(job(steps=len(panel.results)), onDone=next_one)

    panel.start(job(steps=5), onDone=next_one)
    assert host.wait(lambda: len(panel.results) == 3)
    assert panel.results == [{"steps": 5}, {"steps": 1}, {"steps": 2}]
    assert panel.idle


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
    assert host.wait(lambda: panel.idle)
    assert deepest == 1
    assert panel.results == [{"steps": 4}]


def test_lengths_of_time_are_for_people(host):
    from cardiactwins.panel.messages import duration_text

    texts = [duration_text(seconds) for seconds in (-3, 0.4, 59.4, 59.6, 250, 3599.7, 7500)]
    assert texts == ["0 s", "0 s", "59 s", "1 min 0 s", "4 min 10 s", "1 h 0 min", "2 h 5 min"]
