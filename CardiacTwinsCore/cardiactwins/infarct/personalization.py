"""Population-wise personalization: parameters of a random model that make its lesions like the real ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.draws import DRAWS
from cardiactwins.infarct.evaluation import Evaluator, run_fingerprint
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel, checked_parameters
from cardiactwins.infarct.population import InfarctPopulation

__all__ = ["Personalization", "PersonalizationHistory", "PersonalizationSettings", "personalize"]


@dataclass(frozen=True)
class PersonalizationSettings:
    """How the parameters are searched. The defaults do not depend on the start; `paper()` is konik-2024, 3.1.

    lesions: synthetic lesions P of one population. candidates, parents: lambda and mu of CMA-ES. generations:
    at most M a search. threshold: loss that ends the run (0: never) once confirmed on `confirmations` fresh
    populations (0: at once). condition: largest condition number of the covariance matrix. stagnation: a
    search ends when mean and spread have moved less than this share of the parameters' scales for 8
    generations (0: never; mom-2021, 2.3). step: initial standard deviation in units of `step_unit`:
    "identity" - 1 pixel or sphere for every parameter (the papers' identity covariance); "scale" - each
    parameter's own scale; "range" - a quarter of the bounds (large start). draws: see `PopulationDraws`.
    searches: the first goes out from the start, each other from the best of `scouts` Sobol points over the
    bounds that lies away from the earlier ends (no scouts: one search); parameters with a positive lower
    bound are scouted by their logarithm. polish_generations, polish_lesions, polish_step: a last search from
    the best of all ends, with smaller steps and larger populations.
    """

    lesions: int = 100
    candidates: int = 15
    parents: int = 3
    generations: int = 16
    threshold: float = 0.0
    confirmations: int = 5
    condition: float = 1e14
    stagnation: float = 0.02
    step: float = 1.0
    step_unit: str = "scale"
    draws: str = "quasi-random"
    searches: int = 3
    scouts: int = 128
    polish_generations: int = 15
    polish_lesions: int = 256
    polish_step: float = 0.3

    def __post_init__(self) -> None:
        if self.draws not in DRAWS:
            raise ValueError(f"Draws are one of {', '.join(DRAWS)}; found {self.draws!r}.")
        if self.step_unit not in ("identity", "scale", "range"):
            raise ValueError(f"A step unit is 'identity', 'scale' or 'range'; found {self.step_unit!r}.")
        if not 1 <= self.parents <= self.candidates:
            raise ValueError(f"{self.parents} parents cannot be chosen from {self.candidates} candidates.")
        if min(self.lesions, self.polish_lesions) < 10 or self.candidates < 2 or self.generations < 1:
            raise ValueError("A personalization needs at least 10 lesions, 2 candidates and 1 generation.")
        if self.searches < 1 or self.scouts < 0 or self.polish_generations < 0:
            raise ValueError(
                "A personalization needs at least 1 search; scouts and generations are not negative."
            )

    @property
    def total_generations(self) -> int:
        """Generations of all searches and the polish, if none ends early."""
        return self.searches * self.generations + self.polish_generations

    @classmethod
    def paper(cls, **changes) -> PersonalizationSettings:
        """konik-2024, 3.1: lambda 15, mu 3, M 34, threshold 0.004, identity covariance, independent draws."""
        settings = cls(
            generations=34,
            threshold=0.004,
            confirmations=0,
            stagnation=0.0,
            step_unit="identity",
            draws="independent",
            searches=1,
            scouts=0,
            polish_generations=0,
        )
        return replace(settings, **changes)


@dataclass(frozen=True, eq=False)
class PersonalizationHistory:
    """What happened in each generation g of G, for plots and tables.

    stage: (G,) names ("search 1", ..., "polish"). loss: (G,) best loss of the generation; mean_loss: (G,).
    parameters: (G, d) mean of the search distribution. spread: (G, d) its standard deviations. eigenvalues:
    (G, d) of the covariance, in squared units of the initial steps. condition: (G,).
    """

    stage: tuple[str, ...]
    loss: NDArray[np.float64]
    mean_loss: NDArray[np.float64]
    parameters: NDArray[np.float64]
    spread: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    condition: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Personalization:
    """The outcome of `personalize`.

    parameters: (d,) optimum. loss, loss_error: mean and standard error of the loss on 20 fresh independent
    populations at the optimum. start: (d,). stop: why each stage ended. evaluations: losses computed,
    seconds: time they took.
    """

    model: str
    parameter_names: tuple[str, ...]
    loss_kind: str
    parameters: NDArray[np.float64]
    loss: float
    loss_error: float
    start: NDArray[np.float64]
    stop: tuple[str, ...]
    evaluations: int
    seconds: float
    seed: int
    settings: PersonalizationSettings
    history: PersonalizationHistory

    def summary(self) -> dict:
        """Plain values for a report or a table."""
        return {
            "model": self.model,
            "loss": self.loss_kind,
            "parameters": dict(zip(self.parameter_names, self.parameters.tolist(), strict=True)),
            "loss_fresh_mean": self.loss,
            "loss_fresh_standard_error": self.loss_error,
            "start": self.start.tolist(),
            "stop": list(self.stop),
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "settings": asdict(self.settings),
        }


FRESH_POPULATIONS = 20
JUDGING_POPULATIONS = 5
SCALES_APART = 2.0
STAGNATION_WINDOW = 8


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
    done = 0

    def report(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        nonlocal done
        done = step
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
        heartbeat=lambda: progress(done, settings.total_generations),
    ) as evaluator:
        search = _Search(model, settings, seed, evaluator, report)
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


class _Search:
    """CMA-ES descents that share an evaluator and write one history."""

    def __init__(
        self,
        model: InfarctModel,
        settings: PersonalizationSettings,
        seed: int,
        evaluator: Evaluator,
        progress: Progress,
    ) -> None:
        self.model = model
        self.settings = settings
        self.evaluator = evaluator
        self.progress = progress
        self.stops: list[str] = []
        self.records: list[dict] = []
        self._confident = False
        self._rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))

    @property
    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lower, upper = zip(*((p.lower, p.upper) for p in self.model.parameters), strict=True)
        return np.array(lower, dtype=float), np.array(upper, dtype=float)

    def run(self, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Search from the start and from scouts away from earlier ends; polish the best end; (d,)."""
        settings = self.settings
        scouts = self.scouts()
        scale = np.array([parameter.scale for parameter in self.model.parameters])
        ends: list[NDArray[np.float64]] = []

        def away_from_ends(scout: NDArray[np.float64]) -> bool:
            return min(np.linalg.norm((scout - end) / scale) for end in ends) > SCALES_APART

        point = start
        while point is not None and len(ends) < settings.searches:
            number = len(ends)
            stage = f"search {number + 1}"
            ends.append(
                self.descend(stage, point, settings.generations, settings.lesions, number, settings.step)
            )
            if self._confident:
                return ends[-1]
            point = next(filter(away_from_ends, scouts), None)
        best = self.best_of(ends) if len(ends) > 1 else ends[0]
        if settings.polish_generations:
            best = self.descend(
                "polish",
                best,
                settings.polish_generations,
                settings.polish_lesions,
                settings.searches,
                settings.polish_step,
            )
        return best

    def scouts(self) -> NDArray[np.float64]:
        """Sobol points over the bounds, the best first, (scouts, d); none where one search is made."""
        from scipy.stats import qmc

        lower, upper = self._bounds
        settings = self.settings
        if settings.searches == 1 or not settings.scouts:
            return np.empty((0, len(lower)))
        sobol = qmc.Sobol(len(lower), scramble=True, rng=self._rng)
        shares = sobol.random_base2(int(np.ceil(np.log2(settings.scouts))))[: settings.scouts]
        ratio = np.divide(upper, lower, out=np.ones_like(upper), where=lower > 0)
        points = np.where(lower > 0, lower * ratio**shares, lower + shares * (upper - lower))
        points = checked_parameters(self.model, np.clip(points, lower, upper))
        return points[np.argsort(self.evaluator(points, lesions=settings.lesions))]

    def best_of(self, ends: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The point of least mean loss over populations of the search's size that no search has used.

        Not of the polish's size: the more synthetic lesions stand against the real ones, the lower is the
        pooled divergence of lesions that are all alike.
        """
        numbers = range(self.settings.searches, self.settings.searches + JUDGING_POPULATIONS)
        losses = [
            self.evaluator(np.array(ends), lesions=self.settings.lesions, population=number)
            for number in numbers
        ]
        return ends[int(np.argmin(np.mean(losses, axis=0)))]

    def descend(
        self,
        stage: str,
        start: NDArray[np.float64],
        generations: int,
        lesions: int,
        population: int,
        step: float,
    ) -> NDArray[np.float64]:
        """One run of CMA-ES from `start`; returns the mean of the search distribution at its end.

        lesions: of a synthetic population. population: number of the one that judges all candidates, where
        draws are common to them.
        """
        import cma

        strategy = cma.CMAEvolutionStrategy(start, step, self._options())
        self._limit_spread(strategy)
        stop = f"{generations} generations"
        for _ in range(generations):
            candidates = strategy.ask()
            feasible = checked_parameters(self.model, candidates)
            losses = self.evaluator(feasible, lesions=lesions, population=population)
            strategy.tell(candidates, losses.tolist())
            self._limit_spread(strategy)
            self._record(stage, strategy, losses)
            ended = next(self._stops(strategy, losses), None)
            if ended:
                stop = ended
                break
        self.stops.append(f"{stage}: {stop}")
        return checked_parameters(self.model, strategy.result.xfavorite)

    def _options(self) -> dict:
        lower, upper = self._bounds
        unit = {
            "identity": np.ones(len(lower)),
            "scale": np.array([parameter.scale for parameter in self.model.parameters]),
            "range": (upper - lower) / 4,
        }[self.settings.step_unit]
        single = len(unit) == 1  # pycma limits the spread of two or more: see _limit_spread
        integers = [i for i, p in enumerate(self.model.parameters) if p.integer and not single]
        return {
            "bounds": [lower.tolist(), upper.tolist()],
            "maxstd": np.inf if single else None,
            "CMA_stds": unit.tolist(),
            "integer_variables": integers,
            "popsize": self.settings.candidates,
            "CMA_mu": self.settings.parents,
            "randn": lambda *shape: self._rng.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
        }

    def _limit_spread(self, strategy) -> None:
        """Keep the spread of an only parameter below a third of its bounds; pycma does so for two or more."""
        lower, upper = self._bounds
        if len(lower) == 1:
            strategy.sigma *= min(1.0, float((upper - lower)[0] / 3 / strategy.result.stds[0]))

    def _record(self, stage: str, strategy, losses: NDArray[np.float64]) -> None:
        """One row of the history. The condition is taken anew, as pycma's own is a generation old."""
        covariance = strategy.sigma**2 * np.asarray(strategy.C)
        eigenvalues = np.sort(np.linalg.eigvalsh(covariance))[::-1]
        record = {
            "stage": stage,
            "loss": float(losses.min()),
            "mean_loss": float(losses.mean()),
            "parameters": np.asarray(strategy.result.xfavorite, dtype=float),
            "spread": np.asarray(strategy.result.stds, dtype=float),
            "eigenvalues": eigenvalues,
            "condition": float(eigenvalues[0] / max(eigenvalues[-1], np.finfo(float).tiny)),
        }
        self.records.append(record)
        values = {key: np.asarray(value).tolist() for key, value in record.items() if key != "stage"}
        done = len(self.records)
        self.progress(
            done,
            self.settings.total_generations,
            f"{stage}: generation {done}, loss {record['loss']:.4f}",
            values,
        )

    def _stops(self, strategy, losses: NDArray[np.float64]) -> Iterator[str]:
        """Reasons to end a search after this generation (konik-2024, 2.3.2; mom-2021, 2.3)."""
        settings = self.settings
        if self.records[-1]["condition"] > settings.condition:
            yield f"condition number above {settings.condition:g}"
        if losses.min() < settings.threshold and self._confirmed(strategy):
            self._confident = True
            yield f"loss below {settings.threshold:g}"
        recent = self.records[-STAGNATION_WINDOW:]
        same_stage = len(recent) == STAGNATION_WINDOW and recent[0]["stage"] == recent[-1]["stage"]
        if settings.stagnation and same_stage:
            scale = np.array([parameter.scale for parameter in self.model.parameters])
            moves = [
                np.ptp([record[key] for record in recent], axis=0) / scale for key in ("parameters", "spread")
            ]
            if max(move.max() for move in moves) < settings.stagnation:
                yield f"mean and spread unchanged for {STAGNATION_WINDOW} generations"

    def _confirmed(self, strategy) -> bool:
        if not self.settings.confirmations:
            return True
        best = checked_parameters(self.model, strategy.result.xfavorite)
        return bool(self.evaluator.fresh(best, self.settings.confirmations).mean() < self.settings.threshold)

    def history(self) -> PersonalizationHistory:
        """The records of all stages."""
        columns = {key: [record[key] for record in self.records] for key in self.records[0]}
        stage = tuple(columns.pop("stage"))
        return PersonalizationHistory(stage=stage, **{key: np.array(value) for key, value in columns.items()})
