"""The late-activating region of a model in the scene: segment, centre, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.anatomy.aha import SEGMENT_NAMES
from cardiactwins.lma.late_region import LateRegion, cell_areas, late_region
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.transmurality import transmurality
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_map import EXTRAPOLATED, LATE, SEGMENT, TOS
from cardiactwins.mrml.lma_models import SurfaceModel, remove_array, set_array
from cardiactwins.mrml.lma_wall import whole_wall
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import (
    add_segment,
    geometry_of_segmentation,
    segment_array,
)
from cardiactwins.mrml.tables import new_table

__all__ = [
    "LATE",
    "LATE_EXTRAPOLATED",
    "LEAST_EXTRAPOLATED",
    "SCAR",
    "LateNodes",
    "find_late_region",
    "remove_late_segment",
    "scar_transmurality",
    "show_late_region",
]

SCAR = "Scar transmurality"
LATE_EXTRAPOLATED = "of the late area, extrapolated"
"""Row of the table of a late region."""
LEAST_EXTRAPOLATED = 0.5
"""Percent of the late area from which on it is told in words."""
LATE_COLOR = (0.75, 0.08, 0.15)
NEAR_MM = 25.0
LEAST_SHARE = 0.1
"""A segment is named as a target when at least so much of it is late and viable."""
SMOOTH_MM = 4.0
"""Scar is averaged over so many mm of the wall (SD): slices are thick, and a lead is not put on a point."""


@dataclass(frozen=True, eq=False)
class LateNodes:
    """The late region and what shows it.

    region: its figures. target: AHA segment that is latest and viable, None without a late region. scar: (T,)
    share of the wall that is scar at each triangle, or None. segmentation, segment: node and id of the
    segment, None without one. centre: markups with one point, None without a region. table: one row a
    quantity; segment_table: one row a late AHA segment. extrapolated: share of the late area beyond the
    measured slices, None without a late region or where the model does not tell.
    """

    region: LateRegion
    target: int | None
    scar: NDArray[np.float64] | None
    segmentation: Any
    segment: str | None
    centre: Any
    table: Any
    segment_table: Any
    extrapolated: float | None = None

    @property
    def target_name(self) -> str:
        """Name of the latest viable segment, or a dash."""
        return "-" if self.target is None else SEGMENT_NAMES[self.target]


def scar_transmurality(
    surface: SurfaceModel,
    frame: LongAxisFrame,
    segmentation: Any,
    roles: Mapping[str, str] | None = None,
) -> NDArray[np.float64]:
    """Share of the wall that is scar at each triangle of a model, (T,), from a segmentation node.

    It is averaged over the neighbourhood on the same layer (Gaussian of 4 mm).
    Infarct and no-reflow are scar; the wall they are a share of is these, myocardium and border zone, whether
    their segments overlap or not. roles: as in `guess_roles`. ValueError when there is no infarct or no
    myocardium, or the scar is nowhere near the model.
    """
    found = guess_roles(segmentation, roles)
    for role in ("infarct", "myocardium"):
        if role not in found:
            raise ValueError(
                f"'{segmentation.GetName()}' has no segment for the {role}. Name one "
                f"'{SEGMENT_ROLES[role].name}', or say which one it is (in Python: roles={{'{role}': ...}})."
            )
    geometry = geometry_of_segmentation(segmentation)
    masks = {role: segment_array(segmentation, segment) for role, segment in found.items()}
    scar = masks["infarct"] | masks.get("no_reflow", False)
    if not scar.any():
        return np.zeros(len(surface.triangles))
    distance = cKDTree(surface.points).query(geometry.kji_to_ras(np.argwhere(scar)))[0]
    if distance.min() > NEAR_MM:
        raise ValueError(
            f"The scar of '{segmentation.GetName()}' lies {distance.min():.0f} mm from the model. Check that "
            "both belong to one patient and share one space."
        )
    shares = transmurality(surface.middles, frame, geometry, whole_wall(masks), scar)
    return _averaged(surface, shares)


def _averaged(surface: SurfaceModel, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (T,) of triangles averaged over their neighbourhood on the same layer, weighted by area."""
    areas, middles = cell_areas(surface.points, surface.triangles), surface.middles
    layer = surface.cell_layer
    averaged = values.copy()
    for number in (0,) if layer is None else np.unique(layer):
        cells = np.arange(len(values)) if layer is None else np.flatnonzero(layer == number)
        tree = cKDTree(middles[cells])
        near = tree.sparse_distance_matrix(tree, 2 * SMOOTH_MM, output_type="coo_matrix")
        weight = np.exp(-0.5 * (near.data / SMOOTH_MM) ** 2) * areas[cells][near.col]
        total = np.bincount(near.row, weight, len(cells))
        averaged[cells] = np.bincount(near.row, weight * values[cells][near.col], len(cells)) / total
    return averaged


def find_late_region(
    node: Any,
    surface: SurfaceModel,
    *,
    delay: float | None,
    area_share: float | None,
    scar: NDArray[np.float64] | None,
    scar_limit: float,
) -> LateRegion:
    """The late region on the epicardium of a model that TOS was projected onto (all of it without layers).

    Its `cells` are those of the whole model. ValueError when the model holds no TOS.
    """
    data = node.GetPolyData().GetCellData()
    if data.GetArray(TOS) is None:
        raise ValueError(f"Model '{node.GetName()}' holds no TOS. Project it first.")
    tos, segments = (_array(data, name) for name in (TOS, SEGMENT))
    layer = surface.cell_layer
    outer = np.ones(len(tos), dtype=bool) if layer is None or not (layer == 1).any() else layer == 1
    region = late_region(
        surface.points,
        surface.triangles[outer],
        tos[outer],
        segments[outer].astype(int),
        delay=delay,
        area_share=area_share,
        scar_transmurality=None if scar is None else scar[outer],
        scar_limit=scar_limit,
    )
    cells = np.zeros(len(tos), dtype=bool)
    cells[outer] = region.cells
    return LateRegion(**{**region.__dict__, "cells": cells})


def show_late_region(
    node: Any,
    surface: SurfaceModel,
    region: LateRegion,
    *,
    scar: NDArray[np.float64] | None,
    scar_limit: float,
    segmentation: Any,
    figures: Mapping[str, tuple[Any, str]],
) -> LateNodes:
    """Nodes of a late region: array on the model, segment of a segmentation node, centre, tables.

    segmentation: node with a myocardium that gains (or has replaced) the segment `LATE`; None: no segment.
    figures: further quantities for the table, name -> (value, unit).
    """
    name = node.GetName()
    set_array(node, LATE, region.cells, cells=True)
    if scar is None:
        remove_array(node, SCAR)
    else:
        set_array(node, SCAR, scar, cells=True)
    segment = None
    if segmentation is not None:
        segment = _late_segment(segmentation, surface, region)
    centre = None
    if region.cells.any():
        centre = new_markups(f"{name}: late centre", region.centre, ["late"])
        centre.GetDisplayNode().SetSelectedColor(*LATE_COLOR)
    target = _target(region)
    extrapolated = _extrapolated(node, surface, region)
    rows = _rows(region, target, scar is not None, scar_limit)
    if extrapolated is not None:
        rows[LATE_EXTRAPOLATED] = (100 * extrapolated, "%")
    rows |= figures
    table = new_table(
        f"{name}: late region",
        {
            "quantity": list(rows),
            "value": [_text(value) for value, _ in rows.values()],
            "unit": [unit for _, unit in rows.values()],
        },
    )
    numbers = list(region.segments)
    columns = {
        "segment": np.array(numbers, dtype=int),
        "name": [SEGMENT_NAMES[number] for number in numbers],
        "late share": np.array([region.segments[number] for number in numbers], dtype=float),
    }
    segment_table = new_table(f"{name}: late segments", columns)
    return LateNodes(region, target, scar, segmentation, segment, centre, table, segment_table, extrapolated)


def remove_late_segment(node: Any) -> None:
    """Take the late region out of a segmentation node, if it is there."""
    segmentation = node.GetSegmentation()
    if segmentation.GetSegment(LATE) is not None:
        segmentation.RemoveSegment(LATE)


def _extrapolated(node: Any, surface: SurfaceModel, region: LateRegion) -> float | None:
    """Share of the late area that lies beyond the measured slices."""
    data = node.GetPolyData().GetCellData()
    if data.GetArray(EXTRAPOLATED) is None or not region.cells.any():
        return None
    areas = cell_areas(surface.points, surface.triangles[region.cells])
    return float(areas @ (_array(data, EXTRAPOLATED)[region.cells] > 0) / areas.sum())


def _target(region: LateRegion) -> int | None:
    """The latest segment of which a fair part is late and viable; any part where none has so much."""
    fair = [segment for segment, share in region.segments.items() if share >= LEAST_SHARE]
    return next(iter(fair or region.segments), None)


def _rows(
    region: LateRegion, target: int | None, with_scar: bool, limit: float
) -> dict[str, tuple[Any, str]]:
    rows: dict[str, tuple[Any, str]] = {
        "late from": (region.threshold, "ms"),
        "late area of the epicardium": (region.area / 100, "cm2"),
        "late share of the epicardium": (100 * region.share, "%"),
        "connected parts": (region.parts, ""),
        "latest viable segment" if with_scar else "latest segment": (
            "none" if target is None else f"{target} {SEGMENT_NAMES[target]}",
            "",
        ),
    }
    if region.cells.any():
        for axis, value in zip("RAS", region.centre, strict=True):
            rows[f"centre {axis}"] = (float(value), "mm")
    if with_scar:
        rows[f"of the late area over {100 * limit:.0f} % scar"] = (100 * region.excluded, "%")
    return rows


def _late_segment(node: Any, surface: SurfaceModel, region: LateRegion) -> str:
    """Give a segmentation the late part of its wall: voxels whose nearest outer triangle is late."""
    found = guess_roles(node)
    if "myocardium" not in found:
        raise ValueError(f"'{node.GetName()}' has no myocardium, in which the late region would lie.")
    geometry = geometry_of_segmentation(node)
    wall = whole_wall({role: segment_array(node, segment) for role, segment in found.items()})
    voxels = np.argwhere(wall)
    layer = surface.cell_layer
    outer = np.flatnonzero(layer == 1) if layer is not None and (layer == 1).any() else slice(None)
    nearest = cKDTree(surface.middles[outer]).query(geometry.kji_to_ras(voxels))[1]
    late = np.zeros(geometry.shape, dtype=bool)
    late[tuple(voxels[region.cells[outer][nearest]].T)] = True
    remove_late_segment(node)
    if not start().in_application and node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return add_segment(node, LATE, late, geometry, LATE_COLOR, segment_id=LATE)


def _array(data: Any, name: str) -> NDArray:
    return vtk_to_numpy(data.GetArray(name)).astype(float)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
