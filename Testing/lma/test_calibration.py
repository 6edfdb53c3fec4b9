"""The calibration of stated deviations."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cardiactwins.lma.calibration import deviation_factor, surface_errors  # noqa: E402
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


def test_the_factor_makes_stated_deviations_those_of_the_errors(monkeypatch):
    """Reconstructions that miss by a known normal error and state half of its deviation get a factor of 2."""
    from cardiactwins.lma import calibration
    from cardiactwins.lma.surface_deviation import surface_normals

    volume = phantom_volume(np.random.default_rng(0))
    surface = wall_surface(volume)
    rng = np.random.default_rng(1)

    def missing(outlines, *, method, model):
        error = rng.normal(0, 0.4, len(surface.points))
        moved = WallSurface(
            surface.points + error[:, None] * surface_normals(surface), surface.triangles, surface.layer
        )
        return HeartReconstruction(volume, moved, np.full(len(error), 0.2), (), method)

    class Model:
        deviation_factor = 5.0

    monkeypatch.setattr(calibration, "reconstruct", missing)
    model = Model()
    assert deviation_factor(model, [volume, volume]) == pytest.approx(2.0, rel=0.08)
    assert model.deviation_factor == 5.0
