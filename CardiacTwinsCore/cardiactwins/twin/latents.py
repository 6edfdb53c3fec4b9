"""Latents of many hearts: standardised, and kept on disk so that each heart is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import load_state, save_state
from cardiactwins.twin.autoencoder import Autoencoder

__all__ = ["LatentScale", "cached_latents"]

BLOCK = 64
"""Hearts a file."""


@dataclass(frozen=True, eq=False)
class LatentScale:
    """What makes latents of mean 0 and standard deviation 1.

    mean: (C, d, h, w), the mean latent. deviation: (C, 1, 1, 1), of a channel over hearts and places.

    The mean is one of places, as hearts on the grid are aligned: what all of them share is not left to be
    made from noise.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, latents: Tensor) -> LatentScale:
        """The scale of latents (N, C, d, h, w). ValueError with fewer than two."""
        if len(latents) < 2:
            raise ValueError(f"A scale of latents needs two hearts at least; found {len(latents)}.")
        mean = latents.mean(dim=0)
        square = (latents - mean).square().sum(dim=(0, 2, 3, 4), dtype=torch.float64)
        count = (len(latents) - 1) * latents[0, 0].numel()
        deviation = (square / count).sqrt().clamp_min(1e-6).float()
        return cls(mean, deviation.reshape(-1, 1, 1, 1))

    def standardised(self, latents: Tensor) -> Tensor:
        """Latents of the autoencoder -> latents of the denoiser."""
        return (latents - self.mean) / self.deviation

    def restored(self, latents: Tensor) -> Tensor:
        """Latents of the denoiser -> latents of the autoencoder."""
        return latents * self.deviation + self.mean


@torch.no_grad()
def cached_latents(
    autoencoder: Autoencoder,
    hearts: Sequence[NDArray[np.uint8]],
    folder: str | Path,
    fingerprint: str,
    *,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    progress: Progress = silent,
) -> Tensor:
    """Mean latents (N, C, d, h, w) float32 of label maps, read from `folder` as far as they are there.

    fingerprint: of the autoencoder's weights and of the hearts; files made with another one are made anew.
    Kept are files of 64 hearts each, so that a run that was stopped goes on.
    """
    folder = Path(folder)
    device = next(autoencoder.parameters()).device
    blocks = []
    for first in range(0, len(hearts), BLOCK):
        numbers = range(first, min(first + BLOCK, len(hearts)))
        path = folder / f"latents-{first:06d}.safetensors"
        known = _read(path, fingerprint, len(numbers))
        if known is None:
            means = []
            for number in numbers:
                labels = torch.from_numpy(np.asarray(hearts[number]))[None].to(device)
                with autocast():
                    means.append(autoencoder.encode(labels)[0].float().cpu())
                progress(number + 1, len(hearts), f"Encoding heart {number + 1} of {len(hearts)}")
            known = torch.cat(means)
            save_state({"latents": known}, path, {"fingerprint": fingerprint})
        blocks.append(known)
    return torch.cat(blocks)


def _read(path: Path, fingerprint: str, count: int) -> Tensor | None:
    """Latents of a file; None when it is missing, damaged or of something else."""
    try:
        tensors, values = load_state(path)
    except (OSError, ValueError):
        return None
    latents = tensors.get("latents")
    fits = latents is not None and len(latents) == count and values.get("fingerprint") == fingerprint
    return latents if fits else None
