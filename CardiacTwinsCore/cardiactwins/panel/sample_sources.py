"""Sources of samples in the application's Sample Data module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["CATEGORY", "registerSources"]

CATEGORY = "CardiacTwins"


def registerSources(sources: Sequence[Mapping[str, Any]], iconFile: str | Path = "") -> bool:
    """Offer sources in the Sample Data module; False where the application has no such module.

    sources: arguments of `SampleDataLogic.registerCustomSampleDataSource` each; `uris` is wanted of each, ""
    of what is made without one. iconFile: picture on their buttons. What was registered under the same name
    is replaced, so that a module can be reloaded.
    """
    try:
        from SampleData import SampleDataLogic
    except ImportError:
        return False
    for source in sources:
        known = SampleDataLogic.sampleDataSourcesByCategory(CATEGORY)
        known[:] = [other for other in known if other.sampleName != source["sampleName"]]
        SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY, thumbnailFileName=str(iconFile) or None, **source
        )
    return True
