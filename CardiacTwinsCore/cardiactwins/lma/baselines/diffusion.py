"""Diffusion models that draw voxels: a conditional DDPM, and one after DISPR with features as condition."""

from __future__ import annotations

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.schedulers import DDIMScheduler
from torch import Tensor, nn

from cardiactwins.lma.baselines.coarse_volumes import BLOCK, SlicesToFeatures, folded, unfolded
from cardiactwins.lma.shape_diffusion import soft_dice

__all__ = ["ConditionalDDPM", "FeatureDiffusion"]

TIMES = 1000
DICE_WEIGHT = 0.03
SAMPLES = 2


class _Diffusion(nn.Module):
    """A denoiser on the coarse grid, and sampling with it.

    The denoiser's answer is the volume: on the coarse grid fewer features pass than a block has values, so
    that a volume can be answered with and noise cannot; the noise that a DDPM predicts follows from it.
    """

    def __init__(self, condition_features: int, width: int, sampling_steps: int) -> None:
        super().__init__()
        self.denoiser = DiffusionModelUNet(
            spatial_dims=3,
            in_channels=2 * BLOCK**3 + condition_features,
            out_channels=2 * BLOCK**3,
            num_res_blocks=1,
            channels=(width, width * 3 // 2, 2 * width),
            attention_levels=(False, False, True),
            norm_num_groups=8,
            num_head_channels=width // 2,
        )
        self.sampling_steps = sampling_steps

    def condition(self, given: Tensor) -> Tensor:
        """What the denoiser sees of the slices (B, 3, k, j, i), on the coarse grid."""
        raise NotImplementedError

    def denoised(self, state: Tensor, condition: Tensor, time: Tensor) -> Tensor:
        """The volume in [-1, 1] behind a noised one, (B, 2, k, j, i); time: (B,) int below 1000."""
        return unfolded(self.denoiser(torch.cat([folded(state), condition], dim=1), time))

    def _noised(self, volumes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """A volume in [-1, 1] at a random time: state, time, and the share of the signal in the variance."""
        scheduler = _scheduler()
        time = torch.randint(TIMES, (len(volumes),), generator=generator)
        noise = torch.randn(volumes.shape, generator=generator)
        kept = scheduler.alphas_cumprod[time].reshape(-1, 1, 1, 1, 1)
        return scheduler.add_noise(volumes, noise, time), time, kept

    @torch.no_grad()
    def reconstruct(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """Shares of cavity and wall (2, k, j, i) for the slices of one case, (3, k, j, i).

        The mean of two samples, which cost no more than one: convolutions of a single small volume are slow.
        Ancestral sampling (DDIM with eta 1) through evenly spread times.
        """
        scheduler = _scheduler()
        scheduler.set_timesteps(self.sampling_steps)
        condition = self.condition(given.expand(SAMPLES, *given.shape))
        state = torch.randn((SAMPLES, 2, *given.shape[-3:]), generator=generator)
        volumes = state
        for time in range(TIMES - 1, -1, -(TIMES // self.sampling_steps)):
            found = self.denoised(state, condition, torch.full((SAMPLES,), time))
            state, volumes = scheduler.step(found, time, state, eta=1.0, generator=generator)
        return ((volumes.clamp(-1, 1) + 1) / 2).mean(dim=0)


class ConditionalDDPM(_Diffusion):
    """DDPM (Ho et al. 2020) that sees the slices beside the noised volume; trained to predict the noise.

    width: features at the coarse grid, 1.5 and 2 times as many at half and a quarter of it; a multiple of 16.
    sampling_steps: a divisor of 1000.
    """

    def __init__(self, width: int = 32, sampling_steps: int = 10) -> None:
        super().__init__(3 * BLOCK**3, width, sampling_steps)

    def condition(self, given: Tensor) -> Tensor:
        return folded(given)

    def loss(self, given: Tensor, volumes: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the noise at random times (Ho et al. 2020, Eq. 14).

        The error of the noise is that of the volume times the signal-to-noise ratio, cut off at 5 as nearly
        noiseless states would drown all others (Hang et al. 2023).
        """
        wanted = 2 * volumes - 1
        state, time, kept = self._noised(wanted, generator)
        squares = (self.denoised(state, self.condition(given), time) - wanted).square()
        return ((kept / (1 - kept)).clamp(max=5) * squares).mean()


class FeatureDiffusion(_Diffusion):
    """Diffusion after DISPR (Waibel et al. 2023): features of the slices condition it, shapes answer.

    An encoder of its own looks at the slices once; trained on the squared error of the answered volume and
    its Dice, as jayakumar-2023 (Eq. 10) without the deformation. width, sampling_steps: as for the DDPM.
    """

    def __init__(self, width: int = 32, sampling_steps: int = 10) -> None:
        super().__init__(width, width, sampling_steps)
        self.encoder = SlicesToFeatures(width)

    def condition(self, given: Tensor) -> Tensor:
        return self.encoder(given)

    def loss(self, given: Tensor, volumes: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the volume at random times plus 0.03 (1 - Dice) of the wall."""
        state, time, _ = self._noised(2 * volumes - 1, generator)
        found = (self.denoised(state, self.condition(given), time) + 1) / 2
        overlap = soft_dice(found[:, 1].clamp(0, 1), volumes[:, 1]).mean()
        return (found - volumes).square().mean() + DICE_WEIGHT * (1 - overlap)


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(num_train_timesteps=TIMES, prediction_type="sample")
