"""Real hearts that no training sees: five volumes of the late-activation group, one patient's outlines."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from lma_sets import DATA
from mesh_volumes import HeartFrame
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from cardiactwins.lma.enclosed_cavity import enclosed_cavity
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, ShapeVolume
from cardiactwins.lma.sparse_slices import SparseSlices

__all__ = ["BIVME", "MYOCARDIUM_64", "ContourSlices", "bivme_slices", "myocardium_64", "myocardium_frame"]

MYOCARDIUM_64 = DATA / "myocardium-64"
BIVME = DATA / "bivme-patient-4d" / "contour_points_frame_000.txt"
LATERAL = np.array([0.85, 0.53, 0.05])
"""Usual direction away from the right ventricle, LPS; measured at the bivme patient's septum."""
FINE = 4
SMALLEST_RING = 40
"""Pixels of cavity within a slice that count as a ring."""


def myocardium_64(folder: Path = MYOCARDIUM_64) -> dict[str, ShapeVolume]:
    """The five volumes on the normalised grid, by name; `voxel` is in their own unit, not in mm.

    They are binary maps resampled to 64^3, arrays (k, j, i) that run to superior, posterior and left. Each is
    turned and scaled by a similarity (`myocardium_frame`) with linear interpolation. The cavity is what the
    wall encloses within a slice (`enclosed_cavity`); two of the walls have holes, which stay. Where the right
    ventricle lies is not labelled: lateral is the usual direction in the chest.
    """
    import SimpleITK

    volumes = {}
    for path in sorted(folder.glob("0*.nii.gz")):
        image = SimpleITK.ReadImage(str(path))
        share = np.clip(SimpleITK.GetArrayFromImage(image), 0, 1)
        frame = myocardium_frame(share)
        volumes[path.name.split(".")[0]] = _on_grid(share, frame, image.GetSpacing()[0])
    return volumes


def myocardium_frame(share: NDArray) -> HeartFrame:
    """Frame of a wall (k, j, i) that runs to superior, posterior and left; x y z = i j k, in its voxels.

    Base and apex are found in turn: the opening of the wall's convex hull gives a first axis, the slices
    across it that show a whole ring give the base, and its centre a better axis.
    """
    from skimage.morphology import convex_hull_image

    wall = np.pad(share >= 0.5, 2)
    hull = convex_hull_image(wall)
    skin = hull & ~ndimage.binary_erosion(hull)
    opening = skin & (ndimage.distance_transform_edt(~wall) > 2)
    points = (np.argwhere(wall) - 2.0)[:, ::-1]
    base = (np.argwhere(opening).mean(axis=0) - 2)[::-1]
    for _ in range(4):
        frame = HeartFrame.of(base[None], points, LATERAL)
        stack = _slices(share, frame)
        ring = np.flatnonzero([_enclosed(part >= 0.5).sum() >= SMALLEST_RING for part in stack])
        whole = ring[0] if len(ring) == 1 else _first_of_run(ring)
        center = np.argwhere(_enclosed(stack[whole] >= 0.5)).mean(axis=0)
        base = frame.to_heart(np.array([[whole, *center]]))[0]
    return HeartFrame.of(base[None], points, LATERAL)


@dataclass(frozen=True, eq=False)
class ContourSlices:
    """Outlines of a patient in short-axis slices.

    slices: on the normalised grid. contours: for each slice the drawn points of endo- and epicardium, (n, 2)
    voxels (j, i). voxel: mm.
    """

    slices: SparseSlices
    contours: list[tuple[NDArray, NDArray]]
    voxel: float


def bivme_slices(path: Path = BIVME) -> ContourSlices:
    """Outlines of the bivme patient at end-diastole; the epicardium of the septum is its right face.

    The grid's voxel is a whole fraction of the distance between slices, so that they lie at whole voxels, and
    the apex is the farthest epicardial point of the long-axis slices.
    """
    points = _contour_points(path)
    frames = sorted({frame for kind, frame in points if kind == "SAX_LV_ENDOCARDIAL"}, key=int)
    inner = [points["SAX_LV_ENDOCARDIAL", f] for f in frames]
    outer = [np.vstack([points["SAX_LV_EPICARDIAL", f], points["SAX_RV_SEPTUM", f]]) for f in frames]
    along = np.linalg.svd(inner[0] - inner[0].mean(axis=0))[2][2]
    along *= np.sign((inner[-1].mean(axis=0) - inner[0].mean(axis=0)) @ along)
    heights = np.array([contour.mean(axis=0) @ along for contour in inner])
    long_axis = np.vstack([p for (kind, _), p in points.items() if kind == "LAX_LV_EPICARDIAL"])
    valve = np.vstack([p for (kind, _), p in points.items() if kind == "MITRAL_VALVE"])
    apex, base = (long_axis @ along).max(), (valve @ along).max()
    spacing = float(np.diff(heights).mean())
    voxel = spacing / round(spacing * LENGTH / (apex - base))
    last = round(BASE + LENGTH - (apex - heights[-1]) / voxel)
    positions = last - np.round((heights[-1] - heights) / voxel).astype(int)

    septum = np.vstack([points["SAX_RV_SEPTUM", f] for f in frames]).mean(axis=0)
    middle = np.vstack(inner).mean(axis=0)
    lateral = middle - septum - ((middle - septum) @ along) * along
    lateral /= np.linalg.norm(lateral)
    origin = middle + (heights[-1] - (last - BASE) * voxel - middle @ along) * along
    frame = HeartFrame(origin, np.stack([along, np.cross(along, lateral), lateral]), voxel)
    contours = [
        tuple(_around(frame.to_grid(contour)[:, 1:]) for contour in pair)
        for pair in zip(inner, outer, strict=True)
    ]
    cavity, whole = (np.array([_filled(pair[n]) for pair in contours]) for n in range(2))
    slices = SparseSlices(positions, cavity, np.clip(whole - cavity, 0, 1))
    return ContourSlices(slices, contours, voxel)


def _on_grid(share: NDArray, frame: HeartFrame, unit: float) -> ShapeVolume:
    """A wall in its frame: above the base plane nothing."""
    wall = _slices(share, frame)
    wall[: ceil(BASE)] = 0
    cavity = np.array([enclosed_cavity(part) for part in wall])
    return ShapeVolume(cavity.astype(np.float32), wall.astype(np.float32), frame.voxel * unit)


def _slices(share: NDArray, frame: HeartFrame) -> NDArray[np.float32]:
    """The array read at the voxels of the grid by linear interpolation, (64, 64, 64)."""
    kji = np.moveaxis(np.indices((SIZE,) * 3), 0, -1).reshape(-1, 3)
    places = frame.to_heart(kji)[:, ::-1].T
    read = ndimage.map_coordinates(share, places, order=1, output=np.float32)
    return read.reshape((SIZE,) * 3)


def _enclosed(wall: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What a wall encloses within a slice, pinholes in it closed."""
    closed = ndimage.binary_closing(wall, np.ones((3, 3)))
    return ndimage.binary_fill_holes(closed) & ~closed & ~wall


def _first_of_run(rings: NDArray[np.int64]) -> int:
    """First of the longest run of consecutive slices."""
    runs = np.split(rings, np.flatnonzero(np.diff(rings) > 1) + 1)
    return int(max(runs, key=len)[0])


def _contour_points(path: Path) -> dict[tuple[str, str], NDArray]:
    points = defaultdict(list)
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            points[row["contour type"], row["frameID"]].append([float(row[name]) for name in "xyz"])
    return {key: np.array(value) for key, value in points.items()}


def _around(contour: NDArray) -> NDArray:
    """Points in order of their angle about their middle."""
    offset = contour - contour.mean(axis=0)
    return contour[np.argsort(np.arctan2(offset[:, 0], offset[:, 1]))]


def _filled(contour: NDArray) -> NDArray[np.float32]:
    """Share of each pixel within a contour (n, 2), (64, 64)."""
    fine = polygon2mask((SIZE * FINE,) * 2, (contour + 0.5) * FINE - 0.5)
    return fine.reshape(SIZE, FINE, SIZE, FINE).mean(axis=(1, 3), dtype=np.float32)
