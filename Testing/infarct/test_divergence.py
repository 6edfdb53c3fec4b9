"""Divergences against analytic values, quadrature, and plain double-precision loops."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors

from cardiactwins.infarct.divergence import (
    kullback_leibler,
    log_kernel_sum,
    maximum_mean_discrepancy,
    neighbour_bandwidth,
    pooled_squared_distances,
    squared_distances,
)


def plain_distances(samples):
    """Euclidean distances of all pairs, one pair at a time."""
    return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in samples] for a in samples])


def plain_bandwidth(distances, neighbours=9):
    return np.mean([np.sort(row)[1 : neighbours + 1] for row in distances])


def plain_kullback_leibler(synthetic, real, estimator, bandwidth=None):
    """Both estimators by the book: one sample after the other, scipy's log-sum-exp in double precision."""
    distances = plain_distances(np.vstack([synthetic, real]).astype(float))
    count = len(synthetic)
    bandwidth = plain_bandwidth(distances) if bandwidth is None else bandwidth
    log_kernels = -(distances**2) / (2 * bandwidth**2)
    log_synthetic = np.array([logsumexp(row[:count]) for row in log_kernels])
    log_real = np.array([logsumexp(row[count:]) for row in log_kernels])
    if estimator == "sample":
        log_ratios = (log_synthetic - np.log(count)) - (log_real - np.log(len(real)))
        return log_ratios[:count].mean()
    log_synthetic -= logsumexp(log_synthetic)
    log_real -= logsumexp(log_real)
    return sum(np.exp(a) * (a - b) for a, b in zip(log_synthetic, log_real, strict=True))


def plain_discrepancy(synthetic, real, bandwidth):
    """Gretton et al. 2012, equation 3: means over pairs of different samples and over mixed pairs."""

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * bandwidth**2))

    def within(samples):
        pairs = [(i, j) for i in range(len(samples)) for j in range(len(samples)) if i != j]
        return np.mean([kernel(samples[i], samples[j]) for i, j in pairs])

    return within(synthetic) + within(real) - 2 * np.mean([kernel(a, b) for a in synthetic for b in real])


def binary_images(count, voxels, density, rng):
    return (rng.random((count, voxels)) < density * rng.random((count, 1))).astype(np.float32)


def pooled(synthetic, real):
    return pooled_squared_distances(np.asarray(synthetic), np.asarray(real))


ESTIMATORS = ["pooled", "sample"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_divergence_of_equal_populations_is_zero(estimator):
    samples = np.random.default_rng(0).normal(size=(40, 3))
    assert abs(kullback_leibler(pooled(samples, samples[::-1]), 40, estimator=estimator)) < 1e-12


def test_the_pooled_divergence_is_never_negative():
    """It is a divergence of two discrete distributions, whatever the samples and the bandwidth."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        p, q, features = rng.integers(2, 30, 3)
        distances = pooled(rng.normal(size=(p, features)), rng.normal(rng.normal(), 1, size=(q, features)))
        assert kullback_leibler(distances, p, bandwidth=10 ** rng.uniform(-2, 2)) >= -1e-12


def test_the_divergence_goes_from_synthetic_to_real_and_not_back():
    """A narrow population inside a wide one costs log(wide / narrow); the other way the tails cost more."""
    rng = np.random.default_rng(2)
    narrow, wide = rng.normal(size=(400, 1)), 4 * rng.normal(size=(400, 1))
    forward = kullback_leibler(pooled(narrow, wide), 400, bandwidth=0.3, estimator="sample")
    backward = kullback_leibler(pooled(wide, narrow), 400, bandwidth=0.3, estimator="sample")
    variances = 1 + 0.3**2, 16 + 0.3**2
    expected = np.log(np.sqrt(variances[1] / variances[0])) + (1 / variances[1] - 1 / variances[0]) / 2
    assert forward == pytest.approx(expected, abs=0.1)
    assert backward > 3 * forward


def normal_quantiles(mean, count):
    """Samples of N(mean, 1) without luck: its quantiles in the middle of `count` equal shares, (count, 1)."""
    return mean + stats.norm.ppf((np.arange(count)[:, None] + 0.5) / count)


@pytest.mark.parametrize(("shift", "bandwidth"), [(1.0, 0.5), (2.0, 1.0), (0.5, 0.2)])
def test_the_sample_estimator_converges_to_the_divergence_of_smoothed_normals(shift, bandwidth):
    """N(m, 1) and N(0, 1) get variance 1 + h^2 and the samples keep their mean m: m^2 / (2 (1 + h^2))."""
    expected = shift**2 / (2 * (1 + bandwidth**2))
    errors = []
    for count in (300, 1500):
        distances = pooled(normal_quantiles(shift, count), normal_quantiles(0.0, count))
        found = kullback_leibler(distances, count, bandwidth=bandwidth, estimator="sample")
        errors.append(abs(found - expected) / expected)
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 2


def test_the_sample_estimator_keeps_its_limit_for_random_samples():
    rng = np.random.default_rng(3)
    found = [
        kullback_leibler(
            pooled(rng.normal(1, 1, (500, 1)), rng.normal(0, 1, (500, 1))),
            500,
            bandwidth=0.5,
            estimator="sample",
        )
        for _ in range(20)
    ]
    error = np.std(found, ddof=1) / np.sqrt(20)
    assert np.mean(found) == pytest.approx(0.4, abs=4 * error)
    assert error < 0.02


def pooled_limit(shift, bandwidth, share):
    """What the papers' estimator converges to for N(m, 1) against N(0, 1), by quadrature.

    The pooled samples follow q = share p + (1 - share) r. The densities p_h and r_h, smoothed by the kernel,
    are normalised to sum 1 over these samples, that is to integral 1 over q: P = p_h / int p_h q and
    R = r_h / int r_h q. The sum becomes int P log(P / R) q.
    """
    width = np.sqrt(1 + bandwidth**2)
    base = stats.norm(shift).pdf, stats.norm().pdf
    smooth = stats.norm(shift, width).pdf, stats.norm(0, width).pdf

    def mixture(x):
        return share * base[0](x) + (1 - share) * base[1](x)

    def integral(function):
        return integrate.quad(lambda x: function(x) * mixture(x), -12, 12 + shift, limit=200)[0]

    totals = [integral(density) for density in smooth]

    def integrand(x):
        synthetic, real = (density(x) / total for density, total in zip(smooth, totals, strict=True))
        return synthetic * np.log(synthetic / real)

    return integral(integrand)


@pytest.mark.parametrize(
    ("shift", "bandwidth", "p", "q"), [(1.0, 0.5, 800, 800), (2.0, 0.8, 500, 1000), (1.5, 0.4, 1100, 400)]
)
def test_the_papers_estimator_converges_to_the_quadrature_of_its_limit(shift, bandwidth, p, q):
    found = kullback_leibler(
        pooled(normal_quantiles(shift, p), normal_quantiles(0.0, q)), p, bandwidth=bandwidth
    )
    expected = pooled_limit(shift, bandwidth, p / (p + q))
    assert found == pytest.approx(expected, rel=0.005)
    neighbours = [shift**2 / (2 * (1 + bandwidth**2))]
    if p != q:
        neighbours.append(pooled_limit(shift, bandwidth, q / (p + q)))
    for other in neighbours:
        assert abs(other - expected) > 0.02 * expected, "the limit is told apart from its neighbours"


@pytest.mark.parametrize("neighbours", [1, 9, 10])
def test_the_bandwidth_is_the_mean_distance_to_the_nearest_neighbours(neighbours):
    rng = np.random.default_rng(5)
    images = binary_images(60, 300, 0.6, rng)
    images[7] = images[3]
    points = images.astype(float)
    distances, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(points).kneighbors(points)
    found = neighbour_bandwidth(pooled(images[:25], images[25:]), neighbours)
    assert found == pytest.approx(distances[:, 1:].mean(), rel=1e-12)


def test_a_small_population_takes_all_others_as_neighbours():
    samples = np.array([[0.0], [1.0], [3.0]])
    assert neighbour_bandwidth(pooled(samples[:1], samples[1:])) == pytest.approx((1 + 3 + 1 + 2 + 3 + 2) / 6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("features", ["images", "attributes"])
def test_divergences_agree_with_a_plain_double_precision_reference(estimator, features):
    rng = np.random.default_rng(6)
    if features == "images":
        synthetic, real = binary_images(50, 1892, 0.5, rng), binary_images(40, 1892, 0.8, rng)
        synthetic[:5] = real[:5]
    else:
        synthetic, real = rng.normal(2, 1, (50, 25)), rng.normal(2.3, 1.5, (40, 25))
    for bandwidth in (None, 3.0):
        found = kullback_leibler(pooled(synthetic, real), 50, bandwidth=bandwidth, estimator=estimator)
        expected = plain_kullback_leibler(synthetic, real, estimator, bandwidth)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_divergences_agree_with_the_reference_where_kernels_underflow(estimator):
    """At 60 bandwidths and more exp(-d^2 / 2 h^2) is 0 in double precision: log-sum-exp keeps the ratio."""
    rng = np.random.default_rng(7)
    for distance in (60.0, 1e5):
        synthetic, real = rng.normal(0, 1, (20, 2)), rng.normal(0, 1, (15, 2)) + distance
        assert np.exp(-(distance**2) / 2) == 0
        found = kullback_leibler(pooled(synthetic, real), 20, bandwidth=1.0, estimator=estimator)
        expected = plain_kullback_leibler(synthetic, real, estimator, 1.0)
        assert found > 100
        assert found == pytest.approx(expected, rel=1e-9)


def test_log_kernel_sums_are_scipys():
    squared = 10 ** np.random.default_rng(8).uniform(-3, 7, (30, 40))
    expected = logsumexp(-squared / (2 * 1.7**2), axis=1)
    before = squared.copy()
    np.testing.assert_allclose(log_kernel_sum(squared, 1.7), expected, rtol=1e-12)
    np.testing.assert_array_equal(squared, before)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_populations_of_copies_give_a_number(estimator):
    """All samples equal: no distance, no bandwidth, and no divergence either."""
    copies = np.ones((12, 30), dtype=np.float32)
    assert abs(kullback_leibler(pooled(copies[:5], copies[5:]), 5, estimator=estimator)) < 1e-12


def test_distances_of_binary_images_are_exact_whole_numbers_in_single_precision():
    """20,000 voxels, nearly all infarcted: products of about 2e4."""
    rng = np.random.default_rng(9)
    images = rng.random((12, 20_000)) < 0.97
    real = rng.random((9, 20_000)) < 0.4
    everything = np.vstack([images, real])
    exact = np.array([[np.count_nonzero(a ^ b) for b in everything] for a in everything])
    found = pooled_squared_distances(images.astype(np.float32), real.astype(np.float32))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, exact)
    np.testing.assert_array_equal(
        squared_distances(images.astype(np.float32), real.astype(np.float32)), exact[:12, 12:]
    )


def test_distances_are_never_negative_and_known_blocks_are_used():
    rng = np.random.default_rng(10)
    a = rng.normal(size=(1, 40)) + 1e-9 * rng.normal(size=(30, 40))
    distances = squared_distances(a, a.copy())
    assert distances.min() >= 0
    assert distances.max() < 1e-12
    b = rng.normal(size=(5, 40))
    known = squared_distances(b, b)
    given = pooled_squared_distances(a, b, known, (b**2).sum(axis=1))
    np.testing.assert_allclose(given, pooled_squared_distances(a, b), atol=1e-12)
    assert (np.diag(given) == 0).all()
    np.testing.assert_allclose(given, given.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bandwidth", [None, 0.8])
def test_the_mean_discrepancy_agrees_with_a_plain_loop(bandwidth):
    rng = np.random.default_rng(11)
    synthetic, real = rng.normal(0, 1, (17, 3)), rng.normal(0.5, 1.3, (23, 3))
    found = maximum_mean_discrepancy(pooled(synthetic, real), 17, bandwidth=bandwidth)
    width = bandwidth or plain_bandwidth(plain_distances(np.vstack([synthetic, real])))
    assert found == pytest.approx(plain_discrepancy(synthetic, real, width), abs=1e-12)


def test_the_mean_discrepancy_of_equal_distributions_is_zero_on_average_and_of_unequal_ones_is_not():
    """Unbiased; normals m apart have 2 h / sqrt(s) (1 - exp(-m^2 / 2s)) with s = 2 + h^2."""
    rng = np.random.default_rng(12)

    def discrepancies(shift):
        return [
            maximum_mean_discrepancy(
                pooled(rng.normal(shift, 1, (60, 1)), rng.normal(0, 1, (40, 1))), 60, bandwidth=1.0
            )
            for _ in range(300)
        ]

    equal, unequal = discrepancies(0.0), discrepancies(1.0)
    assert abs(np.mean(equal)) < 4 * np.std(equal) / np.sqrt(300)
    assert min(equal) < 0 < max(equal)
    spread = 2 + 1.0
    expected = 2 * np.sqrt(1 / spread) * (1 - np.exp(-1 / (2 * spread)))
    assert np.mean(unequal) == pytest.approx(expected, abs=4 * np.std(unequal) / np.sqrt(300))


def test_estimators_go_by_name():
    rng = np.random.default_rng(13)
    distances = pooled(rng.normal(size=(20, 2)), rng.normal(1, 1, (30, 2)))
    assert kullback_leibler(distances, 20) == kullback_leibler(distances, 20, estimator="pooled")
    assert kullback_leibler(distances, 20) != kullback_leibler(distances, 20, estimator="sample")
    with pytest.raises(ValueError, match="'pooled' or 'sample'; found 'naive'"):
        kullback_leibler(distances, 20, estimator="naive")
