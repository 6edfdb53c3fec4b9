"""Hearts, latents and settings so small that networks of hearts train in a moment."""

import numpy as np
import torch

from cardiactwins.compute.progress import Cancelled
from cardiactwins.twin.augmentation import Augmentation
from cardiactwins.twin.autoencoder import AutoencoderSettings
from cardiactwins.twin.autoencoder_training import AutoencoderTraining
from cardiactwins.twin.denoiser import DenoiserSettings
from cardiactwins.twin.denoiser_training import DenoiserTraining

SIZE = 32
CODING = AutoencoderTraining(
    network=AutoencoderSettings(latent_channels=2, width=8, inner=16),
    steps=6,
    batch=2,
    augmentation=Augmentation(share=0.5, translation=2.0),
    validate_every=3,
)
DENOISING = DenoiserTraining(
    network=DenoiserSettings(
        channels=(8, 8), blocks=(1, 1), heads=8, places=2, modes=3, bent=2, mode_width=8
    ),
    steps=6,
    batch=4,
    mode_steps=4,
    validate_every=3,
)


def ball(rng):
    """Two nested balls in a box of SIZE voxels: a wall (2) around a cavity (4), beside a third (3)."""
    away = np.indices((SIZE,) * 3) - (SIZE - 1) / 2
    radius = rng.uniform(6, 9)
    labels = np.zeros((SIZE,) * 3, dtype=np.uint8)
    distance = np.sqrt((away**2).sum(axis=0))
    labels[distance < radius + 3] = 2
    labels[distance < radius] = 4
    labels[:, :, :6] = 3
    return labels


HEARTS = [ball(np.random.default_rng(seed)) for seed in range(6)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stopped_after(step):
    def progress(done, total, message="", values=None):
        if done == step:
            raise Cancelled

    return progress


def latents_of_modes(count, seed=0):
    """Latents of a few smooth modes, as those of aligned hearts are."""
    generator = torch.Generator().manual_seed(seed)
    coordinates = torch.randn(count, 3, generator=generator)
    basis = torch.randn(3, 2, 4, 4, 4, generator=torch.Generator().manual_seed(99))
    return torch.einsum("nk,kcdhw->ncdhw", coordinates, basis) + 5
