"""Alignment of infarct patients: one case, whole populations, territories, and cases that cannot be used."""

from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.coordinates import reference_coordinates
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.alignment import (
    align_case,
    align_population,
    infarct_territory,
    start_zone,
    weighted_mean_angle,
)
from cardiactwins.infarct.population import InfarctCase, InfarctPopulation

HEART = ReferenceAnatomy(9, size=52, endocardial_radius=12, epicardial_radius=19)
COORDINATES = reference_coordinates(HEART)
IN_2D, IN_3D = ReferenceAnatomy(1), ReferenceAnatomy(5)


def turned(circumferential, center):
    return np.mod(circumferential - center + 0.5, 1.0) - 0.5


def patient(name, center=0.1, half_width=0.12, territory=None, levels=(0.2, 0.8), depth=0.7, **changes):
    """A heart in the frame of the reference, with an infarct around a circumferential coordinate."""
    with np.errstate(invalid="ignore"):
        infarct = (np.abs(turned(COORDINATES.circumferential, center)) <= half_width) & HEART.mask
        infarct &= (COORDINATES.radial <= depth) & (COORDINATES.longitudinal >= levels[0])
        infarct &= COORDINATES.longitudinal <= levels[1]
    case = InfarctCase(
        name, HEART.geometry, HEART.cavity, HEART.mask, infarct, no_reflow=None, territory=territory
    )
    return replace(case, **changes)


def angle_of(lesion, anatomy):
    return weighted_mean_angle(lesion, anatomy)


@pytest.mark.parametrize("anatomy", [IN_2D, IN_3D], ids=["2D", "3D"])
def test_an_infarct_keeps_its_place_and_size_on_the_reference(anatomy):
    lesion, no_reflow = align_case(patient("a", center=0.4), anatomy)
    assert no_reflow is None
    inside = np.abs(turned(anatomy.circumferential, 0.4)) <= 0.12
    inside &= (anatomy.radial <= 0.7) & (np.abs(anatomy.longitudinal - 0.5) < 0.3)
    assert (lesion != inside).mean() < 0.03
    assert lesion.sum() == pytest.approx(inside.sum(), rel=0.12)


def test_no_reflow_comes_along_inside_the_lesion():
    case = patient("a")
    core = patient("a", half_width=0.05, depth=0.4).infarct
    lesion, no_reflow = align_case(replace(case, no_reflow=core), IN_2D)
    assert 0 < no_reflow.sum() < lesion.sum()
    assert not (no_reflow & ~lesion).any()
    assert angle_of(no_reflow, IN_2D) == pytest.approx(0.1, abs=0.01)


def test_territories_are_rotated_onto_the_lad_as_wholes():
    cases = [patient(f"lad {c}", c, territory="LAD") for c in (0.0, 0.1)]
    cases += [patient(f"rca {c}", c, territory="RCA") for c in (0.40, 0.44)]
    cases += [patient(f"lcx {c}", c, territory="LCX") for c in (0.68, 0.76)]
    still = align_population(cases, IN_2D, rotate=False)
    moved = align_population(cases, IN_2D)
    names = np.array(moved.territories)
    assert names.tolist() == ["LAD"] * 2 + ["RCA"] * 2 + ["LCX"] * 2
    np.testing.assert_allclose(moved.rotations, [0, 0, -0.37, -0.37, 0.33, 0.33], atol=0.005)
    assert (still.rotations == 0).all()
    for name in ("LAD", "RCA", "LCX"):
        assert turned(angle_of(moved.lesions[names == name], IN_2D), 0.05) == pytest.approx(0, abs=0.01)
    spread = [turned(angle_of(lesion, IN_2D), 0.05) for lesion in moved.lesions]
    np.testing.assert_allclose(spread, [-0.05, 0.05, -0.02, 0.02, -0.04, 0.04], atol=0.01)
    np.testing.assert_allclose(moved.lesions.sum(axis=1), still.lesions.sum(axis=1), rtol=0.06)


def test_a_culprit_that_is_not_known_is_told_from_the_segments():
    cases = [patient(f"case {c}", c) for c in (0.02, 0.1, 0.4, 0.42, 0.75)]
    population = align_population(cases, IN_2D)
    assert population.territories == ("LAD", "LAD", "RCA", "RCA", "LCX")
    assert infarct_territory(population.lesions[0], IN_2D) == "LAD"
    with pytest.raises(ValueError, match="empty"):
        infarct_territory(np.zeros(IN_2D.n_voxels), IN_2D)


def test_without_lad_cases_the_others_go_to_the_middle_of_its_segments():
    cases = [patient(f"case {q}", 0.4 + 0.02 * q, territory="RCA") for q in range(5)]
    population = align_population(cases, IN_2D)
    assert turned(angle_of(population.lesions, IN_2D), 0.0) == pytest.approx(0, abs=0.01)


def test_an_offset_turns_only_hearts_whose_insertion_was_estimated():
    point = np.array([[0.0, 0.0, 40.0]])
    angle = 2 * np.pi / 3
    point[0, :2] = -20 * np.cos(angle), 20 * np.sin(angle)
    cases = [patient(f"case {q}") for q in range(3)]
    cases += [patient(f"point {q}", insertion_points=point) for q in range(2)]
    population = align_population(cases, IN_2D, rotate=False, offset=1 / 12)
    angles = [turned(angle_of(lesion, IN_2D), 0.1) for lesion in population.lesions]
    np.testing.assert_allclose(angles, [1 / 12] * 3 + [0] * 2, atol=0.01)


def test_cases_that_cannot_be_used_are_listed_with_the_reason_and_the_others_go_on():
    good = [patient(f"good {q}", 0.05 * q) for q in range(5)]
    outside = np.zeros(HEART.shape, dtype=bool)
    outside[4, :3, :3] = True
    slab = np.zeros(HEART.shape, dtype=bool)
    slab[4] = True
    bad = {
        "nothing": (patient("nothing", infarct=outside & False), "infarct is empty"),
        "outside": (patient("outside", infarct=outside), "outside the myocardium (9 of 9 voxels)"),
        "no wall": (patient("no wall", myocardium=outside & False), "myocardium is empty"),
        "no cavity": (patient("no cavity", cavity=outside & False), "cavity is empty"),
        "apical": (patient("apical", levels=(0.9, 1.0)), "no infarct at mid-level"),
        "shape": (patient("shape", infarct=outside[:3]), "shape (3, 52, 52)"),
        "point": (patient("point", insertion_points=np.array([[0.0, np.nan, 0.0]])), "NaN"),
    }
    population = align_population([*good[:2], *(case for case, _ in bad.values()), *good[2:]], IN_2D)
    assert population.identifiers == tuple(case.identifier for case in good)
    assert [case.identifier for case in population.excluded] == list(bad)
    for case in population.excluded:
        assert bad[case.identifier][1] in case.reason


def test_an_infarct_partly_outside_the_wall_is_used_when_clipping_is_asked_for():
    case = patient("a")
    spilled = case.infarct.copy()
    spilled[4, 22:30, 23:29] = True
    spilled_case = replace(case, infarct=spilled)
    with pytest.raises(ValueError, match=r"outside the myocardium \(48 of .* voxels\). Clip it"):
        align_case(spilled_case, IN_2D)
    clipped = align_case(spilled_case, IN_2D, clip=True)
    np.testing.assert_array_equal(clipped.lesion, align_case(case, IN_2D).lesion)


def cut(name, kept):
    """A patient with some slices alone."""
    keep = np.zeros(HEART.shape, dtype=bool)
    keep[kept] = True
    case = patient(name)
    return replace(
        case, cavity=case.cavity & keep, myocardium=case.myocardium & keep, infarct=case.infarct & keep
    )


def test_a_3d_reference_takes_whole_ventricles_only():
    cases = [patient(f"whole {q}", 0.05 * q) for q in range(5)]
    cases += [
        cut("one slice", [4]),
        cut("no apex", [5, 6, 7, 8]),
        cut("no base", [0, 1, 2, 3]),
        cut("hole", [0, 1, 2, 3, 5, 6, 7, 8]),
    ]
    population = align_population(cases, IN_3D)
    assert len(population) == 5
    reasons = {case.identifier: case.reason for case in population.excluded}
    assert "single slice" in reasons["one slice"]
    assert "apex is not covered" in reasons["no apex"]
    assert "base is not covered" in reasons["no base"]
    assert "slice between apex and base" in reasons["hole"]
    assert len(align_population(cases, IN_2D)) >= 6


def test_fewer_than_five_usable_cases_are_no_population():
    cases = [patient(f"case {q}") for q in range(4)] + [patient("bad", cavity=np.zeros(HEART.shape))]
    with pytest.raises(ValueError, match=r"4 of 5 cases can be used.*at least 5.*bad: .*cavity is empty"):
        align_population(cases, IN_2D)
    assert len(align_population(cases, IN_2D, minimum=4)) == 4


def test_progress_counts_up_and_can_cancel():
    steps = []
    align_population([patient(f"case {q}") for q in range(5)], IN_2D, progress=lambda *a: steps.append(a))
    assert [step for step, *_ in steps] == sorted(step for step, *_ in steps)
    assert steps[-1][0] == steps[-1][1] and "5 with an estimated insertion" in steps[-1][2]

    def cancel(step, total, message="", values=None):
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        align_population([patient(f"case {q}") for q in range(5)], IN_2D, progress=cancel)


def test_the_mean_angle_is_circular_and_weighs_by_infarct_voxels():
    near_zero = np.abs(turned(IN_2D.circumferential, 0.0)) < 0.1
    assert turned(weighted_mean_angle(near_zero, IN_2D), 0.0) == pytest.approx(0, abs=1e-3)
    large = np.abs(turned(IN_2D.circumferential, 0.2)) < 0.10
    small = np.abs(turned(IN_2D.circumferential, 0.4)) < 0.05
    angles = 2 * np.pi * np.concatenate([IN_2D.circumferential[large], IN_2D.circumferential[small]])
    expected = np.arctan2(np.sin(angles).sum(), np.cos(angles).sum()) / (2 * np.pi)
    assert weighted_mean_angle([large, small], IN_2D) == pytest.approx(expected)
    assert 0.2 < expected < 0.3


def test_no_lesion_and_a_whole_ring_have_no_mean_angle():
    with pytest.raises(ValueError, match="no mean angle"):
        weighted_mean_angle(np.zeros((2, IN_2D.n_voxels)), IN_2D)
    with pytest.raises(ValueError, match="evenly around the ring"):
        weighted_mean_angle(np.ones(IN_2D.n_voxels), IN_2D)


def test_lesions_start_at_the_population_s_mean_angle_and_height():
    lesions = np.abs(turned(IN_3D.circumferential, 0.3)) < 0.1
    lesions &= IN_3D.longitudinal > 0.6
    zone = start_zone(InfarctPopulation(IN_3D, lesions[None], ("a",)))
    assert zone.circumferential == pytest.approx(0.3, abs=0.005)
    assert zone.longitudinal == pytest.approx(IN_3D.longitudinal[lesions].mean())
    assert len(zone.voxels(IN_3D)) > 0
