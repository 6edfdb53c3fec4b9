"""The calibration of stated deviations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.calibration import deviation_calibration, surface_errors  # noqa: E402
from cardiactwins.lma.heart_reconstruction import HeartReconstruction, WallSurface  # noqa: E402
from cardiactwins.lma.shape_volume import phantom_volume  # noqa: E402
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


def test_scale_and_floor_make_stated_deviations_those_of_the_errors(monkeypatch):
    """Errors of 2 x a stated deviation that varies, plus 0.1 voxels everywhere."""
    from cardiactwins.lma import calibration
    from cardiactwins.lma.surface_deviation import surface_normals

    volume = phantom_volume(np.random.default_rng(0))
    surface = wall_surface(volume)
    rng = np.random.default_rng(1)

    def missing(outlines, *, method, model):
        assert (model.deviation_scale, model.deviation_floor) == (1.0, 0.0)
        stated = rng.uniform(0.02, 0.25, len(surface.points))
        error = rng.normal(0, np.sqrt((2 * stated) ** 2 + 0.1**2))
        moved = WallSurface(
            surface.points + error[:, None] * surface_normals(surface), surface.triangles, surface.layer
        )
        return HeartReconstruction(volume, moved, stated, (), method)

    class Model:
        deviation_scale, deviation_floor = 5.0, 0.3

    monkeypatch.setattr(calibration, "reconstruct", missing)
    model = Model()
    scale, floor = deviation_calibration(model, [volume, volume])
    assert scale == pytest.approx(2.0, rel=0.1) and floor == pytest.approx(0.1, abs=0.03)
    assert (model.deviation_scale, model.deviation_floor) == (5.0, 0.3)


def test_errors_with_long_tails_are_covered_all_the_same():
    from cardiactwins.lma.calibration import _calibrated

    rng = np.random.default_rng(2)
    fields = rng.uniform(0.1, 0.5, 40000)
    errors = fields * rng.standard_t(3, 40000)
    scale, floor = _calibrated(errors, fields)
    covered = np.abs(errors) < 1.645 * np.sqrt((scale * fields) ** 2 + floor**2)
    assert covered.mean() == pytest.approx(0.9, abs=0.002)
    assert abs(covered[fields < 0.2].mean() - covered[fields > 0.4].mean()) < 0.02
