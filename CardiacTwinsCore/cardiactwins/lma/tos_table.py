"""TOS of the sectors of several slices: estimated, typed in, or read from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.lma.activation_map import SectorValues
from cardiactwins.lma.csv_columns import read_csv_columns
from cardiactwins.lma.onset import OnsetEstimate

__all__ = ["TosTable", "read_tos_csv", "tos_of_columns"]

NORMAL_95 = 1.6449
"""A 90 % interval of a normal distribution reaches so many standard deviations to either side."""
LEAST_LATEST_MS = 2.0
"""In no heart is the latest onset so soon after the R wave: values up to here are in seconds."""
COLUMNS = {
    "slice": r"slice",
    "longitudinal": r"longitudinal|height|level",
    "sector": r"sector",
    "tos": r"(tos|onset)( ?\(?ms\)?)?",
    "lower": r"(tos )?lower( ?\(?ms\)?)?",
    "upper": r"(tos )?upper( ?\(?ms\)?)?",
    "late": r"late( probability)?",
}


@dataclass(frozen=True, eq=False)
class TosTable:
    """TOS in ms of sectors (counted from the anterior RV insertion, counter-clockwise seen from the apex).

    values: (S, N), NaN where unknown. slices: (S,) numbers of the slices. longitudinal: (S,) height of each,
    0 base to 1 apex, or None where it is not known yet. lower, upper: (S, N) ends of the 90 % intervals, or
    None. late: (S, N) probability of late activation, or None.
    """

    values: NDArray[np.float64]
    slices: NDArray[np.int64]
    longitudinal: NDArray[np.float64] | None = None
    lower: NDArray[np.float64] | None = None
    upper: NDArray[np.float64] | None = None
    late: NDArray[np.float64] | None = None

    @classmethod
    def of_estimates(
        cls,
        estimates: Sequence[OnsetEstimate],
        longitudinal: ArrayLike | None = None,
        late: ArrayLike | None = None,
    ) -> TosTable:
        """The table of one estimate a slice. ValueError when they differ in their number of sectors."""
        counts = {len(estimate.tos) for estimate in estimates}
        if len(counts) != 1:
            raise ValueError(f"All slices must have the same number of sectors; found {sorted(counts)}.")
        values, lower, upper = (
            np.array([getattr(estimate, name) for estimate in estimates])
            for name in ("tos", "lower", "upper")
        )
        return cls(
            values,
            np.arange(1, len(values) + 1),
            None if longitudinal is None else np.asarray(longitudinal, dtype=float),
            lower,
            upper,
            None if late is None else np.asarray(late, dtype=float),
        )

    @property
    def errors(self) -> NDArray[np.float64] | None:
        """Standard errors (S, N) in ms, from the intervals; None without them."""
        if self.lower is None or self.upper is None:
            return None
        return np.maximum(self.upper - self.lower, 0) / (2 * NORMAL_95)

    def at(self, longitudinal: ArrayLike) -> TosTable:
        """The same table with the heights of its slices. ValueError when their number does not fit."""
        heights = np.atleast_1d(np.asarray(longitudinal, dtype=float))
        if heights.shape != self.values.shape[:1]:
            raise ValueError(f"{len(self.values)} slices need as many heights; found {heights.size}.")
        return replace(self, longitudinal=heights)

    def sector_values(self) -> SectorValues:
        """For the map. ValueError when the heights of the slices are not known, or TOS is in seconds."""
        if self.longitudinal is None:
            raise ValueError(
                "The heights of the TOS slices are not known. Give a column 'longitudinal' (0 base to 1 "
                "apex), or say where the slices lie."
            )
        known = self.values[np.isfinite(self.values)]
        if known.size and 0 < known.max() <= LEAST_LATEST_MS:
            raise ValueError(
                f"TOS must be in ms; {known.max():g} in the latest sector looks like seconds. Multiply it "
                "by 1000."
            )
        errors = self.errors
        if errors is not None and not np.isfinite(errors).any():
            errors = None
        if errors is not None:
            # A sector without an interval is filled from its neighbours and takes their usual error.
            errors = np.where(np.isfinite(errors), errors, np.nanmedian(errors))
        return SectorValues(self.values, self.longitudinal, errors)

    def columns(self) -> dict[str, NDArray]:
        """One row a slice and sector, as `tos_of_columns` reads them."""
        slices, sectors = self.values.shape
        columns: dict[str, NDArray] = {"slice": np.repeat(self.slices, sectors)}
        if self.longitudinal is not None:
            columns["longitudinal"] = np.repeat(self.longitudinal, sectors)
        columns["sector"] = np.tile(np.arange(1, sectors + 1), slices)
        columns["TOS"] = self.values.ravel()
        for name, values in (("TOS lower", self.lower), ("TOS upper", self.upper)):
            if values is not None:
                columns[name] = values.ravel()
        if self.late is not None:
            columns["late probability"] = self.late.ravel()
        return columns


def tos_of_columns(columns: Mapping[str, ArrayLike], sectors: int | None = None) -> TosTable:
    """A table of TOS from named columns.

    Either one row a slice and sector ('slice', 'sector', 'TOS', and if known 'longitudinal', 'TOS lower',
    'TOS upper', 'late probability'; without 'slice' all belong to one), or one row a slice with a column a
    sector ('1' ... '18' or 'sector 1' ...). Slices come in the order of their numbers. sectors: the number
    that is expected (any when None). ValueError for missing columns, sectors or slices that are missing or
    twice there, another number of sectors than expected, and texts for numbers.
    """
    given = {str(name).strip(): np.asarray(values) for name, values in columns.items()}
    named = {}
    for key, pattern in COLUMNS.items():
        for name, values in given.items():
            if re.fullmatch(pattern, name, re.IGNORECASE):
                named[key] = _numbers(name, values)
                break
    table = _from_rows(named) if "tos" in named else _from_matrix(given, named)
    if sectors is not None and table.values.shape[1] != sectors:
        raise ValueError(f"The table has {table.values.shape[1]} sectors a slice, {sectors} are expected.")
    return table


def read_tos_csv(path: str | Path, sectors: int | None = None) -> TosTable:
    """A table of TOS from a CSV file; ValueError as of `read_csv_columns` and `tos_of_columns`."""
    return tos_of_columns(read_csv_columns(path), sectors)


def _from_rows(named: Mapping[str, NDArray]) -> TosTable:
    if "sector" not in named:
        raise ValueError("A table of TOS with one row a sector needs a column 'sector'.")
    slice_of = named.get("slice", np.ones_like(named["tos"]))
    slices = np.unique(slice_of)
    count = int(named["sector"].max())
    filled = {
        key: np.full((len(slices), count), np.nan)
        for key in ("tos", "lower", "upper", "late")
        if key in named
    }
    heights = np.full(len(slices), np.nan)
    for row, number in enumerate(slices):
        chosen = slice_of == number
        listed = named["sector"][chosen].astype(int)
        if sorted(listed) != list(range(1, count + 1)):
            raise ValueError(
                f"Slice {number:g} lists sectors {sorted(listed)}; each from 1 to {count} must be there once."
            )
        for key, values in filled.items():
            values[row, listed - 1] = named[key][chosen]
        if "longitudinal" in named:
            heights[row] = named["longitudinal"][chosen].mean()
    return TosTable(
        filled["tos"],
        slices.astype(int),
        heights if "longitudinal" in named else None,
        filled.get("lower"),
        filled.get("upper"),
        filled.get("late"),
    )


def _from_matrix(given: Mapping[str, NDArray], named: Mapping[str, NDArray]) -> TosTable:
    numbered = {}
    for name, values in given.items():
        found = re.fullmatch(r"(?:sector ?)?(\d+)", name, re.IGNORECASE)
        if found:
            numbered[int(found[1])] = _numbers(name, values)
    if not numbered or sorted(numbered) != list(range(1, len(numbered) + 1)):
        raise ValueError(
            "A table of TOS has a column 'TOS' (with 'sector'), or one column a sector named 1, 2, 3, ...; "
            f"found {', '.join(map(repr, given)) or 'no column'}."
        )
    values = np.column_stack([numbered[sector] for sector in sorted(numbered)])
    slices = named.get("slice", np.arange(1.0, len(values) + 1))
    if len(np.unique(slices)) < len(slices) or not np.isfinite(slices).all():
        raise ValueError(f"Each row of the table is a slice of its own; found slices {slices.tolist()}.")
    order = np.argsort(slices)
    heights = named.get("longitudinal")
    return TosTable(values[order], slices[order].astype(int), None if heights is None else heights[order])


def _numbers(name: str, values: NDArray) -> NDArray[np.float64]:
    try:
        texts = ["nan" if str(value).strip() == "" else str(value) for value in values.tolist()]
        return np.array(texts, dtype=float)
    except ValueError as error:
        raise ValueError(f"Column '{name}' holds something that is not a number: {error}.") from error
