"""InfarctSynth, a 3D Slicer module: synthetic myocardial infarcts that match a population.

The work is done by `cardiactwins.mrml.infarct_synth`, the same with and without the application. Importing
this file loads none of it, so that the application starts as fast as before.
"""

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
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


class InfarctSynthWidget(ScriptedLoadableModuleWidget):
    """Says how to use the module from the console, and runs its self-test."""

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.introduction = qt.QLabel(
            _(
                "InfarctSynth works from the Python console:\n\n"
                "from InfarctSynth import InfarctSynthLogic, installRequirements\n"
                "installRequirements()\n"
                "help(InfarctSynthLogic)"
            )
        )
        self.introduction.wordWrap = True
        self.introduction.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
        self.layout.addWidget(self.introduction)

        self.selfTestButton = qt.QPushButton(_("Run the self-test"))
        self.selfTestButton.toolTip = _("Close the scene and check the module on a phantom.")
        self.selfTestButton.connect("clicked(bool)", self.onSelfTest)
        self.layout.addWidget(self.selfTestButton)
        self.layout.addStretch(1)

    def onSelfTest(self, _checked=False):
        if not slicer.util.confirmOkCancelDisplay(_("The self-test closes the scene. Continue?")):
            return
        with slicer.util.tryWithErrorDisplay(_("The self-test failed."), waitCursor=True):
            installRequirements()
            slicer.selfTests[self.moduleName]()


def installRequirements():
    """Install the Python packages that the module needs and the application lacks, after asking the user.

    Raises RuntimeError when the user declines.
    """
    from pathlib import Path

    path = Path(__file__).parent / "Resources" / "requirements_InfarctSynth.txt"
    try:
        from slicer.packaging import load_requirements, pip_ensure
    except ImportError:
        _installRequirementsBefore511(path)
    else:
        pip_ensure(load_requirements(path), requester="InfarctSynth")


def _installRequirementsBefore511(path):
    from importlib import metadata

    installed = {distribution.metadata["Name"].lower() for distribution in metadata.distributions()}
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    missing = [requirement for requirement in wanted if requirement.split(">=")[0].lower() not in installed]
    if not missing:
        return
    question = _("InfarctSynth needs these Python packages: {packages}. Install them now?")
    if not slicer.util.confirmOkCancelDisplay(question.format(packages=", ".join(missing))):
        raise RuntimeError(_("The packages that InfarctSynth needs were not installed."))
    slicer.util.pip_install(missing)


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
        self.setUp()
        self.test_lesionsOfPhantomsComeToTheReference()
        self.setUp()
        self.test_personalizationApproachesPopulation()

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
            return InfarctCase(
                name,
                heart.geometry,
                heart.cavity,
                heart.myocardium,
                lesion,
                insertion_points=heart.insertion_points,
                territory="LAD",
            )

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
