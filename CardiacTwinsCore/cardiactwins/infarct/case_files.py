"""Cases and hearts as files, for the jobs that work on them in another process."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import atomic_path, json_text
from cardiactwins.infarct.hearts import InfarctedHeart
from cardiactwins.infarct.population import ExcludedCase, InfarctCase

__all__ = ["load_cases", "load_hearts", "save_cases", "save_hearts"]

CASES_FORMAT = "cardiactwins infarct cases 1"
HEARTS_FORMAT = "cardiactwins infarcted hearts 1"
CASE_MASKS = ("cavity", "myocardium", "infarct", "no_reflow", "right_ventricle")


def save_cases(cases: Iterable[InfarctCase], path: str | Path, excluded: Iterable[ExcludedCase] = ()) -> Path:
    """Write cases, and those that cannot be read, as .npz (bits packed, no pickles); whole or not at all."""
    arrays: dict[str, NDArray] = {}
    described = []
    for number, case in enumerate(cases):
        masks = {name: getattr(case, name) for name in CASE_MASKS if getattr(case, name) is not None}
        _pack(arrays, number, case.geometry, masks)
        if case.insertion_points is not None:
            arrays[f"{number}:insertion_points"] = np.asarray(case.insertion_points, dtype=float)
        described.append({"identifier": case.identifier, "territory": case.territory, "masks": list(masks)})
    description = {"cases": described, "excluded": [asdict(case) for case in excluded]}
    return _write(path, CASES_FORMAT, description, arrays)


def load_cases(path: str | Path) -> tuple[list[InfarctCase], list[ExcludedCase]]:
    """Read what `save_cases` wrote. ValueError when the file is something else or damaged."""
    description, arrays = _read(path, CASES_FORMAT)
    cases = []
    for number, described in enumerate(description["cases"]):
        geometry, masks = _unpack(arrays, number, described["masks"])
        cases.append(
            InfarctCase(
                described["identifier"],
                geometry,
                **masks,
                insertion_points=arrays.get(f"{number}:insertion_points"),
                territory=described["territory"],
            )
        )
    return cases, [ExcludedCase(**case) for case in description["excluded"]]


def save_hearts(hearts: Iterable[InfarctedHeart], path: str | Path) -> Path:
    """Write hearts with their infarcts as .npz (bits packed, no pickles); whole or not at all."""
    arrays: dict[str, NDArray] = {}
    described = []
    for number, heart in enumerate(hearts):
        _pack(arrays, number, heart.geometry, heart.masks)
        attributes = dict(heart.attributes)
        described.append(
            {"identifier": heart.identifier, "masks": list(heart.masks), "attributes": attributes}
        )
    return _write(path, HEARTS_FORMAT, {"hearts": described}, arrays)


def load_hearts(path: str | Path) -> list[InfarctedHeart]:
    """Read what `save_hearts` wrote. ValueError when the file is something else or damaged."""
    description, arrays = _read(path, HEARTS_FORMAT)
    hearts = []
    for number, described in enumerate(description["hearts"]):
        geometry, masks = _unpack(arrays, number, described["masks"])
        hearts.append(InfarctedHeart(described["identifier"], geometry, masks, described["attributes"]))
    return hearts


def _pack(
    arrays: dict[str, NDArray], number: int, geometry: ImageGeometry, masks: Mapping[str, NDArray]
) -> None:
    arrays[f"{number}:shape"] = np.array(geometry.shape)
    arrays[f"{number}:ijk_to_ras"] = np.asarray(geometry.ijk_to_ras, dtype=float)
    for name, mask in masks.items():
        arrays[f"{number}:{name}"] = np.packbits(np.asarray(mask, dtype=bool))


def _unpack(
    arrays: Mapping[str, NDArray], number: int, names: Iterable[str]
) -> tuple[ImageGeometry, dict[str, NDArray[np.bool_]]]:
    shape = tuple(int(extent) for extent in arrays[f"{number}:shape"])
    geometry = ImageGeometry(shape, arrays[f"{number}:ijk_to_ras"])
    masks = {
        name: np.unpackbits(arrays[f"{number}:{name}"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        for name in names
    }
    return geometry, masks


def _write(
    path: str | Path, kind: str, description: Mapping[str, Any], arrays: Mapping[str, NDArray]
) -> Path:
    text = json_text({"format": kind, **description})
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, description=np.array(text), **arrays)
    return Path(path)


def _read(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(str(arrays.pop("description")))
    except FileNotFoundError:
        raise
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}). Run the step that made it again.") from error
    if description.get("format") != kind:
        raise ValueError(f"{path} has the format {description.get('format')!r}, not {kind!r}.")
    return description, arrays
