import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.weights import load_state, load_weights
from cardiactwins.twin.augmentation import Augmentation
from cardiactwins.twin.autoencoder import AutoencoderSettings, build_autoencoder
from cardiactwins.twin.autoencoder_training import (
    PAPER_AUTOENCODER_TRAINING,
    AutoencoderTraining,
    drawn_batch,
    load_autoencoder,
    train_autoencoder,
)
from cardiactwins.twin.denoiser import DenoiserSettings
from cardiactwins.twin.denoiser_training import (
    PAPER_DENOISER_TRAINING,
    DenoiserTraining,
    train_denoiser,
    validation_loss,
)
from cardiactwins.twin.diffusion import NoiseLevels
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.latents import LatentScale, cached_latents
from cardiactwins.twin.mode_network import ModeNetwork
from cardiactwins.twin.mode_training import train_mode_network
from cardiactwins.twin.model import TwinModel
from cardiactwins.twin.sampler import heun, noise_schedule
from cardiactwins.twin.training_run import TrainingRun, single_process

SIZE = 32
CODING = AutoencoderTraining(
    network=AutoencoderSettings(latent_channels=2, width=8, inner=16),
    steps=6,
    batch=2,
    augmentation=Augmentation(share=0.5, translation=2.0),
    validate_every=3,
)
DENOISING = DenoiserTraining(
    network=DenoiserSettings(
        channels=(8, 8), blocks=(1, 1), heads=8, places=2, modes=3, bent=2, mode_width=8
    ),
    steps=6,
    batch=4,
    mode_steps=4,
    validate_every=3,
)


def ball(rng):
    """Two nested balls in a box of SIZE voxels: a wall (2) around a cavity (4), beside a third (3)."""
    away = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    radius = rng.uniform(6, 9)
    labels = np.zeros((SIZE,) * 3, dtype=np.uint8)
    distance = np.sqrt((away**2).sum(axis=0))
    labels[distance < radius + 3] = 2
    labels[distance < radius] = 4
    labels[:, :, :6] = 3
    return labels


HEARTS = [ball(np.random.default_rng(seed)) for seed in range(6)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stopped_after(step):
    def progress(done, total, message="", values=None):
        if done == step:
            raise Cancelled

    return progress


@pytest.fixture(scope="module")
def fabric():
    return single_process("full")


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    return build_autoencoder(CODING.network).eval()


def latents_of_modes(count, seed=0):
    """Latents of a few smooth modes, as those of aligned hearts are."""
    generator = torch.Generator().manual_seed(seed)
    coordinates = torch.randn(count, 3, generator=generator)
    basis = torch.randn(3, 2, 4, 4, 4, generator=torch.Generator().manual_seed(99))
    return torch.einsum("nk,kcdhw->ncdhw", coordinates, basis) + 5


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
    whole = train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path / "whole", CODING, fabric=fabric)
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


def test_a_training_ends_when_the_validation_has_stalled(fabric):
    run = TrainingRun(torch.nn.Linear(1, 1), {}, fabric, rate=1e-3, averaging=0.9)
    found = [(run.validated(error), run.stalled(2)) for error in (0.5, 0.3, 0.4, 0.35, 0.36)]
    assert found == [(True, False), (True, False), (False, False), (False, True), (False, True)]
    assert not run.stalled(0)


def test_the_learning_rate_rises_and_falls_and_the_running_mean_follows_the_weights(fabric):
    torch.manual_seed(0)
    network = torch.nn.Linear(1, 1, bias=False)
    run = TrainingRun(network, {}, fabric, rate=0.1, averaging=0.5)
    rates, weights = [], [network.weight.item()]
    mean = weights[0]
    for step, share in enumerate((0.0, 0.02, 0.5, 0.999)):
        run.descend(run.network(torch.ones(1, 1)).sum(), share)
        rates.append(run.optimizer.param_groups[0]["lr"])
        weights.append(network.weight.item())
        keep = min(0.5, (step + 1) / (step + 11))
        mean = keep * mean + (1 - keep) * weights[-1]
        assert run.averaged.weight.item() == pytest.approx(mean)
    assert rates[0] < rates[1] < 0.1 and rates[2] == pytest.approx(0.05) and rates[3] < 1e-5
    # Adam moves by about the rate.
    assert weights[2] - weights[3] == pytest.approx(0.05, rel=0.2)


def test_scaled_latents_have_mean_zero_and_unit_deviation():
    latents = torch.tensor([3.0, 0.1]).reshape(1, 2, 1, 1, 1) * torch.randn(40, 2, 4, 4, 4) + 7
    latents[:, :, 0] += 5
    scale = LatentScale.of(latents)
    found = scale.standardised(latents)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(2, 4, 4, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(dim=(0, 2, 3, 4)), torch.ones(2), atol=0.02, rtol=0)
    torch.testing.assert_close(scale.restored(found), latents)
    with pytest.raises(ValueError, match="two hearts"):
        LatentScale.of(latents[:1])


def test_each_heart_is_encoded_once(tmp_path, autoencoder):
    class Counted(list):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return super().__getitem__(index)

    hearts = Counted(HEARTS)
    latents = cached_latents(autoencoder, hearts, tmp_path, "a")
    assert hearts.asked == len(HEARTS)
    torch.testing.assert_close(latents[2:3], autoencoder.encode(torch.from_numpy(HEARTS[2])[None])[0])
    assert torch.equal(cached_latents(autoencoder, hearts, tmp_path, "a"), latents)
    assert hearts.asked == len(HEARTS)
    cached_latents(autoencoder, hearts, tmp_path, "other weights")
    next(tmp_path.iterdir()).write_bytes(b"damaged")
    cached_latents(autoencoder, hearts, tmp_path, "other weights")
    assert hearts.asked == 3 * len(HEARTS)


def test_a_training_of_a_denoiser_that_was_stopped_ends_with_the_same_model(tmp_path, autoencoder, fabric):
    known, held_out = latents_of_modes(20), latents_of_modes(4, seed=1)
    whole = train_denoiser(autoencoder, known, held_out, tmp_path / "whole", DENOISING, fabric=fabric)
    parts = tmp_path / "parts"
    with pytest.raises(Cancelled):
        train_denoiser(
            autoencoder, known, held_out, parts, DENOISING, fabric=fabric, progress=stopped_after(5)
        )
    again = train_denoiser(autoencoder, known, held_out, parts, DENOISING, fabric=fabric)
    (expected, _), (found, card) = load_weights(whole, "twin"), load_weights(again, "twin")
    assert same(expected, found)
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
print(fabric.global_rank, fabric.world_size, flush=True)
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
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert {"0 2", "1 2"} <= set(done.stdout.splitlines())
    one = train_denoiser(autoencoder, known[:8], known[8:], tmp_path / "one", DENOISING, fabric=fabric)
    expected = load_state(one.parent / "denoiser-training.safetensors")[0]
    found = load_state(tmp_path / "two" / "denoiser-training.safetensors")[0]
    # Adam moves by up to 1e-3 a step, whatever the gradient: those of other batches end further apart.
    for name in (name for name in expected if name.startswith("network.")):
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=2e-4)


def test_the_papers_networks_train_in_small(tmp_path, fabric):
    coding = replace(
        PAPER_AUTOENCODER_TRAINING,
        network=AutoencoderSettings(preset="paper", latent_channels=3, channels=(8, 8, 16)),
        steps=2,
        validate_every=1,
    )
    denoising = replace(
        PAPER_DENOISER_TRAINING,
        network=replace(PAPER_DENOISER_TRAINING.network, channels=(8, 8, 16), blocks=(1, 1, 1), heads=8),
        steps=2,
        validate_every=1,
    )
    weights = train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, coding, fabric=fabric)
    network = load_autoencoder(weights)
    known = cached_latents(network, HEARTS, tmp_path / "latents", "a")
    model = TwinModel.load(train_denoiser(network, known[:4], known[4:], tmp_path, denoising, fabric=fabric))
    assert model.size == (SIZE,) * 3 and model.latent_shape == (3, 8, 8, 8)
    noise = torch.ones(1, *model.latent_shape)
    assert torch.equal(model.widened(noise, 80.0), noise)
    assert torch.isfinite(model.decode(model.denoise(noise, 80.0))).all()


def test_a_batch_is_divided_evenly_or_refused(fabric):
    class Second:
        global_rank, world_size, device = 1, 2, torch.device("cpu")

    run = TrainingRun(torch.nn.Linear(1, 1), {}, fabric, rate=1e-3, averaging=0.9)
    assert run.share_of(torch.arange(4)).tolist() == [0, 1, 2, 3]
    run.fabric = Second()
    assert run.share_of(torch.arange(4)).tolist() == [1, 3]
    with pytest.raises(ValueError, match="batch of 3"):
        run.share_of(torch.arange(3))


def two_kinds(count, seed):
    """Latents of two sharp kinds, 8 apart along one mode, which a linear denoiser takes for a wide one."""
    generator = torch.Generator().manual_seed(seed)
    kind = 2.0 * torch.randint(2, (count,), generator=generator) - 1
    direction = torch.nn.functional.normalize(torch.ones(128), dim=0)
    return (4 * kind[:, None] * direction + 0.1 * torch.randn(count, 128, generator=generator)).reshape(
        count, 2, 4, 4, 4
    )


def test_the_network_of_modes_learns_what_a_linear_denoiser_cannot():
    known, held_out = two_kinds(400, 0), two_kinds(32, 1)
    modes = LatentModes.of(known, 2)
    torch.manual_seed(0)
    network = ModeNetwork(1, width=32, blocks=1)
    linear, kept = train_mode_network(
        network, modes, known, held_out, levels=NoiseLevels(0.0, 0.5), steps=300, batch=64, rate=5e-3
    )
    assert kept < 0.6 * linear
    # To one side of the middle between both kinds, at this noise, a linear denoiser says 2 where 4 is right.
    seen, deviation = torch.tensor([[2.0], [-2.0]]), modes.deviations[:1]
    spread = (deviation**2 + 1).sqrt()
    with torch.no_grad():
        departure = network.eval().departure(seen / spread, deviation, torch.ones(2)) * deviation / spread
    clean = seen * deviation**2 / spread**2 + departure
    assert clean.flatten().tolist() == pytest.approx([4, -4], abs=0.8)


def test_a_network_of_modes_that_learns_nothing_new_leaves_the_linear_denoiser():
    known = latents_of_modes(300) - 5
    modes = LatentModes.of(known, 3)
    network = ModeNetwork(3, width=8)
    linear, kept = train_mode_network(
        network, modes, known, known[:0].new_zeros(4, 2, 4, 4, 4), levels=NoiseLevels(), steps=1, rate=10.0
    )
    assert kept == linear and not network.last[-1].weight.any()


def test_validation_uses_the_same_noise_each_time():
    network = lambda scaled, noise: 0.1 * scaled  # noqa: E731
    network.parameters = lambda: iter([torch.zeros(1)])
    latents = latents_of_modes(5)
    assert validation_loss(network, latents, NoiseLevels()) == validation_loss(
        network, latents, NoiseLevels()
    )


def test_a_model_comes_back_from_its_file(tmp_path, autoencoder, fabric):
    known = cached_latents(autoencoder, HEARTS, tmp_path / "latents", "a")
    path = train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    model = TwinModel.load(path, mixed=False)
    assert model.size == (SIZE,) * 3 and model.latent_shape == (2, 4, 4, 4)
    labels = torch.from_numpy(np.stack(HEARTS[:2]))
    latents = model.encode(labels)
    torch.testing.assert_close(model.scale.restored(latents), known[:2], atol=1e-4, rtol=1e-4)
    probabilities = model.decode(latents)
    assert probabilities.shape == (2, 7, SIZE, SIZE, SIZE)
    assert torch.equal(model.decode_labels(latents), probabilities.argmax(dim=1).to(torch.uint8))
    assert model.coarse(latents).shape == (2, 7, SIZE // 2, SIZE // 2, SIZE // 2)
    torch.testing.assert_close(
        model.denoise(latents, 2.0), model.denoise(latents, torch.tensor([2.0, 2.0])), atol=1e-5, rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"\(2, 16, 16, 16\)"):
        model.encode(labels[:, :16, :16, :16])


def test_gradients_flow_to_the_latents_but_not_to_the_weights(tmp_path, autoencoder, fabric):
    known = latents_of_modes(6)
    model = TwinModel.load(
        train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    )
    latents = torch.zeros(1, *model.latent_shape, requires_grad=True)
    model.decode(model.denoise(latents, 1.0))[:, 4].sum().backward()
    assert latents.grad.abs().max() > 0
    assert not any(p.requires_grad for p in (*model.denoiser.parameters(), *model.autoencoder.parameters()))


def test_weights_that_do_not_fit_are_refused(tmp_path, autoencoder, fabric):
    known = latents_of_modes(6)
    path = train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    card = json.loads(path.with_suffix(".json").read_text())
    card["denoiser"]["channels"] = [8, 16]
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="does not fit"):
        TwinModel.load(path)
    with pytest.raises(FileNotFoundError):
        TwinModel.load(tmp_path / "missing.safetensors")
    with pytest.raises(ValueError, match="twin autoencoder"):
        TwinModel.load(train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, CODING, fabric=fabric))
