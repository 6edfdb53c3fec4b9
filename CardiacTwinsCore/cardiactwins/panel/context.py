"""What the sections of a panel have in common: widgets, values, runs in the worker, and taking back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from cardiactwins.compute.job import Job
from cardiactwins.compute.weights_folder import WeightsFile, listed_weights, used_weights
from cardiactwins.compute.worker_process import WorkerEvent, WorkerProcess
from cardiactwins.mrml.own_weights import LIBRARY_WEIGHTS, own_weights_folder
from cardiactwins.mrml.undo import ResultStack
from cardiactwins.panel.messages import tool_tip
from cardiactwins.panel.requirements import ensure_requirements
from cardiactwins.panel.run_controls import RunControls

__all__ = ["PanelContext", "Section", "fillTable", "inScene"]


class PanelContext:
    """The user interface, the values bound to it, and what runs and undoes.

    ui: widgets by name. logic: the console API. worker: the process shared by all sections. requirements:
    file of the Python packages that runs need. title: of the module. jobs: name of the module whose functions
    run in the worker. results: what can be taken back; onChange is called when that changes. parameterNode:
    the wrapped parameter node, None while no scene is open. panelChanged: to be called when something changed
    that the parameter node does not tell.
    """

    def __init__(
        self,
        ui: Any,
        logic: Any,
        worker: WorkerProcess,
        requirements: Path,
        title: str,
        jobs: str,
        onChange: Callable[[], None],
    ) -> None:
        self.ui, self.logic, self.worker, self.requirements = ui, logic, worker, requirements
        self.title, self.jobs = title, jobs
        self.results = ResultStack(on_change=onChange)
        self.parameterNode: Any = None
        self.panelChanged: Callable[[], None] = lambda: None
        self._folders: list[Path] = []

    def controls(self, button: Any, onApply: Callable[[], None]) -> RunControls:
        """Run controls of one Apply button, with the panel's progress bar and worker.

        The Python packages that are not there are offered to be installed when the button is clicked; nothing
        runs without them.
        """

        def apply() -> None:
            if ensure_requirements(self.requirements, self.title):
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
        """Start a function of `jobs`, or "module:function" of another, in a temporary folder, which does not
        outlive it.

        prepare(folder): writes the inputs and returns the arguments. onEnd(): called first, whatever came of
        the job. onDone(folder, result): reads the outputs and shows them. Raises what `prepare` and
        `RunControls.start` raise; nothing has started then.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{self.title}-", dir=_temporaryRoot()))
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
            name = function if ":" in function else f"{self.jobs}:{function}"
            job = Job(folder, name, prepare(folder))
            controls.start(job, done, onProgress, onFailed=ended, onCancelled=ended)
        except BaseException:
            self._drop(folder)
            raise

    def _drop(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if folder in self._folders:
            self._folders.remove(folder)

    def weights(self) -> list[WeightsFile]:
        """The trained networks on this computer."""
        return listed_weights(LIBRARY_WEIGHTS, self.ownWeights())

    def weightsOf(self, kind: str) -> WeightsFile | None:
        """The file of a kind that is used, None without one."""
        return used_weights(self.weights(), kind)

    @staticmethod
    def ownWeights() -> Path:
        """The folder of the networks that the user has added, beside the application's settings."""
        return own_weights_folder() or Path.home() / "CardiacTwins" / "Models"

    def say(self, text: str) -> None:
        """Show one line at the foot of the panel."""
        self.ui.statusLabel.text = text

    def forget(self) -> None:
        """Forget what belonged to a scene that was closed; nothing by default."""

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
        self._toolTips: dict[Any, str] = {}

    @property
    def parameterNode(self) -> Any:
        """The wrapped parameter node; sections are updated only while there is one."""
        return self.context.parameterNode

    def allow(self, button: Any, missing: Iterable[str]) -> None:
        """Enable a button where nothing is missing; where something is, its tooltip lists it, a line each."""
        missing, own = list(missing), self._toolTips.setdefault(button, button.toolTip)
        button.enabled = not missing
        button.toolTip = tool_tip(own, missing)

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


def inScene(node: Any) -> bool:
    """Whether a node is in the scene."""
    return node is not None and bool(slicer.mrmlScene.IsNodePresent(node))


def _temporaryRoot() -> str | None:
    path = getattr(slicer.app, "temporaryPath", None)
    if not isinstance(path, str) or not path:
        return None
    Path(path).mkdir(parents=True, exist_ok=True)
    return path
