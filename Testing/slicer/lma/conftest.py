"""A phantom of the left ventricle, and the logic of LMAReconstruct."""

import numpy as np
import pytest

from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic


@pytest.fixture(scope="module")
def phantom():
    return lv_phantom(np.random.default_rng(3), slices=8, spacing=(1.4, 1.4, 8.0))


@pytest.fixture
def logic(scene):
    return LMAReconstructLogic()
