"""What personalization refuses: starts, populations, references, settings, losses."""

import numpy as np
import pytest
from small_personalizations import QUICK, SMALL, TRUTH, population_of

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import LOSSES, PopulationLoss
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ([22, 10, 16, 41], r"'radial std' must lie in \[0, 40\] pixels; found 41"),
        ([22, 10, -1, 20], "'radial mean' must lie in"),
        ([22, 10, np.nan, 20], "'radial mean' must lie in"),
        ([22, 10], "takes 4 parameters"),
    ],
)
def test_a_start_out_of_bounds_is_refused(ellipses, start, message):
    with pytest.raises(ValueError, match=message):
        personalize(ellipses, EllipticalModel(SMALL), start=start, settings=QUICK)


def test_fewer_than_five_subjects_are_refused(ellipses):
    with pytest.raises(ValueError, match="at least 5 infarcts to be compared with a model; found 4"):
        personalize(population_of(ellipses.lesions[:4]), EllipticalModel(SMALL), settings=QUICK)


def test_a_population_of_equal_infarcts_is_refused(ellipses):
    equal = population_of(np.tile(ellipses.lesions[3], (12, 1)))
    for kind in LOSSES:
        with pytest.raises(ValueError, match="All real infarcts are the same"):
            personalize(equal, EllipticalModel(SMALL), loss=kind, settings=QUICK)


def test_a_model_or_a_loss_on_another_reference_is_refused(ellipses):
    """Also one with as many voxels at other places, which no shape would tell."""
    larger = ReferenceAnatomy(size=28, endocardial_radius=6.0, epicardial_radius=10.0)
    thinner = ReferenceAnatomy(size=26, endocardial_radius=7.0, epicardial_radius=10.0)
    for other in (larger, thinner):
        with pytest.raises(ValueError, match=r"The model lives on .* Give both the same reference"):
            personalize(ellipses, EllipticalModel(other), settings=QUICK)
        lesions = EllipticalModel(other).sample(TRUTH, 10, np.random.default_rng(0))
        with pytest.raises(ValueError, match=r"The loss lives on .* Give both the same reference"):
            personalize(ellipses, EllipticalModel(SMALL), loss=PopulationLoss(other, lesions), settings=QUICK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"draws": "sobol"}, "found 'sobol'"),
        ({"step_unit": "pixel"}, "found 'pixel'"),
        ({"polish_loss": "discrepancy"}, "'own' or 'both'; found 'discrepancy'"),
        ({"parents": 16}, "16 parents cannot be chosen from 15"),
        ({"parents": 0}, "0 parents"),
        ({"lesions": 9}, "at least 10 lesions"),
        ({"candidates": 1, "parents": 1}, "2 candidates"),
        ({"generations": 0}, "1 generation"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        PersonalizationSettings(**changes)


def test_an_unknown_loss_is_refused(ellipses):
    with pytest.raises(ValueError, match="KL_full, KL_attr, KL_sectors, MMD; found 'L2'"):
        personalize(ellipses, EllipticalModel(SMALL), loss="L2", settings=QUICK)
