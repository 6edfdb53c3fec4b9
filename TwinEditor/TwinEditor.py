"""TwinEditor, a 3D Slicer module: anatomic variants of a patient's heart, and cohorts of them.

The work is done by `cardiactwins.mrml.twin_editor`, the same with and without the application, the panel by
`cardiactwins.panel.twin`. Importing this file loads neither, so that the application starts as fast as
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


class TwinEditor(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("TwinEditor")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        self.parent.dependencies = ["CardiacTwinsCore"]
        self.parent.contributors = ["The CardiacTwins contributors"]
        self.parent.helpText = _(
            "Makes digital siblings of a segmented whole heart: anatomic variants on a chosen scale, in a "
            "chosen region or with wanted volumes, as segmentations and as meshes, and cohorts of them with "
            "measures of how far they can be trusted."
        )
        self.parent.acknowledgementText = _("Editing of digital siblings after Kadry et al. (2023).")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the phantom heart in the Sample Data module, made on the spot and offline."""
    from cardiactwins.panel.twin.sample_data import register

    register(pathlib.Path(__file__).parent / "Resources" / "Icons" / "WholeHeartPhantom.png")


class LabelledChoice(enum.Enum):
    """A choice that is kept by its name, passed on by its value, and shown by its label."""

    def __new__(cls, value, text):
        choice = object.__new__(cls)
        choice._value_ = value
        choice.text = text
        return choice

    def label(self):
        return self.text


class HeartAlignment(LabelledChoice):
    AXIS = "axis", _("Axis upright, turned to the reference")
    RIGID = "rigid", _("Rigid registration to the reference")


class EditKind(LabelledChoice):
    WHOLE = "perturbational", _("Whole heart, on a scale")
    REGION = "localized", _("One region")
    TARGETS = "targets", _("Measures that are asked for")
    NOISE = "unconditional", _("New heart from noise")


class RegionBy(LabelledChoice):
    TISSUES = "tissues", _("Tissues that stay")
    PAINTED = "painted", _("A painted segment")


class MeshSpace(LabelledChoice):
    LPS = "LPS", _("LPS, mm")
    RAS = "RAS", _("RAS, mm")


class CohortTask(LabelledChoice):
    PHANTOMS = "phantoms", _("Draw phantom hearts")
    OWN = "siblings", _("Siblings of the imported heart, edited as in section 2")
    NOISE = "sampling", _("Hearts from noise against a reference")
    EDITS = "editing", _("Four seed hearts, five scales, two masks")
    AUGMENT = "augmentation", _("Rare hearts enriched")
    JUDGE = "evaluation", _("Judge hearts of a folder")


MEASURES = [
    f"{chamber} {measure}"
    for chamber in ("LV", "RV", "LA", "RA")
    for measure in ("volume (ml)", "major axis (mm)", "minor axis (mm)")
]


@parameterNodeWrapper
class TwinEditorParameterNode:
    """The panel's values, saved with the scene. Lengths in mm, volumes in ml."""

    segmentation: slicer.vtkMRMLSegmentationNode
    segmentRoles: str
    alignment: HeartAlignment
    clean: bool = False

    kind: EditKind
    psi: Annotated[float, WithinRange(0.05, 1.0), Default(0.5)]
    regionBy: RegionBy
    keepAo: bool = True
    keepMyo: bool = False
    keepRV: bool = False
    keepLV: bool = True
    keepRA: bool = True
    keepLA: bool = True
    paintedSegmentation: slicer.vtkMRMLSegmentationNode
    paintedSegment: str
    dilation: Annotated[float, WithinRange(0.0, 30.0), Default(11.2)]
    exact: bool = False
    targets: str
    design: str
    designNumber: Annotated[int, WithinRange(1, 100), Default(5)]
    hold: bool = True
    number: Annotated[int, WithinRange(1, 20), Default(4)]
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    steps: Annotated[int, WithinRange(2, 100), Default(20)]
    guard: bool = True
    attempts: Annotated[int, WithinRange(1, 10), Default(3)]
    preview: bool = True
    device: Annotated[str, Choice(["auto", "CPU", "CUDA", "MPS"])] = "auto"

    edgeLength: Annotated[float, WithinRange(0.5, 5.0), Default(2.0)]
    surfacesFolder: pathlib.Path
    space: MeshSpace

    task: CohortTask
    referenceFolder: pathlib.Path
    heartsFolder: pathlib.Path
    trainingFolder: pathlib.Path
    cohortFolder: pathlib.Path
    cohortNumber: Annotated[int, WithinRange(1, 10000), Default(100)]
    cohortSteps: Annotated[int, WithinRange(2, 100), Default(20)]
    cohortMeasure: Annotated[str, Choice(MEASURES)] = "RV volume (ml)"
    least: Annotated[float, WithinRange(0.0, 1000.0), Default(200.0)]
    most: Annotated[float, WithinRange(0.0, 1000.0)] = 0.0
    keepNumber: Annotated[int, WithinRange(6, 5000), Default(140)]
    fromNoise: bool = True
    wholeHeart: bool = True
    oneChamber: bool = True
    workers: Annotated[int, WithinRange(0, 64)] = 0


class TwinEditorWidget(ScriptedLoadableModuleWidget):
    """Binds TwinEditor.ui to the parameter node; `TwinEditorPanel` enables, runs and shows."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.binding = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from TwinEditor import TwinEditorLogic

        from cardiactwins.panel.scene_binding import SceneBinding
        from cardiactwins.panel.setup_section import SetupSection
        from cardiactwins.panel.twin.panel import TwinEditorPanel

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/TwinEditor.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.setupSection = SetupSection(self.layout, requirementsFile(), "TwinEditor", "device")
        self.ui.deviceComboBox = self.setupSection.deviceComboBox
        self.logic = TwinEditorLogic()
        self.panel = TwinEditorPanel(self.ui, self.logic, requirementsFile())
        self.binding = SceneBinding(
            self.parent,
            self.ui,
            self.panel,
            lambda: TwinEditorParameterNode(self.logic.getParameterNode()),
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
    return pathlib.Path(__file__).parent / "Resources" / "requirements_TwinEditor.txt"


def installRequirements():
    """Install the Python packages that the module needs and the application lacks, after asking the user.

    Raises RuntimeError when the user declines or they cannot be installed. PyTorch comes with the PyTorch
    extension; importing hearts and making surfaces go without it.
    """
    from cardiactwins.panel.requirements import ensure_requirements

    if not ensure_requirements(requirementsFile(), "TwinEditor"):
        raise RuntimeError(_("The packages that TwinEditor needs are not installed."))


def __getattr__(name):
    """Make `TwinEditorLogic` when it is first asked for: its base class needs the library.

    It is the library's console API (`importTwin`, `sample`, `perturb`, `editRegion`, `editToTarget`,
    `makeSurfaces`, `evaluateCohort`, `augment`) with the parameter node of a scripted module.
    """
    if name != "TwinEditorLogic":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from cardiactwins.mrml.twin_editor import TwinEditorLogic as ConsoleLogic

    class TwinEditorLogic(ScriptedLoadableModuleLogic, ConsoleLogic):
        __doc__ = ConsoleLogic.__doc__

    globals()[name] = TwinEditorLogic
    return TwinEditorLogic


class TwinEditorTest(ScriptedLoadableModuleTest):
    """The module's work on a phantom, as far as it needs no trained weights: to the model's grid and back."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def test_aHeartComesBackFromTheModelsGridAsItWas(self):
        """A heart that nobody edits is voxel by voxel the patient's own; an edit changes its volumes."""
        import numpy as np
        from TwinEditor import TwinEditorLogic

        from cardiactwins.mrml.segmentations import segment_array
        from cardiactwins.panel.twin.sample_data import addSample

        node, logic = addSample(), TwinEditorLogic()
        case = logic.importTwin(node)
        self.assertEqual(case.twin.remarks, ())
        self.assertTrue(np.array_equal(case.in_patient(), case.twin.original))
        smaller = case.twin.labels.copy()
        smaller[smaller == 4] = 2  # the cavity of the LV filled up
        shown = logic.showHeart(case, smaller, "Filled")
        geometry = case.twin.original_geometry
        self.assertGreater(segment_array(shown, "Myo", geometry).sum(), 2 * (case.twin.original == 2).sum())

    def test_surfacesAreClosed(self):
        """The surfaces of a heart share their borders and have no open edge."""
        from TwinEditor import TwinEditorLogic

        from cardiactwins.panel.twin.sample_data import addSample

        logic = TwinEditorLogic()
        surfaces, models = logic.makeSurfaces(logic.importTwin(addSample()), edgeLength=4.0)
        self.assertTrue(surfaces.quality.watertight)
        self.assertEqual(len(models), 6)
