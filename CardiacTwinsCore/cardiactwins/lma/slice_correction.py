"""The last voxel: a deformed atlas brought onto the outlines that it nearly meets."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.shape_volume import BASE, SIZE, ShapeVolume

__all__ = ["meet_slices", "outline_distance"]

LARGEST = 2.0
"""Voxels by which a border may be moved."""
FADING = 6.0
"""Voxels beyond the outermost slices over which their corrections fall to 1/e."""
THINNEST = 1.0
"""Voxels of wall that stay."""
SMOOTHING = 1.0
"""Pixels over which a remainder is averaged: outlines of masks have steps, which the heart has not."""
FINENESS = 8
"""Points on each piece of an outline, which is about a pixel long."""
FAR = 6.0
"""Voxels: what lies farther from an outline needs no exact distance."""


def meet_slices(
    volume: ShapeVolume, at_slices: NDArray[np.float32], outlines: SliceOutlines
) -> tuple[ShapeVolume, bool]:
    """A reconstruction whose borders go through the outlines of its slices, and whether it was changed.

    A smooth velocity cannot follow the finest detail of an outline. What is left, the difference of signed
    distances within each slice, is interpolated linearly between the slices and added to the signed distances
    of the deformed atlas: signed-distance interpolation of the remainder instead of the whole. A border moves
    by 2 voxels at most, and a wall of 1 voxel stays. Where the topology of the wall would change (Euler
    number, pieces), nothing is.

    volume: the reconstruction. at_slices: (2, S, 64, 64) its shares of cavity and myocardium in the planes of
    the slices.
    """
    found = (volume.cavity, volume.cavity + volume.myocardium)
    here = (at_slices[0], at_slices[0] + at_slices[1])
    wanted = (outlines.cavity, outlines.cavity + outlines.myocardium)
    cavity, whole = (
        _near_distance(a) + _between(_remainders(b, c), outlines.positions)
        for a, b, c in zip(found, here, wanted, strict=True)
    )
    cavity = np.maximum(cavity, whole + THINNEST)
    whole, cavity = (_shares(distance) for distance in (whole, cavity))
    wall = whole - cavity
    for share in (cavity, wall):
        share[: ceil(BASE)] = 0
    corrected = ShapeVolume(cavity, wall, volume.voxel)
    if _topology(corrected) != _topology(volume):
        return volume, False
    return corrected, True


def _shares(level: NDArray[np.float64]) -> NDArray[np.float32]:
    """Share of each voxel inside, from distances within its plane; a border that leans is nearer."""
    leaning = np.gradient(level, axis=0)
    return np.clip(0.5 - level / np.sqrt(1 + leaning**2), 0, 1).astype(np.float32)


def outline_distance(share: NDArray[np.floating], pixels: NDArray[np.bool_] | None = None) -> NDArray:
    """Distance of pixels (j, i) to where a share crosses one half, negative inside; +-6 where not asked for.

    The outline is found between the pixels (marching squares). pixels: (j, i) where the distance is wanted;
    None: everywhere. All +6 for a share below one half.
    """
    from skimage.measure import find_contours

    distance = np.where(share >= 0.5, -FAR, FAR)
    contours = find_contours(np.pad(share, 1), 0.5)
    if not contours:
        return distance
    along = np.arange(FINENESS)[:, None, None] / FINENESS
    points = [((1 - along) * c[:-1] + along * c[1:]).reshape(-1, 2) for c in contours]
    tree = cKDTree(np.concatenate(points) - 1)
    places = np.argwhere(np.ones_like(share, dtype=bool) if pixels is None else pixels)
    away = tree.query(places)[0]
    distance[tuple(places.T)] = np.where(share[tuple(places.T)] >= 0.5, -away, away)
    return distance


def _near_distance(shares: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signed distances within each plane, exact within 3 pixels of an outline."""
    inside = shares >= 0.5
    square = np.ones((1, 3, 3), dtype=bool)
    near = ndimage.binary_dilation(inside, square, 3) & ~ndimage.binary_erosion(
        inside, square, 3, border_value=1
    )
    return np.stack([outline_distance(share, where) for share, where in zip(shares, near, strict=True)])


def _remainders(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far outwards each border is still to move, (S, j, i); nothing where there is none to be moved."""
    remainders = np.zeros(found.shape)
    for number, (here, there) in enumerate(zip(found, wanted, strict=True)):
        if here.max() >= 0.5:
            remainders[number] = outline_distance(there) - outline_distance(here)
    return ndimage.gaussian_filter(np.clip(remainders, -LARGEST, LARGEST), (0, SMOOTHING, SMOOTHING))


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
