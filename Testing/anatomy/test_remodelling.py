"""Diseased ventricles against the healthy ones that they come from."""

import numpy as np
import pytest

from cardiactwins.anatomy.phantoms import draw_lv_shape
from cardiactwins.anatomy.remodelling import KINDS, RemodelledShape, draw_remodelled_shape

ANGLES = np.linspace(-np.pi, np.pi, 72, endpoint=False)


def mean_radii(shape):
    """Mean endocardial radius and wall (mm) at the equator."""
    inner_shape = shape.shape if isinstance(shape, RemodelledShape) else shape
    inner, outer = shape.radii(ANGLES, np.full(72, inner_shape.equator))
    return inner.mean(), (outer - inner).mean()


@pytest.mark.parametrize(
    ("kind", "radius", "wall"),
    [
        ("normal", (1, 1), (1, 1)),
        ("dilated", (1.15, 1.45), (0.75, 1)),
        ("hypertrophied", (0.85, 1), (1.3, 1.8)),
    ],
)
def test_radius_and_wall_change_within_what_is_said(kind, radius, wall):
    for seed in range(20):
        healthy = mean_radii(draw_lv_shape(np.random.default_rng(seed)))
        changed = mean_radii(draw_remodelled_shape(np.random.default_rng(seed), kind))
        assert radius[0] - 1e-6 <= changed[0] / healthy[0] <= radius[1] + 1e-6
        assert wall[0] - 1e-6 <= changed[1] / healthy[1] <= wall[1] + 1e-6


def test_a_scar_thins_and_bulges_its_wall_and_leaves_the_far_wall_alone():
    shape = draw_remodelled_shape(np.random.default_rng(3), "infarcted")
    at = np.array([shape.angle, shape.angle + np.pi])
    height = np.full(2, shape.height)
    (inner, outer), (plain_inner, plain_outer) = shape.radii(at, height), shape.shape.radii(at, height)
    assert (outer - inner)[0] == pytest.approx((1 - shape.thinning) * (plain_outer - plain_inner)[0])
    assert (inner - plain_inner)[0] == pytest.approx(shape.bulge)
    assert abs((outer - plain_outer)[1]) < 0.05 * shape.bulge + 1e-3


def test_all_kinds_come_up_and_an_unknown_one_is_refused():
    rng = np.random.default_rng(0)
    shapes = [draw_remodelled_shape(rng) for _ in range(200)]
    scarred = sum(isinstance(shape, RemodelledShape) for shape in shapes)
    assert 15 <= scarred <= 50
    with pytest.raises(ValueError, match=", ".join(KINDS)):
        draw_remodelled_shape(rng, "athletic")
