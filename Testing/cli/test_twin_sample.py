"""`cardiactwins twin sample`: cohorts from noise, with a stand-in for trained weights."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cardiactwins.cli_twin_sample import remarks_on_run
from cardiactwins.twin.label_files import read_heart

QUICK = ("--steps", 3, "--no-guard")


def seeds_of(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return sorted(sibling["recipe"]["seed"] for sibling in manifest["siblings"])


@pytest.fixture(scope="module")
def cohort(twin, stand_in, tmp_path_factory):
    """A cohort of two hearts, and what was told of it."""
    out = tmp_path_factory.mktemp("sample") / "cohort"
    outcome = twin("sample", "-n", 2, "--seed", 5, *QUICK, *stand_in, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "2 hearts to make: about" in outcome.stderr
    return out, outcome.summary


def test_a_cohort_is_made_with_its_manifest(cohort, rows):
    out, summary = cohort
    assert (summary["made"], summary["found"], summary["failed"]) == (2, 0, [])
    assert seeds_of(out) == [5, 6]
    table = rows(out / "manifest.csv")
    assert [row["kind"] for row in table] == ["unconditional"] * 2
    assert summary["accepted"] == sum(row["accepted"] == "True" for row in table)
    labels, _ = read_heart(out / "siblings" / f"{table[0]['name']}.nrrd")
    assert labels.shape == (128, 128, 128) and set(np.unique(labels)) == set(range(7))
    assert json.loads((out / "report.json").read_text())["job"] == "twin sample"


def test_the_same_command_goes_on_where_it_stopped(twin, stand_in, cohort):
    out, _ = cohort
    before = {path.name: path.stat().st_mtime_ns for path in (out / "siblings").iterdir()}
    again = twin("sample", "-n", 3, "--seed", 5, *QUICK, *stand_in, "--out", out, "--json").summary
    assert (again["made"], again["found"]) == (1, 2) and seeds_of(out) == [5, 6, 7]
    after = {path.name: path.stat().st_mtime_ns for path in (out / "siblings").iterdir()}
    assert before.items() <= after.items() and len(after) == 6


def test_hearts_that_the_guard_turns_away_are_counted_by_reason(twin, without_ra, tmp_path, rows):
    outcome = twin("sample", "-n", 2, "--steps", 20, *without_ra, "--out", tmp_path / "out")
    assert outcome.exit_code == 0, outcome.stderr
    assert "the guard accepted 0." in outcome.stdout
    assert "Turned away, 2: RA missing" in outcome.stdout
    assert [row["reason"] for row in rows(tmp_path / "out" / "manifest.csv")] == ["RA missing"] * 2


def test_every_attempt_that_is_turned_away_is_counted(twin, without_ra, tmp_path, rows):
    out = tmp_path / "out"
    outcome = twin(
        "sample", "-n", 2, "--steps", 20, "--attempts", 2, "--batch", 2, *without_ra, "--out", out, "--json"
    )
    assert outcome.summary["rejected"] == ["RA missing"] * 4 and outcome.summary["attempts"] == 4
    again = twin("sample", "-n", 2, "--steps", 20, "--attempts", 2, *without_ra, "--out", out)
    assert "0 hearts made, 2 were there; the guard accepted 0 of 4 attempts." in again.stdout
    assert "Turned away, 4: RA missing" in again.stdout
    assert [row["rejected"] for row in rows(out / "manifest.csv")] == ["RA missing"] * 2


def test_violations_are_counted_while_hearts_are_sampled(twin, without_ra, tmp_path):
    out = tmp_path / "out"
    options = ("--steps", 5, "--no-guard", "--watch", 3, *without_ra, "--out", out)
    assert twin("sample", "-n", 1, *options).exit_code == 0
    outcome = twin("sample", "-n", 3, "--batch", 2, "--workers", 1, *options, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads((out / "report.json").read_text())["results"]["watched"]
    assert report == outcome.summary["watched"]
    assert [(row["step"], row["hearts"]) for row in report] == [(0, 3), (3, 3), (4, 3)]
    records = json.loads((out / "manifest.json").read_text())["siblings"]
    assert len(records) == 3 and all("RA in one piece" in one["watched"][-1]["violated"] for one in records)
    last = [one["watched"][-1]["violations"] for one in records]
    assert report[-1]["violations_percent"] == pytest.approx(np.mean(last)) and min(last) > 0


def test_missing_weights_are_named_with_the_command_that_makes_them(twin, tmp_path, monkeypatch):
    from cardiactwins.mrml import own_weights

    pytest.importorskip("monai")
    monkeypatch.setattr(own_weights, "LIBRARY_WEIGHTS", tmp_path)
    for options, place in (
        ((), str(tmp_path)),
        (("--weights", tmp_path / "my.safetensors"), "my.safetensors"),
    ):
        outcome = twin("sample", *options, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and not (tmp_path / "out").exists()
        assert place in outcome.stderr and "cardiactwins twin train" in outcome.stderr


def test_what_cannot_be_made_is_told_before_a_folder_is(twin, stand_in, tmp_path):
    for options, reason in (
        (("--target", "RV 150 litres"), "is no target"),
        (("--target", "RV volume -10 %"), "that is no heart"),
        (("--target", "RV volume 150 ml", "--target", "RV volume 160 ml"), "has two targets"),
    ):
        outcome = twin("sample", *options, *stand_in, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and reason in outcome.stderr
        assert not (tmp_path / "out").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("Dear")
    assert "something else" in twin("sample", *stand_in, "--out", tmp_path / "other").stderr


def test_weights_that_are_damaged_are_refused(twin, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("monai")
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    outcome = twin("sample", "-n", 1, "--weights", tmp_path / "bad.safetensors", "--out", tmp_path / "out")
    assert outcome.exit_code != 0 and "bad" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_help_loads_no_heavy_package():
    code = (
        "import sys; from typer.testing import CliRunner; from cardiactwins.cli import app\n"
        "assert CliRunner().invoke(app, ['twin', '--help']).exit_code == 0\n"
        "print([name for name in ('torch', 'monai', 'numpy', 'vtkmodules') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rare_reasons_are_summed_up():
    rejected = ["a"] * 3 + ["b"] * 2 + list("cdefg")
    figures = {"made": 10, "found": 0, "attempts": 10, "accepted": 0, "failed": [], "targets": 0}
    figures |= {"rejected": rejected, "violations_raw_percent": None, "violations_guarded_percent": None}
    told = remarks_on_run(figures)
    assert told[1:] == [
        "Turned away, 3: a",
        "Turned away, 2: b",
        *(f"Turned away, 1: {reason}" for reason in "cde"),
        "Turned away, 2: for other reasons, which the manifest has",
    ]
    one = remarks_on_run({**figures, "made": 1, "found": 1})
    assert one[0] == "1 heart made, 1 was there; the guard accepted 0 of 10 attempts."
