"""What tests of worker processes do more than once."""

import os
import sys
import time
from pathlib import Path

import pytest

from cardiactwins.compute.job import Job

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


def until(condition):
    """Wait for it; what is not so after four minutes never will be."""
    deadline = time.monotonic() + 240
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happened in 240 s"
        time.sleep(0.01)
    return found


def events_until(worker, kind):
    events = []
    until(lambda: events.extend(worker.poll()) or any(event.kind == kind for event in events))
    return events


def last_event(worker):
    events = []
    until(lambda: events.extend(worker.poll()) or not worker.busy)
    return events[-1]


def alive(process_id):
    """Whether a process runs; one that has ended but that nobody has asked for does not."""
    try:
        os.kill(process_id, 0)
        if sys.platform != "linux":
            return True
        state = Path(f"/proc/{process_id}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def all_gone(process_ids):
    return until(lambda: not any(alive(process_id) for process_id in process_ids))


def count(folder, **arguments):
    return Job(folder, "worker_jobs:count", arguments)
