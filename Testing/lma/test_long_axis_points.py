"""A long-axis slice of a known heart, outlined on grids of its own and of other images."""

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import draw_lv_shape
from cardiactwins.lma.long_axis_points import long_axis_points

SHAPE = draw_lv_shape(np.random.default_rng(5), deformation=0.5)
OWN = ImageGeometry.from_spacing(
    (1, 70, 60), (1.5, 2.0, 6.0), (-45.0, 0.0, -20.0), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
)
ISOTROPIC = ImageGeometry.from_spacing((90, 68, 68), (1.5,) * 3, (-51.0, -51.0, -20.0))
SHORT_AXIS = ImageGeometry.from_spacing((17, 68, 68), (1.5, 1.5, 8.0), (-51.0, -51.0, -20.0))
AT_RIGHT_ANGLES = np.array([0.0, 1.0, 0.0])
TURNED = np.array([np.sin(0.6), np.cos(0.6), 0.0])
TILTED = np.array([np.sin(0.6) * np.cos(0.1), np.cos(0.6) * np.cos(0.1), np.sin(0.1)])


def labels_at(ras):
    """Cavity and wall of the heart at places (..., 3)."""
    x, y, z = np.moveaxis(ras, -1, 0)
    inner, outer = SHAPE.radii(np.arctan2(y, x), z)
    radius, below = np.hypot(x, y), (z >= 0) & (z <= SHAPE.epicardial_length)
    return below & (radius < inner), below & (radius >= inner) & (radius < outer)


def outlined(geometry, *planes):
    """Masks of the heart in voxels of a grid that lie in one of some planes (normal, half the thickness)."""
    ras = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))
    seen = np.zeros(geometry.shape, dtype=bool)
    for normal, half in planes:
        # A plane at least passes through a voxel in each column of the grid.
        least = np.abs(normal @ geometry.ijk_to_ras[:3, :3])[:2].max() / 2
        seen |= np.abs(ras @ normal) <= max(half, least) + 1e-6
    return [mask & seen for mask in labels_at(ras)]


@pytest.mark.parametrize(
    ("geometry", "normal", "half"),
    [
        (OWN, AT_RIGHT_ANGLES, 3.0),
        (ISOTROPIC, AT_RIGHT_ANGLES, 0.7),
        (SHORT_AXIS, AT_RIGHT_ANGLES, 0.7),
        (ISOTROPIC, TURNED, 0.0),
        (SHORT_AXIS, TURNED, 0.0),
        (ISOTROPIC, TILTED, 0.0),
        (SHORT_AXIS, TILTED, 0.0),
        (ISOTROPIC, AT_RIGHT_ANGLES, 4.0),
        (ISOTROPIC, TILTED, 4.0),
    ],
    ids=[
        "its own grid",
        "an isotropic grid",
        "the short-axis grid",
        "turned in an isotropic grid",
        "turned in the short-axis grid",
        "tilted in an isotropic grid",
        "tilted in the short-axis grid",
        "8 mm thick",
        "8 mm thick and tilted",
    ],
)
def test_points_lie_in_the_plane_and_say_what_is_there(geometry, normal, half):
    points, values = long_axis_points(geometry, *outlined(geometry, (normal, half)), "two-chamber")
    assert values.shape == (len(points), 2) and values.sum(axis=1).max() == pytest.approx(1)
    assert np.abs(points @ normal).max() < 0.8
    truth = np.stack(labels_at(points), axis=1)
    whole = truth.any(axis=1)
    # Outlines are drawn in voxels: at the border only may the labels differ.
    assert (values.sum(axis=1)[whole] < 0.5).mean() < 0.03
    assert (np.abs(values - truth).max(axis=1) > 0.5).mean() < 0.08
    ends = points[values.sum(axis=1) >= 0.5, 2]
    step = 2.0 + geometry.spacing[2] / 2
    assert ends.min() == pytest.approx(0, abs=step)
    assert ends.max() == pytest.approx(points[whole, 2].max(), abs=step)
    assert 0.15 < (values == 0).all(axis=1).mean() < 0.75


@pytest.mark.parametrize("count", [3, 4, 7])
def test_parallel_slices_of_one_grid_count_each(count):
    geometry = ImageGeometry.from_spacing(
        (count, 70, 60), (1.5, 2.0, 8.0), (-45.0, 24.0, -20.0), OWN.direction
    )
    masks = labels_at(geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1)))
    for mask in masks:
        mask[0] = False
    points, values = long_axis_points(geometry, *masks, "stack")
    assert sorted(set(points[:, 1].round(6))) == [24.0 - 8 * k for k in range(1, count)][::-1]
    np.testing.assert_array_equal(values >= 0.5, np.stack(labels_at(points), axis=1))


@pytest.mark.parametrize("geometry", [ISOTROPIC, SHORT_AXIS], ids=["isotropic", "short axis"])
def test_planes_that_cross_in_one_grid_are_refused(geometry):
    crossing = outlined(geometry, (TURNED, 0.0), (np.array([1.0, 0.0, 0.0]), 0.7))
    with pytest.raises(ValueError, match=r"'both' lie neither in one plane.*its own one-slice grid"):
        long_axis_points(geometry, *crossing, "both")


def test_a_speck_beside_the_plane_is_left_out():
    cavity, myocardium = outlined(ISOTROPIC, (TURNED, 0.0))
    myocardium[3, 3, 3] = True
    points, _ = long_axis_points(ISOTROPIC, cavity, myocardium, "two-chamber")
    assert np.abs(points @ TURNED).max() < 0.8
