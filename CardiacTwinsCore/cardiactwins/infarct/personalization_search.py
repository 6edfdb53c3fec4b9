"""The search behind a personalization: CMA-ES from the start and from scouted points, and a polish."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress
from cardiactwins.infarct.evaluation import Evaluator
from cardiactwins.infarct.model import InfarctModel, checked_parameters
from cardiactwins.infarct.personalization_outcome import PersonalizationHistory, PersonalizationSettings

__all__ = ["PersonalizationSearch"]

JUDGING_POPULATIONS = 5
SCALES_APART = 2.0
STAGNATION_WINDOW = 8
NARROWEST_STEP = 0.1


class PersonalizationSearch:
    """CMA-ES descents that share an evaluator and write one history.

    stops: why each descent ended. progress: called after every generation with its values.
    """

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
        spreads: list[NDArray[np.float64]] = []

        def away_from_ends(scout: NDArray[np.float64]) -> bool:
            return min(np.linalg.norm((scout - end) / scale) for end in ends) > SCALES_APART

        point = start
        while point is not None and len(ends) < settings.searches:
            number = len(ends)
            stage = f"search {number + 1}"
            ends.append(self.descend(stage, point, number))
            spreads.append(self.records[-1]["spread"])
            if self._confident:
                return ends[-1]
            point = next(filter(away_from_ends, scouts), None)
        best = self.best_of(ends) if len(ends) > 1 else 0
        return self.polish(ends[best], spreads[best]) if settings.polish_generations else ends[best]

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

    def best_of(self, ends: list[NDArray[np.float64]]) -> int:
        """Which point ranks first over populations of the search's size that no search has used.

        Not of the polish's size: the more synthetic lesions stand against the real ones, the lower is the
        pooled divergence of lesions that are all alike.
        """
        settings = self.settings
        numbers = range(settings.searches, settings.searches + JUDGING_POPULATIONS)
        losses = [self._judged(np.array(ends), settings.lesions, number) for number in numbers]
        if settings.polish_loss == "own":
            return int(np.argmin(np.mean(losses, axis=0)))
        return int(np.argmin(np.sum([summed_ranks(one) for one in losses], axis=0)))

    def _judged(self, candidates: NDArray[np.float64], lesions: int, population: int) -> NDArray[np.float64]:
        """Losses of candidates, (n, 1), or with the discrepancy, (n, 2)."""
        both = self.settings.polish_loss == "both"
        measure = self.evaluator.loss.with_discrepancy if both else None
        losses = self.evaluator(candidates, lesions=lesions, population=population, measure=measure)
        return losses.reshape(len(candidates), -1)

    def descend(self, stage: str, start: NDArray[np.float64], population: int) -> NDArray[np.float64]:
        """One search from `start`; returns the mean of its distribution at the end, (d,).

        population: number of the one that judges all candidates, where draws are common to them.
        """
        settings = self.settings

        def losses(candidates: NDArray[np.float64], generation: int) -> NDArray[np.float64]:
            return self.evaluator(candidates, lesions=settings.lesions, population=population)

        return self._descent(stage, start, settings.generations, settings.step * self._unit, losses)

    def polish(self, start: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
        """A last search with small steps; returns the mean over its second half, (d,).

        spread: that of the search that ended at `start`, which says how far apart the steps of the parameters
        should be. Every generation has a large population of its own that judges its candidates, and the mean
        over generations averages over these: one population would lead all of them to its own optimum.
        """
        settings = self.settings
        first = settings.searches + JUDGING_POPULATIONS
        shape = spread / self._unit
        unit = self._unit * np.maximum(shape / shape.max(), NARROWEST_STEP)

        def losses(candidates: NDArray[np.float64], generation: int) -> NDArray[np.float64]:
            return self._judged(candidates, settings.polish_lesions, first + generation)

        return self._descent(
            "polish",
            start,
            settings.polish_generations,
            settings.polish_step * unit,
            losses,
            averaged=True,
        )

    def _descent(
        self,
        stage: str,
        start: NDArray[np.float64],
        generations: int,
        steps: NDArray[np.float64],
        losses_of: Callable[[NDArray[np.float64], int], NDArray[np.float64]],
        *,
        averaged: bool = False,
    ) -> NDArray[np.float64]:
        """One run of CMA-ES from `start`; returns the mean of its distribution at the end, (d,).

        steps: initial standard deviations, (d,). losses_of: losses of n candidates in a generation, (n,) or
        the loss and more, (n, measures), which are ranked together. averaged: the mean is averaged over the
        second half of the generations.
        """
        import cma

        step = float(steps.max() / self._unit.max())
        strategy = cma.CMAEvolutionStrategy(start, step, self._options(steps / step))
        self._limit_spread(strategy)
        stop = f"{generations} generations"
        means = []
        for generation in range(generations):
            candidates = strategy.ask()
            losses = losses_of(checked_parameters(self.model, candidates), generation)
            losses = losses.reshape(len(candidates), -1)
            order = losses[:, 0] if losses.shape[1] == 1 else summed_ranks(losses)
            strategy.tell(candidates, order.tolist())
            self._limit_spread(strategy)
            means.append(np.asarray(strategy.result.xfavorite, dtype=float))
            mean = np.mean(means[len(means) // 2 :], axis=0) if averaged else means[-1]
            self._record(stage, strategy, mean, losses[:, 0])
            ended = next(self._stops(mean, losses[:, 0]), None)
            if ended:
                stop = ended
                break
        self.stops.append(f"{stage}: {stop}")
        return checked_parameters(self.model, mean)

    @property
    def _unit(self) -> NDArray[np.float64]:
        """What a step of 1 is to each parameter, (d,)."""
        lower, upper = self._bounds
        return {
            "identity": np.ones(len(lower)),
            "scale": np.array([parameter.scale for parameter in self.model.parameters]),
            "range": (upper - lower) / 4,
        }[self.settings.step_unit]

    def _options(self, unit: NDArray[np.float64]) -> dict:
        lower, upper = self._bounds
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

    def _record(self, stage: str, strategy, mean: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        """One row of the history. The condition is taken anew, as pycma's own is a generation old."""
        covariance = strategy.sigma**2 * np.asarray(strategy.C)
        eigenvalues = np.sort(np.linalg.eigvalsh(covariance))[::-1]
        record = {
            "stage": stage,
            "loss": float(losses.min()),
            "mean_loss": float(losses.mean()),
            "parameters": mean,
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

    def _stops(self, mean: NDArray[np.float64], losses: NDArray[np.float64]) -> Iterator[str]:
        """Reasons to end a search after this generation (konik-2024, 2.3.2; mom-2021, 2.3)."""
        settings = self.settings
        if self.records[-1]["condition"] > settings.condition:
            yield f"condition number above {settings.condition:g}"
        if settings.threshold and losses.min() < settings.threshold and self._confirmed(mean):
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

    def _confirmed(self, mean: NDArray[np.float64]) -> bool:
        settings = self.settings
        if not settings.confirmations:
            return True
        best = checked_parameters(self.model, mean)
        return bool(self.evaluator.fresh(best, settings.confirmations).mean() < settings.threshold)

    def history(self) -> PersonalizationHistory:
        """The records of all stages."""
        columns = {key: [record[key] for record in self.records] for key in self.records[0]}
        stage = tuple(columns.pop("stage"))
        return PersonalizationHistory(stage=stage, **{key: np.array(value) for key, value in columns.items()})


def summed_ranks(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the ranks of candidates by each measure, (n, measures) -> (n,); the first parts ties."""
    ranks = losses.argsort(axis=0).argsort(axis=0)
    return ranks.sum(axis=1) + ranks[:, 0] / len(ranks)
