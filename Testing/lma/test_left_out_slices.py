"""Leaving out slices in closed form."""

import numpy as np
import pytest

from cardiactwins.lma.left_out_slices import POPULATION, left_out_slices


def field(rng, count=40, slices=5):
    places = np.stack(
        [np.repeat(np.arange(slices) * 4.0, count // slices), rng.uniform(0, 20, count)], axis=1
    )
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    return np.exp(-((apart / 6) ** 2)) + 0.04 * np.eye(count), np.repeat(np.arange(slices), count // slices)


def test_errors_are_those_of_predicting_each_slice_from_the_others():
    rng = np.random.default_rng(0)
    covariance, slices = field(rng)
    values = rng.multivariate_normal(np.zeros(len(covariance)), covariance)
    squares = []
    for number in range(5):
        out, kept = slices == number, slices != number
        gain = covariance[np.ix_(out, kept)] @ np.linalg.inv(covariance[np.ix_(kept, kept)])
        error = values[out] - gain @ values[kept]
        spread = covariance[np.ix_(out, out)] - gain @ covariance[np.ix_(kept, out)]
        squares.append(np.mean(error**2 / np.diag(spread)))
    found = left_out_slices(covariance, values, slices)
    np.testing.assert_allclose(found.deviations, np.sqrt(squares))
    assert found.ratio == pytest.approx(np.sqrt((sum(squares) + POPULATION) / (5 + POPULATION)))


@pytest.mark.parametrize("times", [1.0, 3.0])
def test_the_ratio_tells_how_far_a_heart_is_from_its_prior(times):
    rng = np.random.default_rng(1)
    covariance, slices = field(rng)
    drawn = times * rng.multivariate_normal(np.zeros(len(covariance)), covariance, 400)
    squares = [left_out_slices(covariance, values, slices).ratio ** 2 for values in drawn]
    assert np.mean(squares) == pytest.approx((5 * times**2 + POPULATION) / (5 + POPULATION), rel=0.05)
