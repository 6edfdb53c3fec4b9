"""Individual fits of 118 images over the paper's whole grid (konik-2024, 3.2.1), against the plain reference.

The reference paints the 20 x 160 x 160 ellipses of a few images one by one and is scaled to all images, in
which it is linear: every image takes the same loop. Its answers are compared with ours bit by bit. Prints one
JSON line last.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import timeit

import numpy as np
from reference_individual_fit import AXES, elliptical_lesions, fit_individual

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.individual import fit_individuals
from cardiactwins.infarct.population import InfarctPopulation

IMAGES = 118
CENTRES = 20


def best_seconds(function, repeats: int) -> float:
    """Shortest time of one call."""
    return min(timeit.repeat(function, number=1, repeat=repeats))


def floor_seconds(candidates: int, images: int, cores: int) -> tuple[float, dict]:
    """The least this machine needs for the arithmetic that every candidate ellipse and image must see.

    One addition updates the overlap, one the sum of sizes, one division gives the Dice, one comparison keeps
    the best: candidates x images of each, at the rates numpy reaches on arrays in cache, on all cores. Bytes:
    the images come in and the answers go out once, under a megabyte; overlaps need not leave the cache.
    """
    single = np.random.default_rng(0).random(16384, dtype=np.float32) + 1
    double = single.astype(np.float64)
    calls = 2000

    def rate(operation, values):
        out = np.empty_like(values)
        return (
            calls
            * values.size
            / best_seconds(lambda: [operation(values, values, out=out) for _ in range(calls)], 3)
        )

    rates = {
        "additions_per_second": rate(np.add, single),
        "divisions_per_second": rate(np.divide, double),
        "comparisons_per_second": rate(np.maximum, double),
    }
    work = candidates * images
    seconds = work * (
        2 / rates["additions_per_second"]
        + 1 / rates["divisions_per_second"]
        + 1 / rates["comparisons_per_second"]
    )
    return seconds / cores, {
        "operations": 4 * work,
        **{name: float(f"{rate:.3g}") for name, rate in rates.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--reference-images", type=int, default=3, help="images the reference is run on (default 3)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="runs of ours; the median counts (default 5)")
    arguments = parser.parse_args()

    anatomy = ReferenceAnatomy()
    lesions = elliptical_lesions(anatomy, IMAGES, seed=2024)
    population = InfarctPopulation(anatomy, lesions, tuple(f"synthetic {i}" for i in range(IMAGES)))

    fits = fit_individuals(population, 0.0, centres=CENTRES)
    ours = statistics.median(
        timeit.repeat(
            lambda: fit_individuals(population, 0.0, centres=CENTRES), number=1, repeat=arguments.repeats
        )
    )
    scale = 1024 if sys.platform.startswith("linux") else 1024**2
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    print(f"ours: {ours:.3f} s for {IMAGES} images, {memory:.0f} MB at most")

    checked = range(arguments.reference_images)
    answers = []
    reference_part = timeit.timeit(
        lambda: answers.extend(fit_individual(lesions[i], anatomy, fits.centres, AXES) for i in checked),
        number=1,
    )
    reference = reference_part * IMAGES / len(checked)
    print(
        f"reference: {reference_part:.1f} s for {len(checked)} images, {reference:.0f} s scaled to {IMAGES}"
    )

    agrees = all(
        dice == fits.dice[i] and where == tuple(fits.indices[i])
        for i, (dice, where) in zip(checked, answers, strict=True)
    )
    cores = os.cpu_count() or 1
    floor, operations = floor_seconds(CENTRES * len(AXES) ** 2, IMAGES, cores)
    print(
        json.dumps(
            {
                "benchmark": "infarct_individual_fit",
                "ratio": round(reference / ours, 1),
                "seconds": round(ours, 3),
                "floor_seconds": round(floor, 3),
                "agrees": agrees,
                "reference_seconds": round(reference, 1),
                "reference_images_timed": len(checked),
                "memory_mb": round(memory),
                "cores": cores,
                "images": IMAGES,
                "pixels": anatomy.n_voxels,
                "ellipses": CENTRES * len(AXES) ** 2,
                "summary": [round(value, 2) for value in fits.summary],
                **operations,
            }
        )
    )


if __name__ == "__main__":
    main()
