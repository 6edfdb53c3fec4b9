"""Registration of an atlas to a volume known in full or only on some slices, by geodesic shooting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.observations import Observation
from cardiactwins.lma.shooting import Geodesic, shoot, warp

__all__ = ["SIMILARITIES", "Registration", "register"]

WINDOW = 5
"""Iterations that must lower the loss by a thousandth between them: single ones may stall and go on."""


@dataclass(frozen=True, eq=False)
class Registration:
    """An atlas brought to a target.

    velocity: (3, *band.size) initial velocity, voxels. geodesic: the deformation that it shoots. deformed:
    (k, j, i) the whole deformed atlas, where the target was known and where not. loss: at the start and after
    each iteration.
    """

    velocity: Tensor
    geodesic: Geodesic
    deformed: Tensor
    loss: tuple[float, ...]


def register(
    atlas: Tensor,
    target: Observation,
    *,
    band: Band | None = None,
    metric: Metric | None = None,
    sigma: float = 0.02,
    similarity: str = "squares",
    iterations: int = 30,
    steps: int = 10,
    initial: Tensor | None = None,
    progress: Progress = silent,
) -> Registration:
    """Initial velocity v of least Dist(atlas o phi, target) / sigma^2 + (L v, v) (jayakumar-2023, Eq. 4).

    atlas: (k, j, i) floating point, such as a myocardium with values from 0 to 1. target: KnownVoxels on the
    same grid, or KnownPoints. The distance sums over what is known; the deformation is found everywhere.
    similarity: one of SIMILARITIES. sigma: standard deviation of the noise in a voxel, 0.02 in the paper; a
    larger one trusts the metric more. band, metric: Band(atlas.shape) and Metric() when None. steps: of
    Euler's scheme. initial: (3, *band.size), where to start, such as a network's answer; None: at rest.

    Descends by L-BFGS with line search in coordinates where the energy is a sum of squares, so that smooth
    velocities come first; at most `iterations`, fewer when the loss stands still. Runs on the device of its
    tensors.

    ValueError when atlas, target and band do not fit, the atlas is not finite, sigma is not positive, or the
    similarity is unknown.
    """
    band, metric = band or Band(tuple(atlas.shape)), metric or Metric()
    _check(atlas, target, band, sigma, similarity, initial)
    distance = SIMILARITIES[similarity]
    # A loss near one suits the optimizer's first step and its absolute tolerances.
    scale = 1 / (target.weight * len(target.values))
    root = (metric.multiplier(band, atlas) * band.voxels_in_box * scale).sqrt()

    def geodesic(whitened: Tensor) -> Geodesic:
        return shoot(band.samples(whitened / root)[None], band, metric, steps=steps)

    def loss(whitened: Tensor) -> Tensor:
        missed = target.weight * distance(target.of(atlas, geodesic(whitened)), target.values)
        return scale * missed / sigma**2 + whitened.square().sum()

    start = torch.zeros(3, *band.size).to(atlas) if initial is None else initial.detach()
    whitened = (band.coefficients(start) * root).requires_grad_()
    history = _descend(loss, whitened, iterations, progress)
    with torch.no_grad():
        found = geodesic(whitened.detach())
        deformed = warp(atlas[None, None], found.displacement())[0, 0]
        velocity = band.samples(found.initial)[0]
    return Registration(velocity, found, deformed, tuple(value / scale for value in history))


def _descend(
    loss: Callable[[Tensor], Tensor], variable: Tensor, iterations: int, progress: Progress
) -> list[float]:
    """Minimize by L-BFGS in place; returns the loss at the start and after each iteration."""
    optimizer = torch.optim.LBFGS(
        [variable],
        max_iter=1,
        max_eval=25,
        history_size=10,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    with torch.no_grad():
        history = [float(loss(variable))]

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(variable)
        value.backward()
        return value

    for iteration in range(iterations):
        progress(iteration, iterations, "Deforming the atlas", {"loss": history[-1]})
        optimizer.step(closure)
        with torch.no_grad():
            history.append(float(loss(variable)))
        if len(history) > WINDOW and history[-1 - WINDOW] - history[-1] <= 1e-3 * history[-1]:
            break
    progress(len(history) - 1, len(history) - 1, "Deformed the atlas", {"loss": history[-1]})
    return history


def _squares(moved: Tensor, target: Tensor) -> Tensor:
    return (moved - target).square().sum()


def _dice(moved: Tensor, target: Tensor) -> Tensor:
    size = moved.square().sum() + target.square().sum()
    overlap = 2 * (moved * target).sum() / size.clamp(min=1e-6)
    return 2 * target.square().sum() * (1 - overlap)


SIMILARITIES = {"squares": _squares, "dice": _dice}
"""Distances of two sets of values: the sum of squared differences of Eq. 4, and 1 - Dice of soft masks
(Eq. 10 and 11) times twice the target's sum of squares, which makes both weigh alike."""


def _check(
    atlas: Tensor, target: Observation, band: Band, sigma: float, similarity: str, initial: Tensor | None
) -> None:
    if tuple(atlas.shape) != band.shape:
        raise ValueError(f"The atlas has shape {tuple(atlas.shape)}, the band is for {band.shape} (k, j, i).")
    if not atlas.is_floating_point() or target.values.dtype != atlas.dtype:
        raise ValueError(
            f"Atlas and target are floating point of one type; found {atlas.dtype} and {target.values.dtype}."
        )
    if not atlas.isfinite().all():
        raise ValueError("The atlas holds NaN or infinite values.")
    if not sigma > 0:
        raise ValueError(f"The noise in a voxel has a positive standard deviation; found {sigma}.")
    if similarity not in SIMILARITIES:
        raise ValueError(f"A similarity is one of {', '.join(SIMILARITIES)}; found {similarity!r}.")
    if initial is not None and tuple(initial.shape) != (3, *band.size):
        raise ValueError(
            f"The velocity to start from is (3, {', '.join(map(str, band.size))}); "
            f"found {tuple(initial.shape)}."
        )
