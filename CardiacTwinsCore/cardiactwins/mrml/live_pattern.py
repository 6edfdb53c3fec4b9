"""A pattern on the reference that follows a slider: one node, changed in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.mrml.geometry import image_with_geometry
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.results import new_pattern_volume
from cardiactwins.mrml.segmentations import new_segmentation

__all__ = ["LivePattern"]

INFARCTED = 0.5


class LivePattern:
    """Shows patterns (N,) in [0, 1] of a reference as a volume node, as a segmentation node, or both.

    The nodes are made by the first `show` and changed by the next. A node that was removed from the scene is
    made anew when it is wanted again.
    """

    def __init__(self, anatomy: ReferenceAnatomy, name: str = "Mode of variation") -> None:
        self.anatomy = anatomy
        self.name = name
        self._ids: dict[str, str] = {}

    @property
    def nodes(self) -> list[Any]:
        """The nodes that are in the scene."""
        return [node for key in self._ids if (node := self._node(key)) is not None]

    def show(self, pattern: ArrayLike, volume: bool = True, segmentation: bool = False) -> list[Any]:
        """Show a pattern; returns the nodes that show it. The segmentation holds what is at least 0.5.

        ValueError when the pattern is not one of the reference.
        """
        pattern = np.asarray(pattern, dtype=np.float32)
        if pattern.shape != (self.anatomy.n_voxels,):
            raise ValueError(f"A pattern has {self.anatomy.n_voxels} values here; found {pattern.shape}.")
        shown = []
        if volume:
            shown.append(self._show_volume(pattern))
        if segmentation:
            shown.append(self._show_segmentation(pattern >= INFARCTED))
        return shown

    def _node(self, kind: str) -> Any:
        identifier = self._ids.get(kind)
        return start().scene.GetNodeByID(identifier) if identifier else None

    def _show_volume(self, pattern: np.ndarray) -> Any:
        node = self._node("volume")
        if node is None:
            node = new_pattern_volume(self.name, self.anatomy, pattern, value_range=(0.0, 1.0))
            self._ids["volume"] = node.GetID()
            return node
        scalars = node.GetImageData().GetPointData().GetScalars()
        vtk_to_numpy(scalars)[:] = self.anatomy.to_image(pattern).ravel()
        scalars.Modified()
        node.GetImageData().Modified()
        node.InvokeEvent(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
        return node

    def _show_segmentation(self, lesion: np.ndarray) -> Any:
        node = self._node("segmentation")
        image = self.anatomy.to_image(lesion)
        if node is None:
            masks = {"cavity": self.anatomy.cavity, "myocardium": self.anatomy.mask, "infarct": image}
            node = new_segmentation(f"{self.name}, segmented", self.anatomy.geometry, masks)
            node.GetDisplayNode().SetVisibility2DFill(False)  # the volume is seen through outlines
            self._ids["segmentation"] = node.GetID()
            return node
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(
            image_with_geometry(image, self.anatomy.geometry), node, "infarct", logic.MODE_REPLACE
        )
        return node
