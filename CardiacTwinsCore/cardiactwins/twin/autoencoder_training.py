"""Training of the autoencoder on label maps (Kadry et al. 2023, 3.2 and appendix A)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.weights import load_weights, save_weights
from cardiactwins.twin.augmentation import PAPER_AUGMENTATION, Augmentation, transformed
from cardiactwins.twin.autoencoder import (
    Autoencoder,
    AutoencoderSettings,
    build_autoencoder,
    divergence,
)
from cardiactwins.twin.tissue_shares import CLASSES, at_every_other
from cardiactwins.twin.training_run import Schedule, TrainingRun, single_process

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "PAPER_AUTOENCODER_TRAINING",
    "AutoencoderTraining",
    "dice_of",
    "load_autoencoder",
    "train_autoencoder",
]

KIND = "twin autoencoder"
STATE = "autoencoder-training.safetensors"
WEIGHTS = "autoencoder.safetensors"

LabelMaps = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class AutoencoderTraining:
    """How an autoencoder is trained.

    network: what is trained. steps: at most. batch: label maps a step, of all processes. rate, averaging,
    schedule: see TrainingRun. loss: "overlap" (cross entropy + Dice) or "square" (mean squared error of the
    probabilities). divergence_weight: of the divergence of a latent from a unit normal, summed over the
    latent. validate_every: steps. patience: validations without improvement after which the training ends, 0
    for never.
    """

    network: AutoencoderSettings = field(default_factory=AutoencoderSettings)
    steps: int = 4000
    batch: int = 4
    rate: float = 2e-3
    averaging: float = 0.995
    schedule: Schedule = "cosine"
    loss: Literal["overlap", "square"] = "overlap"
    divergence_weight: float = 3e-7
    augmentation: Augmentation = field(default_factory=Augmentation)
    validate_every: int = 200
    patience: int = 0


PAPER_AUTOENCODER_TRAINING = AutoencoderTraining(
    network=AutoencoderSettings(preset="paper", latent_channels=3),
    steps=100_000,
    batch=1,
    rate=1e-4,
    averaging=0.999,
    schedule="constant",
    loss="square",
    divergence_weight=1e-6,
    augmentation=PAPER_AUGMENTATION,
    validate_every=1000,
    patience=10,
)
"""Appendix A: Adam at 1e-4, mean squared error, 1e-6 of the divergence, its augmentation."""


@torch.random.fork_rng(devices=[])
def train_autoencoder(
    training: LabelMaps,
    validation: LabelMaps,
    folder: str | Path,
    settings: AutoencoderTraining | None = None,
    *,
    seed: int = 0,
    card: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    fabric: Fabric | None = None,
    progress: Progress = silent,
) -> Path:
    """Train on label maps (D, H, W) of one size; the weights with the best validation are kept, with a card.

    A run that was stopped goes on from its state in `folder` and ends with the same weights, as each step
    draws its batch from its own number. card: data and licence, to which settings, seed, steps and metrics
    are added. seconds: stop after so long; the learning rate then follows the time, and the run does not
    repeat exactly. fabric: where to compute; launched, for several processes. progress: loss, and at
    validations dice (mean), worst (of a tissue of a heart) and one value a tissue.
    Returns the path of the weights.

    ValueError without label maps for training and for validation, or when the state in `folder` is of other
    settings.
    """
    if not len(training) or not len(validation):
        raise ValueError("A training needs label maps to train on and others to validate on.")
    settings, folder = settings or AutoencoderTraining(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    fabric = fabric or single_process()
    torch.manual_seed(seed)
    network = build_autoencoder(settings.network)
    network.expect(_frequencies(training))
    run = TrainingRun(
        network,
        {"training": asdict(settings), "seed": seed},
        fabric,
        rate=settings.rate,
        averaging=settings.averaging,
        schedule=settings.schedule,
    )

    def loss() -> Tensor:
        rng = np.random.default_rng([seed, run.step])
        return _loss(run, settings, drawn_batch(training, settings, rng), rng)

    def validate(values: dict[str, float]) -> None:
        values |= dice_of(run.averaged, validation, fabric.autocast)
        if run.validated(1 - values["dice"]) and not fabric.global_rank:
            _save(run.averaged, settings, folder / WEIGHTS, _card(run, seed, values, card))

    run.train(settings, folder / STATE, loss, validate, seconds=seconds, progress=progress)
    return folder / WEIGHTS


def load_autoencoder(path: str | Path) -> Autoencoder:
    """Read the weights of `train_autoencoder`; errors as of `load_weights`."""
    tensors, card = load_weights(path, KIND)
    network = build_autoencoder(AutoencoderSettings.of(card["settings"]["network"]))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


@torch.no_grad()
def dice_of(
    network: Autoencoder, hearts: LabelMaps, autocast: Callable[[], Any] | None = None
) -> dict[str, float]:
    """Dice of label maps after encoding (the mean latent) and decoding.

    dice: mean over tissues and hearts; worst: the smallest of all; and the mean of each tissue by its name.
    Tissues that a heart lacks are left out.
    """
    device = next(network.parameters()).device
    found: dict[Tissue, list[float]] = {tissue: [] for tissue in Tissue}
    for heart in hearts:
        labels = torch.from_numpy(np.asarray(heart))[None].to(device)
        with autocast() if autocast else torch.autocast(device.type, enabled=False):
            decoded = network.labels(network.encode(labels)[0])
        for tissue, scores in found.items():
            a, b = labels == tissue, decoded == tissue
            if a.any():
                scores.append(float(2 * (a & b).sum() / (a.sum() + b.sum())))
    scores = {TISSUE_NAMES[tissue]: float(np.mean(values)) for tissue, values in found.items() if values}
    worst = min(min(values) for values in found.values() if values)
    return {"dice": float(np.mean(list(scores.values()))), "worst": worst, **scores}


def drawn_batch(hearts: LabelMaps, settings: AutoencoderTraining, rng: np.random.Generator) -> Tensor:
    """A random batch (B, D, H, W) uint8 of label maps, transformed as the settings say."""
    chosen = rng.integers(len(hearts), size=settings.batch)
    maps = (torch.from_numpy(np.asarray(hearts[int(index)])) for index in chosen)
    return torch.stack([transformed(labels, settings.augmentation.draw(rng)) for labels in maps])


def overlap_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy + 1 - Dice over tissues and hearts, of logits (B, 7, ...) against labels (B, ...).

    Dice is that of each heart by itself, so that thin walls and small chambers count as much as large ones.
    """
    labels = labels.flatten(1).long()
    logs = logits.float().flatten(2).log_softmax(dim=1)
    true = logs.gather(1, labels[:, None])[:, 0]
    empty = torch.zeros(len(labels), CLASSES, device=logs.device)
    both = empty.scatter_add(1, labels, true.exp())
    given = empty.scatter_add(1, labels, torch.ones_like(true))
    dice = (2 * both + 1) / (logs.exp().sum(dim=2) + given + 1)
    return 1 - true.mean() - dice[:, 1:].mean()


def square_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of the probabilities."""
    given = functional.one_hot(labels.long(), CLASSES).movedim(-1, 1)
    return (logits.float().softmax(dim=1) - given).square().mean()


def _loss(run: TrainingRun, settings: AutoencoderTraining, batch: Tensor, rng: np.random.Generator) -> Tensor:
    """The loss of a batch, from drawn latents; coarse logits are enlarged at an eighth of the voxels."""
    labels = run.share_of(batch)
    shape = (len(batch), *run.bare.latent_shape(tuple(batch.shape[1:])))
    noise = run.share_of(torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)))
    logits, mean, log_variance = run.network(labels, noise)
    if run.bare.coarseness == 2:
        k, j, i = (int(offset) for offset in rng.integers(2, size=3))
        logits, labels = at_every_other(logits, (k, j, i)), labels[:, k::2, j::2, i::2]
    loss = {"overlap": overlap_loss, "square": square_loss}[settings.loss](logits, labels)
    return loss + settings.divergence_weight * divergence(mean, log_variance).mean()


def _frequencies(hearts: LabelMaps, count: int = 8) -> Tensor:
    """Share of background and each tissue in the first label maps, (7,)."""
    counts = sum(
        np.bincount(np.asarray(hearts[i]).ravel(), minlength=CLASSES) for i in range(min(count, len(hearts)))
    )
    return torch.from_numpy(counts / counts.sum()).float()


def _save(network: Autoencoder, settings: AutoencoderTraining, path: Path, card: Mapping[str, Any]) -> None:
    save_weights(network.state_dict(), path, kind=KIND, card={"settings": asdict(settings), **card})


def _card(
    run: TrainingRun, seed: int, values: Mapping[str, float], card: Mapping[str, Any] | None
) -> dict[str, Any]:
    metrics = {name: round(value, 4) for name, value in values.items() if name != "loss"}
    return {
        **(card or {}),
        "seed": seed,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "metrics": {"Dice of validation": metrics},
        "torch": torch.__version__,
    }
