"""The whole training of a generative model of hearts: autoencoder, cached latents, denoiser."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.autoencoder_training import (
    PAPER_AUTOENCODER_TRAINING,
    AutoencoderTraining,
    load_autoencoder,
    train_autoencoder,
)
from cardiactwins.twin.denoiser_training import PAPER_DENOISER_TRAINING, DenoiserTraining, train_denoiser
from cardiactwins.twin.latents import cached_latents
from cardiactwins.twin.model_finishing import finish_model
from cardiactwins.twin.targets import measured_ranges
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.training_run import single_process
from cardiactwins.twin.twin_grid import TWIN_GRID

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["PRESETS", "train_twin"]

PRESETS: Mapping[str, tuple[AutoencoderTraining, DenoiserTraining]] = {
    "swift": (AutoencoderTraining(), DenoiserTraining()),
    "paper": (PAPER_AUTOENCODER_TRAINING, PAPER_DENOISER_TRAINING),
}
"""How both networks of a preset are trained."""

AUTOENCODER_SHARE = 0.5
"""Of a training that is limited in time."""
RANGED = 300
"""Hearts whose measures tell which targets can be reached."""


def train_twin(
    training: HeartFolder,
    validation: HeartFolder,
    folder: str | Path,
    coding: AutoencoderTraining | None = None,
    denoising: DenoiserTraining | None = None,
    *,
    seed: int = 0,
    card: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    fabric: Fabric | None = None,
    progress: Progress = silent,
) -> Path:
    """Train both networks, one after the other, and return the path of the model's weights.

    A run that was stopped goes on where it last saved. coding, denoising: how; the swift preset by default.
    seconds: for both together, half of it for the autoencoder; learning rates then follow the time.
    card, fabric, ValueError: as of `train_autoencoder`. progress: that of each part in turn.
    """
    coding, denoising = coding or PRESETS["swift"][0], denoising or PRESETS["swift"][1]
    folder, fabric = Path(folder), fabric or single_process()
    limits = (None, None)
    if seconds is not None:
        limits = (AUTOENCODER_SHARE * seconds, (1 - AUTOENCODER_SHARE) * seconds)
    weights = train_autoencoder(
        training,
        validation,
        folder,
        coding,
        seed=seed,
        card=card,
        seconds=limits[0],
        fabric=fabric,
        progress=progress,
    )
    autoencoder = load_autoencoder(weights)
    autoencoder.to(fabric.device)
    made_by = sha256_of(weights)
    latents = []
    # One process encodes while the others wait, and then read what it has kept.
    with fabric.rank_zero_first():
        for name, hearts in (("training", training), ("validation", validation)):
            fingerprint = hashlib.sha256((made_by + hearts.fingerprint()).encode()).hexdigest()
            latents.append(
                cached_latents(
                    autoencoder,
                    hearts,
                    folder / "latents" / name,
                    fingerprint,
                    autocast=fabric.autocast,
                    progress=progress,
                )
            )
    ranges = measured_ranges(training[: min(RANGED, len(training))], TWIN_GRID.spacing)
    weights = train_denoiser(
        autoencoder.cpu(),
        *latents,
        folder,
        denoising,
        seed=seed,
        card={**(card or {}), "autoencoder_sha256": made_by, "ranges": ranges},
        seconds=limits[1],
        fabric=fabric,
        progress=progress,
    )
    # One process finishes the weights while the others wait; then they are there for all, finished.
    with fabric.rank_zero_first():
        if not fabric.global_rank:
            finish_model(weights, samples=denoising.spread_samples, progress=progress)
    return weights
