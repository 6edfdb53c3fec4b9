"""Infarct patterns on the myocardium: modes of variation, mean lesions, bull's eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.reference import INSERTION_ANGLE, ReferenceAnatomy
from cardiactwins.infarct.figures.canvas import INK, INSERTION_COLOR, PATTERN_COLORS, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

__all__ = ["bullseye_figure", "mean_lesions_figure", "modes_figure"]

POLAR_SECTORS = 48
SHOWN_SLICES = 6


def modes_figure(
    patterns: ArrayLike,
    anatomy: ReferenceAnatomy,
    path: str | Path,
    *,
    deviations: Sequence[float] = (-2, -1, 0, 1, 2),
    title: str = "",
) -> Path:
    """Modes of variation, one a row, -2 to 2 standard deviations from left to right (konik-2024, figure 3).

    patterns: (modes, deviations, N) in [0, 1], as LatentSpace.modes gives. A 2D reference is shown as its
    slice, a 3D one as a polar map: the mean through the wall, base outside and apex in the middle. The red
    dot is the anterior RV insertion.
    """
    patterns = np.asarray(patterns, dtype=float)
    expected = (len(deviations), anatomy.n_voxels)
    if patterns.ndim != 3 or patterns.shape[1:] != expected:
        raise ValueError(f"Modes are (modes, {expected[0]}, {expected[1]}) here; found {patterns.shape}.")
    rows, columns = patterns.shape[:2]
    figure = new_figure(1.5 * columns + 1.3, 1.5 * rows + 0.7)
    cells = figure.subplots(rows, columns, squeeze=False, subplot_kw=_projection(anatomy))
    for row, mode in enumerate(patterns):
        for column, pattern in enumerate(mode):
            colors = _draw_pattern(cells[row, column], pattern, anatomy)
            if row == 0:
                cells[0, column].set_title(_deviation_label(deviations[column]), fontsize=10, color=INK)
        cells[row, 0].annotate(
            f"Mode {row + 1}",
            (-0.08, 0.5),
            xycoords="axes fraction",
            rotation=90,
            ha="right",
            va="center",
            fontsize=10,
            color=INK,
        )
    _add_scale(
        figure, colors, cells, "Healthy to infarct" + (", mean through the wall" if anatomy.is_3d else "")
    )
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def mean_lesions_figure(
    patterns: Mapping[str, ArrayLike],
    anatomy: ReferenceAnatomy,
    path: str | Path,
    *,
    label: str = "Share of infarcts that cover the pixel",
    title: str = "",
) -> Path:
    """Mean lesions or latent means (N,) of populations, side by side (konik-2024, figure 5).

    In 3D each population is a row and slices run from base (left) to apex (right). The colour scale ends at
    the largest value, the same for all.
    """
    if not patterns:
        raise ValueError("No pattern was given.")
    arrays = {name: np.asarray(values, dtype=float) for name, values in patterns.items()}
    for name, values in arrays.items():
        if values.shape != (anatomy.n_voxels,):
            raise ValueError(f"Pattern '{name}' must be ({anatomy.n_voxels},); found {values.shape}.")
    top = max(values.max() for values in arrays.values()) or 1.0
    if not anatomy.is_3d:
        figure = new_figure(2.4 * len(arrays) + 1.0, 2.9)
        cells = figure.subplots(1, len(arrays), squeeze=False)
        for axes, (name, values) in zip(cells[0], arrays.items(), strict=True):
            colors = _draw_slice(axes, anatomy.to_image(values)[0], anatomy, 0, top)
            axes.set_title(name, fontsize=10, color=INK)
    else:
        shown = np.unique(np.linspace(0, anatomy.slices - 1, SHOWN_SLICES).round().astype(int))[::-1]
        figure = new_figure(1.5 * len(shown) + 1.3, 1.4 * len(arrays) + 0.6)
        cells = figure.subplots(len(arrays), len(shown), squeeze=False)
        for row, (name, values) in zip(cells, arrays.items(), strict=True):
            image = anatomy.to_image(values)
            for axes, level in zip(row, shown, strict=True):
                colors = _draw_slice(axes, image[level], anatomy, level, top)
            row[0].set_ylabel(name, fontsize=10, color=INK)
        for axes, level in zip(cells[0], shown, strict=True):
            side = {shown[0]: " (base)", shown[-1]: " (apex)"}.get(level, "")
            axes.set_title(f"Slice {level + 1}{side}", fontsize=9, color=INK)
    _add_scale(figure, colors, cells, label)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def bullseye_figure(
    values: Mapping[str, ArrayLike],
    path: str | Path,
    *,
    label: str = "Infarcted share of the segment (%)",
    number: str = "{:.0f}",
    title: str = "",
) -> Path:
    """Seventeen AHA segments as the usual polar map, one a population (Cerqueira et al. 2002, figure 4).

    values: (17,) for segments 1 to 17 by name; NaN leaves a segment grey. Anterior wall at the top, septum
    to the left, base outside. The colour scale starts at 0 and is the same for all.
    """
    arrays = {name: np.asarray(row, dtype=float) for name, row in values.items()}
    if not arrays:
        raise ValueError("No values were given.")
    for name, row in arrays.items():
        if row.shape != (17,):
            raise ValueError(f"A bull's eye shows 17 segments; '{name}' has {row.shape}.")
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    stacked = np.array(list(arrays.values()))
    top = np.nanmax(stacked) if np.isfinite(stacked).any() and np.nanmax(stacked) > 0 else 1.0
    colors = ScalarMappable(Normalize(0, top), PATTERN_COLORS)
    figure = new_figure(3.1 * len(arrays) + 0.9, 3.5)
    cells = figure.subplots(1, len(arrays), squeeze=False, subplot_kw={"projection": "polar"})
    for axes, (name, row) in zip(cells[0], arrays.items(), strict=True):
        _draw_bullseye(axes, row, colors, number)
        axes.set_title(name, fontsize=10, color=INK)
    _add_scale(figure, colors, cells, label)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return save_figure(figure, path)


def _deviation_label(deviation: float) -> str:
    return "mean" if deviation == 0 else f"{deviation:+g} std".replace("-", "\N{MINUS SIGN}")


def _projection(anatomy: ReferenceAnatomy) -> dict:
    return {"projection": "polar"} if anatomy.is_3d else {}


def _draw_pattern(axes: Axes, pattern: NDArray, anatomy: ReferenceAnatomy) -> ScalarMappable:
    if anatomy.is_3d:
        return _draw_polar(axes, pattern, anatomy)
    return _draw_slice(axes, anatomy.to_image(pattern)[0], anatomy, 0, 1.0)


def _draw_slice(
    axes: Axes, image: NDArray, anatomy: ReferenceAnatomy, level: int, top: float
) -> ScalarMappable:
    """One slice in pixels from the long axis, nothing painted outside the myocardium."""
    half = anatomy.size / 2
    colors = axes.imshow(
        np.ma.masked_where(~anatomy.mask[level], image),
        cmap=PATTERN_COLORS,
        vmin=0,
        vmax=top,
        interpolation="nearest",
        extent=(-half, half, half, -half),
    )
    insertion = anatomy.slice_radii[1][level] * np.array([np.cos(INSERTION_ANGLE), -np.sin(INSERTION_ANGLE)])
    axes.plot(
        *insertion, "o", color=INSERTION_COLOR, markersize=4.5, markeredgecolor="white", markeredgewidth=0.6
    )
    reach = anatomy.slice_radii[1].max() + 2
    axes.set(xlim=(-reach, reach), ylim=(reach, -reach), xticks=[], yticks=[])
    axes.set_frame_on(False)
    return colors


def _draw_polar(axes: Axes, pattern: NDArray, anatomy: ReferenceAnatomy) -> ScalarMappable:
    """Mean through the wall by sector and slice; the angle is that of the slices as displayed."""
    sector = np.minimum((anatomy.circumferential * POLAR_SECTORS).astype(int), POLAR_SECTORS - 1)
    cell = anatomy.indices[:, 0] * POLAR_SECTORS + sector
    cells = anatomy.slices * POLAR_SECTORS
    count = np.bincount(cell, minlength=cells)
    with np.errstate(invalid="ignore"):
        wall = (np.bincount(cell, pattern, cells) / count).reshape(anatomy.slices, POLAR_SECTORS)
    edges = INSERTION_ANGLE + 2 * np.pi * np.arange(POLAR_SECTORS + 1) / POLAR_SECTORS
    colors = axes.pcolormesh(
        edges, np.arange(anatomy.slices + 1), np.ma.masked_invalid(wall), cmap=PATTERN_COLORS, vmin=0, vmax=1
    )
    axes.plot(
        INSERTION_ANGLE,
        anatomy.slices,
        "o",
        color=INSERTION_COLOR,
        markersize=4.5,
        clip_on=False,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )
    axes.set(ylim=(0, anatomy.slices), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines["polar"].set_visible(False)
    return colors


def _draw_bullseye(axes: Axes, values: NDArray, colors: ScalarMappable, number: str) -> None:
    """Rings of 6, 6 and 4 segments and the apex; segment 1, 7 and 13 at the top, then counter-clockwise."""
    rings = [(0, 1, 16), (1, 4, 12), (2, 6, 6), (3, 6, 0)]
    for inner, count, first in rings:
        width = 2 * np.pi / count
        for k in range(count):
            value = values[first + k]
            fill = colors.to_rgba(value) if np.isfinite(value) else (0.85, 0.85, 0.85, 1.0)
            angle = np.pi / 2 + k * width
            border = {"edgecolor": "white", "linewidth": 1.2 if count > 1 else 0}
            axes.bar(angle, 1, width=width, bottom=inner, color=fill, **border)
            text = number.format(value) if np.isfinite(value) else "n/a"
            dark = np.dot(fill[:3], (0.3, 0.59, 0.11)) < 0.5
            axes.text(
                angle,
                inner + 0.5 if count > 1 else 0,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color="white" if dark else "black",
            )
    axes.set(ylim=(0, 4), xticks=[], yticks=[])
    axes.grid(False)
    axes.spines["polar"].set_visible(False)


def _add_scale(figure: Figure, colors: ScalarMappable, cells: NDArray, label: str) -> None:
    scale = figure.colorbar(colors, ax=cells, shrink=0.75, aspect=25, pad=0.02)
    scale.set_label(label, fontsize=9, color=INK)
    scale.ax.tick_params(labelsize=8, colors=INK)
    scale.outline.set_visible(False)
