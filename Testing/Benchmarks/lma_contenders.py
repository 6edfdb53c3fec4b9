"""The ways to reconstruct a ventricle from slices that are compared: ours, and what others use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lma_sets import load_volumes, training_phantoms

from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceOutlines
from cardiactwins.lma.pca_shape import PCAShapeModel
from cardiactwins.lma.reconstruction import interpolated_volume, reconstruct
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import SparseSlices

__all__ = ["METHODS", "Answer", "Contender", "Unavailable", "contender"]

OURS = {"ours": "refinement", "ours-network": "network"}
DRAWN = ("unet", "ddpm", "dispr")
METHODS = (*OURS, "sdf", "pca", *DRAWN)
PCA_SHAPES = {"phantoms": (200, 20), "mesa": (300, 20)}
"""Shapes and modes of the linear model."""


class Unavailable(Exception):
    """A method that cannot run here; its text says why."""


@dataclass(frozen=True, eq=False)
class Answer:
    """A reconstructed volume, and all that the library says where it is its answer."""

    volume: ShapeVolume
    reconstruction: HeartReconstruction | None = None


Contender = Callable[[SparseSlices, float], Answer]
"""From slices and the edge of a voxel in mm to a volume."""


def contender(method: str, trained_on: str, models: Path) -> Contender:
    """A method as trained on "phantoms" or "mesa"; models: folder with a folder of weights for either.

    Without weights of ours in models/phantoms the shipped ones are used. Raises Unavailable.
    """
    if method == "sdf":
        return lambda slices, voxel: Answer(interpolated_volume(_outlines(slices), voxel))
    if method == "pca":
        model = _linear_model(trained_on, models)
        return lambda slices, voxel: Answer(model.reconstruct(slices, voxel=voxel))
    if method in OURS:
        return _ours(OURS[method], trained_on, models)
    return _drawn(models / trained_on / f"{method}.safetensors")


def _ours(name: str, trained_on: str, models: Path) -> Contender:
    weights = models / trained_on / "reconstruction.safetensors"
    try:
        from cardiactwins.lma.model_reconstruction import load_model

        if not weights.exists() and trained_on != "phantoms":
            raise Unavailable(f"there are no weights at {weights}")
        model = load_model(weights if weights.exists() else None)
    except (ImportError, FileNotFoundError) as error:
        raise Unavailable(str(error).rstrip(".")) from error

    def run(slices: SparseSlices, voxel: float) -> Answer:
        found = reconstruct(_outlines(slices), method=name, voxel=voxel, model=model)
        return Answer(found.volume, found)

    return run


def _drawn(weights: Path) -> Contender:
    if not weights.exists():
        raise Unavailable(f"there are no weights at {weights}; lma_baselines.py trains them")
    from cardiactwins.lma.baselines.training import load_baseline, reconstruct_with

    network = load_baseline(weights)
    return lambda slices, voxel: Answer(reconstruct_with(network, slices, voxel=voxel))


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
