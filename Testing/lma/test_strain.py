"""Strain of motions whose strain has a formula, in the plane and on a moving mesh."""

import numpy as np
import pytest

from cardiactwins.lma.local_fit import local_fit
from cardiactwins.lma.mesh_strain import circumferential_mesh_strain
from cardiactwins.lma.strain import deformation_gradient, green_lagrange, wall_strain
from cardiactwins.lma.wall import wall_slice

PIXEL = 2.0


@pytest.fixture(scope="module")
def wall():
    rows, columns = np.indices((44, 44))
    radius = np.hypot(rows - 21.5, columns - 21.5)
    return wall_slice((radius > 9) & (radius < 16), PIXEL)


def moved(wall, *matrices):
    """Displacement (T, P, C) by matrices (C, 2) about the wall's centre."""
    return np.stack(
        [(wall.points - wall.center) @ (m - np.eye(*m.shape)).T for m in map(np.asarray, matrices)]
    )


def test_uniform_contraction_has_the_same_strain_everywhere(wall):
    strain = wall_strain(wall.points, moved(wall, 0.8 * np.eye(2)), wall.radial)
    expected = (0.8**2 - 1) / 2
    assert strain.circumferential == pytest.approx(expected, abs=1e-9)
    assert strain.radial == pytest.approx(expected, abs=1e-9)
    assert strain.shear == pytest.approx(0, abs=1e-9)


def test_rotation_however_large_strains_nothing(wall):
    turns = [[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in np.radians([5, 40, 170])]
    strain = wall_strain(wall.points, moved(wall, *turns), wall.radial)
    for part in (strain.circumferential, strain.radial, strain.shear):
        assert part == pytest.approx(0, abs=1e-9)


def test_simple_shear_has_its_textbook_tensor(wall):
    """x = X + k Y: E = [[0, k/2], [k/2, k^2/2]]."""
    k = 0.3
    tensor = green_lagrange(deformation_gradient(wall.points, moved(wall, [[1, k], [0, 1]])))
    assert tensor == pytest.approx(np.broadcast_to([[0, k / 2], [k / 2, k**2 / 2]], tensor.shape), abs=1e-9)
    strain = wall_strain(wall.points, moved(wall, [[1, k], [0, 1]]), wall.radial)
    cosine, sine = wall.radial.T
    assert strain.circumferential[0] == pytest.approx(-k * sine * cosine + k**2 / 2 * cosine**2, abs=1e-9)
    assert strain.radial[0] == pytest.approx(k * sine * cosine + k**2 / 2 * sine**2, abs=1e-9)
    assert strain.shear[0] == pytest.approx(
        k / 2 * (cosine**2 - sine**2) + k**2 / 2 * sine * cosine, abs=1e-9
    )


def test_incompressible_contraction_of_a_ring_has_its_polar_strain(wall):
    """r^2 = R^2 - c (area kept): circumferential stretch r / R, radial stretch R / r."""
    away = wall.points - wall.center
    reference = np.linalg.norm(away, axis=1)
    now = np.sqrt(reference**2 - 120.0)
    displacement = (away * (now / reference - 1)[:, None])[None]
    strain = wall_strain(wall.points, displacement, wall.radial, radius=3.0)
    circumferential = ((now / reference) ** 2 - 1) / 2
    assert np.ptp(circumferential) > 0.1
    inner = wall.layer("mid")
    assert strain.circumferential[0] == pytest.approx(circumferential, abs=0.02)
    assert strain.circumferential[0][inner] == pytest.approx(circumferential[inner], abs=0.006)
    assert strain.radial[0][inner] == pytest.approx((((reference / now) ** 2 - 1) / 2)[inner], abs=0.03)


def test_motion_through_the_plane_counts_where_it_varies(wall):
    """A slice tilted by w = s X is stretched by s^2 / 2 along x."""
    displacement = moved(wall, [[1, 0], [0, 1], [0.2, 0]])
    tensor = green_lagrange(deformation_gradient(wall.points, displacement))
    assert tensor == pytest.approx(np.broadcast_to([[0.02, 0], [0, 0]], tensor.shape), abs=1e-9)


def test_local_fit_returns_a_quadratic_exactly_on_irregular_points():
    rng = np.random.default_rng(1)
    points, at = rng.uniform(0, 20, (500, 2)), rng.uniform(0, 20, (50, 2))

    def value(p):
        return (1 + 2 * p[:, 0] - p[:, 1] + 0.1 * p[:, 0] ** 2 - 0.3 * p[:, 0] * p[:, 1])[:, None]

    values, gradients = local_fit(points, value(points), at, radius=2.0)
    assert values == pytest.approx(value(at), abs=1e-8)
    assert gradients[:, 0, 0] == pytest.approx(2 + 0.2 * at[:, 0] - 0.3 * at[:, 1], abs=1e-7)
    assert gradients[:, 0, 1] == pytest.approx(-1 - 0.3 * at[:, 0], abs=1e-7)


def test_local_fit_tells_nothing_where_points_are_missing_or_in_a_line():
    line = np.stack([np.arange(30.0), np.zeros(30)], axis=1)
    assert np.isnan(local_fit(line, line, line, radius=3.0, degree=1)[1]).all()
    grid = np.argwhere(np.ones((6, 6))).astype(float)
    assert np.isnan(local_fit(grid, grid, np.array([[50.0, 50.0]]), radius=2.0)[0]).all()
    with pytest.raises(ValueError, match="degree"):
        local_fit(grid, grid, grid, radius=2.0, degree=3)
    with pytest.raises(ValueError, match="needs 6 points"):
        local_fit(grid[:4], grid[:4], grid, radius=2.0)


def test_depth_runs_from_endocardium_to_epicardium_in_three_layers(wall):
    radius = np.linalg.norm(wall.points - wall.center, axis=1) / PIXEL
    assert wall.depth == pytest.approx((radius - 9) / 7, abs=0.12)
    layers = np.stack([wall.layer(name) for name in ("endo", "mid", "epi")])
    assert (layers.sum(axis=0) == 1).all()
    means = [radius[layer].mean() for layer in layers]
    assert means == sorted(means)
    with pytest.raises(ValueError, match="Layers are"):
        wall.layer("outer")


def test_a_wall_that_is_open_has_no_depth():
    mask = np.zeros((20, 20), dtype=bool)
    mask[4:16, 4:16] = True
    mask[7:13, 7:20] = False
    with pytest.raises(ValueError, match="encloses no cavity"):
        wall_slice(mask, 1.0)


def cylinder(radius, height=40.0, around=60, along=8):
    angle = np.arange(around) * 2 * np.pi / around
    z = np.linspace(0, height, along)
    points = np.stack(
        [
            np.tile(radius * np.cos(angle), along),
            np.tile(radius * np.sin(angle), along),
            np.repeat(z, around),
        ],
        axis=1,
    )
    lower = np.arange(around * (along - 1)).reshape(along - 1, around)
    right = np.roll(lower, -1, axis=1)
    first = np.stack([lower, right, lower + around], axis=-1).reshape(-1, 3)
    second = np.stack([right, right + around, lower + around], axis=-1).reshape(-1, 3)
    return points, np.concatenate([first, second])


def rotation(seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))[0]


def test_a_cylinder_that_shrinks_strains_round_its_axis_and_nowhere_else():
    start, triangles = cylinder(25.0)
    shrunk, longer = cylinder(20.0)[0], cylinder(25.0, height=50.0)[0]
    strain = circumferential_mesh_strain(np.stack([start, shrunk, longer]), triangles, [0, 0, 1])
    assert strain[0] == pytest.approx(0, abs=1e-12)
    assert strain[1] == pytest.approx((0.8**2 - 1) / 2, abs=1e-9)
    assert strain[2] == pytest.approx(0, abs=1e-9)


def test_mesh_strain_ignores_how_the_patient_lies_and_rigid_motion():
    start, triangles = cylinder(25.0)
    shrunk = cylinder(20.0)[0]
    lying, later = rotation(0), rotation(1)
    plain = circumferential_mesh_strain(np.stack([start, shrunk]), triangles, [0, 0, 1])
    turned = circumferential_mesh_strain(
        np.stack([start @ lying.T, shrunk @ later.T + [5.0, -3.0, 8.0]]), triangles, lying @ [0, 0, -3.0]
    )
    assert turned == pytest.approx(plain, abs=1e-9)


def test_triangles_that_face_along_the_axis_have_no_circumferential_strain():
    flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert np.isnan(circumferential_mesh_strain(flat[None], [[0, 1, 2]], [0, 0, 1])).all()


def test_meshes_that_do_not_correspond_are_refused():
    start, triangles = cylinder(25.0)
    with pytest.raises(ValueError, match="share one list"):
        circumferential_mesh_strain(start[None, :50], triangles, [0, 0, 1])
    with pytest.raises(ValueError, match="no area"):
        circumferential_mesh_strain(start[None], [[0, 1, 60], [0, 0, 1]], [0, 0, 1])
    with pytest.raises(ValueError, match="NaN"):
        circumferential_mesh_strain(start[None] * np.nan, triangles, [0, 0, 1])
    with pytest.raises(ValueError, match="long axis"):
        circumferential_mesh_strain(start[None], triangles, [0, 0, 0])
