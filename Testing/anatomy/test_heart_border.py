"""Voxels of tissues in the outermost layer of a grid."""

import numpy as np
import pytest

from cardiactwins.anatomy.heart_border import border_voxels
from cardiactwins.anatomy.heart_tissues import Tissue


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 4, 5), (2, 3, 2)])
def test_voxels_at_the_border_are_counted_once_each(shape):
    labels = np.random.default_rng(0).integers(0, 6, shape).astype(np.uint8)
    expected = {}
    for index, value in np.ndenumerate(labels):
        if value and any(at in (0, size - 1) for at, size in zip(index, shape, strict=True)):
            expected[Tissue(value)] = expected.get(Tissue(value), 0) + 1
    before = labels.copy()
    assert border_voxels(labels) == expected and Tissue(6) not in expected
    np.testing.assert_array_equal(labels, before)


def test_a_heart_inside_its_grid_has_none():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1:5, 1:5, 1:5] = Tissue.LV
    assert border_voxels(labels) == {}
