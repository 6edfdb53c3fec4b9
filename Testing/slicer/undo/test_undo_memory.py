"""Results that were taken back hold no memory."""

import numpy as np
import pytest
from held_memory import CAN_COUNT, held_bytes

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.undo import ResultStack


@pytest.mark.skipif(not CAN_COUNT, reason="held memory is counted by glibc 2.33 and later")
@pytest.mark.parametrize("undone", [True, False], ids=["undone", "kept"])
def test_memory_stays_flat_over_fifty_rounds_of_adding_and_undoing(scene, undone):
    """A round holds 2.7 MB of labelmaps: kept, ten rounds take 27 MB; undone, fifty take next to none."""
    grid = ImageGeometry.from_spacing((20, 256, 256))
    mask = np.random.default_rng(7).random(grid.shape) < 0.5
    mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = True
    stack = ResultStack(scene, depth=100)
    own = new_segmentation("the user's own", grid, {"cavity": mask})

    def rounds(number):
        for _ in range(number):
            with stack.recording("Generate") as record:
                record.change(own)
                own.SetAttribute("CardiacTwins.Seed", "1")
                new_segmentation("heart", grid, {"myocardium": mask, "infarct": ~mask})
            if undone:
                stack.undo()

    rounds(5)
    nodes, before = scene.GetNumberOfNodes(), held_bytes()
    rounds(50 if undone else 10)
    grown = held_bytes() - before
    assert (scene.GetNumberOfNodes() == nodes) == undone
    # Ten rounds that are kept prove that the bound of what fifty may take can be missed.
    assert (grown < 2e6) == undone, f"{grown / 1e6:.0f} MB"
    stack.close()
