"""What LMAReconstruct computes in the worker process: files of a job folder in, files and plain values out.

Every function is a job of `cardiactwins.compute.job`: called with the job's `folder`, a `progress`, and plain
arguments; paths that are not absolute lie in the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.compute.progress import Progress
from cardiactwins.lma.dense import dense_images
from cardiactwins.lma.heart_files import load_outlines, save_reconstruction
from cardiactwins.lma.onset_methods import chosen_onset_method, estimate_onset_by
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.slice_strain import slice_strain

__all__ = ["onset_job", "reconstruct_job", "strain_job"]


def reconstruct_job(
    *,
    folder: Path,
    progress: Progress,
    outlines: str = "outlines.npz",
    method: str = "auto",
    samples: int = 1,
    seed: int = 0,
    model: str | None = None,
) -> dict[str, Any]:
    """The whole ventricle from outlines (`save_outlines`); writes reconstruction.npz. See `reconstruct`.

    model: file of weights in place of those that come with the library.
    """
    given, voxel = load_outlines(folder / outlines)
    found = reconstruct(
        given, method=method, voxel=voxel, samples=samples, seed=seed, model=model, progress=progress
    )
    save_reconstruction(found, folder / "reconstruction.npz")
    return {
        "file": "reconstruction.npz",
        "method": found.method,
        "dice": [slice_.dice for slice_ in found.agreement],
        "values": dict(found.values),
    }


def onset_job(
    *,
    folder: Path,
    progress: Progress,
    strain: Sequence[Sequence[Sequence[float]]],
    times: Sequence[Sequence[float]],
    method: str = "auto",
    sectors: int | None = None,
    weights: str | None = None,
) -> dict[str, Any]:
    """TOS of slices by their strain matrices (S, T) and times (T,) in ms. See `estimate_onset_by`.

    Returns lists, one entry a slice: "tos", "sd", "lower", "upper" in ms; "noise"; "late", None from a method
    that does not tell it; and the "method" that was used.
    """
    used = chosen_onset_method(method, weights)
    result: dict[str, Any] = {name: [] for name in ("tos", "sd", "lower", "upper", "noise", "late")}
    for number, (matrix, frames) in enumerate(zip(strain, times, strict=True), start=1):
        progress(number - 1, len(strain), f"Onset of shortening of slice {number}")
        # JSON carries NaN as null.
        found = estimate_onset_by(
            np.array(matrix, dtype=float), frames, method=used, sectors=sectors, weights=weights
        )
        for name, values in result.items():
            value = getattr(found, name, None)
            values.append(value.tolist() if isinstance(value, np.ndarray) else value)
    progress(len(strain), len(strain), "Done")
    return {**result, "method": used}


def strain_job(
    *,
    folder: Path,
    progress: Progress,
    images: str = "dense.npz",
    seen_from_apex: bool = True,
    sectors: int = 18,
) -> dict[str, Any]:
    """Strain of one slice of DENSE images; writes strain.npz (matrix, measured (S, T), times (T,) in ms).

    images: .npz with phase (C, T, J, I) in rad, mask (T, J, I), times (T,), ke (C,), pixel (2,), insertion
    (2,) as in `dense_images` and `slice_strain`.
    """
    with np.load(folder / images, allow_pickle=False) as given:
        parts = {name: given[name] for name in given.files}
    x, y, *z = parts["phase"]
    checked = dense_images(
        x,
        y,
        parts["mask"],
        parts["times"],
        ke=parts["ke"],
        pixel=parts["pixel"],
        phase_z=z[0] if z else None,
    )
    found = slice_strain(checked, parts["insertion"], seen_from_apex=seen_from_apex, progress=progress)
    arrays = {
        "matrix": found.matrix(sectors),
        "measured": found.measured_matrix(sectors),
        "times": found.times,
    }
    np.savez_compressed(folder / "strain.npz", **arrays)
    return {"file": "strain.npz", "sectors": sectors, "frames": len(found.times)}
