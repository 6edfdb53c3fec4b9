"""What LMAReconstruct computes in the worker process: files of a job folder in, files and plain values out.

Every function is a job of `cardiactwins.compute.job`: called with the job's `folder`, a `progress`, and plain
arguments; paths that are not absolute lie in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress
from cardiactwins.lma.dense import DenseImages, dense_images
from cardiactwins.lma.heart_files import load_outlines, save_reconstruction
from cardiactwins.lma.onset_methods import chosen_onset_method, estimate_onset_by
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.sectors import SECTORS, trim_frames
from cardiactwins.lma.slice_strain import slice_strain

__all__ = ["activation_job", "onset_job", "reconstruct_job", "strain_job"]


def reconstruct_job(
    *,
    folder: Path,
    progress: Progress,
    outlines: str = "outlines.npz",
    method: str = "auto",
    samples: int = 1,
    seed: int = 0,
    model: str | None = None,
    device: str = "auto",
    preview: bool = False,
) -> dict[str, Any]:
    """The whole ventricle from outlines (`save_outlines`); writes reconstruction.npz. See `reconstruct`.

    model: file of weights in place of those that come with the library. preview: before anything that takes
    long, write preview.npz, the interpolated heart, and tell its name as the value "preview".
    """
    given, voxel = load_outlines(folder / outlines)
    if preview and method != "interpolation":
        quick = reconstruct(given, method="interpolation", voxel=voxel)
        save_reconstruction(quick, folder / "preview.npz")
        progress(0, 1, "Loading the network", {"preview": "preview.npz"})
    found = reconstruct(
        given,
        method=method,
        voxel=voxel,
        samples=samples,
        seed=seed,
        model=model,
        device=device,
        progress=progress,
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
    that does not tell it; "last_frame", its time in ms; and the "method" that was used.
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
    return {**result, "last_frame": [float(frames[-1]) for frames in times], "method": used}


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
    checked, insertion = _dense(folder / images)
    found = slice_strain(checked, insertion, seen_from_apex=seen_from_apex, progress=progress)
    arrays = {
        "matrix": found.matrix(sectors),
        "measured": found.measured_matrix(sectors),
        "times": found.times,
    }
    np.savez_compressed(folder / "strain.npz", **arrays)
    return {"file": "strain.npz", "sectors": sectors, "frames": len(found.times)}


def activation_job(
    *,
    folder: Path,
    progress: Progress,
    slices: Sequence[Mapping[str, Any]],
    method: str = "auto",
    sectors: int = SECTORS,
    trim: int = 5,
    weights: str | None = None,
) -> dict[str, Any]:
    """Strain of slices and their TOS in one go; writes strain-1.npz, ... for those with images.

    slices: each either "images", a file as of `strain_job`, and "seen_from_apex"; or "strain" (S, T) and
    "times" (T,) in ms. sectors, trim: of strain from images, and how many of its last frames are left out.
    strain-N.npz holds what `strain_job` writes, without those frames. Returns what `onset_job` returns, and
    "strain", the name of each slice's file or None. ValueError names the slice that cannot be used.
    """
    used, count = chosen_onset_method(method, weights), len(slices)
    matrices, frames, files = [], [], []
    for number, slice_ in enumerate(slices, start=1):
        progress(number - 1, 2 * count, f"Strain of slice {number} of {count}")
        try:
            if "images" not in slice_:
                matrices.append(slice_["strain"])
                frames.append(slice_["times"])
                files.append(None)
                continue
            images, insertion = _dense(folder / slice_["images"])
            found = slice_strain(images, insertion, seen_from_apex=slice_["seen_from_apex"])
            matrix, times = trim_frames(found.matrix(sectors), found.times, trim)
            measured, _ = trim_frames(found.measured_matrix(sectors), found.times, trim)
        except ValueError as error:
            raise ValueError(f"Slice {number}: {error}") from error
        files.append(f"strain-{number}.npz")
        np.savez_compressed(folder / files[-1], matrix=matrix, measured=measured, times=times)
        matrices.append(measured)
        frames.append(times)
    progress(count, 2 * count, "Onset of shortening")

    def forward(step: int, total: int, message: str = "", values: Mapping[str, Any] | None = None) -> None:
        progress(count + step, count + total, message, values)

    onsets = onset_job(
        folder=folder, progress=forward, strain=matrices, times=frames, method=used, weights=weights
    )
    return {**onsets, "strain": files}


def _dense(path: Path) -> tuple[DenseImages, NDArray[np.float64]]:
    """Images and insertion (2,) of a file as of `strain_job`."""
    with np.load(path, allow_pickle=False) as given:
        parts = {name: given[name] for name in given.files}
    x, y, *z = parts["phase"]
    phase_z = z[0] if z else None
    images = dense_images(
        x, y, parts["mask"], parts["times"], ke=parts["ke"], pixel=parts["pixel"], phase_z=phase_z
    )
    return images, parts["insertion"]
