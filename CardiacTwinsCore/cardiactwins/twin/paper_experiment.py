"""The edits of Kadry et al. 2023, sections 4.2 and 4.3: four seed hearts, five psi and two masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.frechet import standardised
from cardiactwins.twin.recipe import Recipe

__all__ = [
    "LOCAL_EDITS",
    "PSIS",
    "SEED_HEARTS",
    "Experiment",
    "bias_rows",
    "paper_experiment",
    "seed_hearts",
    "violation_rows",
]

SEED_HEARTS: Mapping[str, tuple[float, float]] = {
    "L+R+": (1.5, 1.5),
    "L-R-": (-1.5, -1.5),
    "L+R=": (1.5, 0.0),
    "L=R=": (0.0, 0.0),
}
"""Seed hearts and where they lie: volumes of LV and RV, in standard deviations from the mean."""

COMMON = 0.5
PSIS = (0.35, 0.5, 0.65, 0.8, 1.0)

LOCAL_EDITS: Mapping[str, tuple[str, ...]] = {
    f"{chamber} edit": tuple(name for name in TISSUE_NAMES.values() if name not in (chamber, "Myo"))
    for chamber in ("RV", "LV")
}
"""Localized edits and what they keep: all but a ventricle and the myocardium, which varies with it."""


@dataclass(frozen=True)
class Experiment:
    """Recipes by cohort: (row, seed heart), with rows such as "psi 0.35" and "RV edit"."""

    recipes: Mapping[tuple[str, str], tuple[Recipe, ...]]

    def all(self) -> list[Recipe]:
        """The recipes of all cohorts."""
        return [recipe for cohort in self.recipes.values() for recipe in cohort]


def seed_hearts(population: Cohort) -> dict[str, str]:
    """Name of the heart of a population that is nearest to each of SEED_HEARTS, each heart taken once.

    ValueError for fewer than four hearts.
    """
    if len(population) < len(SEED_HEARTS):
        raise ValueError(f"The experiment needs {len(SEED_HEARTS)} seed hearts; found {len(population)}.")
    volumes = np.stack([population.measure("LV volume"), population.measure("RV volume")], axis=1)
    scores = standardised(volumes, volumes)
    free = np.ones(len(population), dtype=bool)
    chosen = {}
    for label, place in SEED_HEARTS.items():
        away = np.where(free, np.linalg.norm(scores - place, axis=1), np.inf)
        nearest = int(np.argmin(away))
        free[nearest] = False
        chosen[label] = population.names[nearest]
    return chosen


def paper_experiment(
    seeds: Mapping[str, str],
    *,
    number: int = 60,
    psis: Sequence[float] = PSIS,
    edits: Mapping[str, Sequence[str]] = LOCAL_EDITS,
    first_seed: int = 0,
    **values: Any,
) -> Experiment:
    """The recipes: `number` siblings a cohort, a cohort for each psi and edit of each seed heart.

    seeds: label -> name of the twin, as of `seed_hearts`. values: further settings of every recipe, such as
    steps. A sibling's seed counts on from `first_seed` through the whole experiment, so that no two share
    their noise.
    """
    recipes: dict[tuple[str, str], tuple[Recipe, ...]] = {}
    rows: list[tuple[str, dict[str, Any]]] = [
        (f"psi {psi:g}", {"kind": "perturbational", "psi": psi}) for psi in psis
    ]
    rows += [(name, {"kind": "localized", "keep": tuple(keep)}) for name, keep in edits.items()]
    start = first_seed
    for label, twin in seeds.items():
        for row, settings in rows:
            recipes[row, label] = tuple(
                Recipe(twin=twin, seed=start + index, **settings, **values) for index in range(number)
            )
            start += number
    return Experiment(recipes)


def violation_rows(
    cohorts: Mapping[tuple[str, str], Cohort], autoencoded: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """TV % by row and seed heart, as tables 2 and 3. autoencoded: TV % of the autoencoded seed hearts."""
    seeds = list(dict.fromkeys(seed for _, seed in cohorts))
    rows = [] if autoencoded is None else [{"TV (%)": "original, autoencoded", **autoencoded}]
    for row in dict.fromkeys(row for row, _ in cohorts):
        values = {
            seed: cohorts[row, seed].violations_percent if (row, seed) in cohorts else float("nan")
            for seed in seeds
        }
        rows.append({"TV (%)": row, **values})
    return rows


def bias_rows(
    cohorts: Mapping[tuple[str, str], Cohort], population: Cohort, seeds: Mapping[str, str]
) -> list[dict[str, Any]]:
    """How far edits draw hearts to the common ones (figures 6 and 8), one row a cohort.

    "distance": of the cohort's mean LV and RV volume from the population's, in standard deviations.
    "seed distance": the same of the seed heart. "drawn in": 1 - distance / seed distance; 0 where siblings
    stay where the seed heart is, 1 where they lie at the population's mean; NaN for a seed heart that is a
    common one itself, within half a deviation of the mean. "LV SD", "RV SD": standard
    deviation of either volume, as share of the population's.
    """

    def volumes(cohort: Cohort) -> np.ndarray:
        return np.stack([cohort.measure("LV volume"), cohort.measure("RV volume")], axis=1)

    whole = volumes(population)
    deviation = whole.std(axis=0)
    rows = []
    for (row, label), cohort in cohorts.items():
        seed = population.names.index(seeds[label])
        own, made = standardised(whole[[seed]], whole)[0], standardised(volumes(cohort), whole)
        distance, before = float(np.linalg.norm(made.mean(axis=0))), float(np.linalg.norm(own))
        spread = volumes(cohort).std(axis=0) / deviation
        rows.append(
            {
                "edit": row,
                "seed heart": label,
                "seed distance": before,
                "distance": distance,
                "drawn in": 1 - distance / before if before >= COMMON else float("nan"),
                "LV SD": float(spread[0]),
                "RV SD": float(spread[1]),
            }
        )
    return rows
