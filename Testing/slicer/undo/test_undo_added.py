"""Results that were added are taken back whole: nothing of them stays in the scene."""

import pytest
import slicer
import slicer.util
from undo_scene import GRID, MASK, add_everything, state

from cardiactwins.mrml.segmentations import add_segment, new_segmentation, segment_names
from cardiactwins.mrml.sequences import new_sequence
from cardiactwins.mrml.tables import new_table


def test_every_kind_of_node_that_was_added_is_taken_back(scene, stack):
    new_segmentation("the user's own", GRID, {"cavity": MASK})
    before = state(scene)
    with stack.recording("Generate"):
        add_everything(scene)
    assert state(scene) != before
    assert stack.titles == ("Generate",)
    assert stack.undo() == "Generate"
    assert state(scene) == before
    assert stack.titles == ()


def test_results_are_taken_back_one_by_one_from_the_last(scene, stack):
    states = [state(scene)]
    for title in ("first", "second", "third"):
        with stack.recording(title):
            new_segmentation(title, GRID, {"infarct": MASK})
        states.append(state(scene))
    assert stack.titles == ("first", "second", "third")
    for title, expected in zip(("third", "second", "first"), states[2::-1], strict=True):
        assert stack.undo() == title
        assert state(scene) == expected
    with pytest.raises(ValueError, match="no result to undo"):
        stack.undo()


def test_what_came_to_belong_to_a_result_later_goes_with_it(scene, stack):
    before = state(scene)
    with stack.recording("Generate"):
        segmentation = new_segmentation("heart", GRID, {"infarct": MASK})
        table = new_table("cases", {"size": [1.0]})
        copy = slicer.vtkMRMLSegmentationNode()
        copy.Copy(segmentation)
        sequence = new_sequence("cohort", [("1", copy)])
    segmentation.AddDefaultStorageNode()
    table.AddDefaultStorageNode()
    segmentation.AddAndObserveDisplayNodeID(
        scene.AddNewNodeByClass("vtkMRMLSegmentationDisplayNode", "second view").GetID()
    )
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.AddProxyNode(scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "shown"), sequence, False)
    stack.undo()
    assert state(scene) == before


def test_an_exception_inside_leaves_the_scene_as_it_was(scene, stack):
    own = new_segmentation("the user's own", GRID, {"cavity": MASK})
    before = state(scene)
    with pytest.raises(KeyError, match="broken"), stack.recording("Generate") as record:
        record.change(own)
        add_segment(own, "infarct", MASK, GRID)
        add_everything(scene)
        raise KeyError("broken")
    assert state(scene) == before
    assert list(segment_names(own)) == ["cavity"]
    assert stack.titles == ()
    with stack.recording("The next one"):
        new_table("cases", {"size": [1.0]})
    assert stack.titles == ("The next one",)
