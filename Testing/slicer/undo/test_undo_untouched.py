"""What the user and the application have done to the scene meanwhile is not touched."""

import numpy as np
import pytest
import slicer
import slicer.util
from undo_scene import GRID, MASK, add_everything, state

from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.volumes import new_label_volume, new_volume


def test_nodes_that_the_user_has_deleted_do_not_disturb_an_undo(scene, stack):
    own = new_table("the user's own", {"size": [1.0]})
    before = state(scene)[0]
    with stack.recording("Generate") as record:
        record.change(own)
        segmentation = add_everything(scene)
    scene.RemoveNode(segmentation.GetDisplayNode())
    scene.RemoveNode(segmentation)
    scene.RemoveNode(own)
    assert stack.undo() == "Generate"
    assert state(scene)[0] == [key for key in before if key != "vtkMRMLTableNode1"]


def test_a_result_of_which_nothing_is_left_is_forgotten(scene, stack):
    with stack.recording("first"):
        new_table("one", {"size": [1.0]})
    with stack.recording("second"):
        table = new_table("two", {"size": [1.0]})
    scene.RemoveNode(table)
    assert stack.titles == ("first",)
    with stack.recording("nothing"):
        pass
    assert stack.titles == ("first",)


def test_a_folder_into_which_the_user_has_put_something_stays(scene, stack):
    own = new_table("the user's own", {"size": [1.0]})
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    with stack.recording("Generate"):
        add_everything(scene)
    folder = hierarchy.GetItemByName("results")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(own), folder)
    stack.undo()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(own)) == folder
    assert hierarchy.GetItemByName("run 1") == 0


def test_a_colour_table_that_the_users_node_has_come_to_use_stays(scene, stack):
    own = new_label_volume("the user's own", MASK.astype(np.uint8), GRID)
    with stack.recording("Generate"):
        labels = new_label_volume("labels", MASK.astype(np.uint8), GRID, {1: "infarct"})
    color_id = labels.GetDisplayNode().GetColorNodeID()
    own.GetDisplayNode().SetAndObserveColorNodeID(color_id)
    stack.undo()
    assert scene.GetFirstNodeByName("labels") is None
    assert own.GetDisplayNode().GetColorNode() is scene.GetNodeByID(color_id) is not None


def test_a_singleton_of_the_application_stays(scene, stack):
    with stack.recording("Generate"):
        parameters = slicer.vtkMRMLScriptedModuleNode()
        parameters.SetSingletonTag("InfarctSynth")
        parameters.SetName("InfarctSynth")
        scene.AddNode(parameters)
        new_table("cases", {"size": [1.0]})
    stack.undo()
    assert scene.GetFirstNodeByName("InfarctSynth") is not None
    assert scene.GetFirstNodeByName("cases") is None


def test_closing_the_scene_empties_the_stack(scene, stack):
    with stack.recording("Generate"):
        add_everything(scene)
    scene.Clear(False)
    assert stack.titles == ()
    new_table("after", {"size": [1.0]})
    with pytest.raises(ValueError, match="no result to undo"):
        stack.undo()
    assert scene.GetFirstNodeByName("after") is not None


def test_closing_the_scene_in_the_middle_of_a_result_records_nothing(scene, stack):
    with stack.recording("Generate"):
        new_table("before", {"size": [1.0]})
        scene.Clear(False)
        new_table("after", {"size": [1.0]})
    assert stack.titles == ()
    with pytest.raises(KeyError), stack.recording("Generate"):
        scene.Clear(False)
        raise KeyError
    with stack.recording("Next"):
        new_table("next", {"size": [1.0]})
    assert stack.undo() == "Next"


def test_a_loaded_scene_is_no_part_of_a_result(scene, stack, tmp_path):
    new_table("saved", {"size": [1.0]})
    path = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(path))
    with stack.recording("Generate"):
        new_volume("pattern", MASK.astype(float), GRID)
    scene.ReadFromMRB(str(path), False)
    assert len(slicer.util.getNodes("saved*", useLists=True)["saved"]) == 2
    stack.undo()
    assert len(slicer.util.getNodes("saved*", useLists=True)["saved"]) == 2
    assert scene.GetFirstNodeByName("pattern") is None
