"""Lesions on request: draws of a personalized model that have a wanted place, size and transmurality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.aha import TERRITORIES, reference_segments
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct import attributes
from cardiactwins.infarct.model import InfarctModel, StartZone, checked_parameters

__all__ = ["LesionRequest", "RequestedLesions", "lesions_on_request", "model_at"]

BATCH = 500
NEAREST_SHARE = 0.1


@dataclass(frozen=True)
class LesionRequest:
    """What a lesion is to be like; None where it does not matter.

    territory: "LAD", "RCA" or "LCX". aha_segments: segments 1 to 17 instead of a territory. inside: smallest
    share of the lesion that lies there. size: share of the left ventricle, within size_tolerance.
    transmurality: mean infarcted share of the wall where there is infarct (`attributes.transmurality`),
    within its tolerance.

    Raises ValueError for an unknown territory or segment, both places at once, values that are no shares,
    tolerances that are not positive, and a request that asks for nothing.
    """

    territory: str | None = None
    aha_segments: Sequence[int] | None = None
    inside: float = 0.5
    size: float | None = None
    size_tolerance: float = 0.02
    transmurality: float | None = None
    transmurality_tolerance: float = 0.05

    def __post_init__(self) -> None:
        if self.territory is not None and self.territory not in TERRITORIES:
            raise ValueError(f"A territory is one of {', '.join(TERRITORIES)}; found {self.territory!r}.")
        if self.territory is not None and self.aha_segments is not None:
            raise ValueError("A request names a territory or AHA segments, not both.")
        if self.aha_segments is not None:
            strange = [segment for segment in self.aha_segments if segment not in range(1, 18)]
            if strange or not self.aha_segments:
                raise ValueError(f"AHA segments are numbered 1 to 17; found {list(self.aha_segments)}.")
        for name in ("inside", "size", "transmurality"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"'{name}' is a share in (0, 1]; found {value:g}. Write 0.2 for 20 %.")
        if not (self.size_tolerance > 0 and self.transmurality_tolerance > 0):
            raise ValueError(
                "Tolerances must be positive, as a random lesion never has an exact size; found "
                f"{self.size_tolerance:g} and {self.transmurality_tolerance:g}."
            )
        if self.territory is self.aha_segments is self.size is self.transmurality is None:
            raise ValueError("The request is empty. Name a territory, segments, a size or a transmurality.")

    @property
    def segments(self) -> tuple[int, ...] | None:
        """The AHA segments in which the lesion is to lie, or None."""
        if self.territory is not None:
            return TERRITORIES[self.territory]
        return None if self.aha_segments is None else tuple(self.aha_segments)

    def region(self, anatomy: ReferenceAnatomy) -> NDArray[np.bool_] | None:
        """Voxels (N,) in which the lesion is to lie, or None. ValueError when the reference has none."""
        if self.segments is None:
            return None
        segments = reference_segments(anatomy)
        region = np.isin(segments, self.segments)
        if not region.any():
            raise ValueError(
                f"This reference has the AHA segments {np.unique(segments).tolist()}, none of the requested "
                f"{list(self.segments)}. Use a 3D reference."
            )
        return region

    def misses(
        self, size: NDArray[np.float64], transmurality: NDArray[np.float64], inside: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """How far lesions are from each wanted attribute, in tolerances (n,); met up to 1."""
        misses = {}
        if self.segments is not None:
            misses["place"] = 1 + np.maximum(self.inside - inside, 0) / 0.1
        if self.size is not None:
            misses["size"] = np.abs(size - self.size) / self.size_tolerance
        if self.transmurality is not None:
            off = np.abs(transmurality - self.transmurality)
            misses["transmurality"] = off / self.transmurality_tolerance
        return misses


@dataclass(frozen=True, eq=False)
class RequestedLesions:
    """Lesions that meet a request, with what was achieved.

    lesions: (n, N) bool. size, transmurality: (n,). inside: (n,) share of the lesion in the requested place,
    1 where no place was requested. parameters: (n, d) the model's parameters behind each lesion.
    acceptance_rate: share of the draws that met the request. draws: their number. proposal: where they came
    from.
    """

    request: LesionRequest
    lesions: NDArray[np.bool_]
    size: NDArray[np.float64]
    transmurality: NDArray[np.float64]
    inside: NDArray[np.float64]
    parameters: NDArray[np.float64]
    acceptance_rate: float
    draws: int
    proposal: str


def lesions_on_request(
    model: InfarctModel,
    parameters: ArrayLike,
    *,
    n: int,
    rng: np.random.Generator,
    territory: str | None = None,
    aha_segments: Sequence[int] | None = None,
    inside: float = 0.5,
    size: float | None = None,
    size_tolerance: float = 0.02,
    transmurality: float | None = None,
    transmurality_tolerance: float = 0.05,
    max_draws: int = 20_000,
    proposal: Literal["model", "broadened"] = "model",
    progress: Progress = silent,
) -> RequestedLesions:
    """n lesions of a model with parameters (d,) that meet a `LesionRequest`, by rejection.

    For a place the start zone is turned there (`model_at`), as a population aligned on the LAD stands for all
    territories. proposal: "model" - draws of the personalized model, so that the lesions follow its
    distribution given the request; "broadened" - each draw has its own parameters, normal around the
    personalized ones with a standard deviation of their scale; after every batch their centre moves to the
    tenth of the draws nearest to the request. Those lesions meet the request but are not distributed as the
    population's: use it where "model" finds too few.

    Raises ValueError for a request that cannot be read, parameters out of bounds, and when max_draws draws
    hold fewer than n such lesions: the message says how near they came and what to do.
    """
    request = LesionRequest(
        territory, aha_segments, inside, size, size_tolerance, transmurality, transmurality_tolerance
    )
    if n < 1 or max_draws < 1:
        raise ValueError(f"At least one lesion and one draw are needed; found {n} and {max_draws}.")
    if proposal not in ("model", "broadened"):
        raise ValueError(f"A proposal is 'model' or 'broadened'; found {proposal!r}.")
    centre = checked_parameters(model, parameters)
    region = request.region(model.anatomy)
    if region is not None:
        model = model_at(model, region, keep_level=territory is not None)
    search = _Search(request, region, model)
    while search.draws < max_draws and search.accepted < n:
        count = min(BATCH, max_draws - search.draws)
        if proposal == "model":
            rows, lesions = np.tile(centre, (count, 1)), model.sample(centre, count, rng)
        else:
            rows = _broadened(model, centre, count, rng)
            lesions = _one_each(model, rows, rng)
        nearest = search.take(lesions, rows)
        if proposal == "broadened" and search.accepted < n:
            centre = checked_parameters(model, rows[nearest].mean(axis=0))
        progress(min(search.accepted, n), n, f"{search.accepted} of {n} lesions in {search.draws:,} draws")
    if search.accepted < n:
        raise ValueError(search.shortfall(n, proposal))
    return search.result(n, proposal)


def model_at(model: InfarctModel, region: NDArray[np.bool_], *, keep_level: bool = False) -> InfarctModel:
    """The model with its start zone in the middle of a region (N,) of its reference.

    The zone goes to the region's circular mean angle (where it has one) and, unless keep_level, to its mean
    longitudinal coordinate. A model moves by a method `moved(zone)`, or as a dataclass with a field `zone`;
    any other is returned as it is, and only rejection finds the place.
    """
    zone = getattr(model, "zone", None)
    if not isinstance(zone, StartZone):
        return model
    anatomy = model.anatomy
    mean = np.exp(2j * np.pi * anatomy.circumferential[region]).mean()
    if abs(mean) > 0.05:
        zone = replace(zone, circumferential=float(np.mod(np.angle(mean) / (2 * np.pi), 1.0)))
    if not keep_level:
        zone = replace(zone, longitudinal=float(anatomy.longitudinal[region].mean()))
    if hasattr(model, "moved"):
        return model.moved(zone)
    return replace(model, zone=zone) if is_dataclass(model) else model


def _broadened(
    model: InfarctModel, centre: NDArray[np.float64], n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """n parameter vectors (n, d) around `centre` (d,), inside the bounds."""
    lower, upper, scale = np.array([(p.lower, p.upper, p.scale) for p in model.parameters]).T
    return checked_parameters(
        model, np.clip(centre + scale * rng.standard_normal((n, len(centre))), lower, upper)
    )


def _one_each(model: InfarctModel, rows: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.bool_]:
    """One lesion for each parameter vector (n, d), (n, N)."""
    if hasattr(model, "paint"):
        return model.paint(rows, rng.random((len(rows), model.n_uniforms)))
    return np.concatenate([model.sample(row, 1, rng) for row in rows])


class _Search:
    """Draws seen so far: the accepted ones, how often each wish was met, and the nearest of all."""

    def __init__(self, request: LesionRequest, region: NDArray[np.bool_] | None, model: InfarctModel) -> None:
        self.request = request
        self.region = region
        self.anatomy = model.anatomy
        self.draws = 0
        self.accepted = 0
        self._kept: list[tuple[NDArray, ...]] = []
        self._met: dict[str, int] = {}
        self._nearest = (np.inf, {})

    def take(self, lesions: NDArray[np.bool_], rows: NDArray[np.float64]) -> NDArray[np.int64]:
        """Judges a batch; returns its draws that are nearest to the request."""
        achieved = {
            "size": attributes.infarct_size(lesions),
            "transmurality": attributes.transmurality(lesions, self.anatomy),
            "inside": self._inside(lesions),
        }
        misses = self.request.misses(**achieved)
        good = np.all([miss <= 1 for miss in misses.values()], axis=0) & lesions.any(axis=1)
        self.draws += len(lesions)
        self.accepted += int(good.sum())
        self._kept.append((lesions[good], *(values[good] for values in achieved.values()), rows[good]))
        for name, miss in misses.items():
            self._met[name] = self._met.get(name, 0) + int((miss <= 1).sum())
        distance = np.sqrt(np.sum([np.maximum(miss - 1, 0) ** 2 for miss in misses.values()], axis=0))
        order = np.argsort(distance, kind="stable")
        if distance[order[0]] < self._nearest[0]:
            self._nearest = (distance[order[0]], {k: float(v[order[0]]) for k, v in achieved.items()})
        return order[: max(int(NEAREST_SHARE * len(order)), 1)]

    def _inside(self, lesions: NDArray[np.bool_]) -> NDArray[np.float64]:
        if self.region is None:
            return np.ones(len(lesions))
        return lesions[:, self.region].sum(axis=1) / np.maximum(lesions.sum(axis=1), 1)

    def shortfall(self, n: int, proposal: str) -> str:
        """What to tell the user when too few lesions were found."""
        nearest = self._nearest[1]
        met = ", ".join(f"{name} {count / self.draws:.1%}" for name, count in self._met.items())
        place = "" if self.region is None else f", {nearest['inside']:.0%} in the requested place"
        advice = "Widen the tolerances, allow more draws"
        if proposal == "model":
            advice += ", or use proposal='broadened', whose lesions leave the personalized distribution"
        return (
            f"{self.accepted} of {n} requested lesions were found in {self.draws:,} draws (acceptance rate "
            f"{self.accepted / self.draws:.2%}; met alone: {met}). The nearest draw has size "
            f"{nearest['size']:.3f} and transmurality {nearest['transmurality']:.3f}{place}. {advice}."
        )

    def result(self, n: int, proposal: str) -> RequestedLesions:
        """The first n accepted draws."""
        columns = [np.concatenate(column)[:n] for column in zip(*self._kept, strict=True)]
        return RequestedLesions(
            self.request,
            *columns,
            acceptance_rate=self.accepted / self.draws,
            draws=self.draws,
            proposal=proposal,
        )
