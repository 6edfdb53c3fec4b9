"""What the recovery experiment measures: distances of length distributions, their floors, and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import ndtr
from scipy.stats import wasserstein_distance

from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.spherical import SMALLEST_RADIUS, IterativeSphericalModel

__all__ = [
    "SeenRegions",
    "folded_normal_fit",
    "images_distances",
    "images_fit",
    "length_distances",
    "length_quantiles",
    "oracle_distances",
    "seen_regions",
    "true_lengths",
    "within_two_errors",
]

SHORTEST_SEEN, LONGEST_SEEN = 0.05, 400.0
REFINEMENTS, CELLS = 5, 24
QUANTILES = (np.arange(20_000) + 0.5) / 20_000


def length_quantiles(model: EllipticalModel | IterativeSphericalModel, parameters: ArrayLike) -> NDArray:
    """Sorted lengths that stand for a model's distributions, (axes or 1, 20000), pixels.

    Semi-axes of the elliptical model, |Normal(mean, std)|; radii of the spherical one, U(1, maximal radius).
    """
    if isinstance(model, EllipticalModel):
        uniforms = np.repeat(QUANTILES[:, None], len(model.axes), axis=1)
        return np.sort(model.semi_axes(parameters, uniforms).T, axis=1)
    return (SMALLEST_RADIUS + (np.asarray(parameters)[1] - SMALLEST_RADIUS) * QUANTILES)[None]


def length_distances(found: NDArray, true: NDArray) -> NDArray[np.float64]:
    """Wasserstein-1 distance of each axis in pixels, (axes,), between samples of lengths (axes, any n)."""
    return np.array([wasserstein_distance(a, b) for a, b in zip(found, true, strict=True)])


def true_lengths(
    model: EllipticalModel | IterativeSphericalModel, parameters: ArrayLike, uniforms: NDArray
) -> NDArray:
    """Lengths behind a population's uniform numbers (n, n_uniforms), (axes, n) or (1, n * spheres)."""
    if isinstance(model, EllipticalModel):
        return model.semi_axes(parameters, uniforms[:, 1:]).T
    spheres, largest = parameters
    radii = SMALLEST_RADIUS + (largest - SMALLEST_RADIUS) * uniforms[:, 1 : 1 + 2 * int(spheres) : 2]
    return radii.reshape(1, -1)


def folded_normal_fit(lengths: NDArray) -> tuple[float, float]:
    """Mean and std of the |Normal(mean, std)| that makes the lengths (n,) most likely."""

    def cost(point: NDArray) -> float:
        mean, std = point[0], np.exp(point[1])
        both = np.logaddexp(-0.5 * ((lengths - mean) / std) ** 2, -0.5 * ((lengths + mean) / std) ** 2)
        return len(lengths) * point[1] - both.sum()

    centre, spread = lengths.mean(), lengths.std()
    starts = [(centre * share, np.log(spread * width)) for share in (0.1, 0.6, 1) for width in (0.7, 1.2)]
    best = min((minimize(cost, start, method="Nelder-Mead") for start in starts), key=lambda fit: fit.fun)
    return abs(float(best.x[0])), float(np.exp(best.x[1]))


def oracle_distances(
    model: EllipticalModel | IterativeSphericalModel, truth: Sequence[float], lengths: NDArray
) -> tuple[NDArray, NDArray]:
    """What one who measures the true lengths (axes, n) misses: W1 of the lengths as they are, and of the fit.

    The fit is that of maximum likelihood: of a folded normal, or of U(1, maximal radius), whose estimate is
    the largest radius. Two arrays (axes,), pixels.
    """
    true = length_quantiles(model, truth)
    if isinstance(model, EllipticalModel):
        fitted = np.ravel([folded_normal_fit(row) for row in lengths])
    else:
        fitted = np.array([truth[0], lengths.max()])
    return length_distances(lengths, true), length_distances(length_quantiles(model, fitted), true)


@dataclass(frozen=True, eq=False)
class SeenRegions:
    """The semi-axes that make the images of n lesions, their centres known (2D).

    first: (n, cells + 1) edges of cells of axis 1 in pixels; the last is infinite where a longer axis adds no
    pixel. shortest, longest: (n, cells) between which lengths of axis 2 the image stays the same, at the
    middle of each cell; the longest is infinite where a longer one adds no pixel.
    """

    first: NDArray[np.float64]
    shortest: NDArray[np.float64]
    longest: NDArray[np.float64]

    def likelihood(self, parameters: Sequence[float]) -> float:
        """Log-probability of all images when each semi-axis is |Normal(mean, std)|."""
        mean1, std1, mean2, std2 = parameters
        of_first = np.diff(_folded_normal_share(self.first, mean1, std1), axis=1)
        of_second = _folded_normal_share(self.longest, mean2, std2)
        of_second -= _folded_normal_share(self.shortest, mean2, std2)
        return float(np.log(np.maximum((of_first * of_second).sum(axis=1), 1e-300)).sum())

    def unlimited(self) -> list[float]:
        """Share of lesions whose image sets no upper limit to axis 1, and to axis 2."""
        return [
            float(np.isinf(self.first[:, -1]).mean()),
            float(np.isinf(self.longest).any(axis=1).mean()),
        ]


def _folded_normal_share(length: NDArray, mean: float, std: float) -> NDArray[np.float64]:
    """Probability that |Normal(mean, std)| lies below a length."""
    return ndtr((length - mean) / std) - ndtr((-length - mean) / std)


def seen_regions(model: EllipticalModel, parameters: ArrayLike, uniforms: NDArray) -> SeenRegions:
    """What the images of the lesions that these uniform numbers (n, 3) make tell of their axes.

    In the inverse squares of the semi-axes every pixel inside or outside is a half-plane, so what the image
    allows is a convex polygon, and of axis 1 an interval around the true length.
    """
    axes = model.semi_axes(parameters, uniforms[:, 1:])
    voxels = model.start_voxels[(uniforms[:, 0] * len(model.start_voxels)).astype(int)]
    centres = model.anatomy.positions[voxels]
    rows = []
    for (first, second), centre, frame in zip(axes, centres, model.frames(centres), strict=True):
        squared = ((model.anatomy.positions - centre) @ frame[:2].T).T ** 2
        inside = squared[0] / first**2 + squared[1] / second**2 <= 1

        def possible(lengths: NDArray, squared=squared, inside=inside) -> NDArray[np.bool_]:
            return np.less(*_second_axis(squared, inside, lengths))

        low = _last_possible(possible, first, SHORTEST_SEEN)
        high = _last_possible(possible, first, LONGEST_SEEN)
        edges = np.linspace(low, high, CELLS + 1)
        shortest, longest = _second_axis(squared, inside, (edges[1:] + edges[:-1]) / 2)
        edges[0] = 0.0 if low == SHORTEST_SEEN else low
        edges[-1] = np.inf if high == LONGEST_SEEN else high
        rows.append((edges, shortest, np.maximum(longest, shortest)))
    return SeenRegions(*map(np.array, zip(*rows, strict=True)))


def _second_axis(squared: NDArray, inside: NDArray, first: NDArray) -> tuple[NDArray, NDArray]:
    """Least and largest axis 2 that keep all pixels inside in and all others out, at each axis 1 (K,).

    squared: squared coordinates of the pixels from the centre, (2, N). inside: (N,).
    """
    left = 1 - squared[0][:, None] / first**2
    reach = np.full(left.shape, np.inf)
    np.divide(squared[1][:, None], left, out=reach, where=left > 0)
    return np.sqrt(reach[inside].max(axis=0)), np.sqrt(reach[~inside].min(axis=0, initial=np.inf))


def _last_possible(possible: Callable[[NDArray], NDArray], inner: float, outer: float) -> float:
    """How far towards `outer` lengths stay possible from `inner`, which is."""
    for _ in range(REFINEMENTS):
        lengths = np.linspace(inner, outer, 9)[1:]
        impossible = ~possible(lengths)
        if not impossible.any():
            return outer
        place = int(impossible.argmax())
        inner, outer = (lengths[place - 1] if place else inner), lengths[place]
    return inner


def images_fit(regions: SeenRegions, truth: Sequence[float]) -> NDArray[np.float64]:
    """Parameters (mean1, std1, mean2, std2) that make the images most likely, searched from the truth."""

    def unpacked(point: NDArray) -> NDArray:
        return np.array([abs(point[0]), np.exp(point[1]), abs(point[2]), np.exp(point[3])])

    mean1, std1, mean2, std2 = truth
    spread1, spread2 = np.hypot(mean1, std1), np.hypot(mean2, std2)
    starts = [
        (mean1, std1, mean2, std2),
        (mean1, std1, 0.2 * spread2, spread2),
        (0.2 * spread1, spread1, mean2, std2),
    ]
    fits = [
        minimize(
            lambda point: -regions.likelihood(unpacked(point)),
            (start[0], np.log(start[1]), start[2], np.log(start[3])),
            method="Nelder-Mead",
            options={"xatol": 0.01, "fatol": 0.01},
        )
        for start in starts
    ]
    return unpacked(min(fits, key=lambda fit: fit.fun).x)


def images_distances(
    model: EllipticalModel, truth: Sequence[float], uniforms: NDArray
) -> NDArray[np.float64]:
    """What one who sees the images and knows the centres misses: W1 of the likeliest lengths, (axes,)."""
    fitted = images_fit(seen_regions(model, truth, uniforms), truth)
    return length_distances(length_quantiles(model, fitted), length_quantiles(model, truth))


def within_two_errors(found: dict[str, Any], truth: dict[str, Any]) -> dict[str, bool]:
    """Whether the loss found exceeds the truth's by at most 2 standard errors, in three ways.

    own: each with its own 20 fresh populations, standard error of the difference. truth: the same, standard
    error of the truth's mean alone. paired: both on the same 20 fresh random numbers, standard error of the
    mean difference.
    """
    loss, error = np.mean(truth["losses"]), np.std(truth["losses"], ddof=1) / np.sqrt(len(truth["losses"]))
    difference = np.subtract(found["shared_losses"], truth["shared_losses"])
    paired_error = difference.std(ddof=1) / np.sqrt(len(difference))
    return {
        "own": bool(found["loss"] <= loss + 2 * np.hypot(error, found["loss_error"])),
        "truth": bool(found["loss"] <= loss + 2 * error),
        "paired": bool(difference.mean() <= 2 * paired_error),
    }
