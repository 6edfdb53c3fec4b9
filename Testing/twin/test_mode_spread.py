"""Samples as wide along the modes as latents are, also where a network draws them together."""

import json

import pytest
import torch
from small_trainings import DENOISING, latents_of_modes

from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.denoiser import DenoiserSettings, build_denoiser
from cardiactwins.twin.denoiser_training import train_denoiser
from cardiactwins.twin.diffusion import denoise
from cardiactwins.twin.latent_modes import LEVELS, LatentModes
from cardiactwins.twin.mode_network import ModeNetwork
from cardiactwins.twin.mode_spread import match_spread, match_spread_of_modes
from cardiactwins.twin.model import TwinModel
from cardiactwins.twin.model_finishing import finish_model
from cardiactwins.twin.sampler import heun, noise_schedule

SHAPE = (2, 4, 4, 4)
DEVIATIONS = torch.tensor([20.0, 6.0, 3.0])
SHRINKING = torch.tensor([0.1, 0.2, -0.1])


class Shrinking(ModeNetwork):
    """Says that coordinates are nearer to the mean than they are, or farther."""

    def departure(self, seen, deviations, sigma):
        hidden = sigma[:, None] / (deviations**2 + sigma[:, None] ** 2).sqrt()
        return -SHRINKING * hidden * seen


def normal_modes(deviations=DEVIATIONS):
    """Modes of normal latents with these deviations along the first elements."""
    size = torch.Size(SHAPE).numel()
    return LatentModes(torch.eye(len(deviations), size), deviations, torch.tensor(1e-3), SHAPE)


def small_denoiser(modes, **settings):
    """A denoiser whose U-net has something to say, with a network of modes that shrinks."""
    torch.manual_seed(3)
    denoiser = build_denoiser(
        DenoiserSettings(
            channels=(8, 8), blocks=(1, 1), heads=8, places=2, modes=3, bent=3, mode_width=8, **settings
        ),
        SHAPE,
        modes,
    )
    torch.nn.init.normal_(denoiser.last[-1].weight, std=0.1)
    denoiser.bend = Shrinking(3, width=8)
    return denoiser.eval().requires_grad_(False)


def denoising(denoiser):
    return lambda latents, sigma: denoise(denoiser, latents, torch.full((len(latents),), sigma))


def widths(denoiser, seed, samples=3000):
    """Deviations over those of the latents, by 20 steps."""
    modes = denoiser.modes
    noise = 80 * torch.randn(samples, *SHAPE, generator=torch.Generator().manual_seed(seed))
    found = heun(denoising(denoiser), modes.widened(noise, 80.0), noise_schedule(20)).flatten(1)
    return found[:, : len(modes.deviations)].std(dim=0) / modes.deviations


def test_gains_make_up_for_what_a_network_draws_together():
    modes = normal_modes()
    before, after = match_spread_of_modes(modes, Shrinking(3, width=8), samples=500)
    assert abs(before - 1) > 0.02 and after == pytest.approx(1, abs=0.002)
    # D lacks SHRINKING s sigma^2 / (s^2 + sigma^2)^1.5 of z, in closed form.
    sigma = LEVELS.exp()[:, None]
    lacking = SHRINKING * DEVIATIONS * sigma**2 / (DEVIATIONS**2 + sigma**2) ** 1.5
    torch.testing.assert_close(modes.gains[2:-2], lacking[2:-2], atol=0.006, rtol=0.05)
    # As departure and gain are linear here, one round leaves what a first order leaves.
    once = normal_modes()
    match_spread_of_modes(once, Shrinking(3, width=8), samples=500, rounds=1)
    assert (once.gains - lacking)[2:-2].abs().max() > 1.5 * (modes.gains - lacking)[2:-2].abs().max()


def test_latents_that_the_denoiser_samples_are_as_wide_as_those_it_knows():
    """Of modes alone, by other noise than the gains are found with."""
    denoiser = small_denoiser(normal_modes(), heard=(1.0, 1.0))
    without = widths(denoiser, 7)
    assert without[0] < 0.97 and without[1] < 0.92 and without[2] > 1.03
    match_spread_of_modes(denoiser.modes, denoiser.bend, samples=500)
    torch.testing.assert_close(widths(denoiser, 7, samples=20_000), torch.ones(3), atol=0.03, rtol=0)


def test_what_the_unet_draws_together_is_widened_sixteen_modes_at_a_time():
    deviations = torch.linspace(12, 3, 20)
    modes = normal_modes(deviations)
    share = torch.cat([torch.full((16,), 0.15), torch.full((4,), -0.1)])

    def drawn_together(latents, sigma):
        clean = modes.linear(latents / (1 + sigma**2) ** 0.5, torch.full((len(latents),), sigma).log() / 4)[1]
        estimate = latents / (1 + sigma**2) + sigma / (1 + sigma**2) ** 0.5 * clean
        flat, level = estimate.flatten(1), latents.flatten(1)[:, :20]
        flat[:, :20] -= share * deviations * sigma**2 / (deviations**2 + sigma**2) ** 1.5 * level
        return flat.reshape(latents.shape)

    before, after = match_spread(modes, drawn_together, samples=400)
    assert len(before) == 2 and before[0] < 0.9 and before[1] > 1.05
    assert after == pytest.approx([1, 1], abs=0.02)
    assert (modes.gains[:, :16] == modes.gains[:, :1]).all() and modes.gains[12, 0] > 0 > modes.gains[12, 16]


def test_the_whole_gain_arrives_whatever_the_unet_says():
    modes = normal_modes()
    denoiser = small_denoiser(modes)
    noisy = 5 * torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(8))
    sigma = torch.tensor([0.05, LEVELS[7].exp(), (LEVELS[9] + LEVELS[10]).div(2).exp(), 15.0])
    without = denoise(denoiser, noisy, sigma)
    denoiser.last[-1].weight.mul_(2)
    assert (denoise(denoiser, noisy, sigma) - without).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-4
    without = denoise(denoiser, noisy, sigma)
    modes.gains.copy_(torch.linspace(0, 0.48, 25)[:, None] * torch.tensor([1.0, 2.0, 3.0]))
    gained = (denoise(denoiser, noisy, sigma) - without).flatten(1)
    steps = (sigma.log() - LEVELS[0]) / (LEVELS[1] - LEVELS[0])
    expected = 0.02 * steps[:, None] * torch.tensor([1.0, 2.0, 3.0]) * noisy.flatten(1)[:, :3]
    torch.testing.assert_close(gained[:, :3], expected, atol=2e-5, rtol=1e-4)
    assert gained[:, 3:].abs().max() < 2e-5


def test_weights_from_before_there_were_gains_have_none():
    modes = normal_modes()
    state = {name: value for name, value in modes.state_dict().items() if name != "gains"}
    modes.gains += 1
    modes.load_state_dict(state)
    assert not modes.gains.any()


def test_a_finished_model_tells_its_spread_and_is_not_finished_twice(
    tmp_path, autoencoder, fabric, monkeypatch
):
    monkeypatch.setattr("cardiactwins.twin.model.LARGEST_FILE", 20_000)
    known = latents_of_modes(60)
    path = train_denoiser(autoencoder, known[:50], known[50:], tmp_path, DENOISING, fabric=fabric)
    raw = TwinModel.load(path)
    assert "spread" not in raw.card and not raw.denoiser.modes.gains.any()
    # What training found would hardly draw samples together in so few steps.
    raw.denoiser.bend.last[-1].bias += 1.0
    raw.denoiser.bend.last[-1].weight += -0.3 * torch.eye(2, 8)
    raw.save(path, {key: raw.card[key] for key in ("hearts", "seed", "training")})
    told = []
    assert finish_model(path, samples=24, progress=lambda *values: told.append(values)) == path
    card = json.loads(path.with_suffix(".json").read_text())
    spread, sha256 = card["spread"], sha256_of(path)
    assert spread["modes"][0] != 1 and spread["modes"][1] == pytest.approx(1, abs=0.01) and told
    assert len(spread["before"]) == len(spread["after"]) == 1
    assert card["sha256"] == sha256 and card["hearts"] == 50 and card["seed"] == 0
    assert TwinModel.load(path).denoiser.modes.gains.any() and len(card["parts"]) > 1
    assert {part["file"] for part in card["parts"]} < {file.name for file in tmp_path.iterdir()}
    finish_model(path)
    assert sha256_of(path) == sha256
