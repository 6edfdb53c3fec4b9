"""The Qt host itself: a module file with every kind of widget, worked as a person would."""

import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parent / "demo" / "PanelDemo.py"


@pytest.fixture
def demo(panel):
    """The panel of the demo module."""
    return panel(DEMO)


@pytest.fixture
def parameters(demo):
    """The demo's parameters."""
    return demo.logic.getParameterNode()


@pytest.fixture
def volume(host):
    """A volume node, 'LGE'."""
    import slicer

    return slicer.util.addVolumeFromArray(np.zeros((2, 3, 4)), name="LGE")


def test_a_choice_of_a_person_reaches_the_node_and_enables_what_can_work_now(host, demo, parameters, volume):
    assert not demo.ui.applyButton.enabled
    assert demo.ui.applyButton.toolTip == "Choose a volume"
    host.choose(demo.ui.volumeSelector, "LGE")
    assert parameters.volume is volume
    assert demo.ui.applyButton.enabled
    host.click(demo.ui.applyButton)
    assert demo.applied == 1
    host.wait(lambda: demo.ui.progressBar.value == 100, 5)


def test_what_is_disabled_cannot_be_clicked(host, demo):
    with pytest.raises(RuntimeError, match="Choose a volume"):
        host.click(demo.ui.applyButton)


def test_values_are_kept_in_the_node_under_the_names_that_slicer_gives_them(demo, parameters, volume):
    territory = sys.modules["PanelDemo"].Territory
    parameters.volume, parameters.territory, parameters.sizes = volume, territory.RCA, [1.5, 2]
    parameters.region.share = 0.5
    node = parameters.parameterNode
    kept = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert kept == {
        "volume": "",
        "segmentation": "",
        "threshold": "100",
        "count": "10",
        "spacing": "1.5",
        "keepCore": "True",
        "model": "elliptical",
        "territory": "RCA",
        "title": "Untitled",
        "folder": ".",
        "window._minimum": "-1",
        "window._maximum": "2",
        "region.name": "core",
        "region.share": "0.5",
        "sizes.len": "2",
        "sizes.0": "1.5",
        "sizes.1": "2",
    }
    assert node.GetNodeReferenceID("volume") == volume.GetID()
    assert node.GetSingletonTag() == node.GetAttribute("ModuleName") == "PanelDemo"
