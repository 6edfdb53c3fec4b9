"""A first surface in the 3D view while the network still works on the result."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.pose import Pose
from cardiactwins.mrml.lma_models import new_wall_model

__all__ = ["ModelPreview"]

COLOR = (0.7, 0.7, 0.75)
OPACITY = 0.5


class ModelPreview:
    """A model node that is offered nowhere and not saved; `remove` takes it away."""

    def __init__(self, found: HeartReconstruction, pose: Pose) -> None:
        self.node: Any = new_wall_model(_("Preview"), found, pose)
        display = self.node.GetDisplayNode()
        display.SetColor(*COLOR)
        display.SetOpacity(OPACITY)
        for node in (self.node, display):
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)

    def remove(self) -> None:
        """Take the surface out of the scene, if it is still there."""
        for node in (self.node.GetDisplayNode(), self.node):
            if node is not None and slicer.mrmlScene.IsNodePresent(node):
                slicer.mrmlScene.RemoveNode(node)
