"""What the recovery experiment runs: populations of known truth, searches, starts and seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.archive import save_population
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.paper_studies import named_study
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.population import InfarctPopulation

__all__ = [
    "EXTENTS",
    "INGREDIENTS",
    "OURS",
    "PAPER",
    "SEED",
    "TRUTHS",
    "WIDE_KERNEL",
    "Extent",
    "Truth",
    "draw_population",
    "jobs_of",
    "seed_of",
    "spread_out",
    "starts_of",
]

SEED = 2024
OURS = PersonalizationSettings()
PAPER = PersonalizationSettings.paper()
INGREDIENTS = {
    "the paper's search": PAPER,
    "without stopping at a lucky loss": replace(PAPER, threshold=0.0),
    "+ common draws": replace(PAPER, threshold=0.0, draws="common"),
    "quasi-random draws instead": replace(PAPER, threshold=0.0, draws="quasi-random"),
    "+ each parameter's own scale": replace(PAPER, threshold=0.0, draws="quasi-random", step_unit="scale"),
    "+ three searches, scouts": replace(OURS, polish_generations=0, polish_loss="own"),
    "+ polish": replace(OURS, polish_lesions=OURS.lesions, polish_loss="own"),
    "polish on larger populations": replace(OURS, polish_loss="own"),
    "a wide kernel for all of it": replace(OURS, polish_loss="own"),
    "polish on loss and discrepancy (default)": OURS,
}
WIDE_KERNEL = {"a wide kernel for all of it": 17.0}
"""Fixed bandwidth in pixels^0.5: about the median distance between two lesions of these populations."""


@dataclass(frozen=True)
class Truth:
    """A model at the paper's optimum, the subjects of a population, and the tables whose starts are run."""

    model: str
    slices: int
    subjects: int
    parameters: tuple[float, ...]
    studies: tuple[str, ...]

    def build(self):
        """The model on its reference; lesions start where the population's did."""
        return make_model(self.model, ReferenceAnatomy(slices=self.slices))


TRUTHS = {
    "elliptical 2D": Truth("elliptical", 1, 118, (18, 10, 13, 18), ("starts-means", "starts-stds")),
    "spherical 2D": Truth("spherical", 1, 118, (1, 32), ("starts-spherical",)),
    "spherical 3D": Truth("spherical", 11, 77, (34, 9), ("starts-3d",)),
}


@dataclass(frozen=True)
class Extent:
    """How much is run: populations and starts of each truth (None: all), and of the ingredients.

    every: a population takes each start that is a multiple of this away from its own number.
    """

    populations: int
    starts: int | None
    populations_3d: int
    starts_3d: int | None
    ingredient_populations: int
    ingredient_starts: int
    every: int = 1


EXTENTS = {
    "full": Extent(10, None, 10, None, 3, 5),
    "half": Extent(10, None, 10, None, 3, 4, every=2),
    "short": Extent(10, 8, 2, None, 1, 4),
    "quick": Extent(2, 6, 1, 1, 1, 2),
}


def seed_of(*numbers: int) -> int:
    """A seed that belongs to these numbers alone."""
    return int(np.random.SeedSequence((SEED, *numbers)).generate_state(1)[0])


def starts_of(truth: Truth) -> list[dict[str, Any]]:
    """Cells of the paper's tables, one a start: table, row, column, start, loss."""
    cells = []
    for name in truth.studies:
        for cell in named_study(name, launches=1).cells:
            cells.append({"table": name, **{key: cell[key] for key in ("row", "column", "start", "loss")}})
    return cells


def spread_out(items: Sequence, count: int | None) -> list:
    """`count` items spread over all of them, or all."""
    if count is None or count >= len(items):
        return list(items)
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, count).round()]


def draw_population(truth: Truth, key: int, number: int, directory: Path) -> tuple[str, np.ndarray]:
    """File of a population of the truth in DIR/populations, and the uniform numbers that made it."""
    model = truth.build()
    uniforms = np.random.default_rng([SEED, key, number]).random((truth.subjects, model.n_uniforms))
    lesions = model.paint(truth.parameters, uniforms)
    digest = hashlib.sha256(np.packbits(lesions).tobytes()).hexdigest()[:8]
    path = directory / "populations" / f"{truth.model}-{truth.slices}-{number}-{digest}.npz"
    if not path.exists():
        names = tuple(f"case {case}" for case in range(truth.subjects))
        save_population(InfarctPopulation(model.anatomy, lesions, names), path)
    return path.name, uniforms


def jobs_of(extent: Extent, directory: Path) -> tuple[list[dict], list[dict]]:
    """Notes and arguments of every run, and of every truth's own losses."""
    runs, truths = [], []

    def add(
        part: str, name: str, number: int, start: Mapping, settings: PersonalizationSettings, *place: int
    ):
        truth, key = TRUTHS[name], list(TRUTHS).index(name)
        path, _ = draw_population(truth, key, number, directory)
        shared = {"population": path, "model": truth.model, "loss": start["loss"]}
        shared["shared_seed"] = seed_of(1, key, number)
        notes = {"part": part, "truth": name, "number": number, **start}
        run = {**shared, "start": start["start"], "settings": asdict(settings)}
        run["bandwidth"] = WIDE_KERNEL.get(part)
        runs.append({"notes": notes, "cell": {**run, "seed": seed_of(2, key, number, *place)}})
        own = {**shared, "parameters": truth.parameters, "seed": seed_of(3, key, number)}
        if own not in truths:
            truths.append(own)

    for name, truth in TRUTHS.items():
        is_3d = truth.slices > 1
        starts = spread_out(starts_of(truth), extent.starts_3d if is_3d else extent.starts)
        for number in range(extent.populations_3d if is_3d else extent.populations):
            for place, start in enumerate(starts):
                if (place - number) % extent.every == 0:
                    add("recovery", name, number, start, OURS, 0, place)
    for name in ("elliptical 2D", "spherical 2D"):
        starts = spread_out(starts_of(TRUTHS[name]), extent.ingredient_starts)
        for number in range(extent.ingredient_populations):
            for which, (ingredient, settings) in enumerate(INGREDIENTS.items()):
                for place, start in enumerate(starts):
                    add(ingredient, name, number, start, settings, 1, which, place)
    return runs, truths
