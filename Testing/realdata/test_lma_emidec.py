"""Real short-axis stacks of EMIDEC patients through LMAReconstruct: models, shifts, scar."""

import csv
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lma_models import open_edges
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
from cardiactwins.mrml.segmentations import new_segmentation

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "emidec-infarct-labels"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the EMIDEC label stacks are not at {DATA}"),
]


@pytest.fixture(scope="module")
def patients():
    """Labels (k, j, i) and their grid, x undone of the stretch of the published images."""
    with (DATA / "aspect_xy.csv").open(encoding="utf-8") as file:
        stretch = {row["case"]: float(row["std_x_over_std_y_of_whole_LV"]) for row in csv.DictReader(file)}
    with np.load(DATA / "label_stacks.npz") as file:
        return {
            name: (
                file[name],
                ImageGeometry.from_spacing(
                    file[name].shape, (1.5 / stretch[name], 1.5, 10.0), direction=np.diag([-1.0, -1.0, 1.0])
                ),
            )
            for name in file.files
        }


@pytest.fixture(autouse=True)
def scene():
    host = start()
    host.scene.Clear(False)
    yield host.scene
    host.scene.Clear(False)


@pytest.mark.parametrize("name", ["Case_N013", "Case_P028", "Case_P035", "Case_P072", "Case_P091"])
def test_a_patients_stack_becomes_a_watertight_model_with_a_region_that_spares_scar(patients, name):
    labels, grid = patients[name]
    masks = {
        "cavity": labels == 1,
        "myocardium": labels == 2,
        "infarct": labels == 3,
        "no_reflow": labels == 4,
    }
    node = new_segmentation(name, grid, masks)
    slice_ = len(labels) // 2
    middle = grid.kji_to_ras([slice_, *np.argwhere(labels[slice_] == 1).mean(axis=0)])
    insertion = middle + np.array([35.0, 20.0, 0.0])
    logic = LMAReconstructLogic()
    heart = logic.reconstruct(node, insertion, method="interpolation")
    assert open_edges(heart.model) == 0
    assert 60 < heart.prepared.pose.frame.length < 130
    assert min(slice_.dice for slice_ in heart.reconstruction.agreement) > 0.75
    assert heart.prepared.shifts.lengths.max() < 6
    # The apex is the first slice of the stack.
    assert heart.prepared.pose.frame.direction[2] < -0.99
    middles = (np.arange(18) + 0.5) / 18
    tos = np.tile(80 - 40 * np.cos(2 * np.pi * (middles - 1 / 6)), (4, 1))
    logic.projectTOS(heart, tos, slicePositions=[0.2, 0.4, 0.6, 0.8])
    whole = logic.lateRegion(heart, areaShare=0.3)
    spared = logic.lateRegion(heart, areaShare=0.3, scar=node)
    assert spared.region.area <= whole.region.area
    assert spared.region.area == pytest.approx(whole.region.area * (1 - spared.region.excluded), rel=1e-6)
    assert ((spared.scar >= 0) & (spared.scar <= 1)).all()
    assert (spared.scar.max() > 0.5) == (labels >= 3).any()
