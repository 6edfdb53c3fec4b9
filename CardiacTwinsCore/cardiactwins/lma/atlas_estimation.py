"""An atlas with sharp walls, and the velocities that lead from it to a population."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import load_state, save_state
from cardiactwins.lma.band import Band
from cardiactwins.lma.interpolation import signed_distance
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import shoot, warp
from cardiactwins.lma.velocity_fit import KnownShares, fit_velocity
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["estimate_atlas", "mean_shape"]

NOISE = 0.02
CENTRING = 0.2
"""Share of the hearts whose mean velocity moves the atlas into the middle of the population."""
STATE = "registrations.safetensors"
SAVED_EVERY = 10


def mean_shape(volumes: Sequence[Tensor]) -> Tensor:
    """The shape (2, k, j, i) whose signed distances are the mean of those of volumes of the same shape.

    The mean of the shares themselves would be blurred: it has no wall to be deformed.
    """
    levels = np.zeros(volumes[0].shape)
    for volume in volumes:
        cavity = volume[0].numpy()
        levels += [signed_distance(part >= 0.5) for part in (cavity, cavity + volume[1].numpy())]
    cavity, whole = np.clip(0.5 - levels / len(volumes), 0, 1)
    return torch.tensor(np.stack([cavity, np.clip(whole - cavity, 0, 1)]), dtype=torch.float32)


def estimate_atlas(
    volumes: Sequence[Tensor],
    band: Band,
    metric: Metric,
    *,
    iterations: int = 60,
    folder: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[Tensor, VelocityPrior]:
    """Atlas (2, k, j, i) in the middle of a population, and the prior of the velocities to its members.

    volumes: (2, k, j, i) each. The atlas starts as `mean_shape`, is registered to a fifth of the volumes and
    moved along the mean velocity, a step of the Frechet mean (jayakumar-2023, Eq. 1 and 4), and is then
    registered to all. folder: where finished registrations are kept, so that a stopped run goes on.
    """
    middle = max(2, round(CENTRING * len(volumes)))
    done: dict[str, Tensor] = {}
    state = None if folder is None else Path(folder) / STATE
    if state is not None and state.exists():
        done, _ = load_state(state)
    total = middle + len(volumes)

    def register(atlas: Tensor, stage: str, count: int, before: int) -> Tensor:
        prior = VelocityPrior.of_metric(band, metric, atlas)
        for number in range(count):
            key = f"{stage}.{number}"
            if key not in done:
                known = KnownShares(range(atlas.shape[-3]), volumes[number])
                done[key] = fit_velocity(
                    atlas, known, band, metric, prior, sigma=NOISE, iterations=iterations
                )
                if state is not None and (number % SAVED_EVERY == 0 or number == count - 1):
                    save_state(done, state, {})
            progress(before + number + 1, total, f"Registered heart {number + 1} of {count}", {})
        return torch.stack([done[f"{stage}.{number}"] for number in range(count)])

    atlas = mean_shape(volumes)
    mean = register(atlas, "centring", middle, 0).mean(dim=0)
    with torch.no_grad():
        moved = warp(atlas[None], shoot(band.samples(mean)[None], band, metric).displacement())[0]
    return moved, VelocityPrior.of_velocities(register(moved, "prior", len(volumes), middle))
