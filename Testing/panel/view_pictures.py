"""Pictures of what the views of the application would show, made without it, for the documents.

Slices and surfaces are drawn by slicer-core's displayable managers, charts by matplotlib from the chart
nodes; matplotlib also puts captions and the colour bar of a volume beside them.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from panel_pictures import save_png
from PIL import Image

__all__ = ["chart_picture", "heart_picture", "slices_of", "surface_of", "views_picture", "volume_picture"]

DPI = 100
TILE = (240, 240)
Pixels = np.ndarray
"""Rows, columns, RGB."""


def slices_of(
    nodes: Sequence[Any], slices: Sequence[int] | None = None, columns: int = 4, size: tuple[int, int] = TILE
) -> Pixels:
    """Slices of volumes and segmentations, as the slice view shows them."""
    from cardiactwins.mrml.render import picture_slices

    with tempfile.TemporaryDirectory() as folder:
        path = picture_slices(nodes, Path(folder) / "slices.png", slices, columns, size)
        return np.asarray(Image.open(path).convert("RGB"))


def surface_of(node: Any, size: tuple[int, int] = (400, 360)) -> Pixels:
    """A segmentation, as the 3D view shows it; without its border zone, which lies around the infarct."""
    from cardiactwins.mrml.render import picture_3d

    if node.GetSegmentation().GetSegment("border_zone") is not None:
        node.GetDisplayNode().SetSegmentVisibility3D("border_zone", False)
    with tempfile.TemporaryDirectory() as folder:
        path = picture_3d([node], Path(folder) / "surface.png", size)
        return np.asarray(Image.open(path).convert("RGB"))


def chart_picture(chart: Any, path: Path, size: tuple[int, int] = (560, 300)) -> Path:
    """A plot chart node, drawn by matplotlib in the manner of the application's plot view."""
    from host.chart_picture import chart_pixels

    return save_png(Image.fromarray(chart_pixels(chart, *size)), path)


def volume_picture(
    tiles: Sequence[Pixels],
    captions: Sequence[str],
    volume: Any,
    unit: str,
    path: Path,
    axes_of: tuple[Sequence[str], Sequence[str], str, str] | None = None,
) -> Path:
    """Slice views side by side with captions, and the colours of a volume with what they mean.

    The black around the volumes is cut off.

    axes_of: of a heat map, the names of its columns and rows and the titles of both.
    """
    tiles = [_trimmed(tile) for tile in tiles]
    wide = sum(tile.shape[1] for tile in tiles) + 110 + (90 if axes_of else 0)
    figure = Figure(
        (wide / DPI, (tiles[0].shape[0] + (75 if axes_of else 40)) / DPI), DPI, layout="constrained"
    )
    frames = np.atleast_1d(figure.subplots(1, len(tiles)))
    for frame, tile, caption in zip(frames, tiles, captions, strict=True):
        frame.imshow(tile, aspect="auto" if axes_of else "equal")
        frame.set_title(caption, fontsize=9)
        frame.set_xticks([])
        frame.set_yticks([])
    if axes_of:
        _name_cells(frames[0], tiles[0], *axes_of)
    bar = figure.colorbar(_colors(volume), ax=list(frames), fraction=0.05, pad=0.02)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=8)
    return _save(figure, path)


def heart_picture(columns: Sequence[tuple[str, Any]], path: Path, slices: Sequence[int]) -> Path:
    """Hearts side by side, each in 3D and below it slice by slice."""
    count = len(columns)
    figure = Figure((count * 3.6, 4.7), DPI, layout="constrained")
    frames = figure.subplots(2, count, height_ratios=(3.2, 1.3), squeeze=False)
    for (caption, node), (above, below) in zip(columns, frames.T, strict=True):
        above.imshow(surface_of(node))
        above.set_title(caption, fontsize=10)
        below.imshow(slices_of([node], slices, len(slices), (190, 190)))
        for frame in (above, below):
            frame.set_axis_off()
    return _save(figure, path)


def views_picture(shown: Sequence[tuple[Sequence[Any], str, Any]], path: Path) -> Path:
    """3D views side by side. shown: nodes, caption, and direction in RAS in which the camera stands."""
    from cardiactwins.mrml.render import picture_3d

    figure = Figure((len(shown) * 3.6, 3.7), DPI, layout="constrained")
    frames = np.atleast_1d(figure.subplots(1, len(shown)))
    with tempfile.TemporaryDirectory() as folder:
        for frame, (nodes, caption, direction) in zip(frames, shown, strict=True):
            picture = picture_3d(list(nodes), Path(folder) / "view.png", (360, 340), direction)
            frame.imshow(np.asarray(Image.open(picture).convert("RGB")))
            frame.set_title(caption, fontsize=10)
            frame.set_axis_off()
    return _save(figure, path)


def _trimmed(tile: Pixels) -> Pixels:
    rows, columns = (np.flatnonzero(tile.any(axis=axes)) for axes in ((1, 2), (0, 2)))
    return tile[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _name_cells(
    frame: Any, tile: Pixels, columns: Sequence[str], rows: Sequence[str], x_title: str, y_title: str
) -> None:
    height, width = tile.shape[:2]
    frame.set_xticks((np.arange(len(columns)) + 0.5) * width / len(columns), columns, fontsize=8)
    frame.set_yticks((np.arange(len(rows)) + 0.5) * height / len(rows), rows, fontsize=8)
    frame.set_xlabel(x_title, fontsize=8)
    frame.set_ylabel(y_title, fontsize=8)


def _colors(volume: Any) -> ScalarMappable:
    display = volume.GetDisplayNode()
    table = display.GetColorNode().GetLookupTable()
    shades = [table.GetTableValue(index)[:3] for index in range(table.GetNumberOfTableValues())]
    values = Normalize(display.GetWindowLevelMin(), display.GetWindowLevelMax())
    return ScalarMappable(values, LinearSegmentedColormap.from_list("of the node", shades))


def _save(figure: Figure, path: Path) -> Path:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return save_png(Image.open(stream), path)
