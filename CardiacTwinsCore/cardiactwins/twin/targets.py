"""Measures that a heart should have: read, resolved against a twin, and reported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.twin.soft_measures import MEASURES, hard_measures, measure_named

__all__ = [
    "Target",
    "TargetReport",
    "held_volumes",
    "measured_ranges",
    "resolve_targets",
    "target_reports",
    "unseen_text",
]

TOLERANCE = 0.05
"""A target is met within this share of its value."""
CHAMBER_VOLUMES = ("LV volume", "RV volume", "LA volume", "RA volume")


@dataclass(frozen=True)
class Target:
    """A measure (of MEASURES) and what it should be.

    kind: "to" a value in ml or mm, changed "by" that much, or by "percent" of the twin's.
    """

    measure: str
    value: float
    kind: Literal["to", "by", "percent"] = "to"

    @classmethod
    def parse(cls, text: str) -> Target:
        """A target from "RV volume 150 ml", "wall +2 mm", "LA volume -10 %".

        A number with a sign is a change, one without is the value; percent are a change and need a sign.
        ValueError for anything else, and for a unit that is not the measure's.
        """
        found = re.fullmatch(r"\s*(.+?)\s*=?\s*([+-]?\d+(?:\.\d+)?)\s*(ml|mm|%)?\s*", text)
        if found is None:
            raise ValueError(
                f"'{text}' is no target. Write a measure, a number and its unit, such as 'RV volume 150 ml', "
                "'wall +2 mm' or 'LA volume -10 %'."
            )
        name, number, unit = found.groups()
        measure = measure_named(name)
        if unit not in (None, "%", MEASURES[measure]):
            raise ValueError(f"'{measure}' is in {MEASURES[measure]}, not in {unit}.")
        if unit == "%":
            if number[0] not in "+-":
                raise ValueError(
                    f"'{text}' does not say whether {number} % are a change or a share. Write +{number} % or "
                    f"-{number} % for a change, or the value in {MEASURES[measure]}."
                )
            return cls(measure, float(number), "percent")
        return cls(measure, float(number), "by" if number[0] in "+-" else "to")

    def wanted(self, present: float) -> float:
        """The value in ml or mm, where the twin has `present`."""
        if self.kind == "to":
            return self.value
        return present + self.value if self.kind == "by" else present * (1 + self.value / 100)

    def __str__(self) -> str:
        sign = "" if self.kind == "to" else "+" if self.value >= 0 else ""
        unit = "%" if self.kind == "percent" else MEASURES[self.measure]
        return f"{self.measure} {sign}{self.value:g} {unit}"


@dataclass(frozen=True)
class TargetReport:
    """What became of one target, or of a measure that was held: wanted and reached, in ml or mm."""

    measure: str
    wanted: float
    reached: float
    held: bool = False

    @property
    def error(self) -> float:
        """Relative deviation from what was wanted."""
        return abs(self.reached - self.wanted) / abs(self.wanted) if self.wanted else float("inf")

    @property
    def met(self) -> bool:
        """Whether it is within 5 %."""
        return self.error <= TOLERANCE


def resolve_targets(
    targets: Sequence[Target],
    present: Mapping[str, float],
    ranges: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, float]:
    """Targets as values in ml or mm, by measure.

    present: the twin's `hard_measures`. ranges: least and largest value of each measure in the training
    hearts, beyond which no target is reachable. ValueError without targets, for a measure named twice, a
    value that is not above 0, and one out of range.
    """
    if not targets:
        raise ValueError("There is no target. Name a measure and its value, such as 'RV volume 150 ml'.")
    wanted: dict[str, float] = {}
    for target in targets:
        if target.measure in wanted:
            raise ValueError(f"'{target.measure}' has two targets. Keep one.")
        value = target.wanted(present.get(target.measure, 0.0))
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"'{target}' asks for {value:g} {MEASURES[target.measure]}: that is no heart.")
        low, high = (ranges or {}).get(target.measure, (0.0, np.inf))
        if not low <= value <= high:
            raise ValueError(
                f"'{target}' asks for {value:.4g} {MEASURES[target.measure]}, outside what the model has "
                f"seen ({low:.4g} to {high:.4g}). Choose a value between."
            )
        wanted[target.measure] = float(value)
    return wanted


def measured_ranges(
    hearts: Iterable[ArrayLike], spacing: ArrayLike = (1.4, 1.4, 1.4)
) -> dict[str, tuple[float, float]]:
    """Least and largest value of every measure in some hearts, such as those that a model is trained on.

    Stored in the card of the weights as "ranges", they tell what targets are reachable. ValueError without
    hearts.
    """
    rows = [list(hard_measures(heart, spacing).values()) for heart in hearts]
    if not rows:
        raise ValueError("There are no hearts to take ranges of.")
    low, high = np.min(rows, axis=0), np.max(rows, axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(MEASURES, low, high, strict=True)}


def unseen_text(present: Mapping[str, float], ranges: Mapping[str, Sequence[float]] | None) -> str:
    """What of a heart lies outside what the model has seen, in a sentence; "" where nothing does.

    present: the heart's `hard_measures`. ranges: as of `resolve_targets`; nothing is told without.
    """
    told = [
        f"{name} {present[name]:.4g} {MEASURES[name]} ({low:.4g} to {high:.4g})"
        for name, (low, high) in (ranges or {}).items()
        if name in present and not low <= present[name] <= high
    ]
    if not told:
        return ""
    return f"Outside what the model has seen: {', '.join(told)}. Siblings are drawn towards what it has seen."


def held_volumes(wanted: Mapping[str, float], present: Mapping[str, float]) -> dict[str, float]:
    """The volumes of the chambers that no target names, as the twin has them."""
    named = {measure.partition(" ")[0] for measure in wanted}
    return {name: present[name] for name in CHAMBER_VOLUMES if name.partition(" ")[0] not in named}


def target_reports(
    labels: ArrayLike,
    wanted: Mapping[str, float],
    held: Mapping[str, float] | None = None,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
) -> tuple[TargetReport, ...]:
    """What a heart reached of its targets and of what was held."""
    found = hard_measures(labels, spacing)
    return (
        *(TargetReport(name, value, found[name]) for name, value in wanted.items()),
        *(TargetReport(name, value, found[name], held=True) for name, value in (held or {}).items()),
    )
