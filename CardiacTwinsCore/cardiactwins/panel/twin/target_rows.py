"""Targets put together by mouse: one after the other, or as a design of experiments."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.panel.twin.edit_form import plans_of_text
from cardiactwins.twin.designs import grid_design, latin_hypercube_design
from cardiactwins.twin.soft_measures import MEASURES, measure_named
from cardiactwins.twin.targets import Target

__all__ = ["TargetRows", "ranges_of_text"]

RELATIONS = {"to": _("is"), "by": _("changes by"), "percent": _("changes by %")}
MOST_HEARTS = 200


class TargetRows:
    """Writes lines of targets into the text that an edit is made of."""

    def __init__(self, context: TwinContext) -> None:
        self.context, ui = context, context.ui
        for name, unit in MEASURES.items():
            ui.measureBox.addItem(f"{name} ({unit})")
        for text in RELATIONS.values():
            ui.relationBox.addItem(text)
        ui.measureBox.setCurrentIndex(list(MEASURES).index("RV volume"))
        ui.targetValueBox.value = 150.0
        ui.addTargetButton.connect("clicked(bool)", self.add)
        ui.hypercubeButton.connect("clicked(bool)", self.fillHypercube)
        ui.gridButton.connect("clicked(bool)", self.fillGrid)

    def add(self, _checked: bool = False) -> None:
        """Add the target of the row of widgets."""
        ui = self.context.ui
        measure = list(MEASURES)[ui.measureBox.currentIndex]
        kind = list(RELATIONS)[ui.relationBox.currentIndex]
        added = str(Target(measure, float(ui.targetValueBox.value), kind))
        with slicer.util.tryWithErrorDisplay(_("The target cannot be added.")):
            lines = [", ".join(plan) for plan in plans_of_text(self.context.parameterNode.targets)]
            if lines and not any(Target.parse(text).measure == measure for text in lines[-1].split(",")):
                lines[-1] = f"{lines[-1]}, {added}"
            else:
                lines.append(added)
            self._write(lines)

    def fillHypercube(self, _checked: bool = False) -> None:
        """Lines of a Latin hypercube over the ranges."""
        with slicer.util.tryWithErrorDisplay(_("The design cannot be made.")):
            node = self.context.parameterNode
            rng = np.random.default_rng(node.seed)
            self._fill(latin_hypercube_design(ranges_of_text(node.design), node.designNumber, rng))

    def fillGrid(self, _checked: bool = False) -> None:
        """A line for every combination of evenly spaced values."""
        with slicer.util.tryWithErrorDisplay(_("The design cannot be made.")):
            node = self.context.parameterNode
            ranges = ranges_of_text(node.design)
            hearts = node.designNumber ** len(ranges)
            if hearts > MOST_HEARTS:
                raise ValueError(
                    _("This grid has {hearts} hearts; at most {most} are made at once.").format(
                        hearts=hearts, most=MOST_HEARTS
                    )
                )
            values = {name: np.linspace(*ends, node.designNumber) for name, ends in ranges.items()}
            self._fill(grid_design(values))

    def _fill(self, design: list[tuple[Target, ...]]) -> None:
        self._write(
            [", ".join(str(Target(one.measure, round(one.value, 1))) for one in plan) for plan in design]
        )
        self.context.parameterNode.number = 1

    def _write(self, lines: list[str]) -> None:
        self.context.parameterNode.targets = "\n".join(lines)


def ranges_of_text(text: str) -> dict[str, tuple[float, float]]:
    """Measure -> least and largest value, of "RV volume 120 to 180; wall 7 to 10".

    ValueError for anything else, and for an unknown measure.
    """
    ranges: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = re.fullmatch(r"(.+?)\s+(\d+(?:\.\d+)?)\s*(?:to|-)\s*(\d+(?:\.\d+)?)\s*(?:ml|mm)?", part)
        if found is None:
            raise ValueError(
                _(
                    "'{part}' is no range. Write a measure and two values, such as RV volume 120 to 180."
                ).format(part=part)
            )
        ranges[measure_named(found[1])] = (float(found[2]), float(found[3]))
    if not ranges:
        raise ValueError(_("Write at least one range, such as RV volume 120 to 180."))
    return ranges
