"""Moving least squares: values and gradients of scattered data by a polynomial fitted around each point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["local_fit"]

REACH = 2.5
"""Points farther away than this many radii have no weight."""
COEFFICIENTS = {1: 3, 2: 6}
FLATTEST = 1e-7
"""Least ratio of the eigenvalues of a fit's normal matrix: below, its points hardly fill the plane."""


def local_fit(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    at: NDArray[np.float64],
    radius: float,
    degree: int = 2,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (Q, C) and gradients (Q, C, 2) at positions `at` (Q, 2) of data (N, C) given at points (N, 2).

    Around each position a polynomial of `degree` 1 or 2 is fitted to the points within 2.5 radii with the
    weights exp(-d^2 / 2 radius^2) (Lancaster and Salkauskas 1981). A polynomial up to that degree comes back
    exactly, at the border of the points too. radius in the unit of the points; of very dense points only the
    nearest count. NaN where the points are too few or lie on a line. ValueError for another degree.
    """
    if degree not in COEFFICIENTS:
        raise ValueError(f"The degree of a local fit is 1 or 2; found {degree}.")
    if len(points) < COEFFICIENTS[degree]:
        raise ValueError(
            f"A local fit of degree {degree} needs {COEFFICIENTS[degree]} points; found {len(points)}."
        )
    tree = cKDTree(points)
    spacing = np.median(tree.query(points, k=2)[0][:, 1])
    within = int(1.2 * np.pi * (REACH * radius / max(spacing, 0.1 * radius)) ** 2) + 1
    distance, nearest = tree.query(at, k=min(max(within, 2 * COEFFICIENTS[degree]), len(points)))
    weight = np.where(distance <= REACH * radius, np.exp(-0.5 * (distance / radius) ** 2), 0.0)
    x, y = np.moveaxis((points[nearest] - at[:, None]) / radius, -1, 0)
    terms = [np.ones_like(x), x, y] + ([x * x, x * y, y * y] if degree == 2 else [])
    basis = np.stack(terms, axis=-1)
    weighted = np.swapaxes(basis * weight[..., None], 1, 2)
    normal = weighted @ basis
    eigenvalues = np.linalg.eigvalsh(normal)
    sound = eigenvalues[:, 0] > FLATTEST * eigenvalues[:, -1]
    coefficients = np.full((len(at), basis.shape[-1], values.shape[1]), np.nan)
    coefficients[sound] = np.linalg.solve(normal[sound], (weighted @ values[nearest])[sound])
    return coefficients[:, 0], np.swapaxes(coefficients[:, 1:3], 1, 2) / radius
