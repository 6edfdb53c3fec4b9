"""From outlines in a few slices to the whole left ventricle, by one of several methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.heart_reconstruction import HeartReconstruction, SliceAgreement, SliceOutlines
from cardiactwins.lma.interpolated_volume import interpolated_volume
from cardiactwins.lma.interpolation import signed_distance
from cardiactwins.lma.shape_volume import SIZE, ShapeVolume
from cardiactwins.lma.wall_surface import wall_surface

if TYPE_CHECKING:
    from cardiactwins.lma.reconstruction_model import ReconstructionModel
    from cardiactwins.lma.shooting import Geodesic
    from cardiactwins.lma.slice_correction import CorrectedHeart

__all__ = ["METHODS", "WHY", "reconstruct", "slice_agreement"]

METHODS = ("auto", "refinement", "network", "interpolation")
WHY = "why this method"
"""Name, among what a reconstruction says of itself, of why another method than the wanted one was taken."""
FAR = 0.5
"""Voxels between outlines and atlas, root mean square, from which on an answer of the network is refined."""
DOUBTFUL = 0.85
"""Mean Dice at the slices below which further points are asked whether they belong to this heart."""
CONTRADICTION = 0.05
"""Further points that lower the mean Dice at the slices by more contradict them."""


def reconstruct(
    outlines: SliceOutlines,
    *,
    method: str = "auto",
    voxel: float = 1.0,
    samples: int = 1,
    seed: int = 0,
    model: ReconstructionModel | str | Path | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> HeartReconstruction:
    """Rebuild a left ventricle from outlines in a few slices.

    method: "network" - the trained diffusion network deforms the atlas (jayakumar-2023), and what it leaves
    between the atlas and the outlines is kriged; where that leaves them more than half a voxel apart, as in a
    heart unlike those of the training, it is refined all the same, which `values` then tell; "refinement" -
    the network's deformation goes on until the atlas meets the slices, under a prior of deformations that is
    learned from registered hearts, which is better where slices are few and takes longer; what both then
    leave of the difference is taken over (`meet_slices`); "interpolation" - cubic signed-distance
    interpolation between the slices, no model of the heart, no torch; "auto" - refinement where torch and
    weights are there, else interpolation, which `values` then explain. voxel: edge of the
    grid's voxels in the patient, mm. samples: draws of the network whose mean velocity is taken. model: a
    trained model or its file; None: the one that comes with the library. device: one of `DEVICE_CHOICES` for
    weights from a file; when a GPU's memory is not enough the CPU goes on, which `values` then tell.

    ValueError for an unknown method, and where further points keep the refinement from slices that it meets
    without them: such points are not of this heart; for "network" and "refinement" FileNotFoundError or
    ValueError when the weights are missing or damaged, ImportError without torch; ValueError for a device
    that cannot be used.
    """
    if method not in METHODS:
        raise ValueError(f"A method is one of {', '.join(METHODS)}; found {method!r}.")
    values: dict[str, Any] = {}
    if method == "auto":
        reason = _why_no_model(model)
        method = "interpolation" if reason else "refinement"
        if reason:
            values[WHY] = reason
    if method == "interpolation":
        volume = interpolated_volume(outlines, voxel)
        agreement = slice_agreement(volume, outlines)
        return HeartReconstruction(volume, wall_surface(volume), None, agreement, method, values)

    import torch

    from cardiactwins.lma.model_reconstruction import load_model
    from cardiactwins.lma.reconstruction_model import ReconstructionModel

    wanted: dict[str, Any] = {"refine": method == "refinement", "voxel": voxel, "samples": samples}
    wanted |= {"seed": seed, "progress": progress}
    if isinstance(model, ReconstructionModel):
        return _deformed(model, outlines, values, **wanted)
    name = _device(device, values)
    try:
        return _deformed(load_model(model, name), outlines, values, **wanted)
    except torch.cuda.OutOfMemoryError:
        if name == "cpu":
            raise
    torch.cuda.empty_cache()
    values["device"] = f"CPU, as the memory of {name} was not enough. Close other programs that use it."
    return _deformed(load_model(model), outlines, values, **wanted)


def _deformed(
    model: ReconstructionModel,
    outlines: SliceOutlines,
    values: dict[str, Any],
    *,
    refine: bool,
    voxel: float,
    samples: int,
    seed: int,
    progress: Progress,
) -> HeartReconstruction:
    """The reconstruction as a deformed atlas."""
    from cardiactwins.lma.model_reconstruction import (
        BESIDE,
        atlas_deformation,
        atlas_geodesic,
        deformed_heart,
        model_deviation,
    )

    def deformed(known: SliceOutlines) -> tuple[Geodesic, CorrectedHeart]:
        velocity = atlas_deformation(
            model, known, refine=refine, samples=samples, seed=seed, progress=progress
        )
        geodesic = atlas_geodesic(model, velocity)
        return geodesic, deformed_heart(model, geodesic, known, voxel)

    geodesic, heart = deformed(outlines)
    agreement = slice_agreement(heart.volume, outlines)
    if refine and outlines.points is not None and (met := _mean_dice(agreement)) < DOUBTFUL:
        alone = replace(outlines, points=None, values=None)
        _check_further_points(met, _mean_dice(slice_agreement(deformed(alone)[1].volume, alone)))
    values["meets the slices"] = heart.changed
    surface = wall_surface(heart.volume)
    deviation, figures = model_deviation(
        model, surface, outlines, geodesic, moved=heart.moved, refined=refine
    )
    if not refine and figures[BESIDE] > FAR:
        values[WHY] = f"what the network found leaves the outlines {figures[BESIDE]} voxels from the atlas"
        return _deformed(
            model,
            outlines,
            values,
            refine=True,
            voxel=voxel,
            samples=samples,
            seed=seed,
            progress=progress,
        )
    values |= figures
    stated = deviation.stated(model.deviation_gain, model.deviation_floor)
    method = "refinement" if refine else "network"
    return HeartReconstruction(heart.volume, surface, stated, agreement, method, values)


def _mean_dice(agreement: Sequence[SliceAgreement]) -> float:
    return float(np.mean([slice_.dice for slice_ in agreement]))


def _check_further_points(met: float, alone: float) -> None:
    """Refuse further points with which slices are met at a mean Dice clearly below that without them."""
    if alone - met > CONTRADICTION:
        raise ValueError(
            "The long-axis slices contradict the short-axis slices, which are met at a mean Dice of "
            f"{met:.2f} with them and of {alone:.2f} without them. Check that they show the same heart in "
            "the same phase and space, and that each long-axis slice is outlined on its own one-slice "
            "grid; or leave them out."
        )


def _device(choice: str, values: dict[str, Any]) -> str:
    """Name of a device in torch; what was chosen and why goes to the values."""
    from cardiactwins.compute.devices import choose_device

    device = choose_device(choice)
    if device.kind == "MPS":
        # Sampling a volume at any places is not to be had there in every version of PyTorch.
        device = choose_device("CPU")
        values["device"] = "CPU, as reconstructions do not run on Apple GPUs"
    else:
        values["device"] = f"{device.kind}: {device.name} ({device.reason})"
    return device.torch_name


def _why_no_model(model: ReconstructionModel | str | Path | None) -> str | None:
    """Why a model cannot deform the atlas here, or None."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if model is None:
        from cardiactwins.lma.model_reconstruction import WEIGHTS

        return None if WEIGHTS.is_file() else "the weights are not installed"
    return None


def slice_agreement(volume: ShapeVolume, outlines: SliceOutlines) -> tuple[SliceAgreement, ...]:
    """Dice of the wall and mean distance of its outlines at each short-axis slice."""
    found = []
    for position, wanted in zip(outlines.positions, outlines.myocardium, strict=True):
        lower = min(int(position), SIZE - 2)
        share = position - lower
        given = (1 - share) * volume.myocardium[lower] + share * volume.myocardium[lower + 1]
        a, b = given >= 0.5, wanted >= 0.5
        dice = 2 * float((a & b).sum()) / float(a.sum() + b.sum())
        found.append(SliceAgreement(float(position), dice, _outline_distance(a, b)))
    return tuple(found)


def _outline_distance(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Mean distance in pixels between the outlines of two masks; infinite when one is empty."""
    if not first.any() or not second.any():
        return float("inf")
    distances = [np.abs(signed_distance(mask)) for mask in (first, second)]
    # Pixels beside an outline are half a pixel from it.
    sums = [(there[here <= 0.5] - 0.5).sum() for here, there in (distances, distances[::-1])]
    count = sum(int((here <= 0.5).sum()) for here in distances)
    return float(sum(sums)) / count
