"""Phantoms: volumes by formula, orientation by the right-hand rule, insertions where the ventricles meet."""

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.anatomy.phantoms import draw_lv_shape, lv_phantom


def truncated_ellipsoid_ml(radius, length, equator):
    """Volume between the base plane and the apex of an ellipsoid whose equator lies below the base plane."""
    below = length - equator
    return np.pi * radius**2 * (2 / 3 * below + equator - equator**3 / (3 * below**2)) / 1000


def volumes_ml(phantom):
    ml = phantom.geometry.voxel_volume_ml
    return phantom.cavity.sum() * ml, phantom.myocardium.sum() * ml


@pytest.mark.parametrize("oblique", [True, False])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.3, 1.7, 4.0)])
def test_undeformed_phantom_has_the_volumes_of_its_ellipsoids(oblique, spacing):
    phantom = lv_phantom(np.random.default_rng(2), spacing=spacing, oblique=oblique, deformation=0)
    shape = phantom.shape
    inner = truncated_ellipsoid_ml(shape.endocardial_radius, shape.endocardial_length, shape.equator)
    outer = truncated_ellipsoid_ml(
        shape.endocardial_radius + shape.wall, shape.epicardial_length, shape.equator
    )
    cavity, wall = volumes_ml(phantom)
    assert cavity == pytest.approx(inner, rel=0.025)
    assert wall == pytest.approx(outer - inner, rel=0.025)


def test_hearts_have_published_adult_volumes():
    rng = np.random.default_rng(0)
    shapes = [draw_lv_shape(rng) for _ in range(1500)]
    volumes = np.array(
        [truncated_ellipsoid_ml(s.endocardial_radius, s.endocardial_length, s.equator) for s in shapes]
    )
    assert volumes.mean() == pytest.approx((160 + 132) / 2, abs=3)
    assert volumes.std() == pytest.approx(np.sqrt((27**2 + 23**2) / 2 + 14**2), abs=3)
    diameters = np.array([2 * s.endocardial_radius for s in shapes])
    assert 46 < diameters.mean() < 54


@pytest.mark.parametrize("left_handed", [False, True])
def test_circumferential_coordinate_turns_counter_clockwise_seen_from_the_apex(left_handed):
    phantom = lv_phantom(np.random.default_rng(3), left_handed=left_handed, slices=9)
    assert phantom.geometry.is_left_handed is left_handed
    area = phantom.cavity.sum(axis=(1, 2))
    center = [
        phantom.geometry.kji_to_ras(np.argwhere(phantom.cavity & (np.arange(9) == k)[:, None, None])).mean(0)
        for k in np.flatnonzero(area)
    ]
    toward_apex = center[int(np.argmin(area[area > 0]))] - center[int(np.argmax(area))]
    middle = int(np.argmax(area))
    voxels = np.argwhere(phantom.myocardium[middle])
    offset = (
        phantom.geometry.kji_to_ras(np.insert(voxels, 0, middle, axis=1)) - center[middle - (area == 0).sum()]
    )
    turn = phantom.circumferential[middle][tuple(voxels.T)]
    quarter = [offset[np.abs(turn - at) < 0.05].mean(axis=0) for at in (0.125, 0.375)]
    assert np.cross(*quarter) @ toward_apex > 0


def test_insertion_points_lie_on_the_epicardium_where_the_coordinate_starts():
    phantom = lv_phantom(np.random.default_rng(4), spacing=(1.0, 1.0, 8.0))
    septum = phantom.shape.septum / (2 * np.pi)
    for points, expected in ((phantom.insertion_points, 0), (phantom.inferior_insertion_points, septum)):
        assert len(points) == phantom.geometry.shape[0]
        kji = phantom.geometry.ras_to_kji(points)
        np.testing.assert_allclose(kji[:, 0], np.arange(len(points)), atol=1e-6)
        for k, row, column in kji[3:]:
            inside = np.argwhere(phantom.myocardium[round(k)])
            near = inside[np.hypot(*(inside - (row, column)).T) < 1.5]
            turn = phantom.circumferential[round(k)][tuple(near.T)]
            assert np.abs(np.mod(turn - expected + 0.5, 1) - 0.5).max() < 0.02
            assert phantom.radial[round(k)][tuple(near.T)].max() > 0.8


@pytest.mark.parametrize("seed", range(4))
def test_right_ventricle_touches_the_wall_from_insertion_to_insertion(seed):
    phantom = lv_phantom(np.random.default_rng(seed), spacing=(1.0, 1.0, 8.0))
    cross = ndimage.generate_binary_structure(2, 1)[None]
    contact = ndimage.binary_dilation(phantom.right_ventricle, cross) & phantom.myocardium
    middle = phantom.geometry.shape[0] * 2 // 3
    turn = np.mod(phantom.circumferential[middle][contact[middle]] + 0.5, 1) - 0.5
    septum = phantom.shape.septum / (2 * np.pi)
    assert turn.min() == pytest.approx(0, abs=0.02)
    assert turn.max() == pytest.approx(septum, abs=0.02)
    assert not (phantom.right_ventricle & (phantom.myocardium | phantom.cavity)).any()


def test_same_seed_gives_the_same_heart_on_any_grid():
    stack = lv_phantom(np.random.default_rng(5), spacing=(1.5, 1.5, 8.0))
    dense = lv_phantom(np.random.default_rng(5), spacing=(1.5, 1.5, 1.5), left_handed=True)
    assert stack.shape.endocardial_radius == dense.shape.endocardial_radius
    np.testing.assert_allclose(volumes_ml(stack), volumes_ml(dense), rtol=0.04)
    assert np.array_equal(stack.heart_to_ras, dense.heart_to_ras)


def test_slices_share_the_long_axis_evenly_when_their_number_is_given():
    phantom = lv_phantom(np.random.default_rng(6), slices=11)
    assert phantom.geometry.shape[0] == 11
    assert phantom.geometry.spacing[2] * 11 == pytest.approx(phantom.shape.epicardial_length)
    assert phantom.myocardium.any(axis=(1, 2)).all()


def test_open_base_lacks_septal_wall_next_to_the_base_only():
    closed, opened = (
        lv_phantom(np.random.default_rng(7), spacing=(1.5, 1.5, 3.0), open_base=flag)
        for flag in (False, True)
    )
    missing = closed.myocardium & ~opened.myocardium
    height = closed.longitudinal * closed.shape.epicardial_length
    assert missing.any() and not (opened.myocardium & ~closed.myocardium).any()
    assert height[missing].max() <= opened.shape.outflow_depth
    assert np.abs(closed.circumferential[missing] - 0.45 * closed.shape.septum / (2 * np.pi)).max() < 42 / 360
    basal = opened.circumferential[np.abs(height - 1.5) <= 1.5]
    assert np.nanmin(np.abs(basal - 0.45 * opened.shape.septum / (2 * np.pi))) > 30 / 360


def test_thin_wall_is_a_few_voxels_thick():
    phantom = lv_phantom(np.random.default_rng(8), spacing=(1.0, 1.0, 8.0), thin_wall=True)
    middle = phantom.geometry.shape[0] // 2
    depth = ndimage.distance_transform_edt(np.pad(phantom.myocardium[middle], 1)).max()
    assert 1.5 < depth < 3


@pytest.mark.parametrize("options", [{"slices": 0}, {"spacing": (1.5, 1.5, 0.0)}, {"spacing": (1.5, 1.5)}])
def test_impossible_grid_is_refused(options):
    with pytest.raises(ValueError, match="at least 1 slice and three positive voxel sizes"):
        lv_phantom(np.random.default_rng(0), **options)
