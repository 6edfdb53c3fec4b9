"""Training of the onset network on simulated hearts.

`python -m cardiactwins.lma.tos_training --out DIR` trains the weights that come with the library.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.training_state import optimizer_tensors, restore_optimizer, tensors_under
from cardiactwins.compute.weights import load_state, save_state
from cardiactwins.lma.tos_network import BIN_MS, WEIGHTS, OnsetNetwork, interval_ends, network_input
from cardiactwins.lma.tos_simulation import late_sectors, simulate_heart

__all__ = ["OnsetBatch", "TosTrainingSettings", "draw_batch", "mixed", "shifted", "train_onset_network"]

STATE = "tos-training.safetensors"
SECTORS = (18, 18, 18, 4, 6, 8, 12, 16, 24, 36)
VALIDATION_SEED = 20_000
HELD = 0.91
"""Share of the validation's onsets that the 90 % intervals are made to hold: other hearts take some of it."""
TEMPERATURES = np.geomspace(0.5, 3.0, 181)


@dataclass(frozen=True)
class TosTrainingSettings:
    """How the network is trained.

    steps: of the optimizer. batch: matrices a step, all fresh. rate: largest learning rate of AdamW, reached
    after 3 % of the steps and falling to 0 along a cosine. width: features of the network. late_weight: of
    the classification in the loss. mixup_share: share of the steps that mix matrices; mixup_alpha: parameter
    of the Beta distribution of the mixing weight. averaging: decay of the running mean of the weights, which
    is what is validated and kept. validate_every: steps. validation_cases: matrices, the same every time.
    """

    steps: int = 3600
    batch: int = 24
    rate: float = 2e-3
    width: int = 32
    late_weight: float = 0.3
    mixup_share: float = 0.1
    mixup_alpha: float = 0.2
    averaging: float = 0.998
    validate_every: int = 400
    validation_cases: int = 400


@dataclass(frozen=True, eq=False)
class OnsetBatch:
    """Matrices as the network sees them, and what is true of them.

    given: (B, 6, S, K), see `network_input`. onset: (B, S, bins) probability of each bin of the onset, and
    late: (B, S) of late activation; 0 or 1 unless matrices were mixed. tos: (B, S) ms.
    """

    given: Tensor
    onset: Tensor
    late: Tensor
    tos: Tensor


def draw_batch(rng: np.random.Generator, cases: int, sectors: int) -> OnsetBatch:
    """Simulated matrices with the truth; a slice whose shortening is lost in noise is drawn again."""
    given, onsets = [], []
    while len(given) < cases:
        heart = simulate_heart(rng, sectors=sectors)
        try:
            given.append(network_input(heart.strain, heart.times))
        except ValueError:
            continue
        onsets.append(heart.onset)
    tos = np.stack(onsets)
    late = torch.from_numpy(np.stack([late_sectors(onset) for onset in onsets]).astype(np.float32))
    bins = OnsetNetwork.bins()
    member = torch.from_numpy((tos / BIN_MS).astype(np.int64)).clamp(0, bins - 1)
    onset = functional.one_hot(member, bins).float()
    return OnsetBatch(torch.from_numpy(np.stack(given)), onset, late, torch.from_numpy(tos).float())


def shifted(batch: OnsetBatch, sectors: int) -> OnsetBatch:
    """The same slices with their sectors counted from elsewhere; matrices and labels move the same way."""
    return OnsetBatch(
        batch.given.roll(sectors, dims=2),
        batch.onset.roll(sectors, dims=1),
        batch.late.roll(sectors, dims=1),
        batch.tos.roll(sectors, dims=1),
    )


def mixed(batch: OnsetBatch, share: float) -> OnsetBatch:
    """Mixup (Zhang et al. 2018): share x each matrix + (1 - share) x the one before it, labels alike.

    The onset's label is a distribution, so that a mixture says "one or the other", not an onset between.
    """

    def mix(values: Tensor) -> Tensor:
        return share * values + (1 - share) * values.roll(1, dims=0)

    return OnsetBatch(mix(batch.given), mix(batch.onset), mix(batch.late), mix(batch.tos))


@torch.random.fork_rng(devices=[])
def train_onset_network(
    folder: str | Path,
    settings: TosTrainingSettings | None = None,
    *,
    seed: int = 0,
    card: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Path:
    """Train on simulated hearts; the weights with the best validation are kept in `folder`, with a card.

    A run that was stopped goes on from its state in `folder` and ends with the same weights, as each step
    draws its hearts from its own number. The loss is the cross entropy of the onset's bin and, with less
    weight, of late activation. With the weights a temperature is stored with which the 90 % intervals hold
    91 % of the validation's onsets, so that they also hold most of those of hearts of other kinds.
    progress: loss, and at validations error (ms), coverage and entropy.
    Returns the path of the weights.

    ValueError when the state in `folder` is of other settings or another seed.
    """
    settings, folder = settings or TosTrainingSettings(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(settings, seed)
    if (folder / STATE).exists():
        run.restore(*load_state(folder / STATE))
    validation = draw_batch(np.random.default_rng(VALIDATION_SEED), settings.validation_cases, SECTORS[0])
    began, already = time.monotonic(), run.seconds
    while run.step < settings.steps:
        values: dict[str, float] = {"loss": run.advance()}
        run.seconds = already + time.monotonic() - began
        if run.step % settings.validate_every == 0 or run.step == settings.steps:
            network = run.averaged_network()
            values |= validate(network, validation)
            run.history.append(values["entropy"])
            if values["entropy"] <= min(run.history):
                network.save(folder / WEIGHTS.name, _card(run, values, card))
            save_state(run.tensors(), folder / STATE, run.values())
        progress(run.step, settings.steps, f"Step {run.step}, loss {values['loss']:.3f}", values)
    return folder / WEIGHTS.name


@torch.no_grad()
def validate(network: OnsetNetwork, batch: OnsetBatch) -> dict[str, float]:
    """Set the network's temperature by a batch; its figures on that batch with it.

    error: mean absolute error of the median in ms; coverage: share of onsets in their 90 % intervals;
    entropy: cross entropy of the onset's bin before the temperature is set; late: share of sectors whose late
    activation is told right at a probability of 0.5.
    """
    network.temperature.fill_(1.0)
    parts = [network(given) for given in batch.given.split(50)]
    logits, late = (torch.cat([part[i] for part in parts]) for i in range(2))
    tos = batch.tos.numpy().ravel()
    flat = logits.double().flatten(0, 1)
    coverage = []
    for temperature in TEMPERATURES:
        lower, _, upper = interval_ends((flat / temperature).softmax(dim=1).numpy())
        coverage.append(float(np.mean((lower <= tos) & (tos <= upper))))
    best = int(np.argmin(np.abs(np.array(coverage) - HELD)))
    network.temperature.fill_(float(TEMPERATURES[best]))
    median = interval_ends((flat / TEMPERATURES[best]).softmax(dim=1).numpy())[1]
    return {
        "error": float(np.abs(median - tos).mean()),
        "coverage": coverage[best],
        "temperature": float(TEMPERATURES[best]),
        "entropy": float(-(logits.log_softmax(dim=2) * batch.onset).sum(dim=2).mean()),
        "late": float(((late > 0) == (batch.late > 0.5)).float().mean()),
    }


class _Run:
    """Network, its running mean, optimizer and random numbers of a training."""

    def __init__(self, settings: TosTrainingSettings, seed: int) -> None:
        torch.default_generator.manual_seed(seed)  # that of the CPU, where all networks are made
        self.settings, self.seed = settings, seed
        self.network = OnsetNetwork(settings.width)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.rate, weight_decay=1e-3)
        self.averaged = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        self.history: list[float] = []

    def advance(self) -> float:
        """One step on fresh hearts; its loss."""
        settings = self.settings
        rng = np.random.default_rng([self.seed, self.step])
        share = (self.step + 1) / settings.steps
        rate = settings.rate * min(share / 0.03, 0.5 * (1 + math.cos(math.pi * min(share, 1))))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sectors = int(rng.choice(SECTORS))
        batch = shifted(draw_batch(rng, settings.batch, sectors), int(rng.integers(sectors)))
        if rng.random() < settings.mixup_share:
            batch = mixed(batch, float(rng.beta(settings.mixup_alpha, settings.mixup_alpha)))
        logits, late = self.network(batch.given)
        entropy = -(logits.log_softmax(dim=2) * batch.onset).sum(dim=2).mean()
        told = functional.binary_cross_entropy_with_logits(late, batch.late)
        loss = entropy + settings.late_weight * told
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        # A mean over all steps would hold on to the first, useless weights.
        keep = min(settings.averaging, self.step / (self.step + 10))
        for name, tensor in self.network.state_dict().items():
            self.averaged[name].lerp_(tensor, 1 - keep)
        return float(loss.detach())

    def averaged_network(self) -> OnsetNetwork:
        """The network with the running mean of its weights."""
        network = OnsetNetwork(self.settings.width)
        network.load_state_dict(self.averaged)
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that a resumed training needs."""
        tensors = {f"network.{name}": t for name, t in self.network.state_dict().items()}
        tensors |= {f"averaged.{name}": t for name, t in self.averaged.items()}
        return tensors | optimizer_tensors(self.optimizer, "optimizer.")

    def values(self) -> dict[str, Any]:
        """All plain values that a resumed training needs."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "seed": self.seed,
            "history": self.history,
            "settings": asdict(self.settings),
        }

    def restore(self, tensors: dict[str, Tensor], values: Mapping[str, Any]) -> None:
        """Go on from a stored state. ValueError when it was made with other settings or another seed."""
        if values["settings"] != asdict(self.settings) or values["seed"] != self.seed:
            raise ValueError(
                "The training in this folder has other settings. Use those, or choose another folder: seed "
                f"{values['seed']}, {values['settings']}."
            )
        self.network.load_state_dict(tensors_under(tensors, "network."))
        self.averaged = tensors_under(tensors, "averaged.")
        restore_optimizer(self.optimizer, tensors, "optimizer.")
        self.step, self.seconds = values["step"], values["seconds"]
        self.history = list(values["history"])


def _card(run: _Run, values: Mapping[str, float], card: Mapping[str, Any] | None) -> dict[str, Any]:
    metrics = {
        "cases": run.settings.validation_cases,
        "mean absolute error of TOS (ms)": round(values["error"], 2),
        "share of onsets in their 90 % interval": round(values["coverage"], 3),
        "cross entropy of the onset's bin": round(values["entropy"], 4),
        "share of sectors told late or not rightly": round(values["late"], 4),
    }
    return {
        **(card or {}),
        "seed": run.seed,
        "steps": run.step,
        "seconds": round(run.seconds, 1),
        "settings": asdict(run.settings),
        "metrics": {"validation": metrics},
        "torch": torch.__version__,
    }


def main(arguments: list[str] | None = None) -> None:
    """Train the weights that come with the library, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of weights, card and training state")
    parser.add_argument("--steps", type=int, default=TosTrainingSettings.steps)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    card = {
        "data": "Simulated strain matrices, fresh in every step: cardiactwins.lma.tos_simulation",
        "licence": "Apache-2.0",
        "command": f"OMP_NUM_THREADS=1 python -m cardiactwins.lma.tos_training --out DIR --steps "
        f"{chosen.steps} --seed {chosen.seed}",
    }

    def show(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        if values and "error" in values:
            print(
                f"{message} of {total}: entropy {values['entropy']:.3f}, mean absolute error "
                f"{values['error']:.1f} ms, intervals hold {100 * values['coverage']:.0f} % at temperature "
                f"{values['temperature']:.2f}, late or not told rightly {100 * values['late']:.1f} %",
                flush=True,
            )

    settings = TosTrainingSettings(steps=chosen.steps)
    print(train_onset_network(chosen.out, settings, seed=chosen.seed, card=card, progress=show))


if __name__ == "__main__":
    main()
