"""One headless scene for all tests of this folder, empty before each of them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.headless import start

SHAPE = (6, 30, 28)
TURNED = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
GRIDS = {
    "axis-aligned": ImageGeometry.from_spacing(SHAPE),
    "anisotropic": ImageGeometry.from_spacing(SHAPE, (1.2, 1.5, 8.0), (10, -20, 33.3)),
    "oblique": ImageGeometry.from_spacing(SHAPE, (1.2, 1.5, 8.0), (10, -20, 33.3), TURNED),
    "left-handed": ImageGeometry.from_spacing(
        SHAPE, (1.2, 1.5, 8.0), (10, -20, 33.3), TURNED @ np.diag([-1, 1, 1])
    ),
}


@pytest.fixture(scope="session")
def host():
    """The headless scene of this process."""
    return start()


@pytest.fixture(autouse=True)
def scene(host):
    """The scene, empty."""
    host.scene.Clear(False)
    yield host.scene
    host.scene.Clear(False)


@pytest.fixture(params=GRIDS)
def grid(request):
    """Each kind of image grid in turn."""
    return GRIDS[request.param]


@pytest.fixture
def oblique_grid():
    """An oblique, anisotropic, left-handed grid."""
    return GRIDS["left-handed"]


@pytest.fixture
def masks():
    """A cylinder of a heart by role, (6, 30, 28); infarct in the myocardium, outer slices empty."""
    k, j, i = np.indices(SHAPE)
    radius = np.hypot(j - 15, i - 13)
    inside = (k > 0) & (k < 5)
    myocardium = inside & (radius >= 5) & (radius < 10)
    infarct = myocardium & (i > 14) & (k > 1)
    return {
        "cavity": inside & (radius < 5),
        "myocardium": myocardium,
        "infarct": infarct,
        "no_reflow": infarct & (radius < 7),
    }
