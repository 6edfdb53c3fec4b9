"""Stands for slicer.ScriptedLoadableModule: the bases of a module's class, panel, logic and test."""

import importlib
import logging
import unittest
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


class ScriptedLoadableModule:
    """What the application shows of a module; `parent` keeps it."""

    def __init__(self, parent):
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories, parent.dependencies, parent.contributors = [], [], []
        parent.helpText = parent.acknowledgementText = ""
        for suffix in (".svg", ".png"):
            icon = Path(self.resourcePath(f"Icons/{self.moduleName}{suffix}"))
            if icon.is_file():
                parent.icon = qt.QIcon(str(icon))
                break
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename):
        """Path of a file in the module's folder Resources."""
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        """A sentence with a link to the module's documentation, for the help text."""
        application = slicer.app
        address = (
            application.documentationBaseUrl + docPage
            if docPage
            else application.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p>{_("For more information see the documentation:")} <a href="{address}">{address}</a></p>'

    def runTest(self, msec=100, **options):
        """Run the class `<module>Test` of the module's file; raises AssertionError when it has none."""
        file = importlib.import_module(type(self).__module__)
        test_class = getattr(file, f"{self.moduleName}Test", None)
        if test_class is None:
            raise AssertionError(f"{file.__name__} has no class {self.moduleName}Test")
        test = test_class()
        test.messageDelay = msec
        test.runTest(**options)


class ScriptedLoadableModuleWidget:
    """A module's panel. Without a parent it makes and shows a window of its own."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue(
            "Developer/DeveloperMode", False, converter=slicer.util.toBool
        )
        self.parent = parent or slicer.qMRMLWidget()
        if not parent:
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def resourcePath(self, filename):
        """Path of a file in the module's folder Resources."""
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        """Make the panel; a module's own `setup` calls this first."""

    def cleanup(self):
        """Called before the module goes; a module's own takes its observers away."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect(
                "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
            )

    def onReload(self):
        """Load the module's file again and make its panel anew."""
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """A module's work, with the node that keeps its parameters in the scene."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The module's vtkMRMLScriptedModuleNode, added to the scene when there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                # Closing the scene resets a singleton.
                if node.GetAttribute("ModuleName") != self.moduleName:
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            for node in self.getAllParameterNodes():
                return node
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self):
        """All parameter nodes of the module in the scene."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        """A new parameter node, not yet in the scene."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self-test."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        # unittest.TestCase does not go on to a mixin such as VTKObservationMixin.
        super(unittest.TestCase, self).__init__()
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0
        self.moduleTestNames = [
            name for name in dir(self) if "test" in name and callable(getattr(self, name, None))
        ]

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        """Show a message for a while."""
        msec = getattr(self, "messageDelay", msec)
        slicer.util.delayDisplay(message, next((d for d in (msec, requestedDelay) if d is not None), 100))

    def takeScreenshot(self, name, description, type=-1):
        """Show the description; there is no view to take a picture of."""
        self.delayDisplay(description)

    def runTest(self):
        """Run every method of the class whose name has 'test' in it, each between setUp and tearDown."""
        if not self.moduleTestNames:
            logging.warning("No test is defined in %s", type(self).__name__)
            return
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()
