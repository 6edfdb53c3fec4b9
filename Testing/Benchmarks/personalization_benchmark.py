"""What the 2D and the 3D benchmark of the personalization share: both sides, agreement, the floor."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from reference_personalization import kullback_leibler

from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctPopulation

REFERENCE_EVALUATIONS = 17


@dataclass
class Recording:
    """A model that keeps the parameters and uniform numbers of every population it paints."""

    model: object
    painted: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.model, name)

    def paint(self, parameters, uniforms):
        self.painted.append((np.array(parameters), uniforms))
        return self.model.paint(parameters, uniforms)


def benchmark(
    model, truth: tuple, start: tuple, subjects: int, reference_lesions: Callable, painted_bytes: float
) -> dict:
    """Personalize once with the library and take the same evaluations with the reference.

    The reference is timed on evaluations spread over the whole run and scaled by their number, as its time is
    linear in it. Both sides draw the same lesions from the same uniform numbers. painted_bytes: bytes that
    drawing one lesion reads and writes at least.
    """
    anatomy = model.anatomy
    lesions = model.sample(truth, subjects, np.random.default_rng(2024))
    population = InfarctPopulation(anatomy, lesions, tuple(f"subject {q}" for q in range(subjects)))
    settings = PersonalizationSettings.paper(threshold=0.0, condition=np.inf)
    personalize(population, model, start=start, settings=PersonalizationSettings.paper(generations=1))
    recording = Recording(model)
    began = time.perf_counter()
    result = personalize(population, recording, start=start, settings=settings, seed=1)
    seconds = time.perf_counter() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    evaluations = recording.painted
    chosen = np.linspace(0, len(evaluations) - 1, REFERENCE_EVALUATIONS).astype(int)
    agrees, reference_seconds, touched = True, 0.0, []
    loss = PopulationLoss(anatomy, lesions)
    for index in chosen:
        parameters, uniforms = evaluations[index]
        began = time.perf_counter()
        plain_lesions = reference_lesions(parameters, uniforms, anatomy.positions, model.start_voxels)
        plain_loss = kullback_leibler(plain_lesions, lesions)
        reference_seconds += time.perf_counter() - began
        ours = model.paint(parameters, uniforms)
        touched.append(ours.any(axis=0).sum())
        agrees &= bool((ours == plain_lesions).all()) and abs(loss(ours) - plain_loss) < 1e-9
    reference_seconds *= len(evaluations) / len(chosen)

    floor = floor_seconds(
        len(evaluations), settings.lesions, subjects, float(np.mean(touched)), painted_bytes
    )
    return {
        "evaluations": len(evaluations),
        "voxels": anatomy.n_voxels,
        "parameters": result.parameters.round(2).tolist(),
        "loss": round(result.loss, 5),
        "seconds": round(seconds, 3),
        "reference_seconds": round(reference_seconds, 1),
        "reference_evaluations_timed": len(chosen),
        "ratio": round(reference_seconds / seconds, 1),
        "floor_seconds": round(floor["seconds"], 3),
        "multiple_of_floor": round(seconds / floor["seconds"], 2),
        "floor": floor["statement"],
        "memory_mb": round(memory_mb),
        "agrees": agrees,
    }


def floor_seconds(
    evaluations: int, lesions: int, subjects: int, touched: float, painted_bytes: float
) -> dict:
    """Least time for the operations and bytes that the loss cannot do without, at rates measured here.

    An evaluation multiplies and adds once for every pair synthetic-real and every unordered pair
    synthetic-synthetic at each of the `touched` voxels that some synthetic lesion holds (a mean over
    evaluations). It moves, at the speed of a copy: `painted_bytes` a lesion for drawing it; the touched
    voxels as float32, written once and read by both products; the pooled distances in double precision,
    written once and read for the bandwidth and for both densities. It takes one exponential for every
    unordered pair. The optimizer itself counts nothing.
    """
    pairs = lesions * subjects + lesions * (lesions + 1) / 2
    flops = 2 * pairs * touched
    pooled = lesions + subjects
    moved = lesions * (painted_bytes + 3 * 4 * touched) + 4 * 8 * pooled**2
    exponentials = pooled * (pooled - 1) / 2
    rate, bandwidth, exponential_rate = measured_rates()
    seconds = evaluations * (flops / rate + moved / bandwidth + exponentials / exponential_rate)
    return {
        "seconds": seconds,
        "statement": f"per evaluation {flops / 1e6:.1f} Mflop at {rate / 1e9:.0f} Gflop/s, "
        f"{moved / 1e6:.2f} MB at {bandwidth / 1e9:.1f} GB/s, "
        f"{exponentials / 1e3:.1f} k exponentials at {exponential_rate / 1e9:.2f} G/s",
    }


def measured_rates() -> tuple[float, float, float]:
    """Rates of all cores: float32 matrix product (flop/s), copy (bytes/s), float64 exponential (1/s)."""
    square = np.random.default_rng(0).random((2048, 2048), dtype=np.float32)
    large = np.zeros(16_000_000, dtype=np.float32)
    target = np.empty_like(large)
    exponents = -np.random.default_rng(0).random(100_000)
    cores = 2
    product = fastest(lambda: square @ square)
    copy = fastest(lambda: np.copyto(target, large))
    exponential = fastest(lambda: np.exp(exponents))
    return 2 * 2048**3 / product, 2 * large.nbytes / copy, cores * exponents.size / exponential


def fastest(action: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of several timings in seconds."""
    timings = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        timings.append(time.perf_counter() - began)
    return min(timings)


def report(figures: dict) -> None:
    """Print the figures one a line, then all as one JSON line."""
    for key, value in figures.items():
        print(f"{key}: {value}")
    print(json.dumps(figures))
