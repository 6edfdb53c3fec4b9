"""What a run will take, told before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from numpy.typing import ArrayLike

from cardiactwins.compute.threads import one_blas_thread
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.evaluation import usable_cores
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.population import InfarctPopulation

__all__ = ["RunEstimate", "estimate_personalization", "evaluations_of"]

BASE_BYTES = 130e6
"""Memory of a process with the library and what it imports."""
START_SECONDS = 1.0
"""Until a process has imported what it needs, on the machines this was tried on."""
FRESH_EVALUATIONS = 25


@dataclass(frozen=True)
class RunEstimate:
    """seconds: wall time. memory_bytes: largest memory of the process that computes."""

    seconds: float
    memory_bytes: float

    def __str__(self) -> str:
        return f"about {readable_time(self.seconds)}, {self.memory_bytes / 1e6:,.0f} MB of memory"


def readable_time(seconds: float) -> str:
    """A duration for people: '3 s', '4 min', '1.5 h'."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def evaluations_of(settings: PersonalizationSettings) -> float:
    """Losses that a search takes, in those of a population of the search's size."""
    scouts = settings.scouts if settings.searches > 1 else 0
    polish = settings.polish_generations * settings.polish_lesions / settings.lesions
    generations = settings.searches * settings.generations + polish
    return scouts + FRESH_EVALUATIONS + settings.candidates * generations


def estimate_personalization(
    population: InfarctPopulation,
    model: InfarctModel,
    loss: str,
    settings: PersonalizationSettings,
    start: ArrayLike | None = None,
) -> RunEstimate:
    """Time and memory of a personalization on this machine, from two evaluations at the start.

    The cores are taken to be idle, and a search to run to its end.
    """
    values = [parameter.default for parameter in model.parameters] if start is None else start
    with one_blas_thread():
        measure = PopulationLoss(population.anatomy, population.lesions, loss)
        draws = PopulationDraws(model, settings.lesions, settings.draws, 0)
        measure(draws.lesions(values, 0))
        began = time.perf_counter()
        measure(draws.lesions(values, 1))
        one = time.perf_counter() - began
    lesions = max(settings.lesions, settings.polish_lesions) + len(population)
    cores = usable_cores()
    working = 8.0 * cores * lesions * (population.anatomy.n_voxels + lesions)
    return RunEstimate(START_SECONDS + one * evaluations_of(settings) / cores, BASE_BYTES + working)
