"""Cohorts as numbers: measures and checks of hearts, heat maps, and what they are compared by."""

import numpy as np
import pytest
from prdc import compute_prdc
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from skimage.measure import label as skimage_label
from skimage.measure import regionprops

from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES
from cardiactwins.anatomy.heart_tissues import CHAMBERS, Tissue
from cardiactwins.twin.cohort import CHECK_NAMES, Cohort, measure_cohort, measure_of
from cardiactwins.twin.cohort_comparison import compare_cohorts, compare_halves, nearest_training
from cardiactwins.twin.estimate import Estimate, bootstrap_share, bootstrap_spread
from cardiactwins.twin.frechet import frechet_distance, standardised
from cardiactwins.twin.heat_maps import heat_maps, occupancy_of
from cardiactwins.twin.neighbours import nearest_distances, precision_recall


def small_heart(rng):
    """Boxes of random size: LV in a cup of Myo, RV beside it, LA and Ao on the LV, RA on the RV."""
    heart = np.zeros((24, 14, 30), dtype=np.uint8)
    a, b, c = rng.integers(0, 3, 3)
    heart[2:12, 2:10, 2:14] = Tissue.MYO
    heart[4:12, 4 : 7 + a, 4:12] = Tissue.LV
    heart[4 + b : 12, 4:8, 14 : 18 + a] = Tissue.RV
    heart[12 : 18 + c, 4:8, 4:8] = Tissue.LA
    heart[12:20, 4:7, 10:12] = Tissue.AO
    heart[12 : 17 + b, 4 : 7 + c, 14:20] = Tissue.RA
    return heart


def cohort_of(points, names=None):
    """A cohort with given measures that passes all checks."""
    points = np.asarray(points, dtype=float)
    names = names or [str(i) for i in range(len(points))]
    return Cohort(tuple(names), points, np.zeros((len(points), 12), dtype=bool))


@pytest.fixture(scope="module")
def hearts():
    rng = np.random.default_rng(0)
    return [small_heart(rng) for _ in range(6)]


def test_morphology_of_a_cohort_is_that_of_scikit_image(hearts):
    cohort = measure_cohort(hearts, (1.4, 1.4, 1.4), names=list("abcdef"))
    assert cohort.names == tuple("abcdef") and len(cohort) == 6
    for heart, row in zip(hearts, cohort.morphology, strict=True):
        found = {p.label: p for p in regionprops(heart.astype(int), spacing=(1.4,) * 3)}
        for chamber, (volume, major, minor) in zip(CHAMBERS, row.reshape(4, 3), strict=True):
            assert volume == pytest.approx(found[chamber].area / 1000)
            assert major == pytest.approx(found[chamber].axis_major_length)
            assert minor == pytest.approx(found[chamber].axis_minor_length, rel=1e-6)


def test_violations_are_counted_by_check_and_heart(hearts):
    torn = hearts[0].copy()
    torn[22, 1, 1:4] = Tissue.LA
    assert skimage_label(torn == Tissue.LA, connectivity=3).max() == 2
    without = hearts[1].copy()
    without[without == Tissue.RA] = 0
    cohort = measure_cohort([torn, without, hearts[2]])
    assert cohort.violated.sum(axis=1).tolist() == [1, 2, 0]
    assert cohort.violations_percent == pytest.approx(100 * 3 / 36)
    by_check = cohort.violations_by_check()
    assert {name for name, share in by_check.items() if share} == {
        "LA in one piece",
        "RA in one piece",
        "RV touches RA",
    }
    assert cohort.measure("RA volume").tolist()[1] == 0
    assert np.isfinite(cohort.morphology).all()
    assert measure_cohort([torn], smallest_piece=4).violations_percent == 0


def test_a_measure_goes_by_its_name_with_and_without_unit():
    assert measure_of("RV volume (ml)") == measure_of("rv volume") == MORPHOLOGY_NAMES.index("RV volume (ml)")
    with pytest.raises(ValueError, match="no measure 'mass'"):
        measure_of("mass")
    assert len(set(CHECK_NAMES)) == 12


def test_hearts_above_a_threshold_keep_their_names(hearts):
    cohort = measure_cohort(hearts, names=list("abcdef"))
    volumes = cohort.measure("RV volume")
    large = cohort.larger("RV volume", float(np.median(volumes)))
    assert set(large.names) == {n for n, v in zip("abcdef", volumes, strict=True) if v > np.median(volumes)}
    np.testing.assert_array_equal(large.morphology, cohort.morphology[volumes > np.median(volumes)])


def test_an_empty_cohort_is_one(hearts):
    empty = measure_cohort([])
    assert len(empty) == 0 and empty.morphology.shape == (0, 12) and np.isnan(empty.violations_percent)
    with pytest.raises(ValueError, match="2 names for 1 hearts"):
        measure_cohort(hearts[:1], names=["a", "b"])


def test_the_heat_map_is_the_share_of_hearts_at_each_voxel(hearts):
    cohort = measure_cohort(iter(hearts), heat_map=True)
    assert cohort.occupancy.shape == (7, *hearts[0].shape) and cohort.occupancy.dtype == np.float32
    np.testing.assert_allclose(cohort.occupancy.sum(axis=0), 1, atol=1e-6)
    for tissue in range(7):
        np.testing.assert_allclose(
            cohort.occupancy[tissue], np.mean([h == tissue for h in hearts], axis=0), atol=1e-6
        )
    with pytest.raises(ValueError, match="hearts on one grid"):
        measure_cohort([hearts[0], hearts[1][1:]], heat_map=True)
    with pytest.raises(ValueError, match="no heat map"):
        occupancy_of(measure_cohort(hearts))


def test_difference_maps_are_masked_where_either_cohort_is_not(hearts):
    first, second = measure_cohort(hearts[:3], heat_map=True), measure_cohort(hearts[3:], heat_map=True)
    maps = heat_maps(first, second)
    p, q = (np.mean([h > 0 for h in some], axis=0) for some in (hearts[:3], hearts[3:]))
    both = (p > 0) & (q > 0)
    assert np.isnan(maps.difference[~both]).all()
    np.testing.assert_allclose(maps.difference[both], (q - p)[both], atol=1e-6)
    np.testing.assert_array_equal(np.isnan(maps.real), p == 0)
    assert maps.spread() == pytest.approx(np.sqrt(np.mean((q - p)[both] ** 2)), rel=1e-5)
    alone = heat_maps(hearts[0], first, tissue=Tissue.RV)
    assert np.nanmax(alone.real) == 1 and alone.spread() > 0
    assert heat_maps(hearts[0], hearts[0]).spread() == 0


def test_frechet_distance_is_the_formula_with_the_root_of_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(60, 12)), rng.normal(0.3, 1.4, (80, 12)) @ rng.normal(size=(12, 12)) / 3
    c, d = np.cov(x.T), np.cov(y.T)
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(c + d - 2 * np.real(sqrtm(c @ d)))
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(x, x + 2.0) == pytest.approx(12 * 4)
    assert frechet_distance(x, 3 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(4 * np.trace(c))


def test_frechet_distance_bears_singular_covariances():
    x = np.random.default_rng(2).normal(size=(5, 12))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(x[:1], x)
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(np.full((3, 12), np.nan), x)
    with pytest.raises(ValueError, match="12 and of 11"):
        frechet_distance(x, x[:, :11])


def test_standardised_measures_are_in_deviations_of_the_reference():
    reference = np.random.default_rng(3).normal(5, 2, (40, 12))
    scaled = standardised(reference, reference)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1)
    reference[:, 3] = 7
    with pytest.raises(ValueError, match=r"Measures \[3\] do not differ"):
        standardised(reference, reference)


@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_precision_and_recall_are_those_of_prdc(shift):
    rng = np.random.default_rng(4)
    real, made = rng.normal(size=(70, 12)), rng.normal(shift, 0.8, (110, 12))
    expected = compute_prdc(real, made, nearest_k=5)
    found = precision_recall(real, made, k=5)
    assert found.precision == pytest.approx(expected["precision"])
    assert found.recall == pytest.approx(expected["recall"])


def test_a_heart_on_the_border_of_a_ball_is_outside():
    line = np.arange(6.0)[:, None]
    found = precision_recall(line, line + 2.0, k=2)
    border = [any(abs(x - p) < r for p, r in zip(range(6), (2, 1, 1, 1, 1, 2), strict=True))
              for x in line[:, 0] + 2]  # fmt: skip
    assert found.plausible.tolist() == border


def test_cohorts_too_small_for_their_neighbours_are_refused():
    points = np.zeros((5, 12))
    with pytest.raises(ValueError, match="reference cohort needs more than k = 5"):
        precision_recall(points, np.zeros((9, 12)))
    with pytest.raises(ValueError, match="synthetic cohort needs more than k = 5"):
        precision_recall(np.zeros((9, 12)), points)


def test_memorised_hearts_lie_nearest_to_training():
    rng = np.random.default_rng(5)
    training = cohort_of(rng.normal(size=(300, 12)))
    copies = cohort_of(training.morphology[[7, 9]] + 1e-3)
    held = cohort_of(rng.normal(size=(50, 12)))
    near, which = nearest_training(copies, training)
    far, _ = nearest_training(held, training)
    assert which.tolist() == [7, 9] and near.max() < 0.1 * far.min()
    scaled = [standardised(c.morphology, training.morphology) for c in (held, training)]
    np.testing.assert_allclose(far, cdist(*scaled).min(axis=1))
    with pytest.raises(ValueError, match="no training hearts"):
        nearest_distances(np.zeros((2, 3)), np.zeros((0, 3)))


def test_the_interval_of_a_share_has_the_binomial_spread():
    held = np.arange(400) < 300
    found = bootstrap_share(held, np.random.default_rng(6), 4000)
    expected = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.value == 0.75
    assert found.high - found.low == pytest.approx(2 * expected, rel=0.1)
    assert found.holds(0.75) and not found.holds(0.9)
    assert str(Estimate(0.5, 0.25, 0.75)) == "0.5 (0.25 to 0.75)"


def test_the_spread_of_a_distance_holds_its_value_and_is_that_of_fresh_cohorts():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(80, 4)), rng.normal(1, 1, (80, 4))
    found = bootstrap_spread(frechet_distance, x, y, rng)
    assert found.low < found.value < found.high
    fresh = [frechet_distance(rng.normal(size=(80, 4)), rng.normal(1, 1, (80, 4))) for _ in range(300)]
    low, high = np.quantile(fresh, (0.025, 0.975))
    assert found.high - found.low == pytest.approx(high - low, rel=0.4)


def test_hearts_of_the_same_kind_lie_within_the_halves_and_others_do_not():
    rng = np.random.default_rng(8)
    mix = rng.normal(size=(12, 12)) / 4 + np.eye(12)
    reference, same = (cohort_of(rng.normal(size=(200, 12)) @ mix) for _ in range(2))
    narrow = cohort_of(0.4 * rng.normal(size=(200, 12)) @ mix)
    good = compare_halves(reference, rng, synthetic=same, splits=60)
    bad = compare_halves(reference, rng, synthetic=narrow, splits=60)
    for estimate, value in zip((good.frechet, good.precision, good.recall), good.matched, strict=True):
        assert estimate.holds(value)
    assert bad.matched[0] > bad.frechet.high and bad.matched[2] < bad.recall.low


def test_a_comparison_is_made_of_the_same_parts():
    rng = np.random.default_rng(9)
    whole = cohort_of(rng.normal(10, 3, (120, 12)))
    target, made = whole.larger("LV volume", 10.0), cohort_of(rng.normal(10, 3, (60, 12)))
    found = compare_cohorts(target, made, rng, scale=whole, repeats=60)
    real, fake = (standardised(c.morphology, whole.morphology) for c in (target, made))
    assert found.frechet.value == pytest.approx(frechet_distance(real, fake))
    assert found.precision.value == precision_recall(real, fake).precision
    assert found.recall.value == precision_recall(real, fake).recall
    assert found.violations == Estimate(0, 0, 0)
    assert found.row()["hearts"] == 60 and found.values()["reference_hearts"] == len(target)
