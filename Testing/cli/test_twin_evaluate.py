"""`cardiactwins twin evaluate`: cohorts of small hearts judged against each other."""

import json

import numpy as np
import pytest
from block_hearts import heart_of

from cardiactwins.anatomy.heart_morphology import heart_morphology
from cardiactwins.mrml import twin_cohorts
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_grid import TWIN_GRID


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Label maps of 6 hearts, each with loose voxels; 12 others as a training keeps them."""
    root = tmp_path_factory.mktemp("cohorts")
    for number in range(6):
        rng = np.random.default_rng([0, number])
        write_heart(root / "made" / f"h{number}.nrrd", heart_of(rng, apart=True), TWIN_GRID)
    for number in range(12):
        HeartFolder.write(root / "known", number, heart_of(np.random.default_rng([1, number])))
    return root


@pytest.fixture(scope="module")
def evaluated(twin, folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated") / "out"
    options = ("--training", folders / "made", "--repeats", 20, "--out", out, "--json")
    outcome = twin("evaluate", folders / "made", folders / "known", *options)
    assert outcome.exit_code == 0, outcome.stderr
    return out, outcome.summary


def test_a_cohort_is_judged_on_a_page_and_in_tables(evaluated, rows):
    out, summary = evaluated
    assert {path.name for path in out.iterdir()} >= {
        "report.html",
        "quality.csv",
        "hearts.csv",
        "report.json",
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Topology" in page and "Nearest training heart" in page
    assert (summary["raw"]["hearts"], summary["raw"]["reference_hearts"]) == (6, 12)
    assert summary["violations_by_check"]["raw"]["LV in one piece"] == 100
    assert summary["violations_by_check"]["reference"]["LV in one piece"] == 0
    assert summary["nearest_training"]["synthetic"] == 0 < summary["nearest_training"]["held out"]
    raw, guarded = rows(out / "quality.csv")
    assert (raw["cohort"], guarded["cohort"]) == ("raw", "guarded")
    assert float(raw["TV (%)"].split()[0]) > 8 and float(guarded["TV (%)"].split()[0]) == 0
    assert summary["guarded"]["hearts"] == 6 and summary["rejected"] == 0
    assert json.loads((out / "report.json").read_text())["job"] == "twin evaluate"


def test_the_table_of_hearts_holds_their_measures(evaluated, rows):
    table = rows(evaluated[0] / "hearts.csv")
    assert len(table) == 6 and "LV in one piece" in table[0]["violated checks"]
    assert {row["accepted"] for row in table} == {"yes"}
    expected = heart_morphology(heart_of(np.random.default_rng([0, 0]), apart=True), TWIN_GRID.spacing)
    assert [float(value) for value in list(table[0].values())[1:13]] == pytest.approx(expected)


def test_a_cohort_of_which_the_guard_took_too_few_is_judged_raw(tmp_path, monkeypatch):
    measures = np.random.default_rng(0).normal(100, 20, (16, 12))
    known = Cohort(tuple(map(str, range(16))), measures, np.zeros((16, 12), bool))
    monkeypatch.setattr(twin_cohorts, "cohort_pair", lambda pair, *_, **options: pair)
    pair = (known, known.select([]))
    judged = twin_cohorts.evaluate_cohort("c", pair, known, directory=tmp_path, repeats=5)
    assert list(columns_of_table(judged.quality_table)["cohort"]) == ["raw"]
    assert "too few hearts" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_folders_that_cannot_be_judged_are_refused(twin, folders, tmp_path):
    (tmp_path / "empty").mkdir()

    def refused(*folders):
        outcome = twin("evaluate", *folders, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and not (tmp_path / "out").exists()
        return outcome.stderr

    assert "holds no label maps" in refused(tmp_path / "empty", folders / "known")
    assert "is a file" in refused(folders / "made" / "h0.nrrd", folders / "known")
    assert "No such file" in refused(folders / "made", tmp_path / "none")
    few = tmp_path / "few"
    few.mkdir()
    (few / "h0.nrrd").write_bytes((folders / "made" / "h0.nrrd").read_bytes())
    assert "Use more hearts" in refused(few, few)
