"""From outlines in a few slices to the whole left ventricle, by one of several methods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceAgreement, SliceOutlines
from cardiactwins.lma.interpolation import interpolate_slices, signed_distance
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["METHODS", "interpolated_volume", "reconstruct", "slice_agreement"]

METHODS = ("auto", "interpolation")


def reconstruct(
    outlines: SliceOutlines,
    *,
    method: str = "auto",
    voxel: float = 1.0,
    progress: Progress = silent,
) -> HeartReconstruction:
    """Rebuild a left ventricle from outlines in a few slices.

    method: "interpolation" - cubic signed-distance interpolation between the slices, no model of the heart.
    voxel: edge of the grid's voxels in the patient, mm. ValueError for an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"A method is one of {', '.join(METHODS)}; found {method!r}.")
    volume = interpolated_volume(outlines, voxel)
    agreement = slice_agreement(volume, outlines)
    return HeartReconstruction(volume, wall_surface(volume), None, agreement, "interpolation")


def interpolated_volume(outlines: SliceOutlines, voxel: float = 1.0) -> ShapeVolume:
    """Signed distances to endo- and epicardium, interpolated between the slices (`interpolate_slices`)."""
    heights = np.arange(SIZE, dtype=float)
    reach = (outlines.positions[0] - BASE, BASE + LENGTH - outlines.positions[-1])
    whole = (outlines.cavity + outlines.myocardium) >= 0.5
    inside = outlines.cavity >= 0.5
    shown = inside.any(axis=(1, 2))
    epicardium = interpolate_slices(whole, outlines.positions, heights, reach=reach)
    cavity = np.zeros_like(epicardium)
    if shown.sum() >= 2:
        positions = outlines.positions[shown]
        reach = (positions[0] - BASE, BASE + LENGTH - positions[-1])
        cavity = interpolate_slices(inside[shown], positions, heights, reach=reach) & epicardium
    wall = epicardium & ~cavity
    return ShapeVolume(cavity.astype(np.float32), wall.astype(np.float32), voxel)


def slice_agreement(volume: ShapeVolume, outlines: SliceOutlines) -> tuple[SliceAgreement, ...]:
    """Dice of the wall and mean distance of its outlines at each short-axis slice."""
    found = []
    for position, wanted in zip(outlines.positions, outlines.myocardium, strict=True):
        lower = min(int(position), SIZE - 2)
        share = position - lower
        given = (1 - share) * volume.myocardium[lower] + share * volume.myocardium[lower + 1]
        a, b = given >= 0.5, wanted >= 0.5
        dice = 2 * float((a & b).sum()) / float(a.sum() + b.sum())
        found.append(SliceAgreement(float(position), dice, _outline_distance(a, b)))
    return tuple(found)


def _outline_distance(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Mean distance in pixels between the outlines of two masks; infinite when one is empty."""
    if not first.any() or not second.any():
        return float("inf")
    distances = [np.abs(signed_distance(mask)) for mask in (first, second)]
    # Pixels beside an outline are half a pixel from it.
    sums = [(there[here <= 0.5] - 0.5).sum() for here, there in (distances, distances[::-1])]
    count = sum(int((here <= 0.5).sum()) for here in distances)
    return float(sum(sums)) / count
