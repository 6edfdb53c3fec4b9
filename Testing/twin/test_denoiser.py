import pytest
import torch

from cardiactwins.twin.denoiser import DenoiserSettings, build_denoiser
from cardiactwins.twin.diffusion import denoise, preconditioning
from cardiactwins.twin.latent_modes import LatentModes
from cardiactwins.twin.mode_network import ModeNetwork
from cardiactwins.twin.sampler import heun, noise_schedule

SHAPE = (2, 4, 4, 4)
WIDE = (2, 8, 8, 8)
SWIFT = DenoiserSettings(
    channels=(8, 8, 16), blocks=(1, 1, 1), heads=8, places=2, modes=3, bent=2, mode_width=8
)
PAPER = DenoiserSettings(preset="paper", channels=(8, 8, 16), blocks=(1, 1, 1), heads=8, places=0, modes=0)


def normal_latents(count, deviations=(9.0, 4.0, 1.5), seed=0):
    """Latents of three known orthonormal modes alone, with those modes."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.Size(SHAPE).numel()
    basis = torch.linalg.qr(torch.randn(size, len(deviations), generator=generator))[0].T
    coordinates = torch.randn(count, len(deviations), generator=generator) * torch.tensor(deviations)
    return (coordinates @ basis).reshape(count, *SHAPE), basis


def test_modes_are_those_of_a_singular_value_decomposition():
    latents = torch.randn(12, *SHAPE, generator=torch.Generator().manual_seed(1))
    modes = LatentModes.of(latents, 5)
    _, values, directions = torch.linalg.svd(latents.flatten(1), full_matrices=False)
    torch.testing.assert_close(modes.deviations, values[:5] / 11**0.5, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        (modes.directions @ directions[:5].T).abs(), torch.eye(5), rtol=1e-3, atol=1e-4
    )


def test_modes_that_few_latents_do_not_have_are_left_out():
    latents = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(2))
    modes = LatentModes.of(latents - latents.mean(dim=0), 6)
    assert (
        modes.directions.shape == (6, 128)
        and modes.directions.any(dim=1).tolist() == [True] * 3 + [False] * 3
    )
    noisy = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(3))
    assert all(torch.isfinite(part).all() for part in modes.linear(noisy, torch.zeros(1)))


def test_the_linear_denoiser_is_the_posterior_mean_of_normal_latents():
    latents, basis = normal_latents(4000)
    modes = LatentModes.of(latents + 0.5 * torch.randn(latents.shape), 3)
    assert float(modes.rest) == pytest.approx(0.5, rel=0.02)
    sigma = torch.tensor([0.01, 0.5, 5.0, 80.0])
    noisy = latents[:4] + sigma.reshape(-1, 1, 1, 1, 1) * torch.randn(4, *SHAPE)
    scales = preconditioning(sigma)
    found, _ = modes.linear(scales.into.reshape(-1, 1, 1, 1, 1) * noisy, scales.noise)
    # cov (cov + sigma^2)^-1 of the full covariance, as a matrix.
    covariance = basis.T @ torch.diag(torch.tensor([81.0, 16.0, 2.25])) @ basis + 0.25 * torch.eye(128)
    for k, s in enumerate(sigma):
        exact = covariance @ torch.linalg.solve(covariance + s**2 * torch.eye(128), noisy[k].flatten())
        torch.testing.assert_close(found[k].flatten(), exact, rtol=0.05, atol=0.15)


def test_the_networks_answer_says_the_same_as_the_linear_estimate():
    modes = LatentModes.of(normal_latents(50)[0], 3)
    sigma = torch.tensor([0.002, 0.5, 5.0, 80.0])
    noisy = (1 + sigma.reshape(-1, 1, 1, 1, 1)) * torch.randn(4, *SHAPE)

    def network(scaled, noise):
        return modes.linear(scaled, noise)[1]

    scales = preconditioning(sigma)
    estimate, _ = modes.linear(scales.into.reshape(-1, 1, 1, 1, 1) * noisy, scales.noise)
    torch.testing.assert_close(denoise(network, noisy, sigma), estimate, rtol=1e-4, atol=1e-5)


def test_widened_noise_has_the_covariance_of_noisy_latents():
    latents, basis = normal_latents(4000)
    modes = LatentModes.of(latents, 3)
    noise = 6.0 * torch.randn(20_000, *SHAPE, generator=torch.Generator().manual_seed(4))
    found = (modes.widened(noise, 6.0).flatten(1) @ basis.T).std(dim=0)
    expected = (36 + torch.tensor([81.0, 16.0, 2.25])).sqrt()
    torch.testing.assert_close(found, expected, rtol=0.04, atol=0)


def test_samples_from_widened_noise_have_the_deviation_of_the_data_along_wide_modes():
    # A mode half as wide as the largest noise: from plain noise, samples have 0.89 of its deviation.
    latents, basis = normal_latents(2000, deviations=(40.0,))
    modes = LatentModes.of(latents, 1)

    def exact(state, sigma):
        scales = preconditioning(torch.full((len(state),), float(sigma)))
        return modes.linear(scales.into.reshape(-1, 1, 1, 1, 1) * state, scales.noise)[0]

    sigmas = noise_schedule(40)
    noise = float(sigmas[0]) * torch.randn(4000, *SHAPE, generator=torch.Generator().manual_seed(5))
    plain, wide = (
        float((heun(exact, start, sigmas).flatten(1) @ basis.T).std())
        for start in (noise, modes.widened(noise, 80.0))
    )
    assert plain == pytest.approx(40 * 80 / (80**2 + 40**2) ** 0.5, rel=0.04)
    assert wide == pytest.approx(40, rel=0.04)


def test_an_untrained_denoiser_of_the_paper_answers_nothing_so_that_training_starts_at_a_loss_of_one():
    torch.manual_seed(0)
    noisy, sigma = torch.randn(3, *WIDE), torch.tensor([0.01, 1.0, 80.0])
    assert not build_denoiser(PAPER, WIDE)(noisy, sigma.log() / 4).any()


def test_an_untrained_swift_denoiser_is_the_linear_one():
    torch.manual_seed(0)
    modes = LatentModes.of(torch.randn(9, *WIDE), 3)
    noisy, sigma = torch.randn(3, *WIDE), torch.tensor([0.01, 1.0, 80.0])
    scales = preconditioning(sigma)
    estimate, _ = modes.linear(scales.into.reshape(-1, 1, 1, 1, 1) * noisy, scales.noise)
    found = denoise(build_denoiser(SWIFT, WIDE, modes), noisy, sigma)
    torch.testing.assert_close(found, estimate, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def active(settings, modes=None):
    """A denoiser whose last layers, which begin at zero, say something."""
    torch.manual_seed(1)
    network = build_denoiser(settings, WIDE, modes).eval()
    for value in network.parameters():
        if not value.any() and value.dim() > 1:
            value.normal_(0, 0.1)
    return network


@torch.no_grad()
@pytest.mark.parametrize("settings", [SWIFT, PAPER], ids=["swift", "paper"])
def test_a_denoiser_looks_at_the_noise_level_and_treats_each_latent_for_itself(settings):
    network = active(settings)
    noisy = torch.randn(3, *WIDE)
    level = torch.tensor([-1.0, 0.0, 0.4])
    together = network(noisy, level)
    torch.testing.assert_close(
        together,
        torch.cat([network(noisy[k : k + 1], level[k : k + 1]) for k in range(3)]),
        atol=1e-5,
        rtol=1e-4,
    )
    assert (together - network(noisy, level + 0.3)).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-4


@torch.no_grad()
def test_where_noise_is_loud_or_next_to_none_modes_and_their_network_answer_without_the_u_net():
    modes = LatentModes.of(torch.randn(9, *WIDE), 3)
    network = active(SWIFT, modes)
    noisy, level = torch.randn(4, *WIDE), torch.tensor([0.011, 19.9, 20.1, 0.009]).log() / 4
    alone = modes.linear(noisy, level)[1] + network.bend(modes, noisy, level)
    apart = (network(noisy, level) - alone).abs().amax(dim=(1, 2, 3, 4))
    assert apart[:2].min() > 1e-3 and apart[2:].max() == 0
    calls = []
    network.first.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(network(noisy[2:], level[2:]), alone[2:])
    assert not calls


@torch.no_grad()
def test_the_swift_denoiser_knows_places_and_the_linear_estimate():
    noisy, level = torch.randn(1, *WIDE), torch.zeros(1)
    network = active(SWIFT)
    before = network(noisy, level)
    network.places[:, 5, 2, 3] += 1
    assert (network(noisy, level) - before).abs().max() > 1e-3
    network = active(SWIFT, LatentModes.of(torch.randn(9, *WIDE), 3))
    assert (network(noisy, level) - before).abs().max() > 1e-3


@torch.no_grad()
def test_what_happens_in_one_corner_is_heard_of_in_the_other():
    network = active(SWIFT)
    noisy, level = torch.zeros(1, *WIDE), torch.zeros(1)
    changed = noisy.clone()
    changed[0, 0, 0, 0, 0] = 1
    assert (network(changed, level) - network(noisy, level))[0, :, 7, 7, 7].abs().max() > 1e-5


def test_the_network_of_modes_answers_along_its_modes_alone():
    modes = LatentModes.of(torch.randn(9, *WIDE), 3)
    network = ModeNetwork(2, width=8).eval()
    scaled, noise = torch.randn(4, *WIDE), torch.tensor([-1.0, 0.0, 0.5, 1.0])
    assert not network(modes, scaled, noise).any()
    torch.nn.init.normal_(network.last[-1].weight)
    found = network(modes, scaled, noise).flatten(1)
    along = found @ modes.directions.T
    torch.testing.assert_close(along[:, :2] @ modes.directions[:2], found, atol=1e-5, rtol=1e-4)
    assert along[:, :2].abs().min() > 0 and along[:, 2].abs().max() < 1e-5
    beside = torch.randn(4, 1024) @ (torch.eye(1024) - modes.directions.T @ modes.directions)
    changed = network(modes, scaled + beside.reshape(scaled.shape), noise)
    torch.testing.assert_close(changed.flatten(1), found, atol=1e-4, rtol=1e-3)


def test_the_network_of_modes_sees_and_answers_in_units_of_one():
    # Noisy coordinates have unit variance; an answer of 1 is the share sigma / sqrt(s^2 + sigma^2) of what
    # the linear denoiser leaves open, s sigma / sqrt(s^2 + sigma^2).
    latents, _ = normal_latents(4000)
    modes, network = LatentModes.of(latents, 3), ModeNetwork(3, width=8).eval()
    seen = []
    network.first.register_forward_hook(lambda module, given, answer: seen.append(given[0]))
    for sigma in (0.1, 5.0, 60.0):
        level = torch.full((4000,), sigma)
        scales = preconditioning(level[:1])
        network(modes, scales.into * (latents + sigma * torch.randn(latents.shape)), level.log() / 4)
        assert seen[-1].std(dim=0).tolist() == pytest.approx([1.0] * 3, rel=0.05)
        torch.nn.init.ones_(network.last[-1].bias)
        answer = network(modes, torch.zeros(1, *SHAPE), level[:1].log() / 4).flatten(1) @ modes.directions.T
        left = modes.deviations * sigma**2 / (modes.deviations**2 + sigma**2)
        torch.testing.assert_close(scales.out * answer[0], left, rtol=1e-3, atol=1e-5)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="swift, paper"):
        build_denoiser(DenoiserSettings(preset="large"), WIDE)
