"""Hearts with an infarct, real or drawn from a model, as segmentation nodes."""

from __future__ import annotations

from typing import Any

from cardiactwins.infarct.hearts import InfarctedHeart
from cardiactwins.mrml.segmentations import new_segmentation

__all__ = ["new_heart_segmentation"]


def new_heart_segmentation(heart: InfarctedHeart, scene: Any = None) -> Any:
    """A segmentation node in the scene with segments of the standard names, colours and terminology."""
    return new_segmentation(heart.identifier, heart.geometry, heart.masks, scene)
