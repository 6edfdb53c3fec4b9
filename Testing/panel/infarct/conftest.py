"""The InfarctSynth panel: empty, with patients, with their population, and with all that its runs need."""

import numpy as np
import pytest
from infarct_steps import CASES, add_patients, finish, parameters, prepare

PHANTOMS, MISSING = 7, 1  # the second one's infarct does not reach the mid-level slice


@pytest.fixture
def temporary(host, tmp_path, monkeypatch):
    """The application's temporary folder, in which job folders are made."""
    import slicer

    folder = tmp_path / "temporary"
    monkeypatch.setattr(slicer.app, "temporaryPath", str(folder))
    return folder


@pytest.fixture
def synth(temporary, panel):
    """The open panel."""
    return panel("InfarctSynth")


@pytest.fixture(scope="module")
def phantoms():
    """Phantom patients, made once."""
    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.infarct.phantom_cases import phantom_cases

    return [heart_of_case(case) for case in phantom_cases(CASES, np.random.default_rng(7))]


@pytest.fixture
def patients(host, phantoms):
    """The phantoms as segmentation nodes in a folder of the scene; the item id of the folder."""
    import slicer

    from cardiactwins.mrml.lesions import new_heart_segmentation

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patients")
    for heart in phantoms:
        node = new_heart_segmentation(heart)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    return folder


@pytest.fixture(scope="module")
def aligned():
    """The population that the first test aligns, for those that come after it."""
    return []


@pytest.fixture
def population(host, patients, synth, aligned):
    """The patients chosen and, once, aligned by clicks; the table node of the population."""
    from cardiactwins.mrml.archive_nodes import new_population_node, population_of_node

    host.choose(synth.ui.hierarchyItemBox, "Patients")
    if aligned:
        parameters(synth).population = new_population_node("Infarct population", aligned[0])
    else:
        finish(host, synth, synth.ui.alignButton)
        aligned.append(population_of_node(parameters(synth).population))
    return parameters(synth).population


@pytest.fixture
def preset(host, synth):
    """A preset loaded by a click; its model node."""
    host.choose(synth.ui.presetBox, "Paper 2D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    return parameters(synth).personalizedModel


@pytest.fixture(scope="module")
def hearts():
    """Six phantom patients that can all be used, made once."""
    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.infarct.phantom_cases import phantom_cases

    cases = phantom_cases(PHANTOMS, np.random.default_rng(7))
    del cases[MISSING]
    return [heart_of_case(case) for case in cases]


@pytest.fixture(scope="module")
def lesions():
    """A population on the mid-level slice, large enough for its modes to take a moment."""
    from cardiactwins.anatomy.reference import ReferenceAnatomy
    from cardiactwins.infarct.elliptical import EllipticalModel
    from cardiactwins.infarct.population import InfarctPopulation

    reference = ReferenceAnatomy()
    drawn = EllipticalModel(reference).sample((9.0, 5.0, 6.0, 5.0), 300, np.random.default_rng(1))
    return InfarctPopulation(reference, drawn, tuple(f"case {number}" for number in range(len(drawn))))


@pytest.fixture
def ready(host, synth, hearts, lesions, tmp_path):
    """The panel with everything chosen that its runs need: patients, a population, a model, folders."""
    prepare(host, synth, lesions, tmp_path)
    add_patients(host, synth, hearts)
    return synth


@pytest.fixture
def plain(host, synth, lesions, tmp_path):
    """The same, for new infarcts on the reference and no patients to be read."""
    prepare(host, synth, lesions, tmp_path)
    return synth
