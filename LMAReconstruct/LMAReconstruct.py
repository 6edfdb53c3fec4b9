"""LMAReconstruct, a 3D Slicer module: which part of a patient's left ventricle shortens last.

The work is done by `cardiactwins.mrml.lma_reconstruct`, the same with and without the application, the panel
by `cardiactwins.panel.lma`. Importing this file loads neither, so that the application starts as fast as
before.
"""

import enum
import pathlib
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class LMAReconstruct(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("LMAReconstruct")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        self.parent.dependencies = ["CardiacTwinsCore"]
        self.parent.contributors = ["The CardiacTwins contributors"]
        self.parent.helpText = _(
            "Rebuilds the left ventricle from a few outlined slices and shows on it which part shortens last "
            "(late mechanical activation), from DENSE images, strain curves, or times of onset."
        )
        self.parent.acknowledgementText = _(
            "Reconstruction of late mechanical activation maps after Jayakumar et al. (2023)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the phantom heart in the Sample Data module, made on the spot and offline."""
    from cardiactwins.panel.lma.sample_data import register

    register(pathlib.Path(__file__).parent / "Resources" / "Icons" / "LBBBPhantom.png")


class LabelledChoice(enum.Enum):
    """A choice that is kept by its name, passed on by its value, and shown by its label."""

    def __new__(cls, value, text):
        choice = object.__new__(cls)
        choice._value_ = value
        choice.text = text
        return choice

    def label(self):
        return self.text


class OutlineSource(LabelledChoice):
    SEGMENTATION = "segmentation", _("Segmentation")
    CURVES = "curves", _("Closed curves")


class Method(LabelledChoice):
    AUTO = "auto", _("Automatic")
    REFINEMENT = "refinement", _("Refinement (network, then until the slices are met)")
    NETWORK = "network", _("Network (jayakumar-2023)")
    INTERPOLATION = "interpolation", _("Interpolation between the slices")


class ActivationSource(LabelledChoice):
    DENSE = "dense", _("DENSE images")
    STRAIN = "strain", _("Strain tables")
    TOS = "tos", _("TOS that is known")


class Onset(LabelledChoice):
    AUTO = "auto", _("Automatic")
    NETWORK = "network", _("Network")
    CHANGE_POINT = "change point", _("Change point")


class Scalar(LabelledChoice):
    TOS = "TOS (ms)", _("TOS (ms)")
    TOS_ERROR = "TOS error (ms)", _("Error of TOS (ms)")
    SLICE_DISTANCE = "Slice distance (mm)", _("Distance to the nearest slice (mm)")
    EXTRAPOLATED = "Extrapolated", _("Extrapolated (beyond the slices)")
    SEGMENT = "AHA segment", _("AHA segment")
    UNCERTAINTY = "Uncertainty (mm)", _("Uncertainty of the surface (mm)")
    LATE = "Late activation", _("Late region")
    SCAR = "Scar transmurality", _("Scar (share of the wall)")


class Criterion(LabelledChoice):
    DELAY = "delay", _("Later than the earliest by a delay")
    AREA = "area", _("The latest share of the epicardium")


@parameterNodeWrapper
class LMAReconstructParameterNode:
    """The panel's values, saved with the scene. Lengths in mm, times in ms, shares in percent."""

    source: OutlineSource
    slicesSegmentation: slicer.vtkMRMLSegmentationNode
    curvesItemName: str
    insertionPoints: slicer.vtkMRMLMarkupsFiducialNode
    segmentRoles: str
    longAxis: slicer.vtkMRMLSegmentationNode
    longAxis2: slicer.vtkMRMLSegmentationNode
    longAxis3: slicer.vtkMRMLSegmentationNode
    slices: Annotated[int, WithinRange(0, 16)] = 0
    correctShifts: bool = True
    method: Method
    samples: Annotated[int, WithinRange(1, 64), Default(8)]
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    referenceVolume: slicer.vtkMRMLScalarVolumeNode
    preview: bool = True
    device: Annotated[str, Choice(["auto", "CPU", "CUDA", "MPS"])] = "auto"
    model: slicer.vtkMRMLModelNode

    activationSource: ActivationSource
    phaseX: slicer.vtkMRMLSequenceNode
    phaseY: slicer.vtkMRMLSequenceNode
    phaseZ: slicer.vtkMRMLSequenceNode
    mask: slicer.vtkMRMLSequenceNode
    ke: Annotated[float, WithinRange(0.0, 2.0)] = 0.0
    storedRange: str
    reverseX: bool = False
    reverseY: bool = False
    reverseZ: bool = False
    frameInterval: Annotated[float, WithinRange(0.0, 200.0)] = 0.0
    strainTable: slicer.vtkMRMLTableNode
    activationSlices: str
    sectors: Annotated[int, WithinRange(6, 72), Default(18)]
    trim: Annotated[int, WithinRange(0, 20), Default(5)]
    onset: Onset
    tosFile: pathlib.Path
    tos: slicer.vtkMRMLTableNode
    tosHeights: str

    referenceModel: bool = False
    scalar: Scalar
    legend: bool = True
    laoAngle: Annotated[float, WithinRange(20.0, 60.0), Default(35.0)]
    raoAngle: Annotated[float, WithinRange(10.0, 50.0), Default(30.0)]

    criterion: Criterion
    delay: Annotated[float, WithinRange(5.0, 200.0), Default(65.0)]
    areaShare: Annotated[float, WithinRange(1.0, 60.0), Default(20.0)]
    scar: slicer.vtkMRMLSegmentationNode
    scarLimit: Annotated[float, WithinRange(5.0, 100.0), Default(50.0)]
    reportFolder: pathlib.Path


class LMAReconstructWidget(ScriptedLoadableModuleWidget):
    """Binds LMAReconstruct.ui to the parameter node; `LMAReconstructPanel` enables, runs and shows."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.binding = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from LMAReconstruct import LMAReconstructLogic

        from cardiactwins.panel.lma.panel import LMAReconstructPanel
        from cardiactwins.panel.scene_binding import SceneBinding
        from cardiactwins.panel.setup_section import SetupSection

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/LMAReconstruct.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.setupSection = SetupSection(self.layout, requirementsFile(), "LMAReconstruct", "device")
        self.ui.deviceComboBox = self.setupSection.deviceComboBox
        self.logic = LMAReconstructLogic()
        self.panel = LMAReconstructPanel(self.ui, self.logic, requirementsFile())
        self.binding = SceneBinding(
            self.parent,
            self.ui,
            self.panel,
            lambda: LMAReconstructParameterNode(self.logic.getParameterNode()),
        )

    def enter(self):
        self.binding.connect()

    def exit(self):
        self.binding.disconnect()

    def cleanup(self):
        if self.binding is not None:
            self.binding.close()
            self.setupSection.close()


def requirementsFile():
    """The list of Python packages that the module needs and the application does not bring."""
    return pathlib.Path(__file__).parent / "Resources" / "requirements_LMAReconstruct.txt"


def installRequirements():
    """Install the Python packages that the module needs and the application lacks, after asking the user.

    Raises RuntimeError when the user declines or they cannot be installed. PyTorch, which the networks need
    and interpolation and change point do not, comes with the PyTorch extension.
    """
    from cardiactwins.panel.requirements import ensure_requirements

    if not ensure_requirements(requirementsFile(), "LMAReconstruct"):
        raise RuntimeError(_("The packages that LMAReconstruct needs are not installed."))


def __getattr__(name):
    """Make `LMAReconstructLogic` when it is first asked for: its base class needs the library.

    It is the library's console API (`reconstruct`, `computeStrain`, `estimateTOS`, `projectTOS`,
    `lateRegion`, `run`) with the parameter node of a scripted module.
    """
    if name != "LMAReconstructLogic":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic as ConsoleLogic

    class LMAReconstructLogic(ScriptedLoadableModuleLogic, ConsoleLogic):
        __doc__ = ConsoleLogic.__doc__

    globals()[name] = LMAReconstructLogic
    return LMAReconstructLogic


class LMAReconstructTest(ScriptedLoadableModuleTest):
    """The module's work on a phantom: a heart from slices, and where a block makes it late."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def test_slicesBecomeAModelThatMeetsThem(self):
        """Eight outlined slices of a random heart give a model that meets each of them."""
        import numpy as np
        from LMAReconstruct import LMAReconstructLogic

        from cardiactwins.anatomy.phantoms import lv_phantom
        from cardiactwins.mrml.segmentations import new_segmentation

        heart = lv_phantom(np.random.default_rng(3), slices=8, spacing=(1.4, 1.4, 8.0))
        masks = {"cavity": heart.cavity, "myocardium": heart.myocardium}
        node = new_segmentation("Patient", heart.geometry, masks)
        found = LMAReconstructLogic().reconstruct(node, heart.insertion_points, method="interpolation")
        self.assertEqual(found.disagreeing, ())
        self.assertGreater(found.model.GetPolyData().GetNumberOfPoints(), 1000)

    def test_tosThatIsTypedInIsFoundOnTheModel(self):
        """A wall that is late on one side has its late region there, and nothing late without a delay."""
        import numpy as np
        from LMAReconstruct import LMAReconstructLogic

        from cardiactwins.mrml.lma_sample import new_sample_heart

        sample = new_sample_heart(1)
        logic = LMAReconstructLogic()
        heart = logic.reconstruct(sample.segmentation, sample.insertion, method="interpolation")
        turn = (np.arange(18) + 0.5) / 18
        tos = np.tile(50 + 45 * (1 - np.cos(2 * np.pi * (turn - 1 / 6))), (8, 1))
        activation = logic.projectTOS(heart, tos, slicePositions="slices")
        self.assertAlmostEqual(float(activation.tos.max()), float(tos.max()), delta=5.0)
        late = logic.lateRegion(heart, delay=60.0)
        self.assertTrue(0.1 < late.region.share < 0.6)
        self.assertIsNotNone(late.segment)
