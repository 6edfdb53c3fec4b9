"""A run in the worker process as the user sees it: Apply that turns into Cancel, and progress."""

from __future__ import annotations

import logging
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import qt
from slicer.i18n import tr as _

from cardiactwins.compute.job import Job
from cardiactwins.compute.worker_process import WorkerEvent, WorkerProcess
from cardiactwins.panel.launcher import launch_python
from cardiactwins.panel.messages import duration_text, sentence, show_error, tool_tip
from cardiactwins.panel.stepped_work import SteppedWork

__all__ = ["RunControls"]

POLL_MILLISECONDS = 50

_sharing: weakref.WeakKeyDictionary[WorkerProcess, weakref.WeakSet[RunControls]] = weakref.WeakKeyDictionary()
"""The controls that share a worker: while one of them runs, the others cannot start."""


@dataclass(frozen=True)
class _Run:
    """The run in progress: what to call, and when it began (seconds of the monotonic clock)."""

    job: Job
    onDone: Callable[[Mapping[str, Any]], None]
    onProgress: Callable[[WorkerEvent], None] | None
    onFailed: Callable[[WorkerEvent], None] | None
    onCancelled: Callable[[], None] | None
    began: float


class RunControls:
    """Starts jobs from an Apply button, shows how far they are, and stops them.

    applyButton: text, tooltip and whether it is enabled belong to these controls from now on; say what is
    missing with `setMissing`. It turns into Cancel while its own job runs.
    progressBar, statusLabel: shown while a job runs; the label says afterwards what came of it.
    worker: shared by several controls, who then cannot run at the same time; its owner closes it. By default
    these controls have one of their own.
    onApply: called on a click while nothing runs (it calls `start`); its errors are shown. Without it,
    connect the button yourself and call `cancel` when `running`.

    Callbacks are called on the main thread. Nothing here changes the scene: `onDone` does.
    """

    def __init__(
        self,
        applyButton: Any,
        progressBar: Any,
        statusLabel: Any,
        worker: WorkerProcess | None = None,
        onApply: Callable[[], None] | None = None,
    ) -> None:
        self.applyButton, self.progressBar, self.statusLabel = applyButton, progressBar, statusLabel
        self._ownsWorker = worker is None
        self.worker = WorkerProcess(launch=launch_python) if worker is None else worker
        self._onApply = onApply
        self._text, self._toolTip = applyButton.text, applyButton.toolTip
        self._missing: tuple[str, ...] = ()
        self._run: _Run | None = None
        self._steps: SteppedWork | None = None
        self._onStepsCancelled: Callable[[], None] | None = None
        self._cancelling = self._polling = self._closed = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._poll)
        if onApply is not None:
            applyButton.connect("clicked(bool)", self._onClicked)
        _sharing.setdefault(self.worker, weakref.WeakSet()).add(self)
        progressBar.setVisible(False)
        self._refresh()

    @property
    def running(self) -> bool:
        """Whether a job or steps of these controls run, or are being cancelled."""
        return self._run is not None or self._steps is not None

    @property
    def occupied(self) -> bool:
        """Whether anything runs here or on controls that share the worker."""
        return self.worker.busy or any(other.running for other in _sharing.get(self.worker, ()))

    def setMissing(self, missing: Iterable[str]) -> None:
        """What the user still has to give before a run can start, a line each; the tooltip lists it."""
        self._missing = tuple(missing)
        self._refresh()

    def start(
        self,
        job: Job,
        onDone: Callable[[Mapping[str, Any]], None],
        onProgress: Callable[[WorkerEvent], None] | None = None,
        onFailed: Callable[[WorkerEvent], None] | None = None,
        onCancelled: Callable[[], None] | None = None,
    ) -> None:
        """Run the job; exactly one of onDone(result), onFailed(event) and onCancelled() is called at its end.

        onProgress(event) is called for every step. An error in `onDone` is shown. When the job failed, or its
        process ended, this has been shown before `onFailed` is called.
        RuntimeError when a job runs already, here or on the shared worker, or when these controls are closed;
        ValueError and OSError as `WorkerProcess.submit` raises them. Nothing has started then.
        """
        self._checkFree()
        self.worker.submit(job)
        self._run = _Run(job, onDone, onProgress, onFailed, onCancelled, time.monotonic())
        self._cancelling = False
        self.statusLabel.text = _("Starting...")
        self.progressBar.setRange(0, 0)
        self.progressBar.setVisible(True)
        self._timer.start()
        self._refreshAll()

    def runSteps(
        self,
        steps: Iterator[tuple[int, int, str]],
        onDone: Callable[[], None],
        onFailed: Callable[[Exception], None] | None = None,
        onCancelled: Callable[[], None] | None = None,
    ) -> None:
        """Do work that only the main thread can do, such as reading nodes, without freezing the application.

        steps: a generator that does a little (a tenth of a second, say) and yields step, total and message;
        the event loop runs in between. A cancel closes it. Exactly one of the others is called at its end;
        an error is shown before `onFailed(error)`. RuntimeError as of `start`.
        """
        self._checkFree()

        def end(error: Exception | None) -> None:
            self._endSteps()
            if error is None:
                self.statusLabel.text = _("Done.")
                self._call(onDone, _("It failed: {error}"))
                return
            self.statusLabel.text = _("It failed: {error}").format(error=sentence(str(error)))
            show_error(self.statusLabel.text)
            if onFailed is not None:
                onFailed(error)

        self._onStepsCancelled = onCancelled
        self._steps = SteppedWork(steps, self._showStep, end)
        self.statusLabel.text = _("Starting...")
        self.progressBar.setRange(0, 0)
        self.progressBar.setVisible(True)
        self._refreshAll()

    def cancel(self) -> None:
        """Ask the running job to stop; it is ended by force if it does not. Without one, nothing happens."""
        if self._steps is not None:
            self._steps.stop()
            self._endSteps()
            self._cancelled(self._onStepsCancelled)
            return
        if self._run is None or self._cancelling:
            return
        self._cancelling = True
        self.worker.cancel()
        self.statusLabel.text = _("Cancelling...")
        self.progressBar.setRange(0, 0)
        self._refresh()

    def close(self) -> None:
        """Stop a running job without calling anyone; to be called when the panel is taken down."""
        if self._closed:
            return
        self._closed = True
        self._timer.stop()
        # Qt would keep these controls alive through its connections.
        self._timer.disconnect("timeout()", self._poll)
        if self._onApply is not None:
            self.applyButton.disconnect("clicked(bool)", self._onClicked)
        _sharing[self.worker].discard(self)
        if self._steps is not None:
            self._steps.stop()
            self._steps = None
        if self._run is not None:
            self.worker.cancel()
            self._run = None
        if self._ownsWorker:
            self.worker.close()

    def _onClicked(self, _checked: bool = False) -> None:
        if self.running:
            self.cancel()
            return
        try:
            self._onApply()
        except Exception as error:
            show_error(_("The computation could not start: {error}").format(error=error))

    def _checkFree(self) -> None:
        if self._closed:
            raise RuntimeError(_("These controls are closed. Make new ones for a new run."))
        if self.occupied:
            raise RuntimeError(
                _("Another computation is still running. Wait until it is finished, or cancel it first.")
            )

    def _showStep(self, step: int, total: int, message: str) -> None:
        self.progressBar.setRange(0, max(total, 0))
        self.progressBar.setValue(step)
        self.statusLabel.text = message

    def _endSteps(self) -> None:
        self._steps = None
        self.progressBar.setVisible(False)
        self._refreshAll()

    def _call(self, onDone: Callable[[], None], failure: str) -> None:
        """Call what goes on with a result; an error in it is shown."""
        try:
            onDone()
        except Exception as error:
            self.statusLabel.text = failure.format(error=sentence(str(error)))
            show_error(self.statusLabel.text)

    def _cancelled(self, onCancelled: Callable[[], None] | None) -> None:
        self.statusLabel.text = _("Cancelled. Nothing in the scene was changed.")
        if onCancelled is not None:
            onCancelled()

    def _poll(self) -> None:
        # A callback that processes events would poll again while it is at work.
        if self._polling or self._run is None:
            return
        self._polling = True
        end = None
        try:
            for event in self.worker.poll():
                if event.kind == "progress":
                    self._progress(event)
                else:
                    end = event
        except Exception as error:
            self.worker.cancel()
            end = WorkerEvent("failed", self._run.job, error=str(error), traceback=traceback.format_exc())
        finally:
            self._polling = False
        if end is not None and self._run is not None:
            if self._cancelling:
                # Cancelled while steps were shown that came together with the end.
                end = WorkerEvent("cancelled", end.job)
            self._finish(end)

    def _progress(self, event: WorkerEvent) -> None:
        run = self._run
        if run is None or self._cancelling:
            return
        left = "" if event.eta is None else _("about {time} left").format(time=duration_text(event.eta))
        self._showStep(event.step, event.total, " · ".join(filter(None, (event.message, left))))
        if run.onProgress is not None:
            try:
                run.onProgress(event)
            except Exception:
                logging.exception("The progress of '%s' could not be shown.", run.job.function)

    def _finish(self, event: WorkerEvent) -> None:
        run, self._run = self._run, None
        self._timer.stop()
        self._cancelling = False
        self.progressBar.setVisible(False)
        self._refreshAll()
        if event.kind == "done":
            self._done(run, event.result or {})
        elif event.kind == "cancelled":
            self._cancelled(run.onCancelled)
        else:
            self._failed(run, event)

    def _done(self, run: _Run, result: Mapping[str, Any]) -> None:
        seconds = time.monotonic() - run.began
        self.statusLabel.text = _("Done in {time}.").format(time=duration_text(max(seconds, 1)))
        self._call(lambda: run.onDone(result), _("The result could not be shown: {error}"))

    def _failed(self, run: _Run, event: WorkerEvent) -> None:
        if event.kind == "died":
            text = _("{error} Nothing in the scene was changed. The details hold the end of its log.")
            self.statusLabel.text = text.format(error=event.error)
            details = event.log_tail or _("It has printed nothing.")
        else:
            text = _("The computation failed: {error} Nothing in the scene was changed.")
            self.statusLabel.text = text.format(error=sentence(event.error))
            details = event.traceback
        show_error(self.statusLabel.text, details)
        if run.onFailed is not None:
            run.onFailed(event)

    def _refreshAll(self) -> None:
        for controls in list(_sharing.get(self.worker, ())):
            controls._refresh()

    def _refresh(self) -> None:
        """Text, tooltip and enabled state of the button, as things are now."""
        if self._closed:
            return
        button = self.applyButton
        button.text = self._text
        if self.running:
            button.text = _("Cancelling...") if self._cancelling else _("Cancel")
            button.toolTip = _("Stop the computation. Nothing in the scene is changed.")
            button.enabled = not self._cancelling
        elif self.occupied:
            button.toolTip = _("Another computation is running. Wait until it is finished, or cancel it.")
            button.enabled = False
        else:
            button.toolTip = tool_tip(self._toolTip, self._missing)
            button.enabled = not self._missing
