"""What a training of a network keeps from step to step, and stores so that it can go on."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.training_state import optimizer_tensors, restore_optimizer, tensors_under
from cardiactwins.compute.weights import load_state, save_state
from cardiactwins.twin.precision import computes_in_bfloat16

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["TrainingRun", "many_processes", "single_process"]

WARM_UP = 0.03
"""Share of a training in which the learning rate rises."""
LARGEST_GRADIENT = 1.0

Schedule = Literal["cosine", "constant"]


def single_process(precision: str = "auto") -> Fabric:
    """Computing in this process alone, on a GPU where there is one.

    precision: "mixed" (bfloat16 where it is safe), "full", or "auto": mixed where the processor has
    instructions for it. ModuleNotFoundError, with the command that helps, without Lightning Fabric.
    """
    return _fabric(precision, devices=1)


def many_processes(processes: int, machines: int = 1, precision: str = "auto") -> Fabric:
    """Computing in several processes at once, one a GPU where there are some, on one or more machines.

    Launched: each process goes on from here. On one machine the others are started from here; on several, by
    torchrun or Slurm on each.
    """
    fabric = _fabric(precision, devices=processes, num_nodes=machines, strategy="ddp")
    fabric.launch()
    return fabric


def _fabric(precision: str, **places: Any) -> Fabric:
    try:
        from lightning_fabric import Fabric
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "A training needs Lightning Fabric: python -m pip install lightning-fabric", name=error.name
        ) from error
    if precision not in ("auto", "mixed", "full"):
        raise ValueError(f"Precision is auto, mixed or full; found '{precision}'.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mixed = precision == "mixed" or (precision == "auto" and computes_in_bfloat16(device))
    return Fabric(accelerator=device, precision="bf16-mixed" if mixed else "32-true", **places)


class Limits(Protocol):
    """How long a training goes on and how often it is validated, in steps."""

    @property
    def steps(self) -> int: ...
    @property
    def patience(self) -> int: ...
    @property
    def validate_every(self) -> int: ...


class TrainingRun:
    """A network, the running mean of its weights, Adam, and what the validations found.

    fabric: where it computes; several processes each work on their share of a batch and keep equal weights.
    settings: plain values that a stored state must share. rate: largest learning rate. averaging: decay of
    the running mean, which is what is validated and kept. schedule: "cosine" (rising at first, falling to 0)
    or "constant".
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Mapping[str, Any],
        fabric: Fabric,
        *,
        rate: float,
        averaging: float,
        schedule: Schedule = "cosine",
    ) -> None:
        self.settings = json.loads(json.dumps(dict(settings)))
        self.fabric, self.rate, self.averaging, self.schedule = fabric, rate, averaging, schedule
        trained = [value for value in network.parameters() if value.requires_grad]
        optimizer = torch.optim.Adam(trained, rate, betas=(0.9, 0.99))
        # `network` is called in training: it passes gradients between processes and chooses precision.
        self.network, self.optimizer = fabric.setup(network, optimizer)
        self.bare = network
        self.averaged = copy.deepcopy(network).eval().requires_grad_(False)
        self.step, self.seconds = 0, 0.0
        self.history: list[float] = []

    def train(
        self,
        limits: Limits,
        state: Path,
        loss: Callable[[], Tensor],
        validate: Callable[[dict[str, float]], None],
        *,
        seconds: float | None = None,
        progress: Progress = silent,
    ) -> None:
        """Steps until a limit is reached, from the stored state on where there is one.

        loss: of the step that comes. validate: adds what it finds to the values of a step, notes the error
        (`validated`) and keeps the best weights. seconds: stop after so long; the rate then follows the time.
        """
        if state.exists():
            self.restore(state)
        began, already = time.monotonic(), self.seconds
        while self.step < limits.steps and not self.stalled(limits.patience):
            share = self.step / limits.steps if seconds is None else self.seconds / seconds
            if share >= 1:
                break
            found = loss()
            self.descend(found, share)
            self.seconds = self.agreed(already + time.monotonic() - began)
            values = {"loss": float(found.detach())}
            ends = self.step == limits.steps or (seconds is not None and self.seconds >= seconds)
            if self.step % limits.validate_every == 0 or ends:
                validate(values)
                self.save(state)
            progress(self.step, limits.steps, f"Step {self.step}, loss {values['loss']:.4f}", values)
        self.fabric.barrier()

    def descend(self, loss: Tensor, share: float) -> None:
        """One step of the optimizer. share: of the training that is done, for the learning rate."""
        rate = self.rate
        if self.schedule == "cosine":
            rate *= min((share + 1e-3) / WARM_UP, 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.bare.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self.step += 1
        # A mean over all steps would hold on to the first, useless weights.
        keep = min(self.averaging, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.bare.parameters(), strict=True):
                mean.lerp_(value, 1 - keep)

    def share_of(self, batch: Tensor) -> Tensor:
        """This process's part of a batch, moved to where it computes.

        ValueError when the batch cannot be divided evenly.
        """
        world = self.fabric.world_size
        if len(batch) % world:
            raise ValueError(f"A batch of {len(batch)} cannot be divided among {world} processes.")
        return batch[self.fabric.global_rank :: world].to(self.fabric.device)

    def agreed(self, value: float) -> float:
        """The first process's value, for all: processes that decided each for itself could part."""
        return value if self.fabric.world_size == 1 else float(self.fabric.broadcast(value))

    def validated(self, error: float) -> bool:
        """Note a validation's error, the first process's; whether it is the smallest so far."""
        self.history.append(self.agreed(error))
        return self.history[-1] <= min(self.history)

    def stalled(self, patience: int) -> bool:
        """Whether the last `patience` validations all were worse than an earlier one; never with 0."""
        if not patience or len(self.history) <= patience:
            return False
        return min(self.history[-patience:]) > min(self.history[:-patience])

    def save(self, path: Path) -> None:
        """Write all that a resumed training needs, by the first process alone."""
        if self.fabric.global_rank:
            return
        tensors = {f"network.{name}": t for name, t in self.bare.state_dict().items()}
        tensors |= {f"averaged.{name}": t for name, t in self.averaged.state_dict().items()}
        tensors |= optimizer_tensors(self.optimizer, "optimizer.")
        values = {name: getattr(self, name) for name in ("step", "seconds", "history", "settings")}
        save_state(tensors, path, values)

    def restore(self, path: Path) -> None:
        """Go on from a stored state. ValueError when it was made with other settings."""
        tensors, values = load_state(path)
        if values["settings"] != self.settings:
            raise ValueError(
                "The training in this folder has other settings. Use those, or choose another folder: "
                f"{values['settings']}."
            )
        self.bare.load_state_dict(tensors_under(tensors, "network."))
        self.averaged.load_state_dict(tensors_under(tensors, "averaged."))
        restore_optimizer(self.optimizer, tensors, "optimizer.")
        self.step, self.seconds = values["step"], values["seconds"]
        self.history = list(values["history"])
