"""Designs of experiments at the command line: which combinations of measures to make siblings for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

__all__ = ["Grid", "Latin", "design_of"]

Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        help="Several values of a measure, as 'RV volume=120,150,180'; repeatable, for every combination.",
    ),
]
Latin = Annotated[
    list[str] | None,
    typer.Option(
        "--latin",
        help="A range of a measure, as 'RV volume=120:180'; repeatable: --number hearts are spread evenly "
        "over the ranges (Latin hypercube).",
    ),
]


def design_of(
    grid: Sequence[str] | None,
    latin: Sequence[str] | None,
    targets: Sequence[str] | None,
    number: int,
    seed: int,
) -> list[tuple[str, ...]]:
    """The targets of each sibling: those of a design, with the ones that all siblings have in common.

    A grid makes `number` siblings of each combination, a Latin hypercube `number` in all, and without a
    design there are `number` siblings of the common targets. ValueError for what is no design, and for both.
    """
    common = tuple(targets or ())
    if not grid and not latin:
        return [common] * number
    if grid and latin:
        raise ValueError("--grid and --latin are two designs: give one of them.")

    import numpy as np

    from cardiactwins.twin.designs import grid_design, latin_hypercube_design

    if grid:
        levels = {}
        for text in grid:
            measure, values = _parts(text, "--grid", "RV volume=120,150,180", ",")
            levels[measure] = values
        plans = [plan for plan in grid_design(levels) for _ in range(number)]
    else:
        ranges = {}
        for text in latin or ():
            measure, values = _parts(text, "--latin", "RV volume=120:180", ":")
            if len(values) != 2:
                raise ValueError(f"--latin takes a range of a measure, as RV volume=120:180; found '{text}'.")
            ranges[measure] = (values[0], values[1])
        plans = latin_hypercube_design(ranges, number, np.random.default_rng(seed))
    return [(*common, *(str(target) for target in plan)) for plan in plans]


def _parts(text: str, option: str, example: str, between: str) -> tuple[str, list[float]]:
    """Measure and numbers of 'RV volume=120,150'. ValueError that names the option."""
    measure, equals, numbers = text.partition("=")
    try:
        values = [float(part) for part in numbers.split(between)]
    except ValueError:
        values = []
    if not measure.strip() or not equals or not values:
        raise ValueError(f"{option} takes a measure and numbers, as '{example}'; found '{text}'.")
    return measure, values
