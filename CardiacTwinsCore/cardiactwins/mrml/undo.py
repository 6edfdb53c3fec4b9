"""Taking back what a run has put into the scene: a stack of results, not the scene's own undo."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_OBJECT

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.result_record import ResultRecord

__all__ = ["ResultStack"]


class ResultStack:
    """Results that were put into a scene, each to be taken back as a whole, the last one first.

    scene: that of the process by default. depth: number of results that are remembered; a result that changed
    nodes keeps copies of them. on_change: called when `titles` has changed. The stack is emptied when the
    scene closes; a node that the user deletes is left out of its result. Call `close` before the scene is
    dropped.
    """

    def __init__(
        self, scene: Any = None, depth: int = 20, on_change: Callable[[], None] | None = None
    ) -> None:
        if depth < 1:
            raise ValueError(f"The depth of the undo stack is at least 1; found {depth}.")
        self._scene = start().scene if scene is None else scene
        self._depth = depth
        self._on_change = on_change
        self._records: list[ResultRecord] = []
        self._open: ResultRecord | None = None
        self._stop = weakref.finalize(self, _stop_observing, self._scene, _observe(self._scene, self))

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles of the results that can be taken back, the last one at the end."""
        return tuple(record.title for record in self._records)

    @contextmanager
    def recording(self, title: str) -> Iterator[ResultRecord]:
        """Everything that the block adds to the scene is one result; `change` a node before changing it.

        An exception inside takes everything back and goes on. A block that leaves nothing to take back adds
        no result. Nodes that were there before must not be removed in the block: they would not come back.
        RuntimeError inside another recording.
        """
        if self._open is not None:
            raise RuntimeError(f"'{title}' cannot be recorded while '{self._open.title}' is.")
        record = self._open = ResultRecord(title, self._scene)
        try:
            yield record
        except BaseException:
            if self._open is record:
                record.finish()
                record.take_back()
            raise
        else:
            if self._open is record:
                record.finish()
                self._push(record)
        finally:
            self._open = None

    def undo(self) -> str:
        """Take the last result back and return its title.

        ValueError when there is none, RuntimeError inside a recording.
        """
        if self._open is not None:
            raise RuntimeError(f"Nothing can be undone while '{self._open.title}' is recorded.")
        if not self._records:
            raise ValueError("There is no result to undo.")
        record = self._records.pop()
        record.take_back()
        self._changed()
        return record.title

    def clear(self) -> None:
        """Forget all results; the scene stays as it is."""
        self._open = None
        if self._records:
            self._records.clear()
            self._changed()

    def close(self) -> None:
        """Forget all results and stop observing the scene."""
        self.clear()
        self._stop()

    def _push(self, record: ResultRecord) -> None:
        if not record.spent:
            self._records = [*self._records, record][-self._depth :]
            self._changed()

    def _on_removed(self, node_id: str) -> None:
        for record in (*self._records, *([self._open] if self._open else [])):
            record.forget(node_id)
        alive = [record for record in self._records if not record.spent]
        if len(alive) < len(self._records):
            self._records = alive
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()


def _observe(scene: Any, stack: ResultStack) -> list[int]:
    """Tags of the observers that tell the stack of removed nodes; they do not keep it alive."""
    reference = weakref.ref(stack)

    @calldata_type(VTK_OBJECT)
    def on_removed(caller: Any, event: str, node: Any) -> None:
        if (alive := reference()) is not None and node.GetID() is not None:
            alive._on_removed(node.GetID())

    def on_close(caller: Any, event: str) -> None:
        if (alive := reference()) is not None:
            alive.clear()

    return [
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, on_removed),
        scene.AddObserver(slicer.vtkMRMLScene.StartCloseEvent, on_close),
    ]


def _stop_observing(scene: Any, tags: list[int]) -> None:
    for tag in tags:
        scene.RemoveObserver(tag)
