"""The last voxel: a deformed atlas brought onto the outlines that it nearly meets."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.interpolated_volume import interpolated_distances, slice_distances
from cardiactwins.lma.outline_distances import FAR, inside_shares, outline_distances
from cardiactwins.lma.shape_volume import BASE, SIZE, ShapeVolume

__all__ = ["CorrectedHeart", "meet_slices"]

LARGEST = 2.0
"""Voxels by which a border may be moved."""
FADING = 6.0
"""Voxels beyond the outermost slices over which their corrections fall to 1/e."""
THINNEST = 1.0
"""Voxels of wall that stay."""
SMOOTHING = 0.5
"""Pixels over which a remainder is averaged: outlines of masks have steps, which the heart has not."""
WIDE = 10.0
"""Pixels around an outline in which its remainder is wanted: between slices a border lies aside of both."""
ALIKE = 6.0
"""Voxels between slices with which a deformed atlas and interpolation are about as far from the truth."""
BEYOND = 3.0
"""Distance between slices that each voxel beyond the outermost slice counts for."""
NEAR = 3.0
"""Voxels around a border in which its distance is wanted: beyond, that it lies there is all that counts."""


@dataclass(frozen=True, eq=False)
class CorrectedHeart:
    """A reconstruction whose borders go through the outlines of its slices, where `changed`.

    changed: False where it was left as it was. moved: (2, 64, 64, 64) voxels within their plane by which
    averaging with interpolation moves endo- and epicardium there, or would have moved them.
    """

    volume: ShapeVolume
    changed: bool
    moved: NDArray[np.float32]


def meet_slices(
    volume: ShapeVolume, at_slices: NDArray[np.float32], outlines: SliceOutlines
) -> CorrectedHeart:
    """A reconstruction whose borders go through the outlines of its slices.

    A smooth velocity cannot follow the finest detail of an outline. What is left, the difference of signed
    distances within each slice, is interpolated linearly between the slices and added to the signed distances
    of the deformed atlas: signed-distance interpolation of the remainder instead of the whole. It moves a
    border by 2 voxels at most, and a wall of 1 voxel stays. The result is averaged with what the slices alone
    say (`interpolated_distances`), whose errors are others: the less, the farther slices lie apart
    (`_trust`). A cavity that fewer than two slices show is left to the atlas. Where the topology of the wall
    would change (Euler number, pieces), the average is left out, and then the rest.

    volume: the reconstruction. at_slices: (2, S, 64, 64) its shares of cavity and myocardium in the planes of
    the slices.
    """
    found = (volume.cavity, volume.cavity + volume.myocardium)
    here = (at_slices[0], at_slices[0] + at_slices[1])
    wanted = slice_distances(outlines)
    levels = np.stack(
        [
            outline_distances(a, NEAR) + _between(_remainders(b, c), outlines.positions)
            for a, b, c in zip(found, here, wanted, strict=True)
        ]
    )
    trust = _trust(outlines.positions)[:, None, None]
    between = np.clip(interpolated_distances(outlines, wanted), -FAR, FAR)
    moved = trust * (between - levels)
    if (outlines.cavity > 0.5).any(axis=(1, 2)).sum() < 2:
        moved[0] = 0
    told = np.abs(moved).astype(np.float32)
    topology = _topology(volume)
    for distances in (levels + moved, levels):
        corrected = _volume(*distances, volume.voxel)
        if _topology(corrected) == topology:
            return CorrectedHeart(corrected, True, told)
    return CorrectedHeart(volume, False, told)


def _volume(cavity: NDArray[np.float64], whole: NDArray[np.float64], voxel: float) -> ShapeVolume:
    """The ventricle between such signed distances of its borders, below the base plane."""
    cavity, whole = (inside_shares(part) for part in (np.maximum(cavity, whole + THINNEST), whole))
    wall = whole - cavity
    for share in (cavity, wall):
        share[: ceil(BASE)] = 0
    return ShapeVolume(cavity, wall, voxel)


def _trust(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight (64,) of interpolation against the deformed atlas in each plane, by the slices around it.

    The error of interpolation grows with the square of their distance, its variance is about that of the
    deformed atlas where they are six voxels apart (both on phantoms and on people of MESA). Beyond the
    outermost slice only the apex holds it: two voxels away it counts as between slices that are six apart,
    unless these are farther apart anyway.
    """
    heights = np.arange(SIZE)
    after = np.clip(np.searchsorted(positions, heights), 1, len(positions) - 1)
    beyond = np.maximum(positions[0] - heights, heights - positions[-1])
    apart = np.maximum(positions[after] - positions[after - 1], BEYOND * beyond)
    return 1 / (1 + (apart / ALIKE) ** 2)


def _remainders(found: NDArray[np.float32], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far outwards each border is still to move, (S, j, i); nothing where there is none to be moved.

    found: shares of each pixel. wanted: signed distances, as far as `WIDE` at least.
    """
    here, there = outline_distances(found, WIDE), np.clip(wanted, -WIDE, WIDE)
    shown = (found.max(axis=(1, 2)) >= 0.5)[:, None, None]
    remainders = np.where(shown, np.clip(there - here, -LARGEST, LARGEST), 0)
    return ndimage.gaussian_filter(remainders, (0, SMOOTHING, SMOOTHING))


def _between(remainders: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remainders at all planes of the grid: linear between slices, fading beyond them."""
    heights = np.arange(SIZE, dtype=float)
    within = np.clip(heights, positions[0], positions[-1])
    after = np.clip(np.searchsorted(positions, within), 1, len(positions) - 1)
    share = (within - positions[after - 1]) / (positions[after] - positions[after - 1])
    fading = np.exp(-np.abs(heights - within) / FADING)
    lower, upper = ((fading * part)[:, None, None] for part in (1 - share, share))
    return lower * remainders[after - 1] + upper * remainders[after]


def _topology(volume: ShapeVolume) -> tuple[int, int]:
    """Euler number and pieces of the wall."""
    from skimage.measure import euler_number

    mask = volume.mask
    return int(euler_number(mask, connectivity=3)), int(ndimage.label(mask, np.ones((3, 3, 3)))[1])
