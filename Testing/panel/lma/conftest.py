"""The LMAReconstruct panel: empty, with slices, with their model, and with a map."""

import numpy as np
import pytest
from lma_steps import parameters, tos_file


@pytest.fixture
def lma(host, panel, tmp_path, monkeypatch):
    """The open panel, with settings and job folders of its own."""
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "jobs"))
    settings = str(tmp_path / "settings" / "Slicer.ini")
    monkeypatch.setattr(slicer.app, "slicerUserSettingsFilePath", settings, raising=False)
    return panel("LMAReconstruct")


@pytest.fixture(scope="module")
def phantom():
    from cardiactwins.anatomy.phantoms import lv_phantom

    return lv_phantom(np.random.default_rng(3), slices=6, spacing=(2.0, 2.0, 10.0))


@pytest.fixture
def slices(host, phantom):
    """The phantom's slices as a segmentation, and its insertion points."""
    from cardiactwins.mrml.markups import new_markups
    from cardiactwins.mrml.segmentations import new_segmentation

    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    return (
        new_segmentation("Patient", phantom.geometry, masks),
        new_markups("RV insertion", phantom.insertion_points),
    )


@pytest.fixture
def ready(host, lma, slices):
    """The panel with the slices chosen and what needs no network."""
    host.choose(lma.ui.segmentationSelector, "Patient")
    host.choose(lma.ui.insertionSelector, "RV insertion")
    host.choose(lma.ui.methodBox, "Interpolation between the slices")
    host.choose(lma.ui.onsetBox, "Change point")
    return lma


@pytest.fixture
def heart(host, ready):
    """The panel with a model of the slices, made without its worker."""
    section = ready.panel.reconstruction
    found = ready.logic.reconstruct(
        parameters(ready).slicesSegmentation, parameters(ready).insertionPoints, method="interpolation"
    )
    section._finish(found, found.reconstruction)
    parameters(ready).model = found.model
    return ready


@pytest.fixture
def mapped(host, heart):
    """The panel with a map of TOS that is latest around one sector."""
    host.choose(heart.ui.activationSourceBox, "TOS that is known")
    parameters(heart).tos = heart.logic.loadTOS(tos_file(heart))
    host.click(heart.ui.mapButton)
    return heart
