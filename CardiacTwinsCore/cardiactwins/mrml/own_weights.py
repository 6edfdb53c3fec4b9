"""Where the application keeps the networks that a user has added."""

from __future__ import annotations

from pathlib import Path

from cardiactwins.mrml.installation import slicer

__all__ = ["own_weights_folder"]


def own_weights_folder() -> Path | None:
    """The folder of the user's weights, beside the application's settings; None without the application."""
    settings = getattr(getattr(slicer, "app", None), "slicerUserSettingsFilePath", None)
    if not isinstance(settings, str) or not settings:
        return None
    return Path(settings).parent / "CardiacTwins" / "Models"
