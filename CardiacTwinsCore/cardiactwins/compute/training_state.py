"""Tensors of a training that is stored and goes on: those under a prefix, and those of an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["optimizer_tensors", "restore_optimizer", "tensors_under"]


def tensors_under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def optimizer_tensors(optimizer: Optimizer, prefix: str) -> dict[str, Tensor]:
    """What an optimizer keeps of each parameter, by PREFIX, the parameter's number and the name."""
    states = optimizer.state_dict()["state"]
    return {f"{prefix}{number}.{name}": t for number, state in states.items() for name, t in state.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], prefix: str) -> None:
    """Give an optimizer of the same parameters back what `optimizer_tensors` told."""
    states: dict[int, dict[str, Tensor]] = {}
    for place, tensor in tensors_under(tensors, prefix).items():
        number, name = place.split(".", 1)
        states.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
