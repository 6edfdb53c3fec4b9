"""The shortest line between two masks, against the distances of all pairs of their voxels."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from cardiactwins.anatomy.nearest_voxels import line_between


@pytest.mark.parametrize("seed", range(6))
def test_the_line_joins_the_nearest_pair_of_all(seed):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(24, 20, 28)), 2.5)
    low, high = np.quantile(field, (0.1, 0.9))
    line = line_between(field < low, field > high)
    first, second = np.argwhere(field < low), np.argwhere(field > high)
    distance = cdist(first, second)
    # The first smallest is that of the voxels that come first.
    start, end = np.unravel_index(np.argmin(distance), distance.shape)
    assert (line[0], line[-1]) == (pytest.approx(first[start]), pytest.approx(second[end]))
    between = line[1:-1]
    assert not (field < low)[tuple(between.T)].any() and not (field > high)[tuple(between.T)].any()
    steps = np.diff(line, axis=0)
    assert (np.abs(steps).max(axis=1) == 1).all() and len(line) == np.abs(line[-1] - line[0]).max() + 1
    straight = line[0] + np.linspace(0, 1, len(line))[:, None] * (line[-1] - line[0])
    assert np.abs(line - straight).max() <= 0.5


def test_of_many_pairs_as_near_the_first_is_taken():
    first, second = np.zeros((2, 8, 30, 30), bool)
    first[1, 2:28, 2:28] = True
    second[5, 2:28, 2:28] = True
    np.testing.assert_array_equal(line_between(first, second), [(k, 2, 2) for k in (1, 2, 3, 4, 5)])
    np.testing.assert_array_equal(line_between(second, first), [(k, 2, 2) for k in (5, 4, 3, 2, 1)])
    # Two voxels equally near one.
    first, second = np.zeros((2, 9, 9, 9), bool)
    first[4, 4, 4] = second[4, 4, 7] = second[4, 4, 1] = True
    np.testing.assert_array_equal(line_between(first, second), [(4, 4, i) for i in (4, 3, 2, 1)])


def test_neighbours_have_nothing_between_them():
    first, second = np.zeros((2, 4, 4, 4), bool)
    first[:2], second[2:] = True, True
    np.testing.assert_array_equal(line_between(first, second), [(1, 0, 0), (2, 0, 0)])


def test_empty_masks_are_refused():
    some, none = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    for pair in ((some, none), (none, some)):
        with pytest.raises(ValueError, match="empty mask has no nearest voxel"):
            line_between(*pair)
