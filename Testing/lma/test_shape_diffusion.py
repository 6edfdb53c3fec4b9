"""The networks of the reconstruction: what they must hold before and without any training."""

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.atlas_building import AtlasBuilder  # noqa: E402
from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.condition import CHANNELS, condition, wall_distances  # noqa: E402
from cardiactwins.lma.shape_diffusion import (  # noqa: E402
    ShapeDiffusion,
    _noised,
    _posterior,
    kept_signal,
    soft_dice,
)
from cardiactwins.lma.velocity_network import VelocityNetwork  # noqa: E402

BAND = Band((16, 16, 16), 6, 4)
SIDE = 16

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def cups(n):
    """Small cups of various radii, (n, 2, 16, 16, 16) shares of cavity and wall."""
    k, j, i = np.indices((SIDE, SIDE, SIDE)) - np.array([2, 7.5, 7.5])[:, None, None, None]
    volumes = []
    for radius in np.linspace(3, 4.5, n):
        distance = np.sqrt((k / 2.4) ** 2 + j**2 + i**2)
        inner, outer = (np.clip(r + 0.5 - distance, 0, 1) * (k >= 0) for r in (radius, radius + 1.5))
        volumes.append([inner, outer - inner])
    return torch.tensor(np.array(volumes), dtype=torch.float32)


def test_the_energy_of_an_answer_is_that_of_its_velocity():
    network = VelocityNetwork(2, BAND, width=8, timed=False)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    velocity, energy = network(torch.randn(3, 2, SIDE, SIDE, SIDE))
    assert velocity.shape == (3, 3, *BAND.size)
    expected = network.metric.energy(BAND.coefficients(velocity), BAND)
    torch.testing.assert_close(energy, expected, rtol=1e-4, atol=1e-6)


def test_an_untrained_network_leaves_the_atlas_as_it_is():
    atlas = cups(1)[0]
    model = ShapeDiffusion(BAND, width=8)
    given = torch.zeros(1, CHANNELS, SIDE, SIDE, SIDE)
    found = model(atlas, given, torch.randn(1, 2, SIDE, SIDE, SIDE), torch.tensor([0.5]))
    assert (found.volumes - atlas).abs().max() < 0.05


def test_every_input_and_the_noise_level_reach_the_answer():
    network = VelocityNetwork(3, BAND, width=8)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    volumes = torch.randn(1, 3, SIDE, SIDE, SIDE, requires_grad=True)
    level = torch.tensor([0.3], requires_grad=True)
    network(volumes, level)[0].square().sum().backward()
    assert (volumes.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).all() and level.grad.abs().item() > 0


@pytest.mark.parametrize(
    ("band", "width", "message"),
    [
        (Band((16, 16, 16), 8, 3), 8, "multiple of its even size"),
        (Band((16, 16, 16), 5, 2), 8, "even size"),
        (BAND, 12, "multiple of 8"),
    ],
)
def test_a_network_that_does_not_fit_its_band_is_refused(band, width, message):
    with pytest.raises(ValueError, match=message):
        VelocityNetwork(1, band, width=width)


def test_the_signal_falls_from_all_to_nothing():
    levels = torch.linspace(0, 1, 50)
    kept = kept_signal(levels)
    assert kept[0] == 1 and kept[-1] < 1e-4 and (kept.diff() < 0).all()


def test_states_drawn_step_by_step_are_distributed_as_those_noised_at_once():
    """With the true shape as every answer, the reverse process has the marginals of the forward one."""
    shares = torch.tensor([0.0, 0.3, 1.0])
    volumes = shares.expand(40_000, 3)[:, :, None, None, None]
    generator = torch.Generator().manual_seed(3)
    state = torch.randn(volumes.shape, generator=generator)
    times = torch.tensor([1.0, 0.7, 0.4, 0.15])
    for now, then in pairwise(times):
        noise = torch.randn(volumes.shape, generator=generator)
        state = _posterior(volumes, state, now, then, noise)
    kept = kept_signal(times[-1])
    mean, spread = state.mean(dim=0).ravel(), state.std(dim=0).ravel()
    torch.testing.assert_close(mean, kept.sqrt() * (2 * shares - 1), atol=0.02, rtol=0)
    torch.testing.assert_close(spread, (1 - kept).sqrt().expand(3), atol=0.02, rtol=0)
    at_once = _noised(volumes[:, :1], times[-1:].expand(len(volumes)), noise[:, :1])
    assert at_once.std().item() == pytest.approx(spread[0].item(), abs=0.02)


def test_distances_of_a_wall_are_those_of_its_circles():
    center = np.array([31.3, 30.8])
    away = np.linalg.norm(np.indices((64, 64)) - center[:, None, None], axis=0)
    radii = (9.6, 15.2)
    inner, outer = (np.clip(radius + 0.5 - away, 0, 1) for radius in radii)
    shares = torch.tensor(np.stack([inner, outer - inner])[:, None], dtype=torch.float32)
    found = 6 * wall_distances(shares)[:, 0].numpy()
    for distance, radius in zip(found, radii, strict=True):
        np.testing.assert_allclose(distance, np.clip(away - radius, -6, 6), atol=0.12)
    assert (wall_distances(torch.zeros(2, 1, 8, 8)) == 1).all()


def test_a_condition_holds_atlas_and_slices_and_is_linear_between_slices():
    volumes = cups(2)
    atlas = wall_distances(cups(3)[1])
    positions = torch.tensor([[3, 6, 9], [4, 7, 10]])
    index = torch.arange(2)[:, None]
    found = condition(atlas, volumes[index, 0, positions], volumes[index, 1, positions], positions)
    full = torch.stack([wall_distances(volume) for volume in volumes])
    assert found.shape == (2, CHANNELS, SIDE, SIDE, SIDE)
    for case in range(2):
        torch.testing.assert_close(found[case, :2], atlas)
        known = torch.zeros(SIDE, dtype=torch.bool)
        known[positions[case]] = True
        torch.testing.assert_close(found[case, 2:4, known], full[case, :, known])
        assert (found[case, 4, known] == 1).all() and (found[case, 4, ~known] < 1).all()
    torch.testing.assert_close(found[0, 2:4, 4], (2 * full[0, :, 3] + full[0, :, 6]) / 3)
    torch.testing.assert_close(found[1, 2:4, 15], full[1, :, 10])
    torch.testing.assert_close(found[1, 2:4, 0], full[1, :, 4])


def test_two_slices_in_one_voxel_leave_a_condition_finite():
    volumes = cups(1)
    atlas, shown = wall_distances(volumes[0]), torch.tensor([3, 4, 9])
    found = condition(atlas, volumes[:, 0, shown], volumes[:, 1, shown], torch.tensor([[3, 3, 9]]))
    assert found.isfinite().all()
    torch.testing.assert_close(found[0, 2:4, :4], wall_distances(volumes[0])[:, 3:4].expand(-1, 4, -1, -1))


def test_soft_dice_of_binary_masks_is_dice():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 4, 5, 6, 7)) < 0.4
    expected = [2 * (x & y).sum() / (x.sum() + y.sum()) for x, y in zip(a, b, strict=True)]
    found = soft_dice(torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_samples_repeat_with_their_seed_and_differ_among_each_other():
    atlas, model = cups(1)[0], ShapeDiffusion(BAND, width=8)
    torch.nn.init.normal_(model.network.head.weight, std=0.05)
    given = torch.zeros(CHANNELS, SIDE, SIDE, SIDE)
    runs = [
        model.sample(atlas, given, torch.Generator().manual_seed(seed), steps=3, count=2).volumes
        for seed in (1, 1, 2)
    ]
    torch.testing.assert_close(runs[0], runs[1], rtol=0, atol=0)
    assert (runs[0] - runs[2]).abs().max() > 1e-4 and (runs[0][0] - runs[0][1]).abs().max() > 1e-4
    with pytest.raises(ValueError, match="at least one step"):
        model.sample(atlas, given, torch.Generator(), steps=0)


def test_a_few_steps_of_training_bring_atlas_and_reconstruction_closer():
    volumes = cups(4)
    builder, model = AtlasBuilder(volumes[1], BAND, width=8), ShapeDiffusion(BAND, width=8)
    positions = torch.tensor([[3, 6, 9]]).expand(4, 3)
    index = torch.arange(4)[:, None]
    slices = (volumes[index, 0, positions], volumes[index, 1, positions], positions)
    optimizer = torch.optim.Adam([*builder.parameters(), *model.parameters()], lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    atlas_losses, diffusion_losses = [], []
    for _ in range(30):
        optimizer.zero_grad()
        atlas = builder(volumes)
        given = condition(wall_distances(builder.atlas.detach()), *slices)
        loss, _ = model.loss(builder.atlas.detach(), given, volumes, generator)
        (atlas.total + 100 * loss).backward()
        optimizer.step()
        builder.clip()
        atlas_losses.append(atlas.total.item())
        diffusion_losses.append(loss.item())
    assert atlas_losses[-1] < 0.5 * atlas_losses[0]
    assert np.mean(diffusion_losses[-5:]) < 0.7 * np.mean(diffusion_losses[:5])
    assert builder.atlas.min() >= 0 and builder.atlas.max() <= 1
