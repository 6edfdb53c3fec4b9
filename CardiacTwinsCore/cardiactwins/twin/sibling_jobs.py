"""What TwinEditor computes in the worker process: siblings, files in and files out.

Every function is a job of `cardiactwins.compute.job`: called with the job's `folder`, a `progress`, and plain
arguments; paths that are not absolute lie in the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cardiactwins.compute.cell_worker import resolve_function
from cardiactwins.compute.devices import torch_name
from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.progress import Progress
from cardiactwins.twin.cohort_run import MODEL_LOADER
from cardiactwins.twin.label_files import read_heart, write_heart
from cardiactwins.twin.latent_edits import HeartModel
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_files import save_sibling
from cardiactwins.twin.siblings import ViolationWatch, make_siblings, tissue_changes
from cardiactwins.twin.twin_grid import TWIN_GRID

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["StepPreview", "model_on", "siblings_job"]


class StepPreview(ViolationWatch):
    """Shows how a heart comes about and counts its violations; give it as `after_step`.

    After each step the middle slice of the first heart that the denoiser expects is written to `path` (.npy,
    (rows, columns) uint8, values of Tissue), across axis `plane` of k, j, i. every: decode each so many
    steps, and the last. counts: of that heart, as of `ViolationWatch`.
    """

    def __init__(self, model: HeartModel, path: str | Path, *, plane: int = 1, every: int = 2) -> None:
        super().__init__(model, every)
        self.path, self.plane = Path(path), plane

    def __call__(self, step: int, sigma: float, clean: Tensor, state: Tensor) -> None:
        hearts = self.look(step, sigma, clean[:1])
        if hearts is None:
            return
        labels = hearts[0]
        heart = np.argwhere(labels > 0)
        middle = int(heart[:, self.plane].mean()) if len(heart) else labels.shape[self.plane] // 2
        with atomic_path(self.path) as temporary:
            np.save(temporary, np.take(labels, middle, axis=self.plane))


def siblings_job(
    *,
    folder: Path,
    progress: Progress,
    weights: str,
    recipes: Sequence[Mapping[str, Any]],
    twin: str = "twin.nrrd",
    region: str = "region.nrrd",
    ranges: Mapping[str, Sequence[float]] | None = None,
    device: str = "cpu",
    preview: bool = False,
    loader: str = MODEL_LOADER,
) -> dict[str, Any]:
    """Siblings one after the other; writes sibling-1.nrrd, ... and sibling-1.npz (`load_sibling`), ... See
    `make_siblings`.

    twin, region: label maps that the recipes need (`write_heart`), a region as 0 and 1. ranges: [least,
    most] of each measure that targets may ask for. device: of torch, or one of DEVICE_CHOICES. preview: keep
    the middle slice of what is being made in preview.npy, which is told as the value "preview", and tell the
    names of the topology checks that it fails as the value "violated".

    Returns "siblings": for each its "file", "record", "recipe", "title", "accepted", "reason",
    "raw_violated" and "violated" (names of checks), "repairs" (check, action, voxels), "targets" (measure,
    wanted, reached, held, met), "changes" (`tissue_changes`; None for hearts from noise), "attempt",
    "rejected" (why the guard turned earlier attempts away) and "watched" (rows of `ViolationWatch` while it
    was sampled; none without a preview).
    """
    progress(0, 1, "Loading the model")
    model = model_on(weights, device, loader)
    made: list[dict[str, Any]] = []
    plan = [Recipe.from_values(values) for values in recipes]
    own, geometry = read_heart(folder / twin) if any(one.twin for one in plan) else (None, TWIN_GRID)
    painted = read_heart(folder / region)[0] > 0 if any(one.region for one in plan) else None
    for number, recipe in enumerate(plan, start=1):
        watch = StepPreview(model, folder / "preview.npy") if preview else None

        def forward(
            step: int,
            total: int,
            message: str = "",
            values: Mapping[str, Any] | None = None,
            number: int = number,
            watch: StepPreview | None = watch,
        ) -> None:
            done = (number - 1) * total + step
            told = f"Sibling {number} of {len(plan)}, {message.lower()}"
            shown: dict[str, Any] = {}
            if watch is not None:
                shown["preview"] = "preview.npy"
                if watch.counts:
                    shown["violated"] = watch.counts[-1]["violated"]
            progress(done, len(plan) * total, told, {**(values or {}), **shown})

        (sibling,) = make_siblings(
            model,
            [recipe],
            own,
            region=painted,
            spacing=geometry.spacing,
            ranges=ranges,
            after_step=watch,
            progress=forward,
        )
        file = f"sibling-{number}.nrrd"
        write_heart(folder / file, sibling.labels, geometry)
        save_sibling(folder / f"sibling-{number}.npz", sibling)
        guarded = sibling.guarded
        made.append(
            {
                "file": file,
                "record": f"sibling-{number}.npz",
                "recipe": recipe.values(),
                "title": recipe.title(),
                "accepted": sibling.accepted,
                "reason": "" if guarded is None else guarded.reason,
                "raw_violated": [check.name for check in sibling.raw_checks if not check.holds],
                "violated": [check.name for check in sibling.checks if not check.holds],
                "repairs": [
                    {"check": repair.check, "action": repair.action, "voxels": len(repair.voxels)}
                    for repair in (() if guarded is None else guarded.repairs)
                ],
                "targets": [
                    {**vars(report), "met": report.met, "error": report.error} for report in sibling.targets
                ],
                "changes": None if own is None else tissue_changes(own, sibling.labels, geometry.spacing),
                "attempt": sibling.attempt,
                "rejected": list(sibling.rejected),
                "watched": [] if watch is None else watch.counts,
            }
        )
    return {"siblings": made}


def model_on(weights: str, device: str = "cpu", loader: str = MODEL_LOADER) -> HeartModel:
    """The model of a file on a device of torch, or on one of DEVICE_CHOICES. Errors as of `choose_device`."""
    name = torch_name(device)
    model = resolve_function(loader)(weights)
    return model if name == "cpu" else model.to(name)
