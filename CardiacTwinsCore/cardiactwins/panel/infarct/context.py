"""What the sections of the InfarctSynth panel have in common."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from cardiactwins.compute.job import Job
from cardiactwins.compute.worker_process import WorkerEvent, WorkerProcess
from cardiactwins.infarct.archive import PersonalizedModel
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.mrml.archive_nodes import (
    MODEL_KIND,
    POPULATION_KIND,
    is_kind,
    model_of_node,
    population_of_node,
)
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.mrml.undo import ResultStack
from cardiactwins.panel.requirements import ensure_requirements
from cardiactwins.panel.run_controls import RunControls

__all__ = ["PanelContext", "Section", "fillTable"]

TITLE = "InfarctSynth"


class PanelContext:
    """The user interface, the values bound to it, and what runs and undoes.

    ui: widgets by name. logic: the console API. worker: the process shared by all sections. requirements:
    file of the Python packages that runs need. results: what can be taken back. parameterNode: the wrapped
    parameter node, None while no scene is open.
    """

    def __init__(
        self,
        ui: Any,
        logic: InfarctSynthLogic,
        worker: WorkerProcess,
        requirements: Path,
        onChange: Callable[[], None],
    ) -> None:
        self.ui, self.logic, self.worker, self.requirements = ui, logic, worker, requirements
        self.results = ResultStack(on_change=onChange)
        self.parameterNode: Any = None
        self._folders: list[Path] = []
        self._contents: dict[Callable[[Any], Any], tuple[Any, Any]] = {}

    def controls(self, button: Any, onApply: Callable[[], None]) -> RunControls:
        """Run controls of one Apply button, with the panel's progress bar and worker.

        The Python packages that are not there are offered to be installed when the button is clicked; nothing
        runs without them.
        """

        def apply() -> None:
            if ensure_requirements(self.requirements, TITLE):
                onApply()
            else:
                self.say(_("Nothing was computed: Python packages are missing. See Setup and diagnostics."))

        return RunControls(button, self.ui.progressBar, self.ui.statusLabel, self.worker, apply)

    def start(
        self,
        controls: RunControls,
        function: str,
        prepare: Callable[[Path], Mapping[str, Any]],
        onDone: Callable[[Path, Mapping[str, Any]], None],
        onProgress: Callable[[WorkerEvent], None] | None = None,
        onEnd: Callable[[], None] | None = None,
    ) -> None:
        """Start a job of `cardiactwins.infarct.jobs` in a temporary folder, which does not outlive it.

        prepare(folder): writes the inputs and returns the arguments. onEnd(): called first, whatever came of
        the job. onDone(folder, result): reads the outputs and shows them. Raises what `prepare` and
        `RunControls.start` raise; nothing has started then.
        """
        folder = Path(tempfile.mkdtemp(prefix="InfarctSynth-", dir=_temporaryRoot()))
        self._folders.append(folder)

        def ended(*_event: Any) -> None:
            try:
                if onEnd is not None:
                    onEnd()
            finally:
                self._drop(folder)

        def done(result: Mapping[str, Any]) -> None:
            try:
                if onEnd is not None:
                    onEnd()
                onDone(folder, result)
            finally:
                self._drop(folder)

        try:
            job = Job(folder, f"cardiactwins.infarct.jobs:{function}", prepare(folder))
            controls.start(job, done, onProgress, onFailed=ended, onCancelled=ended)
        except BaseException:
            self._drop(folder)
            raise

    def _drop(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folders.remove(folder)

    def population(self) -> Any:
        """The chosen population node; None where there is none, or it is damaged."""
        node = None if self.parameterNode is None else self.parameterNode.population
        return self._readable(node, POPULATION_KIND, population_of_node)

    def populationData(self) -> InfarctPopulation:
        """What the chosen population node holds; read once and kept while the node does not change."""
        return self._read(self.population(), population_of_node)

    def modelData(self) -> PersonalizedModel:
        """What the chosen model node holds; read once and kept while the node does not change."""
        return self._read(self.model(), model_of_node)

    def model(self) -> Any:
        """The chosen model node; None where there is none, or it is damaged."""
        node = None if self.parameterNode is None else self.parameterNode.personalizedModel
        return self._readable(node, MODEL_KIND, model_of_node)

    def _readable(self, node: Any, kind: str, read: Callable[[Any], Any]) -> Any:
        if not is_kind(node, kind):
            return None
        try:
            self._read(node, read)
        except ValueError as error:
            self.say(str(error))
            return None
        return node

    def _read(self, node: Any, read: Callable[[Any], Any]) -> Any:
        version = (node.GetID(), node.GetMTime())
        if self._contents.get(read, (None, None))[0] != version:
            self._contents[read] = (version, read(node))
        return self._contents[read][1]

    def say(self, text: str) -> None:
        """Show one line at the foot of the panel."""
        self.ui.statusLabel.text = text

    def close(self) -> None:
        """Forget results and remove what is left of jobs."""
        self.results.close()
        for folder in list(self._folders):
            self._drop(folder)


class Section:
    """One section of the panel: its run controls, and what it needs before they can start."""

    def __init__(self, context: PanelContext) -> None:
        self.context = context
        self.ui = context.ui

    @property
    def parameterNode(self) -> Any:
        """The wrapped parameter node; sections are updated only while there is one."""
        return self.context.parameterNode

    def update(self) -> None:
        """Bring enabled states and texts in line with the parameter node."""
        raise NotImplementedError

    def sceneChanged(self) -> None:
        """Forget what belongs to a scene that was closed."""

    def close(self) -> None:
        """Stop what runs; the panel is taken down."""


def fillTable(table: Any, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Show rows of plain values in a QTableWidget; numbers are rounded and to the right, None stays empty."""
    header, rows = list(header), [list(row) for row in rows]
    table.clearContents()
    table.setColumnCount(len(header))
    table.setHorizontalHeaderLabels(header)
    table.setRowCount(len(rows))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            text = "" if value is None else _rounded(value) if isinstance(value, float) else str(value)
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            if isinstance(value, int | float):
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            table.setItem(i, j, item)
    table.resizeColumnsToContents()
    table.horizontalHeader().setStretchLastSection(True)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)


def _rounded(value: float) -> str:
    return f"{value:.1f}" if value == 0 or abs(value) >= 1 else f"{value:#.2g}"


def _temporaryRoot() -> str | None:
    import slicer

    path = getattr(slicer.app, "temporaryPath", None)
    if not isinstance(path, str) or not path:
        return None
    Path(path).mkdir(parents=True, exist_ok=True)
    return path
