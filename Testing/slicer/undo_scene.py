"""What is in a scene, and results of every kind to be taken back from it."""

import numpy as np
import slicer
import slicer.util
from vtkmodules.vtkCommonCore import vtkIdList

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.sequences import new_sequence
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.volumes import new_label_volume, new_volume

GRID = ImageGeometry.from_spacing((6, 30, 28))
MASK = np.zeros(GRID.shape, dtype=bool)
MASK[2:4, 5:20, 5:20] = True


def hierarchy_items(scene):
    node = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtkIdList()
    node.GetItemChildren(node.GetSceneItemID(), items, True)
    return [node.GetItemName(items.GetId(index)) for index in range(items.GetNumberOfIds())]


def state(scene):
    """What is in the scene: node ids and subject hierarchy items, in order."""
    return [node.GetID() for node in scene.GetNodes()], hierarchy_items(scene)


def add_everything(scene):
    """Nodes of every kind that results are made of; returns the segmentation."""
    segmentation = new_segmentation("heart", GRID, {"myocardium": MASK, "infarct": MASK})
    new_volume("pattern", MASK.astype(float), GRID, color="Viridis")
    new_label_volume("labels", MASK.astype(np.uint8), GRID, {1: "infarct"})
    table = new_table("history", {"generation": [1, 2], "loss": [2.0, 1.0]})
    new_plot("loss", table, "generation", ["loss"])
    copy = slicer.vtkMRMLSegmentationNode()
    copy.Copy(segmentation)
    new_sequence("cohort", [("1", copy)])
    text = scene.AddNewNodeByClass("vtkMRMLTextNode", "settings")
    text.SetHideFromEditors(True)
    text.AddDefaultStorageNode()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    outer = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "results")
    inner = hierarchy.CreateFolderItem(outer, "run 1")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(segmentation), inner)
    return segmentation
