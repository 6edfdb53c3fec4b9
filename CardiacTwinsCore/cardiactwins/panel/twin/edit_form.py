"""What the widgets of section 2 ask for, as recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES
from cardiactwins.mrml.segmentations import segment_names
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_sources import region_on_twin
from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.targets import Target

__all__ = ["EditForm", "plans_of_text"]


class EditForm:
    """Reads and arranges the widgets of an edit."""

    def __init__(self, context: TwinContext) -> None:
        self.context, self.ui = context, context.ui
        self._offered: Any = None
        self.ui.paintedSegmentBox.connect("currentIndexChanged(int)", self._onSegment)

    @property
    def node(self) -> Any:
        """The wrapped parameter node."""
        return self.context.parameterNode

    @property
    def kind(self) -> str:
        """Name of the chosen kind of edit."""
        return self.node.kind.name

    def missing(self) -> list[str]:
        """What has to be chosen before siblings can be made."""
        missing = []
        if self.kind != "NOISE" and self.context.case() is None:
            missing.append(_("import a heart in section 1"))
        if self.kind == "REGION":
            missing += self._missingOfRegion()
        if self.kind == "TARGETS":
            try:
                if not plans_of_text(self.node.targets):
                    missing.append(_("write a target, such as RV volume 150 ml"))
            except ValueError as error:
                missing.append(str(error))
        return missing

    def kept(self) -> tuple[str, ...]:
        """Short names of the tissues that stay."""
        return tuple(name for name in TISSUE_NAMES.values() if getattr(self.node, f"keep{name}"))

    def painted(self) -> bool:
        """Whether the region is a painted segment."""
        return self.kind == "REGION" and self.node.regionBy.name == "PAINTED"

    def recipes(self, case: TwinCase | None) -> list[Recipe]:
        """One recipe a sibling. ValueError for what cannot be made."""
        node = self.node
        common = {"steps": node.steps, "guard": node.guard, "attempts": node.attempts if node.guard else 1}
        seeds = range(node.seed, node.seed + node.number)
        if self.kind == "NOISE":
            return [Recipe("unconditional", seed, **common) for seed in seeds]
        common |= {"psi": node.psi, "twin": case.name}
        if self.kind == "WHOLE":
            return [Recipe("perturbational", seed, **common) for seed in seeds]
        if self.kind == "TARGETS":
            return [
                Recipe("perturbational", seed, targets=plan, hold=node.hold, **common)
                for plan in plans_of_text(node.targets)
                for seed in seeds
            ]
        where = {"region": self.segmentName()} if self.painted() else {"keep": self.kept()}
        common |= {"dilation_mm": node.dilation, "exact": node.exact, **where}
        return [Recipe("localized", seed, **common) for seed in seeds]

    def region(self, case: TwinCase | None) -> NDArray[np.bool_] | None:
        """The painted region on the common grid, None where there is none. ValueError for an empty one."""
        if not self.painted():
            return None
        mask = region_on_twin(case, (self.node.paintedSegmentation, self.node.paintedSegment))
        if not mask.any():
            raise ValueError(
                _("Segment '{name}' holds nothing near the heart. Paint the region that may change.").format(
                    name=self.segmentName()
                )
            )
        return mask

    def segmentName(self) -> str:
        """Of the painted segment, "" where there is none."""
        return self._segments().get(self.node.paintedSegment, "")

    def update(self) -> None:
        """Show what belongs to the kind of edit."""
        ui, kind = self.ui, self.kind
        ui.psiSlider.setVisible(kind != "NOISE")
        ui.psiSliderLabel.setVisible(kind != "NOISE")
        ui.regionGroup.setVisible(kind == "REGION")
        ui.targetsGroup.setVisible(kind == "TARGETS")
        painted = self.painted()
        ui.keepRow.setVisible(not painted)
        for name in ("paintedSelector", "paintedSegmentBox"):
            getattr(ui, name).setVisible(painted)
            getattr(ui, f"{name}Label").setVisible(painted)
        ui.attemptsBox.enabled = self.node.guard
        self._offerSegments()

    def _missingOfRegion(self) -> list[str]:
        if self.painted():
            if self.node.paintedSegmentation is None:
                return [_("choose the segmentation that the region is painted in")]
            return [] if self.segmentName() else [_("choose the painted segment")]
        if not self.kept():
            return [_("check at least one tissue that stays, or vary the whole heart")]
        if len(self.kept()) == len(TISSUE_NAMES):
            return [_("leave at least one tissue free to change")]
        return []

    def _segments(self) -> dict[str, str]:
        node = self.node.paintedSegmentation
        return {} if node is None else segment_names(node)

    def _offerSegments(self) -> None:
        segments, box = self._segments(), self.ui.paintedSegmentBox
        if self.node.paintedSegment not in segments:
            self.node.paintedSegment = next(reversed(segments), "")  # what is painted last stands at the end
        offered = (tuple(segments.items()), self.node.paintedSegment)
        if offered == self._offered:
            return
        self._offered = offered
        blocked = box.blockSignals(True)
        box.clear()
        for name in segments.values():
            box.addItem(name)
        if segments:
            box.setCurrentIndex(list(segments).index(self.node.paintedSegment))
        box.blockSignals(blocked)

    def _onSegment(self, index: int) -> None:
        segments = [] if self.node is None else list(self._segments())
        if 0 <= index < len(segments):
            self.node.paintedSegment = segments[index]


def plans_of_text(text: str) -> list[tuple[str, ...]]:
    """Targets, one tuple a line that is not empty. ValueError names the line that is none, and a measure that
    is asked for twice."""
    plans = []
    for number, line in enumerate(text.splitlines(), start=1):
        parts = [part for part in line.split(",") if part.strip()]
        if not parts:
            continue
        try:
            targets = [Target.parse(part) for part in parts]
        except ValueError as error:
            raise ValueError(_("line {number}: {error}").format(number=number, error=error)) from error
        measures = [target.measure for target in targets]
        if len(set(measures)) < len(measures):
            raise ValueError(_("line {number} asks for one measure twice").format(number=number))
        plans.append(tuple(str(target) for target in targets))
    return plans
