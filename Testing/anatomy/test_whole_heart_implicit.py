"""Implicit surfaces: distances and volumes by formula, refinement that keeps order."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.implicit import (
    capsule_chain,
    cylinder,
    ellipsoid,
    level_for_volume,
    plane,
    refined,
    smooth_noise,
    smooth_union,
    volume_inside,
)

SPACING = 2.0


@pytest.fixture(scope="module")
def points():
    at = ((np.arange(40) - 19.5) * SPACING).astype(np.float32)
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    return x, y, z


def test_sphere_has_exact_distances(points):
    x, y, z = points
    expected = np.sqrt((x - 3) ** 2 + y**2 + (z + 5) ** 2) - 20
    assert np.abs(ellipsoid(points, (3, 0, -5), (20, 20, 20)) - expected).max() < 1e-4


def test_turned_ellipsoid_has_its_volume_and_unit_slope(points):
    axes = Rotation.from_euler("xyz", (20, 30, 40), degrees=True).as_matrix()
    field = ellipsoid(points, (0, 0, 0), (30, 20, 14), axes)
    assert volume_inside(field, SPACING) == pytest.approx(4 / 3 * np.pi * 30 * 20 * 14 / 1000, rel=0.01)
    slope = np.linalg.norm(np.gradient(field, SPACING), axis=0)[np.abs(field) < 1.5]
    assert np.median(slope) == pytest.approx(1, abs=0.05)
    tip = axes[:, 0] * 30
    at = tuple(np.array([[[c]]], dtype=np.float32) for c in tip)
    assert abs(float(ellipsoid(at, (0, 0, 0), (30, 20, 14), axes)[0, 0, 0])) < 1e-4


def test_capsule_has_its_volume(points):
    field = capsule_chain(points, [(0, 0, -15), (0, 0, 15)], (10, 10))
    assert volume_inside(field, SPACING) == pytest.approx(
        (np.pi * 100 * 30 + 4 / 3 * np.pi * 1000) / 1000, rel=0.01
    )


def test_bent_chain_is_the_union_of_its_parts(points):
    line, radii = [(0, 0, -20), (0, 0, 0), (15, 10, 10)], (8, 6, 9)
    parts = [capsule_chain(points, line[n : n + 2], radii[n : n + 2]) for n in range(2)]
    assert np.allclose(capsule_chain(points, line, radii), np.minimum(*parts))


def test_plane_and_cylinder(points):
    x, y, z = points
    assert np.allclose(plane(points, (1, 2, 3), (0, 0, 4)), z - 3)
    assert np.abs(cylinder(points, (1, 2, 3), (0, 0, 2), 7) - (np.hypot(x - 1, y - 2) - 7)).max() < 1e-2


def test_smooth_union_is_the_plain_one_away_from_the_crease(points):
    a, b = ellipsoid(points, (-12, 0, 0), (14, 14, 14)), ellipsoid(points, (12, 0, 0), (14, 14, 14))
    union, plain = smooth_union(a, b, 4), np.minimum(a, b)
    assert (union <= plain).all()
    assert np.allclose(union[np.abs(a - b) >= 4], plain[np.abs(a - b) >= 4])
    assert (plain - union).max() <= 1.0 + 1e-5


def test_refinement_keeps_linear_fields_and_order(points):
    x, y, z = points
    field = (x - 2 * y + 3 * z).astype(np.float32)
    fine = ((np.arange(80) - 39.5) * SPACING / 2).astype(np.float32)
    fz, fy, fx = np.meshgrid(fine, fine, fine, indexing="ij")
    inner = (slice(1, -1),) * 3
    assert np.abs(refined(field) - (fx - 2 * fy + 3 * fz))[inner].max() < 1e-3
    rng = np.random.default_rng(0)
    low = rng.standard_normal((8, 8, 8)).astype(np.float32)
    high = low + rng.random((8, 8, 8)).astype(np.float32)
    assert (refined(low) <= refined(high) + 1e-6).all()


def test_level_gives_the_volume(points):
    sphere = ellipsoid(points, (0, 0, 0), (20, 20, 20))
    cut = plane(points, (0, 0, 0), (0, 0, 1))
    offset = level_for_volume(lambda level: np.maximum(sphere - level, cut), 30.0, SPACING)
    assert offset == pytest.approx(np.cbrt(30000 / (2 / 3 * np.pi)) - 20, abs=0.1)


def test_noise_is_smooth_and_of_unit_strength():
    noise = smooth_noise(np.random.default_rng(0), 6, 32, 2)
    assert noise.shape == (2, 32, 32, 32) and noise.dtype == np.float32
    assert noise.std(axis=(1, 2, 3)) == pytest.approx(1, abs=1e-4)
    assert np.abs(np.diff(noise, axis=1)).max() < 0.6
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.5
