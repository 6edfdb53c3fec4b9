"""Slices of dense maps and meshes: volumes are conserved, linear fields are exact."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.anatomy.slicing import covering_stack, labels_on_slices, points_on_slices, values_on_slices

TILT = Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix()
DENSE = ImageGeometry.from_spacing((60, 60, 60), (1.2, 1.2, 1.2), (-35, -36, -34))
SEMI_AXES = np.array([24.0, 19.0, 28.0])


def ras(geometry):
    return geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))


def ellipsoid(geometry, scale=1.0):
    return ((ras(geometry) / (scale * SEMI_AXES)) ** 2).sum(axis=-1) <= 1


def tilted_stack(spacing=(1.5, 1.5, 8.0)):
    corners = ras(DENSE)[ellipsoid(DENSE)]
    return covering_stack(corners, TILT @ [0, 0, 1], spacing)


@pytest.mark.parametrize("thickness", [None, 8.0])
def test_volume_of_an_ellipsoid_is_kept_on_oblique_slices(thickness):
    stack = tilted_stack()
    sliced = labels_on_slices(ellipsoid(DENSE), DENSE, stack, thickness=thickness)
    expected = 4 / 3 * np.pi * SEMI_AXES.prod() / 1000
    assert sliced.dtype == bool
    assert sliced.sum() * stack.voxel_volume_ml == pytest.approx(expected, rel=0.02)


def test_slice_thickness_averaging_keeps_the_integral_of_soft_values():
    stack = tilted_stack()
    values = np.exp(-((ras(DENSE) / [9.0, 6.0, 8.0]) ** 2).sum(axis=-1))
    total = values.sum() * DENSE.voxel_volume_ml
    averaged = values_on_slices(values, DENSE, stack, thickness=8.0)
    assert averaged.sum() * stack.voxel_volume_ml == pytest.approx(total, rel=0.005)
    assert total == pytest.approx(np.pi**1.5 * 9 * 6 * 8 / 1000, rel=1e-3)


def test_volumes_of_wall_cavity_and_infarct_of_a_heart_are_kept():
    dense = lv_phantom(np.random.default_rng(1), spacing=(1.5, 1.5, 1.5))
    stack = lv_phantom(np.random.default_rng(1), spacing=(1.4, 1.4, 6.0)).geometry
    labels = np.zeros(dense.geometry.shape, dtype=np.int16)
    labels[dense.cavity] = 3
    labels[dense.myocardium] = 5
    labels[dense.myocardium & (dense.circumferential < 0.3) & (dense.radial < 0.6)] = 9
    sliced = labels_on_slices(labels, dense.geometry, stack, thickness=6.0)
    assert sliced.dtype == np.int16
    assert set(np.unique(sliced)) == {0, 3, 5, 9}
    for label in (3, 5, 9):
        ml = (sliced == label).sum() * stack.voxel_volume_ml
        assert ml == pytest.approx((labels == label).sum() * dense.geometry.voxel_volume_ml, rel=0.05)


@pytest.mark.parametrize("thickness", [None, 5.0])
def test_linear_field_is_exact_on_any_grid(thickness):
    def field(places):
        return places @ [0.3, -1.1, 0.7] + 4

    stack = covering_stack(ras(DENSE)[20:40, 20:40, 20:40], TILT @ [0, 0, 1], (2.0, 3.0, 7.0), margin=0)
    sliced = values_on_slices(field(ras(DENSE)), DENSE, stack, thickness=thickness, background=np.inf)
    inside = np.isfinite(sliced)
    assert inside.mean() > 0.9
    np.testing.assert_allclose(sliced[inside], field(ras(stack))[inside], atol=1e-9)


def test_average_over_the_slice_thickness_is_the_covered_share_of_the_slab():
    step = (ras(DENSE)[..., 2] > 1.3).astype(float)
    plane = ImageGeometry.from_spacing((1, 5, 5), (2.0, 2.0, 10.0), (-4, -4, 0))
    for thickness in (4.0, 10.0):
        share = values_on_slices(step, DENSE, plane, thickness=thickness)
        np.testing.assert_allclose(share, 0.5 - (1.4 / thickness), atol=0.6 / thickness)
    np.testing.assert_array_equal(values_on_slices(step, DENSE, plane), 0)


def test_slices_on_the_same_grid_change_nothing_and_outside_lies_background():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, DENSE.shape).astype(np.uint8)
    np.testing.assert_array_equal(labels_on_slices(labels, DENSE, DENSE), labels)
    away = ImageGeometry.from_spacing((2, 3, 4), origin=(500, 0, 0))
    assert not labels_on_slices(labels, DENSE, away).any()
    assert (values_on_slices(labels, DENSE, away, background=-7) == -7).all()


def test_mesh_points_with_a_linear_field_are_sliced_exactly_inside_their_hull():
    rng = np.random.default_rng(2)
    points = rng.uniform(-20, 20, (800, 3))
    stack = covering_stack(points / 3, TILT @ [0, 0, 1], (3.0, 3.0, 4.0), margin=0)
    sliced = points_on_slices(points, points @ [1.0, -2.0, 0.5] + 3, stack)
    np.testing.assert_allclose(sliced, ras(stack) @ [1.0, -2.0, 0.5] + 3, atol=2e-3)


def test_reference_mesh_on_slices_keeps_the_volume_of_an_infarct():
    anatomy, finer = ReferenceAnatomy(slices=11), ReferenceAnatomy(slices=23)
    lesion = (anatomy.circumferential < 0.25) & (anatomy.radial < 0.7)
    lesion &= np.abs(anatomy.longitudinal - 0.5) < 0.3
    matrix = np.array(finer.geometry.ijk_to_ras)
    matrix[2, 3] += (finer.slice_spacing - anatomy.slice_spacing) / 2
    target = ImageGeometry(finer.shape, matrix)
    points = anatomy.geometry.kji_to_ras(anatomy.indices)
    sliced = points_on_slices(points, lesion, target, mask=finer.mask)
    assert not sliced[~finer.mask].any()
    expected = lesion.sum() * anatomy.geometry.voxel_volume_ml
    assert sliced.sum() * target.voxel_volume_ml == pytest.approx(expected, rel=0.02)


def test_gaps_of_the_mesh_stay_background_and_masked_voxels_outside_the_hull_take_the_nearest_value():
    rng = np.random.default_rng(3)
    shell = rng.normal(size=(3000, 3))
    shell *= (20 + rng.uniform(0, 4, 3000))[:, None] / np.linalg.norm(shell, axis=1, keepdims=True)
    grid = ImageGeometry.from_spacing((7, 25, 25), (2.0, 2.0, 6.0), (-24, -24, -18))
    distance = np.linalg.norm(ras(grid), axis=-1)
    filled = points_on_slices(shell, np.ones(3000), grid)
    hollow = points_on_slices(shell, np.ones(3000), grid, largest_gap=4.0)
    np.testing.assert_allclose(filled[distance < 15], 1)
    assert (hollow[distance < 15] == 0).all()
    assert (hollow[(distance > 20.5) & (distance < 23)] > 0.99).all()
    assert (filled[distance > 24.5] == 0).all()
    everywhere = points_on_slices(shell, np.ones(3000), grid, mask=np.ones(grid.shape, dtype=bool))
    np.testing.assert_allclose(everywhere, 1)


def test_covering_stack_covers_the_points_with_slices_across_the_normal():
    points = np.random.default_rng(4).normal(size=(200, 3)) * [10, 20, 30]
    normal = np.array([0.4, -0.5, 0.6])
    stack = covering_stack(points, normal, (1.5, 2.0, 8.0), margin=3)
    np.testing.assert_allclose(stack.direction[:, 2], normal / np.linalg.norm(normal))
    np.testing.assert_allclose(stack.direction.T @ stack.direction, np.eye(3), atol=1e-12)
    assert not stack.is_left_handed
    assert stack.direction[0, 0] < 0 and stack.direction[2, 0] == pytest.approx(0)
    kji = stack.ras_to_kji(points)
    assert (kji >= -0.5).all() and (kji <= np.array(stack.shape) - 0.5).all()
    with pytest.raises(ValueError, match="no length"):
        covering_stack(points, (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: values_on_slices(np.zeros((2, 2, 2)), DENSE, DENSE), "has shape"),
        (lambda: values_on_slices(np.full(DENSE.shape, np.nan), DENSE, DENSE), "NaN"),
        (lambda: values_on_slices(np.zeros(DENSE.shape), DENSE, DENSE, thickness=0), "must be positive"),
        (lambda: labels_on_slices(np.zeros(DENSE.shape), DENSE, DENSE), "bool or integers"),
        (lambda: points_on_slices(np.zeros((5, 2)), np.zeros(5), DENSE), "Points are"),
        (lambda: points_on_slices(np.ones((5, 3)), np.zeros(5), DENSE), "hold no volume"),
        (lambda: points_on_slices(np.full((5, 3), np.nan), np.zeros(5), DENSE), "NaN"),
        (
            lambda: points_on_slices(np.eye(3), np.zeros(3), DENSE, mask=np.ones((1, 1, 1))),
            "The mask has shape",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
