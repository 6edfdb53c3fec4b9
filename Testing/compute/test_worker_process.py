import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardiactwins.compute import process_tree
from cardiactwins.compute.job import Job
from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.started_worker import launch_python
from cardiactwins.compute.worker_process import JobFailed, WorkerDied, WorkerProcess, run_job

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")


@pytest.fixture(autouse=True)
def importable_jobs(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


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


def until(condition):
    """Wait for it; what is not so after 30 s never will be."""
    deadline = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < deadline, "nothing happened in 30 s"
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
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process_id}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def all_gone(process_ids):
    return until(lambda: not any(alive(process_id) for process_id in process_ids))


def count(folder, **arguments):
    return Job(folder, "worker_jobs:count", arguments)


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


def test_polling_returns_at_once_while_the_worker_starts(worker, tmp_path):
    worker.submit(Job(tmp_path, "worker_jobs:until_stopped"))
    assert worker.poll() == []
    worker.cancel()


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


# Cancel


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
def test_a_deaf_job_is_terminated_then_killed_with_its_children(worker, tmp_path, to_terminate):
    worker.stop_seconds, worker.terminate_seconds = 0.1, 0.3 if to_terminate == "both" else 20
    worker.submit(Job(tmp_path / "deaf", "worker_jobs:deaf", {"to_terminate": to_terminate}))
    pids = events_until(worker, "progress")[0].values["pids"]
    assert all(map(alive, pids))
    worker.cancel()
    assert last_event(worker).kind == "cancelled"
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
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], env=environment, stdout=subprocess.PIPE
    ) as parent:
        pids = [int(text) for text in parent.stdout.readline().split()]
        assert len(pids) == 2 and all(map(alive, pids))
        parent.kill()
    assert all_gone(pids)


# Failures and deaths


def test_failures_come_as_events_and_the_worker_serves_on(worker, started, tmp_path):
    worker.submit(Job(tmp_path / "bad", "worker_jobs:raises"))
    event = last_event(worker)
    assert (event.kind, event.error) == ("failed", "ValueError: Parameter 'depth' is -1; choose 0 to 1.")
    assert "worker_jobs.py" in event.traceback
    assert worker.log_tail().splitlines()[0] == "about to fail"
    assert run_job(count(tmp_path / "good"), worker=worker)["calls"] == 1
    assert len(started) == 1


@posix
def test_a_worker_killed_while_it_starts_has_died(worker, started, tmp_path):
    worker.submit(count(tmp_path / "job"))
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


def test_a_worker_that_was_idle_for_too_long_is_replaced(worker, started, tmp_path):
    worker.idle_seconds = 0.1
    first = run_job(count(tmp_path / "1"), worker=worker)
    until(lambda: started[0].poll() is not None)
    second = run_job(count(tmp_path / "2"), worker=worker)
    assert first["pid"] != second["pid"] and len(started) == 2


@posix
def test_a_worker_that_goes_home_as_its_job_comes_is_replaced_unseen(worker, started, tmp_path):
    run_job(count(tmp_path / "1"), worker=worker)
    home = next(Path(text) for text in started[0].args if "cardiactwins-worker-" in text)
    started[0].send_signal(signal.SIGSTOP)
    worker.submit(count(tmp_path / "2"))
    (home / "close").touch()
    started[0].send_signal(signal.SIGCONT)
    assert last_event(worker).kind == "done" and len(started) == 2


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


@posix
def test_a_flood_of_output_blocks_neither_job_nor_parent_and_its_tail_is_kept(worker, tmp_path):
    run_job(Job(tmp_path, "worker_jobs:noisy"), worker=worker)
    tail = worker.log_tail(3).splitlines()
    assert tail == ["e" * 99, "typed: ''", "the end"]
    assert len(worker.log_tail().splitlines()) == 50


# Waiting for a job


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
    assert started[0].poll() is not None


# Windows, where only the calls can be seen


def test_on_windows_trees_are_killed_by_taskkill_and_have_no_console(monkeypatch):
    called = []
    monkeypatch.setattr(process_tree.sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: called.append((command, options)))
    process_tree.end_tree(123)
    process_tree.lead_own_group()
    (command, options), *more = called
    assert command == ["taskkill", "/T", "/F", "/PID", "123"] and not more
    assert options["creationflags"] == 0x08000000
    assert process_tree.spawn_options() == {"creationflags": 0x08000200}


@posix
@pytest.mark.parametrize("without_pidfd", [False, True])
def test_the_end_of_a_process_is_noticed_where_the_system_tells_it_or_not(monkeypatch, without_pidfd):
    if without_pidfd:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process_id = process.pid
    process_tree.wait_for_end(process_id)


# The page for developers


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The folder with the two programs of the page, thresholding.py and use.py."""
    text = (Path(__file__).parents[2] / "Docs" / "developer" / "worker.md").read_text(encoding="utf-8")
    function, use = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "thresholding.py").write_text(function, encoding="utf-8")
    (tmp_path / "use.py").write_text(use, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_program_on_the_page_says_what_the_page_says(page):
    run = subprocess.run(
        [sys.executable, "use.py"], cwd=page, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stderr == ""
    *steps, last = run.stdout.splitlines()
    assert last == "256 of 4096 voxels of 16 slices, written to mask.npz"
    assert "slice 16 of 16" in steps


def test_the_page_names_every_kind_of_end_and_every_file(page):
    text = (Path(__file__).parents[2] / "Docs" / "developer" / "worker.md").read_text(encoding="utf-8")
    for name in ("job.json", "result.json", "worker.log", "`stop`", "done", "cancelled", "failed", "died"):
        assert name in text
