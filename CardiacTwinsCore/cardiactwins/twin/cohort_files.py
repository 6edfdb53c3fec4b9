"""A cohort on disk: each sibling written once, with its recipe; nothing finished is lost by a kill."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES, heart_morphology
from cardiactwins.anatomy.heart_tissues import Tissue, tissue_labels
from cardiactwins.compute.files import check_writable, write_json_atomic, write_text_atomic
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.cohort import CHECK_NAMES, Cohort
from cardiactwins.twin.label_files import read_heart, write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import Sibling
from cardiactwins.twin.topology_guard import Guarded

__all__ = ["CohortFolder", "SiblingRecord", "attempts_of", "cohort_of"]

FORMAT = "cardiactwins cohort 1"
"""That of cohorts of infarcts (`mrml.cohorts`) as well, whose manifest lists cases in place of siblings."""


@dataclass(frozen=True)
class SiblingRecord:
    """What the manifest says of one sibling.

    name: of its files. recipe, weights: what it was made with; weights is the SHA256 of the model's file.
    sha256: of the label map's file. morphology: 12 measures after the guard, violated: names of the checks
    that fail. raw_morphology, raw_violated: the same of the first attempt before the guard, what the model
    makes whatever the guard chooses. repaired: voxels that the guard changed. repairs: check, action and
    voxels of each repair. accepted: by the guard. attempt: seeds that were turned away before, rejected: the
    reasons why. reason: why the guard turned this one away. targets: rows of what was reached. seconds: what
    it took. watched: violations while its batch was sampled, rows of `ViolationWatch`.

    Records of earlier versions have no reasons in `rejected`, and their raw figures are of the last attempt.
    """

    name: str
    recipe: Recipe
    weights: str
    sha256: str
    morphology: tuple[float, ...]
    raw_morphology: tuple[float, ...]
    violated: tuple[str, ...]
    raw_violated: tuple[str, ...]
    repaired: int
    repairs: tuple[Mapping[str, Any], ...]
    accepted: bool
    attempt: int
    reason: str
    targets: tuple[Mapping[str, Any], ...]
    seconds: float
    rejected: tuple[str, ...] = ()
    watched: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class CohortFolder:
    """The folder of a cohort.

    path/cohort.json: the grid. twins/NAME.nrrd, regions/NAME.nrrd: hearts that are edited, painted regions.
    siblings/NAME.nrrd and NAME.json: each sibling and its record, the record written last: a sibling counts
    once both are there. manifest.json, manifest.csv: all records, written by `write_manifest`.
    """

    path: Path

    @classmethod
    def create(cls, path: str | Path, geometry: ImageGeometry) -> CohortFolder:
        """A new cohort on a grid, or the one that is there.

        ValueError when that lies on another grid, or is a cohort of infarcts.
        """
        folder = cls(Path(path))
        if (folder.path / "cohort.json").is_file():
            found = folder.geometry
            if found.shape != geometry.shape or not np.allclose(found.ijk_to_ras, geometry.ijk_to_ras):
                raise ValueError(f"{path} holds a cohort on another grid. Choose another folder.")
            return folder
        if folder._holds_infarcts:
            raise ValueError(f"{path} holds a cohort of infarcts (InfarctSynth). Choose another folder.")
        for part in ("twins", "regions", "siblings"):
            check_writable(folder.path / part)
        description = {"format": FORMAT, "shape": geometry.shape, "ijk_to_ras": geometry.ijk_to_ras}
        write_json_atomic(folder.path / "cohort.json", description)
        return folder

    @property
    def geometry(self) -> ImageGeometry:
        """The grid of all hearts. ValueError when the folder holds no cohort of siblings."""
        try:
            described = json.loads((self.path / "cohort.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            if self._holds_infarcts:
                raise ValueError(
                    f"{self.path} holds a cohort of infarcts (InfarctSynth), not of siblings. Choose a "
                    "folder that TwinEditor has written."
                ) from error
            raise ValueError(f"{self.path} holds no cohort ({error}).") from error
        if described.get("format") != FORMAT:
            raise ValueError(f"{self.path} holds '{described.get('format')}', not '{FORMAT}'.")
        return ImageGeometry(tuple(described["shape"]), np.array(described["ijk_to_ras"]))

    def add_twin(self, name: str, labels: ArrayLike) -> None:
        """Store a heart that recipes edit. ValueError when another heart of that name is there."""
        self._add("twins", name, tissue_labels(labels))

    def add_region(self, name: str, region: ArrayLike) -> None:
        """Store a painted region that recipes name. ValueError when another one of that name is there."""
        self._add("regions", name, np.asarray(region, dtype=bool).astype(np.uint8))

    def twin(self, name: str) -> NDArray[np.uint8]:
        """Labels of a stored heart; ValueError when there is none."""
        return self._stored("twins", name)

    def region(self, name: str) -> NDArray[np.bool_]:
        """A stored region; ValueError when there is none."""
        return self._stored("regions", name) > 0

    def store(
        self, sibling: Sibling, weights: str, seconds: float, watched: Sequence[Mapping[str, Any]] = ()
    ) -> SiblingRecord:
        """Write a sibling's label map, then its record; OSError when the disk is full.

        weights, seconds, watched: as of `SiblingRecord`.
        """
        name = sibling.recipe.name(weights)
        file = write_heart(self._file(name, ".nrrd"), sibling.labels, self.geometry)
        record = _record(sibling, name, weights, sha256_of(file), self.geometry.spacing, seconds)
        record = replace(record, watched=tuple(watched))
        values = {**record.__dict__, "recipe": record.recipe.values()}
        write_json_atomic(self._file(name, ".json"), values)
        return record

    def finished(self, recipe: Recipe, weights: str) -> bool:
        """Whether a recipe's sibling is there, whole: its record, and the label map that the record names."""
        return self.record(recipe, weights) is not None

    def record(self, recipe: Recipe, weights: str) -> SiblingRecord | None:
        """The record of a recipe's sibling; None where it is not there, whole."""
        return self._whole(recipe.name(weights))

    def sweep(self, older_than: float = 3600.0) -> None:
        """Remove what a killed run left half-written, older than so many seconds."""
        left = [*(self.path / "siblings").glob(".*"), *self.path.glob(".cells-*")]
        for path in left:
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > older_than:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def records(self) -> list[SiblingRecord]:
        """The records of all siblings that are whole, by name."""
        names = sorted(file.stem for file in (self.path / "siblings").glob("[!.]*.json"))
        return [record for name in names if (record := self._whole(name)) is not None]

    def labels(self, name: str) -> NDArray[np.uint8]:
        """The label map of a sibling. ValueError when there is none."""
        return read_heart(self._file(name, ".nrrd"))[0]

    def hearts(self, records: Sequence[SiblingRecord]) -> Iterator[NDArray[np.uint8]]:
        """The label maps of records, one at a time."""
        return (self.labels(record.name) for record in records)

    def with_occupancy(self, cohort: Cohort) -> Cohort:
        """A cohort of siblings of this folder with the heat map of their label maps, as they are stored."""
        counts = np.zeros((len(Tissue) + 1, *self.geometry.shape), np.uint32)
        for name in cohort.names:
            labels = self.labels(name)
            for tissue in range(len(counts)):
                counts[tissue] += labels == tissue
        share = (counts / np.float32(max(len(cohort), 1))).astype(np.float32)
        return Cohort(cohort.names, cohort.morphology, cohort.violated, share)

    def write_manifest(self) -> Path:
        """Write manifest.json and manifest.csv, one row a sibling; returns the latter."""
        records = self.records()
        values = [{**record.__dict__, "recipe": record.recipe.values()} for record in records]
        write_json_atomic(self.path / "manifest.json", {"format": FORMAT, "siblings": values})
        text = io.StringIO()
        writer = csv.DictWriter(text, list(_row(records[0])) if records else ["name"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(record) for record in records)
        return write_text_atomic(self.path / "manifest.csv", text.getvalue())

    @property
    def _holds_infarcts(self) -> bool:
        """Whether the manifest is that of a cohort of infarcts."""
        try:
            manifest = json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(manifest, dict) and "cases" in manifest

    def _add(self, part: str, name: str, values: NDArray[np.uint8]) -> None:
        if not name or any(sign in name for sign in "/\\:.") or values.shape != self.geometry.shape:
            raise ValueError(
                f"'{name}' must be a plain name, and its map of shape {self.geometry.shape}; found "
                f"{values.shape}."
            )
        file = self.path / part / f"{name}.nrrd"
        if file.is_file():
            if not np.array_equal(read_heart(file)[0], values):
                raise ValueError(
                    f"{file} is there and differs: {self.path} is a cohort of another heart or region. "
                    "Choose another folder, or give the new one another name."
                )
            return
        write_heart(file, values, self.geometry)

    def _stored(self, part: str, name: str) -> NDArray[np.uint8]:
        file = self.path / part / f"{name}.nrrd"
        if not file.is_file():
            raise ValueError(f"There is no {file}. Add it to the cohort before recipes that name it.")
        return read_heart(file)[0]

    def _file(self, name: str, suffix: str) -> Path:
        return self.path / "siblings" / f"{name}{suffix}"

    def _whole(self, name: str) -> SiblingRecord | None:
        try:
            values = json.loads(self._file(name, ".json").read_text(encoding="utf-8"))
            values["recipe"] = Recipe.from_values(values["recipe"])
            for key, value in values.items():
                values[key] = tuple(value) if isinstance(value, list) else value
            record = SiblingRecord(**values)
            whole = sha256_of(self._file(name, ".nrrd")) == record.sha256
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return record if whole else None


def cohort_of(records: Sequence[SiblingRecord], *, raw: bool = False) -> Cohort:
    """The cohort of records, after the guard or (raw) their first attempts before it; without a heat map."""
    morphology = [record.raw_morphology if raw else record.morphology for record in records]
    violated = [record.raw_violated if raw else record.violated for record in records]
    return Cohort(
        tuple(record.name for record in records),
        np.array(morphology, dtype=float).reshape(-1, len(MORPHOLOGY_NAMES)),
        np.array([[name in names for name in CHECK_NAMES] for names in violated], dtype=bool).reshape(
            -1, len(CHECK_NAMES)
        ),
    )


def attempts_of(records: Sequence[SiblingRecord]) -> int:
    """How many hearts were made for records, those that the guard turned away included."""
    return sum(record.attempt + 1 for record in records)


def _record(
    sibling: Sibling, name: str, weights: str, sha256: str, spacing: ArrayLike, seconds: float
) -> SiblingRecord:
    after = np.nan_to_num(heart_morphology(sibling.labels, spacing))
    first = sibling.first_raw
    same = first.labels is sibling.labels
    before = after if same else np.nan_to_num(heart_morphology(first.labels, spacing))
    guarded: Guarded | None = sibling.guarded
    return SiblingRecord(
        name=name,
        recipe=sibling.recipe,
        weights=weights,
        sha256=sha256,
        morphology=tuple(after.tolist()),
        raw_morphology=tuple(before.tolist()),
        violated=tuple(check.name for check in sibling.checks if not check.holds),
        raw_violated=tuple(check.name for check in first.checks if not check.holds),
        repaired=int(np.count_nonzero(sibling.labels != sibling.raw)),
        repairs=tuple(
            {"check": repair.check, "action": repair.action, "voxels": len(repair.voxels)}
            for repair in (() if guarded is None else guarded.repairs)
        ),
        accepted=sibling.accepted,
        attempt=sibling.attempt,
        reason="" if guarded is None else guarded.reason,
        targets=tuple(
            {"measure": r.measure, "wanted": r.wanted, "reached": r.reached, "held": r.held, "met": r.met}
            for r in sibling.targets
        ),
        seconds=float(seconds),
        rejected=sibling.rejected,
    )


def _row(record: SiblingRecord) -> dict[str, Any]:
    recipe = record.recipe
    return {
        "name": record.name,
        "kind": recipe.kind,
        "twin": recipe.twin,
        "psi": recipe.psi,
        "keep": " ".join(recipe.keep) or recipe.region,
        "targets": "; ".join(recipe.targets),
        "seed": recipe.seed,
        "steps": recipe.steps,
        "attempt": record.attempt,
        "accepted": record.accepted,
        "reason": record.reason,
        "rejected": "; ".join(record.rejected),
        "repaired": record.repaired,
        "violated": "; ".join(record.violated),
        "raw_violated": "; ".join(record.raw_violated),
        **dict(zip(MORPHOLOGY_NAMES, record.morphology, strict=True)),
        "weights": record.weights,
        "sha256": record.sha256,
    }
