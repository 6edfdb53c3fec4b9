"""The Qt host itself: a module file with every kind of widget, worked as a person would."""

import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parent / "demo" / "PanelDemo.py"


@pytest.fixture
def demo(panel):
    """The panel of the demo module."""
    return panel(DEMO)


@pytest.fixture
def parameters(demo):
    """The demo's parameters."""
    return demo.logic.getParameterNode()


@pytest.fixture
def volume(host):
    """A volume node, 'LGE'."""
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros((2, 3, 4)), name="LGE")


def test_a_choice_of_a_person_reaches_the_node_and_enables_what_can_work_now(host, demo, parameters, volume):
    assert not demo.ui.applyButton.enabled
    assert demo.ui.applyButton.toolTip == "Choose a volume"
    host.choose(demo.ui.volumeSelector, "LGE")
    assert parameters.volume is volume
    assert demo.ui.applyButton.enabled
    host.click(demo.ui.applyButton)
    assert demo.applied == 1
    host.wait(lambda: demo.ui.progressBar.value == 100)


def test_what_is_disabled_cannot_be_clicked(host, demo):
    with pytest.raises(RuntimeError, match="Choose a volume"):
        host.click(demo.ui.applyButton)


def test_values_are_kept_in_the_node_under_the_names_that_slicer_gives_them(demo, parameters, volume):
    territory = sys.modules["PanelDemo"].Territory
    parameters.volume, parameters.territory, parameters.sizes = volume, territory.RCA, [1.5, 2]
    parameters.region.share = 0.5
    node = parameters.parameterNode
    kept = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert kept == {
        "volume": "",
        "segmentation": "",
        "threshold": "100",
        "count": "10",
        "spacing": "1.5",
        "keepCore": "True",
        "model": "elliptical",
        "territory": "RCA",
        "title": "Untitled",
        "folder": ".",
        "window._minimum": "-1",
        "window._maximum": "2",
        "region.name": "core",
        "region.share": "0.5",
        "sizes.len": "2",
        "sizes.0": "1.5",
        "sizes.1": "2",
    }
    assert node.GetNodeReferenceID("volume") == volume.GetID()
    assert node.GetSingletonTag() == node.GetAttribute("ModuleName") == "PanelDemo"


def test_a_module_is_announced_by_what_its_class_says_and_its_self_test_runs(host):
    import slicer

    module = host.loadModule(DEMO)
    assert module.parent.title == "Panel demo"
    assert host.loadModule(DEMO) is module
    slicer.selfTests["PanelDemo"]()
    assert slicer.util.modulePath("PanelDemo") == str(DEMO)
    widget = host.widgetOf("PanelDemo")
    assert slicer.util.getModuleWidget("PanelDemo") is widget
    assert widget.parent.isEntered


def test_a_closed_panel_takes_its_observers_away(host, panel):
    import slicer

    widget = panel(DEMO)
    assert widget.Observations
    host.closeWidget("PanelDemo")
    assert not widget.Observations
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.mrmlScene.Clear(False)
    assert panel(DEMO) is not widget


def test_an_error_shown_to_the_user_is_noted_with_its_traceback_and_counts_as_handled(
    host, demo, parameters, volume
):
    parameters.volume, parameters.title = volume, "broken"
    host.click(demo.ui.applyButton)
    (said,) = host.dialogs.said
    assert said.kind == "error" and said.text == "The demo failed.\n\nThe title is broken"
    assert "ValueError" in said.details
    assert demo.applied == 0 and host.errors == []


def test_an_error_that_nobody_shows_is_kept_for_the_test(host, demo, volume):
    import qt

    def fail(*_arguments):
        raise ZeroDivisionError("in a slot")

    demo.ui.volumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", fail)
    host.choose(demo.ui.volumeSelector, "LGE")
    qt.QTimer.singleShot(0, fail)
    host.wait(lambda: len(host.errors) == 2)
    tag = volume.AddObserver("ModifiedEvent", fail)
    volume.Modified()
    volume.RemoveObserver(tag)
    assert [type(error) for error in host.errors] == [ZeroDivisionError] * 3
    host.errors.clear()


def test_questions_get_the_answers_that_a_test_has_laid_ready(host):
    import qt
    import slicer

    host.dialogs.answer("confirm", False, True)
    host.dialogs.answer("path", "/data/cases")
    assert not slicer.util.confirmOkCancelDisplay("Install?", windowTitle="InfarctSynth")
    assert slicer.util.confirmYesNoDisplay("Sure?")
    assert qt.QFileDialog.getExistingDirectory(None, "Cases") == "/data/cases"
    assert qt.QFileDialog.getOpenFileName(None, "Model") == ""
    assert qt.QMessageBox.question(None, "Title", "Really?") == qt.QMessageBox.Yes
    slicer.util.infoDisplay("Done", detailedText="All of it")
    assert host.dialogs.texts("confirm") == ["Install?", "Sure?", "Really?"]
    assert host.dialogs.said[-1].details == "All of it"
    with pytest.raises(RuntimeError, match="wait for a person"):
        qt.QDialog().exec_()


def test_widgets_speak_as_in_pythonqt(host):
    import qt

    button = qt.QPushButton("Run")
    button.text, button.enabled, button.name = "Stop", False, "stopButton"
    assert (button.text, button.enabled, button.objectName) == ("Stop", False, "stopButton")
    button.setEnabled(True)
    with pytest.raises(AttributeError, match="enbled"):
        button.enbled = False
    heard = []
    one, none = (lambda checked: heard.append(checked)), (lambda: heard.append("nothing"))
    assert button.connect("clicked(bool)", one) and button.connect("clicked()", none)
    button.click()
    assert button.disconnect("clicked(bool)", one) and not button.disconnect("clicked(bool)", one)
    button.click()
    assert heard == [False, "nothing", "nothing"]
    with pytest.raises(AttributeError, match="no signal"):
        button.connect("clickd(bool)", one)
    window = qt.QWidget()
    layout = qt.QVBoxLayout(window)
    layout.addWidget(button)
    assert window.findChild(qt.QPushButton, "stopButton") is button
    assert window.findChildren(qt.QWidget) == [button] and button in window.children()
    assert isinstance(button, qt.QWidget) and type(button) is qt.QPushButton


def test_settings_processes_and_the_clipboard_work_and_leave_nothing_behind(host):
    import qt
    import slicer

    qt.QSettings().setValue("InfarctSynth/device", "CPU")
    assert slicer.app.settings().value("InfarctSynth/device") == "CPU"
    assert slicer.util.settingsValue("InfarctSynth/threads", 4, converter=int) == 4
    host.reset()
    assert not qt.QSettings().contains("InfarctSynth/device")
    qt.QApplication.clipboard().setText("versions")
    assert slicer.app.clipboard().text() == "versions"
    process, codes = qt.QProcess(), []
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: codes.append(code))
    process.start(sys.executable, ["-c", "import sys; sys.exit(3)"])
    host.wait(lambda: codes)
    assert codes == [3]


UI = """<ui version="4.0"><class>Toy</class><widget class="{kind}" name="Toy">
 <property name="{name}"><string>x</string></property></widget><resources/><connections>{connection}
</connections></ui>"""
CONNECTION = """<connection><sender>Toy</sender><signal>gone()</signal><receiver>Toy</receiver>
 <slot>setMRMLScene(vtkMRMLScene*)</slot></connection>"""


@pytest.mark.parametrize(
    ("kind", "name", "connection", "message"),
    [
        ("qMRMLUnheardOfWidget", "toolTip", "", "without a stand-in: qMRMLUnheardOfWidget"),
        ("ctkSliderWidget", "suffx", "", "no property 'suffx'"),
        ("qSlicerWidget", "toolTip", CONNECTION, "cannot be connected"),
    ],
)
def test_a_ui_file_with_an_unknown_widget_property_or_signal_is_refused(
    host, tmp_path, kind, name, connection, message
):
    import slicer

    path = tmp_path / "Toy.ui"
    path.write_text(UI.format(kind=kind, name=name, connection=connection), encoding="utf-8")
    with pytest.raises(RuntimeError, match=message):
        slicer.util.loadUI(str(path))
    with pytest.raises(RuntimeError, match="not found"):
        slicer.util.loadUI(str(tmp_path / "Gone.ui"))


def test_only_a_widget_that_the_ui_file_connects_gets_the_scene(demo):
    import slicer

    assert demo.ui.volumeSelector.mrmlScene() is slicer.mrmlScene
    assert demo.ui.folderComboBox.mrmlScene() is slicer.mrmlScene
    assert slicer.qMRMLNodeComboBox(demo.parent).mrmlScene() is None


def test_a_node_selector_offers_what_fits_and_lets_go_of_what_is_removed(demo, volume):
    import slicer

    selector = demo.ui.volumeSelector
    hidden = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Hidden")
    hidden.SetHideFromEditors(True)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Model")
    assert selector.nodes() == [volume, labels]
    selector.showChildNodeTypes = False
    assert selector.nodes() == [volume]
    selector.showChildNodeTypes = True
    selector.addAttribute("vtkMRMLScalarVolumeNode", "Role", "LGE")
    assert selector.nodes() == []
    volume.SetAttribute("Role", "LGE")
    volume.SetName("Late enhancement")
    assert selector.comboBox().findText("Late enhancement") == 1
    assert selector.currentNode() is None, "nothing is chosen by itself"
    selector.setCurrentNode(volume)
    slicer.mrmlScene.RemoveNode(volume)
    assert selector.currentNode() is None


def test_segments_and_folders_are_chosen_by_their_ids(demo):
    import slicer

    heard = []
    demo.ui.segmentSelector.currentSegmentChanged.connect(heard.append)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Patient")
    ids = [node.GetSegmentation().AddEmptySegment("", name) for name in ("myocardium", "infarct")]
    demo.ui.segmentSelector.setCurrentNode(node)
    demo.ui.segmentSelector.setCurrentSegmentID(ids[1])
    assert demo.ui.segmentSelector.currentSegmentID() == heard[-1] == ids[1]
    node.GetSegmentation().RemoveSegment(ids[1])
    assert demo.ui.segmentSelector.currentSegmentID() == ids[0]

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    outer = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Cohort")
    inner = hierarchy.CreateFolderItem(outer, "Acute")
    box = demo.ui.folderComboBox
    assert box.items() == [outer, inner]
    assert [box.itemText(row) for row in range(box.count)] == ["None", "Cohort", "Cohort / Acute"]
    chosen = []
    box.connect("currentItemChanged(vtkIdType)", chosen.append)
    box.setCurrentItem(inner)
    assert box.currentItem() == inner and chosen == [inner]
    hierarchy.RemoveItem(inner)
    assert box.currentItem() == 0


def test_tables_and_charts_are_shown(host, tmp_path):
    import slicer

    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    slicer.util.updateTableFromArray(table, [np.arange(4.0), np.arange(4.0) ** 2], ["x", "y"])
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(table)
    assert view.model().index(3, 1).data() == table.GetCellText(3, 1) == "9"
    table.SetCellText(3, 1, "10")
    assert view.model().index(3, 1).data() == "10"

    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "squares")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName("x")
    series.SetYColumnName("y")
    series.SetPlotType(series.PlotTypeScatter)
    series.SetColor(1, 0, 0)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    view_node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotViewNode")
    plot = slicer.qMRMLPlotView()
    plot.setMRMLPlotViewNode(view_node)
    empty = red_pixels(host.screenshot(plot, tmp_path / "empty.png"))
    view_node.SetPlotChartNodeID(chart.GetID())
    assert empty == 0 < red_pixels(host.screenshot(plot, tmp_path / "chart.png"))


def red_pixels(path):
    """How many pixels of a picture are pure red."""
    from matplotlib.image import imread

    return int((imread(path)[..., :3] == (1, 0, 0)).all(axis=-1).sum())


def test_what_a_panel_hides_in_a_folded_section_is_hidden_when_it_is_opened(host, demo):
    section, hidden, shown = demo.ui.inputsButton, demo.ui.countSpinBox, demo.ui.volumeSelector
    shown.setVisible(False)
    section.collapsed = True
    hidden.setVisible(False)
    shown.setVisible(True)
    host.processEvents()
    assert not hidden.visible and not shown.visible
    section.collapsed = False
    host.processEvents()
    assert not hidden.visible and shown.visible


def test_sections_fold_and_a_picture_shows_it(host, demo, tmp_path):
    from matplotlib.image import imread

    section, inside = demo.ui.inputsButton, demo.ui.countSpinBox
    assert inside.visible and not demo.ui.notesTextEdit.visible, "the advanced box is folded from the start"
    unfolded = imread(host.screenshot(demo, tmp_path / "unfolded.png", width=500))
    host.click(section)
    assert section.collapsed and not inside.visible
    folded = imread(host.screenshot(demo, tmp_path / "folded.png", width=500))
    assert folded.shape[1] == unfolded.shape[1] == 500
    assert folded.shape[0] < unfolded.shape[0] - 200
    host.click(section)
    assert inside.visible
    host.click(demo.ui.advancedGroupBox)
    assert demo.ui.notesTextEdit.visible


def test_waiting_ends_with_an_error_that_names_the_time(host):
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        host.wait(lambda: False, 0.05)


def test_sample_data_of_a_module_are_registered_once_and_need_an_address(host):
    from SampleData import SampleDataLogic

    phantoms = {"category": "Host", "sampleName": "Phantoms", "customDownloader": print}
    for _ in range(2):
        SampleDataLogic.registerCustomSampleDataSource(uris="", **phantoms)
    (source,) = SampleDataLogic.sampleDataSourcesByCategory("Host")
    assert source.customDownloader is print and source.fileNames == [None]
    with pytest.raises(TypeError):
        SampleDataLogic.registerCustomSampleDataSource(**phantoms)
