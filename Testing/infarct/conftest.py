"""A small population that the tests of personalization share."""

import numpy as np
import pytest
from small_personalizations import SMALL, TRUTH, population_of

from cardiactwins.infarct.elliptical import EllipticalModel


@pytest.fixture(scope="module")
def ellipses():
    return population_of(EllipticalModel(SMALL).sample(TRUTH, 30, np.random.default_rng(0)))
