"""A worker process that has ended after the test."""

import pytest

from cardiactwins.compute.started_worker import launch_python
from cardiactwins.compute.worker_process import WorkerProcess


@pytest.fixture
def started():
    return []


@pytest.fixture
def worker(started):
    def launch(arguments, environment):
        started.append(launch_python(arguments, environment))
        return started[-1]

    with WorkerProcess(launch=launch, stop_seconds=20, terminate_seconds=20) as worker:
        yield worker
    for process in started:
        process.wait(30)
