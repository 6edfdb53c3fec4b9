"""Scar of known depth in a cylinder of a wall."""

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.transmurality import transmurality

FRAME = LongAxisFrame(np.array([0.0, 0, 0]), np.array([0.0, 0, 80]), np.array([[0.0, 30, 20]]))


@pytest.mark.parametrize("depth", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_depth_of_a_subendocardial_scar_is_found(depth):
    geometry = ImageGeometry.from_spacing((40, 80, 80), (1.0, 1.0, 2.0), (-39.5, -39.5, 0.0))
    r, a, _ = np.moveaxis(geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1)), -1, 0)
    radius = np.hypot(r, a)
    wall = (radius >= 20) & (radius < 32)
    scar = wall & (r > 0) & (radius < 20 + 12 * depth)
    angle = np.linspace(-1.2, 1.2, 40)
    places = np.column_stack([32 * np.cos(angle), 32 * np.sin(angle), np.linspace(10, 60, 40)])
    found = transmurality(places, FRAME, geometry, wall, scar)
    # A voxel is a twelfth of the wall.
    np.testing.assert_allclose(found, depth, atol=1.5 / 12)
    assert found.mean() == pytest.approx(depth, abs=0.02)
    opposite = transmurality(places * (-1, 1, 1), FRAME, geometry, wall, scar)
    assert not opposite.any()


def test_places_without_wall_have_no_scar():
    geometry = ImageGeometry.from_spacing((4, 8, 8))
    nothing = np.zeros(geometry.shape, dtype=bool)
    assert not transmurality([[30.0, 0, 10], [0, 30, 20]], FRAME, geometry, nothing, nothing).any()
