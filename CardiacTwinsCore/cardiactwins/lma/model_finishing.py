"""What follows the training of a reconstruction model: how far its surfaces miss."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import load_weights
from cardiactwins.lma.calibration import deviation_calibration
from cardiactwins.lma.reconstruction_model import KIND, ReconstructionModel
from cardiactwins.lma.shape_volume import ShapeVolume

__all__ = ["finish_model"]


def finish_model(
    path: str | Path,
    validation: Sequence[ShapeVolume],
    *,
    calibrated: int = 12,
    progress: Progress = silent,
) -> Path:
    """Add the calibration of the deviations to trained weights; returns their path.

    calibrated: hearts of the validation that are used. Weights that have it are left as they are. The volumes
    must be those of the normalised grid.
    """
    model = ReconstructionModel.load(path)
    _, card = load_weights(path, KIND)
    if "deviation_gain" in card:
        return Path(path)
    gain, floor = deviation_calibration(model, validation[:calibrated], progress)
    return model.save(path, {**card, "deviation_gain": round(gain, 4), "deviation_floor": round(floor, 4)})
