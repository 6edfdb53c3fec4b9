"""Population-wise personalization: parameters of a random model that make its lesions like the real ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.evaluation import Evaluator, run_fingerprint
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel, checked_parameters
from cardiactwins.infarct.personalization_outcome import (
    Personalization,
    PersonalizationHistory,
    PersonalizationSettings,
)
from cardiactwins.infarct.personalization_search import PersonalizationSearch
from cardiactwins.infarct.population import InfarctPopulation

__all__ = ["Personalization", "PersonalizationHistory", "PersonalizationSettings", "personalize"]

FRESH_POPULATIONS = 20


def personalize(
    population: InfarctPopulation,
    model: InfarctModel,
    *,
    loss: str | PopulationLoss = "KL_full",
    start: ArrayLike | None = None,
    settings: PersonalizationSettings | None = None,
    seed: int = 0,
    workers: int | None = None,
    checkpoint: str | Path | None = None,
    progress: Progress = silent,
) -> Personalization:
    """Parameters of `model` that bring its lesions closest to the population (konik-2024, equation 1).

    loss: one of LOSSES or a prepared `PopulationLoss`. start: (d,) initial parameters, or the model's
    defaults. workers: threads; the result does not depend on their number. checkpoint: a file that receives
    every generation's losses; a later call with the same arguments goes on from it and ends with the same
    result. progress receives each generation's loss, parameters, spread, eigenvalues and condition, and is
    called without values after each evaluation, so that it can stop the run at any time.

    Raises ValueError when the model lives on another reference than the population, for parameters out of
    bounds and for a checkpoint of another run; `Cancelled` comes from `progress`.
    """
    settings = settings or PersonalizationSettings()
    if isinstance(loss, str):
        loss = PopulationLoss(population.anatomy, population.lesions, loss)
    for what, anatomy in (("model", model.anatomy), ("loss", loss.anatomy)):
        if not np.array_equal(anatomy.mask, population.anatomy.mask):
            raise ValueError(
                f"The {what} lives on {anatomy} and the population was aligned to {population.anatomy}. "
                "Give both the same reference anatomy."
            )
    first = [parameter.default for parameter in model.parameters] if start is None else start
    first = checked_parameters(model, first)
    began = time.perf_counter()
    fingerprint = run_fingerprint(model, loss, first, settings, seed)
    done, latest = 0, ""

    def report(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        nonlocal done, latest
        done, latest = step, message
        progress(step, total, message, values)

    with Evaluator(
        model,
        loss,
        settings.lesions,
        settings.draws,
        seed,
        workers,
        checkpoint,
        fingerprint,
        heartbeat=lambda: progress(done, settings.total_generations, latest),
    ) as evaluator:
        search = PersonalizationSearch(model, settings, seed, evaluator, report)
        best = search.run(first)
        fresh = evaluator.fresh(best, FRESH_POPULATIONS)
    return Personalization(
        model=model.name,
        parameter_names=tuple(parameter.name for parameter in model.parameters),
        loss_kind=loss.kind,
        parameters=best,
        loss=float(fresh.mean()),
        loss_error=float(fresh.std(ddof=1) / np.sqrt(len(fresh))),
        start=first,
        stop=tuple(search.stops),
        evaluations=evaluator.evaluations,
        seconds=time.perf_counter() - began,
        seed=seed,
        settings=settings,
        history=search.history(),
    )
