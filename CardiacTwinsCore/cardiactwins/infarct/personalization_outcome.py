"""What a personalization is asked for and what comes of it: settings, history, optimum."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiactwins.infarct.draws import DRAWS

__all__ = ["Personalization", "PersonalizationHistory", "PersonalizationSettings"]


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
    the best of all ends, with smaller steps and larger populations, a new one every generation; it ends at
    the mean over its second half. polish_loss: what judges the ends of the searches and the polish's
    candidates, "own" - the loss alone; "both" - the sum of the candidates' ranks by the loss and by the
    discrepancy, see `PopulationLoss.with_discrepancy`.
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
    polish_loss: str = "both"

    def __post_init__(self) -> None:
        if self.draws not in DRAWS:
            raise ValueError(f"Draws are one of {', '.join(DRAWS)}; found {self.draws!r}.")
        if self.step_unit not in ("identity", "scale", "range"):
            raise ValueError(f"A step unit is 'identity', 'scale' or 'range'; found {self.step_unit!r}.")
        if self.polish_loss not in ("own", "both"):
            raise ValueError(f"A polish's loss is 'own' or 'both'; found {self.polish_loss!r}.")
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
    parameters: (G, d) mean of the search distribution, averaged over the second half of a polish so far.
    spread: (G, d) standard deviations of the distribution. eigenvalues: (G, d) of its covariance, in squared
    units of the initial steps. condition: (G,).
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
