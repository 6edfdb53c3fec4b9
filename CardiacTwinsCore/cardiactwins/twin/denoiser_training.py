"""Training of the denoiser on the latents of aligned hearts (Kadry et al. 2023, Eq. 2-3 and appendix A)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.autoencoder import Autoencoder
from cardiactwins.twin.denoiser import DenoiserSettings, build_denoiser
from cardiactwins.twin.diffusion import NoiseLevels, denoising_loss
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.latents import LatentScale
from cardiactwins.twin.mode_training import train_mode_network
from cardiactwins.twin.model import TwinModel
from cardiactwins.twin.training_run import Schedule, TrainingRun, single_process

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["PAPER_DENOISER_TRAINING", "DenoiserTraining", "train_denoiser", "validation_loss"]

STATE = "denoiser-training.safetensors"
WEIGHTS = "twin.safetensors"
VALIDATION_ROUNDS = 2
"""How often each latent of the validation is looked at, each time with other noise."""


@dataclass(frozen=True)
class DenoiserTraining:
    """How a denoiser is trained.

    network: what is trained. steps: at most. batch: latents a step, of all processes. rate, averaging,
    schedule: see TrainingRun. levels: noise to train at. mode_steps: of the network of
    modes, which is trained before the U-net and then left alone. validate_every: steps. patience: validations
    without improvement after which the training ends, 0 for never. spread_samples: of `finish_model`.
    """

    network: DenoiserSettings = field(default_factory=DenoiserSettings)
    steps: int = 8000
    batch: int = 8
    rate: float = 5e-4
    averaging: float = 0.998
    schedule: Schedule = "cosine"
    levels: NoiseLevels = field(default_factory=NoiseLevels)
    mode_steps: int = 4000
    validate_every: int = 250
    patience: int = 0
    spread_samples: int = 256


PAPER_DENOISER_TRAINING = DenoiserTraining(
    network=DenoiserSettings(
        preset="paper", channels=(64, 128, 192), blocks=(2, 2, 2), places=0, modes=0, bent=0
    ),
    steps=200_000,
    batch=4,
    rate=2.5e-5,
    averaging=0.9999,
    schedule="constant",
    validate_every=1000,
    patience=20,
)
"""Appendix A: Adam at 2.5e-5."""


@torch.random.fork_rng(devices=[])
def train_denoiser(
    autoencoder: Autoencoder,
    training: Tensor,
    validation: Tensor,
    folder: str | Path,
    settings: DenoiserTraining | None = None,
    *,
    seed: int = 0,
    card: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    fabric: Fabric | None = None,
    progress: Progress = silent,
) -> Path:
    """Train on latents (N, C, d, h, w) of the autoencoder; the whole model with the best validation is kept.

    The latents are of hearts as they lie on the grid: transformed ones would teach other places and volumes.
    A run that was stopped goes on from its state in `folder` and ends with the same weights. card, seconds,
    fabric: as of `train_autoencoder`. progress: loss, and at validations `validation` (Eq. 3 on hearts held
    out) and `training` (the same on as many of those trained on; far below it, they are being memorised).
    Returns the path of the model's weights, for TwinModel.load.

    ValueError with fewer than two latents to train on or none to validate on, or when the state in `folder`
    is of other settings.
    """
    if len(training) < 2 or not len(validation):
        raise ValueError("A training needs latents to train on, two at least, and others to validate on.")
    settings, folder = settings or DenoiserTraining(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fabric = fabric or single_process()
    scale = LatentScale.of(training)
    known, held_out = scale.standardised(training), scale.standardised(validation)
    modes = LatentModes.of(known, settings.network.modes) if settings.network.modes else None
    torch.manual_seed(seed)
    network = build_denoiser(settings.network, tuple(training.shape[1:]), modes)
    if not (folder / STATE).exists() and getattr(network, "bend", None) is not None:
        train_mode_network(
            network.bend,
            modes,
            known,
            held_out,
            levels=settings.levels,
            steps=settings.mode_steps,
            seed=seed,
            progress=progress,
        )
    if getattr(network, "bend", None) is not None:
        network.bend.requires_grad_(False).eval()
    run = TrainingRun(
        network,
        {"training": asdict(settings), "seed": seed},
        fabric,
        rate=settings.rate,
        averaging=settings.averaging,
        schedule=settings.schedule,
    )

    def loss() -> Tensor:
        return _loss(run, settings, known, torch.Generator().manual_seed(seed * 1_000_003 + run.step))

    def validate(values: dict[str, float]) -> None:
        for name, latents in (("validation", held_out), ("training", known[: len(held_out)])):
            values[name] = validation_loss(run.averaged, latents, settings.levels, fabric.autocast)
        if run.validated(values["validation"]) and not fabric.global_rank:
            model = TwinModel(autoencoder, run.averaged, scale)
            model.save(folder / WEIGHTS, _card(run, settings, seed, values, len(training), card))

    run.train(settings, folder / STATE, loss, validate, seconds=seconds, progress=progress)
    return folder / WEIGHTS


@torch.no_grad()
def validation_loss(
    network: nn.Module,
    latents: Tensor,
    levels: NoiseLevels,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> float:
    """Eq. 3 on standardised latents, with the same noise at every call, over the levels of the training."""
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(VALIDATION_ROUNDS):
        sigma = levels.draw(len(latents), generator)
        noise = torch.randn(latents.shape, generator=generator)
        for batch in zip(*(part.split(16) for part in (latents, noise, sigma)), strict=True):
            with autocast():
                found.append(denoising_loss(network, *(part.to(device) for part in batch)).float().cpu())
    return float(torch.cat(found).mean())


def _loss(run: TrainingRun, settings: DenoiserTraining, known: Tensor, generator: torch.Generator) -> Tensor:
    chosen = torch.randint(len(known), (settings.batch,), generator=generator)
    noise = torch.randn(settings.batch, *known.shape[1:], generator=generator)
    sigma = settings.levels.draw(settings.batch, generator)
    clean, noise, sigma = (run.share_of(part) for part in (known[chosen], noise, sigma))
    return denoising_loss(run.network, clean, noise, sigma).mean()


def _card(
    run: TrainingRun,
    settings: DenoiserTraining,
    seed: int,
    values: Mapping[str, float],
    hearts: int,
    card: Mapping[str, Any] | None,
) -> dict[str, Any]:
    metrics = {name: round(value, 5) for name, value in values.items() if name != "loss"}
    return {
        **(card or {}),
        "hearts": hearts,
        "seed": seed,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "training": asdict(settings),
        "metrics": {"denoising loss": metrics},
        "torch": torch.__version__,
    }
