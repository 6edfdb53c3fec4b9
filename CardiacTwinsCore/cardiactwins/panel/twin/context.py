"""What the sections of the TwinEditor panel have in common: the imported heart, its siblings, the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from slicer.i18n import tr as _

from cardiactwins.anatomy.heart_topology import TopologyCheck, topology_checks
from cardiactwins.compute.weights import card_path
from cardiactwins.compute.weights_folder import WeightsFile
from cardiactwins.compute.worker_process import WorkerProcess
from cardiactwins.mrml.segmentations import segment_names
from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
from cardiactwins.mrml.twin_editor import WEIGHTS_KIND, TwinEditorLogic
from cardiactwins.panel.context import PanelContext, inScene
from cardiactwins.panel.twin.edit_estimate import EditEstimates
from cardiactwins.twin.soft_measures import hard_measures
from cardiactwins.twin.targets import unseen_text

__all__ = [
    "HOW_TO_GET",
    "ContentVersion",
    "ImportedHeart",
    "ShownSibling",
    "TwinContext",
    "card_of",
    "content_version",
]

HOW_TO_GET = {
    "torch": _("PyTorch is not installed (it comes with the PyTorch extension)"),
    "monai": _(
        "MONAI is not installed (after PyTorch, in the Python console: "
        "slicer.util.pip_install('monai --no-deps'))"
    ),
    "safetensors": _("safetensors is not installed (Setup and diagnostics installs it)"),
}
"""Package that the model needs -> what to do where it is missing."""


ContentVersion = frozenset[tuple[str, int]]
"""Id of each segment, and when its voxels changed."""


@dataclass(frozen=True, eq=False)
class ImportedHeart:
    """A heart that was imported in this session.

    case: the twin with its edits. sources: name of the segment of each tissue. version: of the segmentation
    when it was read (`content_version`). checks: of the twin. earlier: an import of the same segmentation
    that was edited, None without one.
    """

    case: TwinCase
    sources: dict[Any, str]
    version: ContentVersion
    checks: tuple[TopologyCheck, ...]
    earlier: ImportedHeart | None = None

    @classmethod
    def of(cls, case: TwinCase, sources: dict[Any, str], version: ContentVersion) -> ImportedHeart:
        return cls(case, sources, version, topology_checks(case.twin.labels))

    def stale(self, node: Any) -> bool:
        """Whether the segmentation was painted in, or has other segments, since."""
        return content_version(node) != self.version


@dataclass(frozen=True, eq=False)
class ShownSibling:
    """A sibling of this session: its nodes, the case that it was made from, and its painted region."""

    nodes: SiblingNodes
    case: TwinCase
    region: NDArray[np.bool_] | None = None

    @property
    def name(self) -> str:
        """Of its segmentation."""
        return self.nodes.segmentation.GetName()


class TwinContext(PanelContext):
    """What the sections share.

    imported: hearts of this session by the id of their segmentation. selected: number of the sibling in
    `siblings` that the tables tell of, None without one. estimates: what trials on this computer took.
    """

    def __init__(
        self,
        ui: Any,
        logic: TwinEditorLogic,
        worker: WorkerProcess,
        requirements: Path,
        onChange: Callable[[], None],
    ) -> None:
        super().__init__(
            ui, logic, worker, requirements, "TwinEditor", "cardiactwins.twin.sibling_jobs", onChange
        )
        self.estimates = EditEstimates()
        self.imported: dict[str, ImportedHeart] = {}
        self._siblings: list[ShownSibling] = []
        self.selected: int | None = None
        self._measured: list[tuple[NDArray[np.uint8], dict[str, float]]] = []

    def heart(self) -> ImportedHeart | None:
        """The chosen segmentation as it was imported; None before that."""
        node = None if self.parameterNode is None else self.parameterNode.segmentation
        return None if node is None else self.imported.get(node.GetID())

    def case(self) -> TwinCase | None:
        """The heart that edits start from."""
        heart = self.heart()
        return None if heart is None else heart.case

    def setCase(self, case: TwinCase) -> None:
        """Go on with more or fewer edits of the chosen heart."""
        key = self.parameterNode.segmentation.GetID()
        self.imported[key] = replace(self.imported[key], case=case)

    def addHeart(self, key: str, heart: ImportedHeart) -> None:
        """Edit a heart from now on; one of the same segmentation that was edited is kept for `back`."""
        before = self.imported.get(key)
        if before is not None:
            before = before if len(before.case.edits) else before.earlier
        self.imported[key] = replace(heart, earlier=before)

    def back(self) -> None:
        """Take the latest edit of the chosen heart back; where there is none, its latest import."""
        heart = self.heart()
        if len(heart.case.edits) or heart.earlier is None:
            self.setCase(heart.case.undone())
        else:
            self.imported[self.parameterNode.segmentation.GetID()] = heart.earlier

    @property
    def siblings(self) -> list[ShownSibling]:
        """The siblings of this session that are still in the scene."""
        return [one for one in self._siblings if inScene(one.nodes.segmentation)]

    def addSiblings(self, shown: list[ShownSibling]) -> None:
        """Add siblings to the list and select the first of them."""
        self._siblings = [*self.siblings, *shown]
        self.selected = len(self._siblings) - len(shown)

    def sibling(self) -> ShownSibling | None:
        """The selected sibling."""
        siblings = self.siblings
        if self.selected is None or not siblings:
            return None
        return siblings[min(self.selected, len(siblings) - 1)]

    def obstacle(self) -> str:
        """Why the model cannot be used here; "" when it can."""
        absent = [text for name, text in HOW_TO_GET.items() if find_spec(name) is None]
        if absent:
            return "; ".join(absent)
        if self.weightsOf(WEIGHTS_KIND) is None:
            return _("there are no weights of the model on this computer (see Models)")
        return ""

    def unseen(self, labels: NDArray[np.uint8]) -> str:
        """What of a heart lies outside what the model in use has seen; see `unseen_text`."""
        file = self.weightsOf(WEIGHTS_KIND)
        ranges = None if file is None else card_of(file).get("ranges")
        if ranges is None:
            return ""
        known = [measures for heart, measures in self._measured if heart is labels]
        measures = known[0] if known else hard_measures(labels)
        if not known:
            self._measured = [*self._measured[-1:], (labels, measures)]  # the twin and the heart after edits
        return unseen_text(measures, ranges)

    def modelArguments(self) -> dict[str, Any]:
        """What a job needs to read the model."""
        return {
            "weights": str(self.weightsOf(WEIGHTS_KIND).path),
            "loader": self.logic.loader,
        }

    def place(self) -> str:
        """Weights and device, which an estimate holds for; "" where the model cannot be used."""
        if self.obstacle():
            return ""
        return f"{self.modelArguments()['weights']} {self.parameterNode.device}"

    def forget(self) -> None:
        """Forget the hearts of a scene that was closed."""
        self.imported, self._siblings, self.selected, self._measured = {}, [], None, []


def card_of(file: WeightsFile) -> dict[str, Any]:
    """The card of weights, empty where it cannot be read."""
    try:
        return json.loads(card_path(file.path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def content_version(node: Any) -> ContentVersion:
    """What differs when segments or their voxels change, but not when the segmentation is shown in 3D."""
    segmentation = node.GetSegmentation()
    parts = {
        key: segmentation.GetSegment(key).GetRepresentation("Binary labelmap") for key in segment_names(node)
    }
    return frozenset((key, 0 if part is None else part.GetMTime()) for key, part in parts.items())
