"""Kriging of a velocity: in closed form, on known deformations, and the distances and points it uses."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.lma.atlas_borders import AtlasBorders  # noqa: E402
from cardiactwins.lma.band import Band  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.outline_points import outline_points  # noqa: E402
from cardiactwins.lma.shooting import shoot, warp  # noqa: E402
from cardiactwins.lma.velocity_covariance import VelocityCovariance  # noqa: E402
from cardiactwins.lma.velocity_kriging import OutlineKriging  # noqa: E402
from cardiactwins.lma.velocity_prior import VelocityPrior  # noqa: E402

SIDE = 24
BAND, METRIC = Band((SIDE, SIDE, SIDE), 8, 4), Metric()
COEFFICIENTS = 3 * int(np.prod(BAND.coefficient_shape))


def shell(inner, outer, centre=(11.5, 11.5, 11.5)):
    distance = np.linalg.norm(np.indices((SIDE,) * 3).T - np.array(centre), axis=-1).T
    cavity, whole = (np.clip(radius + 0.5 - distance, 0, 1) for radius in (inner, outer))
    return torch.tensor(np.stack([cavity, whole - cavity]), dtype=torch.float32)


def prior(modes=0, flat=False):
    """Displacements of half a voxel, smooth as the metric wants them, or flat: all coefficients count."""
    field = VelocityPrior.of_metric(BAND, METRIC, torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(COEFFICIENTS, modes, generator=generator))[0].T
    gains = torch.linspace(4.0, 2.0, modes)
    deviation = (field.deviation / field.deviation.max()).clamp(min=0.7 if flat else 0)
    deviation = 0.5 * deviation / deviation[0].square().sum().sqrt()
    return VelocityPrior(field.mean, deviation, directions.unflatten(1, field.mean.shape), gains)


def kriging(points, layers, borders, known):
    return OutlineKriging(points, layers, borders, METRIC, VelocityCovariance.of(BAND, known))


def outlines(volume, planes):
    points, layers = outline_points(volume[0, planes].numpy(), volume[1, planes].numpy(), np.array(planes))
    return points, layers


@pytest.mark.parametrize("modes", [0, 3])
def test_one_round_is_the_conditional_mean_of_the_whole_covariance(modes):
    atlas, known = shell(4.0, 7.0), prior(modes, flat=True)
    points, layers = outlines(shell(4.6, 7.4, (11.2, 11.9, 11.5)), [7, 10, 14])
    points, layers = points[::3], layers[::3]
    borders = AtlasBorders.of(atlas)
    start = torch.zeros_like(known.mean)
    found = kriging(points, layers, borders, known).velocity(start, rounds=1, step=1, noise=0.2)

    deviation = known.deviation.flatten().numpy().astype(float)
    along = known.directions.flatten(1).numpy().astype(float)
    core = np.eye(COEFFICIENTS) + along.T @ np.diag(known.gains.numpy() ** 2 - 1) @ along
    covariance = deviation[:, None] * core * deviation
    distance, normals = borders.at(points, layers)
    k, j, i = (values.numpy() for values in BAND.basis(torch.from_numpy(points)))
    basis = np.einsum("pa,pb,pc->pabc", k, j, i).reshape(len(points), -1)
    seen = np.concatenate([basis * normals[:, axis, None] for axis in range(3)], axis=1)
    inner = seen @ covariance @ seen.T + 0.04 * np.eye(len(points))
    wanted = covariance @ seen.T @ np.linalg.solve(inner, distance)
    difference = np.linalg.norm(found.flatten().numpy() - wanted) / np.linalg.norm(wanted)
    assert difference < 0.01


def test_the_trend_is_kept_where_the_outlines_agree_with_it():
    atlas, known = shell(4.0, 7.0), prior()
    generator = torch.Generator().manual_seed(1)
    start = known.coefficients(torch.randn(known.mean.shape, generator=generator))
    heart = warp(atlas[None], shoot(BAND.samples(start)[None], BAND, METRIC).displacement())[0]
    points, layers = outlines(heart, list(range(5, 19)))
    found = kriging(points, layers, AtlasBorders.of(atlas), known).velocity(start)
    assert (found - start).norm() < 0.1 * start.norm()
    none = np.zeros((0, 3)), np.zeros(0, dtype=np.int64)
    assert torch.equal(
        kriging(*none, AtlasBorders.of(atlas), known).velocity(start),
        start,
    )


def test_rounds_bring_the_outlines_onto_the_borders_and_what_lies_between_nearer():
    atlas, known = shell(4.0, 7.0), prior()
    generator = torch.Generator().manual_seed(2)
    true = 2 * known.coefficients(torch.randn(known.mean.shape, generator=generator))
    heart = warp(atlas[None], shoot(BAND.samples(true)[None], BAND, METRIC).displacement())[0]
    planes = [5, 8, 11, 14, 17]
    points, layers = outlines(heart, planes)
    borders, start = AtlasBorders.of(atlas), torch.zeros_like(true)
    missed, apart = [], []
    for rounds in (0, 1, 3):
        velocity = kriging(points, layers, borders, known).velocity(start, rounds=rounds, noise=0.05)
        geodesic = shoot(BAND.samples(velocity)[None], BAND, METRIC)
        there = points + geodesic.displacement_at(torch.from_numpy(points).float())[0].numpy()
        missed.append(np.abs(borders.at(there, layers)[0]).mean())
        whole = warp(atlas[None], geodesic.displacement())[0]
        between = [k for k in range(5, 18) if k not in planes]
        apart.append(float((whole - heart)[:, between].abs().sum()))
    assert missed[1] < 0.5 * missed[0] and missed[2] < 0.6 * missed[1]
    assert apart[2] < apart[1] < 0.7 * apart[0]


def test_outlines_far_from_the_atlas_neither_fold_the_deformation_nor_drive_it_away():
    atlas, known = shell(3.0, 5.0), prior()
    borders, start = AtlasBorders.of(atlas), torch.zeros_like(known.mean)
    far = shell(6.0, 9.5, (11.5, 13.5, 11.5))
    points, layers = outlines(far, [5, 8, 11, 14, 17])

    def state(rounds, step):
        method = kriging(points, layers, borders, known)
        velocity = method.velocity(start, rounds=rounds, step=step, noise=0.02)
        assert torch.isfinite(velocity).all()
        geodesic = shoot(BAND.samples(velocity)[None], BAND, METRIC)
        seen = method.displacements(geodesic, start)
        return seen.rms, float(geodesic.jacobian(range(0, SIDE, 4)).min())

    missed = [state(rounds, 1.0)[0] for rounds in range(5)]
    assert (np.diff(missed) <= 0).all() and missed[-1] < 0.7 * missed[0]
    assert state(4, 3.0)[1] > 0 and state(4, 0.7)[1] > 0


def test_kriging_can_be_cancelled_in_any_round():
    atlas, known = shell(4.0, 7.0), prior()
    points, layers = outlines(shell(4.6, 7.6), [7, 10, 14])

    def stop(step, total, message, values):
        if step == 1:
            raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        kriging(points, layers, AtlasBorders.of(atlas), known).velocity(known.mean, noise=0.05, progress=stop)


def test_distances_to_the_borders_of_a_ball_are_those_of_geometry():
    # Shares that rise evenly are one half exactly on the ball.
    distance = np.linalg.norm(np.indices((SIDE,) * 3).T - 11.5, axis=-1).T
    cavity, whole = (0.5 - 0.05 * (distance - radius) for radius in (4.0, 7.0))
    borders = AtlasBorders.of(torch.tensor(np.stack([cavity, whole - cavity])))
    places = np.argwhere(distance > 2.5).astype(float)
    radius, layers = distance[distance > 2.5], np.arange(len(places)) % 2
    true = radius - np.where(layers, 7.0, 4.0)
    found, normals = borders.at(places, layers)
    # Beside the border planes tell, farther away the nearest of the surface's corners does.
    assert np.abs(found - true)[np.abs(true) < 1.4].max() < 0.06
    assert np.abs(found - true)[np.abs(true) < 3].max() < 0.15
    inwards = (normals * (places - 11.5) / radius[:, None]).sum(axis=1)[np.abs(true) < 3]
    assert inwards.min() > 0.97


def test_outline_points_lie_on_the_circles_of_a_slice():
    ball = shell(4.0, 7.0)
    points, layers = outlines(ball, [11, 12])
    assert set(points[:, 0]) == {11.0, 12.0}
    radius = np.linalg.norm(points - 11.5, axis=1)
    assert np.abs(radius - np.where(layers, 7.0, 4.0)).max() < 0.1
    perimeter = 2 * 2 * np.pi * (np.sqrt(49 - 0.25) + np.sqrt(16 - 0.25))
    assert 0.7 * perimeter < len(points) < 1.6 * perimeter
    empty = outline_points(np.zeros((1, 8, 8)), np.zeros((1, 8, 8)), np.array([3.0]))
    assert empty[0].shape == (0, 3) and empty[1].shape == (0,)


def test_no_more_outline_points_than_asked_for_all_around():
    ball = shell(4.0, 7.0)
    planes = [8, 11, 14]
    volumes = ball[0, planes].numpy(), ball[1, planes].numpy(), np.array(planes)
    every, kinds = outline_points(*volumes)
    points, layers = outline_points(*volumes, most=60)
    assert len(points) == len(layers) == 60 < len(every)
    for layer in (0, 1):
        share = (layers == layer).mean() / (kinds == layer).mean()
        assert 0.9 < share < 1.1
    assert {tuple(point) for point in points} <= {tuple(point) for point in every}
