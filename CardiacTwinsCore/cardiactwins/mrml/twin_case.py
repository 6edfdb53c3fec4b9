"""A twin and its siblings in the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.heart_topology import TopologyCheck
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.segment_roles import TISSUE_ROLES
from cardiactwins.mrml.segmentations import add_segment, set_reference_geometry
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.twin_segmentation import SegmentStyle, new_heart_segmentation
from cardiactwins.twin.edit_list import Edit, EditList
from cardiactwins.twin.siblings import Sibling, tissue_changes
from cardiactwins.twin.twin_grid import Twin
from cardiactwins.twin.twin_import import return_labels
from cardiactwins.twin.violation_places import violation_places

__all__ = [
    "SiblingNodes",
    "TwinCase",
    "new_difference",
    "new_siblings",
    "new_violation_markups",
]

LOST = ("No longer heart", (0.45, 0.45, 0.45))


@dataclass(frozen=True, eq=False)
class TwinCase:
    """A patient's heart that is edited.

    twin: on the common grid, with the way back. styles: names, colours and terminology of its segments.
    edits: made so far, each one undoable; the twin itself is never changed. Methods give a new case.
    """

    twin: Twin
    styles: Mapping[Tissue, SegmentStyle] = field(default_factory=dict)
    edits: EditList | None = None

    def __post_init__(self) -> None:
        if self.edits is None:
            object.__setattr__(self, "edits", EditList(self.twin.labels))

    @property
    def current(self) -> NDArray[np.uint8]:
        """The heart after all edits, on the common grid."""
        return self.edits.current

    @property
    def name(self) -> str:
        """Of the twin."""
        return self.twin.name

    def with_edit(self, sibling: Sibling, region: NDArray[np.bool_] | None = None) -> TwinCase:
        """The case with a sibling as its latest edit: the next edit starts from it."""
        return replace(self, edits=self.edits.add(Edit(sibling.recipe, sibling.labels, region)))

    def undone(self, number: int = 1) -> TwinCase:
        """The case without its latest edits. ValueError when there are fewer."""
        return replace(self, edits=self.edits.undo(number))

    @cached_property
    def edited(self) -> Twin:
        """The twin after all edits: on the common grid, and as `original` in the patient's own.

        Each edit is brought back onto the heart that it started from, so that what it left alone stays as it
        was there, voxel by voxel.
        """
        found = self.twin
        for edit in self.edits.edits:
            returned = return_labels(found, edit.labels, region=edit.recipe.exact_region(edit.region))
            found = replace(found, labels=edit.labels, original=returned)
        return found

    def in_patient(
        self, labels: NDArray[np.uint8] | None = None, region: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8]:
        """A heart on the common grid (the current one by default) in the patient's own grid.

        labels: an edit of the current heart. region: (128, 128, 128) bool, outside of which that changed
        nothing (`Recipe.exact_region`).
        """
        if labels is None:
            return self.edited.original.copy()
        return return_labels(self.edited, labels, region=region)


@dataclass(frozen=True, eq=False)
class SiblingNodes:
    """A sibling in the scene.

    sibling: what was made. segmentation: in the patient's own grid. changes: table of volumes a tissue,
    None for a heart from noise. violations: points where topology checks fail, None where all hold. region:
    (128, 128, 128) bool, the painted region of a localized edit, or None. remarks: sentences about the heart
    that it was made from.
    """

    sibling: Sibling
    segmentation: Any
    changes: Any
    violations: Any
    region: NDArray[np.bool_] | None = None
    remarks: tuple[str, ...] = ()


def new_siblings(
    case: TwinCase,
    siblings: Sequence[Sibling],
    name: str = "",
    region: NDArray[np.bool_] | None = None,
    *,
    numbered: bool = False,
    remarks: tuple[str, ...] = (),
) -> tuple[SiblingNodes, ...]:
    """Segmentation, table of changes against the twin, and points of violations of each sibling.

    name: of the segmentations, "": the twin's and 'sibling'. Several are numbered, and so is one whose name a
    node has already, or if asked for, with numbers that no node has. region: (128, 128, 128) bool, the
    painted region of a localized edit. Where kept voxels stay exactly, they do so in the patient's own grid
    too. remarks: of all of them.
    """
    title = name or f"{case.name}: sibling"
    numbered = numbered or len(siblings) > 1 or start().scene.GetFirstNodeByName(title) is not None
    return tuple(
        _new_sibling(case, sibling, _unused_name(title) if numbered else title, region, remarks)
        for sibling in siblings
    )


def _new_sibling(
    case: TwinCase,
    sibling: Sibling,
    name: str,
    region: NDArray[np.bool_] | None,
    remarks: tuple[str, ...],
) -> SiblingNodes:
    labels = case.in_patient(sibling.labels, sibling.recipe.exact_region(region))
    node = new_heart_segmentation(name, labels, case.twin.original_geometry, case.styles)
    table = None
    if sibling.recipe.kind != "unconditional":
        table = _table(f"{name}: volumes", tissue_changes(case.twin.labels, sibling.labels))
    violations = new_violation_markups(f"{name}: violations", sibling.checks, case)
    return SiblingNodes(sibling, node, table, violations, region, remarks)


def _unused_name(stem: str) -> str:
    """The stem and the first number that no node of the scene has with it."""
    scene, number = start().scene, 1
    while scene.GetFirstNodeByName(f"{stem} {number}") is not None:
        number += 1
    return f"{stem} {number}"


def new_violation_markups(name: str, checks: Sequence[TopologyCheck], case: TwinCase) -> Any:
    """A point list where topology checks of a heart fail, labelled with the check; None where all hold."""
    places = violation_places(checks, case.twin.geometry)
    if not places:
        return None
    return new_markups(name, [place.position for place in places], [place.check for place in places])


def new_difference(
    case: TwinCase, labels: NDArray[np.uint8], name: str, region: NDArray[np.bool_] | None = None
) -> Any:
    """A segmentation of what an edit changed, in the patient: a segment a tissue for what became it.

    'now LV' and so on, in the tissues' colours, and what is heart no longer. region: as of
    `TwinCase.in_patient`. ValueError without a change.
    """
    before, after = case.twin.original, case.in_patient(labels, region)
    moved = before != after
    if not moved.any():
        raise ValueError(f"'{name}': the heart is the twin itself, there is no difference to show.")
    geometry = case.twin.original_geometry
    node = new_heart_segmentation(name, np.zeros_like(before), geometry)
    set_reference_geometry(node, geometry)
    for tissue in Tissue:
        mask = moved & (after == tissue)
        if mask.any():
            style = case.styles.get(tissue) or SegmentStyle.standard(tissue)
            title = f"now {TISSUE_NAMES[tissue]}"
            add_segment(node, title, mask, geometry, style.color, TISSUE_ROLES[tissue].terminology)
    lost = moved & (after == 0)
    if lost.any():
        add_segment(node, LOST[0], lost, geometry, LOST[1])
    return node


def _table(name: str, rows: list[dict[str, Any]]) -> Any:
    columns = {title: [row[title] for row in rows] for title in rows[0]}
    return new_table(name, columns)
