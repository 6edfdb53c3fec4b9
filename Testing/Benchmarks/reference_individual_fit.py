"""The individual fit of konik-2024, section 3.2.1, written plainly.

Every candidate ellipse is painted on the myocardial pixels of one image and scored by one Dice coefficient,
one candidate after the other. numpy works inside one image; nothing is shared between candidates,
images or centres but the position of the pixels in the frame of the centre.
"""

from __future__ import annotations

import numpy as np

from cardiactwins.anatomy.reference import INSERTION_ANGLE, ReferenceAnatomy

AXES = np.linspace(0.5, 80, 160)


def local_frame(anatomy: ReferenceAnatomy, circumferential: float) -> tuple[np.ndarray, np.ndarray]:
    """Tangential and radial distance (pixels) of every pixel from the endocardial point, each (N,)."""
    angle = INSERTION_ANGLE + 2 * np.pi * circumferential
    outward = np.array([np.cos(angle), -np.sin(angle)])
    along = np.array([-outward[1], outward[0]])
    offset = anatomy.positions[:, :2] - anatomy.slice_radii[0][0] * outward
    return offset @ along, offset @ outward


def ellipse(u: np.ndarray, v: np.ndarray, axis1: float, axis2: float) -> np.ndarray:
    """Pixels inside the ellipse with these semi-axes, (N,) bool."""
    return (u / axis1) ** 2 + (v / axis2) ** 2 <= 1


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient of two masks."""
    overlap = np.count_nonzero(first & second)
    return 2 * overlap / (np.count_nonzero(first) + np.count_nonzero(second))


def fit_individual(
    lesion: np.ndarray, anatomy: ReferenceAnatomy, centres: np.ndarray, axes: np.ndarray
) -> tuple[float, tuple[int, int, int]]:
    """Best Dice over the whole grid and the first (centre, axis 1, axis 2) indices that reach it."""
    best, where = -1.0, (0, 0, 0)
    for c, centre in enumerate(centres):
        u, v = local_frame(anatomy, centre)
        for i, axis1 in enumerate(axes):
            for j, axis2 in enumerate(axes):
                score = dice(ellipse(u, v, axis1, axis2), lesion)
                if score > best:
                    best, where = score, (c, i, j)
    return best, where


def elliptical_lesions(anatomy: ReferenceAnatomy, n: int, seed: int) -> np.ndarray:
    """n lesions of the elliptical model at the optimum of konik-2024, (18, 10, 13, 18) pixels, (n, N) bool.

    Centres are jittered by 0.03 turns (standard deviation) around 0; lesions without a pixel are drawn again.
    """
    rng = np.random.default_rng(seed)
    lesions: list[np.ndarray] = []
    while len(lesions) < n:
        u, v = local_frame(anatomy, rng.normal(0, 0.03))
        lesion = ellipse(u, v, abs(rng.normal(18, 10)), abs(rng.normal(13, 18)))
        if lesion.any():
            lesions.append(lesion)
    return np.array(lesions)
