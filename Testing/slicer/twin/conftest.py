"""A patient's heart, its twin and a stand-in for trained weights around it."""

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.mrml.twin_editor import TwinEditorLogic
from cardiactwins.mrml.twin_segmentation import new_heart_segmentation
from cardiactwins.twin.label_resampling import resampled_labels


@pytest.fixture(scope="module")
def phantom():
    return whole_heart_phantom(np.random.default_rng([3, 1]))


@pytest.fixture(scope="module")
def patient(phantom):
    """The phantom on an oblique grid of 2.5 mm."""
    fine = phantom.patient_geometry()
    size = int(np.ceil(128 * 1.4 / 2.5)) + 6
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, :3] *= 2.5 / 1.4
    matrix[:3, 3] = fine.ijk_to_ras[:3, 3] - matrix[:3, :3] @ np.full(3, 3.0)
    geometry = ImageGeometry((size,) * 3, matrix)
    return resampled_labels(phantom.labels, fine, geometry), geometry


@pytest.fixture
def source(patient, scene):
    return new_heart_segmentation("Patient", *patient)


@pytest.fixture(scope="module")
def weights(phantom, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "stand-in.npz"
    np.savez_compressed(path, labels=phantom.labels, deviation=0.05)
    return path


@pytest.fixture(scope="module")
def logic(weights):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TwinEditorLogic(weights, loader="block_hearts:load")
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shared_case(logic, patient):
    return logic.importTwin(patient, name="Patient")
