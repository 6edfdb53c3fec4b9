"""How well two left ventricles on one grid agree: overlap, surface distances, topology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["Agreement", "agreement", "is_sound", "surface_points"]


@dataclass(frozen=True)
class Agreement:
    """dsc, jaccard: overlap in [0, 1]. hd95, mean_distance: symmetric surface distances in voxels.

    sound: whether the found one has a sound topology (`is_sound`).
    """

    dsc: float
    jaccard: float
    hd95: float
    mean_distance: float
    sound: bool


def agreement(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> Agreement:
    """Agreement of two myocardium masks (k, j, i) of one shape. ValueError when one is empty.

    hd95 is the larger of both directed 95 % quantiles of the distances between surface voxels.
    """
    found, true = np.asarray(found, dtype=bool), np.asarray(true, dtype=bool)
    if found.shape != true.shape or not found.any() or not true.any():
        raise ValueError(
            f"Both masks must have one shape and hold voxels; found {found.shape} with {int(found.sum())} "
            f"and {true.shape} with {int(true.sum())}."
        )
    both, either = (found & true).sum(), (found | true).sum()
    a, b = surface_points(found), surface_points(true)
    there, back = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    return Agreement(
        dsc=float(2 * both / (found.sum() + true.sum())),
        jaccard=float(both / either),
        hd95=float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))),
        mean_distance=float((there.sum() + back.sum()) / (len(there) + len(back))),
        sound=is_sound(found),
    )


def surface_points(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of a mask that touch the outside by a face, (n, 3)."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask, border_value=0))


def is_sound(myocardium: NDArray[np.bool_]) -> bool:
    """Whether the wall is one cup: one piece, no hole through it, no hollow in it, its cavity open once.

    Such a cup can be flattened to a ball, whose Euler number is 1; a perforated wall or a ring open at both
    ends has less, a hollow more.
    """
    from skimage.measure import euler_number

    pieces = ndimage.label(myocardium, np.ones((3, 3, 3)))[1]
    background = ndimage.label(np.pad(~myocardium, 1, constant_values=True))[1]
    return bool(pieces == 1 and background == 1 and euler_number(myocardium, connectivity=3) == 1)
