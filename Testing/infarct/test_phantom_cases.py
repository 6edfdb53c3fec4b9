"""Phantom patients: what was painted is where it belongs, and aligning brings it back."""

from dataclasses import dataclass

import numpy as np
import pytest

from cardiactwins.anatomy.aha import TERRITORIES, aha_segments
from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.alignment import align_case
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.phantom_cases import paint_phantom, phantom_cases
from cardiactwins.infarct.population import InfarctCase

ANATOMY = ReferenceAnatomy(slices=11)


@pytest.fixture(scope="module")
def cases():
    return phantom_cases(12, np.random.default_rng(1))


def turn_between(first, second):
    return np.mod(first - second + 0.5, 1) - 0.5


def test_coordinates_of_the_reference_paint_the_coordinates_of_the_phantom():
    phantom = lv_phantom(np.random.default_rng(2), left_handed=True)
    wall = phantom.myocardium
    np.testing.assert_allclose(paint_phantom(np.ones(ANATOMY.n_voxels), ANATOMY, phantom)[wall], 1)
    inner = wall & (phantom.longitudinal < 0.8)
    radial = paint_phantom(ANATOMY.radial, ANATOMY, phantom)
    pixel_of_the_wall = 1 / (ANATOMY.epicardial_radius - ANATOMY.endocardial_radius)
    assert np.abs(radial - phantom.radial)[inner].max() < pixel_of_the_wall
    assert np.abs(radial - phantom.radial)[inner].mean() < pixel_of_the_wall / 5
    waves = [
        paint_phantom(wave(2 * np.pi * ANATOMY.circumferential), ANATOMY, phantom, turn=0.2)
        for wave in (np.cos, np.sin)
    ]
    painted = np.arctan2(waves[1], waves[0]) / (2 * np.pi)
    assert np.abs(turn_between(painted + 0.2, phantom.circumferential))[inner].max() < 0.01
    heights = 1 - ANATOMY.slice_heights[ANATOMY.indices[:, 0]] / ANATOMY.epicardial_length
    longitudinal = 1 - paint_phantom(heights, ANATOMY, phantom)
    middle = wall & (np.abs(phantom.longitudinal - 0.5) < 0.4)
    np.testing.assert_allclose(longitudinal[middle], phantom.longitudinal[middle], atol=1e-6)
    assert not waves[0][~wall].any()


@pytest.mark.parametrize("left_handed", [False, True])
def test_aligning_a_painted_lesion_brings_it_back(left_handed):
    phantom = lv_phantom(np.random.default_rng(3), left_handed=left_handed, slices=11)
    lesion = EllipticalModel(ANATOMY).sample((25, 0, 10, 0, 30, 0), 1, np.random.default_rng(0))[0]
    infarct = paint_phantom(lesion, ANATOMY, phantom) >= 0.5
    assert infarct.sum() / phantom.myocardium.sum() == pytest.approx(lesion.mean(), rel=0.15)
    case = InfarctCase(
        "case",
        phantom.geometry,
        phantom.cavity,
        phantom.myocardium,
        infarct,
        insertion_points=phantom.insertion_points,
    )
    back = align_case(case, ANATOMY).lesion
    assert 2 * (back & lesion).sum() / (back.sum() + lesion.sum()) > 0.85


def test_infarcts_lie_in_the_wall_and_no_reflow_in_the_infarct(cases):
    assert len(cases) == len({case.identifier for case in cases}) == 12
    for case in cases:
        assert case.infarct.any()
        assert not (case.infarct & ~case.myocardium).any()
        assert case.no_reflow is None or not (case.no_reflow & ~case.infarct).any()
    assert any(case.no_reflow is not None and case.no_reflow.any() for case in cases)
    assert {case.geometry.is_left_handed for case in cases} == {False, True}


def test_infarcts_lie_in_the_territory_of_their_culprit_artery(cases):
    assert len({case.territory for case in cases}) == 3
    for case in cases:
        coordinates = lv_coordinates(
            case.geometry, case.cavity, case.myocardium, insertion_points=case.insertion_points
        )
        segments = aha_segments(coordinates)[case.infarct]
        counts = {artery: np.isin(segments, TERRITORIES[artery]).sum() for artery in TERRITORIES}
        assert max(counts, key=counts.get) == case.territory


def test_same_seed_gives_the_same_patients(cases):
    again = phantom_cases(2, np.random.default_rng(1))
    for first, second in zip(cases, again, strict=False):
        np.testing.assert_array_equal(first.infarct, second.infarct)
        assert first.geometry.matches(second.geometry)


@dataclass(frozen=True)
class WholeBase:
    """A model in one file: the infarct is the base, with or without the rest."""

    anatomy: ReferenceAnatomy
    name: str = "whole base"
    parameters: tuple = ()

    def sample(self, parameters, n, rng):
        return np.repeat((self.anatomy.longitudinal < 0.35)[None], n, axis=0)


def test_any_model_on_a_3d_reference_can_be_painted_and_one_in_2d_is_refused():
    case = phantom_cases(1, np.random.default_rng(0), model=WholeBase(ANATOMY), no_reflow_share=0)[0]
    by_slice = case.infarct.sum(axis=(1, 2)) / case.myocardium.sum(axis=(1, 2))
    assert set(np.round(by_slice, 2)) == {0, 1}
    assert case.no_reflow is None
    with pytest.raises(ValueError, match="3D reference"):
        phantom_cases(1, np.random.default_rng(0), model=EllipticalModel(ReferenceAnatomy()))
