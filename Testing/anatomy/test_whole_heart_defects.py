"""Defects are what they say, and nothing else changes."""

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.anatomy.heart_defects import DEFECT_KINDS, with_defects
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.anatomy.whole_heart import whole_heart_phantom


@pytest.fixture(scope="module")
def labels():
    return whole_heart_phantom(np.random.default_rng(11), kind="ordinary").labels[::2, ::2, ::2]


def test_only_the_reported_voxels_change(labels):
    changed, defects = with_defects(labels, np.random.default_rng(0), number=6)
    reported = np.zeros(labels.shape, dtype=bool)
    for defect in defects:
        reported[tuple(defect.voxels.T)] = True
    assert len(defects) == 6
    assert ((changed != labels) <= reported).all()
    assert (changed != labels).any()


@pytest.mark.parametrize("seed", range(4))
def test_missing_piece_takes_a_part_of_one_tissue(labels, seed):
    changed, (defect,) = with_defects(labels, np.random.default_rng(seed), number=1, kinds=["missing piece"])
    before, after = (np.count_nonzero(x == defect.tissue) for x in (labels, changed))
    assert 0.04 < 1 - after / before < 0.26
    assert (changed[labels != defect.tissue] == labels[labels != defect.tissue]).all()


@pytest.mark.parametrize("seed", range(4))
def test_fragment_is_a_speck_of_the_tissue_apart_from_it(labels, seed):
    changed, (defect,) = with_defects(labels, np.random.default_rng(seed), number=1, kinds=["fragment"])
    assert 5 <= len(defect.voxels) <= 80
    assert (changed[tuple(defect.voxels.T)] == defect.tissue).all()
    if defect.tissue is not Tissue.AO:
        names = {c.name for c in topology_checks(changed) if not c.holds and c.components}
        assert any(name.lower().startswith(defect.tissue.name.lower()) for name in names)


def test_hole_leaves_background_inside(labels):
    changed, (defect,) = with_defects(labels, np.random.default_rng(2), number=1, kinds=["hole"])
    assert (changed[tuple(defect.voxels.T)] == 0).all()
    assert (labels[tuple(defect.voxels.T)] == defect.tissue).all()
    assert 10 <= len(defect.voxels) <= 150
    assert ndimage.label(changed == 0)[1] >= 1


def test_the_same_seed_gives_the_same_defects(labels):
    first, again = (with_defects(labels, np.random.default_rng(9))[0] for _ in range(2))
    assert np.array_equal(first, again)


def test_bad_requests_are_refused(labels):
    assert DEFECT_KINDS == ("missing piece", "fragment", "hole")
    with pytest.raises(ValueError, match="of the kinds"):
        with_defects(labels, np.random.default_rng(0), kinds=["leak"])
    with pytest.raises(ValueError, match="empty"):
        with_defects(np.zeros((4, 4, 4)), np.random.default_rng(0))
