"""Losses of populations against plain references, from lesions to the number."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.divergence import maximum_mean_discrepancy, pooled_squared_distances
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import LOSSES, PopulationLoss

PLAIN = runpy.run_path(str(Path(__file__).parents[1] / "Benchmarks" / "reference_personalization.py"))
PAPER = ReferenceAnatomy()
SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)


def ellipses(parameters, count, seed, anatomy=PAPER):
    return EllipticalModel(anatomy).sample(parameters, count, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def real():
    return ellipses([18, 10, 13, 18], 60, 0)


@pytest.fixture(scope="module")
def synthetic(real):
    """Other lesions, some of them copies of real ones, one without any voxel and one of the whole wall."""
    lesions = ellipses([24, 6, 9, 12], 50, 1)
    lesions[:6] = real[:6]
    lesions[6], lesions[7] = False, True
    return lesions


def transmurality_by_spokes(lesion):
    """Mean over 5-degree spokes with infarct of the infarcted share of their thickness."""
    radius = np.hypot(PAPER.positions[:, 0], PAPER.positions[:, 1])
    spoke = np.floor(PAPER.circumferential * 72 + 1e-9).astype(int) % 72
    shares = []
    for number in range(72):
        weights = 1 / radius[spoke == number]
        share = (weights * lesion[spoke == number]).sum() / weights.sum()
        if share > 0:
            shares.append(share)
    return np.mean(shares) if shares else 0.0


def size_and_transmurality(lesion):
    return [lesion.mean(), transmurality_by_spokes(lesion)]


def sectors_and_size(lesion):
    sector = np.floor(PAPER.circumferential * 24 + 1e-9).astype(int) % 24
    return [lesion[sector == number].mean() for number in range(24)] + [lesion.mean()]


def plain_attribute_loss(describe, synthetic, real):
    """KL(synthetic || real) over attributes in units of their real standard deviations, pair by pair."""
    synthetic = np.array([describe(lesion) for lesion in synthetic])
    real = np.array([describe(lesion) for lesion in real])
    spread = real.std(axis=0)
    samples = np.vstack([synthetic, real]) / np.where(spread > 1e-12, spread, 1)
    distances = np.array([[np.sqrt(((a - b) ** 2).sum()) for b in samples] for a in samples])
    bandwidth = np.mean([np.sort(row)[1:10] for row in distances])
    log_kernels = -(distances**2) / (2 * bandwidth**2)
    log_synthetic = logsumexp(log_kernels[:, : len(synthetic)], axis=1)
    log_real = logsumexp(log_kernels[:, len(synthetic) :], axis=1)
    log_synthetic -= logsumexp(log_synthetic)
    log_real -= logsumexp(log_real)
    return (np.exp(log_synthetic) * (log_synthetic - log_real)).sum()


def test_the_loss_on_images_is_the_plain_references(real, synthetic):
    expected = PLAIN["kullback_leibler"](synthetic, real)
    assert PopulationLoss(PAPER, real)(synthetic) == pytest.approx(expected, abs=1e-9)


def test_voxels_that_no_lesion_touches_do_not_change_the_loss_on_images(real):
    """Small lesions leave most voxels out of the products, large ones none; both must be exact."""
    for parameters in ([5, 1, 3, 1], [60, 1, 40, 1]):
        lesions = ellipses(parameters, 30, 2)
        assert (lesions.any(axis=0).mean() < 0.5) == (parameters[0] == 5)
        expected = PLAIN["kullback_leibler"](lesions, real)
        assert PopulationLoss(PAPER, real)(lesions) == pytest.approx(expected, rel=1e-9)


def test_the_loss_on_size_and_transmurality_agrees_with_a_plain_reference(real, synthetic):
    expected = plain_attribute_loss(size_and_transmurality, synthetic, real)
    assert PopulationLoss(PAPER, real, "KL_attr")(synthetic) == pytest.approx(expected, abs=1e-9)


def test_the_loss_on_sectors_and_size_agrees_with_a_plain_reference(real, synthetic):
    expected = plain_attribute_loss(sectors_and_size, synthetic, real)
    assert PopulationLoss(PAPER, real, "KL_sectors")(synthetic) == pytest.approx(expected, abs=1e-9)


def test_the_mean_discrepancy_compares_images(real, synthetic):
    distances = pooled_squared_distances(synthetic.astype(float), real.astype(float))
    expected = maximum_mean_discrepancy(distances, len(synthetic))
    assert PopulationLoss(PAPER, real, "MMD")(synthetic) == pytest.approx(expected, abs=1e-12)


def test_bandwidth_neighbours_and_estimator_reach_the_divergence(real, synthetic):
    def loss(**options):
        return PopulationLoss(PAPER, real, **options)(synthetic)

    values = [
        loss(),
        loss(neighbours=3),
        loss(bandwidth=20.0),
        loss(estimator="sample"),
        loss(estimator="sample", bandwidth=20.0),
    ]
    assert len({round(value, 9) for value in values}) == 5


@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss_tells_the_truth_from_other_parameters(kind, real):
    loss = PopulationLoss(PAPER, real, kind)
    truth = [loss(ellipses([18, 10, 13, 18], 100, seed)) for seed in range(10, 15)]
    for others in ([40, 10, 13, 18], [18, 10, 3, 2], [5, 2, 30, 3]):
        assert min(loss(ellipses(others, 100, seed)) for seed in range(3)) > max(truth)


@pytest.mark.parametrize("kind", ["KL_full", "MMD"])
def test_only_images_see_where_on_the_ring_a_lesion_lies(kind, real):
    turned = PAPER.from_image(np.rot90(PAPER.to_image(real), axes=(2, 3)))
    assert PopulationLoss(PAPER, real, kind)(turned) > PopulationLoss(PAPER, real, kind)(real) + 0.01
    assert abs(PopulationLoss(PAPER, real, "KL_attr")(turned)) < 0.01


@pytest.mark.parametrize("kind", LOSSES)
def test_the_loss_of_the_real_lesions_themselves_is_nothing(kind, real):
    """Unbiased, the mean discrepancy of copies lies up to 2 / n below zero: it leaves out the equal pairs."""
    loss = PopulationLoss(PAPER, real, kind)(real)
    assert -2 / 60 < loss < 0 if kind == "MMD" else abs(loss) < 1e-9


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("count", [5, 6, 7, 11, 30])
def test_equal_infarcts_are_refused_whatever_rounding_makes_of_their_spread(kind, count):
    """The mean of equal attributes may differ from them in the last bit; that is no spread."""
    rng = np.random.default_rng(count)
    for _ in range(5):
        lesion = rng.random(SMALL.n_voxels) < rng.random()
        with pytest.raises(ValueError, match="All real infarcts are the same"):
            PopulationLoss(SMALL, np.tile(lesion, (count, 1)), kind)


@pytest.mark.parametrize("kind", LOSSES)
def test_fewer_than_five_infarcts_are_refused(kind):
    lesions = ellipses([5, 2, 3, 1], 4, 0, SMALL)
    with pytest.raises(ValueError, match="at least 5 infarcts to be compared with a model; found 4"):
        PopulationLoss(SMALL, lesions, kind)
    PopulationLoss(SMALL, ellipses([5, 2, 3, 1], 5, 0, SMALL), kind)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "KL"}, "KL_full, KL_attr, KL_sectors, MMD; found 'KL'"),
        ({"bandwidth": 0.0}, "bandwidth must be positive"),
        ({"bandwidth": float("nan")}, "bandwidth must be positive"),
        ({"neighbours": 0}, "at least 1 neighbour; found 0"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_computed(options, message):
    with pytest.raises(ValueError, match=message):
        PopulationLoss(SMALL, ellipses([5, 2, 3, 1], 10, 0, SMALL), **options)


def test_an_unknown_estimator_is_refused_by_name():
    lesions = ellipses([5, 2, 3, 1], 10, 0, SMALL)
    with pytest.raises(ValueError, match="'pooled' or 'sample'; found 'naive'"):
        PopulationLoss(SMALL, lesions, estimator="naive")(lesions)


def test_synthetic_lesions_without_a_voxel_have_a_finite_loss():
    real = ellipses([5, 2, 3, 1], 20, 0, SMALL)
    nothing = np.zeros((15, SMALL.n_voxels), dtype=bool)
    for kind in LOSSES:
        assert np.isfinite(PopulationLoss(SMALL, real, kind)(nothing))
