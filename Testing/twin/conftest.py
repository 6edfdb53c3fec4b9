"""Lets these tests share hearts made by hand and the stand-in of a trained model."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "Benchmarks"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


@pytest.fixture(scope="session")
def small_model():
    """Ellipsoid hearts of 40^3 voxels of 4 mm with normal latents, instead of trained weights."""
    import torch
    from gaussian_hearts import small_hearts

    torch.set_num_threads(1)
    return small_hearts(16)


@pytest.fixture(scope="session")
def fabric():
    """One process in full precision."""
    from cardiactwins.twin.training_run import single_process

    return single_process("full")


@pytest.fixture(scope="session")
def autoencoder():
    """A small one, as it is before a training."""
    import torch
    from small_trainings import CODING

    from cardiactwins.twin.autoencoder import build_autoencoder

    torch.manual_seed(0)
    return build_autoencoder(CODING.network).eval()
