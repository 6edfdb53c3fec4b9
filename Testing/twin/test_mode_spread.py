"""Samples as wide along the modes as latents are, also where the network draws them together."""

import json

import pytest
import torch
from small_trainings import DENOISING, latents_of_modes

from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.denoiser import DenoiserSettings, build_denoiser
from cardiactwins.twin.denoiser_training import train_denoiser
from cardiactwins.twin.diffusion import denoise
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import LEVELS, ModeNetwork
from cardiactwins.twin.mode_spread import match_spread
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


def normal_modes(rest=0.0):
    """Modes of normal latents with these deviations along the first elements."""
    size = torch.Size(SHAPE).numel()
    return LatentModes(torch.eye(3, size), DEVIATIONS, torch.tensor(max(rest, 1e-3)), SHAPE)


def test_gains_make_up_for_what_a_network_draws_together():
    network = Shrinking(3, width=8).eval()
    before, after = match_spread(network, normal_modes(), samples=500)
    assert abs(before - 1) > 0.02 and after == pytest.approx(1, abs=0.002)
    # D lacks SHRINKING s sigma^2 / (s^2 + sigma^2)^1.5 of z, in closed form.
    sigma = LEVELS.exp()[:, None]
    lacking = SHRINKING * DEVIATIONS * sigma**2 / (DEVIATIONS**2 + sigma**2) ** 1.5
    torch.testing.assert_close(network.gains[2:-2], lacking[2:-2], atol=0.006, rtol=0.05)


def test_latents_that_the_denoiser_samples_are_as_wide_as_those_it_knows():
    """Through all of the denoiser and by other noise than the gains are found with."""
    modes = normal_modes()
    denoiser = build_denoiser(
        DenoiserSettings(
            channels=(8, 8), blocks=(1, 1), heads=8, places=2, modes=3, bent=3, mode_width=8, heard=(1.0, 1.0)
        ),
        SHAPE,
        modes,
    )
    denoiser.bend = Shrinking(3, width=8)
    denoiser.eval().requires_grad_(False)

    def widths():
        noise = 80 * torch.randn(3000, *SHAPE, generator=torch.Generator().manual_seed(7))
        start = modes.widened(noise, 80.0)
        found = heun(
            lambda z, s: denoise(denoiser, z, torch.full((len(z),), s)), start, noise_schedule(40)
        ).flatten(1)[:, :3]
        return found.std(dim=0) / DEVIATIONS

    without = widths()
    assert without[0] < 0.97 and without[1] < 0.92 and without[2] > 1.03
    match_spread(denoiser.bend, modes, samples=500)
    torch.testing.assert_close(widths(), torch.ones(3), atol=0.03, rtol=0)


def test_a_finished_model_tells_its_spread_and_is_not_finished_twice(tmp_path, autoencoder, fabric):
    known = latents_of_modes(60)
    path = train_denoiser(autoencoder, known[:50], known[50:], tmp_path, DENOISING, fabric=fabric)
    raw = TwinModel.load(path)
    assert "spread" not in raw.card and not raw.denoiser.bend.gains.any()
    # What training found would hardly draw samples together in so few steps.
    raw.denoiser.bend.last[-1].bias += 1.0
    raw.denoiser.bend.last[-1].weight += -0.3 * torch.eye(2, 8)
    raw.save(path, {key: raw.card[key] for key in ("hearts", "seed", "training")})
    told = []
    assert finish_model(path, progress=lambda *values: told.append(values)) == path
    card = json.loads(path.with_suffix(".json").read_text())
    spread, sha256 = card["spread"], sha256_of(path)
    assert spread["before"] != 1 and spread["after"] == pytest.approx(1, abs=0.002) and told
    assert card["sha256"] == sha256 and card["hearts"] == 50 and card["seed"] == 0
    assert TwinModel.load(path).denoiser.bend.gains.any()
    finish_model(path)
    assert sha256_of(path) == sha256
