"""Jobs that fail, workers that die or cannot start, and disks that are full."""

import errno
import signal
from pathlib import Path

import pytest
from worker_steps import all_gone, count, events_until, last_event, posix

from cardiactwins.compute.job import Job
from cardiactwins.compute.started_worker import launch_python
from cardiactwins.compute.worker_process import WorkerProcess, run_job


def test_failures_come_as_events_and_the_worker_serves_on(worker, started, tmp_path):
    worker.submit(Job(tmp_path / "bad", "worker_jobs:raises"))
    event = last_event(worker)
    assert (event.kind, event.error) == ("failed", "ValueError: Parameter 'depth' is -1; choose 0 to 1.")
    assert "worker_jobs.py" in event.traceback
    assert worker.log_tail().splitlines()[0] == "about to fail"
    assert run_job(count(tmp_path / "good"), worker=worker)["calls"] == 1
    assert len(started) == 1


def test_memory_that_ran_out_is_told_in_words(worker, tmp_path):
    worker.submit(Job(tmp_path, "worker_jobs:raises", {"error": "memory"}))
    event = last_event(worker)
    assert event.kind == "failed" and event.error.startswith("Not enough memory. Lower the batch")
    assert "MemoryError" in event.traceback


@posix
def test_a_worker_killed_while_it_starts_has_died(worker, started, tmp_path):
    worker.submit(Job(tmp_path / "stopped", "worker_jobs:until_stopped"))
    started[0].kill()
    event = last_event(worker)
    assert (event.kind, event.return_code) == ("died", -signal.SIGKILL)
    assert "SIGKILL" in event.error
    assert run_job(count(tmp_path / "job"), worker=worker)["calls"] == 1


@posix
@pytest.mark.parametrize("where", ["middle", "writing an output", "writing the result", "in C"])
def test_a_killed_worker_leaves_no_result_and_says_its_last_words(worker, tmp_path, where):
    job = Job(tmp_path / "job", "worker_jobs:killed", {"where": where})
    worker.submit(job)
    event = last_event(worker)
    assert event.kind == "died"
    assert event.return_code == (-signal.SIGSEGV if where == "in C" else -signal.SIGKILL)
    assert f"last words {where}" in event.log_tail
    assert ("Fatal Python error: Segmentation fault" in event.log_tail) is (where == "in C")
    assert job.result() is None and not (job.folder / "field.npz").exists()
    assert run_job(count(tmp_path / "job"), worker=worker)["calls"] == 1


@posix
def test_the_children_of_a_killed_worker_are_killed(worker, tmp_path):
    worker.submit(Job(tmp_path, "worker_jobs:killed", {"where": "with a child"}))
    events = events_until(worker, "died")
    assert all_gone(events[-2].values["pids"])


def test_a_worker_that_cannot_start_says_why(tmp_path):
    broken = tmp_path / "broken" / "numpy.py"
    broken.parent.mkdir()
    broken.write_text("raise ImportError('libopenblas is missing')")

    def launch(arguments, environment):
        return launch_python(arguments, {"PYTHONPATH": str(broken.parent)})

    with WorkerProcess(launch=launch) as worker:
        worker.submit(count(tmp_path / "job"))
        event = last_event(worker)
    assert (event.kind, event.return_code) == ("died", 1)
    assert event.log_tail.splitlines()[-1] == "ImportError: libopenblas is missing"


def test_a_program_that_cannot_be_launched_leaves_the_worker_free(tmp_path):
    def launch(arguments, environment):
        raise FileNotFoundError(errno.ENOENT, "No such file", "PythonSlicer")

    with WorkerProcess(tmp_path / "workers", launch) as worker:
        with pytest.raises(FileNotFoundError, match="PythonSlicer"):
            worker.submit(count(tmp_path / "job"))
        assert not worker.busy and worker.poll() == []
    assert list((tmp_path / "workers").iterdir()) == []


def test_a_launcher_that_returns_without_working_is_not_tried_forever(tmp_path):
    launched = []

    def launch(arguments, environment):
        launched.append(launch_python(["-c", "print('detached')"], environment))
        return launched[-1]

    with WorkerProcess(launch=launch) as worker:
        worker.submit(count(tmp_path))
        event = last_event(worker)
    assert (event.kind, event.log_tail, len(launched)) == ("died", "detached", 1)


def test_a_full_disk_refuses_the_job_and_leaves_the_worker_free(worker, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def full(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="The disk is full"):
            worker.submit(count(tmp_path))
    assert not worker.busy
    assert run_job(count(tmp_path), worker=worker)["n"] == 3


def test_a_disk_that_fills_during_a_job_fails_it_by_name(worker, tiny_disk):
    job = Job(tiny_disk / "job", "worker_jobs:fills_the_disk")
    worker.submit(job)
    event = last_event(worker)
    assert event.kind == "failed"
    assert "The disk is full" in event.error and "field.npz was not written" in event.error
    assert {path.name for path in job.folder.iterdir()} == {"job.json", "worker.log"}
