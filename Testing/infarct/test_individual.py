"""Individual personalization against plain painting of every ellipse."""

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.individual import ellipse_coordinates, fit_individuals
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.population import InfarctPopulation

SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)


def population_of(lesions, anatomy=SMALL):
    return InfarctPopulation(anatomy, np.asarray(lesions), tuple(f"case {i}" for i in range(len(lesions))))


def painted(anatomy, centre, axis1, axis2):
    u, v = ellipse_coordinates(anatomy, centre)
    return (u / axis1) ** 2 + (v / axis2) ** 2 <= 1


def plain_fit(lesion, anatomy, centres, axes):
    """Best Dice and the first triple that reaches it, one ellipse at a time."""
    best, where = -1.0, None
    for c, centre in enumerate(centres):
        for i, axis1 in enumerate(axes):
            for j, axis2 in enumerate(axes):
                ellipse = painted(anatomy, centre, axis1, axis2)
                dice = 2 * (ellipse & lesion).sum() / (ellipse.sum() + lesion.sum())
                if dice > best:
                    best, where = dice, (c, i, j)
    return best, where


@pytest.mark.parametrize("axes", [np.linspace(0.5, 24, 24), np.geomspace(0.3, 60, 15), np.array([7.0])])
def test_fit_is_the_first_best_of_all_ellipses_painted_one_by_one(axes):
    rng = np.random.default_rng(3)
    ragged = [
        painted(SMALL, rng.normal(0.02, 0.05), rng.uniform(1, 9), rng.uniform(1, 7))
        ^ (rng.random(SMALL.n_voxels) < 0.04)
        for _ in range(4)
    ]
    fits = fit_individuals(population_of(ragged), 0.02, centres=5, axes=axes)
    for case, lesion in enumerate(ragged):
        dice, where = plain_fit(lesion, SMALL, fits.centres, axes)
        assert fits.dice[case] == dice
        assert tuple(fits.indices[case]) == where


def test_pixels_exactly_on_the_border_of_an_ellipse_count_as_inside():
    """The insertion stands at 120 degrees: 240 degrees on, the point lies on the x axis of the pixel grid."""
    anatomy = ReferenceAnatomy(size=27, endocardial_radius=6.0, epicardial_radius=10.0)
    centre = 2 / 3
    axes = np.arange(1.0, 9.0)
    lesion = painted(anatomy, centre, 3.0, 4.0)
    u, v = np.round(ellipse_coordinates(anatomy, centre), 9)
    assert ((u / 3) ** 2 + (v / 4) ** 2 == 1).any()
    fits = fit_individuals(population_of([lesion], anatomy), centre, centres=1, axes=axes)
    assert fits.dice[0] == 1
    np.testing.assert_array_equal(fits.lesions[0], lesion)


def test_fit_finds_the_ellipse_that_painted_the_lesion():
    anatomy = ReferenceAnatomy()
    truth = [(0.05, 12.0, 6.0), (-0.03, 20.5, 9.5), (0.0, 7.5, 8.0)]
    lesions = [painted(anatomy, *ellipse) for ellipse in truth]
    fits = fit_individuals(population_of(lesions, anatomy), 0.0, centres=21, spread=0.1)
    np.testing.assert_array_equal(fits.dice, 1)
    np.testing.assert_array_equal(fits.lesions, lesions)
    signed = np.mod(fits.centre + 0.5, 1) - 0.5
    np.testing.assert_allclose(signed, [centre for centre, _, _ in truth], atol=0.0101)
    np.testing.assert_allclose(fits.axis1, [axis1 for _, axis1, _ in truth], atol=1.0)
    np.testing.assert_allclose(fits.axis2, [axis2 for _, _, axis2 in truth], atol=1.0)


def test_lesions_of_the_elliptical_model_are_fitted_closely():
    anatomy = ReferenceAnatomy()
    model = EllipticalModel(anatomy, StartZone(circumferential=0.3))
    lesions = model.sample((18, 0, 9, 0), 5, np.random.default_rng(1))
    fits = fit_individuals(population_of(lesions, anatomy), model.zone, spread=0.05)
    assert fits.dice.min() > 0.93
    np.testing.assert_allclose(fits.axis1, 18, atol=1.5)


def test_frame_is_that_of_the_elliptical_model():
    anatomy = ReferenceAnatomy()
    angle = 2 * np.pi / 3 + 2 * np.pi * 0.17
    centre = anatomy.endocardial_radius * np.array([[np.cos(angle), -np.sin(angle), 0]])
    tangent, outward, _ = EllipticalModel(anatomy).frames(centre)[0]
    u, v = ellipse_coordinates(anatomy, 0.17)
    offset = anatomy.positions - centre
    np.testing.assert_allclose(np.abs(u), np.abs(offset @ tangent), atol=1e-12)
    np.testing.assert_allclose(v, offset @ outward, atol=1e-12)


def test_start_zone_and_its_angle_give_the_same_fit():
    lesions = [painted(SMALL, 0.2, 5, 4)]
    by_zone = fit_individuals(population_of(lesions), StartZone(circumferential=0.2), axes=[2.0, 4.0, 8.0])
    by_angle = fit_individuals(population_of(lesions), 0.2, axes=[2.0, 4.0, 8.0])
    np.testing.assert_array_equal(by_zone.indices, by_angle.indices)


def test_number_of_threads_does_not_change_the_fit():
    lesions = [painted(SMALL, 0.2, 5, 4), painted(SMALL, 0.22, 3, 6)]
    one, many = (fit_individuals(population_of(lesions), 0.2, workers=workers) for workers in (1, 3))
    np.testing.assert_array_equal(one.indices, many.indices)
    np.testing.assert_array_equal(one.dice, many.dice)


def test_summary_is_mean_and_deviation_of_the_first_then_the_second_axis():
    lesions = [painted(SMALL, 0.0, 3, 4), painted(SMALL, 0.0, 6, 3)]
    fits = fit_individuals(population_of(lesions), 0.0)
    expected = (np.mean(fits.axis1), np.std(fits.axis1), np.mean(fits.axis2), np.std(fits.axis2))
    np.testing.assert_allclose(fits.summary, expected)
    assert fits.summary[1] > 1


def test_cancel_stops_the_fit():
    def stop(step, total, message="", values=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        fit_individuals(population_of([painted(SMALL, 0, 5, 5)]), 0.0, progress=stop)


def test_progress_counts_the_centres():
    steps = []
    fit_individuals(
        population_of([painted(SMALL, 0, 5, 5)]),
        0.0,
        centres=4,
        axes=[2.0, 5.0],
        progress=lambda step, total, message="", values=None: steps.append((step, total)),
    )
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"axes": [0.0, 1.0]}, "positive and ascending"),
        ({"axes": [2.0, 1.0]}, "positive and ascending"),
        ({"axes": []}, "positive and ascending"),
        ({"axes": [1.0, np.nan]}, "positive and ascending"),
        ({"centres": 0}, "At least 1 candidate centre"),
        ({"spread": 0.7}, "spread"),
    ],
)
def test_a_bad_grid_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        fit_individuals(population_of([painted(SMALL, 0, 5, 5)]), 0.0, **change)


def test_an_empty_infarct_is_named():
    lesions = np.array([painted(SMALL, 0, 5, 5), np.zeros(SMALL.n_voxels, dtype=bool)])
    with pytest.raises(ValueError, match=r"1 of 2 infarcts are empty \(case 1\)"):
        fit_individuals(population_of(lesions), 0.0)


def test_a_3d_reference_is_refused():
    anatomy = ReferenceAnatomy(slices=3)
    with pytest.raises(ValueError, match="found 3 slices"):
        fit_individuals(population_of(np.ones((1, anatomy.n_voxels), dtype=bool), anatomy), 0.0)
