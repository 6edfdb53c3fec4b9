"""How well methods rebuild known hearts from a few of their slices."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.agreement import agreement
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.reconstruction import METHODS, reconstruct
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import FEWEST, MOST, cut_slices

__all__ = ["EvaluatedCase", "available_methods", "evaluate_methods", "mean_rows"]

MEASURES = ("dice", "jaccard", "hd95_mm", "distance_mm", "sound", "seconds")


@dataclass(frozen=True)
class EvaluatedCase:
    """One heart, cut to so many slices and rebuilt by a method.

    dice, jaccard: of the myocardium. hd95_mm, distance_mm: 95 % quantile and mean of the distances between
    the surfaces. sound: topology (`is_sound`), 0 or 1. seconds: of the reconstruction.
    """

    case: str
    slices: int
    method: str
    dice: float
    jaccard: float
    hd95_mm: float
    distance_mm: float
    sound: float
    seconds: float


def available_methods(model: str | Path | None = None) -> tuple[list[str], str]:
    """Methods of `reconstruct` that can run here, and why others cannot, or "".

    model: file of weights in place of those that come with the library.
    """
    from importlib.util import find_spec

    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        return ["interpolation"], f"{' and '.join(missing)} not installed"
    from cardiactwins.lma.model_reconstruction import WEIGHTS

    path = Path(model or WEIGHTS)
    if not path.is_file():
        where = "the weights are not installed" if model is None else f"there are no weights at {path}"
        return ["interpolation"], where
    return ["interpolation", "network", "refinement"], ""


def evaluate_methods(
    hearts: Mapping[str, ShapeVolume],
    counts: Sequence[int],
    methods: Sequence[str],
    *,
    model: str | Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> list[EvaluatedCase]:
    """Cut every heart to each number of slices (`slice_positions`) and rebuild it by each method.

    ValueError for an unknown method or a number of slices outside of 3 to 16; errors as of `reconstruct`.
    """
    unknown = [method for method in methods if method not in METHODS[1:]]
    if unknown:
        raise ValueError(f"A method is one of {', '.join(METHODS[1:])}; found {unknown[0]!r}.")
    wrong = [count for count in counts if not FEWEST <= count <= MOST]
    if wrong:
        raise ValueError(f"A heart is cut to {FEWEST} to {MOST} slices; found {wrong[0]}.")
    rows, total = [], len(hearts) * len(counts) * len(methods)
    for case, heart in hearts.items():
        for count in counts:
            slices = cut_slices(heart, count)
            outlines = SliceOutlines(slices.positions.astype(float), slices.cavity, slices.myocardium)
            for method in methods:
                progress(len(rows), total, f"{case}: {count} slices, {method}")
                began = time.perf_counter()
                found = reconstruct(outlines, method=method, voxel=heart.voxel, seed=seed, model=model)
                seconds = time.perf_counter() - began
                same = agreement(found.volume.mask, heart.mask)
                rows.append(
                    EvaluatedCase(
                        case,
                        count,
                        method,
                        same.dsc,
                        same.jaccard,
                        same.hd95 * heart.voxel,
                        same.mean_distance * heart.voxel,
                        float(same.sound),
                        seconds,
                    )
                )
    progress(total, total, "Done")
    return rows


def mean_rows(rows: Sequence[EvaluatedCase]) -> list[dict[str, Any]]:
    """Mean and standard deviation over cases by slices and method; the deviation of one case is None."""
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row.slices, row.method), []).append(asdict(row))
    found = []
    for (slices, method), group in groups.items():
        entry: dict[str, Any] = {"slices": slices, "method": method, "cases": len(group)}
        for name in MEASURES:
            values = np.array([row[name] for row in group])
            entry[name] = float(values.mean())
            entry[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
        found.append(entry)
    return found
