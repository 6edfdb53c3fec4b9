"""`cardiactwins twin train`: on tiny networks, a few phantoms and a few hearts of the user's."""

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.cli_twin import twin
from cardiactwins.compute.progress import Cancelled, silent
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.training_hearts import VALIDATION_STREAM, HeartFolder

TINY = (
    "--autoencoder=steps=2,batch=2,width=8,inner=8,latent_channels=2,validate_every=2",
    "--denoiser=steps=3,batch=2,modes=2,places=2,mode_steps=10,validate_every=3,spread_samples=2",
    "--precision=full",
    "--threads=1",
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Three phantoms to train on and one to validate on, as a training leaves them in its folder."""
    folder = tmp_path_factory.mktemp("drawn")
    for part, stream, count in (("hearts", 1, 3), ("validation", VALIDATION_STREAM, 1)):
        for number in range(count):
            labels = whole_heart_phantom(np.random.default_rng([stream, number])).labels
            HeartFolder.write(folder / part, number, labels)
    return folder


@pytest.fixture
def training(drawn, monkeypatch):
    """Runs a tiny training of a narrow network; phantoms are not drawn again for each."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning_fabric")
    threads = torch.get_num_threads()
    from cardiactwins.twin import training_hearts, twin_training

    coding, denoising = twin_training.PRESETS["swift"]
    narrow = replace(denoising.network, channels=(32, 32, 32), blocks=(1, 1, 1))
    monkeypatch.setitem(twin_training.PRESETS, "swift", (coding, replace(denoising, network=narrow)))

    def known(folder, count, stream=1, **options):
        return HeartFolder(drawn / folder.name, count)

    monkeypatch.setattr(training_hearts, "draw_phantoms", known)
    app = typer.Typer()
    app.add_typer(twin, name="twin")

    def run(*options):
        given = ("--phantoms", 3, "--validation", 1, *TINY, *options)
        result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["twin", "train", *map(str, given)])
        if result.exception is not None:
            raise result.exception
        return json.loads(result.stdout.splitlines()[-1]) if "--json" in options else None

    yield run
    torch.set_num_threads(threads)


def test_a_training_leaves_a_model_with_the_command_that_makes_it_again(training, tmp_path):
    from cardiactwins.twin.model import TwinModel

    summary = training("--out", tmp_path / "t", "--seed", 3, "--json")
    card = json.loads((tmp_path / "t" / "twin.json").read_text())
    assert card["licence"] == "Apache-2.0" and card["seed"] == 3 and card["sha256"] == summary["sha256"]
    low, high = card["ranges"]["RV volume"]
    assert 30 < low < high < 500
    assert set(card["spread"]) == {"modes", "before", "after"}
    assert card["hearts"] == 3 and "No heart of a patient" in card["data"]
    assert card["command"] == (
        "cardiactwins twin train --preset swift --phantoms 3 --validation 1 --autoencoder "
        f"{TINY[0].partition('=')[2]} --denoiser {TINY[1].partition('=')[2]} --seed 3 --out DIR"
    )
    assert set(summary["metrics"]) == {"Dice of validation", "denoising loss"}
    model = TwinModel.load(tmp_path / "t" / "twin.safetensors")
    assert model.latent_shape == (2, 16, 16, 16)
    again = training("--out", tmp_path / "t", "--seed", 3, "--json")
    assert again["sha256"] == summary["sha256"]


@pytest.mark.long
def test_a_training_that_was_stopped_goes_on_with_the_same_command(training, tmp_path, monkeypatch):
    from contextlib import contextmanager

    import cardiactwins.cli_progress as bars

    whole = training("--out", tmp_path / "whole", "--json")
    shown = bars.progress_bar

    @contextmanager
    def stopping(title):
        with shown(title):

            def show(step, total, message="", values=None):
                if step == 2 and total == 3:
                    raise KeyboardInterrupt

            yield show

    monkeypatch.setattr(bars, "progress_bar", stopping)
    with pytest.raises(Cancelled, match="the same command goes on"):
        training("--out", tmp_path / "parts")
    monkeypatch.setattr(bars, "progress_bar", shown)
    parts = training("--out", tmp_path / "parts", "--json")
    assert (parts["sha256"], parts["metrics"]) == (whole["sha256"], whole["metrics"])


@pytest.mark.long
def test_other_data_or_settings_need_another_folder_or_force(training, tmp_path):
    training("--out", tmp_path / "t")
    with pytest.raises(ValueError, match="other data or settings"):
        training("--out", tmp_path / "t", "--seed", 1)
    training("--out", tmp_path / "t", "--seed", 1, "--force")
    assert json.loads((tmp_path / "t" / "twin.json").read_text())["seed"] == 1


def test_own_hearts_are_brought_onto_the_grid_and_trained_on(training, tmp_path, monkeypatch):
    pytest.importorskip("SimpleITK")
    from cardiactwins import cli_twin_train

    own, damaged = tmp_path / "own", tmp_path / "damaged"
    for number in range(3):
        heart = whole_heart_phantom(np.random.default_rng([5, number]))
        write_heart(own / f"heart-{number}.nii.gz", heart.labels, heart.patient_geometry())
    damaged.mkdir()
    for folder in (own, damaged):
        (folder / "heart-9.nii.gz").write_bytes((own / "heart-0.nii.gz").read_bytes()[:-400])
    with pytest.raises(ValueError, match=r"needs 8 hearts at least; 0 of 1 files .* heart-9.nii.gz: "):
        training("--data", damaged, "--out", tmp_path / "few")
    assert list((tmp_path / "few").iterdir()) == []
    with pytest.raises(ValueError, match=r"no names .* \(--tissues 'TotalSegmentator v2 .*\(--tissues LA=2"):
        training("--data", own, "--out", tmp_path / "t")
    monkeypatch.setattr(cli_twin_train, "FEWEST_HEARTS", 3)
    monkeypatch.setattr(cli_twin_train, "OWN_SHARE", 0.34)
    summary = training("--data", own, "--tissues", "CardiacTwins", "--out", tmp_path / "t", "--json")
    assert list(summary["left_out"]) == ["heart-9.nii.gz"]
    card = json.loads((tmp_path / "t" / "twin.json").read_text())
    assert card["data"].startswith("2 hearts of the user") and card["licence"] == "as the user's data"
    known = HeartFolder(tmp_path / "t" / "hearts")[0]
    original = whole_heart_phantom(np.random.default_rng([5, 0])).labels
    assert np.mean(known[original > 0] == original[original > 0]) > 0.8
    with pytest.raises(ValueError, match="other data or settings"):
        training("--data", own, "--tissues", "Ao=2,Myo=1,RV=3,LV=4,RA=5,LA=6", "--out", tmp_path / "t")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--preset=large", "swift or paper"),
        ("--autoencoder=colour=2", "--autoencoder knows"),
        ("--denoiser=rate=fast", "takes a number"),
        ("--precision=double", "auto, mixed or full"),
    ],
)
def test_wrong_options_are_told_before_anything_is_written(training, tmp_path, option, message):
    with pytest.raises(ValueError, match=message):
        training(option, "--out", tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_hearts_that_are_cut_off_are_told_and_left_out_where_asked(tmp_path, monkeypatch):
    from cardiactwins import cli_twin_train

    monkeypatch.setattr(cli_twin_train, "FEWEST_HEARTS", 2)
    monkeypatch.setattr(cli_twin_train, "OWN_SHARE", 0.5)
    for number in range(3):
        heart = whole_heart_phantom(np.random.default_rng([5, number]))
        labels = heart.labels.copy()
        if number == 1:
            labels[: np.flatnonzero((labels == Tissue.LV).any(axis=(1, 2)))[0] + 4] = 0
            labels = np.roll(labels, -np.flatnonzero(labels.any(axis=(1, 2)))[0], axis=0)
        write_heart(tmp_path / "own" / f"heart-{number}.nii.gz", labels, heart.patient_geometry())
    for leave_out in (False, True):
        known, held_out, left_out, doubtful = cli_twin_train._own_hearts(
            tmp_path / "own", tmp_path / str(leave_out), "CardiacTwins", leave_out, silent
        )
        told, other = (left_out, doubtful) if leave_out else (doubtful, left_out)
        assert list(told) == ["heart-1.nii.gz"] and "LV is cut off" in told["heart-1.nii.gz"] and not other
        assert (len(known), len(held_out)) == (1 if leave_out else 2, 1)


def test_a_training_that_was_stopped_at_its_end_repeats_nothing_that_is_finished(
    training, tmp_path, monkeypatch
):
    from cardiactwins.twin import model_finishing
    from cardiactwins.twin.training_run import TrainingRun

    def stop(*_arguments, **_options):
        raise Cancelled

    options = ("--out", tmp_path / "t", "--minutes", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(model_finishing, "match_spread", stop)
        with pytest.raises(Cancelled, match="the same command goes on"):
            training(*options)
    assert "spread" not in json.loads((tmp_path / "t" / "twin.json").read_text())
    kept = (tmp_path / "t" / "autoencoder.safetensors").read_bytes()
    monkeypatch.setattr(TrainingRun, "descend", stop)
    training(*options)
    assert "after" in json.loads((tmp_path / "t" / "twin.json").read_text())["spread"]
    assert (tmp_path / "t" / "autoencoder.safetensors").read_bytes() == kept
