"""The EMIDEC infarcts through alignment and personalization: short forms of the study in Docs/emidec.md."""

from collections import Counter

import numpy as np
import pytest
from emidec import DATA, emidec_cases
from emidec_cells import MEASURES, following, landed, measured

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.alignment import align_population, start_zone, weighted_mean_angle
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the EMIDEC label stacks are not at {DATA}"),
]

QUICK = PersonalizationSettings(scouts=32, searches=2, generations=8, polish_generations=0)


@pytest.fixture(scope="module")
def halves():
    """The patients by name: the first 21 aligned, the others with the rotations found in the first."""
    cases = emidec_cases()
    first = align_population(cases[:21], ReferenceAnatomy())
    return first, following(cases[21:], first)


def test_38_of_42_patients_have_an_infarct_at_mid_level(halves):
    first, second = halves
    assert {case.identifier: case.reason for case in first.excluded} == {
        "Case_P021": "There is no infarct at mid-level.",
        "Case_P055": "There is no infarct at mid-level.",
    }
    assert (len(first), len(second)) == (19, 19)


def test_a_patient_whose_apex_was_not_imaged_is_left_out_of_3d_with_the_reason():
    cases = {case.identifier: case for case in emidec_cases()}
    names = ("Case_P002", "Case_P005", "Case_P007", "Case_P009", "Case_P011", "Case_P063")
    population = align_population([cases[name] for name in names], ReferenceAnatomy(slices=11))
    assert len(population) == 5
    (excluded,) = population.excluded
    assert excluded.identifier == "Case_P063"
    assert "apex is not covered" in excluded.reason


def test_lesions_land_at_the_angle_at_which_they_lie_in_the_image():
    found = landed(step=4)
    assert found["n"] >= 9
    assert found["degrees_median"] < 3
    assert found["degrees_largest"] < 12
    assert found["size_correlation"] > 0.95


def test_the_territories_coincide_after_alignment(halves):
    first, _ = halves
    names = np.array(first.territories)
    assert min(Counter(first.territories).values()) >= 3
    centers = [weighted_mean_angle(first.lesions[names == name], first.anatomy) for name in set(names)]
    apart = np.mod(np.subtract.outer(centers, centers) + 0.5, 1) - 0.5
    assert np.abs(apart).max() < 0.03
    lad = np.flatnonzero(names == "LAD")
    assert not first.rotations[lad].any()


def test_the_wavefront_model_beats_the_elliptical_one_on_patients_it_has_not_seen(halves):
    first, second = halves
    unseen = {}
    for name in ("elliptical", "wavefront"):
        model = make_model(name, first.anatomy, start_zone(first))
        found = personalize(first, model, settings=QUICK, workers=1)
        unseen[name] = measured(model, found.parameters, second.lesions, second.lesions)
    for measure in MEASURES:
        (ellipse, ellipse_error), (front, front_error) = (unseen[name][measure] for name in unseen)
        assert ellipse - front > 3 * np.hypot(ellipse_error, front_error), measure
