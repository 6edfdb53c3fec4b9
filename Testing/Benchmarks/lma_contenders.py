"""The ways to reconstruct a ventricle from slices that are compared: ours, and what others use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from lma_sets import load_volumes, training_phantoms
from numpy.typing import NDArray

from cardiactwins.compute.weights import sha256_of
from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceOutlines
from cardiactwins.lma.interpolated_volume import interpolated_volume
from cardiactwins.lma.interpolation import interpolate_slices
from cardiactwins.lma.pca_shape import PCAShapeModel
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.shape_volume import BASE, SIZE, ShapeVolume
from cardiactwins.lma.sparse_slices import SparseSlices

__all__ = ["METHODS", "Answer", "Contender", "Unavailable", "contender"]

OURS = {"ours": "refinement", "ours-network": "network"}
DRAWN = ("unet", "ddpm", "dispr")
METHODS = (*OURS, "sdf", "sdf-outlines", "pca", *DRAWN)
PCA_SHAPES = {"phantoms": (200, 40), "mesa": (300, 40)}
"""Shapes and modes of the linear model."""
PCA_PRIOR = 0.3
"""Weight of its scores; of 0.1, 0.3, 1 and 10 the best on MESA with 4 and 8 slices."""


class Unavailable(Exception):
    """A method that cannot run here; its text says why."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A method that can run. version: of its weights, empty where it has none."""

    method: str
    version: str
    run: Callable[[SparseSlices, float], Answer]

    def __call__(self, slices: SparseSlices, voxel: float) -> Answer:
        """The ventricle behind slices; voxel: edge in mm. Nothing is kept above the base plane.

        The base plane is where outlining ends and known to all; interpolation stops there by itself.
        """
        answer = self.run(slices, voxel)
        below = (np.arange(SIZE) > BASE)[:, None, None]
        kept = (answer.volume.cavity * below, answer.volume.myocardium * below)
        return Answer(ShapeVolume(*kept, voxel), answer.reconstruction)


@dataclass(frozen=True, eq=False)
class Answer:
    """A reconstructed volume, and all that the library says where it is its answer."""

    volume: ShapeVolume
    reconstruction: HeartReconstruction | None = None


def contender(method: str, trained_on: str, models: Path) -> Contender:
    """A method as trained on "phantoms" or "mesa"; models: folder with a folder of weights for either.

    Without weights of ours in models/phantoms the shipped ones are used. Raises Unavailable.
    """
    if method in INTERPOLATED:
        between = INTERPOLATED[method]
        return Contender(method, "", lambda slices, voxel: Answer(between(_outlines(slices), voxel)))
    if method == "pca":
        model = _linear_model(trained_on, models)
        version = f"{PCA_SHAPES[trained_on]} {PCA_PRIOR}"
        return Contender(
            method, version, lambda slices, voxel: Answer(model.reconstruct(slices, PCA_PRIOR, voxel))
        )
    if method in OURS:
        return _ours(method, trained_on, models)
    return _drawn(method, models / trained_on / f"{method}.safetensors")


def mask_interpolation(outlines: SliceOutlines, voxel: float) -> ShapeVolume:
    """Cubic interpolation of the signed distances of masks, as it is usually done.

    `interpolated_volume` of the library has distances to outlines that run between the pixels.
    """
    heights = np.arange(SIZE, dtype=float)

    def between(masks: NDArray[np.bool_], positions: NDArray[np.float64]) -> NDArray[np.bool_]:
        reach = (positions[0] - BASE, outlines.apex - positions[-1])
        return interpolate_slices(masks, positions, heights, reach=reach)

    epicardium = between(outlines.cavity + outlines.myocardium >= 0.5, outlines.positions)
    cavity, inside = np.zeros_like(epicardium), outlines.cavity >= 0.5
    shown = inside.any(axis=(1, 2))
    if shown.sum() >= 2:
        cavity = epicardium & between(inside[shown], outlines.positions[shown])
    wall = epicardium & ~cavity
    return ShapeVolume(cavity.astype(np.float32), wall.astype(np.float32), voxel)


INTERPOLATED = {"sdf": mask_interpolation, "sdf-outlines": interpolated_volume}


def _ours(method: str, trained_on: str, models: Path) -> Contender:
    weights = models / trained_on / "reconstruction.safetensors"
    try:
        from cardiactwins.lma.model_reconstruction import WEIGHTS, load_model

        if not weights.exists() and trained_on != "phantoms":
            raise Unavailable(f"there are no weights at {weights}")
        weights = weights if weights.exists() else WEIGHTS
        model = load_model(weights)
    except (ImportError, FileNotFoundError) as error:
        raise Unavailable(str(error).rstrip(".")) from error

    def run(slices: SparseSlices, voxel: float) -> Answer:
        found = reconstruct(_outlines(slices), method=OURS[method], voxel=voxel, model=model)
        return Answer(found.volume, found)

    return Contender(method, sha256_of(weights), run)


def _drawn(method: str, weights: Path) -> Contender:
    if not weights.exists():
        raise Unavailable(f"there are no weights at {weights}; lma_baselines.py trains them")
    from cardiactwins.lma.baselines.training import load_baseline, reconstruct_with

    network = load_baseline(weights)
    return Contender(
        method,
        sha256_of(weights),
        lambda slices, voxel: Answer(reconstruct_with(network, slices, voxel=voxel)),
    )


@cache
def _linear_model(trained_on: str, models: Path) -> PCAShapeModel:
    count, modes = PCA_SHAPES[trained_on]
    if trained_on == "phantoms":
        return PCAShapeModel.fit(training_phantoms(count), modes)
    stored = models / "mesa.npz"
    if not stored.exists():
        raise Unavailable(f"there are no MESA sets at {stored}; lma_sets.py writes them")
    return PCAShapeModel.fit(load_volumes(stored, "train")[:count], modes)


def _outlines(slices: SparseSlices) -> SliceOutlines:
    return SliceOutlines(slices.positions.astype(float), slices.cavity, slices.myocardium)
