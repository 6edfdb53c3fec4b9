"""Where a target is known: on voxels of the atlas's grid, or at points of slices that lie any way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from cardiactwins.lma.shooting import Geodesic, sample, warp

__all__ = ["KnownPoints", "KnownVoxels", "Observation"]


class Observation(Protocol):
    """A target as far as it is known.

    values: (P,) known values. weight: voxels that one of them stands for.
    """

    weight: float

    @property
    def values(self) -> Tensor: ...

    def of(self, atlas: Tensor, geodesic: Geodesic) -> Tensor:
        """Values (P,) of the atlas (k, j, i), deformed by a geodesic (batch 1), where the target is known."""


@dataclass(frozen=True, eq=False)
class KnownVoxels:
    """A target on the grid of the atlas, known in some voxels.

    target: (k, j, i) floating point. observed: (k, j, i) bool, the voxels where it is known, such as those of
    slices; None: all. What it holds elsewhere is never looked at. Planes k without known voxels cost nothing.
    ValueError when the shapes differ, no voxel is known, or a known one is not finite.
    """

    target: Tensor
    observed: Tensor | None = None
    weight = 1.0

    def __post_init__(self) -> None:
        observed = self.observed
        if observed is None:
            observed = torch.ones_like(self.target, dtype=torch.bool)
            object.__setattr__(self, "observed", observed)
        if self.target.ndim != 3 or observed.shape != self.target.shape or observed.dtype != torch.bool:
            raise ValueError(
                "A target and its known voxels share one grid (k, j, i), the latter as bool; found "
                f"{tuple(self.target.shape)} and {observed.dtype} {tuple(observed.shape)}."
            )
        if not observed.any():
            raise ValueError("No voxel of the target is known: give at least one slice.")
        _check_values(self.values)

    @cached_property
    def planes(self) -> list[int]:
        """Planes k with a known voxel."""
        return self.observed.flatten(1).any(1).nonzero().flatten().tolist()

    @cached_property
    def values(self) -> Tensor:
        """(P,) values of the known voxels."""
        return self.target[self.observed]

    def of(self, atlas: Tensor, geodesic: Geodesic) -> Tensor:
        """Values (P,) of the deformed atlas in the known voxels."""
        if atlas.shape != self.target.shape:
            raise ValueError(
                f"The atlas lies on a grid of {tuple(atlas.shape)} voxels, the target on one of "
                f"{tuple(self.target.shape)}. Resample one of them, or give the target as KnownPoints."
            )
        moved = warp(atlas[None, None], geodesic.displacement(self.planes), planes=self.planes)[0, 0]
        return moved[self.observed[self.planes]]


@dataclass(frozen=True, eq=False)
class KnownPoints:
    """A target known at points, such as the pixels of slices of any spacing and orientation.

    points: (P, 3) in voxels k, j, i of the atlas's grid. values: (P,) floating point. weight: voxels that a
    point stands for; for the pixels of a slice, their area over that of a voxel's face, so that finer pixels
    count no more. The cost grows with the number of points: leave out those far from the heart.
    ValueError when the shapes differ, there are no points, or numbers are not finite.
    """

    points: Tensor
    values: Tensor
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.points.shape[1] != 3 or self.values.shape != self.points.shape[:1]:
            raise ValueError(
                f"Points are (P, 3) with P values; found {tuple(self.points.shape)} and "
                f"{tuple(self.values.shape)}."
            )
        if not len(self.points) or not self.weight > 0:
            raise ValueError(
                f"The target needs at least one point and a positive weight; found {len(self.points)} points "
                f"of weight {self.weight}."
            )
        _check_values(self.points)
        _check_values(self.values)

    def of(self, atlas: Tensor, geodesic: Geodesic) -> Tensor:
        """Values (P,) of the deformed atlas at the points."""
        return sample(atlas, self.points + geodesic.displacement_at(self.points)[0])


def _check_values(values: Tensor) -> None:
    if not (values.is_floating_point() and values.isfinite().all()):
        raise ValueError(
            f"A known target consists of finite floating-point numbers; found {values.dtype} with "
            f"{int((~values.isfinite()).sum())} NaN or infinite of {values.numel()}."
        )
