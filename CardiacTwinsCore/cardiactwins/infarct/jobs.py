"""What InfarctSynth computes in the worker process: files of a job folder in, files and plain values out.

Every function is a job of `cardiactwins.compute.job`: called with the job's `folder`, a `progress`, and plain
arguments; paths that are not absolute lie in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Progress
from cardiactwins.infarct.alignment import measured_population, start_zone
from cardiactwins.infarct.archive import (
    PersonalizedModel,
    load_model,
    load_population,
    save_model,
    save_population,
)
from cardiactwins.infarct.bounds import with_bounds
from cardiactwins.infarct.case_files import load_cases, save_hearts
from cardiactwins.infarct.comparison import compare_populations
from cardiactwins.infarct.embedding import LatentSpace
from cardiactwins.infarct.mode_space import ModeSpace
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.painting import generated_hearts
from cardiactwins.infarct.paper_studies import named_study
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.infarct.studies import run_study

__all__ = [
    "align_job",
    "compare_job",
    "generate_job",
    "modes_job",
    "personalize_job",
    "study_job",
]

COMPARED_LESIONS = 400


def align_job(
    *,
    folder: Path,
    progress: Progress,
    cases: str = "cases.npz",
    slices: int = 1,
    rotate: bool = True,
    clip: bool = False,
    real_spacing: bool = True,
) -> dict[str, Any]:
    """Cases to a population on the reference; writes population.npz. See `measured_population`."""
    readable, unreadable = load_cases(folder / cases)
    population = measured_population(
        readable,
        ReferenceAnatomy(slices=slices),
        unreadable,
        rotate=rotate,
        clip=clip,
        real_spacing=real_spacing,
        progress=progress,
    )
    save_population(population, folder / "population.npz")
    return {"population": "population.npz", "used": len(population), "left_out": len(population.excluded)}


def personalize_job(
    *,
    folder: Path,
    progress: Progress,
    population: str = "population.npz",
    model: str = "elliptical",
    loss: str = "KL_full",
    start: Sequence[float] | None = None,
    bounds: Mapping[str, Sequence[float]] | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """A model with the parameters that match a population; writes model.json. See `personalize`.

    bounds: parameter -> (lower, upper), narrower than the model's own.
    """
    real = load_population(folder / population)
    instance = make_model(model, real.anatomy, start_zone(real))
    if bounds:
        instance = with_bounds(instance, {name: tuple(pair) for name, pair in bounds.items()})
    found = personalize(
        real,
        instance,
        loss=loss,
        start=start,
        settings=PersonalizationSettings(**(settings or {})),
        seed=seed,
        checkpoint=folder / "checkpoint.json",
        progress=progress,
    )
    save_model(PersonalizedModel(instance, model, found), folder / "model.json")
    return {"file": "model.json", **found.summary()}


def generate_job(
    *,
    folder: Path,
    progress: Progress,
    model: str = "model.json",
    count: int = 1,
    seed: int = 0,
    patient: str | None = None,
    border_zone: float = 0.0,
    no_reflow: float = 0.0,
    request: Mapping[str, Any] | None = None,
    name: str = "Infarct",
) -> dict[str, Any]:
    """New infarcts on the reference or in a patient; writes hearts.npz. See `generated_hearts`.

    patient: a file of `save_cases` with that one case.
    """
    hearts = generated_hearts(
        load_model(folder / model),
        count,
        np.random.default_rng(seed),
        case=None if patient is None else load_cases(folder / patient)[0][0],
        border_zone=border_zone,
        no_reflow=no_reflow,
        request=request,
        name=name,
        progress=progress,
    )
    save_hearts(hearts, folder / "hearts.npz")
    return {"hearts": "hearts.npz", "attributes": [dict(heart.attributes) for heart in hearts]}


def modes_job(*, folder: Path, progress: Progress, population: str = "population.npz") -> dict[str, Any]:
    """The modes of variation of a population; writes modes.npz. See `LatentSpace`."""
    progress(0, 2, "Finding the modes of variation")
    space = LatentSpace.fit(load_population(folder / population).lesions)
    progress(1, 2, "Storing the modes")
    ModeSpace.of(space).save(folder / "modes.npz")
    return {"modes": "modes.npz", "dimensions": space.dimensions, "parts": space.parts}


def compare_job(
    *,
    folder: Path,
    progress: Progress,
    population: str = "population.npz",
    model: str = "model.json",
    lesions: int = COMPARED_LESIONS,
    seed: int = 0,
) -> dict[str, Any]:
    """Attributes of real infarcts beside those of a model; writes synthetic.npz (the drawn population).

    ValueError when the model was made for another reference.
    """
    progress(0, 2, f"Drawing {lesions} lesions")
    real, personalized = load_population(folder / population), load_model(folder / model)
    if asdict(personalized.model.anatomy) != asdict(real.anatomy):
        raise ValueError(
            f"The population lies on {real.anatomy} and the model on {personalized.model.anatomy}. Choose a "
            "model that was personalized in the same dimension, or align the population anew."
        )
    drawn = personalized.sample(lesions, np.random.default_rng(seed))
    progress(1, 2, "Comparing")
    names = tuple(f"lesion {number + 1}" for number in range(lesions))
    save_population(InfarctPopulation(real.anatomy, drawn, names), folder / "synthetic.npz")
    compared = compare_populations(real.lesions, drawn, real.anatomy)
    return {"synthetic": "synthetic.npz", "comparison": [asdict(row) for row in compared]}


def study_job(
    *,
    folder: Path,
    progress: Progress,
    study: str,
    directory: str,
    population: str = "population.npz",
    launches: int | None = None,
    settings: Mapping[str, Any] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """A study of konik-2024, resumed where it stopped; results in `directory`. See `run_study`."""
    planned = named_study(study, None if settings is None else PersonalizationSettings(**settings), launches)
    result = run_study(
        planned, load_population(folder / population), folder / directory, workers=workers, progress=progress
    )
    rows, columns = result.labels()
    return {
        "title": result.study.title,
        "row_title": result.study.row_title,
        "column_title": result.study.column_title,
        "rows": rows,
        "columns": columns,
        "losses": result.losses(),
        "means": result.means(),
        "failed": [reason for _, reason in result.failed],
        "table": result.table,
        "picture": result.picture,
    }
