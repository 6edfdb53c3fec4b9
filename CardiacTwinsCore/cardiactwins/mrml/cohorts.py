"""Many hearts as one sequence node, or as a folder of segmentations with a manifest."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cardiactwins import __version__
from cardiactwins.compute.files import check_writable, write_json_atomic
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.hearts import InfarctedHeart
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.sequences import new_sequence

__all__ = [
    "MANIFEST",
    "new_cohort_sequence",
    "read_manifest",
    "write_cohort",
    "write_heart",
    "write_stepwise",
]

MANIFEST = "manifest.json"
FORMAT = "cardiactwins cohort 1"
"""That of cohorts of siblings (`twin.cohort_files`) as well, which list siblings in place of cases."""


def new_cohort_sequence(name: str, hearts: Iterable[InfarctedHeart], progress: Progress = silent) -> Any:
    """A sequence node in the scene with one segmentation a heart under its identifier.

    ValueError when two identifiers are equal or there is no heart.
    """
    scene = slicer.vtkMRMLScene()

    def items() -> Iterable[tuple[str, Any]]:
        for step, heart in enumerate(hearts):
            progress(step, step + 1, f"Store {heart.identifier}")
            yield heart.identifier, new_heart_segmentation(heart, scene)
            scene.Clear(True)

    return new_sequence(name, items())


def write_cohort(
    directory: str | Path,
    hearts: Sequence[InfarctedHeart],
    description: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Path:
    """Write one .seg.nrrd a heart and a manifest.json into a new folder; returns the folder.

    description: how the cohort came about (model, parameters, seed, ...), kept in the manifest. The folder
    appears when
    all of it is written: an error, a cancel or a full disk leaves nothing behind. Raises ValueError when
    there is no heart or the folder already holds something, OSError when it cannot be written.
    """
    for step, total, message in write_stepwise(directory, hearts, description):
        progress(step, total, message)
    return Path(directory)


def write_stepwise(
    directory: str | Path, hearts: Sequence[InfarctedHeart], description: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, int, str]]:
    """`write_cohort` one file a step; yields step, total, message. Closing the iterator leaves nothing."""
    directory = Path(directory)
    if not hearts:
        raise ValueError("A cohort needs at least one heart.")
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(f"{directory} already exists and is not an empty folder. Choose another.")
    check_writable(directory.parent)
    partial = directory.with_name(f".{secrets.token_hex(6)}-{directory.name}")
    entries = []
    try:
        for step, (heart, file) in enumerate(zip(hearts, _file_names(hearts), strict=True)):
            yield step, len(hearts), f"Write {file}"
            write_heart(heart, partial / file)
            entries.append(_entry(heart, file))
        manifest = {"format": FORMAT, "cardiactwins": __version__, **(description or {}), "cases": entries}
        write_json_atomic(partial / MANIFEST, manifest)
        if directory.exists():
            directory.rmdir()
        partial.replace(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    yield len(hearts), len(hearts), f"{len(hearts)} hearts written to {directory.name}"


def write_heart(heart: InfarctedHeart, path: str | Path) -> Path:
    """Write one heart as a .seg.nrrd file; returns the path. OSError as of `save_node`."""
    scene = slicer.vtkMRMLScene()
    try:
        return save_node(new_heart_segmentation(heart, scene), path)
    finally:
        scene.Clear(True)


def read_manifest(directory: str | Path) -> dict[str, Any]:
    """The manifest of a cohort folder. FileNotFoundError without one, ValueError when it is another's."""
    path = Path(directory, MANIFEST)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Write the cohort again.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} is not the manifest of a CardiacTwins cohort.")
    if "siblings" in manifest:
        raise ValueError(
            f"{path} is the manifest of a cohort of siblings (TwinEditor), not of infarcts. Choose a folder "
            "that InfarctSynth has written."
        )
    if not isinstance(manifest.get("cases"), list):
        raise ValueError(f"{path} is damaged (it lists no cases). Write the cohort again.")
    return manifest


def _entry(heart: InfarctedHeart, file: str) -> dict[str, Any]:
    return {
        "identifier": heart.identifier,
        "file": file,
        "voxels": {role: int(mask.sum()) for role, mask in heart.masks.items()},
        **({"attributes": dict(heart.attributes)} if heart.attributes else {}),
    }


def _file_names(hearts: Sequence[InfarctedHeart]) -> list[str]:
    """File names from the identifiers, safe on every system and all different."""
    names: list[str] = []
    taken = set()
    for heart in hearts:
        stem = re.sub(r"[^\w.-]+", "_", heart.identifier, flags=re.ASCII).strip("._") or "heart"
        name, number = stem, 2
        while name.casefold() in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name.casefold())
        names.append(f"{name}.seg.nrrd")
    return names
