"""Sector values on a surface against analytic activation fields, rotations and plain references."""

import numpy as np
import pytest

from cardiactwins.lma.activation_map import SectorValues, activation_map
from cardiactwins.lma.long_axis_frame import LongAxisFrame


def field(turn, height):
    """A smooth activation (ms): latest in the lateral base, with two harmonics."""
    around = 60 - 35 * np.cos(2 * np.pi * (turn - 0.1)) + 8 * np.sin(4 * np.pi * turn)
    return around * (1.2 - 0.5 * height**2) + 12 * np.sin(2.5 * height)


def sampled(slices, sectors=18, first=0.06, last=0.94):
    heights = np.linspace(first, last, slices)
    middles = (np.arange(sectors) + 0.5) / sectors
    return SectorValues(field(middles[None], heights[:, None]), heights)


def places(n, seed=0, low=0.06, high=0.94):
    rng = np.random.default_rng(seed)
    return rng.random(n), rng.uniform(low, high, n)


def test_the_error_of_an_analytic_field_falls_with_the_number_of_slices():
    turn, height = places(4000)
    errors = [
        np.abs(activation_map(sampled(slices, 72), turn, height).values - field(turn, height)).max()
        for slices in (4, 6, 8)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.2


def test_the_error_falls_with_the_fourth_power_of_the_sectors_around():
    turn = places(4000)[0]
    errors = []
    for sectors in (9, 18, 36):
        middles = (np.arange(sectors) + 0.5) / sectors
        measured = SectorValues(field(middles, 0.5)[None], [0.5])
        found = activation_map(measured, turn, np.full_like(turn, 0.5)).values
        errors.append(np.abs(found - field(turn, 0.5)).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 3.3).all()


def test_values_at_the_sectors_come_back_exactly():
    measured = sampled(6)
    heights, middles = np.meshgrid(measured.longitudinal, measured.middles, indexing="ij")
    found = activation_map(measured, middles.ravel(), heights.ravel())
    np.testing.assert_allclose(found.values.reshape(6, 18), measured.values, atol=1e-9)
    assert found.slice_distance.max() < 1e-12 and not found.extrapolated.any()


def test_turning_the_sectors_turns_the_map():
    measured = sampled(5)
    turn, height = places(500)
    turned = SectorValues(np.roll(measured.values, 4, axis=1), measured.longitudinal)
    np.testing.assert_allclose(
        activation_map(turned, turn + 4 / 18, height).values,
        activation_map(measured, turn, height).values,
        atol=1e-9,
    )


def test_the_seam_at_the_insertion_is_as_smooth_as_any_other_place():
    at = np.array([0.0, 1e-9, 1 - 1e-9, 0.5 / 18, 17.5 / 18])
    values = activation_map(sampled(4), at, np.full(5, 0.5)).values
    np.testing.assert_allclose(values[:3], values[0], atol=1e-5)


def test_beyond_the_slices_the_map_is_that_of_the_nearest_slice_and_says_so():
    measured = sampled(4, first=0.3, last=0.7)
    turn = np.linspace(0, 1, 7)
    beyond = activation_map(measured, np.tile(turn, 2), np.repeat([0.0, 1.0], 7))
    edge = activation_map(measured, np.tile(turn, 2), np.repeat([0.3, 0.7], 7))
    np.testing.assert_array_equal(beyond.values, edge.values)
    assert beyond.extrapolated.all() and not edge.extrapolated.any()
    np.testing.assert_allclose(beyond.slice_distance, 0.3)


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_few_slices_still_give_a_map_exact_for_what_they_can_hold(slices):
    heights = np.linspace(0.2, 0.8, slices)
    middles = (np.arange(18) + 0.5) / 18
    order = slices - 1
    measured = SectorValues((20 + 30 * heights[:, None] ** order) * np.ones_like(middles), heights)
    turn, height = places(100, low=0.2, high=0.8)
    found = activation_map(measured, turn, height).values
    np.testing.assert_allclose(found, 20 + 30 * height**order if order else 50, atol=1e-9)


def test_a_missing_sector_is_filled_from_its_neighbours_also_across_the_insertion():
    values = np.linspace(0, 17, 18)[None].repeat(2, axis=0)
    values[0, 0] = values[1, 9] = np.nan
    filled = SectorValues(values, [0.2, 0.8]).filled()
    assert filled[0, 0] == pytest.approx((17 + 1) / 2) and filled[1, 9] == pytest.approx(9)


def test_errors_follow_those_of_repeated_noise():
    measured = sampled(5)
    errors = np.random.default_rng(3).uniform(2, 9, measured.values.shape)
    turn, height = places(40)
    predicted = activation_map(SectorValues(measured.values, measured.longitudinal, errors), turn, height)
    rng = np.random.default_rng(4)
    runs = [
        activation_map(
            SectorValues(measured.values + errors * rng.standard_normal(errors.shape), measured.longitudinal),
            turn,
            height,
        ).values
        for _ in range(1500)
    ]
    np.testing.assert_allclose(np.std(runs, axis=0), predicted.errors, rtol=0.1)


def test_slices_may_come_in_any_order():
    measured = sampled(6)
    order = [3, 0, 5, 1, 4, 2]
    shuffled = SectorValues(measured.values[order], measured.longitudinal[order])
    turn, height = places(50)
    np.testing.assert_array_equal(
        activation_map(shuffled, turn, height).values, activation_map(measured, turn, height).values
    )


@pytest.mark.parametrize(
    ("values", "heights", "message"),
    [
        (np.zeros((2, 18)), [0.5, 0.5], "different finite heights"),
        (np.zeros((2, 18)), [0.5], "one height a slice"),
        (np.zeros((2, 18)), [20, 40], "from 0 \\(base\\) to 1 \\(apex\\); found \\[20.0, 40.0\\]"),
        (np.zeros((2, 18)), [-0.6, 0.4], "found \\[-0.6, 0.4\\]"),
        (np.zeros((2, 3)), [0.2, 0.5], "at least 4 sectors; found 3"),
        ([[np.nan] * 18, [1.0] * 18], [0.2, 0.5], "Slice 1 has no value"),
        ([[np.inf] * 18], [0.2], "infinite"),
    ],
)
def test_wrong_sectors_are_refused(values, heights, message):
    with pytest.raises(ValueError, match=message):
        SectorValues(values, heights)


def a_frame(rotation=None, insertion=None):
    rotation = np.eye(3) if rotation is None else rotation
    points = np.array([[0, 0, 0], [0, 0, -90.0], [30.0, 0, 0], [28 * np.cos(0.3), 28 * np.sin(-0.3), -60]])
    base, apex, first, second = points @ rotation.T + [5, -7, 11]
    return LongAxisFrame(base, apex, np.array([first, second]) if insertion is None else insertion)


def test_the_circumference_runs_counter_clockwise_seen_from_the_apex():
    frame = LongAxisFrame(np.zeros(3), np.array([0, 0, -90.0]), np.array([30.0, 0, -10]))
    # The viewer at the apex looks up along +z: x to the right, then +y points down, -y up.
    turn, height = frame.coordinates([[0, -30, -45.0], [-30, 0, -45.0], [0, 30, -45.0]])
    np.testing.assert_allclose(turn, [0.25, 0.5, 0.75])
    np.testing.assert_allclose(height, 0.5)


def test_coordinates_and_positions_are_each_others_inverse():
    frame = a_frame()
    rng = np.random.default_rng(0)
    turn, height, radius = rng.random(200), rng.uniform(-0.1, 1.1, 200), rng.uniform(5, 40, 200)
    found = frame.coordinates(frame.positions(turn, height, radius))
    np.testing.assert_allclose(found[0], turn, atol=1e-9)
    np.testing.assert_allclose(found[1], height, atol=1e-9)


def test_rotating_the_patient_rotates_the_map():
    from scipy.spatial.transform import Rotation

    points = a_frame().positions(*places(300), np.full(300, 30.0))
    rotation = Rotation.from_rotvec([0.4, -1.1, 2.0]).as_matrix()
    shift = np.array([5, -7, 11])
    still = a_frame().coordinates(points)
    turned = a_frame(rotation).coordinates((points - shift) @ rotation.T + shift)
    measured = sampled(6)
    np.testing.assert_allclose(
        activation_map(measured, *turned).values, activation_map(measured, *still).values, atol=1e-6
    )


def test_the_insertion_turns_evenly_between_its_levels_and_stays_beyond():
    frame = a_frame()
    heights = np.array([-0.2, 0.0, 1 / 3, 2 / 3, 1.2])
    on_x = frame.base + heights[:, None] * frame.length * frame.direction + np.array([20.0, 0, 0])
    turn = frame.coordinates(on_x)[0]
    signed = np.mod(turn + 0.5, 1) - 0.5
    np.testing.assert_allclose(signed, np.array([0, 0, -0.15, -0.3, -0.3]) / (2 * np.pi), atol=1e-9)


@pytest.mark.parametrize(
    ("base", "apex", "insertion", "message"),
    [
        ([0, 0, 0], [0, 0, 0.1], [[30, 0, 0]], "0.1 mm apart"),
        ([0, 0, 0], [0, 0, -90], np.empty((0, 3)), "no RV insertion point"),
        ([0, 0, 0], [0, 0, -90], [[0, 0, -40]], "lies on the long axis"),
        ([0, 0, np.nan], [0, 0, -90], [[30, 0, 0]], "The base is one point"),
    ],
)
def test_a_frame_that_cannot_be_is_refused(base, apex, insertion, message):
    with pytest.raises(ValueError, match=message):
        LongAxisFrame(np.array(base), np.array(apex), np.array(insertion))
