"""Geodesic shooting on a low-frequency band against a plain full-grid one (jayakumar-2023, Eq. 2 and 3).

The reference keeps all frequencies of a 64 x 64 x 64 grid: derivatives, the metric and its inverse by fast
Fourier transforms of the whole grid in single precision, 10 Euler steps of velocity and deformation. Ours
shoots the same initial velocity on the band and evaluates the final displacement on the grid. Both run on
one thread, in turns; the shortest time of each counts. Prints one JSON line last.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import timeit

import numpy as np
import scipy.fft
import torch

from cardiactwins.lma.band import Band
from cardiactwins.lma.metric import Metric
from cardiactwins.lma.shooting import shoot

AXES = (-3, -2, -1)
LARGEST = 3.0
"""Voxels a unit of time; the lowest two frequencies of the box."""
TOLERANCE = 0.1
"""Voxels by which the displacement may miss the reference's, which keeps frequencies that the band drops."""
WIDE, WIDE_TOLERANCE = 40, 1e-3
"""A band that drops hardly any and what it may miss: the same equations are solved."""


def smooth_velocity(band: Band, seed: int) -> torch.Tensor:
    """(1, 3, *band.size) random velocity of at most two periods a box."""
    low = Band(band.shape, size=5, margin=band.margin)
    rng = np.random.default_rng(seed)
    waves = torch.from_numpy(rng.normal(size=(1, 3, *low.coefficient_shape)))
    coefficients = torch.zeros(1, 3, *band.coefficient_shape, dtype=torch.float64)
    kept = [[0, 1, 2, m + 1, m + 2] for m in band.modes]
    coefficients[(slice(None), slice(None), *np.ix_(*kept))] = waves
    return band.samples(coefficients * LARGEST / band.volume(coefficients).abs().max()).float()


def full_grid_shooting(velocity: np.ndarray, metric: Metric, steps: int) -> np.ndarray:
    """Displacement of phi, (3, K, J, I), of an initial velocity (3, K, J, I) in voxels."""
    shape = velocity.shape[1:]
    turns = [scipy.fft.fftfreq(n) for n in shape[:2]] + [scipy.fft.rfftfreq(shape[2])]
    frequency = [2 * np.pi * f.astype(np.float32) for f in np.meshgrid(*turns, indexing="ij", sparse=True)]
    laplacian = sum(2 * np.cos(f) - 2 for f in frequency)
    operator = (metric.gamma - metric.alpha * laplacian) ** metric.power

    def transform(field):
        return scipy.fft.rfftn(field, axes=AXES)

    def back(spectrum):
        return scipy.fft.irfftn(spectrum, s=shape, axes=AXES)

    def jacobian(spectrum):
        return np.stack([back(1j * f * spectrum) for f in frequency], axis=1)

    v, u = velocity.astype(np.float32), np.zeros_like(velocity, dtype=np.float32)
    for _ in range(steps):
        spectrum = transform(v)
        m, dv, du = back(operator * spectrum), jacobian(spectrum), jacobian(transform(u))
        flux = transform(m[:, None] * v[None])
        force = transform(np.einsum("ba...,b...->a...", dv, m))
        force += sum(1j * f * flux[:, axis] for axis, f in enumerate(frequency))
        rate = -back(force / operator)
        v, u = v + rate / steps, u - (np.einsum("ab...,b...->a...", du, v) + v) / steps
    return u


def floor_seconds(band: Band, steps: int) -> tuple[float, dict]:
    """The least this core needs: the operations of the Fourier sums at the rate of a large matrix product.

    A step evaluates 19 fields on the product grid and projects 7 back; at the end 3 fields go to the voxels.
    A sum along an axis of a field is one multiplication and addition an entry of its matrix and of the other
    two axes. Bytes: the velocity comes in and the displacement goes out once, at the rate of a copy.
    """
    few, products, voxels = (
        np.array(sizes) for sizes in (band.coefficient_shape, [3 * m + 1 for m in band.modes], band.shape)
    )

    def operations(sizes):
        done = [*sizes[:1], *few[1:]], [*sizes[:2], *few[2:]], [*sizes]
        return 2 * sum(int(np.prod(out)) * int(few[axis]) for axis, out in enumerate(done))

    total = steps * 26 * operations(products) + 3 * operations(voxels)
    moved = 4 * 3 * int(np.prod(band.size) + np.prod(voxels))
    square, block = torch.rand(768, 768), torch.rand(2**24)
    rate = 2 * 768**3 / min(timeit.repeat(lambda: square @ square, number=1, repeat=10))
    bandwidth = 2 * 4 * 2**24 / min(timeit.repeat(block.clone, number=1, repeat=5))
    return total / rate + moved / bandwidth, {
        "operations": total,
        "bytes": moved,
        "operations_per_second": float(f"{rate:.3g}"),
        "bytes_per_second": float(f"{bandwidth:.3g}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs of the reference (default 5)")
    parser.add_argument("--steps", type=int, default=10, help="Euler steps (default 10)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    band, metric = Band((64, 64, 64), size=16, margin=0), Metric()
    velocity = smooth_velocity(band, seed=2023)
    dense = band.volume(band.coefficients(velocity))[0].numpy()
    ours, reference = [], []
    with torch.inference_mode():
        for _ in range(arguments.repeats):
            ours += timeit.repeat(
                lambda: shoot(velocity, band, metric, steps=arguments.steps).displacement(),
                number=1,
                repeat=5,
            )
            reference += timeit.repeat(
                lambda: full_grid_shooting(dense, metric, arguments.steps), number=1, repeat=1
            )
        geodesic = shoot(velocity, band, metric, steps=arguments.steps)
        displacement = geodesic.displacement()[0].numpy()
    expected = full_grid_shooting(dense, metric, arguments.steps)
    miss = np.abs(displacement - expected)
    wide = Band(band.shape, size=WIDE, margin=0)
    with torch.inference_mode():
        start = smooth_velocity(wide, seed=2023)
        nearly_all = shoot(start, wide, metric, steps=arguments.steps).displacement()[0]
    wide_miss = np.abs(nearly_all.numpy() - expected)
    print(
        f"displacement up to {np.abs(expected).max():.2f} voxels; "
        f"the band misses {miss.max():.4f} at most, {miss.mean():.5f} in the mean, "
        f"a band of {WIDE} samples {wide_miss.max():.5f} at most"
    )
    floor, work = floor_seconds(band, arguments.steps)
    scale = 1024 if sys.platform.startswith("linux") else 1024**2
    print(
        json.dumps(
            {
                "benchmark": "lma_shooting",
                "ratio": round(min(reference) / min(ours), 1),
                "seconds": round(min(ours), 5),
                "reference_seconds": round(min(reference), 3),
                "floor_seconds": round(floor, 5),
                "agrees": bool(miss.max() < TOLERANCE and wide_miss.max() < WIDE_TOLERANCE),
                "largest_miss_voxels": round(float(miss.max()), 5),
                "largest_miss_wide_voxels": round(float(wide_miss.max()), 5),
                "smallest_jacobian": round(float(geodesic.jacobian().min()), 3),
                "steps": arguments.steps,
                "grid": band.shape,
                "band": band.size,
                "threads": 1,
                "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale),
                **work,
            }
        )
    )


if __name__ == "__main__":
    main()
