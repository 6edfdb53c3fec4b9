"""Results that were taken back hold no memory."""

import ctypes
import gc
import os
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.undo import ResultStack


def resident_bytes():
    """Memory of this process, once the C library has given back what earlier tests have freed."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc (Linux)"
)
@pytest.mark.parametrize("undone", [True, False], ids=["undone", "kept"])
def test_memory_stays_flat_over_fifty_rounds_of_adding_and_undoing(scene, undone):
    """A round holds 4 MB of labelmaps: kept, fifty rounds take 200 MB; undone, they take next to none."""
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
    nodes, before = scene.GetNumberOfNodes(), resident_bytes()
    rounds(50 if undone else 10)
    grown = resident_bytes() - before
    assert (scene.GetNumberOfNodes() == nodes) == undone
    # Ten rounds that are kept prove that the bound of what fifty may take can be missed.
    assert (grown < 15e6) == undone, f"{grown / 1e6:.0f} MB"
    stack.close()
