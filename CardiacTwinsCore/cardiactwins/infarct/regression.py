"""Multiscale kernel ridge regression: from points of a latent space back to images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve
from scipy.spatial.distance import cdist

__all__ = ["MultiscaleRegression"]


@dataclass(frozen=True, eq=False)
class MultiscaleRegression:
    """Regression on scattered points, from the coarsest scale to that of the samples (Duchateau 2013).

    At scale s the kernel is exp(-d^2 / e_s) with e_s = D^2 / 2^s, D the largest distance between two
    points. What the coarser scales left, r_s, is fitted by (K_s + I / gamma) c_s = r_s, and all scales add
    up. Scales end before e_s falls below the squared mean distance of a point to its nearest neighbours.

    Every fit is linear in the values, so that it is solved once for the weights that a point gives to the
    values: predicting one image takes one weighted sum of the training images.

    points: (n, d). values: (n, N) float32. scales: (S,) e_s.
    operators: (S, n, n), such that c_s = operators[s] @ values.
    """

    points: NDArray[np.float64]
    values: NDArray[np.float32]
    scales: NDArray[np.float64]
    operators: NDArray[np.float64]

    @classmethod
    def fit(
        cls, points: ArrayLike, values: ArrayLike, gamma: float = 1.0, neighbors: int = 5
    ) -> MultiscaleRegression:
        """Prepare the regression of values (n, N) at points (n, d).

        gamma: weight of the data term over the regularization; 1 is "equally weighted" (mom-2021, 3.2).
        neighbors: nearest neighbours that set the finest scale. Raises ValueError when all points coincide,
        gamma is not positive or the shapes do not fit.
        """
        points = np.array(points, dtype=np.float64)
        values = np.array(values, dtype=np.float32)
        if points.ndim != 2 or values.ndim != 2 or len(points) != len(values):
            raise ValueError(
                f"Points (n, d) and values (n, N) must have the same n; found {points.shape}, {values.shape}."
            )
        if not gamma > 0:
            raise ValueError(f"The weight of the data term must be positive; found {gamma}.")
        squared = cdist(points, points, "sqeuclidean")
        if not squared.max(initial=0) > 0:
            raise ValueError(f"All {len(points)} points coincide: there is nothing to interpolate between.")
        scales = _scales(np.sqrt(squared), neighbors)
        residual = np.eye(len(points))
        operators = np.empty((len(scales), *squared.shape))
        for scale, operator in zip(scales, operators, strict=True):
            kernel = np.exp(-squared / scale)
            operator[:] = solve(kernel + np.eye(len(points)) / gamma, residual, assume_a="pos")
            residual -= kernel @ operator
        return cls(points=points, values=values, scales=scales, operators=operators)

    def weights(self, points: ArrayLike) -> NDArray[np.float64]:
        """Weights (m, n) that points (m, d) give to the n training images."""
        squared = cdist(np.atleast_2d(points), self.points, "sqeuclidean")
        return sum(
            np.exp(-squared / scale) @ operator
            for scale, operator in zip(self.scales, self.operators, strict=True)
        )

    def predict(self, points: ArrayLike) -> NDArray[np.float32]:
        """Values (m, N) at points (m, d)."""
        return self.weights(points).astype(np.float32) @ self.values


def _scales(distances: NDArray[np.float64], neighbors: int) -> NDArray[np.float64]:
    """Squared kernel lengths e_s, coarse to fine, (S,).

    Where duplicates bring the mean distance to the nearest neighbours to 0, the smallest distance other
    than 0 ends the scales.
    """
    nearest = np.sort(distances, axis=1)[:, 1 : neighbors + 1]
    finest = nearest.mean() or distances[distances > 0].min()
    largest = distances.max()
    count = 1 + int(np.floor(2 * np.log2(largest / finest)))
    return largest**2 / 2.0 ** np.arange(count)
