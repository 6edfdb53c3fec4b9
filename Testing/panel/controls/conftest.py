"""Jobs, a worker, and the widgets around a run."""

import pytest
from controls_panel import Panel

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


@pytest.fixture
def panel(worker):
    panel = Panel(worker)
    yield panel
    panel.controls.close()
