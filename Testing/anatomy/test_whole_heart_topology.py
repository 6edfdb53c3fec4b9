"""The 12 topology checks: each violated by a hand-made heart, and where it fails."""

import numpy as np
import pytest

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks

ALL = (
    "Myo in one piece",
    "LV in one piece",
    "RV in one piece",
    "LA in one piece",
    "RA in one piece",
    "LV touches Ao",
    "LV touches Myo",
    "LV touches LA",
    "RV touches Myo",
    "RV touches RA",
    "LV apart from RV",
    "LA apart from RA",
)


def box_heart():
    """Boxes: LV in a cup of Myo, RV beside it, LA and Ao on the LV, RA on the RV."""
    heart = np.zeros((24, 12, 30), dtype=np.uint8)
    heart[2:12, 2:10, 2:14] = Tissue.MYO
    heart[4:12, 4:8, 4:12] = Tissue.LV
    heart[4:12, 4:8, 14:20] = Tissue.RV
    heart[12:20, 4:8, 4:8] = Tissue.LA
    heart[12:20, 4:8, 10:12] = Tissue.AO
    heart[12:20, 4:8, 14:20] = Tissue.RA
    return heart


def with_speck(tissue):
    heart = box_heart()
    heart[22, 1, 1:4] = tissue
    return heart, {(22, 1, 1), (22, 1, 2), (22, 1, 3)}


def lifted(tissue):
    """The tissue cut off two voxels above the plane at which it touches its neighbour."""
    heart = box_heart()
    heart[12:14][heart[12:14] == tissue] = 0
    return heart


def lv_without_wall():
    heart = box_heart()
    heart[heart == Tissue.MYO] = 0
    heart[2:4, 2:10, 2:3] = Tissue.MYO
    heart[4:12, 4:8, 13] = Tissue.MYO
    return heart


def rv_off_the_wall():
    heart = box_heart()
    heart[4:12, 4:8, 14:16] = 0
    return heart


def septal_defect():
    heart = box_heart()
    heart[6, 5, 12:14] = Tissue.LV
    return heart


def joined_atria():
    heart = box_heart()
    heart[18, 5, 8:14] = Tissue.LA
    return heart


VIOLATIONS = {
    **{f"{t.name.title() if t is Tissue.MYO else t.name} in one piece": with_speck(t)[0]
       for t in (Tissue.MYO, Tissue.LV, Tissue.RV, Tissue.LA, Tissue.RA)},
    "LV touches Ao": lifted(Tissue.AO),
    "LV touches Myo": lv_without_wall(),
    "LV touches LA": lifted(Tissue.LA),
    "RV touches Myo": rv_off_the_wall(),
    "RV touches RA": lifted(Tissue.RA),
    "LV apart from RV": septal_defect(),
    "LA apart from RA": joined_atria(),
}  # fmt: skip


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_sound_heart_passes_all_twelve_checks(connectivity):
    checks = topology_checks(box_heart(), connectivity=connectivity)
    assert tuple(check.name for check in checks) == ALL
    assert all(check.holds and len(check.voxels) == 0 for check in checks)
    assert [check.components for check in checks] == [1] * 5 + [None] * 7


@pytest.mark.parametrize("name", ALL)
def test_each_violation_is_found_and_nothing_else(name):
    failed = {check.name for check in topology_checks(VIOLATIONS[name]) if not check.holds}
    allowed = {"LV touches Myo": {"Myo in one piece"}}.get(name, set())
    assert name in failed
    assert failed - {name} <= allowed


@pytest.mark.parametrize("name", ALL)
def test_every_violation_says_where_it_is(name):
    check = next(c for c in topology_checks(VIOLATIONS[name]) if c.name == name)
    assert len(check.voxels)
    assert np.isin(VIOLATIONS[name][tuple(check.voxels.T)], (0, *check.tissues)).all()


def test_specks_are_where_they_were_put():
    heart, speck = with_speck(Tissue.RA)
    check = next(c for c in topology_checks(heart) if c.name == "RA in one piece")
    assert check.components == 2
    assert {tuple(voxel) for voxel in check.voxels.tolist()} == speck


def test_septal_defect_is_marked_on_both_sides():
    check = next(c for c in topology_checks(septal_defect()) if c.name == "LV apart from RV")
    marked = {tuple(voxel) for voxel in check.voxels.tolist()}
    assert {(6, 5, 13), (6, 5, 14)} <= marked
    assert all(abs(k - 6) <= 1 and abs(j - 5) <= 1 and i in (13, 14) for k, j, i in marked)


def test_missing_contact_is_marked_by_the_shortest_gap():
    check = next(c for c in topology_checks(lifted(Tissue.LA)) if c.name == "LV touches LA")
    assert sorted(check.voxels[:, 0].tolist()) == [11, 12, 13, 14]
    assert len({tuple(v) for v in check.voxels[:, 1:].tolist()}) == 1


def test_small_specks_are_dusted_only_on_request():
    heart, _ = with_speck(Tissue.LV)
    assert not topology_checks(heart)[1].holds
    dusted = topology_checks(heart, smallest_piece=4)[1]
    assert dusted.holds and len(dusted.voxels) == 0
    assert not topology_checks(heart, smallest_piece=3)[1].holds


def test_connectivity_decides_about_corners():
    heart = box_heart()
    heart[20, 8, 20] = Tissue.RA
    pieces = {n: topology_checks(heart, connectivity=n)[4].components for n in (6, 18, 26)}
    assert pieces == {6: 2, 18: 2, 26: 1}


def test_missing_tissue_fails_what_names_it_but_touches_nothing():
    heart = box_heart()
    heart[heart == Tissue.RV] = 0
    failed = {check.name for check in topology_checks(heart) if not check.holds}
    assert failed == {"RV in one piece", "RV touches Myo", "RV touches RA"}


def test_critical_voxels_agree_with_a_search_over_all_neighbours():
    rng = np.random.default_rng(0)
    heart = rng.integers(0, 7, (6, 7, 8)).astype(np.uint8)
    check = next(c for c in topology_checks(heart) if c.name == "LV apart from RV")
    expected = set()
    for k, j, i in np.argwhere(heart == Tissue.LV).tolist():
        for n in np.ndindex(3, 3, 3):
            place = (k + n[0] - 1, j + n[1] - 1, i + n[2] - 1)
            inside = all(0 <= p < s for p, s in zip(place, heart.shape, strict=True))
            if inside and heart[place] == Tissue.RV:
                expected |= {(k, j, i), place}
    assert {tuple(voxel) for voxel in check.voxels.tolist()} == expected


def test_maps_with_other_values_are_refused():
    with pytest.raises(ValueError, match="holds 0 to 6"):
        topology_checks(np.full((3, 3, 3), 7))
    with pytest.raises(ValueError, match="three axes"):
        topology_checks(np.zeros((3, 3)))
    with pytest.raises(ValueError, match="6, 18 or 26"):
        topology_checks(box_heart(), connectivity=4)
