"""One real patient, each slice left out in turn: how far the reconstruction passes from its contour."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from lma_contenders import Contender
from numpy.typing import NDArray
from real_hearts import ContourSlices, bivme_slices
from scipy.spatial import cKDTree
from skimage.measure import find_contours

from cardiactwins.lma.shape_volume import ShapeVolume

__all__ = ["contour_distances", "leave_one_out"]

STEP = 0.05
"""Voxels between points along a found outline."""


def leave_one_out(contenders: Mapping[str, Contender]) -> list[dict]:
    """For each method the mean distance in mm of the drawn points of a slice left out to the outline there.

    Entries hold endocardium_mm and epicardium_mm, lists by slice from base to apex (None where nothing was
    reconstructed), and the means over the slices between others (`inner_mm`) and over all (`all_mm`).
    """
    patient = bivme_slices()
    entries = []
    for method, reconstructed in contenders.items():
        rows = []
        for index in range(len(patient.slices)):
            answer = reconstructed(patient.slices.without(index), patient.voxel)
            rows.append(contour_distances(answer.volume, patient, index))
        distances = np.array(rows)
        both = distances.mean(axis=1)
        entries.append(
            {
                "set": "bivme",
                "slices": len(patient.slices) - 1,
                "method": method,
                "endocardium_mm": _plain(distances[:, 0]),
                "epicardium_mm": _plain(distances[:, 1]),
                "inner_mm": _plain(both[1:-1].mean()),
                "all_mm": _plain(both.mean()),
            }
        )
    return entries


def contour_distances(volume: ShapeVolume, patient: ContourSlices, index: int) -> tuple[float, float]:
    """Mean distances in mm of the drawn points of endo- and epicardium in a slice to the outlines there."""
    position = patient.slices.positions[index]
    cavity = volume.cavity[position]
    shares = cavity, cavity + volume.myocardium[position]
    return tuple(
        _distance(share, points) * patient.voxel
        for share, points in zip(shares, patient.contours[index], strict=True)
    )


def _distance(share: NDArray, points: NDArray) -> float:
    """Mean distance in voxels of points (n, 2) to where a share is one half; NaN where it is nowhere."""
    outlines = find_contours(np.pad(share, 1), 0.5)
    if not outlines:
        return float("nan")
    return float(cKDTree(np.vstack([_dense(outline - 1) for outline in outlines])).query(points)[0].mean())


def _dense(outline: NDArray) -> NDArray:
    """Points along a polygon, hardly any distance apart."""
    lengths = np.linalg.norm(np.diff(outline, axis=0), axis=1)
    along = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(0, along[-1], STEP)
    return np.column_stack([np.interp(places, along, axis) for axis in outline.T])


def _plain(values: NDArray | float) -> list[float | None] | float | None:
    """Numbers for JSON, which knows no NaN."""
    if np.ndim(values):
        return [_plain(value) for value in values]
    return float(values) if np.isfinite(values) else None
