"""Stands for the Sample Data module: it keeps what modules register, and makes what needs no download."""

from dataclasses import dataclass, field
from typing import Any

import slicer

__all__ = ["SampleDataLogic", "SampleDataSource"]


@dataclass
class SampleDataSource:
    """One data set of the module."""

    sampleName: str | None = None
    sampleDescription: str | None = None
    uris: Any = None
    fileNames: Any = None
    nodeNames: Any = None
    checksums: Any = None
    loadFiles: Any = None
    customDownloader: Any = None
    thumbnailFileName: str | None = None
    loadFileTypes: Any = None
    loadFileProperties: dict = field(default_factory=dict)


class SampleDataLogic:
    """What is registered, by category."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", sampleName=None, **source):
        """Add a data set; one of a name that the category has already is not added again."""
        known = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        if all(other.sampleName != sampleName for other in known):
            known.append(SampleDataSource(sampleName=sampleName, **source))

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        """The data sets of a category, or {category: data sets}."""
        if "sampleDataSources" not in vars(slicer.modules):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def downloadFromSource(self, source):
        """What the data set's own function makes; raises RuntimeError for one that must be downloaded."""
        if source.customDownloader is None:
            raise RuntimeError(f"'{source.sampleName}' would be downloaded from {source.uris}")
        return source.customDownloader(source)
