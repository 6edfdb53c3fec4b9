"""Evaluates candidate parameters of a model: draws populations, takes losses, in parallel and resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.files import write_json_atomic
from cardiactwins.compute.threads import one_blas_thread
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel

__all__ = ["Evaluator", "run_fingerprint"]


class Evaluator:
    """Losses of parameter vectors, each on one synthetic population.

    One thread a core works on whole evaluations, with one BLAS thread each, as an evaluation fits a core's
    cache; the result does not depend on the number of threads. With a checkpoint every call's losses are kept
    in a file; a later run with the same fingerprint gets them from there, in the order of the calls, so that
    the optimizer is led through the same states without computing them again. Use as a context manager.

    heartbeat: called after each evaluation, from the caller's thread; what it raises stops the run.
    """

    def __init__(
        self,
        model: InfarctModel,
        loss: PopulationLoss,
        lesions: int,
        draws: str,
        seed: int,
        workers: int | None = None,
        checkpoint: str | Path | None = None,
        fingerprint: str = "",
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.evaluations = 0
        self._draws = partial(PopulationDraws, model, kind=draws, seed=seed)
        self._draws_of_size: dict[int, PopulationDraws] = {}
        self._fresh = PopulationDraws(model, lesions, "independent", seed + 1_000_003)
        self._next_population = 0
        self._next_fresh = 0
        self._workers = workers or usable_cores()
        self._checkpoint = None if checkpoint is None else Path(checkpoint)
        self._fingerprint = fingerprint
        self._heartbeat = heartbeat
        self._calls: list[list] = []
        self._replay = iter(self._read_checkpoint())

    def __enter__(self) -> Evaluator:
        self._stack = ExitStack()
        self._stack.enter_context(one_blas_thread())
        self._pool = self._stack.enter_context(ThreadPoolExecutor(self._workers))
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._stack.close()

    def __call__(
        self,
        candidates: NDArray[np.float64],
        *,
        lesions: int,
        population: int = 0,
        measure: Callable[[NDArray[np.bool_]], float | NDArray[np.float64]] | None = None,
    ) -> NDArray[np.float64]:
        """Loss of each parameter vector (n, d) on one synthetic population of `lesions` lesions, (n,).

        measure: takes the lesions instead of the loss; with several values a population, (n, values).
        Common and quasi-random draws judge all candidates on the population of that number; independent ones
        take a new population for each.
        """
        draws = self._draws_of_size.setdefault(lesions, self._draws(n=lesions))
        numbers = [population] * len(candidates)
        if draws.kind == "independent":
            first, self._next_population = self._next_population, self._next_population + len(candidates)
            numbers = range(first, self._next_population)
        return self._recorded(list(zip(candidates, numbers, strict=True)), draws, measure or self.loss)

    def fresh(self, parameters: NDArray[np.float64], populations: int) -> NDArray[np.float64]:
        """Losses of independent populations that no search and no earlier call has seen, (populations,)."""
        first, self._next_fresh = self._next_fresh, self._next_fresh + populations
        jobs = [(parameters, first + index) for index in range(populations)]
        return self._recorded(jobs, self._fresh, self.loss)

    def _recorded(
        self,
        jobs: list[tuple[NDArray[np.float64], int]],
        draws: PopulationDraws,
        measure: Callable[[NDArray[np.bool_]], float | NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        known = next(self._replay, None)
        if known is not None and len(known) == len(jobs):
            self._calls.append(known)
            return np.array(known, dtype=float)
        losses = []
        for value in self._pool.map(lambda job: measure(draws.lesions(*job)), jobs):
            losses.append(np.asarray(value).tolist())
            self._heartbeat()
        self.evaluations += len(jobs)
        self._calls.append(losses)
        if self._checkpoint is not None:
            write_json_atomic(self._checkpoint, {"fingerprint": self._fingerprint, "losses": self._calls})
        return np.array(losses)

    def _read_checkpoint(self) -> list[list]:
        if self._checkpoint is None or not self._checkpoint.exists():
            return []
        try:
            kept = json.loads(self._checkpoint.read_text(encoding="utf-8"))
            fingerprint, losses = kept["fingerprint"], kept["losses"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"The checkpoint {self._checkpoint} cannot be read ({error}). Delete it to start anew."
            ) from error
        if fingerprint != self._fingerprint:
            raise ValueError(
                f"The checkpoint {self._checkpoint} belongs to another run (other data, model, settings or "
                "seed). Name another file, or delete it to start anew."
            )
        return losses


def run_fingerprint(
    model: InfarctModel,
    loss: PopulationLoss,
    start: NDArray[np.float64],
    settings: Any,
    seed: int,
) -> str:
    """Hash of all that a run's result depends on."""
    description = {
        "model": model.name,
        "options": {name: repr(getattr(model, name)) for name in _options(model)},
        "parameters": [asdict(parameter) for parameter in model.parameters],
        "anatomy": repr(model.anatomy),
        "loss": [loss.kind, loss.neighbours, loss.bandwidth, loss.estimator],
        "start": start.tolist(),
        "settings": asdict(settings),
        "seed": seed,
    }
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    digest.update(np.packbits(loss.lesions).tobytes())
    return digest.hexdigest()


def _options(model: InfarctModel) -> list[str]:
    """Names of a model's options: the fields of a dataclass, or the attributes that hold plain values."""
    if is_dataclass(model):
        return [field.name for field in fields(model)]
    plain = (bool, int, float, str, tuple)
    return sorted(name for name, value in vars(model).items() if isinstance(value, plain))


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
