"""Wavefront model: cell death spreads from the endocardium through the area at risk of an occluded artery."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcinv, gammaincinv, ndtri

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import Parameter, StartZone, checked_parameters

__all__ = ["WavefrontModel", "front_arrival", "front_depth"]

BINS = 128
"""Patches of endocardium around a slice; one is 1.5 pixels wide at the epicardium."""
FIRST_LAYER = 1.5
"""Depth in pixels that dies in the whole area at risk: more than a pixel's diagonal: a closed layer."""
SMALLEST_EXTENT = 2.0
SMALLEST_LENGTH = 0.75
"""In slice spacings, so that an area at risk never falls between two slices."""
SECTOR_BLUR = 0.6
"""Standard deviation in sectors of the smoothing of rates: neighbours share half their variation."""
CHUNK = 64
"""Lesions painted together; their patches stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class WavefrontModel:
    """Diffusion front from endocardium to epicardium with random rates (after Reimer et al. 1977).

    An occluded artery leaves an area at risk on the endocardium: a patch of random centre, half-width and, in
    3D, half-length. A front of cell death starts on its whole endocardial surface and diffuses outwards for a
    random duration of occlusion. The wall is cut into circumferential sectors (in 3D also into levels), each
    with a random log-normal rate of diffusion, smoothed between neighbours; the rate falls to zero towards
    the border of the area at risk, as (1 - s^4) of the distance s from its centre, where collaterals supply
    the wall. A voxel belongs to the lesion when the front reaches it within the occlusion: duration * rate
    >= `front_arrival` of its depth. So lesions start at the endocardium and are nowhere wider than there;
    they thicken with time until they are transmural, as in Reimer's dogs. The innermost FIRST_LAYER pixels of
    the area at risk always die, so that a lesion is in one piece on the endocardium; an area at risk that
    falls between the voxels of the apex takes the nearest one, so that no lesion is empty.

    Parameters, lengths in pixels of the reference, variations as standard deviation over mean:
    - extent mean, variation: half-width of the area at risk along the endocardium of the mid-level slice
      (gamma). From base to apex a real infarct keeps neither its angle nor its arc length; the arc is taken
      on a circle halfway between the slice's endocardium and the mid-level one. More than half a ring covers
      it.
    - depth mean, variation: how far the front would get in an endless wall, at the centre of the area at risk
      (gamma); it stands for the duration, see `front_depth`. The front is faster near the epicardium, which
      it cannot leave: at the default threshold 0.78 of the wall's thickness is enough for a transmural
      lesion.
    - centre spread: standard deviation of the centre around the start zone, in turns.
    - raggedness: standard deviation of the logarithm of the sectors' rates; 0 gives smooth borders.
    - in 3D length mean, variation: half-length of the area at risk along the long axis (gamma); longitudinal
      spread: standard deviation of its centre in the longitudinal coordinate, reflected at base and apex.

    Only the centre of the zone counts, as the spreads are parameters. sectors: random rates around the ring;
    levels: along the long axis (3D). threshold: share of the endocardial concentration at which cells die.
    Raises ValueError for a threshold outside (0, 1) or fewer than 3 sectors or 2 levels.
    """

    anatomy: ReferenceAnatomy
    zone: StartZone = StartZone()
    sectors: int = 24
    levels: int = 8
    threshold: float = 0.2
    name: str = "wavefront"

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"The threshold of a front lies between 0 and 1; found {self.threshold}.")
        if self.sectors < 3 or self.levels < 2:
            raise ValueError(
                f"A wavefront needs at least 3 sectors and 2 levels; found {self.sectors} and {self.levels}."
            )

    def moved(self, zone: StartZone) -> WavefrontModel:
        """The same model around another start zone."""
        return replace(self, zone=zone)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """6 parameters in 2D, 9 in 3D."""
        in_slice = (
            Parameter("extent mean", "pixels", 3.0, 60.0, 5.0, 20.0),
            Parameter("extent variation", "share of the mean", 0.05, 1.0, 0.1, 0.6),
            Parameter("depth mean", "pixels", 1.0, 30.0, 2.0, 9.0),
            Parameter("depth variation", "share of the mean", 0.02, 1.0, 0.08, 0.2),
            Parameter("centre spread", "turns", 0.002, 0.5, 0.04, 0.1),
            Parameter("raggedness", "log units", 0.0, 1.0, 0.15, 0.6),
        )
        if not self.anatomy.is_3d:
            return in_slice
        return (
            *in_slice,
            Parameter("length mean", "pixels", 5.0, 150.0, 8.0, 60.0),
            Parameter("length variation", "share of the mean", 0.05, 1.0, 0.1, 0.5),
            Parameter("longitudinal spread", "share of the long axis", 0.002, 1.0, 0.08, 0.3),
        )

    @property
    def n_uniforms(self) -> int:
        """Uniform numbers a lesion takes: centre, extent, duration (3D: level, length), then the rates."""
        return 5 + self.sectors * self.levels if self.anatomy.is_3d else 3 + self.sectors

    def paint(self, parameters: ArrayLike, uniforms: ArrayLike) -> NDArray[np.bool_]:
        """Lesions (n, N) from parameters (d,) or (n, d) and uniform numbers (n, n_uniforms)."""
        uniforms = np.asarray(uniforms, dtype=float)
        n = len(uniforms)
        rows = np.broadcast_to(checked_parameters(self, parameters), (n, len(self.parameters)))
        lesions = np.empty((n, self.anatomy.n_voxels), dtype=bool)
        for first in range(0, n, CHUNK):
            chunk = slice(first, first + CHUNK)
            reached = self.squared_depths(rows[chunk], uniforms[chunk]).reshape(-1, self._patches)
            behind = reached.take(self._patch_of_voxel, axis=1)
            np.greater_equal(behind, self._squared_arrival, out=lesions[chunk])
            empty = np.flatnonzero(~lesions[chunk].any(axis=1))
            lesions[first + empty, (behind[empty] / self._squared_arrival).argmax(axis=1)] = True
        return lesions

    def sample(self, parameters: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """n random lesions (n, N)."""
        return self.paint(parameters, rng.random((n, self.n_uniforms)))

    def squared_depths(self, parameters: ArrayLike, uniforms: ArrayLike) -> NDArray[np.float32]:
        """Squared depth in an endless wall behind each patch of endocardium, (n, slices, bins), in pixels^2.

        parameters: (d,) or (n, d); uniforms: (n, n_uniforms). It is proportional to duration * rate, and 0
        outside the area at risk.
        """
        uniforms = np.asarray(uniforms, dtype=float)
        rows = np.broadcast_to(np.asarray(parameters, dtype=float), (len(uniforms), len(self.parameters)))
        away = self._distance_from_centre(rows, uniforms)
        supply = 1 - away**2
        normal = ndtri(np.clip(uniforms[:, -self._rate_basis.shape[0] :], 1e-9, 1 - 1e-9)).astype(np.float32)
        rate = (rows[:, 5:6].astype(np.float32) * normal) @ self._rate_basis
        np.exp(rate, out=rate)
        depth = gamma_quantile(uniforms[:, 2], rows[:, 2], rows[:, 3])
        squared = (depth**2).astype(np.float32)[:, None, None] * rate.reshape(supply.shape) * supply
        return np.where(supply > 0, np.maximum(squared, np.float32(FIRST_LAYER**2)), np.float32(0))

    def _distance_from_centre(
        self, rows: NDArray[np.float64], uniforms: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Squared distance of patches from the centre of the area at risk, (n, slices, bins); border at 1."""
        normal = ndtri(np.clip(uniforms[:, [0, 3]], 1e-9, 1 - 1e-9))
        centre = self.zone.circumferential + rows[:, 4] * normal[:, 0]
        extent = np.maximum(gamma_quantile(uniforms[:, 1], rows[:, 0], rows[:, 1]), SMALLEST_EXTENT)
        turns = (np.arange(BINS) + 0.5) / BINS - centre[:, None]
        turns -= np.round(turns)
        across = (2 * np.pi * turns / extent[:, None]).astype(np.float32)
        squared = (across**2)[:, None] * self._arc_radii[:, None] ** 2
        if self.anatomy.is_3d:
            spacing = self.anatomy.slice_spacing
            level = np.mod(self.zone.longitudinal + rows[:, 8] * normal[:, 1], 2)
            level = 1 - np.abs(1 - level)
            height = (0.5 + level * (self.anatomy.slices - 1)) * spacing
            length = gamma_quantile(uniforms[:, 4], rows[:, 6], rows[:, 7])
            length = np.maximum(length, SMALLEST_LENGTH * spacing)
            along = (self.anatomy.slice_heights - height[:, None]) / length[:, None]
            squared += (along**2).astype(np.float32)[:, :, None]
        return squared

    @property
    def _patches(self) -> int:
        return self.anatomy.slices * BINS

    @cached_property
    def _arc_radii(self) -> NDArray[np.float32]:
        """Radius in pixels of the circle on which the extent is measured in each slice, (slices,)."""
        return ((self.anatomy.slice_radii[0] + self.anatomy.endocardial_radius) / 2).astype(np.float32)

    @cached_property
    def _patch_of_voxel(self) -> NDArray[np.int64]:
        """Patch of endocardium (slice and bin) that each voxel lies behind, (N,)."""
        bins = np.minimum((self.anatomy.circumferential * BINS).astype(int), BINS - 1)
        return self.anatomy.indices[:, 0] * BINS + bins

    @cached_property
    def _squared_arrival(self) -> NDArray[np.float32]:
        """Squared depth in an endless wall at which the front reaches each voxel, (N,); never 0."""
        endocardium, epicardium = self.anatomy.slice_radii
        thickness = (epicardium - endocardium)[self.anatomy.indices[:, 0]]
        arrival = front_depth(front_arrival(self.anatomy.radial, self.threshold), self.threshold)
        return np.maximum((arrival * thickness) ** 2, 1e-6).astype(np.float32)

    @cached_property
    def _rate_basis(self) -> NDArray[np.float32]:
        """Weights that smooth independent rates to patches with unit variance, (rates, slices * bins).

        Sectors are counted from the start zone, so that a moved zone takes a lesion with its borders along.
        """
        bins = np.mod((np.arange(BINS) + 0.5) / BINS - self.zone.circumferential, 1.0) * self.sectors
        apart = np.abs(bins - (np.arange(self.sectors)[:, None] + 0.5))
        around = unit_rows(np.minimum(apart, self.sectors - apart))
        if not self.anatomy.is_3d:
            return around.astype(np.float32)
        heights = self.anatomy.slice_heights / self.anatomy.epicardial_length * self.levels
        along = unit_rows(np.abs(heights - (np.arange(self.levels)[:, None] + 0.5)))
        return np.einsum("ls,cb->lcsb", along, around).reshape(-1, self._patches).astype(np.float32)


def front_arrival(radial: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Time, in units of thickness^2 / diffusivity, at which a diffusion front reaches a depth in the wall.

    Solves u(x, t) = threshold for du/dt = d2u/dx2 on 0 <= x <= 1, u = 0 at t = 0, u = 1 at the endocardium
    x = 0 and no flux through the epicardium x = 1; by reflection at the epicardium (Carslaw and Jaeger 1959)
    u = sum_j (-1)^j (erfc((2j + x) / 2 sqrt t) + erfc((2j + 2 - x) / 2 sqrt t)).
    radial: depths of any shape in [0, 1]; between 513 depths the square root of time is interpolated.
    """
    depths = np.linspace(0, 1, 513)[1:]
    earliest, latest = np.zeros_like(depths), np.full_like(depths, 10.0 - np.log1p(-threshold))
    for _ in range(60):
        middle = (earliest + latest) / 2
        reached = concentration(depths, middle) >= threshold
        earliest, latest = np.where(reached, earliest, middle), np.where(reached, middle, latest)
    root = np.interp(np.asarray(radial, dtype=float), np.r_[0, depths], np.r_[0, np.sqrt(latest)])
    return root**2


def concentration(radial: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """u(x, t) of `front_arrival`, clipped to at most 1."""
    scale = 2 * np.sqrt(time)
    total = np.zeros_like(radial)
    for reflection in range(16):
        there, back = 2 * reflection + radial, 2 * reflection + 2 - radial
        total += (-1) ** reflection * (erfc(there / scale) + erfc(back / scale))
    return np.minimum(total, 1)


def front_depth(time: ArrayLike, threshold: float) -> NDArray[np.float64]:
    """Depth that the front has reached at `time` in a wall without end: 2 erfcinv(threshold) sqrt(time)."""
    return 2 * erfcinv(threshold) * np.sqrt(np.asarray(time, dtype=float))


def gamma_quantile(
    uniforms: NDArray[np.float64], mean: NDArray[np.float64], variation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gamma-distributed numbers of a mean and a standard deviation (share of the mean), by inversion.

    A length is positive, and a gamma distribution is told by its first two moments, so that both can be
    found; a share of at most 1 keeps the density from piling up at zero.
    """
    shape = variation**-2.0
    return gammaincinv(shape, np.clip(uniforms, 1e-9, 1 - 1e-9)) * mean / shape


def unit_rows(apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian weights of distances (nodes, places) in node spacings; squares over the nodes sum to 1."""
    weights = np.exp(-0.5 * (apart / SECTOR_BLUR) ** 2)
    return weights / np.linalg.norm(weights, axis=0)
