"""One case of LMAReconstruct, from outlined slices to the coloured model, and its two heaviest parts.

    python Testing/Benchmarks/lma_speed.py [--repeats 3] [--threads 2]

A phantom's segmentation node in eight slices is read, placed, rebuilt and shown as a model with activation
times, as the module does it: with the network alone and with refinement. What is paid once (imports, weights,
the first call) is timed apart. The parts against plain references in the same run: shooting (a full 64^3
grid, of lma_shooting.py) and the projection of sector values onto a mesh of 100,000 points (a loop over the
points that evaluates the same periodic and axial splines one by one, timed on a part and scaled). Prints one
JSON line last; the shortest time of each counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import timeit

BEGAN = time.perf_counter()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from lma_shooting import floor_seconds, full_grid_shooting, smooth_velocity  # noqa: E402
from scipy.interpolate import CubicSpline, make_interp_spline  # noqa: E402

from cardiactwins.lma.activation_map import SectorValues, activation_map  # noqa: E402
from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.shooting import shoot  # noqa: E402
from cardiactwins.mrml.headless import start  # noqa: E402

POINTS, SLICES, SECTORS = 100_000, 8, 18
PART = 2_000
"""Points of the loop that are timed."""
PROJECTION_TOLERANCE = 1e-6


def sector_values(rng: np.random.Generator) -> SectorValues:
    """Smooth activation times (ms) of eight slices."""
    turns = (np.arange(SECTORS) + 0.5) / SECTORS
    heights = np.linspace(0.1, 0.9, SLICES)
    late = 60 + 50 * np.cos(2 * np.pi * (turns - 0.45)) * (1 - 0.5 * heights[:, None])
    return SectorValues(late + rng.normal(0, 3, late.shape), heights)


def looped_projection(measured: SectorValues, turns: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Value at each point by itself: a periodic spline in every slice, then a spline along the axis."""
    found = np.empty(len(turns))
    middles = np.append(measured.middles, measured.middles[0] + 1)
    around = [CubicSpline(middles, np.append(row, row[0]), bc_type="periodic") for row in measured.values]
    low, high = measured.longitudinal[[0, -1]]
    for index, (turn, height) in enumerate(zip(turns, heights, strict=True)):
        column = [float(spline(turn)) for spline in around]
        along = make_interp_spline(measured.longitudinal, column, k=3)
        found[index] = along(min(max(height, low), high))
    return found


def projection(repeats: int) -> dict:
    """Seconds of ours and of the loop for 100,000 points, and whether they agree."""
    rng = np.random.default_rng(0)
    measured = sector_values(rng)
    turns, heights = rng.random(POINTS), rng.random(POINTS)
    ours = min(timeit.repeat(lambda: activation_map(measured, turns, heights), number=1, repeat=repeats * 3))
    began = time.perf_counter()
    expected = looped_projection(measured, turns[:PART], heights[:PART])
    loop = (time.perf_counter() - began) * POINTS / PART
    found = activation_map(measured, turns[:PART], heights[:PART]).values
    # The least: a point reads 16 coefficients and writes one value, at the rate of a copy.
    block = np.ones(2**24)
    bandwidth = 2 * block.nbytes / min(timeit.repeat(block.copy, number=1, repeat=5))
    return {
        "seconds_projection": ours,
        "ratio_projection": loop / ours,
        "projection_floor_seconds": POINTS * (2 + 16 + 1) * 8 / bandwidth,
        "projection_miss_ms": float(np.abs(found - expected).max()),
    }


def shooting(repeats: int) -> dict:
    """Ratio of full-grid to band shooting on one thread, and the floor of the latter."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    band, metric = Band((64, 64, 64), size=16, margin=0), Metric()
    velocity = smooth_velocity(band, seed=2023)
    dense = band.volume(band.coefficients(velocity))[0].numpy()
    with torch.inference_mode():
        ours = min(
            timeit.repeat(lambda: shoot(velocity, band, metric).displacement(), number=1, repeat=repeats * 5)
        )
    reference = min(timeit.repeat(lambda: full_grid_shooting(dense, metric, 10), number=1, repeat=repeats))
    floor, _ = floor_seconds(band, 10)
    torch.set_num_threads(threads)
    return {
        "ratio_shooting": reference / ours,
        "seconds_shooting": ours,
        "floor_seconds_shooting": floor,
    }


def cases(repeats: int) -> dict:
    """Seconds from the segmentation node to the coloured model, without and with refinement."""
    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
    from cardiactwins.mrml.lma_sample import new_sample_heart

    start()
    import slicer

    logic = LMAReconstructLogic()
    sample = new_sample_heart(seed=0)
    tos = sector_values(np.random.default_rng(0))

    def case(method: str) -> float:
        began = time.perf_counter()
        heart = logic.reconstruct(sample.segmentation, sample.insertion, method=method)
        logic.projectTOS(heart, tos.values, slicePositions=tos.longitudinal)
        return time.perf_counter() - began

    first = case("network")
    found = {
        "seconds": min(case("network") for _ in range(repeats)),
        "seconds_refined": min(case("refinement") for _ in range(repeats)),
        "seconds_interpolation": min(case("interpolation") for _ in range(repeats)),
        "seconds_first_case": first,
    }
    slicer.mrmlScene.Clear(0)
    return found


def refinement_floor() -> float:
    """Seconds of the operations of the refinement: of each shooting and of its gradient, twice as much."""
    from cardiactwins.lma.model_reconstruction import ITERATIONS
    from cardiactwins.lma.reconstruction_model import TrainingSettings
    from cardiactwins.lma.velocity_fit import EVALUATIONS

    band = TrainingSettings().band((64, 64, 64))
    return ITERATIONS * EVALUATIONS * 3 * floor_seconds(band, 10)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each case (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default 2)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    imported = time.perf_counter() - BEGAN
    parts = shooting(arguments.repeats) | projection(arguments.repeats)
    whole = cases(arguments.repeats)
    result = {
        "benchmark": "lma_speed",
        **{key: float(f"{value:.4g}") for key, value in (whole | parts).items()},
        "floor_seconds": float(f"{refinement_floor():.4g}"),
        "agrees": parts["projection_miss_ms"] < PROJECTION_TOLERANCE,
        "seconds_imports": round(imported, 2),
        "threads": arguments.threads,
        "python": sys.version.split()[0],
        "torch": torch.__version__,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
