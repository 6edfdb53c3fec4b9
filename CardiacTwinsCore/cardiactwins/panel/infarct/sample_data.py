"""Patients to try the module with, in the application's Sample Data module: phantoms, made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

__all__ = ["PHANTOMS", "addPhantoms", "phantomSteps", "register"]

PHANTOMS = 12
SEED = 2024
CATEGORY = "CardiacTwins"


def register(iconFile: str | Path = "") -> bool:
    """Offer the phantom patients in the Sample Data module; False where the application has none."""
    if not hasattr(slicer.modules, "sampledata"):
        return False
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName="InfarctPhantoms",
        thumbnailFileName=str(iconFile) or None,
        customDownloader=lambda _source: addPhantoms(),
    )
    return True


def addPhantoms(count: int = PHANTOMS, seed: int = SEED) -> list[Any]:
    """Segmentation nodes of phantom patients with an infarct, in a folder of the subject hierarchy."""
    nodes: list[Any] = []
    for step, total, message in phantomSteps(nodes, count, seed):
        slicer.util.showStatusMessage(f"{message} ({step}/{total})")
        slicer.app.processEvents()
    return nodes


def phantomSteps(nodes: list[Any], count: int = PHANTOMS, seed: int = SEED) -> Iterator[tuple[int, int, str]]:
    """The same, a patient a step, into `nodes`; yields step, total and message."""
    import numpy as np

    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.infarct.phantom_cases import phantom_cases
    from cardiactwins.mrml.lesions import new_heart_segmentation

    rng = np.random.default_rng(seed)
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), _("Phantom patients"))
    for number in range(count):
        yield number, count, _("Making phantom patient {number}").format(number=number + 1)
        case = phantom_cases(1, rng)[0]
        heart = heart_of_case(case, identifier=_("Phantom {number:02d}").format(number=number + 1))
        node = new_heart_segmentation(heart)
        node.GetDisplayNode().SetVisibility(number == 0)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
        nodes.append(node)
    yield count, count, _("{count} phantom patients").format(count=count)
