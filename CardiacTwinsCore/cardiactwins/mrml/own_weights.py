"""Where the trained networks lie: those that come with the library, and those that a user has added."""

from __future__ import annotations

from pathlib import Path

import cardiactwins
from cardiactwins.compute.weights_folder import listed_weights, used_weights
from cardiactwins.mrml.installation import slicer

__all__ = ["LIBRARY_WEIGHTS", "network_file", "own_weights_folder"]

LIBRARY_WEIGHTS = Path(cardiactwins.__file__).parent / "Resources" / "Models"


def own_weights_folder() -> Path | None:
    """The folder of the user's weights, beside the application's settings; None without the application."""
    settings = getattr(getattr(slicer, "app", None), "slicerUserSettingsFilePath", None)
    if not isinstance(settings, str) or not settings:
        return None
    return Path(settings).parent / "CardiacTwins" / "Models"


def network_file(kind: str, chosen: str | Path | None = None) -> Path | None:
    """The file of a network: the chosen one, or else the user's before the library's; None without any.

    FileNotFoundError for a chosen file that is not there.
    """
    if chosen is not None:
        if not Path(chosen).is_file():
            raise FileNotFoundError(f"There are no weights {chosen}.")
        return Path(chosen)
    used = used_weights(listed_weights(LIBRARY_WEIGHTS, own_weights_folder()), kind)
    return None if used is None else used.path
