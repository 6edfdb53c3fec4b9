"""Choosing and comparing rows of the study's figures: the best fit, paired differences, their interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

__all__ = [
    "at_random",
    "best",
    "combinations",
    "dimensions",
    "log_ratios",
    "models_of",
    "of",
    "resampled_interval",
]

Row = Mapping


def dimensions(figures: Mapping) -> list[str]:
    return list(dict.fromkeys(row["dimension"] for row in figures["aligned"]))


def models_of(figures: Mapping, function: str = "fitted", dimension: str = "2D") -> list[str]:
    """Models that a kind of cell was run with."""
    return list(dict.fromkeys(row["model"] for row in figures[function] if row["dimension"] == dimension))


def combinations(figures: Mapping) -> list[tuple[str, str, str]]:
    """(dimension, loss, model) of all fits, by dimension and loss."""
    found = dict.fromkeys((row["dimension"], row["loss"], row["model"]) for row in figures["fitted"])
    losses = list(dict.fromkeys(loss for _, loss, _ in found))
    return sorted(found, key=lambda key: (key[0], losses.index(key[1])))


def of(rows: Sequence[Row], dimension: str, model: str, loss: str, turn: int | None = 0) -> list[Row]:
    """Rows of one dimension, model and loss; turn: of the insertion, None: any."""
    chosen = [r for r in rows if (r["dimension"], r["model"], r["loss"]) == (dimension, model, loss)]
    return chosen if turn is None else [row for row in chosen if row["turn"] == turn]


def best(figures: Mapping, dimension: str, model: str, loss: str) -> Row:
    """The fit that ended lowest, of all seeds of the search."""
    return min(of(figures["fitted"], dimension, model, loss), key=lambda row: row["loss_fresh_mean"])


def at_random(figures: Mapping, dimension: str, model: str, loss: str) -> dict[tuple, float]:
    """Loss on the unseen half by random split."""
    rows = of(figures["held_out"], dimension, model, loss, turn=None)
    return {(r["split"], r["swap"]): r["unseen"][loss][0] for r in rows if r["split"] != "names"}


def log_ratios(figures: Mapping, dimension: str, model: str, loss: str) -> list[float]:
    """log(loss of a model / loss of the wavefront model) on the same unseen half, one a random split."""
    ours = at_random(figures, dimension, "wavefront", loss)
    theirs = at_random(figures, dimension, model, loss)
    return [float(np.log(value / ours[split])) for split, value in theirs.items()]


def resampled_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % limits of a paired difference over random halves (Nadeau and Bengio 2003, section 4.1).

    Random halves of the same patients overlap, so that their spread alone promises too much: its square
    counts 1/J + 1 times for J halves, as test and training half are of one size.
    """
    values = np.asarray(differences, dtype=float)
    error = values.std(ddof=1) * np.sqrt(1 / len(values) + 1)
    reach = student.ppf(0.975, len(values) - 1) * error
    return float(values.mean()), float(values.mean() - reach), float(values.mean() + reach)
