"""The learned prior of velocities, the fit under it, and what it says of the surface between slices."""

import numpy as np
import pytest
from scipy import stats

torch = pytest.importorskip("torch")

from cardiactwins.lma.atlas_estimation import estimate_atlas, mean_shape  # noqa: E402
from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.heart_reconstruction import WallSurface  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.shooting import shoot, warp  # noqa: E402
from cardiactwins.lma.surface_deviation import (  # noqa: E402
    SEEN_NOISE,
    _seen,
    field_deviation,
    surface_normals,
)
from cardiactwins.lma.velocity_covariance import VelocityCovariance  # noqa: E402
from cardiactwins.lma.velocity_fit import KnownShares, fit_velocity  # noqa: E402
from cardiactwins.lma.velocity_prior import VelocityPrior  # noqa: E402

SIDE = 24
BAND, METRIC = Band((SIDE, SIDE, SIDE), 8, 4), Metric()

pytestmark = pytest.mark.usefixtures("one_thread")


def cup(radius, shift=0.0):
    k, j, i = np.indices((SIDE, SIDE, SIDE)) - np.array([4, 11.5 + shift, 11.5])[:, None, None, None]
    distance = np.sqrt((k / 2) ** 2 + j**2 + i**2)
    inner, outer = (np.clip(r + 0.5 - distance, 0, 1) * (k >= 0) for r in (radius, radius + 2.5))
    return torch.tensor(np.stack([inner, outer - inner]), dtype=torch.float32)


def test_the_prior_of_the_metric_is_its_energy():
    prior = VelocityPrior.of_metric(BAND, METRIC, torch.zeros((), dtype=torch.float64))
    velocity = torch.randn(3, *BAND.coefficient_shape, dtype=torch.float64)
    energy = METRIC.energy(velocity[None], BAND)[0]
    torch.testing.assert_close(prior.white(velocity).square().sum(), energy)
    torch.testing.assert_close(prior.coefficients(prior.white(velocity)), velocity)


def test_the_prior_of_a_population_has_its_mean_and_its_spread():
    torch.manual_seed(0)
    true = VelocityPrior.of_metric(BAND, METRIC, torch.zeros(()))
    drawn = 0.3 + true.coefficients(torch.randn(400, 3, *BAND.coefficient_shape))
    found = VelocityPrior.of_velocities(drawn)
    assert (found.mean - drawn.mean(dim=0)).abs().max() < 1e-6
    ratio = found.deviation / true.deviation
    assert 0.97 < ratio.median() < 1.03
    # A tenth of each variance is that of a shell of frequencies, over which the metric's own varies.
    assert ((ratio > 0.8) & (ratio < 1.3)).float().mean() > 0.98


SMALL = Band((16, 16, 16), 6, 4)


def prior_with_modes(seed=0, count=3, spread=30.0):
    """A field as of the metric and some modes of random directions that are much wider."""
    generator = torch.Generator().manual_seed(seed)
    field = VelocityPrior.of_metric(SMALL, METRIC, torch.zeros((), dtype=torch.float64))
    drawn = torch.randn(count, field.mean.numel(), generator=generator, dtype=torch.float64)
    directions = torch.linalg.qr(drawn.T)[0].T.reshape(count, *field.mean.shape)
    gains = torch.linspace(spread, spread / 2, count, dtype=torch.float64)
    return VelocityPrior(field.mean + 0.1, field.deviation, directions.contiguous(), gains)


def test_the_density_is_that_of_the_normal_with_field_and_modes():
    prior = prior_with_modes()
    deviation, flat = prior.deviation.flatten().numpy(), prior.directions.flatten(1).numpy()
    inner = np.eye(len(deviation)) + flat.T @ np.diag(prior.gains.numpy() ** 2 - 1) @ flat
    covariance = deviation[:, None] * inner * deviation
    normal = stats.multivariate_normal(prior.mean.flatten().numpy(), covariance)
    generator = torch.Generator().manual_seed(1)
    white = torch.randn(4, *prior.mean.shape, generator=generator, dtype=torch.float64)
    velocities = prior.coefficients(white)
    torch.testing.assert_close(prior.white(velocities), white)
    constant = 0.5 * prior.mean.numel() * np.log(2 * np.pi)
    np.testing.assert_allclose(
        prior.log_density(velocities).numpy() - constant, normal.logpdf(velocities.flatten(1).numpy())
    )
    np.testing.assert_allclose(prior.marginal.flatten().numpy(), np.sqrt(np.diag(covariance)))


def test_modes_of_a_population_are_found_and_make_unseen_members_more_probable():
    true = prior_with_modes()
    generator = torch.Generator().manual_seed(2)
    drawn, unseen = (
        true.coefficients(torch.randn(n, *true.mean.shape, generator=generator, dtype=torch.float64))
        for n in (60, 40)
    )
    found = VelocityPrior.of_velocities(drawn)
    field = VelocityPrior.of_velocities(drawn, modes=0)
    assert 3 <= len(found.gains) <= 8 and len(field.gains) == 0
    gained = (found.log_density(unseen) - field.log_density(unseen)).mean()
    possible = (true.log_density(unseen) - field.log_density(unseen)).mean()
    assert 0.6 * possible < gained <= possible
    # The three widest directions are those that were put in.
    widest = (found.directions[:3] * found.deviation).flatten(1)
    put_in = (true.directions * true.deviation).flatten(1)
    cosine = torch.linalg.svdvals(torch.linalg.qr(widest.T)[0].T @ torch.linalg.qr(put_in.T)[0])
    assert cosine.min() > 0.95


def test_a_population_without_modes_gets_none():
    prior = VelocityPrior.of_metric(SMALL, METRIC, torch.zeros(()))
    torch.manual_seed(3)
    assert len(VelocityPrior.of_velocities(prior.coefficients(torch.randn(60, *prior.mean.shape))).gains) == 0


def test_one_velocity_makes_no_prior():
    with pytest.raises(ValueError, match="at least 2"):
        VelocityPrior.of_velocities(torch.zeros(1, 3, *BAND.coefficient_shape))


def test_a_known_deformation_is_found_from_the_whole_and_from_slices_between_voxels():
    atlas = cup(4.0)
    prior = VelocityPrior.of_metric(BAND, METRIC, torch.zeros(()))
    torch.manual_seed(1)
    velocity = prior.coefficients(torch.randn(3, *BAND.coefficient_shape))
    velocity /= BAND.samples(velocity).abs().max()
    true = shoot(BAND.samples(velocity)[None], BAND, METRIC)
    planes = [5.5, 8.0, 11.25, 14.0]
    for places, limit in ((range(SIDE), 0.25), (planes, 0.45)):
        places = list(places)
        shares = warp(atlas[None], true.displacement(places), planes=places)[0]
        known = KnownShares(places, shares)
        found = fit_velocity(atlas, known, BAND, METRIC, prior, sigma=0.02, iterations=60)
        geodesic = shoot(BAND.samples(found)[None], BAND, METRIC)
        start = known.squares(atlas, shoot(torch.zeros(1, 3, *BAND.size), BAND, METRIC))
        assert known.squares(atlas, geodesic) < 0.05 * start
        whole = warp(atlas[None], geodesic.displacement())[0]
        wanted = warp(atlas[None], true.displacement())[0]
        assert (whole - wanted).norm() < limit * (atlas - wanted).norm()


def test_points_count_as_pixels_of_slices_do():
    atlas = cup(4.0)
    wanted = cup(4.8)
    plane = [10]
    k, j, i = np.meshgrid(plane, range(SIDE), range(SIDE), indexing="ij")
    points = torch.tensor(np.stack([k, j, i], axis=-1).reshape(-1, 3), dtype=torch.float32)
    shares = wanted[:, plane]
    by_slice = KnownShares(plane, shares)
    by_points = KnownShares([], shares[:, :0], points, shares.reshape(2, -1).T)
    still = shoot(torch.zeros(1, 3, *BAND.size), BAND, METRIC)
    torch.testing.assert_close(by_slice.squares(atlas, still), by_points.squares(atlas, still))
    assert by_slice.count == by_points.count


def test_the_mean_shape_of_two_cups_lies_between_them():
    mean = mean_shape([cup(3.0), cup(5.0)])
    middle = cup(4.0)
    assert (mean - middle).abs().mean() < 0.012
    blurred = (cup(3.0) + cup(5.0)) / 2
    assert ((mean > 0.1) & (mean < 0.9)).sum() < 0.7 * ((blurred > 0.1) & (blurred < 0.9)).sum()


def test_an_atlas_comes_to_lie_amid_its_population_and_a_stopped_run_goes_on(tmp_path):
    volumes = [cup(radius) for radius in (3.2, 3.6, 4.0, 4.4, 4.8)]
    seen = []

    def stop(step, total, message, values):
        seen.append(step)
        if len(seen) == 4:
            raise KeyboardInterrupt

    whole = estimate_atlas(volumes, BAND, METRIC, iterations=8)
    with pytest.raises(KeyboardInterrupt):
        estimate_atlas(volumes, BAND, METRIC, iterations=8, folder=tmp_path, progress=stop)
    atlas, prior = estimate_atlas(volumes, BAND, METRIC, iterations=8, folder=tmp_path)
    torch.testing.assert_close(atlas, whole[0])
    torch.testing.assert_close(prior.deviation, whole[1].deviation)
    # Larger than the smallest and smaller than the largest member.
    assert volumes[0].sum() < atlas.sum() < volumes[-1].sum()


def tube(length=16, radius=5.0, around=40):
    """A closed cylinder along k, (points, triangles)."""
    from skimage.measure import marching_cubes

    k, j, i = np.indices((24, 24, 24)) - np.array([11.5, 11.5, 11.5])[:, None, None, None]
    inside = np.maximum(np.hypot(j, i) - radius, np.abs(k) - length / 2)
    points, triangles, _, _ = marching_cubes(-inside, 0.0, gradient_direction="ascent")
    return WallSurface(points.astype(float), triangles.astype(np.int64), np.zeros(len(points), np.uint8))


def test_normals_point_outwards():
    surface = tube()
    away = surface.points - surface.points.mean(axis=0)
    assert (np.einsum("pc,pc->p", surface_normals(surface), away) > 0).all()


@pytest.mark.parametrize("modes", [0, 2])
def test_the_deviation_is_that_of_a_slow_reference_and_grows_away_from_the_slices(modes):
    surface = tube()
    metric = VelocityPrior.of_metric(BAND, Metric(alpha=1.0), torch.zeros(()))
    torch.manual_seed(5)
    coarse = torch.randn(modes, *metric.mean.shape) * metric.deviation**2
    directions = coarse / coarse.flatten(1).norm(dim=1)[:, None, None, None, None]
    prior = VelocityPrior(metric.mean, 300 * metric.deviation, directions, torch.full((modes,), 30.0))

    covariance = VelocityCovariance.of(BAND, prior)
    slices = np.array([7.0, 11.0, 15.0])
    found = np.hypot(field_deviation(surface, slices, covariance), SEEN_NOISE)
    side = np.abs(surface.points[:, 0] - 11.5) < 6.5
    gap = np.abs(surface.points[:, 0, None] - slices).min(axis=1)
    assert found[side & (gap < 0.3)].mean() < 0.6 * found[side & (gap > 1.8)].mean()
    assert found.min() >= SEEN_NOISE

    # Draws of the field, conditioned by regression on what the same draws show at the slices.
    rng = np.random.default_rng(0)
    normals = surface_normals(surface)
    k, j, i = (values.numpy() for values in BAND.basis(torch.from_numpy(surface.points)))
    white = rng.normal(size=(4000, *prior.mean.shape)).astype(np.float32)
    drawn = prior.coefficients(torch.from_numpy(white)).numpy()
    field = np.zeros((4000, len(surface.points)))
    for axis in range(3):
        field += np.einsum("nabc,pa,pb,pc->np", drawn[:, axis], k, j, i, optimize=True) * normals[:, axis]
    # Slices tell the modes nearly whole: they show where there are none.
    unseen = field_deviation(surface, np.array([-50.0]), covariance)
    assert 0.95 < np.median(unseen / field.std(axis=0)) < 1.05
    seen = _seen(surface, slices, None, np.random.default_rng(5))
    noisy = field[:, seen] + rng.normal(size=(4000, len(seen))) * SEEN_NOISE
    weights = np.linalg.lstsq(noisy, field, rcond=None)[0]
    residual = np.sqrt(((field - noisy @ weights) ** 2).sum(axis=0) / (4000 - len(seen)) + SEEN_NOISE**2)
    ratio = found[side] / residual[side]
    assert 0.9 < np.median(ratio) < 1.1
    assert np.corrcoef(found[side], residual[side])[0, 1] > 0.9
