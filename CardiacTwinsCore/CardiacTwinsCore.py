"""Hidden 3D Slicer module that carries the library of CardiacTwins and makes it importable."""

import sys
from pathlib import Path

from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class CardiacTwinsCore(ScriptedLoadableModule):
    """Puts the folder of this file on Python's path; `cardiactwins` lies there in every layout.

    In the source tree that is CardiacTwinsCore/; in a build or an installed extension, the folder of all
    modules.
    """

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("CardiacTwins Core")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Cardiac")]
        self.parent.dependencies = []
        self.parent.contributors = ["The CardiacTwins contributors"]
        self.parent.helpText = _("The library that InfarctSynth works with. It has no panel.")
        self.parent.acknowledgementText = _("CITATION.cff in the project names the papers behind it.")
        self.parent.hidden = True
        makeLibraryImportable()


def makeLibraryImportable():
    """Put the folder that holds `cardiactwins` on Python's path, before any other copy of the library."""
    folder = str(Path(__file__).resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)


class CardiacTwinsCoreWidget(ScriptedLoadableModuleWidget):
    """The module is hidden: an empty panel."""


class CardiacTwinsCoreLogic(ScriptedLoadableModuleLogic):
    """The module has no logic of its own; import `cardiactwins`."""


class CardiacTwinsCoreTest(ScriptedLoadableModuleTest):
    """The library is complete in this layout."""

    def runTest(self):
        self.test_libraryLiesBesideThisFile()
        self.test_everyModuleOfTheLibraryIsInstalled()

    def test_libraryLiesBesideThisFile(self):
        import cardiactwins

        library = Path(cardiactwins.__file__).resolve().parent
        self.assertEqual(library.parent, Path(__file__).resolve().parent)

    def test_everyModuleOfTheLibraryIsInstalled(self):
        """Packages of the library import only modules that were installed with them."""
        import importlib
        import pkgutil

        import cardiactwins

        for package in pkgutil.walk_packages(cardiactwins.__path__, "cardiactwins."):
            if package.name.startswith("cardiactwins.cli"):
                continue  # the command line needs typer, which the application does not bring
            importlib.import_module(package.name)
