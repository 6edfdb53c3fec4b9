"""Kept tissues stay exact, and surfaces run smoothly from the twin's to those of the edit."""

import numpy as np
import pytest
from hand_made_hearts import box_heart

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.seam import kept_voxels, paste_kept

KEPT = (Tissue.AO, Tissue.MYO, Tissue.LV, Tissue.LA)


def shifted(heart, voxels):
    """Every tissue moved along the rows."""
    return np.roll(heart, voxels, axis=1)


def test_kept_tissues_are_the_twins_voxel_by_voxel_and_nowhere_else():
    twin = box_heart()
    edited = shifted(twin, 2)
    edited[36:39, 2:5, 2:5] = Tissue.LV
    found = paste_kept(twin, edited, kept_voxels(twin, KEPT), only_there=KEPT)
    for tissue in KEPT:
        np.testing.assert_array_equal(found.labels == tissue, twin == tissue)
    assert found.labels[37, 3, 3] == 0


def test_beyond_the_feather_the_edit_is_untouched():
    twin = box_heart()
    edited = twin.copy()
    edited[edited == Tissue.RV] = 0
    edited[5:18, 9:15, 22:44] = Tissue.RV
    kept = kept_voxels(twin, KEPT)
    found = paste_kept(twin, edited, kept, only_there=KEPT, feather_mm=4.2)
    far = ~kept & ~found.seam
    np.testing.assert_array_equal(found.labels[far], edited[far])
    assert found.seam[:, :, 22:24].any() and not found.seam[5:18, 9:15, 26:].any()


def test_surfaces_run_over_from_the_twins_to_the_edits():
    """A half-space whose border lies at row 10 in the twin and at 20 in the edit; slices < 10 are kept."""
    twin, edited = np.zeros((40, 30, 12), np.uint8), np.zeros((40, 30, 12), np.uint8)
    twin[:, :10], edited[:, :20] = Tissue.RV, Tissue.RV
    kept = np.zeros(twin.shape, bool)
    kept[:10] = True
    found = paste_kept(twin, edited, kept, feather_mm=21.0, spacing=(1.4, 1.4, 1.4))
    border = (found.labels[:, :, 6] == Tissue.RV).sum(axis=1)
    assert border[:10].tolist() == [10] * 10 and (border[26:] == 20).all()
    assert (np.diff(border) >= 0).all() and np.diff(border).max() <= 2
    share = np.clip(np.arange(1, 16) * 1.4 / 21.0, 0, 1)
    expected = 10 + 10 * (share**2 * (3 - 2 * share))
    assert np.abs(border[10:25] - expected).max() <= 1


def test_no_feather_pastes_hard():
    twin, edited = box_heart(), shifted(box_heart(), 3)
    kept = np.zeros(twin.shape, bool)
    kept[:, :, :22] = True
    found = paste_kept(twin, edited, kept, feather_mm=0)
    np.testing.assert_array_equal(found.labels, np.where(kept, twin, edited))
    assert not found.seam.any()


def test_the_seam_tells_which_checks_it_upset():
    twin = box_heart()
    apart = twin.copy()
    apart[apart == Tissue.RV] = 0
    apart[5:18, 7:17, 40:46] = Tissue.RV
    gap = paste_kept(apart, twin, kept_voxels(apart, (Tissue.RV,)), only_there=(Tissue.RV,), feather_mm=0)
    assert set(gap.caused) == {"RV touches Myo", "RV touches RA"}
    assert gap.changed == np.count_nonzero(gap.labels != twin)


def test_masks_that_keep_all_or_nothing_are_refused():
    twin = box_heart()
    with pytest.raises(ValueError, match="keeps nothing"):
        kept_voxels(twin, ())
    with pytest.raises(ValueError, match="keeps every tissue"):
        kept_voxels(twin, Tissue)
    with pytest.raises(ValueError, match="everything or nothing"):
        paste_kept(twin, twin, np.ones(twin.shape, bool))
    with pytest.raises(ValueError, match="one shape"):
        paste_kept(twin, twin[1:], twin > 0)
    with pytest.raises(ValueError, match="feather is 0 mm or more"):
        paste_kept(twin, twin, twin == 1, feather_mm=-1)
