"""The TwinEditor panel: empty, with an imported heart, and with a stand-in for the trained model."""

import numpy as np
import pytest
from twin_steps import NAME, give_weights, parameters


@pytest.fixture
def editor(host, panel, tmp_path, monkeypatch):
    """The open panel, with settings and job folders of its own."""
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "jobs"))
    settings = str(tmp_path / "settings" / "Slicer.ini")
    monkeypatch.setattr(slicer.app, "slicerUserSettingsFilePath", settings, raising=False)
    return panel("TwinEditor")


@pytest.fixture(scope="session")
def phantom():
    """The phantom of the sample data."""
    from cardiactwins.anatomy.whole_heart import whole_heart_phantom

    return whole_heart_phantom(np.random.default_rng([40, 0]), kind="ordinary")


@pytest.fixture(scope="session")
def scan(phantom):
    """Labels (k, j, i) and geometry of the sample heart."""
    from cardiactwins.mrml.twin_sample import scanned

    return scanned(phantom)


@pytest.fixture(scope="session")
def twin(scan):
    """The sample heart on the grid of the model."""
    from cardiactwins.twin.twin_import import import_twin

    return import_twin(*scan, name=NAME)


@pytest.fixture
def heart(editor, scan, twin):
    """The panel with an imported heart, made without its worker."""
    from cardiactwins.mrml.twin_case import TwinCase
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
    from cardiactwins.panel.twin.context import ImportedHeart, content_version

    node = new_heart_segmentation(NAME, *scan)
    parameters(editor).segmentation = node
    editor.panel.context.imported[node.GetID()] = ImportedHeart.of(TwinCase(twin), {}, content_version(node))
    editor.panel.update()
    return editor


@pytest.fixture
def ready(heart, twin):
    """The panel with an imported heart and a model that is quick."""
    pytest.importorskip("torch")
    give_weights(heart, twin.labels)
    parameters(heart).steps = 4
    parameters(heart).number = 2
    return heart
