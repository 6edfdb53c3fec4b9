"""The calibration of stated deviations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.calibration import deviation_calibration, surface_errors  # noqa: E402
from cardiactwins.lma.heart_reconstruction import WallSurface  # noqa: E402
from cardiactwins.lma.shape_volume import phantom_volume  # noqa: E402
from cardiactwins.lma.surface_deviation import (  # noqa: E402
    SurfaceDeviation,
    moved_deviation,
    remainder_deviation,
    surface_normals,
)
from cardiactwins.lma.wall_surface import wall_surface  # noqa: E402


def ball(radius):
    from skimage.measure import marching_cubes

    k, j, i = np.indices((24, 24, 24)) - 11.5
    level = radius - np.sqrt(k**2 + j**2 + i**2)
    points, triangles, _, _ = marching_cubes(level, 0.0, gradient_direction="ascent")
    return WallSurface(points.astype(float), triangles.astype(np.int64), np.zeros(len(points), np.uint8))


def test_errors_of_concentric_spheres_are_the_difference_of_their_radii():
    errors = surface_errors(ball(8.4), ball(8.0))
    assert errors.mean() == pytest.approx(0.4, abs=0.03)
    assert surface_errors(ball(7.7), ball(8.0)).mean() == pytest.approx(-0.3, abs=0.03)


def test_gain_and_floor_make_stated_deviations_those_of_the_errors(monkeypatch):
    """Errors of 2 x the square of a field, of a remainder and of an average, and 0.1 voxels everywhere."""
    from cardiactwins.lma import calibration

    volume = phantom_volume(np.random.default_rng(0))
    surface = wall_surface(volume)
    rng = np.random.default_rng(1)

    def missing(model, outlines):
        field, remainder, apart = rng.uniform(0.1, 0.5, (3, len(surface.points))) * [[1.0], [0.2], [0.3]]
        error = rng.normal(0, np.sqrt((2 * field**2) ** 2 + remainder**2 + apart**2 + 0.1**2))
        moved = surface.points + error[:, None] * surface_normals(surface)
        return WallSurface(moved, surface.triangles, surface.layer), SurfaceDeviation(field, remainder, apart)

    monkeypatch.setattr(calibration, "_rebuilt", missing)
    gain, floor = deviation_calibration(None, [volume, volume])
    assert gain == pytest.approx(2.0, rel=0.1) and floor == pytest.approx(0.1, abs=0.03)


def test_errors_with_long_tails_are_covered_all_the_same():
    from cardiactwins.lma.calibration import _calibrated

    rng = np.random.default_rng(2)
    fields = rng.uniform(0.3, 0.7, 40000)
    errors = fields**2 * rng.standard_t(3, 40000)
    deviation = SurfaceDeviation(fields, np.full(40000, 0.01), np.zeros(40000))
    stated = deviation.stated(*_calibrated(errors, deviation))
    covered = np.abs(errors) < 1.645 * stated
    assert covered.mean() == pytest.approx(0.9, abs=0.01)
    assert abs(covered[fields < 0.4].mean() - covered[fields > 0.6].mean()) < 0.02


def test_what_an_average_has_moved_is_told_at_each_border():
    surface = wall_surface(phantom_volume(np.random.default_rng(0)))
    inner, outer = np.zeros((2, 64, 64, 64), np.float32)
    inner += np.arange(64)[:, None, None] * 0.1
    outer += 0.4
    found = moved_deviation(surface, np.stack([inner, outer]))
    layer, height = surface.layer, surface.points[:, 0]
    assert set(layer.tolist()) == {0, 1, 2}
    np.testing.assert_allclose(found[layer == 1], 0.2, atol=1e-6)
    np.testing.assert_allclose(found[layer == 0], 0.05 * height[layer == 0], atol=1e-6)
    rim = np.maximum(0.2, 0.05 * height[layer == 2])
    np.testing.assert_allclose(found[layer == 2], rim, atol=1e-6)


def test_a_remainder_is_known_in_the_slices_and_unknown_far_from_them():
    surface = ball(8.0)
    slices = np.array([7.0, 11.0, 15.0])
    found = remainder_deviation(surface, slices, 0.3)
    height = surface.points[:, 0]
    gap = np.abs(height[:, None] - slices).min(axis=1)
    inside = (height >= 7) & (height <= 15)
    assert found[gap < 0.05].max() < 0.07 and found.max() < 0.3 * np.sqrt(1.25)
    assert found[inside & (gap > 1.8)].min() > 0.25
    # Beyond the last slice as much is unknown at half the distance.
    beyond = found[~inside & (np.abs(gap - 0.75) < 0.05)].mean()
    assert beyond == pytest.approx(found[inside & (np.abs(gap - 1.5) < 0.05)].mean(), rel=0.05)
