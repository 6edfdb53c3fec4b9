"""Nodes that a result changed get back what they were."""

import numpy as np
import slicer
import slicer.util
from undo_scene import GRID, MASK, hierarchy_items

from cardiactwins.mrml.segmentations import add_segment, new_segmentation, segment_array, segment_names
from cardiactwins.mrml.tables import columns_of_table, new_table
from cardiactwins.mrml.volumes import new_volume


def test_a_changed_segmentation_gets_its_voxels_segments_and_display_back(scene, stack):
    node = new_segmentation("heart", GRID, {"myocardium": MASK})
    node.GetDisplayNode().SetSegmentOpacity3D("myocardium", 0.25)
    with stack.recording("Paint") as record:
        record.change(node)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.zeros(GRID.shape, np.uint8), node, "myocardium", new_volume("grid", MASK.astype(float), GRID)
        )
        add_segment(node, "infarct", MASK, GRID)
        node.GetSegmentation().GetSegment("myocardium").SetName("renamed")
        node.GetDisplayNode().SetSegmentOpacity3D("myocardium", 0.75)
        node.SetName("painted")
    assert not segment_array(node, "myocardium").any()
    stack.undo()
    assert segment_names(node) == {"myocardium": "LV myocardium"}
    assert (segment_array(node, "myocardium") == MASK).all()
    assert node.GetDisplayNode().GetSegmentOpacity3D("myocardium") == 0.25
    assert node.GetName() == "heart"
    assert scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode") is None


def test_a_changed_table_and_a_volume_changed_in_place_get_their_values_back(stack):
    table = new_table("cases", {"size": [1.0, 2.0], "name": ["a", "b"]}, units={"size": "mL"})
    volume = new_volume("image", MASK.astype(float), GRID)
    with stack.recording("Change") as record:
        record.change(table)
        record.change(volume)
        table.GetTable().GetColumn(0).SetValue(1, 99.0)
        table.RemoveColumn(1)
        slicer.util.arrayFromVolume(volume)[:] = 7.0
        volume.SetSpacing(9, 9, 9)
    stack.undo()
    columns = columns_of_table(table)
    assert list(columns) == ["size", "name"]
    assert columns["size"].tolist() == [1.0, 2.0]
    assert table.GetColumnUnitLabel("size") == "mL"
    assert (slicer.util.arrayFromVolume(volume) == MASK).all()
    assert volume.GetSpacing() == (1.0, 1.0, 1.0)


def test_attributes_references_and_place_of_a_changed_node_come_back(scene, stack):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    table, source, other = (new_table(name, {"size": [1.0]}) for name in ("cases", "source", "other"))
    table.SetAttribute("CardiacTwins.Seed", "1")
    table.SetNodeReferenceID("source", source.GetID())
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "mine")
    item = hierarchy.GetItemByDataNode(table)
    hierarchy.SetItemParent(item, folder)
    with stack.recording("Change") as record:
        record.change(table)
        table.SetAttribute("CardiacTwins.Seed", "2")
        table.SetAttribute("CardiacTwins.Model", "elliptical")
        table.SetNodeReferenceID("source", other.GetID())
        table.AddNodeReferenceID("second", other.GetID())
        hierarchy.SetItemParent(item, hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "results"))
    stack.undo()
    assert (table.GetAttribute("CardiacTwins.Seed"), table.GetAttribute("CardiacTwins.Model")) == ("1", None)
    assert table.GetNodeReference("source") is source
    assert table.GetNumberOfNodeReferences("second") == 0
    assert hierarchy.GetItemParent(item) == folder
    assert "results" not in hierarchy_items(scene)
    scene.RemoveNode(source)
    assert table.GetNodeReferenceID("source") is None


def test_a_reference_to_a_node_that_has_gone_since_is_not_restored(scene, stack):
    table, source = (new_table(name, {"size": [1.0]}) for name in ("cases", "source"))
    table.SetNodeReferenceID("source", source.GetID())
    with stack.recording("Change") as record:
        record.change(table)
        table.SetAttribute("CardiacTwins.Seed", "2")
    scene.RemoveNode(source)
    stack.undo()
    assert table.GetNodeReferenceID("source") is None


def test_what_a_node_was_before_its_first_change_comes_back(stack):
    table = new_table("cases", {"size": [1.0]})
    with stack.recording("Change") as record:
        record.change(table)
        table.SetName("once")
        record.change(table)
        table.SetName("twice")
        added = new_table("added", {"size": [1.0]})
        record.change(added)
    stack.undo()
    assert table.GetName() == "cases"
