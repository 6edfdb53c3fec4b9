"""The one-page sheet of an activation map, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceOutlines
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.bullseye import bullseye_segments
from cardiactwins.mrml.lma_colors import rgb_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RESEARCH_ONLY", "MapSheet", "draw_sheet", "draw_slices"]

RESEARCH_ONLY = "Research use only. Not for diagnosis or treatment."
INK = "#1d2733"
GREY = "#566372"
HATCH_COLOR = (0.11, 0.15, 0.2)
HATCH_PIXELS = 14
MOSTLY = 0.5
"""A segment is hatched when more of it than this share is extrapolated."""
A4 = (8.27, 11.69)
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666", "#000000")


@dataclass(frozen=True, eq=False)
class MapSheet:
    """What the sheet shows.

    title, subtitle: texts. pictures: caption -> PNG file, in the order of the panels. limits: TOS of the
    first and last colour in ms. means: (17,) mean TOS a segment; extrapolated: (17,) share of it beyond the
    measured slices. tos: of the sectors. figures: quantity -> text. outlines, reconstruction: for the slices.
    shifts: (S,) mm. note: why pictures are missing, or "".
    """

    title: str
    subtitle: str
    pictures: Mapping[str, Path]
    limits: tuple[float, float]
    means: NDArray[np.float64]
    extrapolated: NDArray[np.float64]
    tos: TosTable
    figures: Mapping[str, str]
    outlines: SliceOutlines
    reconstruction: HeartReconstruction
    shifts: NDArray[np.float64]
    note: str = ""


def draw_sheet(sheet: MapSheet) -> Figure:
    """An A4 page; `figure.savefig` writes it as PDF or PNG."""
    figure = _figure(*A4)
    figure.text(0.06, 0.965, sheet.title, fontsize=15, color=INK, weight="bold", va="top")
    figure.text(0.06, 0.944, sheet.subtitle, fontsize=8, color=GREY, va="top")
    figure.text(
        0.94, 0.965, RESEARCH_ONLY, fontsize=8.5, color="#a02020", weight="bold", ha="right", va="top"
    )
    _pictures(figure, sheet)
    _color_bar(figure.add_axes((0.90, 0.53, 0.016, 0.32)), sheet.limits)
    _bullseye(figure.add_axes((0.05, 0.215, 0.29, 0.2)), sheet)
    _curves(figure.add_axes((0.42, 0.24, 0.225, 0.155)), sheet.tos)
    _figures(figure, sheet.figures)
    count = len(sheet.outlines)
    columns = count if count <= 10 else -(-count // 2)
    rows = -(-count // columns)
    grid = figure.add_gridspec(
        rows, columns, left=0.05, right=0.95, bottom=0.045, top=0.145, wspace=0.06, hspace=0.3
    )
    draw_slices([figure.add_subplot(grid[n // columns, n % columns]) for n in range(count)], sheet)
    figure.text(
        0.05,
        0.172,
        "Slices: outlined wall (grey) and reconstruction (red)",
        fontsize=9,
        color=INK,
        weight="bold",
    )
    figure.text(0.06, 0.015, f"CardiacTwins. {RESEARCH_ONLY}", fontsize=7, color=GREY)
    return figure


def draw_slices(axes: Sequence[Axes], sheet: MapSheet) -> None:
    """Each slice as it was outlined, with the outline of the reconstruction at its height."""
    outlines, volume = sheet.outlines, sheet.reconstruction.volume
    shown = np.argwhere(outlines.myocardium.max(axis=0) > 0.1)
    (top, left), (bottom, right) = shown.min(axis=0) - 2, shown.max(axis=0) + 2
    for number, (axis, position) in enumerate(zip(axes, outlines.positions, strict=True)):
        axis.imshow(
            1 - 0.45 * outlines.myocardium[number], cmap="gray", vmin=0, vmax=1, interpolation="nearest"
        )
        lower = int(np.clip(position, 0, len(volume.myocardium) - 2))
        share = position - lower
        level = (1 - share) * volume.myocardium[lower] + share * volume.myocardium[lower + 1]
        axis.contour(level, levels=[0.5], colors="#c1121f", linewidths=0.9)
        # The anterior wall lies towards larger rows, the lateral one to larger columns.
        axis.set(xlim=(left, right), ylim=(top, bottom), xticks=[], yticks=[], aspect="equal")
        agreement = sheet.reconstruction.agreement[number]
        moved = f"moved {sheet.shifts[number]:.1f} mm\n" if sheet.shifts[number] > 0 else ""
        axis.set_title(f"{moved}{number + 1}: Dice {agreement.dice:.2f}", fontsize=6.5, color=INK, pad=2)
        for spine in axis.spines.values():
            spine.set_visible(False)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)
    return figure


def _pictures(figure: Figure, sheet: MapSheet) -> None:
    from matplotlib.image import imread

    if not sheet.pictures:
        figure.text(0.46, 0.71, sheet.note, fontsize=9, color=GREY, ha="center", wrap=True)
        return
    grid = figure.add_gridspec(2, 2, left=0.05, right=0.87, bottom=0.45, top=0.915, wspace=0.02, hspace=0.08)
    figure.text(
        0.46,
        0.442,
        "Beyond the black lines no slice was measured: TOS is extrapolated from the nearest one.",
        fontsize=7,
        color=GREY,
        ha="center",
    )
    images = {caption: imread(path) for caption, path in sheet.pictures.items()}
    rows, columns = _drawn(list(images.values()))
    for place, (caption, image) in zip(grid, images.items(), strict=False):
        axes = figure.add_subplot(place)
        axes.imshow(image[rows, columns])
        axes.set_axis_off()
        axes.set_title(caption, fontsize=9, color=INK, pad=2)


def _drawn(images: Sequence[NDArray]) -> tuple[slice, slice]:
    """Rows and columns of pictures of one size outside of which all are white; all of blank ones."""
    dark = np.any([image[..., :3].min(axis=2) < 0.99 for image in images], axis=0)
    if not dark.any():
        return slice(None), slice(None)
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _color_bar(axes: Axes, limits: tuple[float, float]) -> None:
    colors = rgb_of(np.linspace(0, 1, 256))[:, None]
    axes.imshow(colors, origin="lower", aspect="auto", extent=(0, 1, *limits))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(labelsize=8, colors=INK)
    axes.set_title("TOS, ms", fontsize=8, color=INK)


def _bullseye(axes: Axes, sheet: MapSheet) -> None:
    segments = bullseye_segments(480)
    low, high = sheet.limits
    share = np.append(np.nan, (sheet.means - low) / (high - low))[segments]
    image = np.where(np.isnan(share)[..., None], 1.0, rgb_of(share))
    axes.imshow(image)
    for segment in range(1, 18):
        rows, columns = np.nonzero(segments == segment)
        angle_row, angle_column = rows.mean(), columns.mean()
        mean = sheet.means[segment - 1]
        if np.isfinite(mean):
            inside = abs(2 * (mean - low) / (high - low) - 1) > 0.55
            axes.text(
                angle_column, angle_row, f"{mean:.0f}", ha="center", va="center", fontsize=7,
                color="white" if inside else INK,
            )  # fmt: skip
    beyond = np.append(False, sheet.extrapolated > MOSTLY)
    if beyond.any():
        _hatch(axes, beyond[segments])
        axes.text(
            0.5, -0.02, "hatched: more than half is extrapolated", transform=axes.transAxes,
            fontsize=6.5, color=GREY, ha="center", va="top",
        )  # fmt: skip
    axes.set_axis_off()
    axes.set_title("Mean TOS of the 17 segments, ms", fontsize=9, color=INK, weight="bold", pad=4)


def _hatch(axes: Axes, where: NDArray[np.bool_]) -> None:
    """Thin lines aslant over the pixels (J, I) of a picture."""
    rows, columns = np.indices(where.shape)
    lines = where & ((rows + columns) % HATCH_PIXELS < 2)
    color = np.zeros((*where.shape, 4))
    color[lines] = (*HATCH_COLOR, 0.8)
    axes.imshow(color, interpolation="nearest")


def _curves(axes: Axes, tos: TosTable) -> None:
    sectors = np.arange(1, tos.values.shape[1] + 1)
    for row, number in enumerate(tos.slices):
        color = SERIES[row % len(SERIES)]
        axes.plot(
            sectors, tos.values[row], "o-", color=color, markersize=2.5, linewidth=1.1, label=f"{number}"
        )
        if tos.lower is not None and tos.upper is not None:
            axes.fill_between(sectors, tos.lower[row], tos.upper[row], color=color, alpha=0.12, linewidth=0)
    axes.set_xlabel("sector from the anterior insertion", fontsize=7.5, color=INK)
    axes.set_ylabel("TOS, ms", fontsize=7.5, color=INK)
    axes.tick_params(labelsize=7, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(title="slice", title_fontsize=6.5, fontsize=6.5, frameon=False, ncols=2, loc="best")
    axes.set_title("TOS by sector", fontsize=9, color=INK, weight="bold", pad=4)


def _figures(figure: Figure, figures: Mapping[str, str]) -> None:
    figure.text(0.68, 0.407, "Findings", fontsize=9, color=INK, weight="bold", va="top")
    for row, (name, value) in enumerate(figures.items()):
        height = 0.388 - 0.0145 * row
        figure.text(0.68, height, name, fontsize=6.8, color=GREY, va="top")
        figure.text(0.95, height, value, fontsize=6.8, color=INK, va="top", ha="right")
