"""Reconstruction as a deformed atlas: by the trained network, and refined until it meets the slices."""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import SliceOutlines, WallSurface
from cardiactwins.lma.reconstruction_model import ReconstructionModel
from cardiactwins.lma.shape_diffusion import filled_condition
from cardiactwins.lma.shape_volume import BASE, ShapeVolume
from cardiactwins.lma.shooting import shoot, warp
from cardiactwins.lma.surface_deviation import surface_deviation
from cardiactwins.lma.velocity_fit import KnownShares, fit_velocity

__all__ = [
    "WEIGHTS",
    "atlas_deformation",
    "deformed_slices",
    "deformed_volume",
    "load_model",
    "model_deviation",
]

WEIGHTS = Path(__file__).resolve().parents[1] / "Resources" / "Models" / "lma-reconstruction.safetensors"
"""Weights that come with the library."""
SIGMA = 0.1
"""Noise of a known share in the refinement: what outlines and grid leave open."""
ITERATIONS = 40
SAMPLING_STEPS = 1


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: float, device: str) -> ReconstructionModel:
    return ReconstructionModel.load(path).to(device)


def load_model(path: str | Path | None = None, device: str = "cpu") -> ReconstructionModel:
    """A trained model, read once; None: the one that comes with the library. Errors as of `load_weights`.

    device: as torch calls it.
    """
    path = Path(path or WEIGHTS)
    return _loaded(path, path.stat().st_mtime if path.exists() else 0.0, device)


def atlas_deformation(
    model: ReconstructionModel,
    outlines: SliceOutlines,
    *,
    refine: bool = True,
    samples: int = 1,
    seed: int = 0,
    iterations: int = ITERATIONS,
    progress: Progress = silent,
) -> Tensor:
    """Coefficients (3, n, n, n) of the velocity that deforms the atlas to outlined slices.

    The network answers with the mean over `samples` draws. refine: deform on until the slices are met, under
    a prior around that answer for what slices do not show. The network sees each slice at the nearest voxel,
    the refinement at its true place, and further points too.
    """
    device = model.atlas.device
    cavity, myocardium = (
        torch.from_numpy(np.ascontiguousarray(share)).to(device)
        for share in (outlines.cavity, outlines.myocardium)
    )
    planes = np.clip(np.round(outlines.positions), 0, model.atlas.shape[-3] - 1).astype(np.int64)
    given = filled_condition(
        cavity[None], myocardium[None], torch.from_numpy(planes)[None].to(device), model.atlas.shape[-3]
    )[0]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        found = model.diffusion.sample(model.atlas, given, generator, steps=SAMPLING_STEPS, count=samples)
        velocity = found.geodesic.initial.mean(dim=0)
    if not refine:
        return velocity
    prior, start = model.prior, velocity
    if model.residual is not None:
        start = velocity + model.residual.mean
        prior = model.residual.around(start)
    known = KnownShares(
        outlines.positions.tolist(),
        torch.stack([cavity, myocardium]),
        *(
            None if part is None else torch.from_numpy(np.asarray(part, dtype=np.float32)).to(device)
            for part in (outlines.points, outlines.values)
        ),
    )
    return fit_velocity(
        model.atlas,
        known,
        model.band,
        model.metric,
        prior,
        sigma=SIGMA,
        iterations=iterations,
        start=start,
        progress=progress,
    )


@torch.no_grad()
def deformed_volume(model: ReconstructionModel, velocity: Tensor, voxel: float = 1.0) -> ShapeVolume:
    """The atlas, deformed by a velocity's coefficients (3, n, n, n) and cut at the base plane."""
    geodesic = shoot(model.band.samples(velocity)[None], model.band, model.metric)
    cavity, myocardium = warp(model.atlas[None], geodesic.displacement())[0].cpu().numpy()
    for share in (cavity, myocardium):
        share[: ceil(BASE)] = 0
    return ShapeVolume(cavity, myocardium, voxel)


@torch.no_grad()
def deformed_slices(
    model: ReconstructionModel, velocity: Tensor, positions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Shares (2, S, j, i) of the deformed atlas in planes k, also between voxels."""
    geodesic = shoot(model.band.samples(velocity)[None], model.band, model.metric)
    planes = positions.tolist()
    return warp(model.atlas[None], geodesic.displacement(planes), planes=planes)[0].cpu().numpy()


def model_deviation(
    model: ReconstructionModel, surface: WallSurface, outlines: SliceOutlines
) -> NDArray[np.float64]:
    """Standard deviation of the position of each point across the surface in voxels, (P,)."""

    def basis(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        return tuple(values.numpy() for values in model.band.basis(torch.from_numpy(points)))

    return surface_deviation(
        surface,
        outlines.positions,
        model.residual or model.prior,
        basis,
        points=None if outlines.points is None else outlines.points,
        factor=model.deviation_factor,
    )
