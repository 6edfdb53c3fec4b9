"""A worker process that has ended after the test, and a tiny disk."""

import os
import subprocess
import sys

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
    assert all(process.poll() is not None for process in started)


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 kB, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a tiny disk needs Linux and root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no tiny disk could be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)
