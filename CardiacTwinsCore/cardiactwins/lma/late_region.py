"""The part of the left ventricle that shortens last, and what a lead should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from cardiactwins.anatomy.aha import SEGMENT_NAMES

__all__ = ["LateRegion", "cell_areas", "late_region"]


@dataclass(frozen=True, eq=False)
class LateRegion:
    """Late-activating cells of a surface.

    cells: (c,) bool. threshold: TOS in ms from which a cell is late. area: mm^2; share: of the whole surface.
    centre: (3,) RAS mm, the area's mean point, moved onto the nearest late cell. segments: AHA segment ->
    share of its area that is late, latest first. excluded: share of the late area that was left out as scar.
    parts: connected parts.
    """

    cells: NDArray[np.bool_]
    threshold: float
    area: float
    share: float
    centre: NDArray[np.float64]
    segments: Mapping[int, float]
    excluded: float
    parts: int

    @property
    def segment_names(self) -> list[str]:
        """Names of the segments, the latest first."""
        return [SEGMENT_NAMES[segment] for segment in self.segments]


def cell_areas(points: ArrayLike, triangles: ArrayLike) -> NDArray[np.float64]:
    """Area of each triangle in mm^2, (c,)."""
    a, b, c = np.asarray(points, dtype=float)[np.asarray(triangles)].transpose(1, 0, 2)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def late_region(
    points: ArrayLike,
    triangles: ArrayLike,
    tos: ArrayLike,
    segments: ArrayLike,
    *,
    delay: float | None = None,
    area_share: float | None = None,
    scar_transmurality: ArrayLike | None = None,
    scar_limit: float = 0.5,
) -> LateRegion:
    """Cells that are late: `delay` ms after the subject's earliest, or the latest `area_share` of the area.

    points: (p, 3) RAS mm; triangles: (c, 3); tos: (c,) ms a cell; segments: (c,) AHA segment a cell.
    scar_transmurality: (c,) share of the wall that is scar; cells above `scar_limit` are late but left out,
    as a lead over scar does not help (Bilchick et al., J Am Coll Cardiol 63:1657, 2014: late and viable).
    ValueError when not exactly one of both criteria is given, when one is out of range, or when TOS is NaN.
    """
    if (delay is None) == (area_share is None):
        raise ValueError("Say when a cell is late: give either delay (ms) or area_share, not both.")
    points, triangles = np.asarray(points, dtype=float), np.asarray(triangles)
    tos, segments = np.asarray(tos, dtype=float), np.asarray(segments)
    if tos.shape != (len(triangles),) or segments.shape != tos.shape:
        raise ValueError(
            f"TOS and segments have one value a triangle ({len(triangles)}); found {tos.shape} and "
            f"{segments.shape}."
        )
    if not np.isfinite(tos).all():
        raise ValueError(
            f"{int((~np.isfinite(tos)).sum())} of {tos.size} cells have no TOS. Project it first."
        )
    areas = cell_areas(points, triangles)
    threshold = _threshold(tos, areas, delay, area_share)
    late = tos >= threshold
    viable = np.ones_like(late)
    if scar_transmurality is not None:
        viable = np.asarray(scar_transmurality, dtype=float) <= scar_limit
    chosen = late & viable
    late_area, area = areas[late].sum(), areas[chosen].sum()
    return LateRegion(
        cells=chosen,
        threshold=threshold,
        area=float(area),
        share=float(area / areas.sum()),
        centre=_centre(points, triangles, areas, chosen),
        segments=_segment_shares(chosen, areas, tos, segments),
        excluded=float((late_area - area) / late_area) if late_area > 0 else 0.0,
        parts=_parts(triangles, chosen),
    )


def _threshold(
    tos: NDArray[np.float64], areas: NDArray[np.float64], delay: float | None, share: float | None
) -> float:
    if delay is not None:
        if not delay > 0:
            raise ValueError(f"A delay is a positive time in ms; found {delay:g}.")
        return float(tos.min() + delay)
    if not 0 < share < 1:
        raise ValueError(
            f"The late share of the area lies between 0 and 1; found {share:g}. Write 0.2 for 20 %."
        )
    latest_first = np.argsort(-tos, kind="stable")
    covered = np.cumsum(areas[latest_first])
    return float(tos[latest_first[np.searchsorted(covered, share * areas.sum())]])


def _centre(points: NDArray, triangles: NDArray, areas: NDArray, chosen: NDArray) -> NDArray[np.float64]:
    if not chosen.any():
        return np.full(3, np.nan)
    middles = points[triangles[chosen]].mean(axis=1)
    mean = np.average(middles, axis=0, weights=areas[chosen])
    return middles[np.argmin(((middles - mean) ** 2).sum(axis=1))]


def _segment_shares(chosen: NDArray, areas: NDArray, tos: NDArray, segments: NDArray) -> dict[int, float]:
    total = np.bincount(segments, areas, 18)
    late = np.bincount(segments, areas * chosen, 18)
    latest = np.bincount(segments, areas * tos, 18) / np.maximum(total, 1e-12)
    found = [segment for segment in range(1, 18) if late[segment] > 0]
    return {
        segment: float(late[segment] / total[segment]) for segment in sorted(found, key=lambda s: -latest[s])
    }


def _parts(triangles: NDArray, chosen: NDArray) -> int:
    """Connected parts of the chosen cells, through shared points."""
    kept = triangles[chosen]
    if not len(kept):
        return 0
    names, corner = np.unique(kept, return_inverse=True)
    corner = corner.reshape(kept.shape)
    rows, columns = corner[:, [0, 1]].ravel(), corner[:, [1, 2]].ravel()
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(names)))
    return int(connected_components(graph, directed=False)[0])
