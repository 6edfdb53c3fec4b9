"""Sectors round the wall from the right ventricle's insertion, and the strain matrix of a slice."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_frame_times",
    "checked_strain_matrix",
    "circumferential_turns",
    "sector_strain",
    "sectors_of",
    "trim_frames",
]

SECTORS = 18
LEAST_FRAMES = 8
LEAST_MS = 5.0
"""No beat ends so early: frame times up to here are in seconds."""


def circumferential_turns(
    points: ArrayLike, center: ArrayLike, insertion: ArrayLike, *, seen_from_apex: bool = True
) -> NDArray[np.float64]:
    """Circumferential coordinate [0, 1) of points (P, 2): turns from the insertion, counter-clockwise seen
    from the apex, as in `anatomy.coordinates`.

    points, center (2,), insertion (2,): image positions (x along columns, y along rows downwards) in mm.
    seen_from_apex: whether the image shows the heart from the apex, as short-axis images usually do (septum
    at the left of the screen); False where it is seen from the base. ValueError when the insertion is the
    centre.
    """
    center = np.asarray(center, dtype=float)
    start = np.asarray(insertion, dtype=float) - center
    if not np.linalg.norm(start) > 0:
        raise ValueError("The insertion lies in the centre of the wall. Place it where the RV meets it.")
    away = np.asarray(points, dtype=float) - center
    clockwise = np.arctan2(away[..., 1], away[..., 0]) - np.arctan2(start[1], start[0])
    turns = clockwise / (2 * np.pi) * (-1 if seen_from_apex else 1)
    wrapped = np.mod(turns, 1.0)
    return np.where(wrapped >= 1.0, 0.0, wrapped)


def sectors_of(turns: ArrayLike, sectors: int = SECTORS) -> NDArray[np.intp]:
    """Sector 0 .. sectors - 1 of circumferential coordinates in turns; sector 0 starts at the insertion."""
    if sectors < 4:
        raise ValueError(f"A slice needs at least 4 sectors; found {sectors}.")
    return np.floor(np.mod(turns, 1.0) * sectors).astype(np.intp) % sectors


def sector_strain(
    strain: ArrayLike,
    turns: ArrayLike,
    *,
    sectors: int = SECTORS,
    depth: ArrayLike | None = None,
    layer: tuple[float, float] = (1 / 3, 2 / 3),
) -> NDArray[np.float64]:
    """Strain matrix (sectors, T): mean over each sector's points within a layer of the wall.

    strain: (T, P) of the tracked points, NaN where a point was not seen. turns: (P,) circumferential
    coordinates. depth: (P,) transmural depth, 0 endocardium to 1 epicardium; with it only points of `layer`
    count, by default mid-wall (jayakumar-2023, section 2.1: the centre of each sector). A frame in which a
    sector shows no point is NaN. ValueError when a sector has no points at all.
    """
    strain, turns = np.asarray(strain, dtype=float), np.asarray(turns, dtype=float)
    if strain.ndim != 2 or turns.shape != strain.shape[1:]:
        raise ValueError(f"Strain must be (T, P) with turns (P,); found {strain.shape} and {turns.shape}.")
    chosen = np.ones(turns.shape, dtype=bool)
    if depth is not None:
        depth = np.asarray(depth, dtype=float)
        chosen = (depth >= layer[0]) & (depth <= layer[1])
    member = (sectors_of(turns, sectors) == np.arange(sectors)[:, None]) & chosen
    empty = np.flatnonzero(~member.any(axis=1))
    if empty.size:
        raise ValueError(
            f"{empty.size} of {sectors} sectors have no points in the layer {layer[0]:.2f} to {layer[1]:.2f} "
            f"(first: sector {empty[0] + 1}). Use fewer sectors, a wider layer or a finer image."
        )
    seen = np.isfinite(strain)
    weight = member.astype(float)
    count = weight @ seen.T
    total = weight @ np.where(seen, strain, 0.0).T
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def trim_frames(
    matrix: ArrayLike, times: ArrayLike, frames: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strain matrix (S, T - frames) and times without the noisy last frames (5 in jayakumar-2023).

    ValueError when fewer than 8 frames would be left.
    """
    matrix, times = np.asarray(matrix, dtype=float), np.asarray(times, dtype=float)
    left = matrix.shape[1] - frames
    if frames < 0 or left < LEAST_FRAMES:
        raise ValueError(
            f"Trimming {frames} of {matrix.shape[1]} frames leaves {left}; {LEAST_FRAMES} or more are needed."
        )
    return matrix[:, :left], times[:left]


def check_frame_times(times: NDArray[np.float64], frames: int) -> None:
    """ValueError unless times (T,) are as many rising numbers in ms as there are frames."""
    if times.shape != (frames,) or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError(f"Frame times must be {frames} rising numbers in ms; found shape {times.shape}.")
    if times[-1] <= LEAST_MS:
        raise ValueError(
            f"Frame times must be in ms; the last of {frames} frames at {times[-1]:g} looks like seconds. "
            "Multiply them by 1000."
        )


def checked_strain_matrix(
    matrix: ArrayLike, times: ArrayLike, sectors: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The matrix (S, T) and its times (T,) in ms as float arrays; ValueError when they cannot be used."""
    matrix, times = np.asarray(matrix, dtype=float), np.asarray(times, dtype=float)
    if matrix.ndim != 2:
        raise ValueError(f"A strain matrix is (sectors, frames); found shape {matrix.shape}.")
    if sectors is not None and len(matrix) != sectors:
        raise ValueError(
            f"The strain matrix has {len(matrix)} sectors, {sectors} are expected. Rows are sectors, columns "
            "frames; transpose it or set the number of sectors."
        )
    if len(matrix) < 4:
        raise ValueError(f"A slice needs at least 4 sectors; found {len(matrix)}.")
    check_frame_times(times, matrix.shape[1])
    if len(times) < LEAST_FRAMES:
        raise ValueError(f"At least {LEAST_FRAMES} frames are needed; found {len(times)}.")
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=0))
    if broken.size:
        raise ValueError(
            f"{broken.size} of {matrix.shape[1]} frames hold NaN strain (first: frame {broken[0] + 1}). Trim "
            "them, or mask the wall in every frame."
        )
    return matrix, times
