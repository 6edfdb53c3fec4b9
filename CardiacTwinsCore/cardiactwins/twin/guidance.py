"""Sampling that is guided to hearts with wanted measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.twin.soft_measures import hard_measures, soft_measure

if TYPE_CHECKING:
    from torch import Tensor

    from cardiactwins.twin.latent_edits import HeartModel

__all__ = ["GuidedDenoiser"]

LEAST_VARIATION = 1e-3
"""Combinations of standardised measures with less variance than this are left alone."""


class GuidedDenoiser:
    """A denoiser whose answer has the wanted measures: the mean of the hearts that fit the noisy one and have
    them.

    Given the noisy z, the clean latent has mean D(z; s) and covariance C = s^2 dD/dz (Tweedie). To first
    order in the decoded measures m, the hearts with m = target have the mean
    D + C J^T (J C J^T)^-1 (target - m), with J the gradient of m at D (as Boys et al. 2023 condition on
    linear measures). C J^T is one backward pass through decoder and denoiser for each measure. Where latents
    are normal and measures linear this is exact, and sampling with it draws from the conditioned
    distribution. So the change follows what hearts of that measure look like, and measures that are held
    stay as they are. In a localized edit the kept latents take part as well: what they would change is lost,
    and made up for at the next level.

    Heun's method asks twice at each level, at states that hardly differ: J and C J^T are those of the first.
    """

    def __init__(
        self,
        model: HeartModel,
        wanted: Mapping[str, float],
        held: Mapping[str, float] | None = None,
        *,
        spacing: ArrayLike = (1.4, 1.4, 1.4),
        largest_change: float = 0.3,
        rounded: bool = True,
    ) -> None:
        """wanted, held: values in ml and mm by measure. largest_change: of a measure at one evaluation, as a
        share of its value; farther targets are reached over several. rounded: whether m is measured of the
        label map, and only its gradient of the probabilities, so that rounding to voxels is made up for.
        ValueError without a measure."""
        self.model = model
        self.goals = {**wanted, **(held or {})}
        if not self.goals:
            raise ValueError("Guidance needs at least one target.")
        self.spacing = np.asarray(spacing, dtype=float)
        self.largest_change, self.rounded = largest_change, rounded
        self._last: _Directions | None = None

    def __call__(self, noisy: Tensor, sigma: float) -> Tensor:
        import torch

        if self._last is None or not self._last.fit(noisy, sigma):
            self._last = self._directions(noisy, sigma)
        with torch.no_grad():
            clean = self.model.denoise(noisy, sigma)
            return clean + self._last.change(self._missing(clean)).reshape(clean.shape).to(clean.dtype)

    def _directions(self, noisy: Tensor, sigma: float) -> _Directions:
        """J and C J^T at a noisy state, (B, goals, latents) each."""
        import torch

        with torch.enable_grad():
            noisy = noisy.detach().requires_grad_(True)
            clean = self.model.denoise(noisy, sigma)
            measures = self._soft(clean)
            pairs = [
                torch.autograd.grad(measure.sum(), (clean, noisy), retain_graph=index < len(measures) - 1)
                for index, measure in enumerate(measures)
            ]
        slopes, spread = (
            torch.stack(gradients, dim=1).flatten(2).double() for gradients in zip(*pairs, strict=True)
        )
        return _Directions(sigma, slopes, sigma**2 * spread)

    def _soft(self, clean: Tensor) -> list[Tensor]:
        coarse = self.model.coarse(clean)
        coarser = np.array(self.model.size[::-1]) / coarse.shape[:1:-1]
        return [soft_measure(name, coarse, self.spacing * coarser) for name in self.goals]

    def _missing(self, clean: Tensor) -> Tensor:
        """What the measures lack, (B, goals), cut to what one evaluation may change."""
        import torch

        wanted = torch.tensor(list(self.goals.values()), dtype=torch.float64, device=clean.device)
        if self.rounded:
            maps = [self.model.decode_labels(one[None])[0].cpu().numpy() for one in clean]
            hearts = [hard_measures(labels, self.spacing, self.goals) for labels in maps]
            rows = [[heart[name] for name in self.goals] for heart in hearts]
            present = torch.tensor(rows, dtype=torch.float64, device=clean.device)
        else:
            present = torch.stack(self._soft(clean), dim=1).double()
        most = self.largest_change * torch.maximum(present, wanted / 2)
        return torch.minimum(torch.maximum(wanted - present, -most), most)


@dataclass(frozen=True, eq=False)
class _Directions:
    """How measures depend on clean latents, and how these vary: J and C J^T, (B, goals, latents)."""

    sigma: float
    slopes: Tensor
    spread: Tensor

    def fit(self, noisy: Tensor, sigma: float) -> bool:
        """Whether they are of this level, and of as many hearts."""
        return sigma == self.sigma and len(noisy) == len(self.slopes)

    def change(self, missing: Tensor) -> Tensor:
        """C J^T (J C J^T)^-1 missing, (B, latents), combinations of measures that hardly vary left alone.

        missing: (B, goals). J C J^T is made symmetric and scaled to unit diagonal before it is inverted.
        """
        import torch

        covariance = self.slopes @ self.spread.transpose(1, 2)
        symmetric = (covariance + covariance.transpose(1, 2)) / 2
        scale = torch.diagonal(symmetric, dim1=1, dim2=2).clamp_min(1e-30).sqrt()
        values, vectors = torch.linalg.eigh(symmetric / (scale[:, :, None] * scale[:, None, :]))
        inverse = torch.where(values > LEAST_VARIATION, 1 / values.clamp_min(LEAST_VARIATION), 0.0)
        along = (vectors.transpose(1, 2) @ (missing / scale)[:, :, None]) * inverse[:, :, None]
        weights = (vectors @ along)[:, :, 0] / scale
        return (weights[:, :, None] * self.spread).sum(dim=1)
