"""Work that only the main thread can do, cut into steps, so that the application stays alive in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import qt

__all__ = ["SteppedWork"]

Step = tuple[int, int, str]


class SteppedWork:
    """Runs a generator, one step whenever the event loop is free, until it ends, fails or is stopped.

    steps: does a little (a tenth of a second, say) and yields step, total and message.
    onStep(step, total, message) is called after each. onEnd(error) is called once, unless `stop` came first:
    error is None when all steps are done.
    """

    def __init__(
        self,
        steps: Iterator[Step],
        onStep: Callable[[int, int, str], None],
        onEnd: Callable[[Exception | None], None],
    ) -> None:
        self._steps: Iterator[Step] | None = steps
        self._onStep, self._onEnd = onStep, onEnd
        self._stepping = False
        qt.QTimer.singleShot(0, self._next)

    def stop(self) -> None:
        """Close the generator, at once or, when a step that lets events pass is at work, right after it."""
        steps, self._steps = self._steps, None
        if steps is not None and not self._stepping:
            steps.close()

    def _next(self) -> None:
        steps = self._steps
        if steps is None:
            return
        self._stepping = True
        try:
            state = next(steps)
        except StopIteration:
            self._end(None)
        except Exception as error:
            self._end(error)
        else:
            self._stepping = False
            if self._steps is None:
                steps.close()
                return
            self._onStep(*state)
            qt.QTimer.singleShot(0, self._next)
        finally:
            self._stepping = False

    def _end(self, error: Exception | None) -> None:
        if self._steps is not None:
            self._steps = None
            self._onEnd(error)
