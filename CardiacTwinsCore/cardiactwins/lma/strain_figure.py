"""The strain matrix of a slice with its TOS curve (jayakumar-2023, figure 1c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.lma.onset import OnsetEstimate
from cardiactwins.lma.sectors import checked_strain_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["strain_matrix_figure"]

INK = "#333333"
TRUTH = "#111111"
CURVE = "#e6007e"


def strain_matrix_figure(
    strain: ArrayLike,
    times: ArrayLike,
    onset: OnsetEstimate | ArrayLike | None = None,
    *,
    truth: ArrayLike | None = None,
    title: str = "",
) -> Figure:
    """Strain (S, T) over time (ms) and sector, blue where it shortens and red where it stretches.

    onset: TOS (S,) in ms, or an estimate, whose 90 % intervals are drawn as bars. truth: known TOS (S,),
    dashed. Sector 1 is at the bottom and starts at the anterior insertion. ValueError as
    `checked_strain_matrix`, or when TOS has not one value a sector. Returns a matplotlib figure that needs no
    display.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    strain, times = checked_strain_matrix(strain, times)
    sectors = np.arange(1, len(strain) + 1)
    figure = Figure(figsize=(6.4, 4.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    middles = (times[1:] + times[:-1]) / 2
    borders = np.concatenate([[2 * times[0] - middles[0]], middles, [2 * times[-1] - middles[-1]]])
    limit = float(np.quantile(np.abs(strain), 0.99))
    image = axes.pcolormesh(
        borders, np.arange(len(strain) + 1) + 0.5, strain, cmap="RdBu_r", vmin=-limit, vmax=limit
    )
    if truth is not None:
        axes.plot(_one_each(truth, sectors), sectors, "--", color=TRUTH, linewidth=1.2, label="true TOS")
    if isinstance(onset, OnsetEstimate):
        bars = np.stack([onset.tos - onset.lower, onset.upper - onset.tos])
        axes.errorbar(
            _one_each(onset.tos, sectors), sectors, xerr=np.maximum(bars, 0), fmt="o-", color=CURVE,
            markersize=3.5, linewidth=1.4, elinewidth=0.8, label="TOS, 90 % interval",
        )  # fmt: skip
    elif onset is not None:
        axes.plot(
            _one_each(onset, sectors), sectors, "o-", color=CURVE, markersize=3.5, linewidth=1.4, label="TOS"
        )
    if onset is not None or truth is not None:
        axes.legend(loc="upper right", fontsize=8, framealpha=0.9)
    axes.set_xlabel("time after the R wave (ms)", color=INK)
    axes.set_ylabel("sector from the anterior insertion", color=INK)
    axes.set_yticks(sectors[:: max(1, len(sectors) // 9)])
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_title(title, color=INK, fontsize=10)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("circumferential strain", color=INK)
    return figure


def _one_each(values: ArrayLike, sectors: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.shape != sectors.shape:
        raise ValueError(f"TOS must have one value for each of {len(sectors)} sectors; found {values.shape}.")
    return values
