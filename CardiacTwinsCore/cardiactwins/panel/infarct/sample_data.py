"""Patients to try the module with, in the application's Sample Data module.

Phantoms are made on the spot, offline. Files of a release are downloaded with their checksums;
`sample_downloads.json` beside this file lists them, and nothing else does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from cardiactwins.panel.sample_sources import registerSources

__all__ = ["DOWNLOADS", "PHANTOMS", "addPhantoms", "downloadsOf", "phantomSteps", "register"]

DOWNLOADS = Path(__file__).with_name("sample_downloads.json")
PHANTOMS = 12
SEED = 2024


def register(iconFile: str | Path = "", downloads: str | Path = DOWNLOADS) -> bool:
    """Offer the phantom patients and the files of a list in the Sample Data module.

    iconFile: picture on their buttons. False where the application has no such module; ValueError when the
    list is damaged.
    """
    phantoms = {"sampleName": "InfarctPhantoms", "uris": "", "customDownloader": _onPhantoms}
    return registerSources([phantoms, *downloadsOf(downloads)], iconFile)


def downloadsOf(path: str | Path) -> list[dict[str, Any]]:
    """Arguments of `SampleDataLogic.registerCustomSampleDataSource` for each file of a list.

    The list is a JSON object with "address", below which a release is a folder, and "files" with "name",
    "release", "file" and "sha256" each. ValueError when one has no checksum, or is no scene.
    """
    listed = json.loads(Path(path).read_text(encoding="utf-8"))
    return [_source(listed["address"], file) for file in listed["files"]]


def _source(address: str, file: Mapping[str, str]) -> dict[str, Any]:
    if not re.fullmatch("[0-9a-f]{64}", file["sha256"]):
        raise ValueError(
            f"'{file['file']}' is listed with the checksum '{file['sha256']}'; give the 64 hexadecimal "
            "digits that sha256sum prints for the released file."
        )
    if not file["file"].endswith(".mrb"):
        raise ValueError(f"'{file['file']}' is no scene; release the patients as one .mrb file.")
    return {
        "sampleName": file["name"],
        "uris": f"{address}/{file['release']}/{file['file']}",
        "fileNames": file["file"],
        "checksums": f"SHA256:{file['sha256']}",
        "loadFileTypes": "SceneFile",
        "loadFiles": True,
    }


def _onPhantoms(_source: Any) -> list[Any]:
    with slicer.util.tryWithErrorDisplay(_("The phantom patients cannot be made."), waitCursor=True):
        return addPhantoms()
    return []


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
    name = hierarchy.GenerateUniqueItemName(_("Phantom patients"))  # the panel finds folders by name
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
    for number in range(count):
        yield number, count, _("Making phantom patient {number}").format(number=number + 1)
        case = phantom_cases(1, rng)[0]
        heart = heart_of_case(case, identifier=_("Phantom {number:02d}").format(number=number + 1))
        node = new_heart_segmentation(heart)
        node.GetDisplayNode().SetVisibility(number == 0)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
        nodes.append(node)
    yield count, count, _("{count} phantom patients").format(count=count)
