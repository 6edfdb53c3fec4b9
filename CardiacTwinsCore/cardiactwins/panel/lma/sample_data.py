"""A heart to try the module with: in the application's Sample Data module, and in the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

from cardiactwins.panel.sample_sources import registerSources

__all__ = ["SAMPLE", "addSample", "register"]

SAMPLE = "LBBBPhantom"


def register(iconFile: str | Path = "") -> bool:
    """Offer the phantom heart in the Sample Data module; False where the application has no such module.

    iconFile: picture on its button.
    """
    source = {"sampleName": SAMPLE, "uris": "", "customDownloader": _onSample}
    return registerSources([source], iconFile)


def addSample(seed: int = 0) -> Any:
    """A `SampleHeart` in the scene: outlined slices, insertion points, DENSE images of four slices."""
    from cardiactwins.mrml.lma_sample import new_sample_heart

    return new_sample_heart(seed, name=slicer.mrmlScene.GenerateUniqueName(_("LBBB phantom")))


def _onSample(_source: Any) -> list[Any]:
    with slicer.util.tryWithErrorDisplay(_("The phantom heart cannot be made."), waitCursor=True):
        sample = addSample()
        return [sample.segmentation, sample.insertion]
    return []
