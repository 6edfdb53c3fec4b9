"""`cardiactwins twin experiment`: the paper's tables in small, with a stand-in for trained weights."""

import numpy as np
import pytest
from block_hearts import stretched

from cardiactwins.twin.training_hearts import HeartFolder

QUICK = ("--steps", 2, "--no-guard")


@pytest.fixture(scope="module")
def population(whole_heart, tmp_path_factory):
    """Twelve hearts as a training keeps them."""
    folder = tmp_path_factory.mktemp("population")
    for number in range(12):
        HeartFolder.write(folder, number, stretched(whole_heart.labels, np.random.default_rng(number)))
    return folder


@pytest.fixture(scope="module")
def edited(twin, stand_in, population, tmp_path_factory):
    out = tmp_path_factory.mktemp("experiment") / "out"
    options = ("--siblings", 1, "--psi", 0.5, *QUICK, *stand_in, "--out", out, "--json")
    outcome = twin("experiment", population, *options)
    assert outcome.exit_code == 0, outcome.stderr
    return out, outcome, options


def test_each_seed_heart_has_siblings_by_each_psi_and_mask(edited, rows):
    out, outcome, _ = edited
    seeds = outcome.summary["edits"]["seeds"]
    assert list(seeds) == ["L+R+", "L-R-", "L+R=", "L=R="] and len(set(seeds.values())) == 4
    made = rows(out / "manifest.csv")
    assert len(made) == 4 * 3 and {row["twin"] for row in made} == set(seeds.values())
    assert {(row["kind"], row["keep"]) for row in made} == {
        ("perturbational", ""),
        ("localized", "Ao LV RA LA"),
        ("localized", "Ao RV RA LA"),
    }
    table = rows(out / "violations.csv")
    named = ["original, autoencoded", "psi 0.5", "RV edit", "LV edit"]
    assert [row["TV (%)"] for row in table if row["guard"] == "before"] == named
    assert {row["edit"] for row in rows(out / "bias.csv")} == {"psi 0.5", "RV edit", "LV edit"}
    assert "Localized edits" in (out / "report" / "edits.html").read_text(encoding="utf-8")


def test_the_experiment_goes_on_where_it_stopped(twin, edited, population):
    out, outcome, options = edited
    assert "12 hearts to make: about" in outcome.stderr
    made = sorted((out / "siblings").iterdir())
    for path in made[:2]:
        path.unlink()
    before = {path.name: path.stat().st_mtime_ns for path in made[2:]}
    again = twin("experiment", population, *options)
    assert again.exit_code == 0 and "1 heart to make" in again.stderr
    after = {path.name: path.stat().st_mtime_ns for path in (out / "siblings").iterdir()}
    assert len(after) == len(made) and before.items() <= after.items()
    assert again.summary["edits"]["violations"] == outcome.summary["edits"]["violations"]


def test_hearts_from_noise_are_judged_by_steps_and_size(twin, stand_in, population, tmp_path, rows):
    out = tmp_path / "out"
    options = ("--part", "noise", "--hearts", 6, "--steps-tried", 2, "--hearts-tried", 6)
    more = ("--sizes-tried", "3,6", "--training", population, *QUICK, *stand_in, "--out", out, "--json")
    outcome = twin("experiment", population, *options, *more)
    assert outcome.exit_code == 0, outcome.stderr
    assert "6 hearts to make" in outcome.stderr
    assert [row["steps"] for row in rows(out / "steps.csv")] == ["2"]
    assert [row["size"] for row in rows(out / "sizes.csv")] == ["3", "6"]
    cohorts = [row["cohort"] for row in rows(out / "quality.csv")]
    assert cohorts == ["raw", "guarded", "two halves of the population"]
    assert outcome.summary["noise"]["nearest"]["held out"] == 0
    assert "Sensitivity" in (out / "report" / "unconditional.html").read_text(encoding="utf-8")


def test_experiments_that_cannot_be_are_refused(twin, stand_in, population, whole_heart, tmp_path):
    few = tmp_path / "few"
    for number in range(3):
        HeartFolder.write(few, number, whole_heart.labels)
    for folder, options, reason in (
        (population, ("--part", "all"), "--part is edits or noise"),
        (population, ("--psi", "0.5,1.5"), "--psi takes shares above 0 to 1"),
        (population, ("--psi", "half"), "--psi takes numbers"),
        (population, ("--steps-tried", "5,x"), "--steps-tried takes numbers"),
        (population, ("--sizes-tried", "0,5"), "--sizes-tried takes whole numbers"),
        (few, (), "needs 4 seed hearts"),
        (few, ("--part", "noise"), "Use more hearts"),
    ):
        outcome = twin("experiment", folder, *options, *stand_in, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and reason in outcome.stderr, outcome.stderr
        assert not (tmp_path / "out").exists()
