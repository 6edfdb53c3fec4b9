"""DENSE images in the scene: phases and masks over the beat, where the slice lies, and its times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.axis import USUAL_APEX
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.dense import DenseImages, dense_images
from cardiactwins.mrml.dense_values import guessed_stored_range, phase_in_rad
from cardiactwins.mrml.geometry import geometry_of_volume
from cardiactwins.mrml.lma_wall import whole_wall
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segmentations import segment_array
from cardiactwins.mrml.sequences import nodes_of_sequence
from cardiactwins.mrml.volumes import volume_array

__all__ = ["DenseSlice", "dense_slice", "sequence_times", "stored_range_of"]

MILLISECONDS = {"s": 1000.0, "sec": 1000.0, "ms": 1.0, "msec": 1.0, "us": 1e-3}


@dataclass(frozen=True, eq=False)
class DenseSlice:
    """images: the slice. insertion: (2,) x, y in mm. seen_from_apex: whether it shows the heart from there.

    position: (3,) RAS mm of the wall's middle in the first frame, None for arrays. stored_range: values that
    were read as -pi and pi, None for phase in rad.
    """

    images: DenseImages
    insertion: NDArray[np.float64]
    seen_from_apex: bool
    position: NDArray[np.float64] | None
    stored_range: tuple[float, float] | None = None


def dense_slice(
    phase_x: Any,
    phase_y: Any,
    mask: Any,
    *,
    ke: ArrayLike | None,
    insertion: Any,
    phase_z: Any = None,
    times: ArrayLike | None = None,
    frame_interval: float | None = None,
    pixel: ArrayLike | None = None,
    signs: Sequence[int] | None = None,
    stored_range: tuple[float, float] | str | None = None,
    toward_apex: ArrayLike | None = None,
    seen_from_apex: bool | None = None,
) -> DenseSlice:
    """One slice of DENSE images from nodes or arrays.

    phase_x, phase_y, phase_z: sequence nodes of volumes of one slice, lists of volume nodes, or arrays (T, J,
    I) of wrapped phase in rad, or of stored values, see `phase_in_rad`, from stored_range[0] (-pi) to
    stored_range[1] (pi). mask: the same kinds, or a sequence of segmentations with a myocardium, which must
    follow the wall through the beat. times: (T,) ms; the index of the sequence when None, and where that is
    no time, multiples of frame_interval (ms), the first frame one interval after the R wave. pixel: mm along
    x and y; that of the volumes when None. signs: 1 or -1 for x, y and z, -1 where the scanner encodes the
    other way; all 1 when None. insertion: markups or (M, 3) RAS mm, of which the one nearest to the slice
    counts; or (2,) x, y in mm. toward_apex: (3,) direction from base to apex, by which the side is found from
    which the slice is seen; the usual one when None. seen_from_apex: said outright. ke: as in `dense_images`.
    ValueError when something is missing, or as of `dense_images`.
    """
    first, geometry, found_times = _frames(phase_x, "phase x")
    second = _frames(phase_y, "phase y")[0]
    third = None if phase_z is None else _frames(phase_z, "phase z")[0]
    wall = _frames(mask, "mask", geometry)[0]
    times = _times(found_times if times is None else times, frame_interval, len(first))
    if pixel is None:
        if geometry is None:
            raise ValueError("The size of a pixel is not known. Give pixel in mm.")
        pixel = geometry.spacing[:2]
    parts = [first, second] if third is None else [first, second, third]
    parts, stored_range = phase_in_rad(parts, wall, stored_range)
    x, y, *z = parts
    images = dense_images(
        x,
        y,
        wall,
        times,
        ke=ke,
        pixel=pixel,
        phase_z=z[0] if z else None,
        signs=_signs(signs, len(parts)),
    )
    if seen_from_apex is None:
        seen_from_apex = geometry is None or _shows_from_apex(geometry, toward_apex)
    position = None
    if geometry is not None:
        middle = np.argwhere(images.mask[0]).mean(axis=0)
        position = geometry.kji_to_ras([0.0, *middle])
    origin = _insertion(insertion, geometry, position)
    return DenseSlice(images, origin, seen_from_apex, position, stored_range)


def stored_range_of(phases: Sequence[Any], mask: Any) -> tuple[float, float] | None:
    """What the values of one slice's phases stand for, see `guessed_stored_range`; phases, mask: as of
    `dense_slice`. ValueError as of both."""
    parts, geometry = [], None
    for phase in phases:
        frames, geometry, _ = _frames(phase, "phase")
        parts.append(frames)
    wall = _frames(mask, "mask", geometry)[0]
    fits = all(part.shape == wall.shape for part in parts)
    return guessed_stored_range(parts, wall if fits else None)


def _times(known: ArrayLike | None, interval: float | None, frames: int) -> NDArray[np.float64]:
    if known is not None:
        return np.asarray(known, dtype=float)
    if interval is None:
        raise ValueError(
            "The frame times are not known: the index of the sequence is no time in ms or s. Give the "
            "interval between frames in ms (in Python: frame_interval=17, or times=(T,) in ms)."
        )
    if not (np.isfinite(interval) and interval > 0):
        raise ValueError(f"The interval between frames is a positive number of ms; found {interval:g}.")
    return interval * np.arange(1, frames + 1)


def _signs(given: Sequence[int] | None, components: int) -> tuple[int, ...] | None:
    """A sign for each component; one for z is left out where there is no phase through the plane."""
    if given is None:
        return None
    if len(given) not in (components, 3) or any(sign not in (-1, 1) for sign in given):
        raise ValueError(f"Signs are 1 or -1 for x, y and z; found {list(given)}.")
    return tuple(int(sign) for sign in given[:components])


def sequence_times(sequence: Any) -> NDArray[np.float64] | None:
    """Times (T,) in ms of the items of a sequence node, None where its index is no time."""
    return _index_times(sequence, [index for index, _ in nodes_of_sequence(sequence)])


def _frames(
    given: Any, name: str, grid: ImageGeometry | None = None
) -> tuple[NDArray, ImageGeometry | None, NDArray[np.float64] | None]:
    """Frames (T, J, I), their grid and their times where they are known."""
    times = None
    if hasattr(given, "GetNumberOfDataNodes"):
        items = nodes_of_sequence(given)
        if not items:
            raise ValueError(f"The sequence '{given.GetName()}' of the {name} is empty.")
        times = _index_times(given, [index for index, _ in items])
        nodes = [node for _, node in items]
    elif isinstance(given, (list, tuple)) and given and hasattr(given[0], "GetID"):
        nodes = list(given)
    else:
        frames = np.asarray(given)
        if frames.ndim != 3:
            raise ValueError(f"The {name} is (frames, rows, columns); found shape {frames.shape}.")
        return frames, grid, None
    if nodes[0].IsA("vtkMRMLSegmentationNode"):
        if grid is None:
            raise ValueError("Masks as segmentations need phases as volumes, whose grid they are read on.")
        return np.stack([_wall_of(node, grid)[0] for node in nodes]), grid, times
    geometry = geometry_of_volume(nodes[0])
    if geometry.shape[0] != 1:
        raise ValueError(
            f"The volumes of the {name} have {geometry.shape[0]} slices. Give the slices one by one."
        )
    return np.stack([volume_array(node)[0][0] for node in nodes]), geometry, times


def _wall_of(node: Any, grid: ImageGeometry) -> NDArray[np.bool_]:
    found = guess_roles(node)
    if "myocardium" not in found:
        raise ValueError(f"'{node.GetName()}' has no myocardium. Name a segment so.")
    return whole_wall({role: segment_array(node, segment, grid) for role, segment in found.items()})


def _index_times(sequence: Any, values: list[str]) -> NDArray[np.float64] | None:
    """Times (T,) in ms of the items of a sequence, None where its index is no time."""
    unit = (sequence.GetIndexUnit() or "").strip().lower()
    if unit not in MILLISECONDS or not all(re.fullmatch(r"\s*[-+.\deE]+\s*", value) for value in values):
        return None
    return np.array(values, dtype=float) * MILLISECONDS[unit]


def _shows_from_apex(geometry: ImageGeometry, toward_apex: ArrayLike | None) -> bool:
    """Columns to the right, rows down: whether who looks at the slice so looks from the apex."""
    toward = USUAL_APEX if toward_apex is None else np.asarray(toward_apex, dtype=float)
    into_screen = np.cross(geometry.ijk_to_ras[:3, 0], geometry.ijk_to_ras[:3, 1])
    return bool(into_screen @ toward < 0)


def _insertion(
    given: Any, geometry: ImageGeometry | None, position: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    if given is None:
        raise ValueError(
            "There is no RV insertion point, so sectors have no beginning. Place a point (markups) where the "
            "right ventricle meets the anterior wall."
        )
    points = points_of_markups(given) if hasattr(given, "GetNumberOfControlPoints") else np.asarray(given)
    points = points.astype(float)
    if points.shape == (2,):
        return points
    points = np.atleast_2d(points)
    if points.size == 0 or points.shape[1] != 3:
        raise ValueError(f"Insertion points are (M, 3) in RAS mm or (2,) in mm; found {points.shape}.")
    if geometry is None:
        raise ValueError("Points in RAS need volumes, which know where they lie. Give (2,) x, y in mm.")
    kji = geometry.ras_to_kji(points)
    nearest = kji[np.argmin(np.abs(kji[:, 0]) * geometry.spacing[2])]
    return nearest[:0:-1] * geometry.spacing[:2]
