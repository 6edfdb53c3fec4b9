"""Section 2: what varies, what it will take, and the siblings that are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from slicer.i18n import tr as _

from cardiactwins.compute.files import json_text
from cardiactwins.compute.worker_process import WorkerEvent
from cardiactwins.mrml.twin_case import TwinCase, new_siblings
from cardiactwins.mrml.twin_sources import unplaced_case
from cardiactwins.panel.context import Section
from cardiactwins.panel.twin.context import ShownSibling, TwinContext
from cardiactwins.panel.twin.edit_form import EditForm
from cardiactwins.panel.twin.step_picture import StepPicture
from cardiactwins.panel.twin.target_rows import TargetRows
from cardiactwins.panel.views import show_segmentation
from cardiactwins.twin.cohort import CHECK_NAMES
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_files import load_sibling
from cardiactwins.twin.siblings import Sibling
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["RECIPE", "EditSection"]

RECIPE = "CardiacTwins.Recipe"
"""Attribute of a sibling's segmentation: the recipe that makes it again, JSON."""

MOST_NODES = 50
"""More segmentations in one scene are hard to find one's way in."""


class EditSection(Section):
    """Makes siblings in the worker; they come into the scene one after the other, as one result."""

    context: TwinContext

    def __init__(self, context: TwinContext) -> None:
        super().__init__(context)
        self.form = EditForm(context)
        self.targets = TargetRows(context)
        self.picture = StepPicture(self.ui.previewLabel)
        self.controls = context.controls(self.ui.editButton, self.run)
        self.estimateControls = context.controls(self.ui.estimateButton, self.estimate)

    def missing(self) -> list[str]:
        """What has to be chosen before siblings can be made."""
        missing = self.form.missing()
        obstacle = self.context.obstacle()
        if obstacle:
            missing.append(_("the model: {reason}").format(reason=obstacle))
        if not missing:
            count = len(self.form.recipes(self.context.case()))
            if count > MOST_NODES:
                text = _(
                    "fewer siblings: {count} are asked for, {most} are made at once (section 5 makes more)"
                )
                missing.append(text.format(count=count, most=MOST_NODES))
        return missing

    def run(self) -> None:
        """Make the siblings."""
        case, node = self.context.case(), self.parameterNode
        recipes, region = self.form.recipes(case), self.form.region(case)
        place = unplaced_case(_("Heart")) if case is None else case

        def prepare(folder: Path) -> dict[str, Any]:
            self._folder = folder
            return {**self._inputs(folder, case, region), "recipes": [one.values() for one in recipes]} | {
                "preview": node.preview
            }

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            made = [load_sibling(folder / row["record"]) for row in result["siblings"]]
            self._show(place, made, region)

        self.context.start(self.controls, "siblings_job", prepare, done, self._onProgress, self.picture.clear)

    def estimate(self) -> None:
        """Time a sibling of a few steps on the chosen device."""
        case = self.context.case()
        recipe, region, place = self.form.recipes(case)[0], self.form.region(case), self.context.place()

        def prepare(folder: Path) -> dict[str, Any]:
            return {**self._inputs(folder, case, region), "recipe": recipe.values(), "number": 1}

        def done(_folder: Path, result: Mapping[str, Any]) -> None:
            self.context.estimates.remember(place, recipe, result["seconds"], result["memory_bytes"])
            self.context.panelChanged()

        self.context.start(self.estimateControls, "cardiactwins.twin.case_jobs:estimate_job", prepare, done)

    def update(self) -> None:
        """Show what belongs to the kind of edit, what is missing, and what it will take."""
        self.form.update()
        missing = self.missing()
        self.controls.setMissing(missing)
        self.estimateControls.setMissing(missing)
        case = self.context.case()
        recipes = [] if missing else self.form.recipes(case)
        lines = []
        if recipes:
            lines.append(self.context.estimates.text(self.context.place(), recipes[0], len(recipes)))
            if recipes[0].twin and (unseen := self.context.unseen(case.current)):
                lines.append(unseen)
        self.ui.estimateLabel.text = "\n".join(lines)

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.estimateControls.cancel()
        self.picture.clear()

    def close(self) -> None:
        self.controls.close()
        self.estimateControls.close()

    def _inputs(
        self, folder: Path, case: TwinCase | None, region: NDArray[np.bool_] | None
    ) -> dict[str, Any]:
        """Write what recipes start from; arguments of the job."""
        if case is not None:
            write_heart(folder / "twin.nrrd", case.current, TWIN_GRID)
        if region is not None:
            write_heart(folder / "region.nrrd", region.astype(np.uint8), TWIN_GRID)
        return {**self.context.modelArguments(), "device": self.parameterNode.device}

    def _show(self, place: TwinCase, made: Sequence[Sibling], region: NDArray[np.bool_] | None) -> None:
        shown: list[ShownSibling] = []
        title = sibling_title(place, [sibling.recipe for sibling in made])

        def steps() -> Iterator[tuple[int, int, str]]:
            with self.context.results.recording(title) as record:
                for number, sibling in enumerate(made):
                    with record.away():
                        yield number, len(made), _("Showing sibling {number}").format(number=number + 1)
                    name = _("{name}: sibling").format(name=place.name)
                    (nodes,) = new_siblings(place, [sibling], name, region, numbered=True)
                    nodes.segmentation.SetAttribute(RECIPE, json_text(sibling.recipe.values()))
                    nodes.segmentation.GetDisplayNode().SetVisibility(not shown)
                    if nodes.violations is not None:
                        nodes.violations.GetDisplayNode().SetVisibility(not shown)
                    shown.append(ShownSibling(nodes, place, region))

        def done() -> None:
            self.context.addSiblings(shown)
            others = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
            show_segmentation(shown[0].nodes.segmentation, others)
            self.context.panelChanged()
            self.context.say(_("{title}. What was made stands in section 3.").format(title=title))

        self.controls.runSteps(steps(), done)

    def _onProgress(self, event: WorkerEvent) -> None:
        values = event.values or {}
        name, violated = values.get("preview"), values.get("violated")
        if name is not None and (self._folder / name).is_file():
            self.picture.show(self._folder / name)
        if violated is not None:
            found = _("{count} of {total} topology checks fail").format(
                count=len(violated), total=len(CHECK_NAMES)
            )
            self.controls.statusLabel.text = f"{self.controls.statusLabel.text} · {found}"


def sibling_title(place: TwinCase, recipes: Sequence[Recipe]) -> str:
    """What an undo of siblings is called."""
    what = recipes[0].title().partition("; seed")[0]
    return _("{count} of {name}: {what}").format(count=len(recipes), name=place.name, what=what)
