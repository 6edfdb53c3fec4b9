"""Studies of the personalization: how its outcome depends on start, search, bandwidth and loss."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.scheduling import CellOutcome, run_cells
from cardiactwins.infarct.alignment import start_zone
from cardiactwins.infarct.archive import load_population, save_population
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.infarct.study_files import write_study

__all__ = [
    "Study",
    "StudyResult",
    "estimate_seconds",
    "grid_study",
    "run_study",
]


@dataclass(frozen=True)
class Study:
    """Personalizations to be run and how to lay them out.

    cells: one a personalization, JSON-able: model, loss, neighbours, start, settings, launch, seed, and its
    place (row, column) in the table. row_title, column_title: what rows and columns are. slices: 1 for a 2D
    population, 0 for any 3D one.
    """

    name: str
    title: str
    row_title: str
    column_title: str
    cells: tuple[Mapping[str, Any], ...]
    slices: int = 1


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found.

    rows: one dict a finished cell (start, seed, final parameters, loss on fresh draws, ...). failed: cells
    that raised, with the reason. table, picture: files; beside them stand `<name>.means.csv` (`means`) and
    `<name>.curves.csv` and `.curves.png` (`curves`).
    """

    study: Study
    rows: list[dict[str, Any]]
    failed: list[tuple[Mapping[str, Any], str]]
    table: Path | None = None
    picture: Path | None = None

    def means(self) -> list[dict[str, Any]]:
        """One dict a place of the table: mean and standard deviation of parameters and loss over launches."""
        places: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in self.rows:
            places.setdefault((row["row"], row["column"]), []).append(row)
        means = []
        for (row, column), group in places.items():
            parameters = np.array([one["parameters"] for one in group])
            losses = np.array([one["loss"] for one in group])
            means.append(
                {
                    "row": row,
                    "column": column,
                    "launches": len(group),
                    "parameters": parameters.mean(axis=0).tolist(),
                    "parameters_std": parameters.std(axis=0).tolist(),
                    "loss": float(losses.mean()),
                    "loss_std": float(losses.std()),
                }
            )
        return means

    def curves(self) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Best loss of each generation at each place of the table, (launches, generations).

        A launch that ended early keeps its last loss (konik-2024, figure 4).
        """
        curves: dict[tuple[str, str], list[list[float]]] = {}
        for row in self.rows:
            curves.setdefault((row["row"], row["column"]), []).append(row["losses"])
        longest = {place: max(map(len, losses)) for place, losses in curves.items()}
        return {
            place: np.array([one + one[-1:] * (longest[place] - len(one)) for one in losses])
            for place, losses in curves.items()
        }

    def labels(self) -> tuple[list[str], list[str]]:
        """Rows and columns of the table, in the order of the study's cells."""
        cells = self.study.cells
        return list(dict.fromkeys(cell["row"] for cell in cells)), list(
            dict.fromkeys(cell["column"] for cell in cells)
        )

    def losses(self) -> NDArray[np.float64]:
        """Mean loss of each place of the table (rows, columns); NaN where nothing was finished."""
        rows, columns = self.labels()
        losses = np.full((len(rows), len(columns)), np.nan)
        for place in self.means():
            losses[rows.index(place["row"]), columns.index(place["column"])] = place["loss"]
        return losses


def grid_study(
    name: str,
    title: str,
    model: str,
    places: Mapping[tuple[str, str], Mapping[str, Any]],
    *,
    launches: int = 10,
    settings: PersonalizationSettings | None = None,
    row_title: str = "",
    column_title: str = "",
    slices: int = 1,
) -> Study:
    """A study with `launches` personalizations a place, seeds 0, 1, ...

    model: a name of `MODELS`, or "module:name" of what makes a model of one's own from a reference and a
    start zone; workers must be able to import it. places: (row, column) -> what differs there: start, and any
    of model, loss, neighbours, bandwidth, and settings (a dict of `PersonalizationSettings`). Every launch
    has a seed of its own, also between places.
    """
    settings = settings or PersonalizationSettings()
    cells = []
    for number, ((row, column), place) in enumerate(places.items()):
        changed = replace(settings, **place.get("settings", {}))
        for launch in range(launches):
            cells.append(
                {
                    "model": place.get("model", model),
                    "loss": place.get("loss", "KL_full"),
                    "neighbours": place.get("neighbours", 9),
                    "bandwidth": place.get("bandwidth"),
                    "start": [float(value) for value in place["start"]],
                    "settings": asdict(changed),
                    "seed": launches * number + launch,
                    "launch": launch,
                    "row": row,
                    "column": column,
                }
            )
    return Study(name, title, row_title, column_title, tuple(cells), slices)


def run_study(
    study: Study,
    population: InfarctPopulation,
    directory: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress = silent,
) -> StudyResult:
    """Run what is not finished of a study; writes `<name>.csv` and `<name>.png` (heat map) to `directory`.

    Means over launches and curves of the loss are written beside them, see `StudyResult`. A study that was
    killed goes on where it stopped; finished cells are never run again, also when the folder has been moved.
    workers, scheduler, progress: see `run_cells`. ValueError for a population of the wrong dimension; a cell
    that raises is listed in `failed` and the others go on.
    """
    _check_dimension(study, population)
    directory = Path(directory)
    digest = _digest(population)
    stored = directory / f"population-{digest}.npz"
    if not stored.exists():
        save_population(population, stored)
    outcomes = run_cells(
        "cardiactwins.infarct.studies:personalize_cell",
        [{**cell, "digest": digest} for cell in study.cells],
        directory / "cells",
        places={"population": str(stored.resolve())},
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )
    rows = [_row(outcome) for outcome in outcomes if outcome.error is None]
    failed = [(outcome.cell, outcome.error) for outcome in outcomes if outcome.error is not None]
    return write_study(StudyResult(study, rows, failed), directory)


def personalize_cell(
    *,
    population: str,
    model: str,
    loss: str,
    neighbours: int,
    bandwidth: float | None,
    start: Sequence[float],
    settings: Mapping[str, Any],
    seed: int,
    **place: Any,
) -> dict[str, Any]:
    """One personalization of a study, on one thread; plain values."""
    real = _population(population)
    instance = _model(model, real)
    found = personalize(
        real,
        instance,
        loss=PopulationLoss(real.anatomy, real.lesions, loss, neighbours=neighbours, bandwidth=bandwidth),
        start=start,
        settings=PersonalizationSettings(**settings),
        seed=seed,
        workers=1,
    )
    return {
        "parameter_names": list(found.parameter_names),
        "parameters": found.parameters.tolist(),
        "loss": found.loss,
        "loss_error": found.loss_error,
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "stop": list(found.stop),
        "losses": found.history.loss.tolist(),
    }


def estimate_seconds(study: Study, population: InfarctPopulation, workers: int = 1) -> float:
    """Seconds the whole study takes on `workers` cores, from a few evaluations at first and last start.

    ValueError for a population of the wrong dimension.
    """
    _check_dimension(study, population)
    total = 0.0
    for cell in (study.cells[0], study.cells[-1]):
        settings = PersonalizationSettings(**cell["settings"])
        model = _model(cell["model"], population)
        loss = PopulationLoss(population.anatomy, population.lesions, cell["loss"])
        draws = PopulationDraws(model, settings.lesions, settings.draws, 0)
        loss(draws.lesions(cell["start"], 0))
        began = time.perf_counter()
        for number in range(3):
            loss(draws.lesions(cell["start"], number))
        one = (time.perf_counter() - began) / 3
        evaluations = settings.scouts + settings.candidates * (
            settings.searches * settings.generations
            + settings.polish_generations * settings.polish_lesions / settings.lesions
        )
        total += one * evaluations
    return total / 2 * len(study.cells) / workers


def _check_dimension(study: Study, population: InfarctPopulation) -> None:
    if (study.slices == 1) == population.anatomy.is_3d:
        wanted = "a 2D" if study.slices == 1 else "a 3D"
        raise ValueError(
            f"The study '{study.name}' needs {wanted} population; this one has "
            f"{population.anatomy.slices} slices."
        )


def _digest(population: InfarctPopulation) -> str:
    """Hash of all of a population that a personalization sees: the lesions and their reference."""
    lesions = np.packbits(population.lesions).tobytes()
    return hashlib.sha256(lesions + repr(population.anatomy).encode()).hexdigest()[:16]


def _model(name: str, population: InfarctPopulation) -> InfarctModel:
    """A model whose lesions start where the population's lie."""
    make = resolve_function(name) if ":" in name else partial(make_model, name)
    return make(population.anatomy, start_zone(population))


@lru_cache(maxsize=2)
def _population(path: str) -> InfarctPopulation:
    return load_population(path)


def _row(outcome: CellOutcome) -> dict[str, Any]:
    kept = ("row", "column", "launch", "seed", "model", "loss", "neighbours", "bandwidth", "start")
    cell = {key: outcome.cell[key] for key in kept}
    cell["loss_kind"] = cell.pop("loss")
    return {**cell, **outcome.result}
