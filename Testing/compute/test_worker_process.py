"""Jobs of a worker process, and when another process takes its place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from worker_steps import count, events_until, last_event, posix, until

from cardiactwins.compute.job import Job
from cardiactwins.compute.started_worker import StartedWorker, launch_python
from cardiactwins.compute.worker_process import WorkerProcess, run_job


def test_events_tell_the_steps_then_the_result(worker, tmp_path):
    assert worker.poll() == [] and not worker.busy
    worker.submit(count(tmp_path, n=3))
    assert worker.busy
    events = events_until(worker, "done")
    assert [(event.kind, event.step, event.total) for event in events] == [
        *(("progress", step, 3) for step in range(3)),
        ("done", 0, 0),
    ]
    assert events[1].values == {"loss": 0.5} and events[1].job.folder == tmp_path
    assert events[-1].result["n"] == 3 == Job(tmp_path, "").result()["n"]
    assert not worker.busy and worker.poll() == []


def test_two_jobs_pay_the_start_and_the_imports_once(worker, started, tmp_path):
    first = run_job(count(tmp_path / "one folder"), worker=worker)
    second = run_job(count(tmp_path / "Zweiter Ördner 心"), worker=worker)
    assert first["pid"] == second["pid"] == worker.process_id
    assert (first["calls"], second["calls"]) == (1, 2)
    assert len(started) == 1


def test_a_second_job_at_once_is_refused_and_the_first_goes_on(worker, tmp_path):
    worker.submit(count(tmp_path / "1"))
    with pytest.raises(RuntimeError, match="still runs 'worker_jobs:count'"):
        worker.submit(count(tmp_path / "2"))
    assert not (tmp_path / "2").exists()
    assert last_event(worker).kind == "done"


def test_polling_returns_at_once_while_the_worker_starts(tmp_path):
    def never_starts(_arguments, environment):
        return launch_python(["-c", "import time; time.sleep(120)"], environment)

    with WorkerProcess(launch=never_starts, stop_seconds=0.1) as worker:
        worker.submit(count(tmp_path))
        assert worker.poll() == []


def test_a_folder_of_the_jobs_own_program_is_left_as_it_was(tmp_path):
    with WorkerProcess(tmp_path / "workers") as worker:
        run_job(count(tmp_path / "job"), worker=worker)
        assert len(list((tmp_path / "workers").iterdir())) == 1
    assert list((tmp_path / "workers").iterdir()) == []


def test_relative_job_folders_and_launchers_in_another_folder_meet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def elsewhere(arguments, environment):
        return subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environment},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    with WorkerProcess(launch=elsewhere) as worker:
        result = run_job(count(Path("job")), worker=worker)
    assert Job(tmp_path / "job", "").result() == result


def test_a_worker_that_was_idle_for_too_long_is_replaced(worker, started, tmp_path):
    worker.idle_seconds = 1.0
    first = run_job(count(tmp_path / "1"), worker=worker)
    until(lambda: started[0].poll() is not None)
    second = run_job(count(tmp_path / "2"), worker=worker)
    assert first["pid"] != second["pid"] and len(started) == 2


def test_a_worker_that_goes_home_as_its_job_comes_is_replaced_unseen(worker, started, tmp_path, monkeypatch):
    hand_over = StartedWorker.hand_over

    def late(self, job):
        if len(started) == 1:
            (self.folder / "close").touch()
            started[0].wait()
        hand_over(self, job)

    run_job(count(tmp_path / "1"), worker=worker)
    monkeypatch.setattr(StartedWorker, "hand_over", late)
    worker.submit(count(tmp_path / "2"))
    assert last_event(worker).kind == "done" and len(started) == 2


@posix
def test_a_flood_of_output_blocks_neither_job_nor_parent_and_its_tail_is_kept(worker, tmp_path):
    run_job(Job(tmp_path, "worker_jobs:noisy"), worker=worker)
    tail = worker.log_tail(3).splitlines()
    assert tail == ["e" * 99, "typed: ''", "the end"]
    assert len(worker.log_tail().splitlines()) == 50
