import math

import pytest
import torch

from cardiactwins.twin.diffusion import NoiseLevels, denoise, denoising_loss, preconditioning

LEVELS = (2e-3, 0.05, 0.5, 1.0, 3.0, 20.0, 80.0)


def silent_network(scaled, noise):
    return torch.zeros_like(scaled)


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_inputs_and_targets_of_the_network_have_unit_variance_at_every_level(deviation):
    sigma = torch.tensor(LEVELS, dtype=torch.float64)
    c = preconditioning(sigma, deviation)
    torch.testing.assert_close(c.into**2 * (deviation**2 + sigma**2), torch.ones_like(sigma))
    # The target (z - c_skip (z + sigma n)) / c_out for independent z and n.
    variance = ((1 - c.skip) ** 2 * deviation**2 + c.skip**2 * sigma**2) / c.out**2
    torch.testing.assert_close(variance, torch.ones_like(sigma))


def test_preconditioning_makes_the_least_of_the_networks_errors():
    # c_skip minimises c_out at unit variance of the target (Karras et al. 2022, Eq. 131): any other is worse.
    sigma = torch.tensor(LEVELS, dtype=torch.float64)
    c = preconditioning(sigma)
    for change in (-1e-3, 1e-3):
        out = ((1 - c.skip - change) ** 2 + (c.skip + change) ** 2 * sigma**2).sqrt()
        assert bool((out > c.out).all())


def test_scales_have_their_limits_without_noise_and_without_data():
    c = preconditioning(torch.tensor([1e-6, 1.0, 1e6], dtype=torch.float64))
    assert c.skip.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=1e-9)
    assert c.out.tolist() == pytest.approx([1e-6, math.sqrt(0.5), 1.0], rel=1e-9)
    assert c.noise.tolist() == pytest.approx([math.log(1e-6) / 4, 0.0, math.log(1e6) / 4])


def test_a_silent_network_is_the_exact_denoiser_of_unit_gaussian_data():
    noisy = torch.randn(len(LEVELS), 3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor(LEVELS)
    exact = noisy / (1 + sigma**2).reshape(-1, 1, 1, 1, 1)
    torch.testing.assert_close(denoise(silent_network, noisy, sigma), exact)


def test_a_network_that_knows_its_target_brings_back_the_clean_data():
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, len(LEVELS), 5, dtype=torch.float64, generator=generator)
    sigma = torch.tensor(LEVELS, dtype=torch.float64)
    noisy = clean + sigma[:, None] * noise
    c = preconditioning(sigma)

    def knowing(scaled, level):
        torch.testing.assert_close(scaled, c.into[:, None] * noisy)
        torch.testing.assert_close(level, c.noise)
        return (clean - c.skip[:, None] * noisy) / c.out[:, None]

    torch.testing.assert_close(denoise(knowing, noisy, sigma), clean, atol=1e-9, rtol=1e-9)
    assert denoising_loss(knowing, clean, noise, sigma).max() < 1e-15


def test_the_loss_weighs_all_noise_levels_alike():
    generator = torch.Generator().manual_seed(2)
    clean, noise = torch.randn(2, len(LEVELS), 40_000, generator=generator)
    losses = denoising_loss(silent_network, clean, noise, torch.tensor(LEVELS))
    # Each is a mean of 40,000 squares of a unit normal: standard error sqrt(2 / 40,000) = 0.007.
    assert losses.tolist() == pytest.approx([1.0] * len(LEVELS), abs=0.03)


def test_an_error_of_the_network_costs_the_same_at_all_levels():
    generator = torch.Generator().manual_seed(3)
    clean, noise = torch.randn(2, len(LEVELS), 10, dtype=torch.float64, generator=generator)
    sigma = torch.tensor(LEVELS, dtype=torch.float64)
    noisy, c = clean + sigma[:, None] * noise, preconditioning(sigma)

    def wrong(scaled, level):
        return (clean - c.skip[:, None] * noisy) / c.out[:, None] + 0.3

    losses = denoising_loss(wrong, clean, noise, sigma)
    torch.testing.assert_close(losses, torch.full_like(losses, 0.09), atol=1e-9, rtol=0)


def test_noise_levels_are_lognormal():
    drawn = NoiseLevels(mean=1.0, deviation=1.2).draw(20_000, torch.Generator().manual_seed(4)).log()
    assert float(drawn.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(1.2, abs=0.01)
    share = float(((drawn - 1.0).abs() < 1.2).double().mean())
    assert share == pytest.approx(math.erf(math.sqrt(0.5)), abs=0.002)


def test_a_batch_holds_one_level_of_each_range_in_random_order():
    levels = NoiseLevels()
    drawn = levels.draw(8, torch.Generator().manual_seed(5))
    share = torch.special.ndtr((drawn.double().log() - levels.mean) / levels.deviation)
    assert sorted((share * 8).long().tolist()) == list(range(8))
    firsts = {int(torch.argmin(levels.draw(8, torch.Generator().manual_seed(s)))) for s in range(40)}
    assert len(firsts) == 8
