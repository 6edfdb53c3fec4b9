"""`cardiactwins lma train` and `evaluate`: on tiny networks and coarsely labelled hearts."""

import json
import shutil

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.volumes import new_label_volume

TINY = "pretraining=1,prior_shapes=0,width=8,atlas_width=8,band_size=6,validate_every=1,averaging=0.5"


@pytest.fixture(autouse=True)
def cleared_scene():
    start().scene.Clear(False)
    yield
    start().scene.Clear(False)


@pytest.fixture(scope="module")
def heart_folder(tmp_path_factory):
    """Four densely labelled phantoms as label maps with their insertion points."""
    start()
    folder = tmp_path_factory.mktemp("hearts")
    for number in range(4):
        heart = lv_phantom(np.random.default_rng(number), slices=36, spacing=(2.5, 2.5, 2.5))
        labels = (heart.cavity + 2 * heart.myocardium).astype(np.int16)
        save_node(new_label_volume("heart", labels, heart.geometry), folder / f"heart-{number}.nii.gz")
        save_node(new_markups("points", heart.insertion_points), folder / f"heart-{number}.mrk.json")
    return folder


@pytest.fixture
def finished(monkeypatch):
    """Calls of `finish_model`, which takes as long as everything else together and is tested by itself."""
    pytest.importorskip("torch")
    from cardiactwins.lma import model_finishing

    calls = []

    def finish(path, validation, progress):
        calls.append((path, len(validation)))

    monkeypatch.setattr(model_finishing, "finish_model", finish)
    return calls


@pytest.fixture
def training(lma, finished):
    """Runs a tiny training on three phantoms."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    threads = torch.get_num_threads()

    def run(*options):
        given = ("--phantoms", 3, "--validation", 1, "--steps", 3, "--threads", 1, "--set", TINY)
        return lma("train", *given, *options)

    yield run
    torch.set_num_threads(threads)


def test_a_training_leaves_weights_with_the_command_that_makes_them_again(training, finished, tmp_path):
    outcome = training("--out", tmp_path / "t", "--seed", 3, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    card = json.loads((tmp_path / "t" / "reconstruction.json").read_text())
    assert card["licence"] == "Apache-2.0" and card["seed"] == 3
    assert card["sha256"] == outcome.summary["sha256"]
    assert card["command"] == (
        f"cardiactwins lma train --phantoms 3 --validation 1 --steps 3 --seed 3 --set {TINY} --out DIR"
    )
    assert finished == [(tmp_path / "t" / "reconstruction.safetensors", 1)]
    assert json.loads((tmp_path / "t" / "report.json").read_text())["job"] == "lma train"
    again = training("--out", tmp_path / "t", "--seed", 3, "--json")
    assert (again.exit_code, again.summary["sha256"]) == (0, card["sha256"])


def test_a_training_that_was_stopped_goes_on_with_the_same_command(training, tmp_path, monkeypatch):
    import cardiactwins.cli_progress as bars

    whole = training("--out", tmp_path / "whole", "--json")
    shown = bars.progress_bar

    def stopping(title):
        from contextlib import contextmanager

        @contextmanager
        def bar():
            with shown(title):

                def show(step, total, message="", values=None):
                    if step == 2:
                        raise KeyboardInterrupt

                yield show

        return bar()

    monkeypatch.setattr(bars, "progress_bar", stopping)
    stopped = training("--out", tmp_path / "parts")
    assert stopped.exit_code == 1 and "the same command goes on" in stopped.stderr
    monkeypatch.setattr(bars, "progress_bar", shown)
    parts = training("--out", tmp_path / "parts", "--json")
    assert parts.summary["metrics"] == whole.summary["metrics"]
    assert parts.summary["sha256"] == whole.summary["sha256"]


def test_other_data_or_settings_need_another_folder_or_force(training, tmp_path):
    assert training("--out", tmp_path / "t").exit_code == 0
    refused = training("--out", tmp_path / "t", "--seed", 1)
    assert refused.exit_code == 2 and "other data or settings" in refused.stderr
    assert training("--out", tmp_path / "t", "--seed", 1, "--force").exit_code == 0
    card = json.loads((tmp_path / "t" / "reconstruction.json").read_text())
    assert card["seed"] == 1


def test_own_hearts_are_trained_on_and_the_weights_are_evaluated(lma, training, heart_folder, tmp_path, rows):
    own = shutil.copytree(heart_folder, tmp_path / "hearts")
    (own / "heart-9.nii.gz").write_bytes((own / "heart-0.nii.gz").read_bytes()[:-400])
    outcome = training("--data", own, "--out", tmp_path / "t", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert list(outcome.summary["left_out"]) == ["heart-9.nii.gz"]
    card = json.loads((tmp_path / "t" / "reconstruction.json").read_text())
    assert card["data"].startswith("3 hearts of the user") and "as the user's data" in card["licence"]
    weights = tmp_path / "t" / "reconstruction.safetensors"
    found = lma(
        "evaluate",
        own / "heart-3.nii.gz",
        "--slices",
        6,
        "--weights",
        weights,
        "--methods",
        "interpolation,network",
        "--out",
        tmp_path / "e",
        "--json",
    )
    assert found.exit_code == 0, found.stderr
    assert [row["method"] for row in found.summary["results"]] == ["interpolation", "network"]


def test_more_slices_rebuild_hearts_better_and_a_bad_one_is_left_out(lma, heart_folder, tmp_path, rows):
    folder = shutil.copytree(heart_folder, tmp_path / "hearts")
    thick = ImageGeometry.from_spacing((6, 20, 20), (2.0, 2.0, 10.0), (0, 0, 0))
    _, j, i = np.indices(thick.shape)
    distance = np.hypot(j - 10, i - 10)
    labels = ((distance < 5) + 2 * ((distance >= 5) & (distance < 8))).astype(np.int16)
    save_node(new_label_volume("thick", labels, thick), folder / "thick.nii.gz")
    given = ("--slices", "4,8", "--methods", "interpolation", "--out", tmp_path / "e")
    outcome = lma("evaluate", folder, *given, "--json")
    assert outcome.exit_code == 1
    assert "stack of slices" in outcome.summary["cases_left_out"]["thick.nii.gz"]
    few, many = outcome.summary["results"]
    assert (few["slices"], many["slices"], few["cases"]) == (4, 8, 4)
    assert 0.8 < few["dice"] < many["dice"] < 1
    assert few["hd95_mm"] > 0 and few["dice_sd"] > 0
    table = rows(tmp_path / "e" / "cases.csv")
    assert {row["case"] for row in table} == {f"heart-{number}" for number in range(4)}
    dice = [float(row["dice"]) for row in table if row["slices"] == "4"]
    assert np.mean(dice) == pytest.approx(few["dice"])
    tolerated = lma("evaluate", folder, *given, "--allow-left-out", "--force")
    assert tolerated.exit_code == 0 and "4 of 5 hearts used." in tolerated.stdout


@pytest.mark.long
def test_the_weights_of_the_command_tell_how_far_they_miss(lma, tmp_path):
    pytest.importorskip("torch")
    given = ("--phantoms", 3, "--validation", 1, "--steps", 2, "--threads", 1, "--set", TINY)
    assert lma("train", *given, "--out", tmp_path / "t").exit_code == 0
    card = json.loads((tmp_path / "t" / "reconstruction.json").read_text())
    assert card["deviation_gain"] > 0


def test_what_needs_torch_tells_how_to_get_it(lma, heart_folder, tmp_path, monkeypatch):
    import importlib.util

    tos = tmp_path / "tos.csv"
    tos.write_text("slice,longitudinal,1,2,3,4\n1,0.5,30,40,60,50\n")
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    heart = heart_folder / "heart-0.nii.gz"
    for command, what in (
        (("train",), "A training"),
        (("reconstruct", heart, "--method", "refinement"), "The method 'refinement'"),
        (("map", heart, "--tos", tos, "--method", "network"), "The method 'network'"),
        (("evaluate", heart, "--methods", "interpolation,network"), "The method 'network'"),
    ):
        outcome = lma(*command, "--out", tmp_path / "t")
        assert outcome.exit_code == 1
        assert f"{what} needs torch" in outcome.stderr and "cardiactwins[torch]" in outcome.stderr
        assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("train", ("--set", "width"), "--set takes pairs key=value"),
        ("train", ("--set", "depth=3"), "--set knows pretraining, batch"),
        ("train", ("--set", "width=wide"), "--set width=... takes a whole number; found 'wide'"),
        ("train", ("--data", "nowhere"), "No such file or directory: nowhere"),
        ("train", ("--data", "empty"), "holds no segmentations"),
        ("train", ("--data", "file.txt"), "--data is the folder of the hearts"),
        ("train", ("--out", "full"), "holds files, but no training to go on with"),
        ("evaluate", ("nowhere",), "No such file or directory: nowhere"),
        ("evaluate", ("empty",), "holds no segmentations"),
        ("evaluate", ("heart.nii.gz", "--slices", "2"), "3 to 16 slices; found 2"),
        ("evaluate", ("heart.nii.gz", "--slices", "4.5"), "--slices takes whole numbers"),
        ("evaluate", ("heart.nii.gz", "--methods", "magic"), "A method is one of refinement"),
        ("evaluate", ("heart.nii.gz", "--labels", "7=cavity,8=myocardium"), "No heart can be used"),
    ],
)
def test_bad_input_is_told(lma, heart_folder, tmp_path, monkeypatch, command, options, message):
    if command == "train":
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    (tmp_path / "file.txt").write_text("x")
    shutil.copy(heart_folder / "heart-0.nii.gz", tmp_path / "heart.nii.gz")
    before = {path.name for path in tmp_path.iterdir()}
    outcome = lma(command, *options)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
