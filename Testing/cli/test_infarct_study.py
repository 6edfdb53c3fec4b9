import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.cli import app
from cardiactwins.infarct.archive import save_population
from cardiactwins.infarct.paper_studies import STUDIES
from cardiactwins.infarct.population import InfarctPopulation

SMALL = ("--launches", 1, "--preset", "paper", "--set", "generations=1,lesions=10,candidates=4,parents=2")


def cells_of(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


@pytest.fixture(scope="module")
def finished(infarct, population_file, tmp_path_factory):
    """Outcome and folder of a whole small study of the losses."""
    out = tmp_path_factory.mktemp("study") / "losses"
    return infarct("study", "loss", population_file, *SMALL, "--out", out, "--json"), out


def test_a_study_leaves_one_row_a_personalization_a_heat_map_and_a_report(finished, rows):
    outcome, out = finished
    assert outcome.exit_code == 0, outcome.stderr
    assert "4 personalizations, about" in outcome.stderr
    table = rows(out / "loss.csv")
    assert [row["column"] for row in table] == ["KL_full", "KL_attr", "KL_sectors", "MMD"]
    places = {place["column"]: place for place in outcome.summary["places"]}
    assert [float(row["loss"]) for row in table] == [places[row["column"]]["loss"] for row in table]
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((out / "loss.report.json").read_text())
    assert report["results"]["finished"] == 4
    assert report["parameters"]["name"] == "loss"


def test_what_is_finished_is_not_run_again(infarct, finished, population_file, tmp_path):
    _, out = finished
    before = cells_of(out)
    lost = sorted(before)[0]
    text = (out / "cells" / lost).read_text()
    (out / "cells" / lost).unlink()
    outcome = infarct("study", "loss", population_file, *SMALL, "--out", out)
    assert outcome.exit_code == 0, outcome.stderr
    after = cells_of(out)
    assert {name for name in after if after[name] != before[name]} == {lost}
    assert (
        json.loads((out / "cells" / lost).read_text())["result"]["parameters"]
        == (json.loads(text)["result"]["parameters"])
    )
    assert "KL_sectors" in outcome.stdout


def test_an_estimate_writes_nothing(infarct, population_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = infarct("study", "starts-means", population_file, "--estimate", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["personalizations"] == 300
    assert outcome.summary["estimated_seconds"] > 0
    assert (
        "300 personalizations, about"
        in infarct("study", "starts-means", population_file, "--estimate").stdout
    )
    assert list(tmp_path.iterdir()) == []


def test_a_study_with_failed_personalizations_reports_the_others_and_exits_with_1(infarct, rows, tmp_path):
    anatomy = ReferenceAnatomy()
    wall = anatomy.to_image(anatomy.circumferential < 0.2)
    turned = np.array([anatomy.from_image(np.rot90(wall, turns, axes=(1, 2))) for turns in (0, 1, 0, 1, 0)])
    population = InfarctPopulation(anatomy, turned, tuple("abcde"))
    save_population(population, tmp_path / "turned.npz")
    outcome = infarct("study", "loss", tmp_path / "turned.npz", *SMALL, "--out", tmp_path / "losses")
    assert outcome.exit_code == 1
    assert "Failed: row elliptical, column KL_attr, launch 0: ValueError: All real infarcts" in outcome.stdout
    assert {row["column"] for row in rows(tmp_path / "losses" / "loss.csv")} == {
        "KL_full",
        "KL_sectors",
        "MMD",
    }


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("nothing",), 2, "A study is one of starts-means"),
        (("starts-3d",), 2, "needs a 3D population"),
        (("loss", "--set", "speed=1"), 2, "--set knows lesions"),
        (("loss", "--out", "file"), 2, "file is a file"),
        (("loss", "--out", "file/study"), 1, "a file stands in its way"),
        (("loss", "--out", "mine"), 2, "there is no study in mine to go on with"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    infarct, population_file, tmp_path, monkeypatch, arguments, exit_code, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "loss.csv").write_text("mine")
    outcome = infarct("study", arguments[0], population_file, *arguments[1:])
    assert outcome.exit_code == exit_code
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert (tmp_path / "mine" / "loss.csv").read_text() == "mine"


def test_the_help_names_every_study():
    shown = CliRunner(env={"COLUMNS": "250"}).invoke(app, ["infarct", "study", "--help"]).stdout
    assert all(name in shown for name in STUDIES)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process group there")
def test_ctrl_c_stops_a_study_with_its_workers_and_the_same_command_goes_on(
    infarct, population_file, rows, tmp_path
):
    out = tmp_path / "study"
    options = ("--launches", "1", "--preset", "paper", "--set", "generations=40,threshold=0")
    command = ("study", "loss", str(population_file), *options, "--out", str(out))
    process = subprocess.Popen(
        [sys.executable, "-m", "cardiactwins", "infarct", *command, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(out.glob("cells/[!.]*.json")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    plan, message = stderr.splitlines()
    assert plan.startswith("4 personalizations, about")
    assert (
        message
        == f"Error: Cancelled. What was finished is kept in {out}: the same command goes on from there."
    )
    kept = cells_of(out)
    assert 1 <= len(kept) < 4
    assert not list(out.glob("loss.*"))

    outcome = infarct(*command)
    assert outcome.exit_code == 0, outcome.stderr
    assert len(rows(out / "loss.csv")) == 4
    assert kept.items() <= cells_of(out).items()
