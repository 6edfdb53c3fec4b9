"""What the learned baselines are shown: shares of the slices where they are known."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["given_slices"]


def given_slices(cavity: Tensor, myocardium: Tensor, positions: Tensor, depth: int) -> Tensor:
    """Slices as volumes (B, 3, depth, j, i): cavity and myocardium where they are known, and where that is.

    cavity, myocardium: (B, S, j, i) shares; positions: (B, S) slices k.
    """
    batch, _, rows, columns = cavity.shape
    given = torch.zeros(batch, 3, depth, rows, columns, dtype=cavity.dtype, device=cavity.device)
    index = torch.arange(batch, device=cavity.device)[:, None]
    given[index, 0, positions] = cavity
    given[index, 1, positions] = myocardium
    given[index, 2, positions] = 1.0
    return given
