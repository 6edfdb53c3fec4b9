"""Edits that follow each other: each listed, each undoable, the twin kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import tissue_changes

__all__ = ["Edit", "EditList", "Remake"]

Labels = NDArray[np.uint8]
Remake = Callable[[Labels, "Edit"], Labels]
"""(labels before, edit) -> labels after: makes an edit again on another heart."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One edit: its recipe, the painted region that it needs (k, j, i) bool or None, and what came out."""

    recipe: Recipe
    labels: Labels
    region: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class EditList:
    """A twin and the edits made to it, oldest first. Nothing is ever changed in place.

    edits = EditList(twin).add(Edit(recipe, labels))
    edits = edits.undo()
    """

    twin: Labels
    edits: tuple[Edit, ...] = ()

    def __len__(self) -> int:
        return len(self.edits)

    @property
    def current(self) -> Labels:
        """The heart after all edits; the twin when there is none."""
        return self.before(len(self.edits))

    def before(self, index: int) -> Labels:
        """The heart that an edit started from."""
        return self.edits[index - 1].labels if index else self.twin

    def add(self, edit: Edit) -> EditList:
        """With one more edit. ValueError when its labels have another shape than the twin."""
        if edit.labels.shape != self.twin.shape:
            raise ValueError(
                f"An edit has the shape of its twin, {self.twin.shape}; found {edit.labels.shape}."
            )
        return replace(self, edits=(*self.edits, edit))

    def undo(self, number: int = 1) -> EditList:
        """Without the latest edits. ValueError when there are fewer."""
        if not 1 <= number <= len(self.edits):
            raise ValueError(f"There are {len(self.edits)} edits to undo; found {number}.")
        return replace(self, edits=self.edits[:-number])

    def without(self, index: int, remake: Remake) -> EditList:
        """Without one edit, those after it made again on what is then there.

        ValueError when there is no such edit.
        """
        if not 0 <= index < len(self.edits):
            raise ValueError(f"There is no edit {index}; there are {len(self.edits)}.")
        kept = replace(self, edits=self.edits[:index])
        for edit in self.edits[index + 1 :]:
            kept = kept.add(replace(edit, labels=remake(kept.current, edit)))
        return kept

    def rows(self, spacing: tuple[float, float, float] = (1.4, 1.4, 1.4)) -> list[dict[str, Any]]:
        """One row an edit: number, what was done, and the change of each tissue's volume in ml."""
        return [
            {
                "edit": index + 1,
                "what": edit.recipe.title(),
                **{
                    f"{row['tissue']} (ml)": row["change (ml)"]
                    for row in tissue_changes(self.before(index), edit.labels, spacing)
                },
            }
            for index, edit in enumerate(self.edits)
        ]
