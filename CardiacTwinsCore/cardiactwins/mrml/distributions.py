"""Attributes of several populations side by side: histograms in tables with their charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import new_table

__all__ = ["new_distribution_chart"]

BINS = 16


def new_distribution_chart(name: str, values: Mapping[str, ArrayLike], unit: str = "") -> tuple[Any, Any]:
    """Table and chart of the histograms of one attribute, one series a population.

    values: name of a population -> values (n,); those that are not finite are left out. All share the bins;
    a point is the share of the population in a bin (%), at the bin's centre. ValueError without any value.
    """
    finite = {key: np.asarray(v, dtype=float)[np.isfinite(v)] for key, v in values.items()}
    together = np.concatenate(list(finite.values())) if finite else np.empty(0)
    if not together.size:
        raise ValueError(f"There are no values to show for '{name}'.")
    edges = np.histogram_bin_edges(together, BINS)
    columns: dict[str, ArrayLike] = {name: (edges[1:] + edges[:-1]) / 2}
    for key, numbers in finite.items():
        columns[key] = 100 * np.histogram(numbers, edges)[0] / max(len(numbers), 1)
    table = new_table(f"{name}: distribution", columns, {name: unit} if unit else None)
    return table, new_plot(name, table, name, list(finite), y_title="share of the population (%)")
