"""Independent, common and quasi-random draws: who shares numbers with whom, and what the even ones buy."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.draws import DRAWS, PopulationDraws
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.spherical import IterativeSphericalModel

SMALL = ReferenceAnatomy(size=26, endocardial_radius=6.0, epicardial_radius=10.0)
MODEL = EllipticalModel(SMALL)
PARAMETERS = [6.0, 3.0, 4.0, 4.0]


@pytest.mark.parametrize("kind", DRAWS)
def test_the_same_seed_and_number_give_the_same_lesions(kind):
    first, second = (PopulationDraws(MODEL, 40, kind, seed=7) for _ in range(2))
    second.lesions(PARAMETERS, 3)
    for number in (0, 1, 2):
        np.testing.assert_array_equal(first.lesions(PARAMETERS, number), second.lesions(PARAMETERS, number))


@pytest.mark.parametrize("kind", DRAWS)
def test_other_seeds_and_numbers_give_other_lesions(kind):
    draws = PopulationDraws(MODEL, 40, kind, seed=7)
    uniforms = [draws.uniforms(number) for number in range(4)]
    uniforms.append(PopulationDraws(MODEL, 40, kind, seed=8).uniforms(0))
    for index, numbers in enumerate(uniforms):
        for others in uniforms[:index]:
            assert not np.isin(numbers, others).any()


@pytest.mark.parametrize("kind", DRAWS)
def test_all_parameters_are_painted_with_the_same_numbers(kind):
    draws = PopulationDraws(MODEL, 40, kind, seed=1)
    uniforms = draws.uniforms(2)
    for parameters in (PARAMETERS, [9.0, 0.0, 2.0, 1.0]):
        np.testing.assert_array_equal(draws.lesions(parameters, 2), MODEL.paint(parameters, uniforms))


@pytest.mark.parametrize("seed", [0, 1, 2024])
def test_no_draw_repeats_the_numbers_of_a_plain_generator_of_the_same_seed(seed):
    """Lesions made with default_rng(seed) must not meet their own numbers in a search with that seed."""
    plain = np.random.default_rng(seed).random(120)
    spawned = np.random.default_rng(seed).spawn(1)[0].random(120)
    for kind in ("independent", "common"):
        drawn = PopulationDraws(MODEL, 40, kind, seed).uniforms(0)
        assert not np.isin(drawn, plain).any()
        assert not np.isin(drawn, spawned).any()


@pytest.mark.parametrize("count", [10, 64, 100])
def test_quasi_random_numbers_are_even_in_every_dimension(count):
    """Of 2^m Sobol points each of 2^m equal intervals holds one; of the first n of them, at most one."""
    for model in (MODEL, IterativeSphericalModel(SMALL)):
        uniforms = PopulationDraws(model, count, "quasi-random", seed=5).uniforms(0)
        assert uniforms.shape == (count, model.n_uniforms)
        assert uniforms.min() >= 0
        assert uniforms.max() < 1
        cells = (uniforms * 2 ** int(np.ceil(np.log2(count)))).astype(int)
        for column in cells.T:
            assert len(set(column)) == count


def test_quasi_random_numbers_are_uniform_over_populations():
    """Scrambling makes every number uniform, or the mean loss would be that of another distribution."""
    draws = PopulationDraws(MODEL, 4, "quasi-random", seed=0)
    first = np.array([draws.uniforms(number)[0] for number in range(400)])
    for column in first.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3


def weighted_loss(big, real, count, bandwidth):
    """The papers' estimator for an endless synthetic population with the weight of `count` lesions."""
    lesions = np.vstack([big, real]).astype(np.float32)
    squared_norms = lesions.sum(axis=1, dtype=float)
    distances = squared_norms[:, None] + squared_norms - 2 * (lesions @ lesions.T).astype(float)
    log_weights = np.r_[np.full(len(big), np.log(count / len(big))), np.zeros(len(real))]
    log_kernels = -distances / (2 * bandwidth**2)
    log_synthetic = logsumexp(log_kernels[:, : len(big)], axis=1)
    log_real = logsumexp(log_kernels[:, len(big) :], axis=1)
    log_synthetic -= logsumexp(log_synthetic + log_weights)
    log_real -= logsumexp(log_real + log_weights)
    return (np.exp(log_weights + log_synthetic) * (log_synthetic - log_real)).sum()


def test_quasi_random_draws_make_the_loss_less_noisy_and_leave_it_between_its_limits():
    """A finite population adds noise, and a bias as the divergence is convex; evenness takes from both.

    So the mean over quasi-random populations lies between that of an endless population and that of
    independent ones, and its variance is well below theirs.
    """
    count, bandwidth = 100, 4.0
    real = MODEL.sample([7.0, 3.0, 3.0, 4.0], 80, np.random.default_rng(99))
    loss = PopulationLoss(SMALL, real, bandwidth=bandwidth)

    def losses(kind, seed):
        draws = PopulationDraws(MODEL, count, kind, seed)
        return np.array([loss(draws.lesions(PARAMETERS, number)) for number in range(150)])

    independent, even = losses("independent", 11), losses("quasi-random", 12)
    endless = weighted_loss(
        PopulationDraws(MODEL, 2000, "quasi-random", 13).lesions(PARAMETERS, 0), real, count, bandwidth
    )
    assert even.var(ddof=1) < independent.var(ddof=1) / 10
    error = np.hypot(even.std(), independent.std()) / np.sqrt(150)
    assert endless - 3 * error < even.mean() < independent.mean() + 3 * error
    assert independent.mean() - endless < 0.5 * endless, (
        "the two limits must be close enough to mean something"
    )


def test_common_draws_of_one_population_have_the_noise_of_independent_ones_between_populations():
    """Common numbers do not lessen the noise of a loss, they share it between parameters."""
    real = MODEL.sample([7.0, 3.0, 3.0, 4.0], 80, np.random.default_rng(98))
    loss = PopulationLoss(SMALL, real)
    near = [6.3, 3.0, 4.0, 4.0]

    def losses(kind, first_seed, second_seed):
        draws = [PopulationDraws(MODEL, 100, kind, seed) for seed in (first_seed, second_seed)]
        return np.array(
            [
                (loss(draws[0].lesions(PARAMETERS, number)), loss(draws[1].lesions(near, number)))
                for number in range(60)
            ]
        )

    shared, apart = losses("common", 1, 1), losses("common", 1, 2)
    assert 0.5 < shared.var() / apart.var() < 2
    assert np.diff(shared).var() < np.diff(apart).var() / 5


def test_a_model_without_paint_draws_equal_lesions_from_equal_generators():
    bare = SimpleNamespace(name="bare", anatomy=SMALL, parameters=MODEL.parameters, sample=MODEL.sample)
    for kind in ("independent", "common"):
        draws = PopulationDraws(bare, 30, kind, seed=4)
        lesions = draws.lesions(PARAMETERS, 1)
        assert lesions.shape == (30, SMALL.n_voxels)
        np.testing.assert_array_equal(lesions, PopulationDraws(bare, 30, kind, 4).lesions(PARAMETERS, 1))
        np.testing.assert_array_equal(lesions, PopulationDraws(MODEL, 30, kind, 4).lesions(PARAMETERS, 1))
        assert (lesions != draws.lesions(PARAMETERS, 2)).any()
    with pytest.raises(ValueError, match="'bare' has only `sample`"):
        PopulationDraws(bare, 30, "quasi-random", seed=4)


def test_draws_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="independent, common, quasi-random; found 'sobol'"):
        PopulationDraws(MODEL, 30, "sobol", seed=4)
