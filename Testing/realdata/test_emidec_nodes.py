"""The EMIDEC patients through 3D Slicer's nodes and files: nothing of a segmentation is lost or moved."""

from pathlib import Path

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.infarct.hearts import heart_of_case
from cardiactwins.infarct.population import InfarctCase
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.population import read_cases
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.volumes import new_label_volume

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "emidec-infarct-labels"
STORED_AXES = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the EMIDEC label stacks are not at {DATA}"),
]


def grid_of(labels):
    return ImageGeometry.from_spacing(labels.shape, (1.5, 1.5, 10.0), direction=STORED_AXES)


def case_of(name, labels):
    return InfarctCase(name, grid_of(labels), labels == 1, labels >= 2, labels >= 3, labels == 4)


@pytest.fixture(scope="module")
def stacks():
    with np.load(DATA / "label_stacks.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(autouse=True)
def scene():
    scene = start().scene
    scene.Clear(False)
    yield scene
    scene.Clear(False)


def test_label_map_files_give_every_infarct_patient_and_list_the_others(scene, stacks, tmp_path):
    for name, labels in stacks.items():
        save_node(new_label_volume(name, labels, grid_of(labels)), tmp_path / f"{name}.nrrd")
        scene.Clear(False)
    before = scene.GetNumberOfNodes()
    cases, excluded = read_cases(tmp_path)
    assert scene.GetNumberOfNodes() == before
    assert [case.identifier for case in cases] == sorted(name for name in stacks if "_P" in name)
    assert {case.reason for case in excluded} == {"The Infarct is empty. Draw it or leave the case out."}
    assert sorted(case.identifier for case in excluded) == sorted(name for name in stacks if "_N" in name)
    for case in cases:
        direct = case_of(case.identifier, stacks[case.identifier])
        for field in ("cavity", "myocardium", "infarct", "no_reflow"):
            mask, expected = getattr(case, field), getattr(direct, field)
            if mask is None:
                assert not expected.any()
                continue
            places = case.geometry.ras_to_kji(direct.geometry.kji_to_ras(np.argwhere(expected)))
            assert mask[tuple(np.round(places).astype(int).T)].all(), (case.identifier, field)
            assert mask.sum() == expected.sum(), (case.identifier, field)


def test_segmentation_nodes_give_back_every_patient_exactly(scene, stacks):
    direct = [case_of(name, labels) for name, labels in stacks.items() if "_P" in name][:12]
    cases, excluded = read_cases([new_heart_segmentation(heart_of_case(case)) for case in direct])
    assert not excluded
    for case, expected in zip(cases, direct, strict=True):
        assert case.geometry.matches(expected.geometry)
        for field in ("cavity", "myocardium", "infarct"):
            np.testing.assert_array_equal(getattr(case, field), getattr(expected, field))
