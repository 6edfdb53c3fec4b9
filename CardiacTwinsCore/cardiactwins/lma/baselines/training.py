"""One trainer for all baselines: the same volumes, slices and seconds as the reconstruction itself gets."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.training_state import optimizer_tensors, restore_optimizer, tensors_under
from cardiactwins.compute.weights import load_state, load_weights, save_state, save_weights
from cardiactwins.lma.baselines.diffusion import ConditionalDDPM, FeatureDiffusion
from cardiactwins.lma.baselines.given_slices import given_slices
from cardiactwins.lma.baselines.unet import SliceUNet
from cardiactwins.lma.shape_diffusion import soft_dice
from cardiactwins.lma.shape_volume import SIZE, ShapeVolume
from cardiactwins.lma.sparse_slices import SparseSlices, slice_positions
from cardiactwins.lma.training import SLICE_COUNTS, VALIDATION_SLICES

__all__ = [
    "BASELINES",
    "Baseline",
    "BaselineSettings",
    "load_baseline",
    "reconstruct_with",
    "train_baseline",
    "training_curve",
]

BASELINES = {"unet": SliceUNet, "ddpm": ConditionalDDPM, "dispr": FeatureDiffusion}
KIND = "lma baseline"


class Baseline(Protocol):
    """A network from slices to a volume; `given_slices` says what it is given."""

    def loss(self, given: Tensor, volumes: Tensor, generator: torch.Generator) -> Tensor: ...

    def reconstruct(self, given: Tensor, generator: torch.Generator) -> Tensor: ...


@dataclass(frozen=True)
class BaselineSettings:
    """How a baseline is trained.

    steps: of Adam at most. batch: volumes a step. rate: learning rate at the start, falling to 0 along a
    cosine. width: features of the network, None for its own default. averaging: decay of the running mean of
    the weights, which is what is validated and kept; it starts lower. validate_every: steps. jitter: largest
    shift of a slice along the axis, in voxels.
    """

    steps: int = 100_000
    batch: int = 2
    rate: float = 1e-3
    width: int | None = None
    averaging: float = 0.998
    validate_every: int = 100
    jitter: int = 2


@torch.random.fork_rng(devices=[])
def train_baseline(
    name: str,
    training: Sequence[ShapeVolume],
    validation: Sequence[ShapeVolume],
    folder: str | Path,
    settings: BaselineSettings | None = None,
    *,
    seed: int = 0,
    seconds: float | None = None,
    card: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Path:
    """Train a baseline for so many seconds or steps; the weights with the best validation are kept.

    name: one of BASELINES. seconds: validation included; the cosine of the learning rate then follows the
    time. A run that was stopped goes on from its state in `folder`. progress: loss, and dice of the
    validation. Returns the path of the weights; `training_curve` of the folder tells how it went.

    ValueError for an unknown name, without volumes, or for a state of other settings or
    another seed.
    """
    settings, folder = settings or BaselineSettings(), Path(folder)
    if name not in BASELINES:
        raise ValueError(f"A baseline is one of {', '.join(BASELINES)}; found {name!r}.")
    if not training or not validation:
        raise ValueError("A training needs volumes to train on and others to validate on.")
    run = _Run(name, settings, seed)
    if _state(folder, name).exists():
        run.restore(*load_state(_state(folder, name)))
    known, held_out = ([_tensor(volume) for volume in volumes] for volumes in (training, validation))
    weights = folder / f"{name}.safetensors"
    began, already = time.monotonic(), run.seconds

    def keep(loss: float) -> float:
        dice = run.validate(held_out)
        run.seconds = already + time.monotonic() - began
        best = max((row[3] for row in run.curve), default=-1.0)
        run.curve.append([run.seconds, run.step, loss, dice])
        if dice >= best:
            run.save(weights, {**(card or {}), "seed": seed})
        save_state(run.tensors(), _state(folder, name), run.values())
        return dice

    losses: list[float] = []
    while run.step < settings.steps:
        run.seconds = already + time.monotonic() - began
        share = run.step / settings.steps if seconds is None else run.seconds / seconds
        if share >= 1:
            break
        losses.append(run.advance(known, share))
        values = {"loss": losses[-1]}
        if run.step % settings.validate_every == 0:
            values["dice"] = keep(float(np.mean(losses)))
            losses.clear()
        progress(run.step, settings.steps, f"Step {run.step}, loss {values['loss']:.4f}", values)
    if losses or not weights.exists():
        keep(float(np.mean(losses)) if losses else float("nan"))
    return weights


def training_curve(folder: str | Path, name: str) -> list[dict[str, float]]:
    """How a training went: seconds, step, mean loss since the last row, dice of the validation."""
    curve = load_state(_state(Path(folder), name))[1]["curve"]
    return [dict(zip(("seconds", "step", "loss", "dice"), row, strict=True)) for row in curve]


def load_baseline(path: str | Path) -> nn.Module:
    """A trained baseline; errors as of `load_weights`."""
    tensors, card = load_weights(path, KIND)
    network = _network(card["name"], card["settings"]["width"])
    network.load_state_dict(tensors)
    return network.eval()


def reconstruct_with(
    network: Baseline, slices: SparseSlices, *, voxel: float = 1.0, seed: int = 0
) -> ShapeVolume:
    """The volume that a baseline draws for slices."""
    cavity, myocardium, positions = (
        torch.from_numpy(np.array(part))[None]
        for part in (slices.cavity, slices.myocardium, slices.positions)
    )
    given = given_slices(cavity, myocardium, positions, SIZE)[0]
    shares = network.reconstruct(given, torch.Generator().manual_seed(seed)).numpy()
    return ShapeVolume(shares[0], shares[1], voxel)


class _Run:
    """Network, optimizer and random numbers of a training."""

    def __init__(self, name: str, settings: BaselineSettings, seed: int) -> None:
        torch.default_generator.manual_seed(seed)  # that of the CPU, where all networks are made
        self.name, self.settings, self.seed = name, settings, seed
        self.network = _network(name, settings.width)
        self.optimizer = torch.optim.Adam(self.network.parameters(), settings.rate)
        self.averaged = {key: tensor.clone() for key, tensor in self.network.state_dict().items()}
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.seconds = 0, 0.0
        self.curve: list[list[float]] = []

    def advance(self, volumes: Sequence[Tensor], share: float) -> float:
        """One step; its loss. share: of the training that is done, for the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        chosen = torch.randint(len(volumes), (self.settings.batch,), generator=self.generator)
        batch = torch.stack([volumes[index] for index in chosen])
        loss = self.network.loss(self._slices(batch), batch, self.generator)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(self.settings.averaging, (1 + self.step) / (10 + self.step))
        for key, tensor in self.network.state_dict().items():
            self.averaged[key].lerp_(tensor, 1 - decay)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, volumes: Sequence[Tensor]) -> float:
        """Mean Dice of the myocardium of each volume from eight slices, averaged weights."""
        network = _network(self.name, self.settings.width)
        network.load_state_dict(self.averaged)
        network.eval()
        found = []
        for number, volume in enumerate(volumes):
            positions = torch.from_numpy(_positions(VALIDATION_SLICES, volume.shape[-3]))
            given = _given(volume[None], positions[None])[0]
            shares = network.reconstruct(given, torch.Generator().manual_seed(number))
            found.append(soft_dice(shares[None, 1], volume[None, 1]).item())
        return float(np.mean(found))

    def save(self, path: Path, card: Mapping[str, Any]) -> None:
        told = {"name": self.name, "settings": asdict(self.settings), "steps": self.step}
        metrics = {"validation Dice of the myocardium, 8 slices": self.curve[-1][3]}
        told |= {"seconds": round(self.seconds, 1), "metrics": metrics, "torch": torch.__version__}
        save_weights(self.averaged, path, kind=KIND, card={**card, **told})

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that a resumed training needs."""
        tensors = {f"network.{key}": t for key, t in self.network.state_dict().items()}
        tensors |= {f"averaged.{key}": t for key, t in self.averaged.items()}
        tensors |= optimizer_tensors(self.optimizer, "optimizer.")
        return tensors | {"generator": self.generator.get_state()}

    def values(self) -> dict[str, Any]:
        """All plain values that a resumed training needs."""
        settings = {"name": self.name, **asdict(self.settings)}
        return {
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
            "seed": self.seed,
            "settings": settings,
        }

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from a stored state. ValueError when it was made with other settings or another seed."""
        seed = values.get("seed", self.seed)
        if values["settings"] != {"name": self.name, **asdict(self.settings)} or seed != self.seed:
            raise ValueError(
                "The training in this folder has other settings. Use those, or choose another folder: seed "
                f"{seed}, {values['settings']}."
            )
        self.network.load_state_dict(tensors_under(tensors, "network."))
        self.averaged = tensors_under(tensors, "averaged.")
        restore_optimizer(self.optimizer, tensors, "optimizer.")
        self.generator.set_state(tensors["generator"])
        self.step, self.seconds = values["step"], values["seconds"]
        self.curve = [list(row) for row in values["curve"]]

    def _slices(self, batch: Tensor) -> Tensor:
        """Conditions of a batch: a random number of slices, each shifted a little along the axis."""
        depth, jitter = batch.shape[-3], self.settings.jitter
        count = SLICE_COUNTS[int(torch.randint(len(SLICE_COUNTS), (1,), generator=self.generator))]
        shift = torch.randint(-jitter, jitter + 1, (len(batch), count), generator=self.generator)
        return _given(batch, (torch.from_numpy(_positions(count, depth)) + shift).clamp(0, depth - 1))


def _network(name: str, width: int | None) -> nn.Module:
    return BASELINES[name]() if width is None else BASELINES[name](width)


def _state(folder: Path, name: str) -> Path:
    return folder / f"{name}-training.safetensors"


def _given(volumes: Tensor, positions: Tensor) -> Tensor:
    """`given_slices` of volumes (B, 2, k, j, i) cut at positions (B, S)."""
    index = torch.arange(len(volumes))[:, None]
    cavity, myocardium = (volumes[index, channel, positions] for channel in (0, 1))
    return given_slices(cavity, myocardium, positions, volumes.shape[-3])


def _positions(count: int, depth: int) -> np.ndarray:
    """`slice_positions` on a grid of another depth than 64."""
    return np.round(slice_positions(count) * depth / SIZE).astype(np.int64)


def _tensor(volume: ShapeVolume) -> Tensor:
    return torch.from_numpy(np.stack([volume.cavity, volume.myocardium]).astype(np.float32))
