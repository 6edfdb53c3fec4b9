"""Jobs that are cancelled or whose program ends, and what becomes of their processes."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from worker_steps import alive, all_gone, count, events_until, last_event, posix, until

from cardiactwins.compute.job import Job
from cardiactwins.compute.worker_process import WorkerProcess, run_job


@pytest.mark.parametrize("moment", ["start", "middle", "end", "just after the end"])
def test_cancel_ends_a_job_without_a_result_and_keeps_the_worker(worker, started, tmp_path, moment):
    run_job(count(tmp_path / "before"), worker=worker)
    if moment in ("start", "middle"):
        worker.submit(Job(tmp_path / "job", "worker_jobs:until_stopped"))
        if moment == "middle":
            events_until(worker, "progress")
    elif moment == "end":
        worker.submit(Job(tmp_path / "job", "worker_jobs:stopped_at_the_end"))
    else:
        worker.submit(count(tmp_path / "job"))
        until((tmp_path / "job" / "result.json").exists)
    worker.cancel()
    worker.cancel()
    assert last_event(worker).kind == "cancelled"
    assert not (tmp_path / "job" / "result.json").exists()
    assert run_job(count(tmp_path / "after"), worker=worker)["calls"] >= 2
    assert len(started) == 1


def test_cancel_while_the_worker_starts_never_calls_the_function(worker, tmp_path):
    worker.submit(Job(tmp_path, "worker_jobs:until_stopped", {"cleanup": "was called"}))
    worker.cancel()
    assert last_event(worker).kind == "cancelled"
    assert not (tmp_path / "was called").exists()


def test_cancel_without_a_job_does_nothing(worker, tmp_path):
    worker.cancel()
    assert run_job(count(tmp_path), worker=worker)["n"] == 3
    worker.cancel()
    assert worker.poll() == []


@posix
@pytest.mark.parametrize("to_terminate", ["", "child", "both"])
def test_a_deaf_job_is_terminated_then_killed_with_its_children(worker, started, tmp_path, to_terminate):
    worker.stop_seconds, worker.terminate_seconds = 0.1, 0.3 if to_terminate == "both" else 20
    worker.submit(Job(tmp_path / "deaf", "worker_jobs:deaf", {"to_terminate": to_terminate}))
    (home,) = (Path(text) for text in started[0].args if "cardiactwins-worker-" in text)
    assert home.is_dir()
    pids = events_until(worker, "progress")[0].values["pids"]
    assert all(map(alive, pids))
    worker.cancel()
    assert last_event(worker).kind == "cancelled"
    assert not home.exists()
    assert all_gone(pids)
    # Only a job that is killed has no time to clean up.
    assert (tmp_path / "deaf" / "cleaned").exists() is (to_terminate != "both")
    assert run_job(count(tmp_path / "after"), worker=worker)["calls"] == 1


LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"


def launch_by_a_launcher(arguments, environment):
    """As PythonSlicer does: the process started is not the one that works, and leads no group."""
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@posix
@pytest.mark.parametrize("to_terminate", ["", "both"])
def test_a_deaf_job_behind_a_launcher_ends_like_any_other(tmp_path, to_terminate):
    with WorkerProcess(launch=launch_by_a_launcher, stop_seconds=0.1) as worker:
        worker.terminate_seconds = 0.3 if to_terminate else 20
        worker.submit(Job(tmp_path, "worker_jobs:deaf", {"to_terminate": to_terminate}))
        pids = events_until(worker, "progress")[0].values["pids"]
        assert pids[0] == worker.process_id
        worker.cancel()
        assert last_event(worker).kind == "cancelled"
    assert all_gone(pids)
    assert (tmp_path / "cleaned").exists() is not bool(to_terminate)


@posix
def test_a_launcher_that_is_killed_takes_the_worker_with_it(tmp_path):
    started = []

    def launch(arguments, environment):
        started.append(launch_by_a_launcher(arguments, environment))
        return started[-1]

    with WorkerProcess(launch=launch) as worker:
        worker.submit(Job(tmp_path, "worker_jobs:deaf"))
        pids = events_until(worker, "progress")[0].values["pids"]
        started[0].kill()
        assert last_event(worker).kind == "died"
        assert all_gone(pids)


@posix
def test_a_stop_file_that_cannot_be_written_terminates_at_once(worker, tmp_path, monkeypatch):
    def full(job):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Job, "request_stop", full)
    worker.stop_seconds = 1000
    worker.submit(Job(tmp_path, "worker_jobs:until_stopped", {"cleanup": "cleaned"}))
    events_until(worker, "progress")
    worker.cancel()
    assert last_event(worker).kind == "cancelled"
    assert (tmp_path / "cleaned").exists()


@posix
def test_closing_ends_a_running_job_and_its_children(worker, tmp_path):
    worker.submit(Job(tmp_path, "worker_jobs:deaf", {"to_terminate": "both"}))
    pids = events_until(worker, "progress")[0].values["pids"]
    worker.close()
    assert all_gone(pids)
    assert not worker.busy and worker.poll() == []
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(count(tmp_path))


@posix
def test_worker_and_children_end_when_their_program_is_killed(tmp_path):
    program = """
import sys, time
from pathlib import Path
from cardiactwins.compute.job import Job
from cardiactwins.compute.worker_process import WorkerProcess
worker = WorkerProcess()
worker.submit(Job(Path(sys.argv[1]), "worker_jobs:deaf", {"to_terminate": "both"}))
while True:
    for event in worker.poll():
        print(*event.values["pids"], flush=True)
    time.sleep(0.01)
"""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    found = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": found, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], env=environment, stdout=subprocess.PIPE
    ) as parent:
        pids = [int(text) for text in parent.stdout.readline().split()]
        assert len(pids) == 2 and all(map(alive, pids)) and list(temporary.iterdir())
        parent.kill()
    assert all_gone(pids)
    assert list(temporary.iterdir()) == []
