"""What the card of the model in use says, and where to train another."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from cardiactwins.compute.weights_folder import WeightsFile
from cardiactwins.mrml.twin_editor import WEIGHTS_KIND
from cardiactwins.panel.context import Section
from cardiactwins.panel.twin.context import card_of

__all__ = ["ModelCard", "card_lines"]

TOLD = ("data", "training", "licence", "sha256")
"""What of a card is told first, where it has it."""
NOT_TOLD = ("format", "kind", "file", "bytes", "autoencoder", "denoiser", "ranges")


class ModelCard(Section):
    """A label below the list of weights."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._shown: Any = None

    def update(self) -> None:
        """Tell of the weights in use, when they are others."""
        file = self.context.weightsOf(WEIGHTS_KIND)
        obstacle = self.context.obstacle()
        shown = (file, obstacle)
        if shown == self._shown:
            return
        self._shown = shown
        lines = [] if file is None else card_lines(file)
        if obstacle:
            lines.append(_("The model cannot be used: {reason}.").format(reason=obstacle))
        lines.append(
            _(
                "To train a model on hearts of your own (two hours on two processor cores): "
                "cardiactwins twin train --data FOLDER --out FOLDER. See Docs/twin-model.md."
            )
        )
        self.ui.cardLabel.text = "\n".join(lines)


def card_lines(file: WeightsFile) -> list[str]:
    """The card of weights, a line each, without what only programs read."""
    card = card_of(file)
    names = [name for name in TOLD if name in card]
    names += [name for name in card if name not in (*TOLD, *NOT_TOLD)]
    return [f"{name}: {_plain(card[name])}" for name in names if card[name] not in (None, "", {}, [])]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
