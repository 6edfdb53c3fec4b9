"""Input of LMAReconstruct that cannot be used says what to do, and adds nothing to the scene."""

import numpy as np
import pytest
from lma_phantom_nodes import segmentation_of

from cardiactwins.mrml.markups import new_markups


def test_bad_input_says_what_to_do(logic, phantom):
    node = segmentation_of(phantom)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.reconstruct(node)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.reconstruct(node, new_markups("empty", np.zeros((0, 3))))
    with pytest.raises(ValueError, match="mm from the myocardium"):
        logic.reconstruct(node, phantom.insertion_points + 90)
    with pytest.raises(ValueError, match="no segment for the LV myocardium"):
        logic.reconstruct(segmentation_of(phantom, "cavity"), phantom.insertion_points)
    with pytest.raises(ValueError, match="A method is one of"):
        logic.reconstruct(node, phantom.insertion_points, method="magic")
    heart = logic.reconstruct(node, phantom.insertion_points, method="interpolation")
    with pytest.raises(ValueError, match="heights of the TOS slices"):
        logic.projectTOS(heart, np.full((4, 18), 40.0))
    with pytest.raises(ValueError, match="12 are expected"):
        logic.projectTOS(heart, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7], sectors=12)
    with pytest.raises(ValueError, match="holds no TOS"):
        logic.lateRegion(heart)
    with pytest.raises(ValueError, match="does not tell its long axis"):
        heart.model.RemoveAttribute("CardiacTwins.LongAxisFrame")
        logic.projectTOS(heart.model, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7])


def test_a_failed_reconstruction_adds_nothing_to_the_scene(logic, phantom, scene):
    node = segmentation_of(phantom)
    before = scene.GetNumberOfNodes()
    with pytest.raises(ValueError, match="method"):
        logic.reconstruct(node, phantom.insertion_points, method="magic")
    assert scene.GetNumberOfNodes() == before
