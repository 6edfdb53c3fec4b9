"""Files that commands read: populations, models, tables of territories."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cardiactwins.infarct.archive import PersonalizedModel
    from cardiactwins.infarct.population import InfarctPopulation

__all__ = [
    "existing",
    "is_population_file",
    "read_model",
    "read_population",
    "read_territories",
    "territories_without_case",
]


def existing(path: Path) -> Path:
    """The path, if there is something; FileNotFoundError otherwise."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return path


def is_population_file(path: Path) -> bool:
    """Whether a file is an archive (.npz), whatever its name. FileNotFoundError when there is none."""
    if existing(path).is_dir():
        raise ValueError(
            f"{path} is a folder, not a population or a model. Align a folder with `infarct align`."
        )
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def read_population(path: Path) -> InfarctPopulation:
    """An aligned population. ValueError when the file is damaged or something else, such as a model."""
    from cardiactwins.infarct.archive import load_population

    if not is_population_file(path):
        what = "is a JSON file, perhaps a personalized model" if _looks_like_json(path) else "is no .npz file"
        raise ValueError(
            f"{path} {what}. This command needs a population (.npz) of `cardiactwins infarct align`."
        )
    return load_population(path)


def read_model(path: Path) -> PersonalizedModel:
    """A personalized model. ValueError when the file is damaged or something else, such as a population."""
    from cardiactwins.infarct.archive import load_model

    if is_population_file(path):
        raise ValueError(
            f"{path} is no personalized model, but perhaps a population. This command needs a model (.json) "
            "of `cardiactwins infarct personalize`."
        )
    try:
        return load_model(path)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Make it again with `cardiactwins infarct personalize`."
        ) from error


def _looks_like_json(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(b"{")


def read_territories(path: Path | None) -> dict[str, str] | None:
    """Case -> culprit artery from a CSV file with the columns case and territory; None without a file.

    ValueError when the columns are missing or an artery is none of LAD, LCX and RCA.
    """
    if path is None:
        return None
    from cardiactwins.anatomy.aha import TERRITORIES

    try:
        with existing(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file ({error}).") from error
    if not rows or not {"case", "territory"} <= set(rows[0]):
        found = ", ".join(name for name in rows[0] if name) if rows else "no row"
        raise ValueError(
            f"{path} must have the columns case and territory and at least one row; found {found}."
        )
    territories = {}
    for row in rows:
        artery = (row["territory"] or "").strip().upper()
        if artery not in TERRITORIES:
            raise ValueError(
                f"{path}: the territory of '{row['case']}' must be one of {', '.join(TERRITORIES)}; found "
                f"'{row['territory'] or ''}'. Leave out the rows of cases whose artery is unknown."
            )
        territories[row["case"]] = artery
    return territories


def territories_without_case(territories: Mapping[str, str] | None, cases: Sequence[str]) -> list[str]:
    """Names in a table of territories that no case has. ValueError when none of the names is a case."""
    unknown = [name for name in territories or () if name not in cases]
    if unknown and len(unknown) == len(territories):
        raise ValueError(
            f"None of the {len(unknown)} cases of --territories is a case here. The file names {unknown[0]}, "
            f"...; the cases are named {cases[0]}, ..."
        )
    return unknown
