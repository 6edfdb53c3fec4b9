"""Thousands of siblings: on this process, a pool of processes, several GPUs or a Dask cluster; resumable."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.files import check_writable
from cardiactwins.compute.memory import NotEnoughMemory, memory_error
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.compute.scheduling import run_cells
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.latent_edits import HeartModel
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import ViolationWatch, make_siblings

__all__ = ["MODEL_LOADER", "CohortRun", "make_cell", "make_cohort", "own_device"]

MODEL_LOADER = "cardiactwins.twin.model:TwinModel.load"
BYTES_A_SIBLING = 60_000
"""On disk, label map and record, at 128^3."""


@dataclass(frozen=True)
class CohortRun:
    """What a run did: siblings that were there before, those made now, and what failed with the reason."""

    found: int
    made: int
    failed: tuple[str, ...]


def make_cohort(
    folder: CohortFolder,
    recipes: Sequence[Recipe],
    weights: str | Path,
    *,
    loader: str = MODEL_LOADER,
    workers: int = 0,
    batch: int = 1,
    devices: Sequence[str] = ("cpu",),
    scheduler: str | None = None,
    ranges: Mapping[str, Sequence[float]] | None = None,
    watch: int | None = None,
    progress: Progress = silent,
) -> CohortRun:
    """Make the siblings of recipes that are not in the folder yet, and write the manifest.

    weights: file of the model; its SHA256 becomes part of each sibling's name, so that other weights make
    other siblings. loader: "module:name" of what takes that path and returns the model. workers: processes,
    0 for this one. batch: siblings that are sampled together. devices: such as ("cuda:0", "cuda:1"), which
    processes take in turn. scheduler: address of a Dask scheduler instead, whose workers see folder and
    weights. ranges: what targets are reachable. watch: count violations after each so many steps, for the
    records (`ViolationWatch`).

    A sibling is named by its recipe and weights and written whole: a run that was killed goes on where it
    stopped, and nothing is made twice. Recipes that fail are told in the result and tried again by the next
    run; a full disk stops the run with an OSError, memory that runs out with NotEnoughMemory. progress:
    siblings; raises Cancelled to stop, what is finished stays. ValueError for a batch below 1 or workers
    below 0, FileNotFoundError without weights.
    """
    if batch < 1 or workers < 0 or not devices:
        raise ValueError(
            f"A batch has 1 sibling or more, workers are 0 or more, on one device at least; found {batch}, "
            f"{workers} and {list(devices)}."
        )
    weights = Path(weights)
    key = sha256_of(weights)
    unique = {recipe.name(key): recipe for recipe in recipes}
    pending = [recipe for recipe in unique.values() if not folder.finished(recipe, key)]
    found = len(unique) - len(pending)
    folder.sweep()
    check_writable(folder.path / "siblings", BYTES_A_SIBLING * len(pending))
    cells = [{"recipes": [recipe.values() for recipe in part]} for part in _batches(pending, batch)]
    with tempfile.TemporaryDirectory(prefix=".cells-", dir=folder.path, ignore_cleanup_errors=True) as own:
        places: dict[str, Any] = {
            "folder": str(folder.path.absolute()),
            "weights": str(weights.absolute()),
            "loader": loader,
            "devices": list(devices),
            "slots": str(Path(own).absolute() / "slots"),
            "ranges": None if ranges is None else {name: list(pair) for name, pair in ranges.items()},
            "watch": watch,
        }
        if workers == 0 and scheduler is None:
            failed = _made_here(cells, places, found, len(unique), progress)
        else:
            outcomes = run_cells(
                make_cell,
                cells,
                own,
                places=places,
                workers=workers or None,
                scheduler=scheduler,
                progress=_of_siblings(progress, found, batch, len(unique)),
            )
            failed = [_told(one.cell, one.error) for one in outcomes if one.error is not None]
    folder.write_manifest()
    made = sum(folder.finished(recipe, key) for recipe in pending)
    progress(found + made, len(unique), f"{made} siblings made, {found} were there")
    return CohortRun(found, made, tuple(failed))


def make_cell(
    recipes: Sequence[Mapping[str, Any]],
    folder: str,
    weights: str,
    loader: str,
    devices: Sequence[str],
    slots: str,
    ranges: Mapping[str, Sequence[float]] | None,
    watch: int | None = None,
) -> list[str]:
    """Make and store the siblings of one batch that are not there yet; returns their names."""
    cohort, batch = CohortFolder(Path(folder)), [Recipe.from_values(values) for values in recipes]
    key = sha256_of(weights)
    batch = [recipe for recipe in batch if not cohort.finished(recipe, key)]
    if not batch:
        return []
    began = time.perf_counter()
    model, first = _model(loader, weights, key, own_device(tuple(devices), slots)), batch[0]
    watched = None if watch is None else ViolationWatch(model, watch)
    made = make_siblings(
        model,
        batch,
        cohort.twin(first.twin) if first.twin else None,
        region=cohort.region(first.region) if first.region else None,
        spacing=cohort.geometry.spacing,
        ranges=ranges,
        after_step=watched,
    )
    seconds = (time.perf_counter() - began) / len(batch)
    counts = () if watched is None else watched.counts
    return [cohort.store(sibling, key, seconds, counts).name for sibling in made]


def _made_here(
    cells: Sequence[Mapping[str, Any]], places: Mapping[str, Any], found: int, total: int, progress: Progress
) -> list[str]:
    """Make the cells in this process; returns what failed."""
    failed = []
    for cell in cells:
        progress(found, total, "Making siblings")
        found += len(cell["recipes"])
        try:
            make_cell(**cell, **places)
        except OSError:
            raise
        except Exception as error:
            if (shortage := memory_error(error)) is not None:
                raise shortage from error
            failed.append(_told(cell, str(error) or type(error).__name__))
    return failed


def _told(cell: Mapping[str, Any], error: str) -> str:
    return f"{Recipe.from_values(cell['recipes'][0]).title()}: {error}"


@lru_cache(maxsize=1)
def own_device(devices: tuple[str, ...], slots: str) -> str:
    """The device of this process: each process of a run takes the next free slot, and devices in turn."""
    place = Path(slots)
    place.mkdir(parents=True, exist_ok=True)
    for slot in itertools.count():
        try:
            (place / str(slot)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return devices[slot % len(devices)]


@lru_cache(maxsize=2)
def _model(loader: str, weights: str, key: str, device: str) -> HeartModel:
    """The model of a weights file whose SHA256 is `key`, kept for the next batch."""
    model = resolve_function(loader)(weights)
    return model if device == "cpu" else model.to(device)


def _batches(recipes: Sequence[Recipe], size: int) -> list[list[Recipe]]:
    """Recipes that differ by their seeds alone, at most `size` together."""
    alike: dict[Recipe, list[Recipe]] = {}
    for recipe in recipes:
        alike.setdefault(replace(recipe, seed=0), []).append(recipe)
    return [
        group[start : start + size]
        for group in alike.values()
        for start in range(0, len(group), max(size, 1))
    ]


def _of_siblings(progress: Progress, found: int, batch: int, total: int) -> Progress:
    """The progress of cells, counted in siblings; a full disk and want of memory end the run."""

    def told(step: int, cells: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        if "disk is full" in message:
            raise OSError(message)
        _, start, reason = message.partition(f"failed: {NotEnoughMemory.START}")
        if start:
            raise NotEnoughMemory(NotEnoughMemory.START + reason)
        progress(min(found + step * batch, total), total, message, values)

    return told
