"""Results are taken back whole: nothing of them stays in the scene, and nothing else is touched."""

import ctypes
import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util
from vtkmodules.vtkCommonCore import vtkIdList

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.segmentations import add_segment, new_segmentation, segment_array, segment_names
from cardiactwins.mrml.sequences import new_sequence
from cardiactwins.mrml.tables import columns_of_table, new_table
from cardiactwins.mrml.undo import ResultStack
from cardiactwins.mrml.volumes import new_label_volume, new_volume

GRID = ImageGeometry.from_spacing((6, 30, 28))
MASK = np.zeros(GRID.shape, dtype=bool)
MASK[2:4, 5:20, 5:20] = True


@pytest.fixture
def stack(scene):
    stack = ResultStack(scene)
    yield stack
    stack.close()


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


def test_the_oldest_result_is_forgotten_when_the_stack_is_deep_enough(scene):
    stack = ResultStack(scene, depth=2)
    for title in ("first", "second", "third"):
        with stack.recording(title):
            new_table(title, {"size": [1.0]})
    assert stack.titles == ("second", "third")
    stack.undo()
    stack.undo()
    assert scene.GetFirstNodeByName("first") is not None
    stack.close()
    with pytest.raises(ValueError, match="at least 1; found 0"):
        ResultStack(scene, depth=0)


def test_who_wants_to_know_is_told_when_the_titles_change(scene):
    seen = []
    stack = ResultStack(scene, on_change=lambda: seen.append(stack.titles))
    with stack.recording("first"):
        table = new_table("one", {"size": [1.0]})
    with stack.recording("second"):
        new_table("two", {"size": [1.0]})
    stack.undo()
    scene.RemoveNode(table)
    with stack.recording("third"):
        new_table("three", {"size": [1.0]})
    scene.Clear(False)
    assert seen == [("first",), ("first", "second"), ("first",), (), ("third",), ()]
    stack.close()


def test_recordings_do_not_nest(stack):
    with stack.recording("outer"):
        with pytest.raises(RuntimeError, match="'inner' cannot be recorded while 'outer' is"):
            stack.recording("inner").__enter__()
        with pytest.raises(RuntimeError, match="Nothing can be undone while 'outer'"):
            stack.undo()
        new_table("cases", {"size": [1.0]})
    assert stack.titles == ("outer",)


def test_a_node_outside_of_the_scene_cannot_be_recorded(scene, stack):
    stranger = slicer.vtkMRMLTableNode()
    stranger.SetName("stranger")
    with (
        pytest.raises(ValueError, match="'stranger' is not in the scene"),
        stack.recording("Change") as record,
    ):
        record.change(stranger)


def test_a_closed_or_forgotten_stack_observes_nothing(scene):
    other = slicer.vtkMRMLScene()
    events = (other.NodeAboutToBeRemovedEvent, other.StartCloseEvent)
    stack = ResultStack(other)
    with stack.recording("Generate"):
        other.AddNewNodeByClass("vtkMRMLTableNode", "cases")
    assert stack.titles == ("Generate",)
    assert [other.HasObserver(event) for event in events] == [True, True]
    stack.close()
    assert stack.titles == ()
    assert [other.HasObserver(event) for event in events] == [False, False]
    stack = ResultStack(other)
    del stack
    gc.collect()
    assert [other.HasObserver(event) for event in events] == [False, False]


def resident_bytes():
    """Memory of this process, once the C library has given back what earlier tests have freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc (Linux)"
)
@pytest.mark.parametrize("undone", [True, False], ids=["undone", "kept"])
def test_memory_stays_flat_over_fifty_rounds_of_adding_and_undoing(scene, undone):
    """A round holds 4 MB of labelmaps: kept, fifty rounds take 200 MB; undone, they take next to none."""
    grid = ImageGeometry.from_spacing((20, 256, 256))
    mask = np.random.default_rng(7).random(grid.shape) < 0.5
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = True
    stack = ResultStack(scene, depth=100)
    own = new_segmentation("the user's own", grid, {"cavity": mask})

    def rounds(number):
        for _ in range(number):
            with stack.recording("Generate") as record:
                record.change(own)
                own.SetAttribute("CardiacTwins.Seed", "1")
                new_segmentation("heart", grid, {"myocardium": mask, "infarct": ~mask})
            if undone:
                stack.undo()

    rounds(5)
    nodes, before = scene.GetNumberOfNodes(), resident_bytes()
    rounds(50 if undone else 10)
    grown = resident_bytes() - before
    assert (scene.GetNumberOfNodes() == nodes) == undone
    # Ten rounds that are kept prove that the bound of what fifty may take can be missed.
    assert (grown < 15e6) == undone, f"{grown / 1e6:.0f} MB"
    stack.close()


def test_a_stack_that_is_never_closed_lets_the_process_end(tmp_path):
    program = """
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.undo import ResultStack
stack = ResultStack()
with stack.recording("Generate"):
    new_table("cases", {"size": [1.0]})
print(stack.titles)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (result.returncode, result.stdout.strip()) == (0, "('Generate',)"), result.stderr
