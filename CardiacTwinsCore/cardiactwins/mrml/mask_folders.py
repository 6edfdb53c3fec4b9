"""Whole hearts in folders with one mask a structure, as TotalSegmentator writes them by default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.image_files import labels_from_file
from cardiactwins.mrml.volumes import volume_array
from cardiactwins.twin.tissue_names import missing_tissues_text, tissue_of_key, tissues_of_names
from cardiactwins.twin.twin_import import check_size

__all__ = ["masks_of_folder"]

ENDINGS = (".nii.gz", ".nii", ".nrrd")


def masks_of_folder(
    folder: str | Path, order: tuple[Tissue, ...], tissues: Mapping[str | Tissue, str] | None = None
) -> tuple[NDArray[np.uint8], ImageGeometry, dict[Tissue, str]]:
    """Labels (k, j, i), their grid, and the structure that each tissue was read from.

    folder: of files such as heart_atrium_left.nii.gz, all on one grid. order: in which masks are drawn; the
    later one is kept. tissues: tissue ('LA') -> name of a file without its ending, where names do not tell.
    ValueError when a tissue is missing or empty, or the grids differ.
    """
    folder = Path(folder)
    files = {
        path.name[: -len(ending)]: path
        for path in sorted(folder.glob("[!.]*"))
        for ending in ENDINGS
        if path.name.lower().endswith(ending)
    }
    title = f"The folder {folder.name}"
    chosen = {tissue_of_key(key): str(name) for key, name in (tissues or {}).items()}
    if unknown := sorted(set(chosen.values()) - set(files)):
        raise ValueError(f"{title} has no mask {', '.join(unknown)}. Its masks: {', '.join(files)}.")
    rest = {name: name for name in files if name not in chosen.values()}
    for tissue, name in tissues_of_names(rest).items():
        chosen.setdefault(tissue, name)
    if len(chosen) < len(Tissue):
        raise ValueError(missing_tissues_text(title, set(chosen), list(files)))
    labels = geometry = None
    for tissue in order:
        with labels_from_file(files[chosen[tissue]]) as node:
            mask, grid = volume_array(node)
        if not mask.any():
            raise ValueError(f"{title}: {files[chosen[tissue]].name} is empty.")
        if labels is None:
            check_size(mask.shape)
            labels, geometry = np.zeros(mask.shape, dtype=np.uint8), grid
        if not geometry.matches(grid):
            raise ValueError(f"{title}: {files[chosen[tissue]].name} lies on another grid than the others.")
        labels[mask != 0] = tissue
    return labels, geometry, chosen
