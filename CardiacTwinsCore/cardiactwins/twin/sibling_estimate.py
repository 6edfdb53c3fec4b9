"""What siblings will take on this device, told before they are made."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import ArrayLike

from cardiactwins.twin.latent_edits import HeartModel, start_step
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sampler import evaluations, noise_schedule
from cardiactwins.twin.siblings import make_siblings
from cardiactwins.twin.topology_guard import guard_topology

__all__ = ["SiblingEstimate", "estimate_recipes", "estimate_siblings"]

TRIAL_STEPS = (1, 3)
"""Steps of the two siblings that are timed: 1 and 5 evaluations of the denoiser."""


@dataclass(frozen=True)
class SiblingEstimate:
    """seconds: wall time of all. memory_bytes: the most that the processes took together; None where the
    system does not tell."""

    seconds: float
    memory_bytes: int | None

    def __str__(self) -> str:
        minutes = self.seconds / 60
        time_ = (
            f"{max(self.seconds, 1):.0f} s"
            if self.seconds < 90
            else f"{minutes:.0f} min"
            if minutes < 90
            else f"{minutes / 60:.1f} h"
        )
        memory = "" if self.memory_bytes is None else f", {self.memory_bytes / 1e9:.1f} GB of memory"
        return f"about {time_}{memory}"


def estimate_siblings(
    model: HeartModel,
    recipe: Recipe,
    number: int,
    twin: ArrayLike | None = None,
    *,
    region: ArrayLike | None = None,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
    ranges: Mapping[str, Sequence[float]] | None = None,
    workers: int = 1,
) -> SiblingEstimate:
    """Time and memory of `number` siblings of a recipe, from two of few steps made now.

    Two siblings of 1 and of 3 steps tell what an evaluation of the denoiser takes (guidance included) and
    what decoding and pasting take beside it; the guard is timed on the heart of 1 step. Cores are taken to be
    idle, and no sibling to be repaired much or made again. workers: processes that share the work, each with
    its own model. Errors as of `make_siblings`.
    """
    speed = _speed(model, recipe, twin=twin, region=region, spacing=spacing, ranges=ranges)
    return _estimate(number * speed.seconds(recipe), workers)


def estimate_recipes(
    model: HeartModel,
    recipes: Sequence[Recipe],
    twins: Mapping[str, ArrayLike],
    *,
    regions: Mapping[str, ArrayLike] | None = None,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
    workers: int = 1,
) -> SiblingEstimate:
    """The same for many recipes at once: those whose evaluations take alike are timed once.

    twins, regions: hearts and painted regions by the names that the recipes have.
    """
    speeds: dict[tuple[bool, ...], _Speed] = {}
    seconds = 0.0
    for recipe in recipes:
        alike = (bool(recipe.twin), recipe.exact, recipe.guard, bool(recipe.targets))
        if alike not in speeds:
            twin = twins[recipe.twin] if recipe.twin else None
            region = regions[recipe.region] if regions and recipe.region else None
            speeds[alike] = _speed(model, recipe, twin=twin, region=region, spacing=spacing)
        seconds += speeds[alike].seconds(recipe)
    return _estimate(seconds, workers)


@dataclass(frozen=True)
class _Speed:
    """Seconds of an evaluation of the denoiser, and of all else that a sibling takes."""

    evaluation: float
    beside: float

    def seconds(self, recipe: Recipe) -> float:
        start = start_step(recipe.psi, recipe.steps, recipe.counting)
        return self.beside + self.evaluation * evaluations(noise_schedule(recipe.steps), start)


def _speed(model: HeartModel, recipe: Recipe, **asked: Any) -> _Speed:
    trial = replace(recipe, psi=1.0, attempts=1, guard=False)
    (smooth,) = make_siblings(model, [replace(trial, steps=1)], **asked)
    seconds = []
    for steps in TRIAL_STEPS:
        began = time.perf_counter()
        make_siblings(model, [replace(trial, steps=steps)], **asked)
        seconds.append(time.perf_counter() - began)
    counts = [evaluations(noise_schedule(steps)) for steps in TRIAL_STEPS]
    each = max((seconds[1] - seconds[0]) / (counts[1] - counts[0]), 0.0)
    # Hearts of 3 steps are in many pieces, over which the guard takes far longer than over those of a run.
    began = time.perf_counter()
    if recipe.guard:
        guard_topology(smooth.raw)
    guarding = time.perf_counter() - began
    return _Speed(each, max(seconds[0] - each * counts[0], 0.0) + guarding)


def _estimate(seconds: float, workers: int) -> SiblingEstimate:
    most, processes = _most_memory(), max(workers, 1)
    return SiblingEstimate(seconds / processes, None if most is None else most * processes)


def _most_memory() -> int | None:
    """Bytes that this process has had at most."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
