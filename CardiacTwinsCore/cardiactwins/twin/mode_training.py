"""Training of the network that bends the linear denoiser, on the modes' coordinates alone."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.diffusion import NoiseLevels
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import ModeNetwork

__all__ = ["train_mode_network"]

AVERAGING = 0.99
VALIDATIONS = 40
PATIENCE = 0.2
"""Share of the steps after which a training ends that finds nothing better."""
VALIDATION_ROUNDS = 16
"""How often each heart of the validation is looked at, each time with other noise."""


def train_mode_network(
    network: ModeNetwork,
    modes: LatentModes,
    training: Tensor,
    validation: Tensor,
    *,
    levels: NoiseLevels,
    steps: int,
    batch: int = 256,
    rate: float = 1e-3,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[float, float]:
    """Train on standardised latents (N, C, d, h, w), of which the coordinates are all that is looked at.

    The running mean of the weights that does best on the validation is kept; an untrained network, which
    leaves the linear denoiser as it is, when none does better. The loss is the squared error of each mode in
    units of what the linear denoiser leaves open, about 1 without the network at every level: with Eq. 3,
    the few widest modes would be all that is learned. About 20 ms a step. Returns the loss on the
    validation without the network and with the one that is kept.
    """
    directions, deviations = modes.directions[: network.count], modes.deviations[: network.count]
    known, held_out = training.flatten(1) @ directions.T, validation.flatten(1) @ directions.T
    generator = torch.Generator().manual_seed(seed)
    held_out = held_out.repeat(VALIDATION_ROUNDS, 1)
    given = levels.draw(len(held_out), generator), torch.randn(held_out.shape, generator=generator)

    def error(of: ModeNetwork, clean: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
        level = sigma[:, None]
        spread = (deviations**2 + level**2).sqrt()
        missed = (level / deviations * clean - deviations * noise) / spread
        return (of.departure((clean + level * noise) / spread, deviations, sigma) - missed).square().mean()

    def validated(of: ModeNetwork) -> float:
        with torch.no_grad():
            return float(error(of, held_out, *given))

    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.01)
    linear = best = validated(averaged)
    kept, at = copy.deepcopy(network.state_dict()), 0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = torch.randint(len(known), (batch,), generator=generator)
        noise = torch.randn(batch, network.count, generator=generator)
        loss = error(network, known[chosen], levels.draw(batch, generator), noise)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), network.parameters(), strict=True):
                mean.lerp_(value, 1 - min(AVERAGING, (step + 1) / (step + 11)))
        if (step + 1) % max(steps // VALIDATIONS, 1) == 0:
            found = validated(averaged)
            if found < best:
                best, at, kept = found, step + 1, copy.deepcopy(averaged.state_dict())
            message = f"Modes: step {step + 1}, validation {found:.4f}, linear {linear:.4f}"
            progress(step + 1, steps, message, {"modes": found})
            if step + 1 - at > PATIENCE * steps:
                break
    network.load_state_dict(kept)
    return linear, best
