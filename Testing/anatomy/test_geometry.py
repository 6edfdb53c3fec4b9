"""Image grids: oblique, anisotropic, left-handed and wrong ones."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry

OBLIQUE = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
MIRRORED = OBLIQUE * [1.0, 1.0, -1.0]
SPACING = (1.25, 1.4, 8.0)
ORIGIN = (-31.0, 12.5, 104.0)


def oblique(direction=OBLIQUE, shape=(5, 6, 7)):
    return ImageGeometry.from_spacing(shape, SPACING, ORIGIN, direction)


@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE, MIRRORED])
def test_spacing_origin_and_direction_come_back_from_the_matrix(direction):
    geometry = oblique(direction)
    np.testing.assert_allclose(geometry.spacing, SPACING)
    np.testing.assert_allclose(geometry.origin, ORIGIN)
    np.testing.assert_allclose(geometry.direction, direction, atol=1e-12)
    assert geometry.voxel_volume_ml == pytest.approx(1.25 * 1.4 * 8.0 / 1000)


@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE, MIRRORED])
def test_one_step_along_an_array_axis_moves_by_that_axis_spacing_and_direction(direction):
    """Arrays are indexed k, j, i, the columns of the matrix i, j, k; all spacings differ to show a swap."""
    geometry = oblique(direction)
    np.testing.assert_allclose(geometry.kji_to_ras((0, 0, 0)), ORIGIN)
    for array_axis, column in ((0, 2), (1, 1), (2, 0)):
        step = np.zeros(3)
        step[array_axis] = 1
        moved = geometry.kji_to_ras(step) - geometry.origin
        np.testing.assert_allclose(moved, direction[:, column] * SPACING[column], atol=1e-12)


@pytest.mark.parametrize("direction", [OBLIQUE, MIRRORED])
def test_indices_and_positions_are_inverse_for_any_leading_shape(direction):
    geometry = oblique(direction)
    kji = np.random.default_rng(0).uniform(-4, 9, size=(2, 11, 3))
    ras = geometry.kji_to_ras(kji)
    assert ras.shape == (2, 11, 3)
    np.testing.assert_allclose(geometry.ras_to_kji(ras), kji, atol=1e-10)
    np.testing.assert_allclose(geometry.ras_to_kji(ras[1, 4]), kji[1, 4], atol=1e-10)


def test_a_left_handed_grid_is_ordinary_and_says_so():
    assert oblique(MIRRORED).is_left_handed
    assert not oblique(OBLIQUE).is_left_handed
    assert oblique(MIRRORED).voxel_volume_ml == oblique(OBLIQUE).voxel_volume_ml > 0


def test_grids_match_only_when_every_corner_voxel_lies_at_the_same_place():
    """A turn of 0.001 rad about the first voxel leaves it in place and moves the last one."""
    geometry = oblique()
    assert geometry.matches(ImageGeometry(geometry.shape, geometry.ijk_to_ras))
    assert not geometry.matches(oblique(shape=(5, 6, 8)))
    turned = oblique(Rotation.from_rotvec([0, 0, 1e-3]).as_matrix() @ OBLIQUE)
    corner = np.array(geometry.shape) - 1
    moved = np.linalg.norm(geometry.kji_to_ras(corner) - turned.kji_to_ras(corner))
    np.testing.assert_array_equal(turned.kji_to_ras((0, 0, 0)), geometry.kji_to_ras((0, 0, 0)))
    assert 2e-3 < moved < 0.1
    assert not geometry.matches(turned)
    assert geometry.matches(turned, tolerance_mm=0.1)
    shifted = geometry.ijk_to_ras.copy()
    shifted[:3, 3] += 5e-4
    assert geometry.matches(ImageGeometry(geometry.shape, shifted))


def test_a_grid_cannot_be_changed_behind_the_back_of_its_images():
    matrix = np.diag([2.0, 3.0, 4.0, 1.0])
    geometry = ImageGeometry((2, 3, 4), matrix)
    matrix[0, 0] = 99
    np.testing.assert_allclose(geometry.spacing, (2, 3, 4))
    with pytest.raises(ValueError, match="read-only"):
        geometry.ijk_to_ras[0, 0] = 99


def with_entry(row, column, value):
    matrix = np.diag([1.5, 1.5, 8.0, 1.0])
    matrix[row, column] = value
    return matrix


@pytest.mark.parametrize(
    ("shape", "matrix", "message"),
    [
        ((4, 5, 6), with_entry(1, 3, np.nan), "NaN or infinite"),
        ((4, 5, 6), with_entry(0, 0, np.inf), "NaN or infinite"),
        ((4, 5, 6), with_entry(2, 2, 0.0), "singular"),
        ((4, 5, 6), with_entry(3, 0, 0.2), "not affine"),
        ((4, 5, 6), np.eye(3), "4 x 4"),
        ((4, 0, 6), np.eye(4), "three positive sizes"),
        ((4, 5), np.eye(4), "three positive sizes"),
    ],
)
def test_a_wrong_grid_is_refused_with_what_is_wrong(shape, matrix, message):
    with pytest.raises(ValueError, match=message):
        ImageGeometry(shape, matrix)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_parallel_axes_are_refused_at_every_scale(scale):
    """The determinant of parallel axes is zero up to rounding, which grows with the cube of the spacing."""
    row = scale * OBLIQUE[:, 0] * 1.7
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([row, row * 3.1, scale * OBLIQUE[:, 2]], axis=1)
    with pytest.raises(ValueError, match="singular"):
        ImageGeometry((2, 2, 2), matrix)


def test_a_grid_of_microscopic_voxels_is_accepted():
    geometry = ImageGeometry.from_spacing((2, 2, 2), (5e-5, 5e-5, 5e-5), direction=OBLIQUE)
    np.testing.assert_allclose(geometry.ras_to_kji(geometry.kji_to_ras((1, 0, 1))), (1, 0, 1), atol=1e-9)
