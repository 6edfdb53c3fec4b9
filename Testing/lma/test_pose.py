"""The pose of phantoms whose place is known from their making."""

import numpy as np
import pytest

from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.pose import INSERTION_ANGLE, Pose, pose_of_slices
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE


@pytest.fixture(params=[(0, False), (1, True), (2, False), (5, True)], ids=str)
def phantom(request):
    seed, left_handed = request.param
    return lv_phantom(
        np.random.default_rng(seed), spacing=(1.4, 1.4, 8.0), left_handed=left_handed, deformation=0.5
    )


def test_axis_apex_and_insertion_of_a_phantom_are_found(phantom):
    pose = pose_of_slices(phantom.geometry, phantom.cavity, phantom.myocardium, phantom.insertion_points)
    direction = phantom.heart_to_ras[:3, 2]
    apex = phantom.heart_to_ras[:3, 3] + direction * phantom.shape.epicardial_length
    assert np.degrees(np.arccos(pose.frame.direction @ direction)) < 8
    assert np.linalg.norm(pose.frame.apex - apex) < 9
    heart = (pose.to_ras([[20.0, 31.5, 31.5], [20, 31.5, 41.5]]) - phantom.heart_to_ras[:3, 3]) @ (
        phantom.heart_to_ras[:3, :3]
    )
    lateral = heart[1, :2] - heart[0, :2]
    turned = np.arctan2(lateral[1], lateral[0])
    found = INSERTION_ANGLE + turned - phantom.shape.insertion_angle(20.0)
    assert abs(np.degrees(np.angle(np.exp(1j * found)))) < 8


def test_every_third_slice_gives_nearly_the_same_pose(phantom):
    whole = pose_of_slices(phantom.geometry, phantom.cavity, phantom.myocardium, phantom.insertion_points)
    sparse = phantom.myocardium.copy()
    shown = np.flatnonzero(sparse.any(axis=(1, 2)))
    sparse[[k for k in shown if (k - shown[0]) % 2]] = False
    found = pose_of_slices(phantom.geometry, phantom.cavity, sparse, phantom.insertion_points, base=0.25)
    assert np.linalg.norm(found.frame.apex - whole.frame.apex) < 8
    assert abs(found.voxel / whole.voxel - 1) < 0.1


def test_base_apex_and_insertion_lie_where_the_grid_has_them():
    frame = LongAxisFrame(
        np.array([3.0, -4, 9]), np.array([-40.0, 38, -50]), np.array([[30.0, 20, 0], [10, 40, -20]])
    )
    pose = Pose.of(frame)
    middle = (SIZE - 1) / 2
    np.testing.assert_allclose(pose.to_grid(frame.base), [BASE, middle, middle], atol=1e-9)
    np.testing.assert_allclose(pose.to_grid(frame.apex), [BASE + LENGTH, middle, middle], atol=1e-9)
    _, j, i = pose.to_grid(frame.positions([0.0], [0.25], [20.0]))[0]
    assert np.arctan2(j - middle, i - middle) == pytest.approx(INSERTION_ANGLE)
    kji = np.random.default_rng(0).uniform(0, SIZE, (20, 3))
    np.testing.assert_allclose(pose.to_grid(pose.to_ras(kji)), kji, atol=1e-9)
    # i to lateral, j to anterior, k to the apex are right-handed, so k, j, i are not.
    assert np.linalg.det(pose.grid_to_ras[:3, :3]) == pytest.approx(-(pose.voxel**3))


def test_two_slices_are_too_few(phantom):
    few = np.zeros_like(phantom.myocardium)
    shown = np.flatnonzero(phantom.myocardium.any(axis=(1, 2)))[2:4]
    few[shown] = phantom.myocardium[shown]
    with pytest.raises(ValueError, match="outlined in 2 slices"):
        pose_of_slices(phantom.geometry, phantom.cavity, few, phantom.insertion_points)
