"""What tests of networks share."""

import numpy as np
import pytest

from cardiactwins.lma.shape_volume import ShapeVolume


@pytest.fixture(scope="module")
def one_thread():
    """One thread for PyTorch: on small arrays more would wait for each other."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cups():
    """Six half ellipsoids of 16^3 voxels, each wider than the one before."""
    k, j, i = np.indices((16, 16, 16)) - np.array([2, 7.5, 7.5])[:, None, None, None]
    volumes = []
    for radius in np.linspace(3, 4.5, 6):
        distance = np.sqrt((k / 2.4) ** 2 + j**2 + i**2)
        inner, outer = (np.clip(r + 0.5 - distance, 0, 1) * (k >= 0) for r in (radius, radius + 1.5))
        volumes.append(ShapeVolume(inner.astype(np.float32), (outer - inner).astype(np.float32), 1.0))
    return volumes
