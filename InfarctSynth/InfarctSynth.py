"""InfarctSynth, a 3D Slicer module: synthetic myocardial infarcts that match a population.

The work is done by `cardiactwins.mrml.infarct_synth`, the same with and without the application, the panel by
`cardiactwins.panel.infarct`. Importing this file loads neither, so that the application starts as fast as
before.
"""

import enum
import pathlib
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class InfarctSynth(ScriptedLoadableModule):
    """What the application shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("InfarctSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        self.parent.dependencies = ["CardiacTwinsCore"]
        self.parent.contributors = ["The CardiacTwins contributors"]
        self.parent.helpText = _(
            "Personalizes random models of myocardial infarcts to a population of segmentations and "
            "generates new lesions from them, on the reference anatomy or on a patient's own heart."
        )
        self.parent.acknowledgementText = _(
            "Population-wise personalization after Konik, Clarysse and Duchateau (Pattern Recognition "
            "Letters 2024) and Mom, Clarysse and Duchateau (FIMH 2021)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the phantom patients in the Sample Data module, made on the spot and offline."""
    from cardiactwins.panel.infarct.sample_data import register

    register(pathlib.Path(__file__).parent / "Resources" / "Icons" / "InfarctPhantoms.png")


class LabelledChoice(enum.Enum):
    """A choice that is kept by its name, passed on by its value, and shown by its label."""

    def __new__(cls, value, text):
        choice = object.__new__(cls)
        choice._value_ = value
        choice.text = text
        return choice

    def label(self):
        return self.text


class PopulationSource(LabelledChoice):
    HIERARCHY = "hierarchy", _("Folder in the scene")
    SEQUENCE = "sequence", _("Sequence")
    FOLDER = "folder", _("Folder on disk")


class Reference(LabelledChoice):
    SLICE = 1, _("2D: mid-level slice")
    STACK11 = 11, _("3D: whole ventricle, 11 slices")
    STACK21 = 21, _("3D: whole ventricle, 21 slices")


class Model(LabelledChoice):
    ELLIPTICAL = "elliptical", _("Elliptical, normal axes (konik-2024)")
    UNIFORM = "elliptical-uniform", _("Elliptical, uniform axes (mom-2021)")
    SPHERICAL = "spherical", _("Iterative spherical (konik-2024)")
    WAVEFRONT = "wavefront", _("Wavefront from the endocardium")


class Loss(LabelledChoice):
    FULL = "KL_full", _("Whole images (KL_full)")
    ATTRIBUTES = "KL_attr", _("Size and transmurality (KL_attr)")
    SECTORS = "KL_sectors", _("Transmurality by sector (KL_sectors)")
    MMD = "MMD", _("Whole images (maximum mean discrepancy)")


class SearchPreset(LabelledChoice):
    DEFAULT = "default", _("Default (does not depend on the start)")
    QUICK = "quick", _("Quick (one search)")
    PAPER = "paper", _("Paper (konik-2024)")
    OWN = "own", _("Own numbers")


class Draws(LabelledChoice):
    QUASI_RANDOM = "quasi-random", _("Quasi-random")
    COMMON = "common", _("Common random numbers")
    INDEPENDENT = "independent", _("Independent")


class Plot(LabelledChoice):
    LOSS = "loss", _("Loss")
    PARAMETERS = "parameters", _("Parameters")
    EIGENVALUES = "eigenvalues", _("Eigenvalues of the covariance")


class Target(LabelledChoice):
    REFERENCE = "reference", _("Reference ventricle")
    PATIENT = "patient", _("A patient's ventricle")


class Territory(LabelledChoice):
    ANY = "any", _("Any")
    LAD = "LAD", "LAD"
    RCA = "RCA", "RCA"
    LCX = "LCX", "LCX"


class Output(LabelledChoice):
    SEGMENTATIONS = "segmentations", _("Segmentations")
    SEQUENCE = "sequence", _("One sequence")
    FILES = "files", _("Files with a manifest")


class Bullseye(LabelledChoice):
    POPULATION = "population", _("Population")
    MODEL = "model", _("400 infarcts of the model")


class StudyName(LabelledChoice):
    MEANS = "starts-means", _("Starts: means of the axes (table 1)")
    STDS = "starts-stds", _("Starts: spreads of the axes (table 2)")
    SPHERICAL = "starts-spherical", _("Starts of the spherical model (table 3)")
    WHOLE = "starts-3d", _("Starts in 3D (table 4)")
    SIZE = "search-size", _("Candidates and parents (figure 4)")
    BANDWIDTH = "bandwidth", _("Bandwidth of the kernel")
    LOSS = "loss", _("Loss")


@parameterNodeWrapper
class InfarctSynthParameterNode:
    """The panel's values, saved with the scene. Lengths in mm, shares in percent, as the panel shows them."""

    populationSource: PopulationSource
    populationItemName: str
    populationSequence: slicer.vtkMRMLSequenceNode
    populationFolder: pathlib.Path
    insertionPoints: slicer.vtkMRMLMarkupsFiducialNode
    segmentRoles: str
    reference: Reference
    rotateTerritories: bool = True
    clipInfarct: bool = False
    realSpacing: bool = True
    population: slicer.vtkMRMLTableNode

    model: Model
    loss: Loss
    searchTable: str
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    searchPreset: SearchPreset
    searchLesions: Annotated[int, WithinRange(10, 1000), Default(100)]
    searchCandidates: Annotated[int, WithinRange(2, 200), Default(15)]
    searchParents: Annotated[int, WithinRange(1, 100), Default(3)]
    searchGenerations: Annotated[int, WithinRange(1, 500), Default(16)]
    searchSearches: Annotated[int, WithinRange(1, 20), Default(3)]
    searchScouts: Annotated[int, WithinRange(0, 4096), Default(128)]
    searchPolish: Annotated[int, WithinRange(0, 500), Default(15)]
    searchThreshold: Annotated[float, WithinRange(0.0, 10.0)] = 0.0
    searchDraws: Draws
    plot: Plot
    personalizedModel: slicer.vtkMRMLTableNode

    generateTarget: Target
    patient: slicer.vtkMRMLSegmentationNode
    count: Annotated[int, WithinRange(1, 1000), Default(10)]
    generateSeed: Annotated[int, WithinRange(0, 999999)] = 0
    borderZone: Annotated[float, WithinRange(0.0, 15.0)] = 0.0
    noReflow: Annotated[float, WithinRange(0.0, 90.0)] = 0.0
    requestTerritory: Territory
    requestSize: Annotated[float, WithinRange(0.0, 60.0)] = 0.0
    requestSizeTolerance: Annotated[float, WithinRange(0.5, 10.0), Default(2.0)]
    requestTransmurality: Annotated[float, WithinRange(0.0, 100.0)] = 0.0
    requestTransmuralityTolerance: Annotated[float, WithinRange(1.0, 25.0), Default(5.0)]
    output: Output
    outputFolder: pathlib.Path

    mode1: Annotated[float, WithinRange(-2.0, 2.0)] = 0.0
    mode2: Annotated[float, WithinRange(-2.0, 2.0)] = 0.0
    mode3: Annotated[float, WithinRange(-2.0, 2.0)] = 0.0
    modeSegmentation: bool = False
    bullseye: Bullseye

    study: StudyName
    launches: Annotated[int, WithinRange(1, 50), Default(3)]
    workers: Annotated[int, WithinRange(1, 64), Default(2)]
    studyFolder: pathlib.Path


class InfarctSynthWidget(ScriptedLoadableModuleWidget):
    """Binds InfarctSynth.ui to the parameter node; `InfarctSynthPanel` enables, runs and shows."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.binding = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        from InfarctSynth import InfarctSynthLogic

        from cardiactwins.panel.infarct.panel import InfarctSynthPanel
        from cardiactwins.panel.scene_binding import SceneBinding
        from cardiactwins.panel.setup_section import SetupSection

        uiWidget = slicer.util.loadUI(self.resourcePath("UI/InfarctSynth.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.setupSection = SetupSection(self.layout, requirementsFile(), "InfarctSynth")
        self.logic = InfarctSynthLogic()
        self.panel = InfarctSynthPanel(self.ui, self.logic, requirementsFile())
        self.binding = SceneBinding(
            self.parent,
            self.ui,
            self.panel,
            lambda: InfarctSynthParameterNode(self.logic.getParameterNode()),
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
    return pathlib.Path(__file__).parent / "Resources" / "requirements_InfarctSynth.txt"


def installRequirements():
    """Install the Python packages that the module needs and the application lacks, after asking the user.

    Raises RuntimeError when the user declines or they cannot be installed.
    """
    from cardiactwins.panel.requirements import ensure_requirements

    if not ensure_requirements(requirementsFile(), "InfarctSynth"):
        raise RuntimeError(_("The packages that InfarctSynth needs are not installed."))


def __getattr__(name):
    """Make `InfarctSynthLogic` when it is first asked for: its base class needs the library.

    It is the library's console API (`alignPopulation`, `personalize`, `fitIndividuals`, `generate`, `modes`,
    `study`) with the parameter node of a scripted module.
    """
    if name != "InfarctSynthLogic":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic as ConsoleLogic

    class InfarctSynthLogic(ScriptedLoadableModuleLogic, ConsoleLogic):
        __doc__ = ConsoleLogic.__doc__

    globals()[name] = InfarctSynthLogic
    return InfarctSynthLogic


class InfarctSynthTest(ScriptedLoadableModuleTest):
    """The module's work on phantoms: from patients to the reference, and from a population to its model."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        for name in sorted(name for name in dir(self) if name.startswith("test_")):
            self.setUp()
            getattr(self, name)()

    def test_lesionsOfPhantomsComeToTheReference(self):
        """Lesions drawn at one place of six random hearts lie at that place of the reference."""
        import numpy as np

        from cardiactwins.anatomy.phantoms import lv_phantom
        from cardiactwins.anatomy.reference import ReferenceAnatomy
        from cardiactwins.infarct.alignment import align_population, weighted_mean_angle
        from cardiactwins.infarct.population import InfarctCase

        def case(name, rng):
            heart = lv_phantom(rng, slices=5)
            lesion = (np.abs(heart.circumferential - 0.15) < 0.06) & (heart.radial < 0.6)
            masks = heart.cavity, heart.myocardium, lesion
            points = heart.insertion_points
            return InfarctCase(name, heart.geometry, *masks, insertion_points=points, territory="LAD")

        rng = np.random.default_rng(7)
        reference = ReferenceAnatomy()
        population = align_population((case(f"phantom {i}", rng) for i in range(6)), reference)
        self.assertEqual(population.excluded, ())
        self.assertAlmostEqual(weighted_mean_angle(population.lesions, reference), 0.15, delta=0.02)

    def test_personalizationApproachesPopulation(self):
        """A model that starts far from the parameters of a population ends nearer to it."""
        import numpy as np

        from cardiactwins.anatomy.reference import ReferenceAnatomy
        from cardiactwins.infarct.elliptical import EllipticalModel
        from cardiactwins.infarct.loss import PopulationLoss
        from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
        from cardiactwins.infarct.population import InfarctPopulation

        reference = ReferenceAnatomy(size=40, endocardial_radius=9.2, epicardial_radius=15.3)
        model = EllipticalModel(reference)
        rng = np.random.default_rng(7)
        truth, start = (9.0, 5.0, 6.0, 5.0), (2.0, 1.0, 20.0, 1.0)
        lesions = model.sample(truth, 40, rng)
        population = InfarctPopulation(reference, lesions, tuple(f"case {i}" for i in range(40)))
        settings = PersonalizationSettings(lesions=40, generations=8, scouts=0, polish_generations=0)
        result = personalize(population, model, start=start, settings=settings, seed=7)
        at_start = PopulationLoss(reference, lesions)(model.sample(start, 40, rng))
        self.assertLess(result.loss, at_start / 2)

    def test_infarctsGoFromNodesToNodes(self):
        """Segmentation nodes become a population, a model, and new infarcts in a patient's own wall."""
        import numpy as np
        from InfarctSynth import InfarctSynthLogic

        from cardiactwins.infarct.hearts import heart_of_case
        from cardiactwins.infarct.personalization import PersonalizationSettings
        from cardiactwins.infarct.phantom_cases import phantom_cases
        from cardiactwins.mrml.lesions import new_heart_segmentation
        from cardiactwins.mrml.segmentations import segment_array

        cases = phantom_cases(8, np.random.default_rng(7))
        nodes = [new_heart_segmentation(heart_of_case(case)) for case in cases]
        logic = InfarctSynthLogic()
        population = logic.alignPopulation(nodes, slices=11)
        self.assertGreaterEqual(len(population), 6)
        settings = PersonalizationSettings(
            lesions=20, generations=2, searches=1, scouts=0, polish_generations=0
        )
        personalized = logic.personalize(population, "elliptical", settings=settings)
        painted = logic.generate(personalized, 2, patient=nodes[0], seed=1)
        for node in painted:
            infarct = segment_array(node, "Infarct")
            self.assertTrue(infarct.any())
            self.assertFalse((infarct & ~cases[0].myocardium).any())
