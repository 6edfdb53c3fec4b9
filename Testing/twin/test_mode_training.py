"""The network that bends the linear denoiser of the modes."""

import pytest
import torch
from small_trainings import latents_of_modes

from cardiactwins.twin.diffusion import NoiseLevels
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import ModeNetwork
from cardiactwins.twin.mode_training import train_mode_network


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
