"""Tissue tracked through the beat: the motion of material points from what each image shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.dense import DenseImages, eulerian_displacement
from cardiactwins.lma.local_fit import local_fit
from cardiactwins.lma.low_rank import low_rank, significant_rank

__all__ = ["TissueMotion", "track_tissue"]

SIGHT_PIXELS = 2.0
"""A material point with no tissue within so many pixels is lost in that frame."""


@dataclass(frozen=True, eq=False)
class TissueMotion:
    """Material points and where they go.

    points: (P, 2) positions (x, y) in mm at time zero. displacement: (T, P, C) mm since time zero (C = 2 or
    3, the third through the plane), reduced to `modes` principal modes (0: not reduced). measured: the same
    before the reduction. times: (T,) ms. mask: (J, I) pixels the points are the centres of, in the
    order of `np.argwhere`.
    """

    points: NDArray[np.float64]
    displacement: NDArray[np.float64]
    measured: NDArray[np.float64]
    times: NDArray[np.float64]
    mask: NDArray[np.bool_]
    modes: int


def track_tissue(
    images: DenseImages,
    reference: ArrayLike | None = None,
    *,
    radius: float | None = None,
    modes: int | None = None,
    progress: Progress = silent,
) -> TissueMotion:
    """Lagrangian displacement of the tissue of a slice.

    The phase in the pixel at x tells that its tissue came from x - u, so every frame shows the displacement u
    at the scattered reference positions x - u. Around each point of the reference it is fitted by moving
    least squares (Gaussian of `radius` mm, 1.5 pixels when None, second degree). No iteration is needed.

    reference: (J, I) myocardium at time zero; the mask of the first frame when None. modes: the motion (T x 2
    P matrix) is reduced to so many principal modes, which takes most of the noise away; `significant_rank`
    decides when None, 0 leaves the motion as it is.

    ValueError when fewer than half of the points can be followed through all frames: the mask of some frame
    does not show the tissue, or its phase is wrongly unwrapped. Points that are lost are left out of the
    result.
    """
    positions = images.positions
    mask = images.mask[0] if reference is None else np.asarray(reference) > 0
    if mask.shape != images.mask.shape[1:] or not mask.any():
        raise ValueError(
            f"The reference mask must be {images.mask.shape[1:]} with myocardium; found shape {mask.shape} "
            f"with {int(mask.sum())} pixels."
        )
    points = positions[mask]
    size = float(images.pixel.mean())
    radius = 1.5 * size if radius is None else radius
    eulerian = eulerian_displacement(images)
    motion = np.full((len(images.times), len(points), len(eulerian)), np.nan)
    for frame, inside in enumerate(images.mask):
        seen = eulerian[:, frame, inside].T
        origin = positions[inside] - seen[:, :2]
        motion[frame] = local_fit(origin, seen, points, radius)[0]
        motion[frame, cKDTree(origin).query(points)[0] > SIGHT_PIXELS * size] = np.nan
        progress(frame + 1, len(images.times), "Tracking tissue")
    followed = np.isfinite(motion).all(axis=(0, 2))
    if followed.mean() < 0.5:
        worst = int(np.argmax(np.isnan(motion).any(axis=2).sum(axis=1)))
        raise ValueError(
            f"Only {int(followed.sum()):,} of {len(points):,} points can be followed through all frames "
            f"(most are lost in frame {worst + 1}). Check its mask, the encoding frequency and the signs."
        )
    motion = motion[:, followed]
    kept = np.zeros_like(mask)
    kept[tuple(np.argwhere(mask)[followed].T)] = True
    flat = motion.reshape(len(motion), -1)
    rank = significant_rank(flat) if modes is None else modes
    reduced = low_rank(flat, rank).reshape(motion.shape) if rank else motion
    return TissueMotion(points[followed], reduced, motion, images.times, kept, rank)
