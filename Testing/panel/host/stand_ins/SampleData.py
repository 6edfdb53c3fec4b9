"""Stands for the Sample Data module: what modules register, downloaded, verified and loaded."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import slicer
import vtk

__all__ = ["SampleDataLogic", "SampleDataSource"]


class SampleDataSource:
    """One data set: a file or several, whose addresses, names and so on are lists of one length.

    A single address makes lists of one of all. As in the application, there must be an address, if only an
    empty one.
    """

    OF_A_FILE = ("uris", "fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes")

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        *,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileProperties=None,
        **of_a_file,
    ):
        unknown = set(of_a_file) - set(self.OF_A_FILE)
        if unknown:
            raise TypeError(f"A data set has no {sorted(unknown)}")
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        uris = of_a_file.get("uris")
        for name in self.OF_A_FILE:
            value = of_a_file.get(name)
            if isinstance(uris, str):
                value = [value]
            elif value is None:
                value = [None] * len(uris)
            if len(value) != (1 if isinstance(uris, str) else len(uris)):
                raise ValueError("All fields of sample data source must have the same length")
            setattr(self, name, value)

    def __eq__(self, other):
        return vars(self) == vars(other)

    __hash__ = None


class SampleDataLogic:
    """What is registered, by category."""

    @staticmethod
    def registerCustomSampleDataSource(category="Custom", sampleName=None, **source):
        """Add a data set; one that the category has already is not added again."""
        known = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        added = SampleDataSource(sampleName, **source)
        if added not in known:
            known.append(added)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        """The data sets of a category, or {category: data sets}."""
        if "sampleDataSources" not in vars(slicer.modules):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def downloadFromSource(self, source):
        """Paths of the files that were downloaded, verified and loaded."""
        files = zip(source.uris, source.fileNames, source.checksums, source.loadFileTypes, strict=True)
        return [path for file in files if (path := self._loaded(*file)) is not None]

    def _loaded(self, uri, name, checksum, kind):
        path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory(), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            urllib.request.urlretrieve(uri, path)
        except (OSError, urllib.error.URLError):
            return None
        if checksum and f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}" != checksum:
            path.unlink()
            return None
        nodes = vtk.vtkCollection()
        slicer.app.coreIOManager().loadNodes(kind, {"fileName": str(path)}, nodes)
        return str(path)
