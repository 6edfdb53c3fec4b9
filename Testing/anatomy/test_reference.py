"""The reference ventricle against the numbers of the papers and the geometry of ellipsoids."""

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy

MID_LEVEL = ReferenceAnatomy()
STACK = ReferenceAnatomy(slices=11)


def displayed_at(anatomy, degrees, radius, slice_index=0):
    """The voxel shown at an angle, counter-clockwise from the right, when rows run down the screen."""
    middle = (anatomy.size - 1) / 2
    row = round(middle - radius * np.sin(np.radians(degrees)))
    column = round(middle + radius * np.cos(np.radians(degrees)))
    place = np.zeros(anatomy.shape, dtype=bool)
    place[slice_index, row, column] = True
    (voxel,) = np.flatnonzero(anatomy.from_image(place))
    return voxel


def test_mid_level_slice_has_the_1892_pixels_and_the_radii_of_the_papers():
    assert MID_LEVEL.n_voxels == 1892
    assert MID_LEVEL.shape == (1, 80, 80)
    endocardium, epicardium = MID_LEVEL.slice_radii
    np.testing.assert_allclose(endocardium / epicardium, 3 / 5, rtol=2e-3)


@pytest.mark.parametrize("slices", [11, 21])
def test_the_2d_reference_is_the_middle_slice_of_the_stacks_of_both_papers(slices):
    stack = ReferenceAnatomy(slices=slices)
    assert stack.mask[slices // 2].sum() == 1892
    np.testing.assert_array_equal(stack.mask[slices // 2], MID_LEVEL.mask[0])


@pytest.mark.parametrize(
    ("degrees", "coordinate"), [(120, 0), (180, 1 / 6), (270, 5 / 12), (0, 2 / 3), (90, 11 / 12)]
)
def test_the_circumferential_coordinate_runs_counter_clockwise_from_the_upper_left(degrees, coordinate):
    voxel = displayed_at(MID_LEVEL, degrees, 24)
    difference = np.mod(MID_LEVEL.circumferential[voxel] - coordinate + 0.5, 1) - 0.5
    assert abs(difference) < 1 / (2 * np.pi * 24)


def test_as_displayed_left_is_the_patients_right_up_is_anterior_and_later_slices_are_nearer_to_the_base():
    def ras(degrees, slice_index):
        return STACK.geometry.kji_to_ras(STACK.indices[displayed_at(STACK, degrees, 24, slice_index)])

    left, right, top, bottom = (ras(degrees, 5) for degrees in (180, 0, 90, 270))
    assert left[0] > 20 > -20 > right[0]
    assert top[1] > 20 > -20 > bottom[1]
    assert ras(0, 6)[2] - ras(0, 5)[2] == pytest.approx(96 / 11)
    assert STACK.longitudinal[STACK.indices[:, 0] == 10].max() == 0
    assert STACK.longitudinal[STACK.indices[:, 0] == 0].min() == 1


def test_positions_are_those_of_the_grid_measured_from_the_long_axis():
    ras = STACK.geometry.kji_to_ras(STACK.indices)
    np.testing.assert_allclose(STACK.positions, ras * [-1, -1, 1], atol=1e-9)


def test_the_transmural_coordinate_grows_linearly_from_endocardium_to_epicardium():
    for degrees in (3, 75, 190):
        for radius in (19, 22, 26, 30):
            voxel = displayed_at(MID_LEVEL, degrees, radius)
            true_radius = np.hypot(*MID_LEVEL.positions[voxel, :2])
            assert MID_LEVEL.radial[voxel] == pytest.approx((true_radius - 18.4) / (30.7 - 18.4), abs=1e-9)
    assert MID_LEVEL.radial.min() < 0.02
    assert MID_LEVEL.radial.max() > 0.98


def test_cavity_and_wall_have_the_volumes_of_half_ellipsoids():
    """Half an ellipsoid with base radius A and length L holds 2/3 pi A^2 L; 24 slices come near to it."""
    anatomy = ReferenceAnatomy(
        slices=24,
        size=200,
        endocardial_radius=46.0,
        epicardial_radius=76.75,
        endocardial_length=210.0,
        epicardial_length=240.0,
    )

    def volume(mid_radius, length):
        base_radius = mid_radius / np.sqrt(1 - (120 / length) ** 2)
        return 2 / 3 * np.pi * base_radius**2 * length

    cavity, whole = volume(46.0, 210.0), volume(76.75, 240.0)
    assert anatomy.slice_spacing == 10
    assert anatomy.cavity.sum() * 10 == pytest.approx(cavity, rel=5e-3)
    assert anatomy.n_voxels * 10 == pytest.approx(whole - cavity, rel=5e-3)
    assert not (anatomy.cavity & anatomy.mask).any()


def test_slices_share_the_long_axis_evenly_and_the_apical_ones_are_capped_with_muscle():
    np.testing.assert_allclose(STACK.slice_heights, (np.arange(11)[::-1] + 0.5) * 96 / 11)
    endocardium, epicardium = STACK.slice_radii
    assert (np.diff(endocardium) >= 0).all()
    assert (np.diff(epicardium) > 0).all()
    beyond_the_cavity = STACK.slice_heights > 84
    assert beyond_the_cavity.any()
    assert (endocardium[beyond_the_cavity] == 0).all()
    assert not STACK.cavity[beyond_the_cavity].any()
    assert (STACK.mask.sum(axis=(1, 2)) > 0).all()


def test_images_and_values_on_the_wall_are_inverse():
    values = np.random.default_rng(0).normal(size=(3, 2, STACK.n_voxels))
    images = STACK.to_image(values, background=-7)
    assert images.shape == (3, 2, 11, 80, 80)
    np.testing.assert_array_equal(STACK.from_image(images), values)
    assert (images[:, :, ~STACK.mask] == -7).all()
    lesions = values[0] > 0
    assert STACK.to_image(lesions).dtype == bool
    np.testing.assert_array_equal(STACK.from_image(STACK.to_image(lesions)), lesions)


def test_voxel_numbers_follow_the_order_of_the_array():
    numbers = MID_LEVEL.to_image(np.arange(MID_LEVEL.n_voxels), background=-1)
    np.testing.assert_array_equal(numbers[MID_LEVEL.mask], np.arange(1892))
    k, j, i = MID_LEVEL.indices[1000]
    assert numbers[k, j, i] == 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slices": 0}, "at least 1 slice"),
        ({"size": 6}, "8 x 8 pixels"),
        ({"endocardial_radius": 30.7}, "smaller than the epicardial"),
        ({"endocardial_radius": -1.0}, "must be positive"),
        ({"endocardial_radius": float("nan")}, "must be positive"),
        ({"endocardial_length": 96.0}, "between mid-level and the epicardial apex"),
        ({"endocardial_length": 48.0}, "between mid-level and the epicardial apex"),
        ({"slices": 11, "size": 64}, "does not fit a grid of 64"),
        ({"endocardial_radius": 30.0, "epicardial_radius": 50.0}, "does not fit a grid of 80"),
    ],
)
def test_a_ventricle_that_cannot_be_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValueError, match=message):
        ReferenceAnatomy(**changes)


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 80, 80\); found \(11, 80, 80\)"):
        MID_LEVEL.from_image(np.zeros(STACK.shape))
