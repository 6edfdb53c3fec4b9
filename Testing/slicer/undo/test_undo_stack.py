"""The stack of results: its depth, its titles, its end, and what it refuses."""

import gc
import subprocess
import sys

import pytest
import slicer
import slicer.util

from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.undo import ResultStack


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
