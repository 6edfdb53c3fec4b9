"""`cardiactwins twin augment`: hearts of a rare measure by three strategies, with a stand-in for weights."""

import json

import numpy as np
import pytest
from block_hearts import stretched

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.cohort import measure_cohort
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_grid import TWIN_GRID

MAKE = ("--make", "unconditional=6,perturbational=6", "--steps", 2, "--no-guard")


@pytest.fixture(scope="module")
def population(whole_heart, tmp_path_factory):
    """Nine hearts as a training keeps them, and their RV volumes in ml."""
    folder = tmp_path_factory.mktemp("population")
    hearts = [stretched(whole_heart.labels, np.random.default_rng(number)) for number in range(9)]
    for number, heart in enumerate(hearts):
        HeartFolder.write(folder, number, heart)
    return folder, measure_cohort(hearts).measure("RV volume")


@pytest.fixture(scope="module")
def augmented(twin, stand_in, population, tmp_path_factory):
    """An augmented cohort of the six hearts with the largest RVs, and what was told of it."""
    folder, volumes = population
    out = tmp_path_factory.mktemp("augmented") / "out"
    least = float(np.mean(np.sort(volumes)[2:4]))
    options = ("--measure", "rv volume", "--least", least, *MAKE, *stand_in, "--out", out, "--json")
    outcome = twin("augment", folder, *options)
    assert outcome.exit_code == 0, outcome.stderr
    return out, outcome, options


def test_what_was_made_passed_and_kept_is_counted_beside_the_references(augmented, rows):
    out, outcome, options = augmented
    summary = outcome.summary
    assert summary["references"] == 6 and summary["population"] == 9
    table = {row["strategy"].split()[0]: row for row in rows(out / "augmentation.csv")}
    assert list(table) == ["unconditional", "perturbational"]
    kept = rows(out / "kept.csv")
    for strategy, row in table.items():
        found = summary["strategies"][strategy]
        assert (row["made"], row["references"]) == ("6", "6") and row["passed"] == str(found["passed"])
        assert sum(one["strategy"] == strategy for one in kept) == found["kept"] <= found["passed"]
    assert kept and all((out / one["file"]).is_file() for one in kept)
    volume = next(name for name in MORPHOLOGY_NAMES if name.lower().startswith("rv volume"))
    assert all(float(one[volume]) > options[3] for one in kept)
    page = (out / "report" / "augmentation.html").read_text(encoding="utf-8")
    assert "Target: 6 of 9 hearts" in page and "data:image/png" in page


def test_half_of_the_target_is_edited_less(augmented, rows):
    edited = [row for row in rows(augmented[0] / "manifest.csv") if row["kind"] == "perturbational"]
    psi = {row["twin"]: float(row["psi"]) for row in edited}
    assert len(psi) == 6 and sorted(psi.values()) == [0.35] * 3 + [0.5] * 3


def test_the_estimate_is_told_before_and_not_when_all_is_there(twin, augmented, population):
    out, outcome, options = augmented
    assert "12 hearts to make: about" in outcome.stderr and "to make" not in outcome.stdout
    before = {path.name: path.stat().st_mtime_ns for path in (out / "siblings").iterdir()}
    again = twin("augment", population[0], *options)
    assert again.exit_code == 0 and "to make" not in again.stderr
    assert again.summary["table"] == outcome.summary["table"]
    assert {path.name: path.stat().st_mtime_ns for path in (out / "siblings").iterdir()} == before


def test_populations_and_filters_that_cannot_be_are_refused(
    twin, stand_in, population, whole_heart, tmp_path
):
    folder, _ = population

    def refused(folder, *options):
        outcome = twin("augment", folder, *options, *stand_in, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and not (tmp_path / "out").exists(), outcome.stderr
        return outcome.stderr

    assert "give --least, --most or both" in refused(folder)
    assert "There is no measure 'mass'" in refused(folder, "--measure", "mass", "--least", 1)
    assert "0 of 9 hearts have RV volume above 9000" in refused(folder, "--least", 9000)
    assert "--make knows unconditional" in refused(folder, "--least", 1, "--make", "magic=3")
    assert "takes how many" in refused(folder, "--least", 1, "--make", "unconditional=few")
    assert "Give a folder of hearts" in refused(folder / "heart-00000.npz", "--least", 1)
    bad = tmp_path / "bad"
    write_heart(bad / "fine.nrrd", whole_heart.labels, TWIN_GRID)
    (bad / "broken.nii.gz").write_bytes(b"nothing")
    assert "broken.nii.gz" in refused(bad, "--least", 1)
    (bad / "broken.nii.gz").rename(bad / "fine.nii.gz")
    assert "would both be the heart 'fine'" in refused(bad, "--least", 1)


def test_hearts_that_are_cut_off_are_told_and_left_out_where_asked(twin, stand_in, whole_heart, tmp_path):
    folder = tmp_path / "hearts"
    write_heart(folder / "whole.nrrd", whole_heart.labels, TWIN_GRID)
    small, wide = whole_heart.labels[::2, ::2, ::2], ImageGeometry((64,) * 3, np.diag([2.8, 2.8, 2.8, 1]))
    first = int(np.flatnonzero((small == Tissue.LV).any(axis=(1, 2)))[0]) + 2
    write_heart(folder / "cut.nrrd", np.pad(small[first:], ((0, first), (0, 0), (0, 0))), wide)
    options = (folder, "--least", 9000, *stand_in, "--out", tmp_path / "out")
    for more, word, hearts in (((), "Doubtful", 2), (("--leave-out-incomplete",), "Left out", 1)):
        told = twin("augment", *options, *more).stderr
        assert f"{word}: hearts/cut: " in told and "LV is cut off" in told
        assert f"0 of {hearts} hearts have RV volume above 9000" in told
    (folder / "whole.nrrd").unlink()
    assert "Every heart in" in twin("augment", *options, "--leave-out-incomplete").stderr


def test_the_report_says_what_ran(augmented):
    report = json.loads((augmented[0] / "report.json").read_text())
    assert report["job"] == "twin augment" and report["results"]["references"] == 6
    assert report["results"]["left_out"] == {}
