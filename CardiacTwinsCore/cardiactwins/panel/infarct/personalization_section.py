"""Section 2: the model whose infarcts match the population, found while its curves are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from cardiactwins.compute.worker_process import WorkerEvent
from cardiactwins.infarct.archive import load_model
from cardiactwins.infarct.estimates import estimate_personalization
from cardiactwins.infarct.presets import presets
from cardiactwins.mrml.archive_nodes import population_file
from cardiactwins.mrml.live_history import LiveHistory
from cardiactwins.panel.context import Section
from cardiactwins.panel.infarct.context import InfarctContext
from cardiactwins.panel.infarct.parameter_table import ParameterTable, parametersOf
from cardiactwins.panel.infarct.search_settings import SearchChoices
from cardiactwins.panel.views import show_chart

__all__ = ["PersonalizationSection"]

ESTIMATE_DELAY_MS = 300
CHARTS = {"LOSS": "loss", "PARAMETERS": "parameters", "EIGENVALUES": "eigenvalues"}


class PersonalizationSection(Section):
    """Runs `personalize` in the worker; its result is a table node that can be chosen again as a model."""

    def __init__(self, context: InfarctContext) -> None:
        super().__init__(context)
        ui = self.ui
        self.controls = context.controls(ui.personalizeButton, self.personalize)
        self.table = ParameterTable(context)
        self.search = SearchChoices(context)
        self.live: LiveHistory | None = None
        self._finished: dict[str, str] = {}
        self._plotted: Any = None
        self._estimated: Any = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(ESTIMATE_DELAY_MS)
        self._timer.connect("timeout()", self._estimate)
        self._presets = {preset.name: preset for preset in presets()}
        for name in self._presets:
            ui.presetBox.addItem(name)
        ui.presetBox.connect("currentIndexChanged(int)", lambda _index: self._showPreset())
        ui.loadPresetButton.connect("clicked(bool)", self.loadPreset)
        self._showPreset()

    def slices(self) -> int:
        """Slices of the population's reference, or of the one that would be aligned to."""
        table = self.context.population()
        if table is None:
            return int(self.parameterNode.reference.value)
        return self.context.populationData().anatomy.slices

    def missing(self) -> list[str]:
        """What has to be given before a model can be personalized."""
        missing = []
        if self.context.population() is None:
            missing.append(_("align a population in section 1, or choose one"))
        try:
            self.search.settings()
        except ValueError as error:
            missing.append(str(error))
        return missing

    def personalize(self) -> None:
        """Search the parameters in the worker; the result becomes nodes and is chosen as the model."""
        node, population = self.parameterNode, self.context.population()
        model, loss = node.model.value, node.loss.value
        name = f"{model} {loss}"
        arguments = {
            "model": model,
            "loss": loss,
            "start": self.table.start(),
            "bounds": self.table.bounds(),
            "settings": asdict(self.search.settings()),
            "seed": node.seed,
        }

        def prepare(folder: Path) -> dict[str, Any]:
            population_file(population, folder / "population.npz")
            return arguments

        def ended() -> None:
            self._removeLive()
            self._lockChoices()

        def done(folder: Path, result: Mapping[str, Any]) -> None:
            personalized = load_model(folder / result["file"])
            with self.context.results.recording(_("Personalize {name}").format(name=name)):
                nodes = self.context.logic.showPersonalization(personalized)
                self._finished = {kind: nodes[f"{kind} chart"].GetID() for kind in CHARTS.values()}
                self.parameterNode.personalizedModel = nodes["parameters table"]
            self._plotted = None
            self._showPlot()

        parameters = parametersOf(model, self.slices())
        self.context.start(self.controls, "personalize_job", prepare, done, self._onProgress, ended)
        self._lockChoices()
        self.live = LiveHistory(_("{name} (running)").format(name=name), parameters)
        self._showPlot()

    def loadPreset(self, _checked: bool = False) -> None:
        """Add the chosen preset to the scene as a model, and choose it."""
        with slicer.util.tryWithErrorDisplay(_("The preset cannot be loaded."), waitCursor=True):
            name = self.ui.presetBox.currentText
            with self.context.results.recording(_("Load preset {name}").format(name=name)):
                self.parameterNode.personalizedModel = self.context.logic.loadPreset(name)

    def update(self) -> None:
        """Show parameters, settings, time needed and the chosen model."""
        node = self.parameterNode
        self.table.update(node.model.value, self.slices())
        self.search.update()
        self.controls.setMissing(self.missing())
        self._lockChoices()
        self._timer.start()
        self._showModel()
        self._showPlot()

    def sceneChanged(self) -> None:
        self.controls.cancel()
        self.live, self._finished = None, {}
        self._plotted = self._estimated = None

    def close(self) -> None:
        self._timer.stop()
        self.controls.close()
        self._removeLive()

    def _onProgress(self, event: WorkerEvent) -> None:
        if event.values and "parameters" in event.values and self.live is not None:
            self.live.add(event.values)

    def _lockChoices(self) -> None:
        """What a run depends on cannot be changed while it runs."""
        for widget in ("modelBox", "lossBox", "parametersTable", "seedBox", "searchGroup"):
            getattr(self.ui, widget).enabled = not self.controls.running

    def _removeLive(self) -> None:
        if self.live is not None:
            self.live.remove()
        self.live = self._plotted = None

    def _showPlot(self) -> None:
        kind = CHARTS[self.parameterNode.plot.name]
        if self.live is not None:
            chart = self.live.charts[kind]
        else:
            chart = slicer.mrmlScene.GetNodeByID(self._finished[kind]) if kind in self._finished else None
        if chart is not None and chart.GetID() != self._plotted:
            self._plotted = chart.GetID()
            show_chart(chart)

    def _showModel(self) -> None:
        table = self.context.model()
        if table is None:
            self.ui.modelLabel.text = _("No model yet: personalize one, or load a preset.")
            return
        personalized = self.context.modelData()
        found = personalized.personalization
        values = ", ".join(
            f"{parameter.name} {value:.3g} {parameter.unit}".rstrip()
            for parameter, value in zip(personalized.model.parameters, found.parameters, strict=True)
        )
        where = _("whole ventricle") if personalized.model.anatomy.is_3d else _("mid-level slice")
        lines = [_("{model}, {where}: {values}").format(model=personalized.name, where=where, values=values)]
        if found.loss == found.loss:
            text = _("{kind} on fresh draws {loss:.4f} ± {error:.4f} (standard error)")
            lines.append(text.format(kind=found.loss_kind, loss=found.loss, error=found.loss_error))
        source = table.GetAttribute("CardiacTwins.Source")
        if source:
            lines.append(source)
        self.ui.modelLabel.text = "\n".join(lines)

    def _showPreset(self) -> None:
        preset = self._presets.get(self.ui.presetBox.currentText)
        if preset is not None:
            text = _("{source}\nLicence: {licence}. {subjects} infarcts.")
            self.ui.presetLabel.text = text.format(
                source=preset.source, licence=preset.licence, subjects=preset.subjects
            )

    def _estimate(self) -> None:
        """Time and memory of a run with what is chosen now, measured on two evaluations."""
        node, table = self.parameterNode, self.context.population()
        if node is None or table is None or self.context.worker.busy:
            if table is None:
                self.ui.estimateLabel.text = ""
            return
        try:
            settings, start = self.search.settings(), self.table.start()
            chosen = (table.GetID(), table.GetMTime(), node.model, node.loss, settings, tuple(start))
            if chosen == self._estimated:
                return
            self._estimated = chosen
            population = self.context.populationData()
            model = self.context.logic.makeModel(node.model.value, population)
            estimate = estimate_personalization(population, model, node.loss.value, settings, start)
        except ValueError as error:
            self.ui.estimateLabel.text = _("The run cannot be estimated: {error}").format(error=error)
            return
        self.ui.estimateLabel.text = _(
            "This run takes {estimate}, on the CPU (it does not use a GPU)."
        ).format(estimate=estimate)
