"""From DENSE sequences or tables of strain to TOS and the late region."""

import numpy as np
import pytest

from cardiactwins.lma.strain_phantom import simulate_strain
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.lma_strain import new_strain_table, strain_of_table
from cardiactwins.mrml.tables import columns_of_table


def test_the_sample_heart_gives_its_late_lateral_wall_from_dense_to_region(logic):
    sample = new_sample_heart(1)
    heart = logic.reconstruct(sample.segmentation, sample.insertion, method="interpolation")
    strain = [
        logic.computeStrain(
            slice_.phase_x,
            slice_.phase_y,
            slice_.mask,
            ke=slice_.ke,
            insertionPoints=sample.insertion,
            model=heart,
        )
        for slice_ in sample.dense
    ]
    tos = logic.estimateTOS(strain, model=heart, method="change point")
    heights = [slice_.longitudinal for slice_ in sample.dense]
    np.testing.assert_allclose(tos.table.longitudinal, heights, atol=0.02)
    truth = np.array([slice_.onset for slice_ in sample.dense])
    assert np.abs(tos.table.values - truth).mean() < 17
    found = logic.projectTOS(heart, tos.node)
    late = logic.lateRegion(heart, tos=tos.table, strain=[slice_.matrix for slice_ in strain])
    assert late.target in (5, 6, 11, 12, 16)
    lateral = sample.phantom.heart_to_ras[:3, 0]
    away = (late.region.centre - found.frame.base) @ lateral
    assert away > 15
    rows = columns_of_table(late.table)["quantity"]
    assert {"SD-TOS", "CURE"} <= set(rows)


def test_strain_tables_typed_in_give_tos_without_any_image(logic, phantom):
    slice_ = simulate_strain("LBBB", np.random.default_rng(2))
    node = new_strain_table("strain", slice_.strain, slice_.times)
    matrix, times = strain_of_table(node)
    np.testing.assert_allclose(matrix, slice_.strain)
    np.testing.assert_allclose(times, slice_.times)
    found = logic.estimateTOS(node, method="change point", slicePositions=[0.5])
    assert found.table.values.shape == (1, 18)
    assert np.abs(found.table.values[0] - slice_.onset).mean() < 17
    with pytest.raises(ValueError, match="12 are expected"):
        logic.estimateTOS(node, method="change point", sectors=12)


def test_dense_images_that_cannot_be_used_say_why(logic):
    sample = new_sample_heart(0)
    first = sample.dense[0].arguments()
    with pytest.raises(ValueError, match="encoding frequency"):
        logic.computeStrain(**{**first, "ke": None}, insertionPoints=sample.insertion)
    with pytest.raises(ValueError, match="no RV insertion point"):
        logic.computeStrain(**first)
    phase = np.zeros((12, 20, 20))
    ring = np.zeros((12, 20, 20), dtype=bool)
    ring[:, 5:15, 5:15] = True
    arrays = {"phaseX": phase, "phaseY": phase, "mask": ring, "ke": 0.1, "insertionPoints": (5.0, 5.0)}
    with pytest.raises(ValueError, match="frame times are not known"):
        logic.computeStrain(**arrays, pixel=2.0)
    with pytest.raises(ValueError, match="size of a pixel is not known"):
        logic.computeStrain(**arrays, times=np.arange(1, 13) * 20.0)
    broken = phase.copy()
    broken[4, 8, 8] = np.nan
    with pytest.raises(ValueError, match="NaN inside the myocardium in 1 frames"):
        logic.computeStrain(**{**arrays, "phaseX": broken}, times=np.arange(1, 13) * 20.0, pixel=2.0)
