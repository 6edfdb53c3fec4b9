"""A personalization that is cancelled, or whose model fails, in the middle."""

import json
import threading
from dataclasses import replace

import pytest
from small_personalizations import QUICK, SMALL, Spy, same

from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.personalization import personalize


def test_cancelling_ends_the_threads_leaves_a_whole_checkpoint_and_can_be_resumed(ellipses, tmp_path):
    path = tmp_path / "run.json"

    def cancel_in_the_third_generation(step, total, message="", values=None):
        if step == 3:
            raise Cancelled

    before = set(threading.enumerate())
    with pytest.raises(Cancelled):
        personalize(
            ellipses,
            EllipticalModel(SMALL),
            settings=QUICK,
            checkpoint=path,
            workers=3,
            progress=cancel_in_the_third_generation,
        )
    assert set(threading.enumerate()) <= before
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]
    assert len(json.loads(path.read_text(encoding="utf-8"))["losses"]) == 1 + 3
    resumed = personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, checkpoint=path)
    assert same(resumed, personalize(ellipses, EllipticalModel(SMALL), settings=QUICK))


def test_cancelling_in_the_first_generation_without_a_checkpoint_writes_nothing(
    ellipses, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    def cancel(*_):
        raise Cancelled

    with pytest.raises(Cancelled):
        personalize(ellipses, EllipticalModel(SMALL), settings=QUICK, progress=cancel)
    assert not list(tmp_path.iterdir())


def test_a_run_can_be_stopped_while_it_scouts(ellipses):
    spy = Spy(EllipticalModel(SMALL))
    calls = []

    def cancel_at_the_fifth_evaluation(step, total, message="", values=None):
        calls.append((step, values))
        if len(calls) == 5:
            raise Cancelled

    settings = replace(QUICK, scouts=4096)
    with pytest.raises(Cancelled):
        personalize(ellipses, spy, settings=settings, workers=1, progress=cancel_at_the_fifth_evaluation)
    assert calls == [(0, None)] * 5, "no generation had ended"
    assert len(spy.seen) < 2048, "most of the other scouts are not evaluated"


def test_an_error_inside_a_model_comes_out_and_ends_the_threads(ellipses):
    class Broken(Spy):
        def paint(self, parameters, uniforms):
            raise RuntimeError("the model broke")

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="the model broke"):
        personalize(ellipses, Broken(EllipticalModel(SMALL)), settings=QUICK, workers=3)
    assert set(threading.enumerate()) <= before
