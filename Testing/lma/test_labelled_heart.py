"""Densely labelled hearts on the normalised grid."""

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.labelled_heart import pose_of_labels, volume_of_labels
from cardiactwins.lma.shape_volume import BASE, LENGTH

STEP = 1.5
BASE_Z, APEX_Z, INNER_TIP = 0.0, 90.0, 78.0
INNER, OUTER = 20.0, 30.0


def cup(axes=None, origin=(-45.0, -45.0, -6.0)):
    """Half ellipsoids, base at z = 0 and apex at z = 90 mm in their own frame, in a turned image grid."""
    geometry = ImageGeometry.from_spacing((68, 60, 60), (STEP,) * 3, (0, 0, 0))
    local = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1)) + np.array(origin)
    x, y, z = np.moveaxis(local, -1, 0)
    below = z >= BASE_Z
    cavity = below & ((x / INNER) ** 2 + (y / INNER) ** 2 + (z / INNER_TIP) ** 2 < 1)
    wall = below & ((x / OUTER) ** 2 + (y / OUTER) ** 2 + (z / APEX_Z) ** 2 < 1) & ~cavity
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) if axes is None else axes
    turned = np.eye(4)
    turned[:3, 3] = origin
    return ImageGeometry(geometry.shape, matrix @ turned @ geometry.ijk_to_ras), cavity, wall, matrix[:3, :3]


def turn():
    """A rotation of 30 degrees about an oblique axis, (3, 3)."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(np.radians(30) * np.array([2, -1, 2]) / 3).as_matrix()


@pytest.mark.parametrize("axes", [None, turn()], ids=["straight", "turned"])
def test_base_apex_and_insertion_come_to_lie_where_the_grid_has_them(axes):
    geometry, cavity, wall, matrix = cup(axes)
    insertion = matrix @ np.array([OUTER * np.cos(2.0), OUTER * np.sin(2.0), 10.0])
    pose = pose_of_labels(geometry, cavity, wall, insertion_points=insertion)
    assert pose.frame.length == pytest.approx(APEX_Z - BASE_Z, abs=2 * STEP)
    # The ragged first layer of an oblique grid is left out.
    np.testing.assert_allclose(pose.frame.base, np.zeros(3), atol=2 * STEP)
    np.testing.assert_allclose(pose.frame.apex, matrix @ np.array([0, 0, APEX_Z]), atol=1.5 * STEP)
    turns, _ = pose.frame.coordinates(insertion[None])
    assert min(turns[0], 1 - turns[0]) < 0.02


def test_shares_keep_the_volumes_and_nothing_is_above_the_base():
    geometry, cavity, wall, _ = cup()
    found = volume_of_labels(geometry, cavity, wall, insertion_points=np.array([[OUTER, 0, 10.0]]))
    voxel = STEP**3 / 1000
    assert found.cavity_ml == pytest.approx(cavity.sum() * voxel, rel=0.04)
    assert found.wall_ml == pytest.approx(wall.sum() * voxel, rel=0.04)
    assert not found.myocardium[: int(BASE) + 1].any() and not found.cavity[: int(BASE) + 1].any()
    assert found.voxel == pytest.approx(APEX_Z / LENGTH, rel=0.03)
    assert found.myocardium.min() >= 0 and (found.cavity + found.myocardium).max() <= 1 + 1e-6
    # Radii at half height: the ellipsoids' own.
    height = round(BASE + LENGTH / 2)
    z = (height - BASE) / LENGTH * APEX_Z
    area = np.pi * (OUTER**2 * (1 - (z / APEX_Z) ** 2) - INNER**2 * (1 - (z / INNER_TIP) ** 2))
    assert found.myocardium[height].sum() * found.voxel**2 == pytest.approx(area, rel=0.04)


def test_a_base_that_is_open_at_one_side_is_left_out():
    geometry, cavity, wall, _ = cup()
    z = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))[..., 2]
    x = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))[..., 0]
    whole = pose_of_labels(geometry, cavity, wall, insertion_points=np.array([[0, OUTER, 10.0]]))
    open_wall = wall & ~((z < 15) & (x > 5))
    cut = pose_of_labels(geometry, cavity, open_wall, insertion_points=np.array([[0, OUTER, 30.0]]))
    assert cut.frame.base[2] - whole.frame.base[2] == pytest.approx(15, abs=4)


def test_stacks_and_labels_without_a_ring_are_refused():
    geometry, cavity, wall, _ = cup()
    insertion = np.array([[OUTER, 0, 10.0]])
    matrix = geometry.ijk_to_ras.copy()
    matrix[:3, 2] *= 5
    thick = ImageGeometry((len(wall[::5]), *wall.shape[1:]), matrix)
    with pytest.raises(ValueError, match="a stack of slices"):
        volume_of_labels(thick, cavity[::5], wall[::5], insertion_points=insertion)
    x = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))[..., 0]
    with pytest.raises(ValueError, match="whole ring"):
        volume_of_labels(geometry, cavity, wall & (x > 0), insertion_points=insertion)
