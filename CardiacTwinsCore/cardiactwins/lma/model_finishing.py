"""What follows the training of a reconstruction model: how far its velocities and its surfaces miss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import load_weights
from cardiactwins.lma.atlas_estimation import NOISE
from cardiactwins.lma.calibration import deviation_factor
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.model_reconstruction import atlas_deformation
from cardiactwins.lma.reconstruction_model import KIND, ReconstructionModel
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.training import shape_tensor
from cardiactwins.lma.velocity_fit import KnownShares, fit_velocity
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["finish_model", "residual_prior"]

SLICE_COUNTS = (4, 6, 8, 10)
FURTHER_ITERATIONS = 12


def finish_model(
    path: str | Path,
    training: Sequence[ShapeVolume],
    validation: Sequence[ShapeVolume],
    *,
    hearts: int = 64,
    calibrated: int = 12,
    progress: Progress = silent,
) -> Path:
    """Add the residual prior and the calibration of the deviations to trained weights; returns their path.

    hearts: of the training, for the residual prior. calibrated: hearts of the validation. Weights that have
    both are left as they are. The volumes must be those of the normalised grid.
    """
    model = ReconstructionModel.load(path)
    _, card = load_weights(path, KIND)
    if "deviation_factor" in card:
        return Path(path)
    model.residual = residual_prior(model, training[:hearts], progress)
    model.deviation_factor = deviation_factor(model, validation[:calibrated], progress)
    generated = ("format", "kind", "file", "sha256", "bytes", "settings")
    kept = {key: value for key, value in card.items() if key not in generated}
    return model.save(path, {**kept, "deviation_factor": model.deviation_factor})


def residual_prior(
    model: ReconstructionModel, volumes: Sequence[ShapeVolume], progress: Progress = silent
) -> VelocityPrior:
    """What is left between the network's velocities, from 4 to 10 slices, and those of whole hearts.

    Each heart is registered in full, from the network's answer on; the differences are a prior as of
    `VelocityPrior.of_velocities`, narrower than that of the population: the slices have been seen.
    """
    metric = VelocityPrior.of_metric(model.band, model.metric, model.atlas)
    residuals: list[Tensor] = []
    for number, volume in enumerate(volumes):
        progress(number, len(volumes), f"Comparing with heart {number + 1}", {})
        slices = cut_slices(volume, SLICE_COUNTS[number % len(SLICE_COUNTS)])
        outlines = SliceOutlines(slices.positions, slices.cavity, slices.myocardium)
        answer = atlas_deformation(model, outlines, refine=False, seed=number)
        known = KnownShares(np.arange(model.atlas.shape[-3]).tolist(), shape_tensor(volume))
        whole = fit_velocity(
            model.atlas,
            known,
            model.band,
            model.metric,
            metric,
            sigma=NOISE,
            iterations=FURTHER_ITERATIONS,
            start=answer,
        )
        residuals.append(whole - answer)
    return VelocityPrior.of_velocities(torch.stack(residuals))
