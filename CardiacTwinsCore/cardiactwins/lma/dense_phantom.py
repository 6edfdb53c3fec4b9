"""A slice that contracts by simulated strain curves, seen by a simulated DENSE acquisition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.dense import DenseImages, dense_images
from cardiactwins.lma.strain_phantom import StrainPhantom, simulate_strain

__all__ = ["DensePhantom", "dense_phantom"]

ANGLES = 360


@dataclass(frozen=True, eq=False)
class DensePhantom:
    """DENSE images of a ring, and the truth behind them.

    images: with noise and wraps. reference: (J, I) mask at time zero. insertion, center: (2,) positions (x,
    y) in mm. truth: clean strain and onset at mid-wall in 360 sectors from the insertion, counter-clockwise
    as the images show it (seen from the apex).
    """

    images: DenseImages
    reference: NDArray[np.bool_]
    insertion: NDArray[np.float64]
    center: NDArray[np.float64]
    truth: StrainPhantom

    def onset(self, sectors: int) -> NDArray[np.float64]:
        """True TOS (sectors,) in ms: the mean over each sector. ValueError unless 360 can be so divided."""
        return self._by_sector(self.truth.onset, sectors)

    def strain(self, sectors: int) -> NDArray[np.float64]:
        """True mid-wall strain matrix (sectors, T)."""
        return self._by_sector(self.truth.clean, sectors)

    def _by_sector(self, values: NDArray[np.float64], sectors: int) -> NDArray[np.float64]:
        if sectors < 1 or ANGLES % sectors:
            raise ValueError(f"The truth has {ANGLES} sectors; they cannot be joined to {sectors}.")
        return values.reshape(sectors, ANGLES // sectors, *values.shape[1:]).mean(axis=1)


def dense_phantom(
    pattern: str,
    rng: np.random.Generator,
    *,
    endocardium: float = 22.0,
    epicardium: float = 33.0,
    pixel: float = 2.0,
    ke: float = 0.1,
    phase_noise: float = 0.1,
    insertion_angle: float = 120.0,
    torsion: float = 6.0,
    **options: float,
) -> DensePhantom:
    """A heart of an activation pattern (`simulate_strain`) as a slice with cine DENSE phases.

    endocardium, epicardium: radii at time zero in mm. pixel: mm. ke: cycles/mm. phase_noise: SD in rad, which
    is one over the SNR of the magnitude. insertion_angle: degrees on the screen, counter-clockwise from the
    right. torsion: rotation of the slice at peak shortening in degrees. options: heart_rate, frame_ms,
    jitter and infarct_width of `simulate_strain`.

    Motion: with the stretch s(theta, t) = sqrt(1 + 2 E) at mid-wall, m its mean over theta and R_m the
    mid-wall radius, a point (R, theta) goes to r^2 = (m R_m)^2 + R^2 - R_m^2, which keeps the area, and to
    phi with d phi / d theta = s / m, which closes the ring. The circumferential strain at mid-wall is then
    E exactly. ValueError unless 0 < endocardium < epicardium, and as in `dense_images`.
    """
    if not 0 < endocardium < epicardium:
        raise ValueError(
            f"Radii must rise from endocardium to epicardium; found {endocardium} and {epicardium} mm."
        )
    truth = simulate_strain(pattern, rng, sectors=ANGLES, snr=np.inf, drift=0.0, **options)
    middle = (endocardium + epicardium) / 2
    center = np.full(2, np.ceil((epicardium + 8) / pixel) * pixel)
    rows, columns = np.indices((int(2 * center[0] / pixel) + 1,) * 2)
    now = np.stack([columns, rows], axis=-1) * pixel - center
    start = np.radians(insertion_angle)
    radius, angle = np.hypot(now[..., 0], now[..., 1]), np.arctan2(-now[..., 1], now[..., 0]) - start
    borders = np.arange(ANGLES + 1) * 2 * np.pi / ANGLES
    mean_curve = truth.clean.mean(axis=0)
    phases, masks = [], []
    for strain, share in zip(truth.clean.T, mean_curve / mean_curve.min(), strict=True):
        stretch = np.sqrt(1 + 2 * strain)
        moved = np.concatenate([[0.0], np.cumsum(stretch / stretch.sum())]) * 2 * np.pi
        turned = np.mod(angle - np.radians(torsion) * share, 2 * np.pi)
        before = start + np.interp(turned, moved, borders)
        squared = radius**2 - (stretch.mean() * middle) ** 2 + middle**2
        origin = np.sqrt(np.maximum(squared, 0))
        origin_xy = origin[..., None] * np.stack([np.cos(before), -np.sin(before)], axis=-1)
        phase = 2 * np.pi * ke * (now - origin_xy) + phase_noise * rng.standard_normal(now.shape)
        masks.append((origin >= endocardium) & (origin <= epicardium))
        shown = np.where(masks[-1][..., None], phase, rng.uniform(-np.pi, np.pi, phase.shape))
        phases.append(np.angle(np.exp(1j * shown)))
    phase_x, phase_y = np.moveaxis(np.array(phases), -1, 0)
    images = dense_images(phase_x, phase_y, np.array(masks), truth.times, ke=ke, pixel=pixel)
    at_insertion = epicardium * np.array([np.cos(start), -np.sin(start)])
    reference = np.hypot(*np.moveaxis(now, -1, 0))
    return DensePhantom(
        images,
        (reference >= endocardium) & (reference <= epicardium),
        center + at_insertion,
        center,
        truth,
    )
