"""Latent space of a population of infarcts: Isomap one way, multiscale kernel ridge regression the other."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigvalsh
from scipy.sparse.csgraph import connected_components

from cardiactwins.infarct.regression import MultiscaleRegression

if TYPE_CHECKING:
    from sklearn.manifold import Isomap

__all__ = ["LatentSpace", "SharedScatter", "shared_scatter"]

NEGLIGIBLE = 1e-9
"""Eigenvalues below this share of the first carry rounding only."""


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """Low-dimensional coordinates of one population, and the way back to infarct patterns (konik-2024, 2.4).

    coordinates: (n, d), centred; their distances approximate geodesics between images (pixels^0.5, as the
    L2 norm of binary images counts pixels). eigenvalues: (d,) of the geodesic affinity, descending;
    variance along a dimension is eigenvalue / n. geodesics: (n, n). parts: connected parts of the neighbour
    graph before they were joined. isomap: the fitted scikit-learn estimator. decoder: the regression back
    to images.
    """

    coordinates: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    geodesics: NDArray[np.float64]
    parts: int
    isomap: Isomap
    decoder: MultiscaleRegression

    @classmethod
    def fit(cls, lesions: ArrayLike, neighbors: int = 5, components: int = 20) -> LatentSpace:
        """Isomap of lesions (n, N), bool or values in [0, 1].

        At most `components` dimensions are kept, fewer where fewer eigenvalues are positive. A neighbour
        graph in several parts is joined by the shortest link between each two parts. Duplicates are
        ordinary samples at distance 0: more than `neighbors` copies of one image form a part of their own.
        Raises ValueError for fewer than neighbors + 2 images, for images that are all the same, and for
        values that are not finite.
        """
        from sklearn.manifold import Isomap

        images = _checked_images(lesions, neighbors)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The number of connected components")
            warnings.filterwarnings("ignore", message="Changing the sparsity structure")
            first = Isomap(n_neighbors=neighbors, n_components=1, eigen_solver="dense").fit(images)
            dimensions = min(components, _positive_dimensions(first.dist_matrix_))
            isomap = Isomap(n_neighbors=neighbors, n_components=dimensions, eigen_solver="dense").fit(images)
        graph = isomap.nbrs_.kneighbors_graph(mode="connectivity")
        return cls(
            coordinates=isomap.embedding_,
            eigenvalues=isomap.kernel_pca_.eigenvalues_,
            geodesics=isomap.dist_matrix_,
            parts=int(connected_components(graph, directed=False)[0]),
            isomap=isomap,
            decoder=MultiscaleRegression.fit(isomap.embedding_, images, neighbors=neighbors),
        )

    @property
    def dimensions(self) -> int:
        """Number of latent dimensions d."""
        return self.coordinates.shape[1]

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation of the population along each dimension, (d,)."""
        return self.coordinates.std(axis=0)

    @property
    def eigenvalue_decrease(self) -> NDArray[np.float64]:
        """Eigenvalues relative to the first, (d,) (mom-2021, figure 3a)."""
        return self.eigenvalues / self.eigenvalues[0]

    def encode(self, lesions: ArrayLike) -> NDArray[np.float64]:
        """Latent coordinates (m, d) of lesions (m, N), through their geodesics to the population."""
        return self.isomap.transform(np.atleast_2d(np.asarray(lesions, dtype=np.float64)))

    def decode(self, points: ArrayLike) -> NDArray[np.float32]:
        """Patterns (..., N) in [0, 1] at latent points (..., k); dimensions beyond k stay at the mean, 0."""
        points = np.asarray(points, dtype=np.float64)
        if not 1 <= points.shape[-1] <= self.dimensions:
            raise ValueError(
                f"Latent points have 1 to {self.dimensions} coordinates; found {points.shape[-1]}."
            )
        flat = np.zeros((points[..., 0].size, self.dimensions))
        flat[:, : points.shape[-1]] = points.reshape(len(flat), -1)
        patterns = np.clip(self.decoder.predict(flat), 0, 1)
        return patterns.reshape(*points.shape[:-1], -1)

    def mean_pattern(self) -> NDArray[np.float32]:
        """Non-linear average of the population, (N,) (konik-2024, figure 5): the pattern at the origin."""
        return self.decode(np.zeros(1))

    def modes(
        self, dimensions: int = 3, deviations: Sequence[float] = (-2, -1, 0, 1, 2)
    ) -> NDArray[np.float32]:
        """Patterns at multiples of the standard deviation along each of the first dimensions.

        Returns (dimensions, len(deviations), N) (konik-2024, figure 3; mom-2021, figure 4).
        """
        if not 1 <= dimensions <= self.dimensions:
            raise ValueError(
                f"This latent space has {self.dimensions} dimensions; {dimensions} modes were asked."
            )
        steps = (
            np.diag(self.deviations[:dimensions])[:, None, :] * np.asarray(deviations, dtype=float)[:, None]
        )
        return self.decode(steps)


@dataclass(frozen=True, eq=False)
class SharedScatter:
    """Several populations in one latent space (mom-2021, figure 3b).

    names: one a population. coordinates: (n, d) of all images. labels: (n,) index into `names`.
    """

    names: tuple[str, ...]
    coordinates: NDArray[np.float64]
    labels: NDArray[np.int64]

    def of(self, name: str) -> NDArray[np.float64]:
        """Coordinates of one population, (its n, d)."""
        return self.coordinates[self.labels == self.names.index(name)]


def shared_scatter(
    populations: Mapping[str, ArrayLike], neighbors: int = 5, components: int = 20
) -> SharedScatter:
    """Isomap of several populations together (mom-2021, figure 3b).

    populations: lesions (n, N) of each population by its name ("real", "elliptical", ...).
    """
    images = [np.asarray(lesions) for lesions in populations.values()]
    space = LatentSpace.fit(np.concatenate(images), neighbors, components)
    return SharedScatter(
        names=tuple(populations),
        coordinates=space.coordinates,
        labels=np.repeat(np.arange(len(images)), [len(lesions) for lesions in images]),
    )


def _checked_images(lesions: ArrayLike, neighbors: int) -> NDArray[np.float64]:
    images = np.array(lesions, dtype=np.float64)
    if images.ndim != 2:
        raise ValueError(f"Lesions must be (images, voxels); found an array of shape {images.shape}.")
    if len(images) < neighbors + 2:
        raise ValueError(
            f"A latent space with {neighbors} neighbours needs at least {neighbors + 2} images; "
            f"found {len(images)}."
        )
    if not np.isfinite(images).all():
        raise ValueError("Lesions hold NaN or infinite values.")
    if not np.ptp(images, axis=0).any():
        raise ValueError(f"All {len(images)} images are the same: there is no variation to embed.")
    return images


def _positive_dimensions(geodesics: NDArray[np.float64]) -> int:
    """Number of eigenvalues of the centred geodesic affinity that are clearly positive.

    Geodesics need not be Euclidean, so that small populations have few of them.
    """
    affinity = -0.5 * geodesics**2
    affinity -= affinity.mean(axis=0)
    affinity -= affinity.mean(axis=1, keepdims=True)
    eigenvalues = eigvalsh(affinity)
    return int(np.count_nonzero(eigenvalues > NEGLIGIBLE * eigenvalues[-1]))
