"""Parameters between a module's node, its widgets and a saved scene.

The same tests run on Slicer's own files when the environment names a checkout.
"""

import enum
import gc
import sys
from pathlib import Path
from typing import Annotated

import pytest

DEMO = Path(__file__).parent / "demo" / "PanelDemo.py"


@pytest.fixture
def demo(panel):
    """The panel of the demo module."""
    return panel(DEMO)


@pytest.fixture
def parameters(demo):
    """The demo's parameters, a second wrapper of the node that the panel wraps."""
    return demo.logic.getParameterNode()


@pytest.fixture
def node(host):
    """A parameter node of no module."""
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")


def test_values_that_fail_a_check_are_refused_and_the_node_keeps_its_own(parameters):
    import slicer

    refused = {
        "threshold": (200.5, -1),
        "count": (0,),
        "model": ("cubic",),
        "region.share": (1.5,),
    }
    before = {name: parameters.getValue(name) for name in refused}
    for name, values in refused.items():
        for value in values:
            with pytest.raises(ValueError):
                parameters.setValue(name, value)
    for name, value in {
        "count": 1.5,
        "keepCore": 1,
        "title": None,
        "volume": "LGE",
        "folder": "here",
    }.items():
        with pytest.raises((TypeError, ValueError)):
            parameters.setValue(name, value)
    wrong_class = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    with pytest.raises(TypeError):
        parameters.volume = wrong_class
    with pytest.raises(ValueError):
        parameters.setValue("noSuchParameter", 1)
    assert {name: parameters.getValue(name) for name in refused} == before
    assert parameters.volume is None


def test_what_a_person_types_reaches_the_node(host, demo, parameters):
    territory = sys.modules["PanelDemo"].Territory
    ui = demo.ui
    host.type(ui.thresholdSlider, 50.5)
    host.type(ui.countSpinBox, 7)
    host.type(ui.spacingSpinBox, 2.5)
    host.click(ui.keepCoreCheckBox)
    host.choose(ui.modelComboBox, "spherical")
    host.choose(ui.territoryComboBox, "RCA")
    host.type(ui.titleLineEdit, "Siblings")
    host.type(ui.folderPathLineEdit, "/data/cases")
    ui.windowRangeWidget.setValues(-3, 4)
    host.type(ui.regionShareSpinBox, 0.75)
    assert (parameters.threshold, parameters.count, parameters.spacing) == (50.5, 7, 2.5)
    assert (parameters.keepCore, parameters.model) == (False, "spherical")
    assert (parameters.territory, parameters.title) == (territory.RCA, "Siblings")
    assert parameters.folder == Path("/data/cases")
    assert (parameters.window.minimum, parameters.window.maximum) == (-3, 4)
    assert parameters.region.share == 0.75


def test_what_a_program_sets_reaches_the_widgets(demo, parameters):
    territory = sys.modules["PanelDemo"].Territory
    ui = demo.ui
    parameters.threshold, parameters.count, parameters.keepCore = 20.5, 99, False
    parameters.model, parameters.territory, parameters.title = "spherical", territory.LAD, "Twins"
    parameters.window.maximum = 5
    parameters.region = sys.modules["PanelDemo"].Region(name="border", share=0.125)
    assert (ui.thresholdSlider.value, ui.countSpinBox.value, ui.keepCoreCheckBox.checked) == (20.5, 99, False)
    assert (ui.modelComboBox.currentText, ui.territoryComboBox.currentText) == ("spherical", "LAD")
    assert (ui.titleLineEdit.text, ui.windowRangeWidget.maximumValue) == ("Twins", 5)
    assert (ui.regionNameLineEdit.text, parameters.region.share) == ("border", 0.125)


def test_widgets_take_bounds_steps_and_entries_from_the_annotations(demo):
    slider, spin_box = demo.ui.thresholdSlider, demo.ui.spacingSpinBox
    assert (slider.minimum, slider.maximum, slider.singleStep, slider.decimals) == (0, 200, 0.5, 1)
    assert (spin_box.minimum, spin_box.maximum) == (0.5, 4)
    assert (demo.ui.countSpinBox.minimum, demo.ui.countSpinBox.maximum) == (1, 2**31 - 1)
    combo = demo.ui.territoryComboBox
    assert [combo.itemText(row) for row in range(combo.count)] == ["LAD", "LCX", "RCA"]
    host_slider_value = slider.value
    slider.value = 1000
    assert (host_slider_value, slider.value) == (100, 200)


def test_after_disconnecting_neither_side_follows_the_other(demo, parameters):
    demo.setParameterNode(None)
    demo.ui.countSpinBox.value = 55
    assert parameters.count == 10
    parameters.threshold = 3
    assert demo.ui.thresholdSlider.value == 100


def test_values_come_back_with_a_saved_scene(host, demo, parameters, tmp_path):
    import numpy as np
    import slicer

    volume = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4)), name="LGE")
    parameters.volume, parameters.threshold, parameters.sizes = volume, 12.5, [3, 4]
    parameters.territory, parameters.region.name = sys.modules["PanelDemo"].Territory.RCA, "border"
    path = tmp_path / "scene.mrb"
    assert slicer.util.saveScene(str(path))
    slicer.mrmlScene.Clear(False)
    host.processEvents()
    assert demo.ui.thresholdSlider.value == 100, "a closed scene shows the defaults"
    assert demo.ui.volumeSelector.currentNode() is None
    slicer.util.loadScene(str(path))
    host.processEvents()
    back = demo.logic.getParameterNode()
    assert back.volume is slicer.util.getNode("LGE")
    assert (back.threshold, list(back.sizes), back.region.name) == (12.5, [3, 4], "border")
    assert demo.ui.thresholdSlider.value == 12.5
    assert demo.ui.volumeSelector.currentNode() is back.volume
    assert demo.ui.territoryComboBox.currentText == "RCA"


def test_observers_hear_once_of_each_change_and_find_the_new_value(demo, parameters):
    import slicer
    import vtk

    heard = []
    mixin = slicer.util.VTKObservationMixin()

    def listen(caller, event):
        heard.append((event, parameters.count))

    mixin.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, listen)
    parameters.count = 11
    assert heard == [("ModifiedEvent", 11)]
    parameters.count = 11
    assert len(heard) == 1, "the same value again is no change"
    with slicer.util.NodeModify(parameters):
        parameters.count = 12
        parameters.title = "Both"
    assert heard[1:] == [("ModifiedEvent", 12)]
    mixin.removeObservers()
    parameters.count = 13
    assert len(heard) == 2


def test_a_list_changed_in_place_is_written(parameters):
    node = parameters.parameterNode
    parameters.sizes.append(2.5)
    parameters.sizes += [3.5]
    assert node.GetParameter("sizes.len") == "2" and node.GetParameter("sizes.1") == "3.5"
    with pytest.raises((TypeError, ValueError)):
        parameters.sizes.append("large")
    assert list(parameters.sizes) == [2.5, 3.5]
    del parameters.sizes[0]
    assert node.GetParameter("sizes.len") == "1" and not node.HasParameter("sizes.1")


def test_defaults_stand_until_a_value_is_set_and_are_made_anew(node):
    from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper

    class Kind(enum.Enum):
        FIRST = 1
        SECOND = 2

    @parameterNodeWrapper
    class Parameters:
        kind: Kind
        whole: int
        text: str
        flag: bool
        path: Path
        bounded: Annotated[float, WithinRange(2, 3), Default(2.5)]
        made: Annotated[list[int], Default(generator=lambda: [1, 2])]

    parameters = Parameters(node)
    assert (parameters.kind, parameters.whole, parameters.text, parameters.flag) == (Kind.FIRST, 0, "", False)
    assert (parameters.path, parameters.bounded, list(parameters.made)) == (Path(), 2.5, [1, 2])
    assert parameters.default("bounded").value == 2.5
    assert parameters.isCached("bounded") and parameters.isCached("made")
    assert parameters.dataType("whole") is int
    node.SetParameter("whole", "41")
    assert Parameters(node).whole == parameters.whole == 41


def test_a_default_outside_its_bounds_is_refused(node):
    from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        bounded: Annotated[float, WithinRange(2, 3)]

    with pytest.raises(ValueError):
        Parameters(node)


def test_either_of_several_types_is_kept_with_its_place(node):
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        patient: slicer.vtkMRMLSegmentationNode | slicer.vtkMRMLModelNode | None
        size: float | None
        choice: int | str | bool

    parameters = Parameters(node)
    assert parameters.patient is None and parameters.size is None and parameters.choice == 0
    model = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode")
    parameters.patient, parameters.size, parameters.choice = model, 2, True
    assert parameters.patient is model and parameters.size == 2.0 and parameters.choice is True
    assert node.GetNodeReferenceID("patient.1") == model.GetID()
    assert node.GetParameter("size.0") == "2" and node.GetParameter("choice.2") == "True"
    parameters.size = None
    assert parameters.size is None and not node.HasParameter("size.0")
    with pytest.raises(TypeError):
        parameters.size = "large"


def test_a_widget_that_cannot_show_the_type_is_refused(node):
    import ctk
    import qt
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        text: str
        number: float
        flag: bool
        node: slicer.vtkMRMLModelNode

    parameters = Parameters(node)
    impossible = {
        "text": (qt.QComboBox(), qt.QPlainTextEdit(), qt.QSpinBox()),
        "number": (qt.QSpinBox(), ctk.ctkSliderWidget(), qt.QLineEdit()),
        "flag": (qt.QRadioButton(), qt.QToolButton(), qt.QGroupBox()),
        "node": (slicer.qMRMLSegmentSelectorWidget(), qt.QComboBox()),
    }
    for name, widgets in impossible.items():
        for widget in widgets:
            with pytest.raises((RuntimeError, TypeError)):
                parameters.connectParametersToGui({name: widget})
    with pytest.raises(ValueError):
        parameters.connectParametersToGui({"noSuchParameter": qt.QLineEdit()})


def test_a_wrapper_that_is_let_go_leaves_no_observer(host, node):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        count: int

    parameters = Parameters(node)
    assert node.HasObserver("ModifiedEvent")
    del parameters
    gc.collect()
    assert not node.HasObserver("ModifiedEvent")
    node.SetParameter("count", "3")


def test_types_without_a_way_to_be_kept_are_refused(host):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(Exception, match="Unable to create serializer"):

        @parameterNodeWrapper
        class Parameters:
            thing: complex


def test_two_modules_of_one_logic_class_share_a_node_and_other_nodes_can_be_asked_for(demo):
    import slicer

    logic = type(demo.logic)()
    node = demo.logic.getParameterNode().parameterNode
    assert logic.getParameterNode().parameterNode is node
    assert logic.getAllParameterNodes() == [node]
    logic.isSingletonParameterNode = False
    other = slicer.mrmlScene.AddNode(logic.createParameterNode())
    assert other.GetSingletonTag() is None
    assert logic.getAllParameterNodes() == [node, other]
