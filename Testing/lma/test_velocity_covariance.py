"""Covariances of displacements, against sums over all coefficients of a band."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.velocity_covariance import VelocityCovariance  # noqa: E402
from cardiactwins.lma.velocity_prior import VelocityPrior  # noqa: E402

BAND = Band((24, 20, 28), (8, 6, 8), (4, 5, 3))


def population_prior(modes=3):
    """A prior of velocities that vary differently along each axis, with modes."""
    generator = torch.Generator().manual_seed(0)
    k, j, i = (torch.arange(n, dtype=torch.float32) % (n // 2 + 1) for n in BAND.coefficient_shape)
    smooth = torch.exp(-0.5 * (k[:, None, None] + 1.3 * j[:, None] + 0.8 * i))
    drawn = torch.randn(60, 3, *BAND.coefficient_shape, generator=generator) * smooth
    return VelocityPrior.of_velocities(drawn * torch.tensor([1.0, 0.7, 1.4])[:, None, None, None], modes)


def directed(rng, count):
    places = rng.uniform(0, 1, (count, 3)) * (np.array(BAND.shape) - 1)
    directions = rng.normal(size=(count, 3))
    return places, directions / np.linalg.norm(directions, axis=1, keepdims=True)


def rows(places, directions):
    """What each displacement takes of each coefficient, (m, 3 n^3)."""
    k, j, i = (values.numpy() for values in BAND.basis(torch.from_numpy(places)))
    basis = np.einsum("pa,pb,pc->pabc", k, j, i).reshape(len(places), -1)
    return np.concatenate([basis * directions[:, axis, None] for axis in range(3)], axis=1)


@pytest.mark.parametrize("modes", [0, 3])
def test_covariances_are_those_of_all_coefficients(modes):
    prior, rng = population_prior(modes), np.random.default_rng(1)
    deviation = prior.deviation.flatten().numpy().astype(float)
    along = prior.directions.flatten(1).numpy().astype(float)
    core = np.eye(deviation.size) + along.T @ np.diag(prior.gains.numpy() ** 2 - 1.0) @ along
    whole = deviation[:, None] * core * deviation
    first, second = directed(rng, 70), directed(rng, 50)
    a, b = rows(*first), rows(*second)
    covariance = VelocityCovariance.of(BAND, prior)
    here, there = covariance.directed(*first), covariance.directed(*second)
    expected = a @ whole @ b.T
    typical = np.sqrt((expected**2).mean())
    # Entries of the table are half a voxel apart.
    assert np.abs(covariance.between(here, there).numpy() - expected).max() < 0.05 * typical
    variance = np.einsum("pf,fg,pg->p", a, whole, a)
    np.testing.assert_allclose(covariance.variance(here).numpy(), variance, rtol=1e-3)
    np.testing.assert_allclose(np.diag(covariance.between(here, here)), variance, rtol=1e-3)
    weights = rng.normal(size=70).astype(np.float32)
    found = covariance.weighted(here, torch.from_numpy(weights)).flatten().numpy()
    np.testing.assert_allclose(found, whole @ a.T @ weights, atol=1e-3 * np.abs(found).max())


def test_what_lies_a_period_apart_is_the_same():
    prior = population_prior(0)
    covariance = VelocityCovariance.of(BAND, prior)
    places, directions = directed(np.random.default_rng(2), 5)
    here = covariance.directed(places, directions)
    beyond = covariance.directed(places + np.array(BAND.box), directions)
    torch.testing.assert_close(covariance.between(here, beyond).diagonal(), covariance.variance(here))


def test_a_field_that_is_not_stationary_is_refused():
    prior = population_prior(0)
    prior.deviation[0, 1] *= 2
    with pytest.raises(ValueError, match="not stationary"):
        VelocityCovariance.of(BAND, prior)
