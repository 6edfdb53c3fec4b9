"""Geodesic shooting: from an initial velocity to a smooth deformation with a smooth inverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric

__all__ = ["SCHEMES", "Geodesic", "sample", "shoot", "warp"]

Derivative = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Geodesic:
    """A geodesic of deformations from the identity, at its end.

    phi pulls back: the deformed atlas is atlas o phi, so phi takes places of the target to places of the
    atlas, and its inverse takes points of the atlas, such as a mesh, to the target. A constant velocity c
    moves the atlas by c, with phi(x) = x - c. Displacements are in voxels, components k, j, i.

    initial, final: velocity at the beginning and the end; pull_back: phi minus identity; coefficients
    (B, 3, n, n, n) on `band`. steps, scheme: as in `shoot`.
    """

    band: Band
    metric: Metric
    steps: int
    scheme: str
    initial: Tensor
    final: Tensor
    pull_back: Tensor

    def displacement(self, planes: Sequence[float] | None = None) -> Tensor:
        """phi(x) - x at the voxels of the volume, (B, 3, k, j, i), or on some of its planes k only."""
        return self.band.volume(self.pull_back, planes)

    def displacement_at(self, points: Tensor) -> Tensor:
        """phi(x) - x at any points (P, 3) of the volume in voxels k, j, i: (B, P, 3)."""
        return self.band.points(self.pull_back, points).movedim(-2, -1)

    @cached_property
    def inverse(self) -> Geodesic:
        """The way back: its phi is the inverse of this one's."""
        return _integrate(-self.final, self.band, self.metric, self.steps, self.scheme)

    def jacobian(self, planes: Sequence[float] | None = None) -> Tensor:
        """Determinant of the derivative of phi at the voxels, (B, k, j, i); positive where nothing folds."""
        a, b, c = self.band.volume(self.band.gradient(self.pull_back), planes).unbind(-4)
        a, b, c = (
            row + torch.eye(3, dtype=row.dtype, device=row.device)[axis, :, None, None, None]
            for axis, row in enumerate((a, b, c))
        )
        return (a * torch.linalg.cross(b, c, dim=-4)).sum(dim=-4)

    @property
    def energy(self) -> Tensor:
        """(L v, v) of the initial velocity, (B,); constant along the geodesic but for the steps' error."""
        return self.metric.energy(self.initial, self.band)


def shoot(
    velocity: Tensor, band: Band, metric: Metric | None = None, *, steps: int = 10, scheme: str = "euler"
) -> Geodesic:
    """Integrate EPDiff and the deformation over unit time (jayakumar-2023, Eq. 2 and 3).

        dv/dt = -K [(Dv)^T m + div(m x v)],  m = L v        d phi/dt = -(D phi) v,  phi(0) = identity

    velocity: (B, 3, *band.size) initial velocity in voxels a unit of time, components k, j, i, sampled evenly
    over the band's box from its corner; frequencies above the band are left out, also of all products, as in
    FLASH (Zhang & Fletcher 2019). Derivatives are exact, products free of aliasing: without the steps' error
    the energy and the mean velocity are constant. metric: Metric() when None. steps: of equal length, 10 in
    the paper; their error shrinks with their length in scheme "euler" (the paper's) and with its fourth power
    in "rk4", which costs four times as much a step. Differentiable; nothing but the displacements asked of
    the result is ever put on the voxel grid.

    ValueError for a velocity of another shape or type, no step, or an unknown scheme.
    """
    if not velocity.is_floating_point() or velocity.ndim != 5 or velocity.shape[1:] != (3, *band.size):
        raise ValueError(
            f"A velocity on this band is a floating-point tensor (B, 3, {', '.join(map(str, band.size))}); "
            f"found {velocity.dtype} {tuple(velocity.shape)}."
        )
    return _integrate(band.coefficients(velocity), band, metric or Metric(), steps, scheme)


def _integrate(velocity: Tensor, band: Band, metric: Metric, steps: int, scheme: str) -> Geodesic:
    if steps < 1 or scheme not in SCHEMES:
        raise ValueError(
            f"Shooting takes at least 1 step of a scheme among {', '.join(SCHEMES)}; "
            f"found {steps} steps of {scheme!r}."
        )
    advance = SCHEMES[scheme]
    state = torch.cat([velocity, torch.zeros_like(velocity)], dim=-4)
    for _ in range(steps):
        state = advance(lambda now: _rate(now, band, metric), state, 1 / steps)
    final, pull_back = state.split(3, dim=-4)
    return Geodesic(band, metric, steps, scheme, velocity, final, pull_back)


def _rate(state: Tensor, band: Band, metric: Metric) -> Tensor:
    """Time derivative of velocity and pull-back displacement u, coefficients (B, 6, n, n, n).

    With (Dv)^T m + div(m x v) = grad(v . m) + (curl m) x v + m div v, Eq. 3 needs half the transforms; and
    d phi/dt = -(D phi) v reads du/dt = -(Du) v - v.
    """
    velocity, displacement = state.split(3, dim=-4)
    momentum = metric.momentum(velocity, band)
    v, m, curl_m, div_v, du = band.product_grid(
        torch.cat(
            [
                velocity,
                momentum,
                _curl(momentum, band),
                _divergence(velocity, band),
                band.gradient(displacement).flatten(-5, -4),
            ],
            dim=-4,
        )
    ).split([3, 3, 3, 1, 9], dim=-4)
    force, transport, product = band.project(
        torch.cat(
            [
                _cross(curl_m, v) + m * div_v,
                (du.unflatten(-4, (3, 3)) * v.unsqueeze(-5)).sum(dim=-4),
                (v * m).sum(dim=-4, keepdim=True),
            ],
            dim=-4,
        )
    ).split([3, 3, 1], dim=-4)
    force = force + band.gradient(product.squeeze(-4))
    return torch.cat([-metric.velocity(force, band), -transport - velocity], dim=-4)


def _curl(field: Tensor, band: Band) -> Tensor:
    k, j, i = field.unbind(-4)
    along = band.derivative
    return torch.stack(
        [along(i, 1) - along(j, 2), along(k, 2) - along(i, 0), along(j, 0) - along(k, 1)], dim=-4
    )


def _cross(first: Tensor, second: Tensor) -> Tensor:
    """Cross product of two fields; several times faster than torch.linalg.cross along this axis."""
    next_, last = (torch.roll(first, turn, -4) for turn in (-1, 1))
    return next_ * torch.roll(second, 1, -4) - last * torch.roll(second, -1, -4)


def _divergence(field: Tensor, band: Band) -> Tensor:
    return sum(band.derivative(field[..., axis : axis + 1, :, :, :], axis) for axis in range(3))


def _euler(rate: Derivative, state: Tensor, step: float) -> Tensor:
    return state + step * rate(state)


def _runge_kutta(rate: Derivative, state: Tensor, step: float) -> Tensor:
    first = rate(state)
    second = rate(state + step / 2 * first)
    third = rate(state + step / 2 * second)
    fourth = rate(state + step * third)
    return state + step / 6 * (first + 2 * second + 2 * third + fourth)


SCHEMES = {"euler": _euler, "rk4": _runge_kutta}
"""Explicit time steps: Euler's, and Runge and Kutta's of fourth order."""


def warp(
    volume: Tensor,
    displacement: Tensor,
    *,
    planes: Sequence[float] | None = None,
    border: str = "border",
) -> Tensor:
    """volume o phi by trilinear interpolation: its values at x + displacement(x).

    volume: (B or 1, C, k, j, i). displacement: (B, 3, k, j, i) in voxels, components k, j, i, at all voxels
    or on the given planes k only. border: outside of the volume lie its outermost voxels ("border"), zeros
    ("zeros"), or its periodic copies ("periodic"). Returns (B, C, k, j, i). Differentiable in both.
    ValueError for an unknown border.
    """
    if border not in ("border", "zeros", "periodic"):
        raise ValueError(f"A border is border, zeros or periodic; found {border!r}.")
    shape = volume.shape[-3:]
    like = {"dtype": displacement.dtype, "device": displacement.device}
    k, j, i = (torch.arange(n, **like) for n in shape)
    if planes is not None:
        k = torch.tensor(list(planes), **like)
    places = torch.stack(torch.meshgrid(k, j, i, indexing="ij")) + displacement
    volume = volume.expand(len(places), *volume.shape[1:])
    return _trilinear(volume, places.movedim(1, -1), border)


def sample(volume: Tensor, points: Tensor) -> Tensor:
    """Values (P,) of a volume (k, j, i) at points (P, 3) in voxels, trilinear; outside its last ones."""
    return _trilinear(volume[None, None], points[None, None, None], "border")[0, 0, 0, 0]


def _trilinear(volume: Tensor, places: Tensor, border: str) -> Tensor:
    """Volume (B, C, k, j, i) at places (B, ..., ..., ..., 3) in voxels k, j, i."""
    size = torch.tensor(volume.shape[-3:], dtype=places.dtype, device=places.device)
    if border == "periodic":
        places = torch.remainder(places, size)
        volume = functional.pad(volume, (0, 1, 0, 1, 0, 1), "circular")
        size = size + 1
    # grid_sample counts from -1 at the first voxel to 1 at the last, and its components run i, j, k.
    grid = (2 * places / (size - 1).clamp(min=1) - 1).flip(-1)
    mode = "zeros" if border == "zeros" else "border"
    return functional.grid_sample(volume, grid, mode="bilinear", padding_mode=mode, align_corners=True)
