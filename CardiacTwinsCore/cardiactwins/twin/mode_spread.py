"""Latents from noise as wide along the modes as those of hearts."""

from __future__ import annotations

import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import LEVELS, ModeNetwork
from cardiactwins.twin.sampler import heun, noise_schedule

__all__ = ["match_spread"]

STEPS = 40


@torch.no_grad()
def match_spread(
    network: ModeNetwork,
    modes: LatentModes,
    *,
    samples: int = 4096,
    rounds: int = 3,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[float, float]:
    """Set the network's gains so that what it samples varies as much along each mode as latents do.

    A network that has learned the clean latents expected of noisy ones is never quite right, and what it gets
    wrong draws samples together, a little at each step: a few per cent in the end. Along a mode, latents of
    deviation v(sigma) follow d log v / d log sigma = 1 - E[z D] / v^2. Adding b z to the estimate D changes
    that by -b; the gain b(sigma) is the slope of the logarithm of what v lacks, from level to level. It
    is found along the sampler's own path, against the linear denoiser from the same noise, which is exact.
    Repeated, as gains change the path.

    samples: from noise. Returns the mean over the modes of the deviation over that of the latents, before and
    after.
    """
    network.gains.zero_()
    exact = _log_deviations(modes, None, network.count, samples, seed)
    found = []
    for repeat in range(rounds + 1):
        progress(repeat, rounds + 1, "Matching the spread of the modes", {})
        lacking = _log_deviations(modes, network, network.count, samples, seed) - exact
        found.append(float(lacking[0].exp().mean()))
        if repeat < rounds:
            network.gains += torch.gradient(lacking, spacing=(LEVELS,), dim=0)[0]
    return found[0], found[-1]


def _log_deviations(
    modes: LatentModes, network: ModeNetwork | None, count: int, samples: int, seed: int
) -> Tensor:
    """Logarithms (levels, count) of deviations on the way from noise. network: None for the modes."""
    deviations = modes.deviations[:count]
    schedule = noise_schedule(STEPS)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(samples, count, generator=generator).to(deviations)
    passed: list[tuple[float, Tensor]] = []

    def denoise(noisy: Tensor, sigma: float) -> Tensor:
        clean = noisy * deviations**2 / (deviations**2 + sigma**2)
        if network is None:
            return clean
        return clean + network.change(noisy, deviations, noisy.new_full((len(noisy),), sigma))

    def note(step: int, sigma: float, clean: Tensor, state: Tensor) -> None:
        if sigma:
            passed.append((sigma, state.std(dim=0).log()))

    start = noise * (deviations**2 + schedule[0] ** 2).sqrt()
    passed.append((float(schedule[0]), start.std(dim=0).log()))
    heun(denoise, start, schedule, after_step=note)
    levels, values = zip(*reversed(passed), strict=True)
    return _at_levels(torch.tensor(levels).log(), torch.stack(values).cpu()).to(deviations)


def _at_levels(logarithms: Tensor, values: Tensor) -> Tensor:
    """Values (n, count) known at rising levels, interpolated to those of the gains."""
    after = torch.searchsorted(logarithms, LEVELS).clamp(1, len(logarithms) - 1)
    low, high = logarithms[after - 1], logarithms[after]
    share = ((LEVELS - low) / (high - low)).clamp(0, 1)
    return torch.lerp(values[after - 1], values[after], share[:, None])
