"""Latents from noise as wide along the modes as those of hearts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.latent_modes import LEVELS, LatentModes
from cardiactwins.twin.mode_network import ModeNetwork
from cardiactwins.twin.sampler import Denoise, heun, noise_schedule

__all__ = ["match_spread", "match_spread_of_modes"]

GROUP = 16
"""Modes that are widened alike where latents from noise are few."""
BATCH = 16
LARGEST = 80.0
"""Noise level at which sampling begins, the last of LEVELS."""


@torch.no_grad()
def match_spread_of_modes(
    modes: LatentModes,
    network: ModeNetwork,
    *,
    samples: int = 4096,
    steps: int = 40,
    rounds: int = 3,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[float, float]:
    """Set the modes' gains so that coordinates from noise vary as much as those of latents along each mode.

    A network that has learned the clean latents expected of noisy ones is never quite right, and what it gets
    wrong draws samples together, a little at each step: a few per cent in the end. Along a mode of mean 0,
    latents of deviation v(sigma) follow d log v / d log sigma = 1 - E[z D] / v^2. Adding b z to the estimate
    D takes b off that. The gain b(sigma) is the slope of log(v / w), w being the deviation that the linear
    denoiser leads to from the same noise, which is right along every mode. Repeated, as gains change the way.

    network: that bends the modes; its dropout is off afterwards. samples: from noise, coordinates alone,
    without the U-net. Returns the mean over the network's modes of v / w in the end, without gains and with
    them, the latter from other noise.
    """
    network.eval()
    modes.gains.zero_()
    count = network.count
    deviations = modes.deviations[:count]

    def bent(noisy: Tensor, sigma: float) -> Tensor:
        level = noisy.new_full((len(noisy),), sigma)
        spread = (deviations**2 + sigma**2).sqrt()
        departure = network.departure(noisy / spread, deviations, level) * deviations * sigma / spread
        return _wiener(noisy, deviations, sigma) + departure + modes.gain(level)[:, :count] * noisy

    def excess(seed: int) -> Tensor:
        noise = torch.randn(samples, count, generator=torch.Generator().manual_seed(seed)).to(deviations)
        start = noise * (deviations**2 + LARGEST**2).sqrt()
        return _excess([_way(bent, start, steps)], deviations, steps)

    before: list[float] = []
    for repeat in range(rounds):
        progress(repeat, rounds + 1, "Matching the spread of the modes", {})
        found = excess(seed)
        before = before or [float(found[0].exp().mean())]
        modes.gains[:, :count] += _slope(found).to(modes.gains)
    progress(rounds, rounds + 1, "Matching the spread of the modes", {})
    return before[0], float(excess(seed + 1)[0].exp().mean())


@torch.no_grad()
def match_spread(
    modes: LatentModes,
    denoise: Denoise,
    *,
    samples: int = 256,
    steps: int = 20,
    rounds: int = 3,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[float], list[float]]:
    """Change the modes' gains until whole latents from noise vary as much as those of hearts.

    As `match_spread_of_modes`, but of all that the denoiser is. That takes its time, so that latents are few
    and sixteen modes that follow each other are widened alike. Each round is from other noise and goes a
    share 1, 1/2, 1/3, ... of the way, so that all noises count alike (Robbins & Monro, Ann Math Stat 22:400,
    1951).

    denoise: of whole latents, with these modes. samples: a round. Returns the mean v / w of each sixteen
    modes before the first round and after the last, from other noise.
    """
    deviations, directions = modes.deviations, modes.directions

    def along(latents: Tensor) -> Tensor:
        return latents.flatten(1) @ directions.T

    def excess(seed: int, told: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        ways = []
        for first in range(0, samples, BATCH):
            progress(told * samples + first, (rounds + 1) * samples, "Matching the spread of latents", {})
            count = min(BATCH, samples - first)
            noise = torch.randn(count, *modes.shape, generator=generator).to(deviations)
            ways.append(_way(denoise, modes.widened(noise * LARGEST, LARGEST), steps, along))
        return _excess(ways, deviations, steps)

    before: list[float] = []
    for repeat in range(rounds):
        groups = excess(seed + repeat, repeat).split(GROUP, dim=1)
        before = before or [float(group[0].mean().exp()) for group in groups]
        alike = torch.cat([group.mean(dim=1, keepdim=True).expand_as(group) for group in groups], dim=1)
        modes.gains += _slope(alike).to(modes.gains) / (repeat + 1)
    return before, [float(part.mean().exp()) for part in excess(seed + rounds, rounds)[0].split(GROUP)]


Way = list[tuple[float, Tensor]]
"""Noise levels, falling, and the coordinates (B, K) that noisy latents have there."""


def _way(
    denoise: Denoise, start: Tensor, steps: int, along: Callable[[Tensor], Tensor] = lambda state: state
) -> Way:
    """The way from noise at the highest level on."""
    schedule = noise_schedule(steps, largest=LARGEST)
    passed: Way = [(float(schedule[0]), along(start).cpu())]

    def note(step: int, sigma: float, clean: Tensor, state: Tensor) -> None:
        if sigma:
            passed.append((sigma, along(state).cpu()))

    heun(denoise, start, schedule, after_step=note)
    return passed


def _wiener(noisy: Tensor, deviations: Tensor, sigma: float) -> Tensor:
    return noisy * deviations**2 / (deviations**2 + sigma**2)


def _excess(ways: list[Way], deviations: Tensor, steps: int) -> Tensor:
    """log(v / w) at LEVELS, (25, K): of latents on their ways, and of the linear denoiser's from their noise.

    0 along modes that there are none of.
    """
    levels = [sigma for sigma, _ in ways[0]]
    passed = [torch.cat([way[step][1] for way in ways]) for step in range(len(levels))]
    known = deviations.cpu()
    right = _way(lambda noisy, sigma: _wiener(noisy, known, sigma), passed[0], steps)
    found = [
        (here.std(dim=0) / there.std(dim=0)).log().nan_to_num(0.0)
        for here, (_, there) in zip(passed, right, strict=True)
    ]
    between = make_interp_spline(np.log(levels[::-1]), torch.stack(found[::-1]).numpy(), k=1)
    return torch.from_numpy(between(LEVELS.numpy())).float()


def _slope(excess: Tensor) -> Tensor:
    """Its change with the logarithm of the noise, at LEVELS."""
    return torch.gradient(excess, spacing=(LEVELS,), dim=0)[0]
