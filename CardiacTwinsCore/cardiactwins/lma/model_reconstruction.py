"""Reconstruction as a deformed atlas: by the trained network, and refined until it meets the slices."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import SliceOutlines, WallSurface
from cardiactwins.lma.left_out_slices import FARTHEST, LEFT_OUT, left_out_slices
from cardiactwins.lma.outline_points import outline_points
from cardiactwins.lma.reconstruction_model import ReconstructionModel
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume
from cardiactwins.lma.shooting import Geodesic, shoot, warp
from cardiactwins.lma.slice_correction import CorrectedHeart, meet_slices
from cardiactwins.lma.surface_deviation import (
    SurfaceDeviation,
    field_deviation,
    moved_deviation,
    remainder_deviation,
)
from cardiactwins.lma.velocity_fit import KnownShares, fit_velocity
from cardiactwins.lma.velocity_kriging import POINT_NOISE, OutlineKriging

__all__ = [
    "BESIDE",
    "WEIGHTS",
    "atlas_deformation",
    "atlas_geodesic",
    "deformed_heart",
    "deformed_slices",
    "deformed_volume",
    "load_model",
    "model_deviation",
]

WEIGHTS = Path(__file__).resolve().parents[1] / "Resources" / "Models" / "lma-reconstruction.safetensors"
"""Weights that come with the library."""
BESIDE = "atlas beside the outlines, voxels"
"""Name, among what a reconstruction says of itself, of that root mean square distance."""
SIGMA = 0.1
"""Noise of a known share in the refinement: what outlines and grid leave open."""
ITERATIONS = 40
SAMPLING_STEPS = 1
POINTS = 500
"""Of all outlines, for kriging and for leaving out slices."""
UNUSUALNESS = 0.75
"""Power of the ratio of slices left out that scales the field: phantoms and MESA then need about one gain."""
REACH = 15
"""Voxels around the axis in which nothing lies beyond the apex of a heart that is wide for its length."""


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: float, device: str) -> ReconstructionModel:
    return ReconstructionModel.load(path).to(device)


def load_model(path: str | Path | None = None, device: str = "cpu") -> ReconstructionModel:
    """A trained model, read once; None: the one that comes with the library.

    device: as torch calls it. Errors as of `ReconstructionModel.load`.
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

    The network answers with the mean over `samples` draws. refine: deform on from there until the slices are
    met, under the prior of the population for what slices do not show; else what is left to the outlines is
    kriged (`OutlineKriging`), a good part of the way in a small part of the time. The network sees each slice
    at the nearest voxel, kriging and refinement at its true place, and the refinement further points too.
    """
    device = model.atlas.device
    cavity, myocardium = (
        torch.from_numpy(np.ascontiguousarray(share)).to(device)
        for share in (outlines.cavity, outlines.myocardium)
    )
    planes = np.clip(np.round(outlines.positions), 0, model.atlas.shape[-3] - 1).astype(np.int64)
    given = model.condition(cavity[None], myocardium[None], torch.from_numpy(planes)[None].to(device))[0]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        velocity = model.diffusion.sample_velocity(
            model.atlas, given, generator, steps=SAMPLING_STEPS, count=samples
        ).mean(dim=0)
    if not refine:
        return _kriging(model, outlines).velocity(velocity, progress=progress)
    further = (
        None if part is None else torch.from_numpy(part.astype(np.float32)).to(device)
        for part in _further_places(outlines)
    )
    known = KnownShares(outlines.positions.tolist(), torch.stack([cavity, myocardium]), *further)
    return fit_velocity(
        model.atlas,
        known,
        model.band,
        model.metric,
        model.prior,
        sigma=SIGMA,
        iterations=iterations,
        start=velocity,
        progress=progress,
    )


def _kriging(model: ReconstructionModel, outlines: SliceOutlines) -> OutlineKriging:
    """Kriging of the model's velocities by the outlines of the short-axis slices."""
    points = outline_points(outlines.cavity, outlines.myocardium, outlines.positions, most=POINTS)
    return OutlineKriging(*points, model.borders, model.metric, model.covariance)


def _further_places(outlines: SliceOutlines) -> tuple[NDArray | None, NDArray | None]:
    """Further places (P, 3) and shares (P, 2) of outlines, and those beyond an apex that lies high: empty."""
    if not _is_short(outlines):
        return outlines.points, outlines.values
    weight = outlines.cavity[-1] + outlines.myocardium[-1]
    middle = [np.average(places, weights=weight) for places in np.indices(weight.shape)]
    around = np.arange(-REACH, REACH + 1, 3.0)
    heights = np.arange(outlines.apex + 1, SIZE, 2.0)
    mesh = np.meshgrid(heights, middle[0] + around, middle[1] + around, indexing="ij")
    points = np.stack(mesh, axis=-1).reshape(-1, 3)
    values = np.zeros((len(points), 2), dtype=np.float32)
    if outlines.points is None:
        return points, values
    return np.concatenate([outlines.points, points]), np.concatenate([outlines.values, values])


def _is_short(outlines: SliceOutlines) -> bool:
    """Whether the apex lies nearer to the base than usual, the heart being wide for its length."""
    return outlines.apex <= BASE + LENGTH - 1


@torch.no_grad()
def atlas_geodesic(model: ReconstructionModel, velocity: Tensor) -> Geodesic:
    """The way from the atlas to a heart that begins with a velocity, coefficients (3, n, n, n)."""
    return shoot(model.band.samples(velocity)[None], model.band, model.metric)


@torch.no_grad()
def deformed_volume(
    model: ReconstructionModel,
    geodesic: Geodesic,
    voxel: float = 1.0,
    outlines: SliceOutlines | None = None,
) -> ShapeVolume:
    """The atlas, deformed along a geodesic and cut at the base plane.

    Where the outlines have an apex nearer to the base than usual, it is cut a voxel beyond that too.
    """
    cavity, myocardium = warp(model.atlas[None], geodesic.displacement())[0].cpu().numpy()
    for share in (cavity, myocardium):
        share[: ceil(BASE)] = 0
        if outlines is not None and _is_short(outlines):
            share[floor(outlines.apex) + 2 :] = 0
    return ShapeVolume(cavity, myocardium, voxel)


@torch.no_grad()
def deformed_slices(
    model: ReconstructionModel, geodesic: Geodesic, positions: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Shares (2, S, j, i) of the deformed atlas in planes k, also between voxels."""
    planes = positions.tolist()
    return warp(model.atlas[None], geodesic.displacement(planes), planes=planes)[0].cpu().numpy()


def deformed_heart(
    model: ReconstructionModel, geodesic: Geodesic, outlines: SliceOutlines, voxel: float = 1.0
) -> CorrectedHeart:
    """The deformed atlas, brought onto outlines that it nearly meets (`meet_slices`)."""
    volume = deformed_volume(model, geodesic, voxel, outlines)
    return meet_slices(volume, deformed_slices(model, geodesic, outlines.positions), outlines)


def model_deviation(
    model: ReconstructionModel,
    surface: WallSurface,
    outlines: SliceOutlines,
    geodesic: Geodesic,
    *,
    moved: NDArray[np.float32],
    refined: bool = True,
) -> tuple[SurfaceDeviation, dict[str, float]]:
    """How far each point of the surface may be from the true one, and figures that say why.

    geodesic: along which the atlas was deformed. moved: of the `CorrectedHeart`. refined: whether it met
    further points too, which kriging does not look at. Slices left out in turn tell how far this heart is
    from the population, in predicted deviations, which scales the field's (`left_out_slices`); a heart nearer
    than usual narrows it, roughness of outlines widens it as well. Modes are taken where the surface is, not
    where it came from on the atlas. The figures: that ratio (`LEFT_OUT`), the slice that raises it most
    (`FARTHEST`) and the atlas beside the outlines (`BESIDE`).
    """
    kriging = _kriging(model, outlines)
    seen = kriging.displacements(geodesic, model.prior.mean)
    numbers = np.searchsorted(outlines.positions, kriging.points[:, 0])
    left_out = left_out_slices(seen.noisy_covariance(POINT_NOISE).numpy(), seen.gained + seen.missed, numbers)
    field = field_deviation(
        surface, outlines.positions, model.covariance, points=outlines.points if refined else None
    )
    remainder = remainder_deviation(surface, outlines.positions, seen.rms)
    return SurfaceDeviation(
        left_out.ratio**UNUSUALNESS * field, remainder, moved_deviation(surface, moved)
    ), {
        LEFT_OUT: round(left_out.ratio, 3),
        FARTHEST: int(left_out.deviations.argmax()) + 1,
        BESIDE: round(seen.rms, 3),
    }
