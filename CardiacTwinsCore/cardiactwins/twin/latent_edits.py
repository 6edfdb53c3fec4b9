"""Digital siblings in the latent space: unconditional, perturbational and localized sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from numpy.typing import ArrayLike

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.sampler import AfterStep, Denoise, heun, noise_schedule

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["HeartModel", "PsiCounting", "localized", "perturbational", "start_step", "unconditional"]

PsiCounting = Literal["paper", "successor"]


class HeartModel(Protocol):
    """A trained model, as `model.TwinModel` is one.

    size: (k, j, i) of the label maps. latent_shape: (C, d, h, w). device: where its tensors are.
    """

    @property
    def size(self) -> tuple[int, int, int]: ...

    @property
    def latent_shape(self) -> tuple[int, int, int, int]: ...

    @property
    def device(self) -> torch.device: ...

    def encode(self, labels: Tensor) -> Tensor:
        """Label maps (B, k, j, i) uint8 -> means of their latents, standardised, (B, C, d, h, w)."""

    def coarse(self, latents: Tensor) -> Tensor:
        """Latents -> probabilities of background and the six tissues (B, 7, ...) on a grid of the same extent
        as the label maps, or coarser."""

    def decode_labels(self, latents: Tensor) -> Tensor:
        """Latents -> the most likely label maps (B, k, j, i) uint8."""

    def denoise(self, noisy: Tensor, sigma: float) -> Tensor:
        """Noisy latents -> the clean latents expected."""

    def widened(self, noise: Tensor, sigma: float) -> Tensor:
        """Noise of deviation sigma, with the variance of the data added where that is not negligible."""


def start_step(psi: float, steps: int = 20, counting: PsiCounting = "paper") -> int:
    """The step at which the share psi of `steps` is left to be recomputed.

    "paper": N (1 - psi), rounded; psi 0.35, 0.5, 0.65, 0.8 and 1 of 20 steps start at noise 3.0, 9.4, 21, 40
    and 80. (Section 3.3 of Kadry et al. 2023 prints psi = (i - N) / N, which is negative.) "successor": floor
    of psi (N + 1) noise levels, the last one 0, as the authors' later code counts: 1.85, 6.7, 16.5, 33 and
    80. ValueError for psi outside (0, 1].
    """
    if not 0 < psi <= 1:
        raise ValueError(
            f"psi is the share of the steps that is recomputed, above 0 and at most 1; found {psi}."
        )
    if counting == "successor":
        start = steps + 1 - int(psi * (steps + 1) + 1e-9)
    elif counting == "paper":
        start = round(steps * (1 - psi))
    else:
        raise ValueError(f"psi is counted as in the 'paper' or its 'successor'; found '{counting}'.")
    return min(max(start, 0), steps - 1)


def unconditional(
    model: HeartModel,
    seeds: Sequence[int],
    *,
    steps: int = 20,
    denoise: Denoise | None = None,
    after_step: AfterStep | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Latents of hearts sampled from noise alone, one a seed, (B, C, d, h, w) (section 4.1).

    A seed gives the same heart in every batch and on every device, but for rounding. denoise: instead of the
    model's, such as a guided one. after_step: as of `heun`.
    """
    sigmas = noise_schedule(steps)
    state = model.widened(sigmas[0] * _Noise(model, seeds)(), float(sigmas[0]))
    return heun(denoise or model.denoise, state, sigmas, after_step=after_step, progress=progress)


def perturbational(
    model: HeartModel,
    latent: Tensor,
    seeds: Sequence[int],
    *,
    psi: float,
    steps: int = 20,
    counting: PsiCounting = "paper",
    denoise: Denoise | None = None,
    after_step: AfterStep | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Siblings of a twin at a chosen scale: its latent noised, then denoised (section 3.3).

    latent: (C, d, h, w) or (1, C, d, h, w), the mean that the encoder gives. psi: the share of the steps that
    is recomputed (`start_step`); small psi changes details, 1 nearly all. Returns (B, C, d, h, w), one for
    each seed.
    """
    sigmas = noise_schedule(steps)
    start = start_step(psi, steps, counting)
    state = latent + sigmas[start] * _Noise(model, seeds)()
    return heun(
        denoise or model.denoise, state, sigmas, start=start, after_step=after_step, progress=progress
    )


def localized(
    model: HeartModel,
    latent: Tensor,
    keep: ArrayLike | Tensor,
    seeds: Sequence[int],
    *,
    psi: float = 1.0,
    steps: int = 20,
    counting: PsiCounting = "paper",
    fuse_below: float | None = None,
    denoise: Denoise | None = None,
    after_step: AfterStep | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Siblings of a twin that differ in a region (section 3.4).

    keep: (d, h, w) bool, latents that are kept (`latent_keep`). Before every denoising they are replaced by
    the twin's latents with fresh noise of the present level (Eq. 5); at the end they are the twin's. psi: 1
    samples the free latents from noise alone as the paper does; smaller ones start from the noised twin.
    fuse_below: fuse at noise levels up to this one only, so that the free part takes its size without regard
    to what is kept, and varies more; None fuses at all levels as the paper does.
    """
    import torch

    kept = torch.as_tensor(keep, dtype=torch.bool, device=latent.device)
    sigmas = noise_schedule(steps)
    start = start_step(psi, steps, counting)
    noise = _Noise(model, seeds)
    state = sigmas[start] * noise()
    state = state + latent if psi < 1 else model.widened(state, float(sigmas[start]))
    inner = denoise or model.denoise

    def fused(noisy: Tensor, sigma: float) -> Tensor:
        if fuse_below is not None and sigma > fuse_below:
            return inner(noisy, sigma)
        return inner(torch.where(kept, latent + sigma * noise(), noisy), sigma)

    found = heun(fused, state, sigmas, start=start, after_step=after_step, progress=progress)
    return torch.where(kept, latent, found)


class _Noise:
    """Standard normal latents (B, C, d, h, w), fresh at each call, with a stream of its own for each seed."""

    def __init__(self, model: HeartModel, seeds: Sequence[int]) -> None:
        import torch

        if not len(seeds):
            raise ValueError("Sampling needs at least one seed.")
        self._shape, self._device = tuple(model.latent_shape), model.device
        self._streams = [torch.Generator().manual_seed(int(seed)) for seed in seeds]

    def __call__(self) -> Tensor:
        import torch

        drawn = [torch.randn(self._shape, generator=stream) for stream in self._streams]
        return torch.stack(drawn).to(self._device)
