"""One patient of the population in the views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from cardiactwins.mrml.image_files import LABEL_MAP_ENDINGS, SEGMENTATION_ENDINGS
from cardiactwins.mrml.undo import ResultStack
from cardiactwins.panel.infarct.sources import segmentationsOf
from cardiactwins.panel.views import show_segmentation

__all__ = ["showCase"]


def showCase(identifier: str, source: Any, results: ResultStack) -> Any:
    """Show the patient of that name; returns the segmentation node that shows it.

    From a folder the file is loaded, and that can be undone. ValueError when there is no such patient.
    """
    if isinstance(source, Path):
        return _showFile(identifier, source, results)
    if hasattr(source, "IsA"):
        return _showItem(identifier, source)
    nodes = segmentationsOf(source)
    if identifier not in nodes:
        raise ValueError(
            _("There is no segmentation '{name}' in the chosen folder of the scene.").format(name=identifier)
        )
    show_segmentation(nodes[identifier], nodes.values())
    return nodes[identifier]


def _showItem(identifier: str, sequence: Any) -> Any:
    browsers = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")
    browser = next((node for node in browsers if node.IsSynchronizedSequenceNode(sequence, True)), None)
    number = sequence.GetItemNumberFromIndexValue(identifier)
    if browser is None or number < 0:
        raise ValueError(
            _("The sequence '{sequence}' has no item '{name}' that a browser shows.").format(
                sequence=sequence.GetName(), name=identifier
            )
        )
    browser.SetSelectedItemNumber(number)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    show_segmentation(proxy)
    return proxy


def _showFile(identifier: str, folder: Path, results: ResultStack) -> Any:
    loaded = slicer.mrmlScene.GetFirstNodeByName(identifier)
    if loaded is not None and loaded.IsA("vtkMRMLSegmentationNode"):
        show_segmentation(loaded, slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
        return loaded
    for ending in (*SEGMENTATION_ENDINGS, *LABEL_MAP_ENDINGS):
        path = folder / f"{identifier}{ending}"
        if path.exists():
            break
    else:
        raise ValueError(
            _("There is no file of '{name}' in {folder}.").format(name=identifier, folder=folder)
        )
    with results.recording(_("Show {name}").format(name=identifier)):
        node = _loaded(path, identifier)
    show_segmentation(node, slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
    return node


def _loaded(path: Path, identifier: str) -> Any:
    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.mrml.lesions import new_heart_segmentation
    from cardiactwins.mrml.population import readers_of

    reader = next(reader for reader in readers_of(path.parent) if reader.name == identifier)
    return new_heart_segmentation(heart_of_case(reader.read()))
