"""Trainings of the autoencoder and of the denoiser of hearts."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_trainings import CODING, DENOISING, HEARTS, SIZE, ball, latents_of_modes, same, stopped_after

from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.weights import load_state, load_weights
from cardiactwins.twin.autoencoder import AutoencoderSettings
from cardiactwins.twin.autoencoder_training import (
    PAPER_AUTOENCODER_TRAINING,
    drawn_batch,
    load_autoencoder,
    train_autoencoder,
)
from cardiactwins.twin.denoiser import DenoiserSettings
from cardiactwins.twin.denoiser_training import (
    PAPER_DENOISER_TRAINING,
    train_denoiser,
    validation_loss,
)
from cardiactwins.twin.diffusion import NoiseLevels
from cardiactwins.twin.model import TwinModel
from cardiactwins.twin.sampler import heun, noise_schedule


def test_an_autoencoder_learns_shapes_it_has_not_seen(tmp_path, fabric):
    told = []

    def progress(step, total, message="", values=None):
        if "dice" in values:
            told.append(values)

    network = AutoencoderSettings(latent_channels=4, width=16, inner=16)
    settings = replace(CODING, network=network, steps=160, rate=5e-3, averaging=0.9, validate_every=40)
    hearts = [ball(np.random.default_rng(seed)) for seed in range(40)]
    train_autoencoder(hearts[4:], hearts[:4], tmp_path, settings, fabric=fabric, progress=progress)
    assert told[0]["dice"] < told[-1]["dice"] and told[-1]["dice"] > 0.88
    assert told[-1]["worst"] <= told[-1]["Myo"]


def test_a_training_of_an_autoencoder_that_was_stopped_ends_with_the_same_weights(tmp_path, fabric):
    state = torch.get_rng_state()
    whole = train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path / "whole", CODING, fabric=fabric)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on as they would have
    parts = tmp_path / "parts"
    with pytest.raises(Cancelled):
        train_autoencoder(HEARTS[:4], HEARTS[4:], parts, CODING, fabric=fabric, progress=stopped_after(5))
    again = train_autoencoder(HEARTS[:4], HEARTS[4:], parts, CODING, fabric=fabric)
    tensors, card = load_weights(again, "twin autoencoder")
    assert same(load_weights(whole, "twin autoencoder")[0], tensors)
    assert card["steps"] in (3, 6) and set(card["metrics"]["Dice of validation"]) >= {"dice", "worst", "LV"}
    network = load_autoencoder(again)
    assert same(network.state_dict(), tensors) and not any(p.requires_grad for p in network.parameters())


def test_a_state_of_other_settings_is_not_gone_on_with(tmp_path, fabric):
    train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, replace(CODING, steps=3), fabric=fabric)
    with pytest.raises(ValueError, match="other settings"):
        train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, CODING, fabric=fabric)
    with pytest.raises(ValueError, match="others to validate on"):
        train_autoencoder(HEARTS, [], tmp_path / "none", CODING, fabric=fabric)


def test_batches_depend_on_their_step_alone():
    first, again, other = (drawn_batch(HEARTS, CODING, np.random.default_rng([0, s])) for s in (4, 4, 5))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (2, SIZE, SIZE, SIZE) and first.dtype == torch.uint8


def test_the_papers_settings_are_those_of_its_appendix():
    coding, denoising = PAPER_AUTOENCODER_TRAINING, PAPER_DENOISER_TRAINING
    assert coding.network.channels == denoising.network.channels == (64, 128, 192)
    assert (coding.rate, denoising.rate) == (1e-4, 2.5e-5)
    assert coding.loss == "square" and coding.divergence_weight == 1e-6
    assert denoising.levels == NoiseLevels(1.0, 1.2)
    assert coding.schedule == denoising.schedule == "constant"


def test_a_training_of_a_denoiser_that_was_stopped_ends_with_the_same_model(tmp_path, autoencoder, fabric):
    known, held_out = latents_of_modes(20), latents_of_modes(4, seed=1)
    state = torch.get_rng_state()
    whole = train_denoiser(autoencoder, known, held_out, tmp_path / "whole", DENOISING, fabric=fabric)
    assert torch.equal(torch.get_rng_state(), state)
    parts = tmp_path / "parts"
    with pytest.raises(Cancelled):
        train_denoiser(
            autoencoder, known, held_out, parts, DENOISING, fabric=fabric, progress=stopped_after(5)
        )
    again = train_denoiser(autoencoder, known, held_out, parts, DENOISING, fabric=fabric)
    (expected, _), (found, card) = load_weights(whole, "twin"), load_weights(again, "twin")
    assert same(expected, found)
    # The best weights may be of a step before the stop, the last state is not.
    states = [load_state(path.parent / "denoiser-training.safetensors")[0] for path in (whole, again)]
    assert same(*states)
    assert set(card["metrics"]["denoising loss"]) == {"validation", "training"} and card["hearts"] == 20


def test_a_denoiser_learns_and_its_samples_come_from_the_distribution(tmp_path, autoencoder, fabric):
    known, held_out = latents_of_modes(200), latents_of_modes(16, seed=1)
    told = []

    def progress(step, total, message="", values=None):
        told.extend([values["validation"]] if "validation" in values else [])

    network = DenoiserSettings(
        channels=(16, 16), blocks=(1, 1), heads=8, places=2, modes=3, bent=2, mode_width=8
    )
    settings = replace(
        DENOISING,
        network=network,
        steps=200,
        batch=16,
        rate=8e-3,
        averaging=0.9,
        mode_steps=100,
        validate_every=50,
    )
    path = train_denoiser(autoencoder, known, held_out, tmp_path, settings, fabric=fabric, progress=progress)
    assert told[0] > told[-1] and told[-1] < 0.4
    model = TwinModel.load(path, mixed=False)
    sigmas = noise_schedule(20)
    noise = float(sigmas[0]) * torch.randn(
        200, *model.latent_shape, generator=torch.Generator().manual_seed(2)
    )
    with torch.no_grad():
        samples = heun(model.denoise, model.widened(noise, 80.0), sigmas)
    known = model.scale.standardised(known)
    basis = torch.linalg.svd(known.flatten(1), full_matrices=False)[2][:3]
    along, rest = samples.flatten(1) @ basis.T, samples.flatten(1)
    rest = rest - along @ basis
    assert along.std(dim=0).tolist() == pytest.approx(
        (known.flatten(1) @ basis.T).std(dim=0).tolist(), rel=0.2
    )
    # The data has nothing outside its three modes; noise alone would have a share of 1.
    assert float(rest.square().mean()) < 0.2


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch
from lightning_fabric import Fabric
from cardiactwins.twin.autoencoder import AutoencoderSettings, build_autoencoder
from cardiactwins.twin.denoiser import DenoiserSettings
from cardiactwins.twin.denoiser_training import DenoiserTraining, train_denoiser

torch.set_num_threads(1)
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp", precision="32-true")
fabric.launch()
torch.manual_seed(0)
autoencoder = build_autoencoder(AutoencoderSettings(latent_channels=2, width=8, inner=16))
known = torch.load(sys.argv[1])
network = DenoiserSettings(channels=(8, 8), blocks=(1, 1), heads=8, places=2, modes=3, bent=2, mode_width=8)
settings = DenoiserTraining(network=network, steps=6, batch=4, mode_steps=4, validate_every=3)
train_denoiser(autoencoder, known[:8], known[8:], sys.argv[2], settings, fabric=fabric)
# Clocks differ, and so would the number of steps if each process went by its own.
hurried = DenoiserTraining(network=network, steps=10_000, batch=4, mode_steps=4, validate_every=100)
folder = sys.argv[2] + "-hurried"
train_denoiser(autoencoder, known[:8], known[8:], folder, hurried, seconds=0.5, fabric=fabric)
Path(f"{sys.argv[2]}-{fabric.global_rank}").write_text(str(fabric.world_size))
"""


def test_two_processes_train_what_one_trains_with_the_same_batches(tmp_path, autoencoder, fabric):
    known = latents_of_modes(12)
    torch.save(known, tmp_path / "known.pt")
    script = tmp_path / "script.py"
    script.write_text(TWO_PROCESSES)
    done = subprocess.run(
        [sys.executable, script, tmp_path / "known.pt", tmp_path / "two"],
        capture_output=True,
        text=True,
        timeout=1500,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"two-{rank}").read_text() for rank in (0, 1)] == ["2", "2"]
    one = train_denoiser(autoencoder, known[:8], known[8:], tmp_path / "one", DENOISING, fabric=fabric)
    expected = load_state(one.parent / "denoiser-training.safetensors")[0]
    found = load_state(tmp_path / "two" / "denoiser-training.safetensors")[0]
    # Adam moves by up to 1e-3 a step, whatever the gradient: those of other batches end further apart.
    for name in (name for name in expected if name.startswith("network.")):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=2e-4)


def test_validation_uses_the_same_noise_each_time():
    network = lambda scaled, noise: 0.1 * scaled  # noqa: E731
    network.parameters = lambda: iter([torch.zeros(1)])
    latents = latents_of_modes(5)
    assert validation_loss(network, latents, NoiseLevels()) == validation_loss(
        network, latents, NoiseLevels()
    )
