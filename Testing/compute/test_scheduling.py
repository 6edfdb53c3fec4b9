import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_steps import all_gone, until

from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.scheduling import cell_name, run_cells

STUDY = '''
import os, time
from pathlib import Path

def square(value, log, fails=False, waits_for=None):
    with (Path(log) / "calls").open("a") as calls:
        calls.write(f"{value} {os.getpid()} {os.environ.get('OMP_NUM_THREADS')}\\n")
    print("a cell may print")
    while waits_for is not None and not Path(waits_for).exists():
        time.sleep(0.01)
    if fails and not (Path(log) / "repaired").exists():
        raise RuntimeError("no convergence")
    return {"square": value * value}

def crash(value, by=None):
    if value == 1:
        os._exit(9) if by is None else os.kill(os.getpid(), by)
    return value

RESUME = """
from cardiactwins.compute.scheduling import run_cells
import json, sys
run_cells("toy_study:square", json.load(open(sys.argv[1])), sys.argv[2], workers=1)
"""
'''


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A folder in which every call of the toy study leaves a line; the study can be imported as toy_study."""
    module = tmp_path / "importable"
    module.mkdir()
    (module / "toy_study.py").write_text(STUDY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(module))
    yield tmp_path
    sys.modules.pop("toy_study", None)


def calls(log: Path) -> list[list[str]]:
    return (
        [line.split() for line in (log / "calls").read_text().splitlines()]
        if (log / "calls").exists()
        else []
    )


def test_results_come_in_the_order_of_the_cells_and_are_never_computed_again(log):
    cells = [{"value": value, "log": str(log)} for value in (3, 1, 2, 3)]
    first = run_cells("toy_study:square", cells, log / "cells", workers=2)
    assert [outcome.result["square"] for outcome in first] == [9, 1, 4, 9]
    assert [outcome.cell for outcome in first] == cells
    assert sorted(call[0] for call in calls(log)) == ["1", "2", "3"]
    assert {threads for _, _, threads in calls(log)} == {"1"}

    again = run_cells("toy_study:square", [*cells, {"value": 5, "log": str(log)}], log / "cells", workers=1)
    assert again[:4] == first
    assert [call[0] for call in calls(log)][3:] == ["5"]


def test_where_the_data_lies_is_no_part_of_a_cell(log):
    cells = [{"value": 3}, {"value": 4}]
    run_cells("toy_study:square", cells[:1], log / "cells", places={"log": str(log)}, workers=1)
    moved = log / "moved"
    moved.mkdir()
    outcomes = run_cells("toy_study:square", cells, log / "cells", places={"log": str(moved)}, workers=1)
    assert [outcome.result["square"] for outcome in outcomes] == [9, 16]
    assert [outcome.cell for outcome in outcomes] == cells
    assert [call[0] for call in calls(log)] == ["3"]
    assert [call[0] for call in calls(moved)] == ["4"]


def test_a_truncated_cell_file_is_computed_again(log):
    cells = [{"value": 4, "log": str(log)}]
    run_cells("toy_study:square", cells, log / "cells", workers=1)
    (file,) = (log / "cells").iterdir()
    file.write_text(file.read_text()[:20])
    assert run_cells("toy_study:square", cells, log / "cells", workers=1)[0].result == {"square": 16}


def test_the_name_of_a_cell_depends_on_its_values_and_its_function_only():
    assert cell_name("m:f", {"a": 1, "b": [2, 3]}) == cell_name("m:f", {"b": [2, 3], "a": 1})
    names = {cell_name("m:f", {"a": 1}), cell_name("m:f", {"a": 2}), cell_name("m:g", {"a": 1})}
    assert len(names) == 3


def test_a_failing_cell_is_reported_and_tried_again_by_the_next_run(log):
    cells = [{"value": value, "log": str(log), "fails": value == 2} for value in (1, 2, 3)]
    messages = []

    def listen(step, total, message="", values=None):
        messages.append(message)

    outcomes = run_cells("toy_study:square", cells, log / "cells", workers=1, progress=listen)
    assert [outcome.error for outcome in outcomes] == [None, "RuntimeError: no convergence", None]
    assert outcomes[2].result == {"square": 9}
    assert any("'value': 2" in message and "no convergence" in message for message in messages)
    (record,) = (log / "cells").glob("*.error.json")
    assert "in square" in json.loads(record.read_text())["traceback"]

    (log / "repaired").touch()
    assert run_cells("toy_study:square", cells, log / "cells", workers=1)[1].result == {"square": 4}
    assert [call[0] for call in calls(log)] == ["1", "2", "3", "2"]
    assert not list((log / "cells").glob("*.error.json"))


def test_a_cell_that_kills_its_worker_costs_no_other_cell(log):
    outcomes = run_cells(
        "toy_study:crash", [{"value": value} for value in range(4)], log / "cells", workers=1
    )
    assert [outcome.result for outcome in outcomes] == [0, None, 2, 3]
    assert "exit code 9" in outcomes[1].error


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_a_worker_that_the_system_kills_is_told_with_what_to_do(log):
    for by, told in (
        (signal.SIGKILL, r"was killed.*memory ran out\. Lower the batch or the number of workers.*stays"),
        (signal.SIGABRT, rf"crashed \(signal {signal.SIGABRT:d}\).*stays"),
    ):
        (outcome,) = run_cells("toy_study:crash", [{"value": 1, "by": int(by)}], log / f"{by}", workers=1)
        assert re.search(told, outcome.error)


def test_cancelling_kills_the_workers_and_keeps_what_was_finished(log):
    never = str(log / "never")
    cells = [{"value": value, "log": str(log), "waits_for": never if value else None} for value in range(3)]

    def cancel_in_the_second_cell(step, total, message="", values=None):
        if step == 1 and len(calls(log)) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_cells("toy_study:square", cells, log / "cells", workers=1, progress=cancel_in_the_second_cell)
    assert [path.name for path in (log / "cells").iterdir()] == [
        f"{cell_name('toy_study:square', cells[0])}.json"
    ]
    if sys.platform != "win32":
        all_gone([int(pid) for _, pid, _ in calls(log)])


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
def test_a_study_killed_in_the_middle_goes_on_where_it_stopped(log):
    gate = log / "gate"
    cells = [
        {"value": value, "log": str(log), "waits_for": str(gate) if value == 2 else None}
        for value in range(4)
    ]
    (log / "cells.json").write_text(json.dumps(cells))
    import toy_study

    study = subprocess.Popen(
        [sys.executable, "-c", toy_study.RESUME, str(log / "cells.json"), str(log / "cells")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )

    def stored():
        return len(list((log / "cells").glob("[!.]*.json")))

    until(lambda: len(calls(log)) == 3 and stored() == 2)
    study.send_signal(signal.SIGKILL)
    study.wait()
    assert stored() == 2
    all_gone([int(pid) for _, pid, _ in calls(log)])

    gate.touch()
    outcomes = run_cells("toy_study:square", cells, log / "cells", workers=1)
    assert [outcome.result["square"] for outcome in outcomes] == [0, 1, 4, 9]
    assert [call[0] for call in calls(log)] == ["0", "1", "2", "2", "3"]


def test_the_time_left_shrinks_to_nothing(log):
    seen = []

    def listen(step, total, message="", values=None):
        seen.append((step, total, values["finished"], values["seconds_left"]))

    cells = [{"value": value, "log": str(log)} for value in range(4)]
    run_cells("toy_study:square", cells, log / "cells", workers=1, progress=listen)
    assert seen[0] == (0, 4, 0, None)
    assert seen[-1] == (4, 4, 4, 0.0)
    assert all(left > 0 for step, _, _, left in seen if 0 < step < 4)


def test_a_dask_cluster_gives_the_same_results(log):
    distributed = pytest.importorskip("distributed")
    cells = [{"value": value, "log": str(log), "fails": value == 2} for value in range(5)]
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=None, processes=True, dashboard_address=":0"
    ) as cluster:
        outcomes = run_cells("toy_study:square", cells, log / "cells", scheduler=cluster.scheduler_address)
        run_cells("toy_study:square", cells[:2], log / "cells", scheduler=cluster.scheduler_address)
    assert [outcome.result and outcome.result["square"] for outcome in outcomes] == [0, 1, None, 9, 16]
    assert outcomes[2].error == "RuntimeError: no convergence"
    assert sorted(call[0] for call in calls(log)) == ["0", "1", "2", "3", "4"]
    assert str(os.getpid()) not in {pid for _, pid, _ in calls(log)}


def test_a_scheduler_that_does_not_answer_is_told(log, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(distributed, "Client", lambda *a, **k: (_ for _ in ()).throw(OSError("timed out")))
    with pytest.raises(ConnectionError, match=r"tcp://nowhere:1 \(timed out\)"):
        run_cells("statistics:mean", [{"data": [1]}], log, scheduler="tcp://nowhere:1")


@pytest.mark.parametrize(
    ("function", "cells", "workers", "message"),
    [
        ("toy_study:cube", [], None, "No function 'toy_study:cube'"),
        ("no_such_module:f", [], None, "No function 'no_such_module:f'"),
        ("toy_study:STUDY_NAME", [], None, "No function"),
        (lambda value: value, [], None, "top level of a module"),
        ("toy_study:square", [{"value": object()}], None, "JSON"),
        ("toy_study:square", [{"value": float("nan")}], None, "JSON"),
        ("toy_study:square", [], 0, "at least 1 worker; found 0"),
    ],
)
def test_a_wrong_request_is_told_before_anything_runs(log, function, cells, workers, message):
    with pytest.raises(ValueError, match=message):
        run_cells(function, cells, log / "cells", workers=workers)
    assert not (log / "calls").exists()
