"""What TwinEditor's panel has done in the worker process before siblings are made: importing, estimating.

Every function is a job of `cardiactwins.compute.job`; paths that are not absolute lie in the job's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.progress import Progress
from cardiactwins.twin.cohort_run import MODEL_LOADER
from cardiactwins.twin.heart_pose import Alignment
from cardiactwins.twin.label_files import read_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_estimate import estimate_siblings
from cardiactwins.twin.sibling_jobs import model_on
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin
from cardiactwins.twin.twin_import import import_twin

__all__ = ["estimate_job", "import_job", "load_twin"]

TWIN_FILE = "twin.npz"


def import_job(
    *,
    folder: Path,
    progress: Progress,
    heart: str = "heart.npz",
    name: str = "Twin",
    clean: bool = False,
    alignment: Alignment = "axis",
) -> dict[str, Any]:
    """A segmented heart on the common grid; writes what `load_twin` reads.

    heart: .npz with labels (k, j, i), values of Tissue, and ijk_to_ras (4, 4) in mm.
    Returns the "remarks" on what is wrong with it. See `import_twin`.
    """
    with np.load(folder / heart, allow_pickle=False) as given:
        labels, matrix = given["labels"], given["ijk_to_ras"]
    geometry = ImageGeometry(labels.shape, matrix)
    twin = import_twin(labels, geometry, name=name, alignment=alignment, clean=clean, progress=progress)
    np.savez_compressed(
        folder / TWIN_FILE, labels=twin.labels, heart_to_ras=twin.heart_to_ras, original=twin.original
    )
    return {"remarks": list(twin.remarks)}


def load_twin(folder: Path, result: Mapping[str, Any], name: str, geometry: Any) -> Twin:
    """The twin that `import_job` made in a folder; geometry: of the patient's own grid."""
    with np.load(folder / TWIN_FILE, allow_pickle=False) as found:
        return Twin(
            found["labels"],
            found["heart_to_ras"],
            found["original"],
            geometry,
            name,
            tuple(result["remarks"]),
        )


def estimate_job(
    *,
    folder: Path,
    progress: Progress,
    weights: str,
    recipe: Mapping[str, Any],
    number: int = 1,
    twin: str = "twin.nrrd",
    region: str = "region.nrrd",
    device: str = "cpu",
    loader: str = MODEL_LOADER,
) -> dict[str, Any]:
    """What `number` siblings of a recipe take on a device: "seconds", and "memory_bytes" or None.

    See `estimate_siblings`; twin and region as of `siblings_job`.
    """
    progress(0, 2, "Loading the model")
    model = model_on(weights, device, loader)
    asked = Recipe.from_values(recipe)
    own, geometry = read_heart(folder / twin) if asked.twin else (None, TWIN_GRID)
    painted = read_heart(folder / region)[0] > 0 if asked.region else None
    progress(1, 2, "Timing siblings of a few steps")
    found = estimate_siblings(model, asked, number, own, region=painted, spacing=geometry.spacing)
    progress(2, 2, "Estimated")
    return {"seconds": found.seconds, "memory_bytes": found.memory_bytes}
