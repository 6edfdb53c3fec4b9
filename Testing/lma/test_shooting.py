"""Geodesic shooting: conservation laws, orders of convergence, and a full-grid reference without any band."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.shooting import shoot, warp  # noqa: E402

BAND = Band((24, 20, 28), size=13, margin=2)

pytestmark = pytest.mark.usefixtures("one_thread")


def smooth_velocity(band: Band, largest: float, *, seed: int = 0, modes: int = 2, batch: int = 1):
    """(batch, 3, *size) float64 random velocity of at most `modes` periods a box, up to `largest` voxels."""
    rng = np.random.default_rng(seed)
    low = Band(band.shape, size=2 * modes + 1, margin=band.margin)
    waves = torch.from_numpy(rng.normal(size=(batch, 3, *low.coefficient_shape)))
    coefficients = torch.zeros(batch, 3, *band.coefficient_shape, dtype=torch.float64)
    kept = [[*range(modes + 1), *range(m + 1, m + 1 + modes)] for m in band.modes]
    coefficients[(slice(None), slice(None), *np.ix_(*kept))] = waves
    velocity = band.samples(coefficients)
    return velocity * largest / velocity.abs().amax(dim=(1, 2, 3, 4), keepdim=True)


def round_trip(geodesic, points):
    """Places where points of the atlas end after the way to the target and back, (P, 3)."""
    there = points + geodesic.inverse.displacement_at(points)[0]
    return there + geodesic.displacement_at(there)[0]


def inner_points(band: Band, count: int = 200):
    return torch.from_numpy(np.random.default_rng(1).uniform(0, 1, (count, 3))) * torch.tensor(band.shape)


def full_grid_shooting(velocity, *, alpha=3.0, gamma=1.0, power=3.0, steps=10):
    """jayakumar-2023, Eq. 2 and 3, on the whole grid: displacement of phi, (3, K, J, I)."""
    shape = velocity.shape[1:]
    axes = (-3, -2, -1)
    frequency = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(n) for n in shape], indexing="ij")
    multiplier = (alpha * sum(2 - 2 * np.cos(f) for f in frequency) + gamma) ** power

    def apply(factor, field):
        return np.fft.ifftn(factor * np.fft.fftn(field, axes=axes), axes=axes).real

    def jacobian(field):
        return np.stack([apply(1j * f, field) for f in frequency], axis=1)

    v, u = velocity.copy(), np.zeros_like(velocity)
    for _ in range(steps):
        m, dv, du = apply(multiplier, v), jacobian(v), jacobian(u)
        flux = m[:, None] * v[None]
        divergence = sum(apply(1j * f, flux[:, axis]) for axis, f in enumerate(frequency))
        rate = -apply(1 / multiplier, np.einsum("baxyz,bxyz->axyz", dv, m) + divergence)
        v, u = v + rate / steps, u - (np.einsum("abxyz,bxyz->axyz", du, v) + v) / steps
    return u


def test_zero_velocity_is_the_identity():
    geodesic = shoot(torch.zeros(2, 3, *BAND.size), BAND)
    assert geodesic.displacement().abs().max() == 0
    assert geodesic.inverse.displacement().abs().max() == 0
    assert torch.equal(geodesic.jacobian(), torch.ones(2, *BAND.shape))
    assert torch.equal(geodesic.energy, torch.zeros(2))


def test_a_constant_velocity_moves_the_atlas_by_itself():
    move = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64)
    geodesic = shoot(move[None, :, None, None, None].expand(1, 3, *BAND.size).contiguous(), BAND)
    torch.testing.assert_close(
        geodesic.displacement(), -move[None, :, None, None, None].expand(1, 3, *BAND.shape)
    )
    atlas = torch.from_numpy(np.random.default_rng(0).random((1, 1, *BAND.shape)))
    moved = warp(atlas, geodesic.displacement(), border="periodic")
    torch.testing.assert_close(moved, torch.roll(atlas, (2, -1, 3), (-3, -2, -1)))
    # (L v, v) of a constant: gamma^power times its square, at every voxel of the box.
    assert float(geodesic.energy) == pytest.approx(14 * 28 * 24 * 32)


@pytest.mark.parametrize("seed", [0, 1])
def test_shooting_agrees_with_a_full_grid_without_a_band(seed):
    """The more so the more frequencies the band keeps: what it leaves out of products falls exponentially."""
    miss = []
    for size in (9, 13, 19):
        band = Band((24, 20, 28), size=size, margin=0)
        velocity = smooth_velocity(band, 0.75, seed=seed)
        reference = full_grid_shooting(band.volume(band.coefficients(velocity))[0].numpy())
        assert np.abs(reference).max() > 0.6
        miss.append(np.abs(shoot(velocity, band).displacement()[0].numpy() - reference).max())
    assert miss[1] < miss[0] / 5 and miss[2] < miss[1] / 5
    assert miss[2] < 2e-4


def test_the_operator_is_the_discrete_one_of_the_voxel_grid():
    band = Band((12, 10, 14), size=9, margin=0)
    metric = Metric(alpha=0.7, gamma=1.3, power=2)
    velocity = smooth_velocity(band, 1.0, modes=4)
    expected = band.volume(band.coefficients(velocity))
    for _ in range(2):
        neighbours = sum(torch.roll(expected, turn, axis) for turn in (1, -1) for axis in (-3, -2, -1))
        expected = -0.7 * (neighbours - 6 * expected) + 1.3 * expected
    momentum = metric.momentum(band.coefficients(velocity), band)
    torch.testing.assert_close(band.volume(momentum), expected)
    torch.testing.assert_close(metric.velocity(momentum, band), band.coefficients(velocity))
    energy = (expected * band.volume(band.coefficients(velocity))).sum()
    torch.testing.assert_close(metric.energy(band.coefficients(velocity), band)[0], energy)


@pytest.mark.parametrize(("scheme", "order"), [("euler", 1), ("rk4", 4)])
def test_energy_drifts_with_the_step_to_the_order_of_the_scheme(scheme, order):
    velocity = smooth_velocity(BAND, 2.0)
    drift = []
    for steps in (10, 20, 40):
        geodesic = shoot(velocity, BAND, steps=steps, scheme=scheme)
        drift.append(abs(float(geodesic.metric.energy(geodesic.final, BAND) / geodesic.energy) - 1))
    fitted = -np.polyfit(np.log([10, 20, 40]), np.log(drift), 1)[0]
    # Runge and Kutta's scheme loses energy to a higher order than it turns the solution.
    assert order - 0.2 < fitted < order + {"euler": 0.2, "rk4": 1.2}[scheme]
    assert drift[0] < 0.1


def test_the_inverse_misses_in_proportion_to_the_step():
    velocity = smooth_velocity(BAND, 0.7)
    points = inner_points(BAND)
    miss = []
    for steps in (10, 20, 40):
        back = round_trip(shoot(velocity, BAND, steps=steps), points)
        miss.append(float((back - points).norm(dim=1).mean()))
    assert -np.polyfit(np.log([10, 20, 40]), np.log(miss), 1)[0] == pytest.approx(1, abs=0.15)
    assert miss[0] < 0.05
    back = round_trip(shoot(velocity, BAND, scheme="rk4"), points)
    assert float((back - points).norm(dim=1).mean()) < miss[-1] / 10


def test_the_mean_velocity_is_kept_in_every_step():
    velocity = smooth_velocity(BAND, 2.0)
    geodesic = shoot(velocity, BAND)
    mean = velocity.mean(dim=(-3, -2, -1))
    assert mean.abs().max() > 0.01
    assert (geodesic.final - geodesic.initial).abs().max() > 0.01
    torch.testing.assert_close(BAND.samples(geodesic.final).mean(dim=(-3, -2, -1)), mean)


def test_momentum_is_carried_along_by_the_deformation():
    """m(1) = det(D phi) (D phi)^T m(0) o phi (Miller, Trouve & Younes 2006), seen through K as in Eq. 3."""
    band = Band((24, 24, 24), size=23, margin=0)
    velocity = smooth_velocity(band, 0.8, modes=1)
    geodesic = shoot(velocity, band, scheme="rk4")
    voxels = torch.from_numpy(np.stack(np.meshgrid(*[np.arange(24.0)] * 3, indexing="ij"), axis=-1))
    voxels = voxels.reshape(-1, 3)
    places = voxels + geodesic.displacement_at(voxels)[0]
    start = band.points(geodesic.metric.momentum(geodesic.initial, band), places)[0]
    slopes = band.volume(band.gradient(geodesic.pull_back))[0].flatten(-3)
    slopes = slopes + torch.eye(3, dtype=slopes.dtype)[..., None]
    carried = geodesic.jacobian()[0].flatten() * torch.einsum("cax,cx->ax", slopes, start)
    end = band.volume(geodesic.metric.momentum(geodesic.final, band))[0].flatten(-3)
    assert (end - start).abs().max() > 0.1 * end.abs().max()
    assert (carried - end).abs().max() < 0.01 * end.abs().max()


def test_moderate_velocities_never_fold_space():
    for seed in range(4):
        geodesic = shoot(smooth_velocity(BAND, 3.0, seed=seed), BAND)
        assert geodesic.displacement().abs().max() > 2
        assert 0 < geodesic.jacobian().min() < 0.7
        assert geodesic.inverse.jacobian().min() > 0


def test_the_jacobian_is_that_of_the_displacement():
    geodesic = shoot(smooth_velocity(BAND, 2.0), BAND)
    point = torch.tensor([[11.0, 9.0, 13.0]], dtype=torch.float64)
    step = 1e-5
    columns = [
        (geodesic.displacement_at(point + shift) - geodesic.displacement_at(point - shift))[0, 0] / (2 * step)
        for shift in step * torch.eye(3, dtype=torch.float64)
    ]
    expected = torch.linalg.det(torch.stack(columns, dim=1) + torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(geodesic.jacobian()[0, 11, 9, 13], expected, atol=1e-8, rtol=0)


def test_some_planes_are_those_of_the_whole_volume():
    geodesic = shoot(smooth_velocity(BAND, 2.0), BAND)
    planes = [3, 7, 20]
    torch.testing.assert_close(geodesic.displacement(planes), geodesic.displacement()[..., planes, :, :])
    torch.testing.assert_close(geodesic.jacobian(planes), geodesic.jacobian()[..., planes, :, :])
    voxels = torch.tensor([[3.0, 5.0, 6.0], [20.0, 0.0, 27.0]], dtype=torch.float64)
    k, j, i = voxels.long().T
    torch.testing.assert_close(geodesic.displacement_at(voxels)[0], geodesic.displacement()[0][:, k, j, i].T)


def test_a_batch_equals_its_members():
    velocity = smooth_velocity(BAND, 2.0, batch=3)
    together = shoot(velocity, BAND)
    for one in range(3):
        alone = shoot(velocity[one : one + 1], BAND)
        torch.testing.assert_close(together.displacement()[one : one + 1], alone.displacement())
        torch.testing.assert_close(together.energy[one : one + 1], alone.energy)


def test_a_sampled_velocity_keeps_its_frequencies_and_loses_the_half_sampling_one():
    for size in (8, 9):
        band = Band((16, 18, 20), size=size, margin=0)
        velocity = smooth_velocity(band, 1.0, modes=(size - 1) // 2)
        torch.testing.assert_close(band.samples(band.coefficients(velocity)), velocity)
    alternating = torch.ones(1, 3, 8, 8, 8, dtype=torch.float64)
    alternating[..., ::2] = -1
    assert Band((16, 18, 20), size=8).coefficients(alternating).abs().max() < 1e-12


@pytest.mark.parametrize("scheme", ["euler", "rk4"])
def test_gradients_are_those_of_finite_differences(scheme):
    band = Band((8, 9, 10), size=5, margin=1)
    velocity = smooth_velocity(band, 1.0).requires_grad_()
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=(1, 3, *band.shape)))

    def loss(v):
        geodesic = shoot(v, band, steps=3, scheme=scheme)
        return (geodesic.displacement() * weights).sum() + geodesic.jacobian().sum() + 1e-3 * geodesic.energy

    assert torch.autograd.gradcheck(loss, velocity, fast_mode=True)


def test_gradients_flow_after_a_first_call_in_inference_mode():
    band = Band((9, 8, 7), size=5, margin=0)
    velocity = smooth_velocity(band, 1.0)
    with torch.inference_mode():
        expected = shoot(velocity, band).displacement().sum()
    velocity.requires_grad_()
    found = shoot(velocity, band).displacement().sum()
    found.backward()
    assert found.item() == pytest.approx(expected.item()) and velocity.grad.abs().max() > 0


def test_warping_follows_its_border():
    volume = torch.arange(5, dtype=torch.float64)[None, None, None, None].expand(1, 1, 3, 4, 5)
    shift = torch.zeros(1, 3, 3, 4, 5, dtype=torch.float64)
    shift[:, 2] = 1.5
    row = {
        border: warp(volume, shift, border=border)[0, 0, 1, 1] for border in ("border", "zeros", "periodic")
    }
    assert row["border"].tolist() == pytest.approx([1.5, 2.5, 3.5, 4, 4])
    assert row["zeros"].tolist() == pytest.approx([1.5, 2.5, 3.5, 2, 0])
    assert row["periodic"].tolist() == pytest.approx([1.5, 2.5, 3.5, 2, 0.5])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="no more than the box has voxels"):
        Band((8, 8, 8), size=32, margin=0)
    with pytest.raises(ValueError, match="margin"):
        Band((8, 8, 8), margin=-1)
    with pytest.raises(ValueError, match="positive"):
        Metric(gamma=0)
    with pytest.raises(ValueError, match=r"\(B, 3, 13, 13, 13\)"):
        shoot(torch.zeros(3, *BAND.size), BAND)
    with pytest.raises(ValueError, match="float"):
        shoot(torch.zeros(1, 3, *BAND.size, dtype=torch.long), BAND)
    with pytest.raises(ValueError, match="scheme among euler, rk4"):
        shoot(torch.zeros(1, 3, *BAND.size), BAND, scheme="heun")
    with pytest.raises(ValueError, match="border"):
        warp(torch.zeros(1, 1, 2, 2, 2), torch.zeros(1, 3, 2, 2, 2), border="wrap")
