"""A sibling as one file, so that what one process made can be shown by another."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.compute.files import atomic_path, json_text
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import RawHeart, Sibling
from cardiactwins.twin.targets import TargetReport
from cardiactwins.twin.topology_guard import Guarded, Repair

__all__ = ["load_sibling", "save_sibling"]

FORMAT = "cardiactwins sibling 1"


def save_sibling(path: str | Path, sibling: Sibling) -> Path:
    """Write a sibling (.npz), whole or not at all, without its seam (`Sibling.pasted`); returns the path."""
    guarded = sibling.guarded
    arrays = {"labels": sibling.labels, "raw": sibling.raw}
    if sibling.first is not None:
        arrays["first"] = sibling.first.labels
    about = {
        "format": FORMAT,
        "recipe": sibling.recipe.values(),
        "attempt": sibling.attempt,
        "rejected": list(sibling.rejected),
        "targets": [vars(report) for report in sibling.targets],
        "guard": None,
    }
    if guarded is not None:
        arrays |= {f"repair {n}": repair.voxels for n, repair in enumerate(guarded.repairs)}
        about["guard"] = {
            "repairs": [[repair.check, repair.action] for repair in guarded.repairs],
            "share": guarded.share,
            "accepted": guarded.accepted,
            "reason": guarded.reason,
        }
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, about=np.array(json_text(about)), **arrays)
    return Path(path)


def load_sibling(path: str | Path) -> Sibling:
    """The sibling that was saved, its topology checked anew. ValueError when the file holds none.

    Files of earlier versions are without the first attempt, `Sibling.first`.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            if about["format"] != FORMAT:
                raise ValueError(f"it holds '{about['format']}', not '{FORMAT}'")
            arrays = {name: archive[name] for name in archive.files if name != "about"}
        labels, raw = arrays["labels"], arrays["raw"]
        checks = topology_checks(labels)
        raw_checks = checks if np.array_equal(labels, raw) else topology_checks(raw)
        first = RawHeart(arrays["first"], topology_checks(arrays["first"])) if "first" in arrays else None
        guarded, guard = None, about["guard"]
        if guard is not None:
            repairs = tuple(
                Repair(check, action, arrays[f"repair {n}"])
                for n, (check, action) in enumerate(guard["repairs"])
            )
            rest = (guard["share"], guard["accepted"], guard["reason"])
            guarded = Guarded(labels, repairs, raw_checks, checks, *rest)
        return Sibling(
            Recipe.from_values(about["recipe"]),
            labels,
            raw,
            checks,
            raw_checks,
            guarded,
            None,
            tuple(TargetReport(**values) for values in about["targets"]),
            about["attempt"],
            tuple(about["rejected"]),
            first,
        )
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{Path(path).name} is no sibling ({error}).") from error
