import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardiactwins.compute.job import Job

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX systems")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}


def worker(*arguments, code=None):
    """stdout lines, stderr and exit code of the worker program."""
    program = ["-m", "cardiactwins.compute.worker"] if code is None else ["-c", code]
    run = subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        timeout=60,
        check=False,
        input=b"typed by a person\n",
    )
    return [json.loads(line) for line in run.stdout.splitlines()], run.stderr.decode(), run.returncode


def test_a_job_sends_its_steps_and_its_result_and_nothing_else(tmp_path):
    job = Job(tmp_path / "Jörg's job 心", "worker_jobs:count", {"n": 2})
    lines, stderr, code = worker(job.write())
    assert code == 0 and stderr == ""
    assert [(line["step"], line["total"], line["values"]) for line in lines[:-1]] == [
        (0, 2, {"loss": 1.0}),
        (1, 2, {"loss": 0.5}),
    ]
    assert {line["job"] for line in lines} == {str(job.folder)}
    assert lines[-1]["done"] == job.result()


def test_several_jobs_share_the_process_and_a_bad_one_does_not_stop_the_next(tmp_path):
    bad = tmp_path / "bad" / "job.json"
    bad.parent.mkdir()
    bad.write_text("{")
    first = Job(tmp_path / "1", "worker_jobs:count", {"n": 1}).write()
    second = Job(tmp_path / "2", "worker_jobs:count", {"n": 1}).write()
    lines, _, code = worker(first, bad, tmp_path / "none" / "job.json", second)
    ends = [line for line in lines if "step" not in line]
    assert code == 1
    assert "is not a job" in ends[1]["failed"] and "No such file" in ends[2]["failed"]
    assert (ends[0]["done"]["calls"], ends[3]["done"]["calls"]) == (1, 2)
    assert ends[0]["done"]["pid"] == ends[3]["done"]["pid"]


@posix
def test_what_a_job_prints_is_in_its_log_whoever_prints_it_and_in_whatever_bytes(tmp_path):
    job = Job(tmp_path, "worker_jobs:noisy")
    lines, stderr, code = worker(job.write())
    assert lines == [{"job": str(tmp_path), "done": {}}]
    assert stderr == "" and code == 0
    log = job.log.read_bytes()
    for printed in (b"from Python\n", b"from a child\n", b"from C\n", b"caf\xe9 \xff\xfe\n", b"bytes \xff\n"):
        assert printed in log
    assert b"unpaired \\ud800\n" in log and b"typed: ''\n" in log and b"the end\n" in log
    assert log.count(b"e" * 99 + b"\n") == 40_000


def test_a_log_that_cannot_be_written_goes_to_standard_error(tmp_path):
    job = Job(tmp_path, "worker_jobs:raises")
    path = job.write()
    job.log.mkdir()
    lines, stderr, _ = worker(path)
    assert "about to fail" in stderr and "failed" in lines[-1]


@pytest.mark.parametrize(
    ("function", "arguments", "failure"),
    [
        ("worker_jobs:raises", {}, "ValueError: Parameter 'depth' is -1; choose 0 to 1."),
        ("worker_jobs:raises", {"error": "exit"}, "SystemExit: 3"),
        ("worker_jobs:nothing_of_that_name", {}, "No function 'worker_jobs:nothing_of_that_name'"),
        ("no_such_module:f", {}, "No function 'no_such_module:f' can be imported"),
        ("worker_jobs:returns", {"value": [1]}, "TypeError: 'worker_jobs:returns' returned a list"),
        ("worker_jobs:returns", {"values": 1}, "unexpected keyword argument 'values'"),
    ],
)
def test_a_failure_is_told_in_the_line_and_in_the_log(tmp_path, function, arguments, failure):
    job = Job(tmp_path, function, arguments)
    lines, _, code = worker(job.write())
    assert code == 1
    assert failure in lines[-1]["failed"]
    assert "Traceback" in lines[-1]["traceback"] and failure.split(": ")[-1] in job.log.read_text()
    assert job.result() is None


@posix
def test_a_full_disk_fails_the_job_by_name_but_not_what_it_prints(tmp_path):
    job = Job(tmp_path, "worker_jobs:on_a_disk_that_is_full")
    lines, _, _ = worker(job.write())
    assert lines[0]["message"] == "printed"
    assert lines[-1]["failed"].startswith("OSError") and "write_result" in lines[-1]["traceback"]
    assert job.log.stat().st_size == 4096
    assert {path.name for path in tmp_path.iterdir()} == {"job.json", "worker.log"}


@posix
def test_ctrl_c_cancels_the_job(tmp_path):
    path = Job(tmp_path, "worker_jobs:until_stopped", {"cleanup": "cleaned"}).write()
    process = subprocess.Popen(
        [sys.executable, "-m", "cardiactwins.compute.worker", path], env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    with process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        last = process.stdout.read().splitlines()[-1]
    assert json.loads(last) == {"job": str(tmp_path), "cancelled": True}
    assert (tmp_path / "cleaned").exists()


def test_many_thousand_steps_become_few_lines_that_keep_all_values(tmp_path):
    started = time.monotonic()
    lines, _, _ = worker(Job(tmp_path, "worker_jobs:many_steps").write())
    shown = lines[:-1]
    assert [line["values"]["i"] for line in shown if line["values"]] == list(range(0, 20_000, 1000))
    assert len(shown) <= 20 + 20 * (time.monotonic() - started) + 2
    assert (shown[-1]["step"], shown[-1]["message"]) == (20_000, "last")


@pytest.mark.parametrize("end", ["close", "idle", "folder gone", "parent gone"])
def test_a_serving_worker_ends_when_nobody_needs_it(tmp_path, end):
    arguments = ["--serve", tmp_path / "served", "--idle", "0.1" if end == "idle" else "100"]
    if end != "folder gone":
        (tmp_path / "served").mkdir()
    if end == "close":
        (tmp_path / "served" / "close").touch()
    if end == "parent gone":
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        arguments += ["--parent", gone.pid]
    lines, stderr, code = worker(*arguments)
    assert stderr == ""
    assert code == (0 if end != "parent gone" else -signal.SIGKILL if sys.platform != "win32" else 1)
    assert lines == [] or list(lines[0]) == ["ready"]


def test_a_worker_without_its_program_is_killed_with_its_folder_and_does_not_end_in_peace(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    killed = -signal.SIGKILL if sys.platform != "win32" else 1
    for number in range(8):  # the folder that is gone would let it end in peace, now and then
        folder = tmp_path / str(number)
        folder.mkdir()
        assert worker("--serve", folder, "--parent", gone.pid)[1:] == ("", killed)
        assert not folder.exists()


def test_the_worker_starts_with_numpy_as_its_only_library():
    code = (
        "import sys, json, cardiactwins.compute.worker;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    (loaded,), _, _ = worker(code=code)
    assert "numpy" in loaded
    assert not {"scipy", "sklearn", "skimage", "matplotlib", "vtkmodules", "slicer", "torch"} & set(loaded)
