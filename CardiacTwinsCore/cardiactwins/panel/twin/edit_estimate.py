"""What an edit will take on the chosen device, told before it is started."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from cardiactwins.panel.messages import duration_text
from cardiactwins.twin.latent_edits import start_step
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sampler import evaluations, noise_schedule

__all__ = ["EditEstimates"]

TYPICAL_SECONDS, TYPICAL_BYTES = 2.2, 0.6e9
"""Of one sibling of 20 steps on two processor cores, for the model that comes with the extension."""
GUIDED = 4.0
"""How many times longer a sibling with targets takes: gradients go through the decoder."""


@dataclass(frozen=True)
class _Measured:
    """seconds: of one sibling that took so many evaluations. memory_bytes: None where nobody knows."""

    seconds: float
    evaluations: int
    memory_bytes: int | None


class EditEstimates:
    """Remembers what trials took, by weights, device and kind of edit, and tells what recipes will take."""

    def __init__(self) -> None:
        self._measured: dict[tuple[object, ...], _Measured] = {}

    def remember(self, place: str, recipe: Recipe, seconds: float, memory_bytes: int | None) -> None:
        """One sibling of a recipe takes so long; place: weights and device."""
        self._measured[_key(place, recipe)] = _Measured(seconds, _evaluations(recipe), memory_bytes)

    def text(self, place: str, recipe: Recipe, count: int, processes: int = 1) -> str:
        """Time and memory of so many siblings of a recipe, shared by processes."""
        found = self._measured.get(_key(place, recipe))
        if found is None:
            typical = TYPICAL_SECONDS * (GUIDED if recipe.targets else 1)
            found = _Measured(typical, evaluations(noise_schedule(20)), int(TYPICAL_BYTES))
            text = _("{siblings}: typically {time}, {memory}. Estimate times it on this computer.")
        else:
            text = _("{siblings}: about {time}, {memory}, as timed on this device.")
        seconds = count * found.seconds * _evaluations(recipe) / found.evaluations / processes
        memory = _("memory not known")
        if found.memory_bytes is not None:
            memory = _("{size:.1f} GB of memory").format(size=processes * found.memory_bytes / 1e9)
        siblings = _("1 sibling") if count == 1 else _("{count:,} siblings").format(count=count)
        return text.format(siblings=siblings, time=duration_text(max(seconds, 1)), memory=memory)


def _key(place: str, recipe: Recipe) -> tuple[object, ...]:
    return place, recipe.kind, recipe.guard, bool(recipe.targets)


def _evaluations(recipe: Recipe) -> int:
    start = start_step(recipe.psi, recipe.steps, recipe.counting)
    return max(evaluations(noise_schedule(recipe.steps), start), 1)
