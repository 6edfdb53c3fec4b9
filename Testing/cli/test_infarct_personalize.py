import json
import os
import subprocess
import sys

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.alignment import start_zone
from cardiactwins.infarct.archive import load_model, load_population, save_population
from cardiactwins.infarct.individual import fit_individuals
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation


def test_the_model_is_the_one_the_library_finds_with_the_same_settings_and_seed(
    infarct, population_file, quick, tmp_path
):
    out = tmp_path / "m.json"
    outcome = infarct(
        "personalize", population_file, *quick, "--start", "9,4,5,3", "--seed", 5, "--out", out, "--json"
    )
    assert outcome.exit_code == 0, outcome.stderr
    saved = load_model(out)
    settings = PersonalizationSettings.paper(generations=2, lesions=20, candidates=4, parents=2)
    expected = personalize(
        load_population(population_file), saved.model, start=(9, 4, 5, 3), settings=settings, seed=5
    )
    np.testing.assert_array_equal(saved.parameters, expected.parameters)
    assert saved.personalization.settings == settings
    assert outcome.summary["loss_fresh_mean"] == pytest.approx(expected.loss)
    assert outcome.summary["parameters"] == dict(
        zip(expected.parameter_names, expected.parameters.tolist(), strict=True)
    )


def test_parameters_picture_and_report_lie_beside_the_model(infarct, population_file, quick, rows, tmp_path):
    out = tmp_path / "m.json"
    outcome = infarct("personalize", population_file, *quick, "--out", out)
    assert outcome.exit_code == 0, outcome.stderr
    saved = load_model(out)
    table = rows(tmp_path / "m.parameters.csv")
    assert [row["parameter"] for row in table] == list(saved.personalization.parameter_names)
    np.testing.assert_allclose([float(row["value"]) for row in table], saved.parameters)
    assert (tmp_path / "m.history.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "m.report.json").read_text())
    assert report["parameters"]["preset"] == "paper"
    assert report["inputs"] == {"population": str(population_file)}
    assert report["seed"] == 0
    for name in saved.personalization.parameter_names:
        assert name in outcome.stdout
    assert f"Loss {saved.personalization.loss:.4f}" in outcome.stdout


@pytest.mark.parametrize("model", ["elliptical-uniform", "spherical", "wavefront"])
def test_every_model_can_be_named(infarct, population_file, quick, tmp_path, model):
    out = tmp_path / "m.json"
    outcome = infarct(
        "personalize", population_file, *quick, "--model", model, "--loss", "KL_attr", "--out", out
    )
    assert outcome.exit_code == 0, outcome.stderr
    saved = load_model(out)
    assert (saved.name, saved.personalization.loss_kind) == (model, "KL_attr")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "cube"), "A model is one of elliptical"),
        (("--loss", "L2"), "A loss is one of KL_full"),
        (("--start", "18,10,13"), "takes 4 parameters"),
        (("--start", "18,10,13,400"), "'radial std' must lie in [0, 40] pixels"),
        (("--start", "18;10"), "--start takes numbers with commas between"),
        (("--preset", "best"), "--preset is one of robust, paper; found 'best'"),
        (("--set", "speed=3"), "--set knows lesions, "),
        (("--set", "generations=3.5"), "takes a whole number; found '3.5'"),
        (("--set", "step=fast"), "takes a number; found 'fast'"),
        (("--set", "draws=none"), "Draws are one of"),
        (("--set", "generations"), "--set takes pairs key=value"),
        (("--out", "m.txt"), "A model is a .json file"),
    ],
)
def test_bad_options_are_told_in_one_line(infarct, population_file, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    outcome = infarct("personalize", population_file, *options)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["personalize", "fit"])
def test_what_is_no_population_is_refused(
    infarct, model_file, population_file, tmp_path, monkeypatch, command
):
    monkeypatch.chdir(tmp_path)
    whole = population_file.read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for source, message in (
        (model_file, "perhaps a personalized model. This command needs a population (.npz)"),
        ("cut.npz", "cut.npz is not a population file or is damaged"),
        ("other.npz", "other.npz is not a population file or is damaged"),
        ("picture.png", "picture.png is no .npz file"),
        (".", "is a folder, not a population"),
        ("nowhere.npz", "No such file or directory: nowhere.npz"),
    ):
        outcome = infarct(command, source)
        assert outcome.exit_code == 2
        assert message in outcome.stderr


def test_a_population_of_four_is_too_small(infarct, population_file, quick, tmp_path):
    population = load_population(population_file)
    four = InfarctPopulation(population.anatomy, population.lesions[:4], population.identifiers[:4])
    save_population(four, tmp_path / "four.npz")
    outcome = infarct("personalize", tmp_path / "four.npz", *quick, "--out", tmp_path / "m.json")
    assert outcome.exit_code == 2
    assert "needs at least 5 infarcts" in outcome.stderr


def test_a_folder_that_cannot_be_written_is_found_before_the_search(infarct, population_file, tmp_path):
    (tmp_path / "file").write_text("x")
    outcome = infarct("personalize", population_file, "--out", tmp_path / "file" / "m.json")
    assert outcome.exit_code == 1
    assert "a file stands in its way" in outcome.stderr


CTRL_C_AT_THE_THIRD_CHECKPOINT = """
import signal
from cardiactwins.cli import main
from cardiactwins.infarct import evaluation

write, written = evaluation.write_json_atomic, []

def stopped(path, value):
    write(path, value)
    written.append(path)
    if len(written) == 3:
        signal.raise_signal(signal.SIGINT)

evaluation.write_json_atomic = stopped
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_ctrl_c_leaves_a_checkpoint_from_which_the_same_command_goes_on(infarct, population_file, tmp_path):
    settings = PersonalizationSettings.paper(generations=60, threshold=0)
    checkpoint, out = tmp_path / "search.ckpt", tmp_path / "m.json"
    arguments = [
        *("personalize", str(population_file), "--preset", "paper", "--set", "generations=60,threshold=0"),
        *("--seed", "2", "--checkpoint", str(checkpoint), "--out", str(out)),
    ]
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C_AT_THE_THIRD_CHECKPOINT, "infarct", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.strip().startswith("Cancelled")
    assert [path.name for path in tmp_path.iterdir()] == ["search.ckpt"]
    assert len(json.loads(checkpoint.read_text())["losses"]) == 3

    assert infarct(*arguments).exit_code == 0
    resumed = load_model(out)
    anew = personalize(load_population(population_file), resumed.model, settings=settings, seed=2)
    np.testing.assert_array_equal(resumed.parameters, anew.parameters)


def test_fits_are_those_of_the_library_one_row_a_case(infarct, population_file, rows, tmp_path):
    population = load_population(population_file)
    expected = fit_individuals(population, start_zone(population), centres=3, spread=0.05)
    out = tmp_path / "fits.csv"
    outcome = infarct("fit", population_file, "--centres", 3, "--spread", 0.05, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    table = rows(out)
    assert [row["case"] for row in table] == list(population.identifiers)
    for column in ("axis1", "axis2"):
        found = [float(row[f"{column}_pixels"]) for row in table]
        np.testing.assert_array_equal(found, getattr(expected, column))
    assert outcome.summary["axis1_mean"] == pytest.approx(expected.axis1.mean())
    assert outcome.summary["dice_mean"] == pytest.approx(expected.dice.mean())
    assert json.loads((tmp_path / "fits.report.json").read_text())["parameters"]["centres"] == 3


def test_a_3d_population_has_no_ellipses(infarct, tmp_path):
    anatomy = ReferenceAnatomy(slices=11)
    lesions = np.tile(anatomy.circumferential < 0.3, (5, 1))
    save_population(InfarctPopulation(anatomy, lesions, tuple("abcde")), tmp_path / "p.npz")
    outcome = infarct("fit", tmp_path / "p.npz", "--out", tmp_path / "fits.csv")
    assert outcome.exit_code == 2
    assert "Individual fits are made on 2D references" in outcome.stderr
