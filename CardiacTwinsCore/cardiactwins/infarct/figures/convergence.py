"""How searches converge: the loss over the generations, averaged over launches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiactwins.infarct.figures.canvas import INK, SERIES, new_figure, quiet_axes, save_figure

__all__ = ["convergence_figure"]

NAMED_CURVES = 12


def convergence_figure(
    curves: Mapping[str, NDArray[np.float64]], path: str | Path, *, title: str = ""
) -> Path:
    """Mean loss and its standard deviation over launches (konik-2024, figure 4).

    curves: name -> losses (launches, generations). Bands and names are left out where more than 12 curves
    would hide each other.
    """
    if not curves:
        raise ValueError("No curve was given.")
    figure = new_figure(6.4, 4.4)
    axes = figure.subplots()
    few = len(curves) <= NAMED_CURVES
    for index, (name, losses) in enumerate(curves.items()):
        generation = np.arange(1, losses.shape[1] + 1)
        mean, spread = losses.mean(axis=0), losses.std(axis=0)
        color, dash = SERIES[index % len(SERIES)], "-" if index < len(SERIES) else "--"
        label = f"{name} (n = {len(losses)})" if few else None
        axes.plot(generation, mean, dash, color=color, linewidth=1.6 if few else 0.8, label=label)
        if few and len(losses) > 1:
            low = np.maximum(mean - spread, losses.min(axis=0))
            axes.fill_between(generation, low, mean + spread, color=color, alpha=0.12, linewidth=0)
    if min(losses.min() for losses in curves.values()) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="Generation", ylabel="Best loss of the generation")
    quiet_axes(axes)
    axes.tick_params(which="minor", labelsize=9)
    if few:
        axes.legend(fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)
