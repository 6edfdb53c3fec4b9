"""A stand-in for trained weights whose every answer is known: hearts with normally distributed latents.

The latents of a heart are the signed distances to its seven labels on a coarser grid, standardised; the
decoder interpolates them and takes a softmax. The latents follow a normal distribution fitted to some hearts
(its principal components, and the same small variance in all other directions), so that the best denoiser is
a formula. Samples look like blends of the hearts. Edits, guidance, cohorts and the benchmark's protocol are
tried on it without any training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom

LABELS = 7
FARTHEST_MM = 20.0
"""Distances are cut here."""


def ellipsoid_heart(rng: np.random.Generator, size: int = 40) -> np.ndarray:
    """A heart of ellipsoids of random radii, (size,)^3 uint8; passes the 12 checks at 40."""
    k, j, i = (np.arange(size)[s] * 40 / size for s in np.ix_(*[range(size)] * 3))

    def inside(center: tuple, radii: np.ndarray) -> np.ndarray:
        return sum(((x - c) / r) ** 2 for x, c, r in zip((k, j, i), center, radii, strict=True)) < 1

    whole, chamber = rng.normal(1, 0.05), rng.normal(1, 0.05, 4)
    lv = inside((17, 20, 14), np.array([11, 6, 6]) * whole * chamber[0])
    wall = inside((17, 20, 14), np.array([11, 6, 6]) * whole * chamber[0] + rng.normal(2.6, 0.2))
    rv = inside((17, 20, 24), np.array([8, 7, 8]) * whole * chamber[1])
    labels = np.zeros((size,) * 3, np.uint8)
    below = k < 20
    labels[wall & below] = Tissue.MYO
    labels[rv & below & (labels == 0)] = Tissue.RV
    labels[lv & below] = Tissue.LV
    la = inside((25, 20, 12), np.array([7, 6, 4.5]) * whole * chamber[2]) & (k >= 20)
    ra = inside((25, 20, 27), np.array([7, 6, 6]) * whole * chamber[3]) & (k >= 20) & (i > 20)
    aorta = ((j - 20) ** 2 + (i - 17.5) ** 2 < 1.6**2) & (k >= 20) & (k < 36)
    labels[ra & (labels == 0)] = Tissue.RA
    labels[la & (i < 15)] = Tissue.LA
    labels[aorta & (labels == 0)] = Tissue.AO
    return labels


class GaussianHearts:
    """Encoder, decoder and denoiser of hearts with normally distributed latents; see the module."""

    def __init__(
        self, hearts: list[np.ndarray], latent_size: int, voxel_mm: float, rest: float = 0.02
    ) -> None:
        """hearts: label maps of one cubic shape. latent_size: edge of the latent grid. rest: deviation along
        all directions that the hearts do not span."""
        self.size, self.voxel_mm = hearts[0].shape, voxel_mm
        self.latent_shape = (LABELS, *(latent_size,) * 3)
        self.device = torch.device("cpu")
        self.rest = rest
        fields = torch.stack([self._fields(heart) for heart in hearts])
        self.center = fields.mean(dim=0)
        self.scale = fields.std()
        flat = ((fields - self.center) / self.scale).flatten(1)
        _, values, vectors = torch.linalg.svd(flat, full_matrices=False)
        kept = values > 1e-4 * values[0]
        self.axes = vectors[kept]
        self.variances = values[kept] ** 2 / (len(hearts) - 1)

    def encode(self, labels: Tensor) -> Tensor:
        return torch.stack([(self._fields(one.numpy()) - self.center) / self.scale for one in labels])

    def decode(self, latents: Tensor) -> Tensor:
        fields = torch.nn.functional.interpolate(
            latents * self.scale + self.center, size=self.size, mode="trilinear", align_corners=False
        )
        return torch.softmax(-fields / (0.35 * self.voxel_mm), dim=1)

    def coarse(self, latents: Tensor) -> Tensor:
        return self.decode(latents)

    def decode_labels(self, latents: Tensor) -> Tensor:
        return self.decode(latents).argmax(dim=1).to(torch.uint8)

    def widened(self, noise: Tensor, sigma: float) -> Tensor:
        along = noise.flatten(1) @ self.axes.T
        more = along * (torch.sqrt(1 + self.variances / sigma**2) - 1)
        return noise + (more @ self.axes).reshape(noise.shape)

    def denoise(self, noisy: Tensor, sigma: float) -> Tensor:
        flat = noisy.flatten(1)
        along = flat @ self.axes.T
        shrink = self.variances / (self.variances + sigma**2) - self.rest**2 / (self.rest**2 + sigma**2)
        found = flat * (self.rest**2 / (self.rest**2 + sigma**2)) + (along * shrink) @ self.axes
        return found.reshape(noisy.shape)

    def labels(self, latents: Tensor) -> np.ndarray:
        return self.decode_labels(latents).numpy()

    def save(self, path: str | Path) -> Path:
        """Write the model as .npz, for processes that load it as they would load weights."""
        values = {
            name: one.numpy() if isinstance(one, Tensor) else one
            for name, one in vars(self).items()
            if name != "device"
        }
        with Path(path).open("wb") as file:
            np.savez(file, **values)
        return Path(path)

    def _fields(self, labels: np.ndarray) -> Tensor:
        """Signed distances (7, d, h, w) in mm, averaged to the latent grid."""
        sizes = (self.voxel_mm,) * 3
        fields = []
        for tissue in range(LABELS):
            inside = labels == tissue
            if not inside.any():
                fields.append(np.full(labels.shape, FARTHEST_MM, np.float32))
                continue
            distance = ndimage.distance_transform_edt(~inside, sampling=sizes)
            distance -= ndimage.distance_transform_edt(inside, sampling=sizes)
            fields.append(np.clip(distance, -FARTHEST_MM, FARTHEST_MM).astype(np.float32))
        return torch.nn.functional.adaptive_avg_pool3d(
            torch.from_numpy(np.stack(fields)), self.latent_shape[1:]
        )


def load(path: str | Path) -> GaussianHearts:
    """The model that was saved."""
    model = GaussianHearts.__new__(GaussianHearts)
    model.device = torch.device("cpu")
    with np.load(path) as archive:
        for name in archive.files:
            value = archive[name]
            tensor = value.dtype == np.float32
            setattr(model, name, torch.from_numpy(value) if tensor else value.tolist())
    model.size, model.latent_shape = tuple(model.size), tuple(model.latent_shape)
    return model


def small_hearts(number: int = 24, seed: int = 0, latent_size: int = 20) -> GaussianHearts:
    """The model of ellipsoid hearts of 40^3 voxels of 4 mm, in a second."""
    hearts = [ellipsoid_heart(np.random.default_rng([seed, index])) for index in range(number)]
    return GaussianHearts(hearts, latent_size, 4.0)


def phantom_hearts(number: int = 40, seed: int = 0, latent_size: int = 32) -> GaussianHearts:
    """The model of whole-heart phantoms at full size; about 4 s a phantom."""
    hearts = [whole_heart_phantom(np.random.default_rng([seed, i])).labels for i in range(number)]
    return GaussianHearts(hearts, latent_size, 1.4)
