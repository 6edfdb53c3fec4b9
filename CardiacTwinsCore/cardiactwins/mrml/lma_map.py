"""TOS on a surface model: arrays on points and cells, colours, bull's-eye, curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.aha import SEGMENT_NAMES, segments_at
from cardiactwins.lma.activation_map import ActivationMap, SectorValues, activation_map
from cardiactwins.lma.late_region import cell_areas
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.bullseye import new_bullseye_volume
from cardiactwins.mrml.lma_colors import activation_colors, add_legend
from cardiactwins.mrml.lma_models import SurfaceModel, remove_array, set_array, surface_of_model
from cardiactwins.mrml.lma_range import show_measured_range
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import new_table

__all__ = [
    "EXTRAPOLATED",
    "LATE",
    "SEGMENT",
    "SLICE_DISTANCE",
    "TOS",
    "TOS_ERROR",
    "ActivationNodes",
    "color_limits",
    "frame_for",
    "new_activation_bullseye",
    "new_tos_plot",
    "new_tos_table",
    "project_onto_model",
    "segment_means",
    "show_activation",
]

TOS = "TOS (ms)"
TOS_ERROR = "TOS error (ms)"
SLICE_DISTANCE = "Slice distance (mm)"
EXTRAPOLATED = "Extrapolated"
SEGMENT = "AHA segment"
LATE = "Late activation"
"""Name of the segment of a late region, and of the cell array that is 1 there."""


@dataclass(frozen=True, eq=False)
class ActivationNodes:
    """A map and what shows it.

    model: node with the arrays. tos: (T,) ms of its triangles; segments: (T,) AHA segment of them. means:
    (17,) mean TOS of each AHA segment (ms), NaN where the model has none of it. legend, bullseye, table,
    plot, segment_table: nodes. frame: axis and insertion that were used. tos_table: TOS that was projected.
    """

    model: Any
    tos: NDArray[np.float64]
    segments: NDArray[np.uint8]
    means: NDArray[np.float64]
    legend: Any
    bullseye: Any
    table: Any
    plot: Any
    segment_table: Any
    frame: LongAxisFrame
    tos_table: TosTable


def frame_for(
    surface: SurfaceModel, name: str, insertion: ArrayLike | None = None, axis: ArrayLike | None = None
) -> LongAxisFrame:
    """Axis and insertion to use with a surface.

    insertion: (M, 3) RAS mm in place of what the model tells; axis: (2, 3), base and apex. ValueError when
    the model does not tell and they are not given.
    """
    known = surface.frame
    if axis is None and known is None:
        raise ValueError(
            f"Model '{name}' does not tell its long axis. Reconstruct it here, or give axis=(base, apex) in "
            "RAS mm."
        )
    if insertion is None and known is None:
        raise ValueError(
            "There is no RV insertion point, so sectors have no beginning. Place a point (markups) where the "
            "right ventricle meets the anterior wall."
        )
    base, apex = (known.base, known.apex) if axis is None else np.asarray(axis, dtype=float)
    return LongAxisFrame(base, apex, known.insertion if insertion is None else insertion)


def project_onto_model(node: Any, measured: SectorValues, frame: LongAxisFrame) -> tuple[NDArray, NDArray]:
    """Put TOS, its error, slice distance, extrapolation and AHA segment on points and cells of a model.

    Lines on it show where the measured slices begin and end (`show_measured_range`). Returns TOS (T,) and AHA
    segment (T,) of the triangles. `TOS_ERROR` is left out without errors, and what a map before has left (its
    errors, its late region) is taken off.
    """
    for name in (TOS_ERROR, LATE):
        remove_array(node, name)
    surface = surface_of_model(node)
    end = surface.cavity_end
    for places, cells in ((surface.points, False), (surface.middles, True)):
        turn, height = frame.coordinates(places)
        found = activation_map(measured, turn, height)
        segments = segments_at(turn, height, end).astype(np.uint8)
        for name, values in _arrays(found, frame.length, segments).items():
            set_array(node, name, values, cells)
    _show(node, measured)
    show_measured_range(node, frame.coordinates(surface.points)[1], measured.longitudinal)
    return found.values, segments


def segment_means(
    surface: SurfaceModel, tos: NDArray[np.float64], segments: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Mean over the area of each AHA segment, (17,); NaN for segments that the surface does not have."""
    areas = cell_areas(surface.points, surface.triangles)
    total = np.bincount(segments, areas, 18)[1:]
    sums = np.bincount(segments, areas * tos, 18)[1:]
    return np.divide(sums, total, out=np.full(17, np.nan), where=total > 0)


def new_tos_table(name: str, table: TosTable) -> Any:
    """A table node with one row a slice and sector."""
    columns = table.columns()
    units = {column: "ms" for column in columns if column.startswith("TOS")}
    return new_table(
        name,
        columns,
        units,
        {
            "sector": "counted from the anterior RV insertion, counter-clockwise seen from the apex",
            "TOS": "time from the R wave to the onset of circumferential shortening",
        },
    )


def new_tos_plot(name: str, table: TosTable) -> tuple[Any, Any]:
    """A table node with one row a sector and a column a slice, and the plot chart of its TOS curves."""
    columns: dict[str, ArrayLike] = {"sector": np.arange(1, table.values.shape[1] + 1)}
    curves = [f"slice {number}" for number in table.slices]
    columns |= dict(zip(curves, table.values, strict=True))
    node = new_table(name, columns, dict.fromkeys(curves, "ms"))
    return node, new_plot(name, node, "sector", curves, "sector from the anterior insertion", "TOS (ms)")


def new_activation_bullseye(name: str, means: NDArray[np.float64], limits: tuple[float, float]) -> Any:
    """A bull's-eye of mean TOS (17,) in the colours of the map, from limits[0] to limits[1] ms."""
    node = new_bullseye_volume(name, means, limits[1])
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(activation_colors().GetID())
    display.SetWindowLevelMinMax(*limits)
    return node


def show_activation(
    node: Any, tos: TosTable, frame: LongAxisFrame, name: str | None = None
) -> ActivationNodes:
    """Project TOS onto a model node and make the nodes that show it."""
    measured = tos.sector_values()
    values, segments = project_onto_model(node, measured, frame)
    surface = surface_of_model(node)
    means = segment_means(surface, values, segments)
    name = name or node.GetName()
    curves, plot = new_tos_plot(f"{name}: TOS curves", tos)
    limits = color_limits(measured)
    return ActivationNodes(
        model=node,
        tos=values,
        segments=segments,
        means=means,
        legend=add_legend(node, TOS),
        bullseye=new_activation_bullseye(f"{name}: bull's-eye", means, limits),
        table=curves,
        plot=plot,
        segment_table=new_table(
            f"{name}: TOS by segment",
            {
                "segment": np.arange(1, 18),
                "name": [SEGMENT_NAMES[segment] for segment in range(1, 18)],
                "mean TOS": means,
            },
            {"mean TOS": "ms"},
        ),
        frame=frame,
        tos_table=tos,
    )


def color_limits(measured: SectorValues) -> tuple[float, float]:
    """Earliest and latest TOS of the measured sectors in ms, at least 1 ms apart."""
    low, high = float(np.nanmin(measured.values)), float(np.nanmax(measured.values))
    return low, max(high, low + 1.0)


def _arrays(found: ActivationMap, length: float, segments: NDArray[np.uint8]) -> dict[str, NDArray]:
    arrays: dict[str, NDArray] = {TOS: found.values}
    if found.errors is not None:
        arrays[TOS_ERROR] = found.errors
    arrays[SLICE_DISTANCE] = found.slice_distance * length
    arrays[EXTRAPOLATED] = found.extrapolated
    arrays[SEGMENT] = segments
    return arrays


def _show(node: Any, measured: SectorValues) -> None:
    """Show TOS of the points in the colours of activation."""
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetActiveScalar(TOS, 0)
    display.SetAndObserveColorNodeID(activation_colors().GetID())
    display.SetScalarRangeFlagFromString("Manual")
    display.SetScalarRange(*color_limits(measured))
    display.SetScalarVisibility(True)
