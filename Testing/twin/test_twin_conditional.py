"""What the benchmark of conditional spread takes as known, and how much of a volume that leaves open."""

import numpy as np
import pytest
from scipy import ndimage
from twin_conditional import BLOCK, KNOWN, Kept, block_shares, kept_of_heart, shares_left

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.keep_mask import latent_keep


@pytest.fixture(scope="module")
def heart():
    return whole_heart_phantom(np.random.default_rng([9, 0])).labels


def test_block_shares_are_the_means_of_the_tissues_in_the_blocks(heart):
    found = block_shares(np.argwhere(heart), heart[heart > 0], (16, 16, 16))
    for tissue in Tissue:
        blocks = (heart == tissue).reshape(16, BLOCK, 16, BLOCK, 16, BLOCK).mean(axis=(1, 3, 5))
        np.testing.assert_allclose(found[:, tissue - 1], blocks.ravel())


def test_an_edit_knows_nothing_of_the_ventricle_it_frees(heart):
    before, volume = kept_of_heart(heart, "LV edit")
    assert set(before) == set(KNOWN)
    assert volume == pytest.approx(np.count_nonzero(heart == Tissue.LV) * 1.4**3 / 1000)
    smaller = heart.copy()
    cavity = heart == Tissue.LV
    smaller[cavity & ~ndimage.binary_erosion(cavity, iterations=2)] = Tissue.MYO
    after, less = kept_of_heart(smaller, "LV edit")
    assert less < 0.9 * volume
    for name in ("volumes", "tissues", "tissues, centered"):
        np.testing.assert_array_equal(before[name], after[name])
    # The kept latents reach over the border of the ventricle, but not to its middle.
    assert np.any(before["latents"] != after["latents"])
    keep = latent_keep(np.isin(heart, [Tissue.AO, Tissue.RV, Tissue.RA, Tissue.LA]), (16, 16, 16))
    shares = before["latents"].reshape(16, 16, 16, 6)
    assert not shares[~keep].any() and shares[keep].any()
    middle = tuple(np.argwhere(heart == Tissue.LV).mean(axis=0).astype(int) // BLOCK)
    assert not keep[middle]


def test_where_the_heart_lies_is_known_on_the_grid_alone(heart):
    inner = np.pad(heart[4:-4, 4:-4, 4:-4], 4)
    moved = np.roll(inner, (2, -3, 1), axis=(0, 1, 2))
    before, after = (kept_of_heart(labels, "RV edit")[0] for labels in (inner, moved))
    np.testing.assert_array_equal(before["volumes"], after["volumes"])
    np.testing.assert_array_equal(before["tissues, centered"], after["tissues, centered"])
    assert np.abs(before["tissues"] - after["tissues"]).max() > 0.2


def test_the_deviation_that_is_left_is_that_of_what_is_not_known():
    rng = np.random.default_rng(0)
    known = rng.normal(size=(1200, 8)).astype(np.float32)
    told, hidden = known @ np.full(8, 10.0), rng.normal(0, 40, 1200)
    found = shares_left(Kept({"all": known, "none": rng.normal(size=(1200, 8))}, 150 + told + hidden))
    assert found["all"] == pytest.approx(hidden.std() / np.hypot(hidden.std(), told.std()), rel=0.03)
    assert found["none"] == pytest.approx(1, abs=0.03)
