import itertools

import numpy as np
import pytest
import torch

from cardiactwins.compute.progress import Cancelled
from cardiactwins.twin.sampler import evaluations, heun, noise_schedule

WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
MEANS = torch.tensor([[-1.5, 0.5], [0.8, 0.9], [0.3, -1.6]], dtype=torch.float64)
COVARIANCES = torch.tensor(
    [[[0.05, 0.0], [0.0, 0.20]], [[0.20, 0.09], [0.09, 0.10]], [[0.10, -0.04], [-0.04, 0.06]]],
    dtype=torch.float64,
)


def mixture_denoiser(state, sigma):
    """The posterior mean of the mixture's clean points, of which the exact score follows."""
    noisy = COVARIANCES + sigma**2 * torch.eye(2, dtype=torch.float64)
    away = state[:, None] - MEANS
    solved = torch.linalg.solve(noisy, away.movedim(0, -1)).movedim(-1, 0)
    logs = WEIGHTS.log() - torch.linalg.slogdet(noisy)[1] / 2 - (away * solved).sum(-1) / 2
    expected = MEANS + torch.einsum("kij,nkj->nki", COVARIANCES, solved)
    return (logs.softmax(dim=1)[..., None] * expected).sum(dim=1)


def mixture_samples(count, steps=20, seed=0):
    sigmas = noise_schedule(steps)
    generator = torch.Generator().manual_seed(seed)
    state = sigmas[0] * torch.randn(count, 2, dtype=torch.float64, generator=generator)
    return heun(mixture_denoiser, state, sigmas)


def gaussian_denoiser(state, sigma):
    return state / (1 + sigma**2)


def test_the_schedule_is_equation_4():
    sigmas = noise_schedule(20)
    assert sigmas.shape == (21,)
    assert sigmas[0] == pytest.approx(80) and sigmas[19] == pytest.approx(2e-3) and sigmas[20] == 0
    assert np.diff(sigmas[:20] ** (1 / 3)) == pytest.approx((2e-3 ** (1 / 3) - 80 ** (1 / 3)) / 19)
    # Where the paper's sampling ratios 0.35, 0.5, 0.65 and 0.8 begin.
    assert sigmas[[13, 10, 7, 4]] == pytest.approx([3.0, 9.4, 21, 40], rel=0.03)
    assert noise_schedule(1).tolist() == [pytest.approx(80), 0]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"smallest": 0.0}, {"smallest": 90.0}, {"rho": 0.0}], ids=lambda w: next(iter(w))
)
def test_a_schedule_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="found"):
        noise_schedule(**wrong)


# Standard errors of 20,000 samples are 0.008 (mean), 0.009 (covariance) and 0.0035 (weights). The 20 steps of
# the paper make the modes 5 to 8 % too wide, 80 steps less than 1 %.
@pytest.mark.parametrize(("steps", "spread_error"), [(20, 0.18), (80, 0.015)])
def test_samples_of_a_mixture_have_its_mean_covariance_and_weights(steps, spread_error):
    count = 20_000
    found = mixture_samples(count, steps)
    mean = WEIGHTS @ MEANS
    away = MEANS - mean
    covariance = torch.einsum("k,kij->ij", WEIGHTS, COVARIANCES + away[:, :, None] * away[:, None, :])
    assert found.mean(dim=0).tolist() == pytest.approx(mean.tolist(), abs=0.03)
    torch.testing.assert_close(torch.cov(found.T), covariance, atol=0.03, rtol=spread_error)
    away = found[:, None] - MEANS
    solved = torch.linalg.solve(COVARIANCES, away.movedim(0, -1)).movedim(-1, 0)
    logs = WEIGHTS.log() - torch.linalg.slogdet(COVARIANCES)[1] / 2 - (away * solved).sum(-1) / 2
    nearest = logs.argmax(dim=1)
    shares = torch.bincount(nearest, minlength=3).double() / count
    assert shares.tolist() == pytest.approx(WEIGHTS.tolist(), abs=0.012)
    for mode in range(3):
        spread = torch.cov(found[nearest == mode].T)
        torch.testing.assert_close(spread, COVARIANCES[mode], atol=0.01, rtol=spread_error)


def test_heun_is_of_second_order_where_euler_is_of_first():
    # Unit Gaussian data: the exact path is z(sigma) = z(80) sqrt((1 + sigma^2) / (1 + 80^2)).
    def errors(solve):
        found = []
        for steps in (40, 80, 160):
            sigmas = noise_schedule(steps + 1, smallest=0.02)[:-1]
            exact = np.sqrt((1 + sigmas[-1] ** 2) / (1 + sigmas[0] ** 2))
            found.append(abs(float(solve(sigmas)) - exact))
        return np.array(found)

    def euler(sigmas):
        state = 1.0
        for sigma, following in itertools.pairwise(sigmas):
            state += (following - sigma) * (state - gaussian_denoiser(state, sigma)) / sigma
        return state

    second = errors(lambda sigmas: heun(gaussian_denoiser, torch.ones(1, dtype=torch.float64), sigmas))
    first = errors(euler)
    assert np.log2(second[:-1] / second[1:]) == pytest.approx([2, 2], abs=0.25)
    assert np.log2(first[:-1] / first[1:]) == pytest.approx([1, 1], abs=0.25)
    assert (second < first / 5).all()


def test_the_same_start_gives_the_same_samples():
    assert torch.equal(mixture_samples(50, seed=3), mixture_samples(50, seed=3))
    assert not torch.equal(mixture_samples(50, seed=3), mixture_samples(50, seed=4))


def test_a_point_does_not_depend_on_its_neighbours_in_the_batch():
    sigmas = noise_schedule(20)
    state = 80 * torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    together = heun(mixture_denoiser, state, sigmas)
    alone = torch.cat([heun(mixture_denoiser, state[i : i + 1], sigmas) for i in range(6)])
    torch.testing.assert_close(together, alone)


def test_the_denoiser_is_called_39_times_in_20_steps_at_the_levels_of_the_schedule():
    sigmas, called = noise_schedule(20), []

    def counting(state, sigma):
        called.append(sigma)
        return gaussian_denoiser(state, sigma)

    heun(counting, torch.ones(1), sigmas)
    assert len(called) == 39 == evaluations(sigmas)
    assert called[::2] == pytest.approx(sigmas[:-1]) and called[1::2] == pytest.approx(sigmas[1:-1])
    called.clear()
    heun(counting, torch.ones(1), sigmas, start=13)
    assert len(called) == evaluations(sigmas, 13) == 13
    assert called[0] == pytest.approx(sigmas[13])


def test_sampling_from_the_middle_goes_on_as_from_the_start():
    sigmas = noise_schedule(20)
    seen = {}
    start = torch.full((3,), 50.0, dtype=torch.float64)
    end = heun(gaussian_denoiser, start, sigmas, after_step=lambda k, s, x0, state: seen.update({k: state}))
    torch.testing.assert_close(heun(gaussian_denoiser, seen[9], sigmas, start=10), end)


def test_after_a_step_its_number_level_clean_and_noisy_state_are_told_and_may_be_replaced():
    sigmas, told = noise_schedule(5), []

    def pull(step, sigma, clean, state):
        told.append((step, sigma))
        if sigma == 0:
            torch.testing.assert_close(state, clean)
            return None
        return torch.zeros_like(state) if step == 3 else None

    end = heun(gaussian_denoiser, torch.full((2,), 80.0), sigmas, start=2, after_step=pull)
    assert told == [(step, pytest.approx(sigmas[step + 1])) for step in (2, 3, 4)]
    assert torch.equal(end, torch.zeros(2))


def test_progress_tells_the_steps_and_can_stop_the_sampling():
    told = []

    def progress(step, total, message="", values=None):
        told.append((step, total))
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        heun(gaussian_denoiser, torch.ones(1), noise_schedule(6), start=1, progress=progress)
    assert told == [(1, 5), (2, 5)]


def test_starts_outside_the_schedule_and_rising_levels_are_refused():
    for start in (-1, 20):
        with pytest.raises(ValueError, match="steps 0 to 19"):
            heun(gaussian_denoiser, torch.ones(1), noise_schedule(20), start=start)
    for levels in ([0.0], [1.0, 2.0], [1.0, 1.0], [1.0, -1.0]):
        with pytest.raises(ValueError, match="fall"):
            heun(gaussian_denoiser, torch.ones(1), np.array(levels))
