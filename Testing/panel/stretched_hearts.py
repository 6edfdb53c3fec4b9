"""A stand-in for trained weights that is quick: one heart, stretched along its axes.

Latents are white noise. Their means over three thirds of the grid say how far the heart is stretched, so that
every heart is as sound as the first; where the mean of all is positive, a speck of RV lies in a corner, which
the guard removes.
"""

import time
from pathlib import Path

import numpy as np

from cardiactwins.anatomy.heart_tissues import Tissue

SPREAD = 0.05
"""Largest stretch, as share of the heart's size."""


class StretchedHearts:
    """labels: (128, 128, 128) of the heart. delay: seconds that each look of the denoiser takes."""

    def __init__(self, labels, delay=0.0):
        import torch

        self.labels, self.delay = labels, delay
        self.size, self.latent_shape = labels.shape, (1, 16, 16, 16)
        self.device = torch.device("cpu")
        masks = np.stack([labels == n for n in range(7)]).reshape(7, 16, 8, 16, 8, 16, 8)
        self.shares = torch.from_numpy(masks.mean(axis=(2, 4, 6), dtype=np.float32))

    def encode(self, labels):
        import torch

        return torch.zeros(len(labels), *self.latent_shape)

    def coarse(self, latents):
        logits = 12 * self.shares + latents * (self.shares[Tissue.RV] > 0.2)
        return logits.softmax(dim=1)

    def decode_labels(self, latents):
        import torch

        return torch.stack([torch.from_numpy(self._decoded(one[0].numpy())) for one in latents])

    def denoise(self, noisy, sigma):
        time.sleep(self.delay)
        return noisy / (1 + sigma**2)

    def widened(self, noise, sigma):
        return noise * (1 + 1 / sigma**2) ** 0.5

    def _decoded(self, latent):
        thirds = [part.mean() * part.size**0.5 for part in np.array_split(latent, 3)]
        labels = stretched(self.labels, 1 + SPREAD * np.tanh(thirds))
        if latent.mean() > 0:
            labels[2:5, 2:5, 2:5] = Tissue.RV
        return labels


def stretched(labels, factors):
    """A heart wider or narrower along each axis, as sound as it was."""
    places = [
        np.clip(np.rint(size / 2 + (np.arange(size) - size / 2) / factor), 0, size - 1).astype(int)
        for size, factor in zip(labels.shape, factors, strict=True)
    ]
    return labels[np.ix_(*places)].copy()


def save(path, labels, delay=0.0):
    """Write the stand-in, for processes that load it as they would load weights; returns the path."""
    with Path(path).open("wb") as file:
        np.savez_compressed(file, labels=labels, delay=delay)
    return Path(path)


def load(path):
    """The stand-in that was saved. ValueError for a file that holds none."""
    with np.load(path) as archive:
        return StretchedHearts(archive["labels"], float(archive["delay"]))
