"""Designs of experiments: which combinations of targets to make hearts for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats.qmc import LatinHypercube

from cardiactwins.twin.soft_measures import measure_named
from cardiactwins.twin.targets import Target

__all__ = ["grid_design", "latin_hypercube_design"]


def grid_design(levels: Mapping[str, Sequence[float]]) -> list[tuple[Target, ...]]:
    """Every combination of the values (ml, mm) of each measure, the last measure changing fastest.

    ValueError without measures, for an unknown one, and for one without values.
    """
    names = [measure_named(name) for name in levels]
    if not names or not all(len(values) for values in levels.values()):
        raise ValueError("A grid needs at least one measure, and a value for each.")
    return [
        tuple(Target(name, float(value)) for name, value in zip(names, values, strict=True))
        for values in itertools.product(*levels.values())
    ]


def latin_hypercube_design(
    ranges: Mapping[str, tuple[float, float]], number: int, rng: np.random.Generator
) -> list[tuple[Target, ...]]:
    """`number` combinations in which every measure takes one value in each of `number` equal parts of its
    range (ml, mm), spread evenly (scipy's Latin hypercube, its centered discrepancy lowered by exchanges).

    ValueError without measures, for an unknown one, a range that does not rise, and number < 1.
    """
    names = [measure_named(name) for name in ranges]
    low, high = np.array(list(ranges.values()), dtype=float).reshape(-1, 2).T
    if not names or number < 1 or not (low < high).all():
        raise ValueError(
            "A Latin hypercube needs a number of hearts, and for each measure a range that rises."
        )
    engine = LatinHypercube(len(names), rng=rng, optimization="random-cd" if number > 1 else None)
    values = low + engine.random(number) * (high - low)
    return [
        tuple(Target(name, float(value)) for name, value in zip(names, row, strict=True)) for row in values
    ]
