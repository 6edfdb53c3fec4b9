import errno
import json
import time
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.compute import job_progress
from cardiactwins.compute.job import Job
from cardiactwins.compute.job_progress import JobProgress, Pace
from cardiactwins.compute.progress import Cancelled


@pytest.fixture(params=["job", "Jörg's jobs/心 1"])
def job(tmp_path, request):
    return Job(tmp_path / request.param, "package.module:name", {"n": 3, "bounds": (0.5, np.float64(2.0))})


def test_a_written_job_is_read_back_with_plain_values(job):
    read = Job.read(job.write())
    assert (read.folder, read.function) == (job.folder, job.function)
    assert read.arguments == {"n": 3, "bounds": [0.5, 2.0]}


def test_writing_a_job_forgets_its_earlier_run(job):
    job.write()
    job.request_stop()
    job.write_result({"n": 1})
    job.log.write_text("old")
    assert job.stop_requested and job.result() == {"n": 1}
    job.write()
    assert not job.stop_requested and job.result() is None and not job.log.exists()


def test_a_job_without_a_folder_has_neither_result_nor_stop(job):
    assert job.result() is None
    assert not job.stop_requested


def test_arguments_that_are_no_json_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="cannot carry a function"):
        Job(tmp_path / "new", "m:f", {"callback": lambda: None}).write()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"function": "m:f"}', b'{"function": 1, "arguments": {}}', b"\xff\xfe\x00"],
)
def test_a_file_that_is_no_job_is_refused_by_name(tmp_path, content):
    (tmp_path / "job.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"job\.json is not a job"):
        Job.read(tmp_path / "job.json")


def test_results_are_dicts_and_whole_or_absent(tmp_path, monkeypatch):
    job = Job(tmp_path, "m:f")
    with pytest.raises(TypeError, match="returned a list"):
        job.write_result([1])
    assert job.write_result({"mean": np.arange(2), "loss": float("nan")}) == {"mean": [0, 1], "loss": None}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="The disk is full"):
        job.write_result({"mean": 2})
    assert job.result() == {"mean": [0, 1], "loss": None}
    job.remove_result()
    assert list(tmp_path.iterdir()) == []


class Lines(list):
    def wait(self, n):
        deadline = time.monotonic() + 20
        while len(self) < n and time.monotonic() < deadline:
            time.sleep(0.005)
        return len(self)

    def __call__(self, line):
        json.dumps(line, allow_nan=False)
        self.append(line)


def test_lines_of_the_job_and_of_its_thread_keep_their_distance(tmp_path):
    times = []
    progress = JobProgress(Job(tmp_path, "m:f"), lambda line: times.append(progress._last_sent))
    pause = job_progress.SECONDS_BETWEEN_LINES
    for number in range(24):
        progress(number, 100)
        time.sleep(pause * (0.6, 0.55, 0.1)[number % 3])
    last = len(times)
    time.sleep(3 * pause)
    assert len(times) - last <= 1 and len(times) > 4
    progress.close()
    assert np.diff(times[: last + 1]).min() >= pause - 1e-9


def test_of_many_steps_few_lines_go_out_and_the_last_is_among_them(tmp_path):
    lines, started = Lines(), time.monotonic()
    progress = JobProgress(Job(tmp_path, "m:f"), lines)
    for i in range(20_001):
        progress(i, 20_000, f"step {i}")
    progress.close()
    bound = (time.monotonic() - started) / job_progress.SECONDS_BETWEEN_LINES + 2
    assert 2 <= len(lines) <= bound
    assert lines[0]["step"] == 0 and lines[-1]["message"] == "step 20000"
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})


def test_no_values_are_lost_and_they_are_those_of_the_call(tmp_path):
    lines, values = Lines(), {"loss": []}
    progress = JobProgress(Job(tmp_path, "m:f"), lines)
    for i in range(3000):
        values["loss"].append(i)
        values["loss"] = values["loss"][-3:]
        progress(i, 3000, values=values if i % 3 == 0 else None)
    progress.close()
    kept = [line for line in lines if line["values"] is not None]
    assert [line["step"] for line in kept] == list(range(0, 3000, 3))
    assert all(line["values"]["loss"][-1] == line["step"] for line in kept)


def test_a_line_that_waits_goes_out_without_another_call_and_keeps_its_message(tmp_path, monkeypatch):
    monkeypatch.setattr(job_progress, "SECONDS_BETWEEN_LINES", 1.0)
    lines = Lines()
    progress = JobProgress(Job(tmp_path, "m:f"), lines)
    progress(0, 10, "loading")
    progress(1, 10, "training")
    progress(2, 10)
    assert lines.wait(2) == 2
    assert (lines[1]["step"], lines[1]["message"]) == (2, "training")
    progress.close()
    assert len(lines) == 2


def test_the_first_call_and_later_ones_see_the_stop_file(tmp_path):
    job = Job(tmp_path, "m:f")
    job.request_stop()
    with pytest.raises(Cancelled):
        JobProgress(job, Lines())(0, 10)
    (tmp_path / "stop").unlink()
    progress = JobProgress(job, Lines())
    progress(0, 10)
    job.request_stop()
    time.sleep(job_progress.SECONDS_BETWEEN_LINES)
    with pytest.raises(Cancelled):
        progress(1, 10)
    progress.close()


def left(times, total, pace=None):
    """Seconds left after the steps 0, 1, ... were reported at `times`."""
    pace = pace or Pace()
    return [pace.seconds_left(step, total, now) for step, now in enumerate(times)]


def test_the_time_left_is_unknown_at_first_and_no_slow_first_step_spoils_it():
    assert left([0, 100, 101, 102, 103], total=10) == [None, None, pytest.approx(8), 7, 6]


def test_the_time_left_follows_steps_that_become_slower():
    times = [*range(500), *range(500, 2000, 3)]
    assert left(times, total=2000)[-1] == pytest.approx(3 * 1001, rel=0.02)


def test_the_time_left_runs_down_within_a_step_but_not_below_the_steps_after_it():
    pace = Pace()
    left([0, 2, 4, 6], total=10, pace=pace)
    assert pace.seconds_left(3, 10, 7.0) == 13
    assert pace.seconds_left(3, 10, 60.0) == 12


def test_a_new_count_of_steps_starts_the_time_left_anew_and_overruns_are_zero():
    pace = Pace()
    assert left([0, 1, 2, 3], total=3, pace=pace)[-1] == 0
    assert pace.seconds_left(0, 5, 4.0) is None
    assert [pace.seconds_left(i, 5, 4.0 + 9 * i) for i in (1, 2)] == [None, 27]
    assert pace.seconds_left(9, 5, 50.0) == 0


def test_steps_of_different_size_count_by_their_size():
    pace = Pace()
    reached = [(0, 0.0), (10, 1.0), (20, 2.0), (50, 5.0)]
    assert [pace.seconds_left(step, 100, now) for step, now in reached][-1] == pytest.approx(5)


def test_steps_within_an_instant_promise_nothing():
    assert left([0, 0.001, 0.002, 0.003], total=1000) == [None] * 4
