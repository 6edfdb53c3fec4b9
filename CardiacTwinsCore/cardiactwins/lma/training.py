"""Joint training of atlas and reconstruction from slices (jayakumar-2023, Eq. 12, Algorithm 1)."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.training_state import optimizer_tensors, restore_optimizer, tensors_under
from cardiactwins.compute.weights import load_state, save_state
from cardiactwins.lma.atlas_estimation import estimate_atlas
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.reconstruction_model import ReconstructionModel, TrainingSettings
from cardiactwins.lma.shape_diffusion import soft_dice
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.shooting import shoot, warp
from cardiactwins.lma.sparse_slices import slice_positions
from cardiactwins.lma.velocity_prior import VelocityPrior

__all__ = ["shape_tensor", "train_reconstruction"]

STATE = "training.safetensors"
PREPARED = "atlas.safetensors"
WEIGHTS = "reconstruction.safetensors"
SLICE_COUNTS = (4, 6, 8, 10)
VALIDATION_SLICES = 8


@torch.random.fork_rng(devices=[])
def train_reconstruction(
    training: Sequence[ShapeVolume],
    validation: Sequence[ShapeVolume],
    folder: str | Path,
    settings: TrainingSettings | None = None,
    *,
    seed: int = 0,
    card: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    progress: Progress = silent,
) -> Path:
    """Train both networks; the weights with the best validation are kept, with a card.

    First the reconstruction alone learns from hearts that are drawn from the prior of the velocities: their
    number is unlimited, and the velocity behind each is known. Then both networks learn in turn from the
    volumes (jayakumar-2023, Algorithm 1).

    A run that was stopped goes on from its state in `folder` and ends with the same weights. card: data and
    licence, to which seed, steps, metrics and settings are added. seconds: stop after so long; the cosine of
    the learning rate then follows the time, and the run does not repeat exactly. progress: loss, atlas_loss
    and dice of the validation. Returns the path of the weights.

    ValueError without volumes for training and validation, and when the state in `folder` is of other
    settings or another seed.
    """
    if not training or not validation:
        raise ValueError("A training needs volumes to train on and others to validate on.")
    settings, folder = settings or TrainingSettings(), Path(folder)
    known = [shape_tensor(volume) for volume in training]
    run = _Run(known, settings, seed, _prepared(known, settings, folder, progress))
    if (folder / STATE).exists():
        run.restore(*load_state(folder / STATE))
    held_out = [shape_tensor(volume) for volume in validation]
    began, already = time.monotonic(), run.seconds
    total = settings.pretraining + settings.steps
    while run.step < total:
        share = run.step / total
        if seconds is not None:
            share = (already + time.monotonic() - began) / seconds
            if share >= 1:
                break
        losses = run.advance(known, share)
        run.seconds = already + time.monotonic() - began
        values = dict(zip(("loss", "atlas_loss"), losses, strict=True))
        if run.step % settings.validate_every == 0 or run.step == total:
            values["dice"] = run.validate(held_out)
            if values["dice"] >= max(run.history):
                run.averaged_model().save(folder / WEIGHTS, _card(run, card))
            save_state(run.tensors(), folder / STATE, run.values())
        progress(run.step, total, f"Step {run.step}, loss {losses[0]:.4f}", values)
    if not (folder / WEIGHTS).exists():
        run.validate(held_out)
        run.averaged_model().save(folder / WEIGHTS, _card(run, card))
    return folder / WEIGHTS


class _Run:
    """Networks, optimizers and random numbers of a training."""

    def __init__(
        self,
        volumes: Sequence[Tensor],
        settings: TrainingSettings,
        seed: int,
        prepared: tuple[Tensor, VelocityPrior] | None,
    ) -> None:
        torch.default_generator.manual_seed(seed)  # that of the CPU, where all networks are made
        self.settings, self.seed = settings, seed
        atlas, prior = prepared or (torch.stack(list(volumes)).mean(dim=0), None)
        self.model = ReconstructionModel(atlas, settings, prior)
        self.atlas_loss = math.nan
        self.optimizers = {
            "atlas": torch.optim.Adam(self.model.builder.parameters(), settings.rate),
            "diffusion": torch.optim.Adam(self.model.diffusion.parameters(), settings.rate),
        }
        self.averaged = {name: t.clone() for name, t in self.model.diffusion.state_dict().items()}
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.seconds = 0, 0.0
        self.history: list[float] = []

    def advance(self, volumes: Sequence[Tensor], share: float) -> tuple[float, float]:
        """One step; the losses of both networks. share: of the training that is done, for the rate."""
        settings, model = self.settings, self.model
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        loss = self._drawn_loss() if self.step < settings.pretraining else self._joint_loss(volumes)
        self._descend("diffusion", settings.reconstruction_weight * loss)
        for name, tensor in model.diffusion.state_dict().items():
            self.averaged[name].lerp_(tensor, 1 - settings.averaging)
        self.step += 1
        return float(loss.detach()), self.atlas_loss

    def _drawn_loss(self) -> Tensor:
        """Mean squared error in voxels of the velocities of hearts drawn from the prior."""
        model, prior = self.model, self.model.prior
        with torch.no_grad():
            white = torch.randn(self.settings.batch, *prior.mean.shape, generator=self.generator)
            velocity = prior.coefficients(white)
            geodesic = shoot(model.band.samples(velocity), model.band, model.metric)
            atlas = model.atlas.expand(self.settings.batch, *model.atlas.shape)
            batch = warp(atlas, geodesic.displacement())
        return model.diffusion.velocity_loss(self._slices(batch), batch, velocity, self.generator)

    def _joint_loss(self, volumes: Sequence[Tensor]) -> Tensor:
        """Eq. 10 on some of the volumes, after a step of the atlas (Eq. 9)."""
        settings, model = self.settings, self.model
        chosen = torch.randint(len(volumes), (settings.batch,), generator=self.generator)
        batch = torch.stack([volumes[index] for index in chosen])
        if self.step % settings.atlas_every == 0:
            atlas_loss = model.builder(batch).total
            self._descend("atlas", atlas_loss)
            model.builder.clip()
            self.atlas_loss = float(atlas_loss.detach())
        loss, _ = model.diffusion.loss(
            model.atlas,
            self._slices(batch),
            batch,
            self.generator,
            dice_weight=settings.dice_weight,
        )
        return loss

    @torch.no_grad()
    def validate(self, volumes: Sequence[Tensor]) -> float:
        """Mean Dice of the myocardium of one sample of each volume from eight slices, averaged weights."""
        model = self.averaged_model()
        found = []
        for number, volume in enumerate(volumes):
            positions = torch.tensor(_positions(VALIDATION_SLICES, volume.shape[-3]))
            given = model.condition(volume[None, 0, positions], volume[None, 1, positions], positions[None])
            generator = torch.Generator().manual_seed(number)
            sample = model.diffusion.sample(model.atlas, given[0], generator, steps=2)
            found.append(soft_dice(sample.volumes[:, 1], volume[None, 1]).item())
        self.history.append(float(np.mean(found)))
        return self.history[-1]

    def averaged_model(self) -> ReconstructionModel:
        """The model with the running mean of its weights."""
        model = ReconstructionModel(self.model.atlas, self.settings, self.model.prior)
        model.diffusion.load_state_dict(self.averaged)
        model.diffusion.eval()
        return model

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that a resumed training needs."""
        tensors = {f"builder.{name}": t for name, t in self.model.builder.state_dict().items()}
        tensors |= {f"diffusion.{name}": t for name, t in self.model.diffusion.state_dict().items()}
        tensors |= {f"averaged.{name}": t for name, t in self.averaged.items()}
        for which, optimizer in self.optimizers.items():
            tensors |= optimizer_tensors(optimizer, f"optimizer.{which}.")
        return tensors | {"generator": self.generator.get_state()}

    def values(self) -> dict[str, Any]:
        """All plain values that a resumed training needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "atlas_loss": self.atlas_loss,
            "history": self.history,
            "seed": self.seed,
            "settings": asdict(self.settings),
        }

    def restore(self, tensors: dict[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from a stored state. ValueError when it was made with other settings or another seed."""
        seed = values.get("seed", self.seed)
        if values["settings"] != asdict(self.settings) or seed != self.seed:
            raise ValueError(
                "The training in this folder has other settings. Use those, or choose another folder: seed "
                f"{seed}, {values['settings']}."
            )
        self.model.builder.load_state_dict(tensors_under(tensors, "builder."))
        self.model.diffusion.load_state_dict(tensors_under(tensors, "diffusion."))
        self.averaged = tensors_under(tensors, "averaged.")
        for which, optimizer in self.optimizers.items():
            restore_optimizer(optimizer, tensors, f"optimizer.{which}.")
        self.generator.set_state(tensors["generator"])
        self.step, self.seconds = values["step"], values["seconds"]
        self.history, self.atlas_loss = list(values["history"]), values["atlas_loss"]

    def _descend(self, which: str, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()
        parameters = [p for group in self.optimizers[which].param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizers[which].step()

    def _slices(self, batch: Tensor) -> Tensor:
        """Conditions of a batch: a random number of slices, each shifted a little along the axis."""
        depth = batch.shape[-3]
        count = SLICE_COUNTS[int(torch.randint(len(SLICE_COUNTS), (1,), generator=self.generator))]
        spread = torch.tensor(_positions(count, depth))
        low, high = -self.settings.jitter, self.settings.jitter + 1
        shift = torch.randint(low, high, (len(batch), count), generator=self.generator)
        positions = (spread + shift).clamp(0, depth - 1)
        index = torch.arange(len(batch))[:, None]
        return self.model.condition(batch[index, 0, positions], batch[index, 1, positions], positions)


def _prepared(
    volumes: Sequence[Tensor], settings: TrainingSettings, folder: Path, progress: Progress
) -> tuple[Tensor, VelocityPrior] | None:
    """Atlas and prior from registrations, read from the folder when they are there."""
    if not settings.prior_shapes:
        return None
    path = folder / PREPARED
    if not path.exists():
        atlas, prior = estimate_atlas(
            volumes[: settings.prior_shapes],
            settings.band(tuple(volumes[0].shape[-3:])),
            Metric(),
            folder=folder,
            progress=progress,
        )
        save_state({"atlas": atlas, **prior.tensors()}, path, {})
    tensors, _ = load_state(path)
    return tensors["atlas"], VelocityPrior.of_tensors(tensors)


def _positions(count: int, depth: int) -> np.ndarray:
    """`slice_positions` on a grid of another depth than 64."""
    return np.round(slice_positions(count) * depth / 64).astype(np.int64)


def shape_tensor(volume: ShapeVolume) -> Tensor:
    """Shares (2, k, j, i), with the most basal slice repeated up to the border.

    The base plane is where outlining ends, and known: deformed atlases are cut there. Learned as a part of
    the shape, it would have to be met by the deformation.
    """
    shares = np.stack([volume.cavity, volume.myocardium]).astype(np.float32)
    first = int(volume.mask.any(axis=(1, 2)).argmax())
    shares[:, :first] = shares[:, first, None]
    return torch.from_numpy(shares)


def _card(run: _Run, card: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        **(card or {}),
        "seed": run.seed,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "metrics": {"validation Dice of the myocardium, 8 slices": run.history[-1]},
        "torch": torch.__version__,
    }
