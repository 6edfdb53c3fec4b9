"""Pictures of cohorts, laid out as the figures of Kadry et al. 2023."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, tissue_labels
from cardiactwins.compute.files import atomic_path
from cardiactwins.twin.heat_maps import HeatMaps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "curves_figure",
    "heat_map_figure",
    "heat_map_grid",
    "nearest_figure",
    "save_figure",
    "scatter_figure",
    "scatter_grid",
    "slices_figure",
]

INK = "#333333"
REFERENCE = "#0072b2"
SERIES = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
TISSUE_COLORS = ("#ffffff", "#e0862f", "#b8736b", "#3f7fbf", "#d1495b", "#7fb2d9", "#e8a0ac")
"""Of background, Ao, Myo, RV, LV, RA, LA."""
DOTS_PER_INCH = 150

Points = tuple[ArrayLike, ArrayLike]
"""Values along x and along y, one each a heart."""


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure, whole or not at all; the suffix sets the format."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, facecolor="white")
    return Path(path)


def scatter_figure(
    reference: Points,
    cohorts: Mapping[str, Points],
    *,
    reference_name: str = "real",
    labels: tuple[str, str] = ("LV volume (ml)", "RV volume (ml)"),
    star: tuple[float, float] | None = None,
    threshold: float | None = None,
    title: str = "",
) -> Figure:
    """Two measures of the reference and of synthetic cohorts, with density contours (figures 4 and 10).

    star: the seed heart. threshold: of the second measure, dashed.
    """
    figure = _sheet(6.2, 5.2)
    _scatter(figure.add_subplot(), reference, cohorts, reference_name, labels, star, threshold, title)
    return figure


def scatter_grid(
    reference: Points,
    panels: Mapping[str, tuple[tuple[float, float], Mapping[str, Points]]],
    *,
    reference_name: str = "real",
    labels: tuple[str, str] = ("LV volume (ml)", "RV volume (ml)"),
) -> Figure:
    """One scatter plot a seed heart: its place (star) and the cohorts edited from it (figures 6 and 8)."""
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = _sheet(5.2 * columns, 4.5 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for place, (title, (star, cohorts)) in zip(axes, panels.items(), strict=False):
        _scatter(place, reference, cohorts, reference_name, labels, star, None, title)
    for place in axes[len(panels) :]:
        place.set_axis_off()
    return figure


def heat_map_figure(maps: HeatMaps, names: tuple[str, str] = ("real", "synthetic")) -> Figure:
    """Occupancy of both cohorts and their difference in three planes through the heart (figure 5)."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure = _sheet(9.0, 8.4)
    axes = figure.subplots(3, 3)
    center = _center(maps)
    columns = (
        (names[0], maps.real, "magma", (0, 1)),
        (names[1], maps.synthetic, "magma", (0, 1)),
        (f"{names[1]} less {names[0]}", maps.difference, "RdBu_r", _symmetric([maps])),
    )
    for column, (title, values, colors, limits) in enumerate(columns):
        for row, plane in enumerate(("short axis", "four chambers", "sagittal")):
            _image(axes[row, column], _plane(values, row, center), colors, limits)
            if column == 0:
                axes[row, column].set_ylabel(plane, color=INK)
        axes[0, column].set_title(title, color=INK, fontsize=11)
        bar = figure.colorbar(
            ScalarMappable(Normalize(*limits), colors), ax=axes[:, column], location="bottom", shrink=0.8
        )
        bar.set_label("share of the hearts", color=INK)
    return figure


def heat_map_grid(maps: Mapping[tuple[str, str], HeatMaps], *, plane: int = 1) -> Figure:
    """Differences in one plane by (row, column), such as psi and seed heart (figures 7 and 9)."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    rows = list(dict.fromkeys(row for row, _ in maps))
    columns = list(dict.fromkeys(column for _, column in maps))
    figure = _sheet(2.3 * len(columns) + 1.2, 2.3 * len(rows) + 0.4)
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    limits = _symmetric(list(maps.values()))
    for r, row in enumerate(rows):
        for c, column in enumerate(columns):
            if (row, column) in maps:
                one = maps[row, column]
                _image(axes[r, c], _plane(one.difference, plane, _center(one)), "RdBu_r", limits)
            else:
                axes[r, c].set_axis_off()
            if r == 0:
                axes[r, c].set_title(column, color=INK, fontsize=10)
            if c == 0:
                axes[r, c].set_ylabel(row, color=INK, fontsize=10)
    bar = figure.colorbar(ScalarMappable(Normalize(*limits), "RdBu_r"), ax=axes, shrink=0.6)
    bar.set_label("share of siblings less the seed heart", color=INK)
    return figure


def slices_figure(
    rows: Mapping[str, Sequence[ArrayLike]],
    *,
    outlines: Mapping[str, ArrayLike] | None = None,
    plane: int = 1,
) -> Figure:
    """Label maps, one row a cohort, in one plane (figure 3). outlines: a heart by row, drawn as a line."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    most = max(len(hearts) for hearts in rows.values())
    figure = _sheet(1.7 * most + 1.2, 1.75 * len(rows) + 0.5)
    axes = figure.subplots(len(rows), most, squeeze=False)
    colors = ListedColormap(TISSUE_COLORS)
    for line, (title, hearts) in zip(axes, rows.items(), strict=True):
        for place in line:
            place.set_xticks([])
            place.set_yticks([])
            for side in place.spines.values():
                side.set_visible(False)
        for place, heart in zip(line, hearts, strict=False):
            labels = tissue_labels(heart)
            middle = _middle(labels > 0)
            place.imshow(
                _plane(labels, plane, middle), cmap=colors, vmin=-0.5, vmax=6.5, origin="lower",
                interpolation="nearest",
            )  # fmt: skip
            if outlines is not None and title in outlines:
                around = _plane(tissue_labels(outlines[title]) > 0, plane, middle)
                place.contour(around, levels=[0.5], colors=INK, linewidths=0.8)
        line[0].set_ylabel(title, color=INK, fontsize=9)
    handles = [
        Patch(facecolor=color, label=name)
        for color, name in zip(TISSUE_COLORS[1:], TISSUE_NAMES.values(), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return figure


def curves_figure(
    rows: Sequence[Mapping[str, float]], along: str, curves: Sequence[str], *, label: str = ""
) -> Figure:
    """One panel a measure over steps or cohort size, on a logarithmic axis (figures 11 and 12)."""
    figure = _sheet(3.1 * len(curves), 2.9)
    axes = np.atleast_1d(figure.subplots(1, len(curves)))
    x = [row[along] for row in rows]
    for place, name in zip(axes, curves, strict=True):
        place.plot(x, [row.get(name, np.nan) for row in rows], "o-", color=SERIES[0], markersize=4)
        place.set_ylim(bottom=0)
        if name in ("precision", "recall"):
            place.set_ylim(0, 1.05)
        place.set_xscale("log")
        place.set_xticks(x, [f"{value:g}" for value in x])
        place.minorticks_off()
        place.set_xlabel(label or along, color=INK)
        place.set_title(name, color=INK, fontsize=10)
        _quiet(place)
    return figure


def nearest_figure(distances: Mapping[str, ArrayLike]) -> Figure:
    """Distribution of the distance to the nearest training heart, one curve a cohort.

    Memorised hearts would pile up at the left.
    """
    figure = _sheet(6.2, 3.6)
    axes = figure.add_subplot()
    for (name, values), color in zip(distances.items(), (REFERENCE, *SERIES), strict=False):
        ordered = np.sort(np.asarray(values, dtype=float))
        share = (np.arange(len(ordered)) + 1) / len(ordered)
        axes.step(ordered, share, where="post", color=color, label=f"{name} ({len(ordered)})")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel("distance to the nearest training heart (standard deviations)", color=INK)
    axes.set_ylabel("share of the hearts", color=INK)
    axes.legend(frameon=False, fontsize=9)
    _quiet(axes)
    return figure


def _scatter(
    axes: Axes,
    reference: Points,
    cohorts: Mapping[str, Points],
    reference_name: str,
    labels: tuple[str, str],
    star: tuple[float, float] | None,
    threshold: float | None,
    title: str,
) -> None:
    everything = {reference_name: reference, **cohorts}
    x, y = (
        np.concatenate([np.asarray(points[axis], dtype=float) for points in everything.values()])
        for axis in (0, 1)
    )
    limits = [(v.min() - 0.08 * np.ptp(v) - 1e-9, v.max() + 0.08 * np.ptp(v) + 1e-9) for v in (x, y)]
    for (name, points), color in zip(everything.items(), (REFERENCE, *SERIES), strict=False):
        first, second = (np.asarray(values, dtype=float) for values in points)
        axes.scatter(
            first, second, s=9, color=color, alpha=0.45, linewidths=0, label=f"{name} ({len(first)})"
        )
        _contours(axes, first, second, color, limits, few=len(everything) > 3)
    if star is not None:
        axes.plot(*star, "*", color="black", markersize=15, markeredgecolor="white", label="seed heart")
    if threshold is not None:
        axes.axhline(threshold, linestyle="--", color=INK, linewidth=1)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    axes.set_xlabel(labels[0], color=INK)
    axes.set_ylabel(labels[1], color=INK)
    axes.set_title(title, color=INK, fontsize=11)
    axes.legend(frameon=False, fontsize=8, markerscale=1.4, loc="best")
    _quiet(axes)


def _contours(
    axes: Axes, x: NDArray, y: NDArray, color: str, limits: list[tuple[float, float]], few: bool
) -> None:
    """Kernel density lines that hold 25, 50, 75 and 95 % of a cohort (few: 50 and 95 %); none for cohorts
    that lie on a line."""
    from scipy.stats import gaussian_kde

    points = np.stack([x, y])
    if points.shape[1] < 8 or np.linalg.matrix_rank(np.cov(points)) < 2:
        return
    density = gaussian_kde(points)
    at = np.quantile(density(points), (0.05, 0.5) if few else (0.05, 0.25, 0.5, 0.75))
    if not (np.diff(at) > 0).all():
        return
    grid = np.meshgrid(np.linspace(*limits[0], 80), np.linspace(*limits[1], 80))
    values = density(np.stack([grid[0].ravel(), grid[1].ravel()])).reshape(grid[0].shape)
    axes.contour(*grid, values, levels=at, colors=color, linewidths=(0.7, 0.9, 1.1, 1.3)[: len(at)])


def _center(maps: HeatMaps) -> tuple[int, int, int]:
    both = np.nan_to_num(maps.real) + np.nan_to_num(maps.synthetic)
    return _middle(both > 0.5)


def _middle(mask: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Index k, j, i of the middle of a mask; of the grid where it is empty."""
    if not mask.any():
        return tuple(n // 2 for n in mask.shape)
    return tuple(round(float(at)) for at in np.argwhere(mask).mean(axis=0))


def _plane(volume: NDArray, axis: int, center: tuple[int, int, int]) -> NDArray:
    """The plane through `center` across axis 0 (short axis), 1 (four chambers) or 2 (sagittal)."""
    return np.take(volume, center[axis], axis=axis)


def _symmetric(maps: Sequence[HeatMaps]) -> tuple[float, float]:
    most = max(float(np.nanmax(np.abs(one.difference), initial=0.0)) for one in maps)
    return (-(most or 1.0), most or 1.0)


def _image(axes: Axes, values: NDArray, colors: str, limits: tuple[float, float]) -> None:
    axes.imshow(values, cmap=colors, vmin=limits[0], vmax=limits[1], origin="lower")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("#dddddd")


def _quiet(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color="#ebebeb", linewidth=0.7)
    axes.set_axisbelow(True)


def _sheet(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
