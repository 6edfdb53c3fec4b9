"""Waiting for one job: its steps, its result, its cancel and its errors."""

import pytest
from worker_steps import count, until

from cardiactwins.compute.job import Job
from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.worker_process import JobFailed, WorkerDied, run_job


def test_run_job_passes_every_step_on_and_returns_the_result(tmp_path):
    calls = []
    result = run_job(
        count(tmp_path, n=3), lambda step, total, message="", values=None: calls.append((step, values))
    )
    assert result["n"] == 3
    steps = [call for call in calls if call[1] is not None]
    assert steps == [(0, {"loss": 1.0}), (1, {"loss": 0.5}), (2, {"loss": pytest.approx(1 / 3)})]


def test_run_job_calls_progress_of_a_silent_job_too_so_that_it_can_be_cancelled(worker, tmp_path):
    worker.stop_seconds = 0.1
    calls = []

    def progress(step, total, message="", values=None):
        calls.append(message)
        if calls.count("deaf") == 3:
            raise Cancelled("by the person")

    with pytest.raises(Cancelled, match="by the person"):
        run_job(Job(tmp_path, "worker_jobs:deaf"), progress, worker)
    assert not worker.busy


def test_run_job_cancelled_at_its_last_step_leaves_no_result(worker, tmp_path):
    def progress(step, total, message="", values=None):
        until((tmp_path / "result.json").exists)
        raise Cancelled

    with pytest.raises(Cancelled):
        run_job(count(tmp_path, n=1), progress, worker)
    assert not (tmp_path / "result.json").exists()


def test_run_job_raises_what_went_wrong(worker, tmp_path):
    with pytest.raises(JobFailed, match="Parameter 'depth' is -1") as failed:
        run_job(Job(tmp_path, "worker_jobs:raises"), worker=worker)
    assert "Traceback" in failed.value.traceback
    with pytest.raises(WorkerDied, match="ended in the middle") as died:
        run_job(Job(tmp_path, "worker_jobs:killed", {"where": "middle"}), worker=worker)
    assert "last words" in died.value.log_tail


def test_an_error_in_progress_ends_the_worker_and_is_raised(worker, started, tmp_path):
    def progress(*_, **__):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(Job(tmp_path, "worker_jobs:until_stopped"), progress, worker)
    started[0].wait(30)
