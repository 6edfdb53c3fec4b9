"""How a scanner has stored its phase images: what is typed into section 2, and what the values tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from cardiactwins.mrml.dense_values import GUESS
from cardiactwins.mrml.lma_dense import sequence_times, stored_range_of

__all__ = ["ScannerValues"]

PHASES = ("phaseX", "phaseY", "phaseZ")


class ScannerValues:
    """What `dense_slice` is told of all slices, by a wrapped parameter node."""

    def __init__(self) -> None:
        self._guesses: dict[tuple, tuple[float, float] | ValueError | None] = {}

    @staticmethod
    def typedRange(node: Any) -> tuple[float, float] | None:
        """The stored values of -pi and pi that were typed, None where nothing was.

        ValueError when that is not two rising numbers.
        """
        parts = node.storedRange.replace(",", " ").split()
        if not parts:
            return None
        try:
            low, high = (float(part) for part in parts)
        except ValueError:
            low = high = 0.0
        if not low < high:
            raise ValueError(_("'Stored values' are two rising numbers, such as 0 4096 or -4096 4096"))
        return low, high

    def arguments(self, node: Any) -> dict[str, Any]:
        """Arguments of `dense_slice`; ValueError as of `typedRange`."""
        return {
            "stored_range": self.typedRange(node) or GUESS,
            "signs": tuple(-1 if reverse else 1 for reverse in (node.reverseX, node.reverseY, node.reverseZ)),
            "frame_interval": node.frameInterval or None,
        }

    def guess(self, nodes: Mapping[str, Any]) -> tuple[float, float] | None:
        """What the values of a slice (role -> sequence) tell; None for phase in rad, and while the myocardium
        is not chosen.

        ValueError as of `stored_range_of`.
        """
        roles = [role for role in (*PHASES, "mask") if nodes.get(role) is not None]
        if "mask" not in roles or len(roles) == 1:
            return None
        sequences = [nodes[role] for role in roles]
        key = tuple((sequence.GetID(), sequence.GetMTime()) for sequence in sequences)
        if key not in self._guesses:
            try:
                found: tuple[float, float] | ValueError | None = stored_range_of(
                    sequences[:-1], sequences[-1]
                )
            except ValueError as error:
                found = error
            self._guesses = {key: found}
        if isinstance(self._guesses[key], ValueError):
            raise self._guesses[key]
        return self._guesses[key]

    @staticmethod
    def timesUnknown(nodes: Mapping[str, Any]) -> bool:
        """Whether a slice's sequence tells no times."""
        return sequence_times(nodes["phaseX"]) is None
