"""Hearts scaled, turned and moved at random, for the autoencoder to see more than the aligned ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

__all__ = ["PAPER_AUGMENTATION", "Augmentation", "transformed"]


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random transforms of label maps.

    share: of the label maps that are transformed at all. scale: range of the factor, drawn uniformly in its
    logarithm. rotation: largest angle about a random axis, in degrees. translation: largest shift along each
    axis, in voxels.

    For the autoencoder alone: the denoiser learns where hearts lie and how large they are.
    """

    share: float = 0.5
    scale: tuple[float, float] = (0.8, 1.25)
    rotation: float = 30.0
    translation: float = 10.0

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A transform (3, 4) from offsets (k, j, i) from the middle of the new map to those in the old one.

        The identity for the share of maps that is left as it is.
        """
        if rng.random() >= self.share:
            return np.eye(3, 4)
        low, high = (math.log(factor) for factor in self.scale)
        factor = math.exp(rng.uniform(low, high))
        axis = rng.standard_normal(3)
        turn = Rotation.from_rotvec(
            rng.uniform(0, math.radians(self.rotation)) * axis / np.linalg.norm(axis)
        ).as_matrix()
        shift = rng.uniform(-self.translation, self.translation, 3)
        return np.concatenate([turn / factor, (-turn @ shift / factor)[:, None]], axis=1)


PAPER_AUGMENTATION = Augmentation(share=1.0, scale=(0.5, 1.5), rotation=180.0, translation=20.0)
"""Appendix A of Kadry et al. 2023."""


def transformed(labels: Tensor, transform: np.ndarray) -> Tensor:
    """A label map (D, H, W) seen through a transform (3, 4) of `Augmentation.draw`; outside is background."""
    if np.array_equal(transform, np.eye(3, 4)):
        return labels
    size = labels.shape
    middles = [(n - 1) / 2 for n in size]
    inside = torch.ones(size, dtype=torch.bool)
    index = torch.zeros(size, dtype=torch.int64)
    for row, (n, middle) in enumerate(zip(size, middles, strict=True)):
        position = torch.full((1, 1, 1), float(transform[row, 3] + middle))
        for axis in range(3):
            along = (torch.arange(size[axis]) - middles[axis]) * float(transform[row, axis])
            position = position + along.reshape([-1 if a == axis else 1 for a in range(3)])
        nearest = position.round().to(torch.int64)
        inside &= (nearest >= 0) & (nearest < n)
        index = index * n + nearest.clamp(0, n - 1)
    return labels.flatten()[index] * inside
