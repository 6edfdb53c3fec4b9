"""How far slices lie from what the others say of them, which tells how far a heart is from the prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import inv

__all__ = ["FARTHEST", "LEFT_OUT", "UNUSUAL", "LeftOutSlices", "left_out_slices"]

LEFT_OUT = "slices against the others"
"""Name of the ratio among what a reconstruction says of itself."""
FARTHEST = "slice farthest from the others"
"""Name, there, of the number of the slice that the others predict worst; the one nearest the base is 1."""
UNUSUAL = 3.0
"""Ratio above which a heart is unlike those of the training (up to 2.5), or roughly outlined."""

POPULATION = 1.0
"""Slices that count as if they had been met with the predicted deviation: few slices alone say little."""


@dataclass(frozen=True)
class LeftOutSlices:
    """What leaving out each slice says.

    ratio: root mean square, over the slices, of errors in units of their predicted deviation; 1 for hearts
    that the prior describes, more for others. deviations: (S,) root mean square error of each slice in those
    units.
    """

    ratio: float
    deviations: NDArray[np.float64]


def left_out_slices(
    covariance: NDArray[np.float64], displacements: NDArray[np.float64], slices: NDArray[np.int64]
) -> LeftOutSlices:
    """Predict each slice's displacements from those of all others, by kriging.

    covariance: (P, P) of the displacements, noise included. displacements: (P,) from their mean, voxels.
    slices: (P,) number of the slice of each. No system is solved again: with Q the inverse of the covariance,
    the errors of a slice's points are Q_ss^-1 (Q d)_s and their covariance is Q_ss^-1 (Dubrule, Math Geol
    15:687, 1983).
    """
    precision = inv(covariance)
    weights = precision @ displacements
    squares = []
    for number in np.unique(slices):
        chosen = np.flatnonzero(slices == number)
        spread = inv(precision[np.ix_(chosen, chosen)])
        error = spread @ weights[chosen]
        squares.append((error**2 / np.diag(spread)).mean())
    mean = (np.sum(squares) + POPULATION) / (len(squares) + POPULATION)
    return LeftOutSlices(float(np.sqrt(mean)), np.sqrt(squares))
