"""Curves and tables: how a personalization went, how populations compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.attributes import infarct_size, transmurality
from cardiactwins.infarct.embedding import SharedScatter
from cardiactwins.infarct.figures.canvas import INK, SERIES, new_figure, quiet_axes, save_figure
from cardiactwins.infarct.personalization import PersonalizationHistory

__all__ = ["distribution_figure", "heatmap_figure", "history_figure", "latent_figure"]

LEGEND = {"fontsize": 8, "frameon": False}
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def history_figure(
    history: PersonalizationHistory,
    parameter_names: Sequence[str],
    path: str | Path,
    *,
    threshold: float | None = None,
    title: str = "",
) -> Path:
    """Loss, covariance eigenvalues and parameters over the generations (mom-2021, figure 2).

    parameter_names: one a column of history.parameters, with the unit if it has one. The band around a
    parameter is the standard deviation of the search. threshold: loss that ends a search, as a dashed line.
    A vertical line marks where a new stage of the search begins.
    """
    if len(parameter_names) != history.parameters.shape[1]:
        raise ValueError(f"{history.parameters.shape[1]} parameters came with {len(parameter_names)} names.")
    from matplotlib.ticker import MaxNLocator

    generation = np.arange(1, len(history.loss) + 1)
    figure = new_figure(6.4, 7.2)
    losses, eigenvalues, parameters = figure.subplots(3, 1, sharex=True)

    losses.plot(generation, history.mean_loss, color=SERIES[5], linewidth=1.4, label="mean of the generation")
    losses.plot(generation, history.loss, color=SERIES[0], linewidth=1.8, label="best of the generation")
    if threshold:
        losses.axhline(threshold, color=INK, linestyle="--", linewidth=0.9, label=f"threshold {threshold:g}")
    if min(history.loss.min(), history.mean_loss.min()) > 0:
        losses.set_yscale("log")
    losses.set_ylabel("Loss")

    for index, column in enumerate(history.eigenvalues.T):
        eigenvalues.plot(
            generation,
            column,
            color=SERIES[index % len(SERIES)],
            linestyle=_dash(index),
            label=f"eigenvalue {index + 1}",
        )
    eigenvalues.set_yscale("log")
    eigenvalues.set_ylabel("Covariance eigenvalues\n(squared initial steps)")

    for index, name in enumerate(parameter_names):
        color, mean = SERIES[index % len(SERIES)], history.parameters[:, index]
        spread = history.spread[:, index]
        parameters.plot(generation, mean, color=color, linestyle=_dash(index), label=name)
        parameters.fill_between(
            generation, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0
        )
    parameters.set_ylabel("Parameters (\N{PLUS-MINUS SIGN} search std)")
    parameters.set_xlabel("Generation")

    stages = np.array(history.stage)
    for axes in (losses, eigenvalues, parameters):
        quiet_axes(axes)
        for start in np.flatnonzero(stages[1:] != stages[:-1]) + 1:
            axes.axvline(generation[start] - 0.5, color="#999999", linewidth=0.9, linestyle=":")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), **LEGEND)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    parameters.set_xlim(1, max(2, len(generation)))
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def heatmap_figure(
    losses: ArrayLike,
    texts: Sequence[Sequence[str]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    path: str | Path,
    *,
    row_title: str = "",
    column_title: str = "",
    loss_label: str = "Loss",
    title: str = "",
) -> Path:
    """A table of starts with the final parameters as text, coloured by the final loss (konik-2024, tables).

    losses: (R, C), NaN for cells that were not run. texts: R rows of C strings. The smallest loss is yellow
    and bold, the highest red.
    """
    losses = np.asarray(losses, dtype=float)
    shape = (len(row_labels), len(column_labels))
    if losses.shape != shape or len(texts) != shape[0] or any(len(row) != shape[1] for row in texts):
        raise ValueError(
            f"Losses and texts must be {shape[0]} x {shape[1]} as the labels; found {losses.shape}."
        )
    if not np.isfinite(losses).any():
        raise ValueError("No cell of the table has a loss.")
    widest = max(len(line) for row in texts for text in row for line in text.split("\n"))
    figure = new_figure(max(4.5, shape[1] * (0.085 * widest + 0.35) + 2.2), max(2.4, 0.42 * shape[0] + 1.3))
    axes = figure.subplots()
    colors = axes.imshow(np.ma.masked_invalid(losses), cmap="YlOrRd", aspect="auto")
    best = np.unravel_index(np.nanargmin(losses), losses.shape)
    for (row, column), loss in np.ndenumerate(losses):
        run = np.isfinite(loss)
        shade = colors.norm(loss) if run else 0.0
        axes.text(
            column,
            row,
            texts[row][column] if run else "\N{EN DASH}",
            ha="center",
            va="center",
            fontsize=9,
            fontweight="bold" if (row, column) == best else "normal",
            color="white" if shade > 0.65 else "black",
        )
    axes.set_xticks(range(shape[1]), column_labels)
    axes.set_yticks(range(shape[0]), row_labels)
    axes.set_xticks(np.arange(shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0, labelsize=9, colors=INK)
    axes.spines[:].set_visible(False)
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    axes.set_xlabel(column_title, fontsize=10, color=INK)
    axes.set_ylabel(row_title, fontsize=10, color=INK)
    scale = figure.colorbar(colors, ax=axes, pad=0.02)
    scale.set_label(loss_label, fontsize=9, color=INK)
    scale.ax.tick_params(labelsize=8, colors=INK)
    scale.outline.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def latent_figure(
    scatter: SharedScatter,
    decreases: Mapping[str, ArrayLike],
    path: str | Path,
    *,
    title: str = "",
) -> Path:
    """Relative decrease of the eigenvalues, and all populations in one latent space (mom-2021, figure 3).

    decreases: LatentSpace.eigenvalue_decrease of each population's own latent space, under the names of
    `scatter`.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(9.0, 4.2)
    curves, plane = figure.subplots(1, 2, width_ratios=(1, 1.25))
    looks = {name: _look(index) for index, name in enumerate(scatter.names)}
    for name, decrease in decreases.items():
        if name not in looks:
            raise ValueError(f"'{name}' is none of the populations of the scatter ({', '.join(looks)}).")
        decrease = np.asarray(decrease, dtype=float)
        color, marker = looks[name]
        curves.plot(
            np.arange(1, len(decrease) + 1), decrease, color=color, marker=marker, markersize=4, label=name
        )
    curves.set(xlabel="Dimension", ylabel="Eigenvalue / first eigenvalue", ylim=(0, 1.03))
    curves.xaxis.set_major_locator(MaxNLocator(integer=True))
    for name in scatter.names:
        points = scatter.of(name)
        second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
        color, marker = looks[name]
        plane.scatter(
            points[:, 0],
            second,
            s=20,
            color=color,
            marker=marker,
            alpha=0.7,
            linewidth=0,
            label=f"{name} (n = {len(points)})",
        )
    plane.set(xlabel="Latent dimension 1 (pixels$^{1/2}$)", ylabel="Latent dimension 2 (pixels$^{1/2}$)")
    plane.set_aspect("equal", adjustable="datalim")
    for axes in (curves, plane):
        quiet_axes(axes)
    figure.legend(*plane.get_legend_handles_labels(), loc="outside lower center", ncols=3, **LEGEND)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def distribution_figure(
    populations: Mapping[str, ArrayLike],
    anatomy: ReferenceAnatomy,
    path: str | Path,
    *,
    title: str = "",
) -> Path:
    """Distributions of infarct size and transmurality of populations of lesions (n, N).

    The first population is the one the others are compared with, by the two-sample Kolmogorov-Smirnov test,
    whose distance D and p value stand in the legend.
    """
    if not populations:
        raise ValueError("No population was given.")
    from scipy.stats import ks_2samp

    measures = {
        "Infarct size (% of the myocardium)": lambda lesions: 100 * infarct_size(lesions),
        "Transmurality (% of the wall)": lambda lesions: 100 * transmurality(lesions, anatomy),
    }
    figure = new_figure(9.0, 6.2)
    cells = figure.subplots(2, 2, sharex="col")
    for (histogram, cumulative), (label, measure) in zip(cells.T, measures.items(), strict=True):
        values = {name: measure(np.asarray(lesions)) for name, lesions in populations.items()}
        first = next(iter(values.values()))
        largest = max(row.max() for row in values.values())
        bins = np.linspace(0, max(5, 5 * np.ceil(largest / 5)), 21)
        for index, (name, row) in enumerate(values.items()):
            color, note = _look(index)[0], f"{name} (n = {len(row)})"
            if index:
                test = ks_2samp(first, row)
                note += f": D = {test.statistic:.2f}, {_p_value(test.pvalue)}"
            share = np.full(len(row), 100 / len(row))
            if index == 0:
                histogram.hist(row, bins, weights=share, color=color, alpha=0.25)
            histogram.hist(row, bins, weights=share, color=color, histtype="step", linewidth=1.5)
            cumulative.ecdf(row, color=color, linewidth=1.7, label=note)
        histogram.set_ylabel("Cases (%)")
        cumulative.set(xlabel=label, ylabel="Share of cases below", xlim=(0, bins[-1]), ylim=(0, 1))
        notes = cumulative.legend(loc="upper left", bbox_to_anchor=(0, -0.22), alignment="left", **LEGEND)
        if len(values) > 1:
            notes.set_title(f"Kolmogorov-Smirnov test against {next(iter(values))}", {"size": 8})
        for axes in (histogram, cumulative):
            quiet_axes(axes)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def _look(index: int) -> tuple[str, str]:
    """Colour and marker of the population at this place."""
    return SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]


def _p_value(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _dash(index: int) -> str:
    """Line style of a series: colours that come round again are dashed."""
    return "-" if index < len(SERIES) else "--"
