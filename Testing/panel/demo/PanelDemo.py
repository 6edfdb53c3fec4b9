"""A module with one widget of every kind that a parameter can be bound to, for the tests of the host."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import qt
import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import (
    Choice,
    Decimals,
    Default,
    FloatRange,
    Minimum,
    RangeBounds,
    SingleStep,
    WithinRange,
    parameterNodeWrapper,
    parameterPack,
)
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Territory(Enum):
    LAD = "left anterior descending"
    LCX = "left circumflex"
    RCA = "right coronary"


@parameterPack
class Region:
    name: str = "core"
    share: Annotated[float, WithinRange(0, 1)] = 0.25


@parameterNodeWrapper
class PanelDemoParameterNode:
    volume: slicer.vtkMRMLScalarVolumeNode
    segmentation: slicer.vtkMRMLSegmentationNode
    threshold: Annotated[float, WithinRange(0, 200), Decimals(1), SingleStep(0.5)] = 100
    count: Annotated[int, Minimum(1)] = 10
    spacing: Annotated[float, WithinRange(0.5, 4)] = 1.5
    keepCore: bool = True
    model: Annotated[str, Choice(["spherical", "elliptical"])] = "elliptical"
    territory: Territory = Territory.LCX
    title: str = "Untitled"
    folder: Path
    window: Annotated[FloatRange, RangeBounds(-5, 5), Default(FloatRange(-1, 2))]
    region: Region
    sizes: list[float]


class PanelDemo(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Panel demo")
        self.parent.categories = ["Testing"]


class PanelDemoLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return PanelDemoParameterNode(super().getParameterNode())


class PanelDemoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self._parameterNode = None
        self._guiTag = None
        self.applied = 0

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/PanelDemo.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = PanelDemoLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.setParameterNode(self.logic.getParameterNode())

    def enter(self):
        self.setParameterNode(self.logic.getParameterNode())

    def exit(self):
        self.setParameterNode(None)

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, "ModifiedEvent", self.checkCanApply)
        self._parameterNode = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node, "ModifiedEvent", self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        ready = self._parameterNode is not None and self._parameterNode.volume is not None
        self.ui.applyButton.enabled = ready
        self.ui.applyButton.toolTip = _("Run") if ready else _("Choose a volume")

    def onApply(self, checked=False):
        with slicer.util.tryWithErrorDisplay(_("The demo failed."), waitCursor=True):
            if self._parameterNode.title == "broken":
                raise ValueError("The title is broken")
            self.applied += 1
            qt.QTimer.singleShot(0, self.showProgress)

    def showProgress(self):
        self.ui.progressBar.value = self.ui.progressBar.maximum


class PanelDemoTest(ScriptedLoadableModuleTest):
    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_defaults()

    def test_defaults(self):
        self.delayDisplay("Defaults")
        self.assertEqual(PanelDemoLogic().getParameterNode().count, 10)
