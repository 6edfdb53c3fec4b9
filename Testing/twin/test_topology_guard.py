"""The topology guard: each of the 12 violations repaired, within its limits."""

import numpy as np
import pytest
from hand_made_hearts import VIOLATIONS, box_heart, septal_defect, with_speck

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.twin.cohort import CHECK_NAMES, measure_cohort
from cardiactwins.twin.topology_guard import guard_topology


def failing(labels):
    return [check.name for check in topology_checks(labels) if not check.holds]


def test_a_sound_heart_passes_untouched():
    found = guard_topology(box_heart())
    assert found.accepted and found.share == 0 and found.repairs == ()
    np.testing.assert_array_equal(found.labels, box_heart())


def test_a_cohort_with_each_violation_once_has_one_twelfth_of_them():
    cohort = measure_cohort([VIOLATIONS[name] for name in CHECK_NAMES])
    np.testing.assert_array_equal(cohort.violated, np.eye(12, dtype=bool))
    assert cohort.violations_percent == pytest.approx(100 / 12)
    assert list(cohort.violations_by_check().values()) == pytest.approx([100 / 12] * 12)


@pytest.mark.parametrize("name", CHECK_NAMES)
def test_each_violation_is_repaired_and_told(name):
    raw = VIOLATIONS[name]
    assert failing(raw) == [name]
    found = guard_topology(raw)
    assert found.accepted and found.reason == ""
    assert failing(found.labels) == []
    changed = found.labels != raw
    assert 0 < found.share == changed.sum() / np.count_nonzero(raw) <= 0.01
    told = np.zeros_like(changed)
    for repair in found.repairs:
        told[tuple(repair.voxels.T)] = True
    assert (changed & ~told).sum() == 0
    assert found.repairs[0].check == name
    assert [check.name for check in found.before if not check.holds] == [name]
    assert all(check.holds for check in found.after)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("RV in one piece", "largest component"),
        ("LV touches LA", "gap closed"),
        ("LV apart from RV", "contact separated"),
    ],
)
def test_repairs_are_of_their_kind(name, action):
    assert {repair.action for repair in guard_topology(VIOLATIONS[name]).repairs} == {action}


def test_specks_go_to_what_surrounds_them():
    heart = box_heart()
    heart[10:12, 11:13, 12:14] = Tissue.RV
    found = guard_topology(heart)
    np.testing.assert_array_equal(found.labels, box_heart())


def test_a_septal_defect_becomes_wall_again():
    found = guard_topology(septal_defect())
    assert found.labels[12, 11, 21] == Tissue.MYO
    assert set(np.unique(found.labels[septal_defect() != found.labels])) == {Tissue.MYO}


def test_a_torn_tissue_is_joined_rather_than_dropped():
    heart = box_heart()
    heart[24:26][heart[24:26] == Tissue.RA] = 0
    found = guard_topology(heart)
    assert found.accepted and {repair.action for repair in found.repairs} == {"gap closed"}
    assert (found.labels == Tissue.RA).sum() > (heart == Tissue.RA).sum()


def test_repairs_beyond_the_limit_are_refused_and_the_heart_stays_as_it_was():
    heart = box_heart()
    heart[34:39, 17:23, 36:46] = Tissue.RV
    strict = guard_topology(heart, limit=0.0001)
    assert not strict.accepted and "more than 0.0%" in strict.reason and strict.repairs
    np.testing.assert_array_equal(strict.labels, heart)
    with pytest.raises(ValueError, match="from 0 to 1"):
        guard_topology(heart, limit=2)


def test_a_heart_without_a_chamber_cannot_be_repaired():
    heart = box_heart()
    heart[heart == Tissue.RA] = 0
    found = guard_topology(heart)
    assert not found.accepted and found.reason == "RA missing" and found.share == 0


def test_fixed_voxels_are_not_repaired():
    heart = septal_defect()
    kept = heart == Tissue.LV
    found = guard_topology(heart, fixed=kept)
    assert found.accepted
    np.testing.assert_array_equal((found.labels == Tissue.LV), kept)
    assert (found.labels[heart == Tissue.RV] == Tissue.MYO).any()
    speck = with_speck(Tissue.LV)
    barred = guard_topology(speck, fixed=speck == Tissue.LV)
    assert not barred.accepted and "LV in one piece" in barred.reason
    with pytest.raises(ValueError, match="shape of the heart"):
        guard_topology(heart, fixed=kept[1:])


def test_whole_tissues_do_not_grow():
    lifted = VIOLATIONS["RV touches RA"]
    found = guard_topology(lifted, whole=[Tissue.RA])
    assert found.accepted
    np.testing.assert_array_equal(found.labels == Tissue.RA, lifted == Tissue.RA)
    assert (found.labels == Tissue.RV).sum() > (lifted == Tissue.RV).sum()
    both = guard_topology(lifted, whole=[Tissue.RA, Tissue.RV])
    assert not both.accepted and "RV touches RA" in both.reason
    speck = box_heart()
    speck[10:12, 11:13, 12:14] = Tissue.RV
    kept = guard_topology(speck, whole=[Tissue.LV])
    assert kept.accepted
    np.testing.assert_array_equal(kept.labels == Tissue.LV, speck == Tissue.LV)
    defect = guard_topology(septal_defect(), whole=[Tissue.MYO])
    assert (defect.labels == Tissue.MYO).sum() == (septal_defect() == Tissue.MYO).sum()


def test_a_heart_that_outgrows_its_grid_is_turned_away():
    heart = box_heart()
    heart[:3][:, 6:18, 6:19] = Tissue.MYO
    assert failing(heart) == []
    found = guard_topology(heart)
    assert not found.accepted and found.reason == "the border of the grid cuts Myo (156 voxels)"
    np.testing.assert_array_equal(found.labels, heart)
    assert guard_topology(heart, cut=[Tissue.MYO]).accepted
    both = heart.copy()
    both[:, 10:12, -14:][box_heart()[:, 10:12, -14:] == Tissue.RV] = Tissue.RV
    both[8:12, 10:12, 34:] = Tissue.RV
    assert "cuts Myo (156 voxels), RV (8 voxels)" in guard_topology(both).reason
    torn = heart.copy()
    torn[36:39, 1:4, 40:43] = Tissue.LV
    found = guard_topology(torn)
    assert not found.accepted and "cuts Myo" in found.reason
    np.testing.assert_array_equal(found.labels, torn)


def test_the_border_may_cut_the_aorta_and_specks_there_are_repaired():
    heart = box_heart()
    heart[36:, 9:15, 15:18] = Tissue.AO
    assert guard_topology(heart).accepted and not guard_topology(heart, cut=()).accepted
    speck = heart.copy()
    speck[37:, :3, 40:43] = Tissue.LA
    found = guard_topology(speck)
    assert found.accepted
    np.testing.assert_array_equal(found.labels, heart)
