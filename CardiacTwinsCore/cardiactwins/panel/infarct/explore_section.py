"""Section 4: modes of variation that follow sliders, and real infarcts beside those of the model."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from cardiactwins.infarct.archive import load_population
from cardiactwins.infarct.attributes import endocardial_extent, infarct_size, segment_fractions, transmurality
from cardiactwins.infarct.mode_space import ModeSpace
from cardiactwins.mrml.archive_nodes import model_file, population_file
from cardiactwins.mrml.bullseye import new_bullseye_volume
from cardiactwins.mrml.distributions import new_distribution_chart
from cardiactwins.mrml.live_pattern import LivePattern
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.views import show_chart, show_volume

__all__ = ["ExploreSection"]

MODES = ("mode1", "mode2", "mode3")
COMPARED_DRAWS = 400
FEWEST_FOR_MODES = 7
"""Five neighbours of each patient make the graph."""


class ExploreSection(Section):
    """Computes modes and comparisons in the worker; sliders then move one node of the scene."""

    def __init__(self, context: InfarctContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.modesControls = context.controls(ui.modesButton, self.computeModes)
        self.compareControls = context.controls(ui.compareButton, self.compare)
        self.modes: ModeSpace | None = None
        self.live: LivePattern | None = None
        self._modesOf = ""
        self._moved: Any = None
        self._charts: list[str] = []
        ui.resetModesButton.connect("clicked(bool)", self.resetModes)
        ui.bullseyeButton.connect("clicked(bool)", self.showBullseye)
        ui.comparisonTable.connect("cellClicked(int,int)", self._onCompared)

    def computeModes(self) -> None:
        """Find the modes of the population; the sliders then show them."""
        table, population = self.context.population(), self.context.populationData()
        name = _("Mode of variation of {name}").format(name=table.GetName())

        def prepare(folder: Path) -> dict[str, Any]:
            population_file(table, folder / "population.npz")
            return {}

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            if not slicer.mrmlScene.IsNodePresent(table):
                raise ValueError(_("The population was deleted meanwhile. Its modes are not shown."))
            self.modes = ModeSpace.load(folder / result["modes"])
            self._modesOf = table.GetID()
            self.live = LivePattern(population.anatomy, name)
            self._moved = None
            self._showModes()
            show_volume(self.live.nodes[0])
            self.update()

        self.context.start(self.modesControls, "modes_job", prepare, done)

    def resetModes(self, _checked: bool = False) -> None:
        """All sliders to the mean infarct."""
        for mode in MODES:
            setattr(self.parameterNode, mode, 0.0)

    def compare(self) -> None:
        """Draw infarcts of the model and compare their attributes with the population's."""
        real = self.context.populationData()

        def prepare(folder: Path) -> dict[str, Any]:
            population_file(self.context.population(), folder / "population.npz")
            model_file(self.context.model(), folder / "model.json")
            return {"lesions": COMPARED_DRAWS}

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            synthetic = load_population(folder / result["synthetic"])
            measured = {
                _("size"): (lambda p: 100 * infarct_size(p.lesions), _("% of the wall")),
                _("transmurality"): (
                    lambda p: 100 * transmurality(p.lesions, p.anatomy),
                    _("% of the thickness"),
                ),
                _("endocardial extent"): (
                    lambda p: 100 * endocardial_extent(p.lesions, p.anatomy),
                    _("% of the endocardium"),
                ),
            }
            with self.context.results.recording(_("Compare with the model")):
                self._charts = []
                for name, (measure, unit) in measured.items():
                    values = {_("real"): measure(real), _("synthetic"): measure(synthetic)}
                    self._charts.append(new_distribution_chart(name, values, unit)[1].GetID())
            self._listComparison(result["comparison"])
            self._onCompared(0, 0)

        self.context.start(self.compareControls, "compare_job", prepare, done)

    def showBullseye(self, _checked: bool = False) -> None:
        """Mean infarcted share of the AHA segments as a polar map in the slice views."""
        with slicer.util.tryWithErrorDisplay(_("The bull's-eye cannot be shown."), waitCursor=True):
            if self.parameterNode.bullseye.name == "POPULATION":
                population = self.context.populationData()
                lesions, anatomy = population.lesions, population.anatomy
                name = self.context.population().GetName()
            else:
                personalized = self.context.modelData()
                anatomy = personalized.model.anatomy
                lesions = personalized.sample(COMPARED_DRAWS, np.random.default_rng(0))
                name = self.context.model().GetName()
            values = 100 * segment_fractions(lesions, anatomy).mean(axis=0)
            with self.context.results.recording(_("Bull's-eye of {name}").format(name=name)):
                node = new_bullseye_volume(_("{name}: infarcted share (%)").format(name=name), values)
            show_volume(node)

    def update(self) -> None:
        """What can be moved and computed now; the pattern that the sliders say."""
        ui, population, model = self.ui, self.context.population(), self.context.model()
        needPopulation = (
            [] if population is not None else [_("align a population in section 1, or choose one")]
        )
        needModel = [] if model is not None else [_("personalize a model in section 2, or load a preset")]
        tooFew = population is not None and len(self.context.populationData()) < FEWEST_FOR_MODES
        few = _("a population of at least {fewest} patients").format(fewest=FEWEST_FOR_MODES)
        self.modesControls.setMissing([*needPopulation, few] if tooFew else needPopulation)
        self.compareControls.setMissing([*needPopulation, *needModel, *self._missingMatch()])
        ready = self.modes is not None and population is not None and population.GetID() == self._modesOf
        for number, mode in enumerate(MODES):
            getattr(ui, f"{mode}Slider").enabled = ready and number < self.modes.dimensions
        ui.modeSegmentationBox.enabled = ui.resetModesButton.enabled = ready
        chosen = population if self.parameterNode.bullseye.name == "POPULATION" else model
        ui.bullseyeButton.enabled = chosen is not None
        ui.bullseyeButton.toolTip = (
            _("Show the polar map in the slice views.")
            if chosen is not None
            else "\n".join(needPopulation or needModel)
        )
        if ready:
            self._showModes()

    def sceneChanged(self) -> None:
        self.modesControls.cancel()
        self.compareControls.cancel()
        self.modes = self.live = self._moved = None
        self._modesOf, self._charts = "", []
        fillTable(self.ui.comparisonTable, [], [])

    def close(self) -> None:
        self.modesControls.close()
        self.compareControls.close()

    def _missingMatch(self) -> list[str]:
        """What keeps the population and the model from being compared: they lie on other references."""
        if self.context.population() is None or self.context.model() is None:
            return []
        real, model = self.context.populationData().anatomy, self.context.modelData().model.anatomy
        if asdict(real) == asdict(model):
            return []
        text = _("a model of the population's reference, which has {real} slices; this one's has {model}")
        return [text.format(real=real.slices, model=model.slices)]

    def _showModes(self) -> None:
        node = self.parameterNode
        scores = tuple(getattr(node, mode) for mode in MODES)[: self.modes.dimensions]
        moved = (scores, node.modeSegmentation)
        if moved != self._moved:
            self._moved = moved
            complete = len(self.live.nodes) > int(node.modeSegmentation)
            # What is moved already is not a result of its own; what is made is.
            recorded = self.context.results.recording(_("Modes of variation"))
            with nullcontext() if complete else recorded:
                self.live.show(self.modes.pattern(scores), segmentation=node.modeSegmentation)

    def _listComparison(self, compared: list[dict[str, Any]]) -> None:
        header = [_("attribute"), _("real"), _("synthetic"), _("KS p"), _("Wasserstein")]
        rows = [
            (
                f"{row['attribute']} (%)" if row["unit"].startswith("%") else row["attribute"],
                "{:.1f} ± {:.1f}".format(*row["real"]),
                "{:.1f} ± {:.1f}".format(*row["synthetic"]),
                float(row["p_value"]),
                float(row["wasserstein"]),
            )
            for row in compared
        ]
        fillTable(self.ui.comparisonTable, header, rows)

    def _onCompared(self, row: int, _column: int) -> None:
        chart = slicer.mrmlScene.GetNodeByID(self._charts[row]) if row < len(self._charts) else None
        if chart is not None:
            show_chart(chart)
