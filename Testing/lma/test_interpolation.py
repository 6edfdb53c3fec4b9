"""Signed-distance interpolation between slices, on shapes known in closed form."""

from math import ceil

import numpy as np
import pytest

from cardiactwins.lma.agreement import agreement
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.interpolated_volume import interpolated_volume
from cardiactwins.lma.interpolation import interpolate_slices, signed_distance
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE

SPACING = 1.5
HEIGHTS = np.arange(-48.0, 48.0, SPACING)
Y, X = np.meshgrid(np.arange(-40.0, 40.0, SPACING), np.arange(-36.0, 36.0, SPACING), indexing="ij")


def shell(heights):
    """Part of a shell between ellipsoids, a ventricle with its apex at -42 mm and its base at 20 mm."""
    z = np.asarray(heights, dtype=float)[:, None, None]
    outer = (X / 30) ** 2 + (Y / 28) ** 2 + (z / 42) ** 2
    inner = (X / 21) ** 2 + (Y / 19) ** 2 + (z / 35) ** 2
    return (outer <= 1) & (inner > 1) & (z <= 20)


def dice(first, second) -> float:
    return 2 * np.count_nonzero(first & second) / (first.sum() + second.sum())


def from_slices(count: int, **options):
    """The shell from slices whose outermost lie a tenth of the length inside its ends."""
    positions = np.linspace(-42 + 6.2, 20 - 6.2, count)
    return interpolate_slices(shell(positions), positions, HEIGHTS, spacing=SPACING, **options)


def test_more_slices_give_a_better_shell():
    truth = shell(HEIGHTS)
    reached = [dice(from_slices(count, reach=(6.2, 6.2)), truth) for count in (3, 4, 6, 8, 12)]
    assert reached == sorted(reached)
    assert reached[0] < 0.93 and reached[3] > 0.95


def test_a_slice_comes_back_where_it_was_cut():
    positions = np.array([-30.0, -18.0, -3.0, 12.0])
    slices = shell(positions)
    order = [2, 0, 3, 1]
    back = interpolate_slices(slices[order], positions[order], positions, spacing=SPACING)
    assert np.array_equal(back, slices)


def test_a_cone_is_exact_between_and_beyond_its_slices():
    """Distances to circles whose radius changes evenly with height are linear in height."""
    radius = np.hypot(X, Y)

    def cone(heights):
        return radius < 25 + 0.25 * np.asarray(heights, dtype=float)[:, None, None]

    positions = np.array([-20.0, -4.0, 8.0, 24.0])
    heights = np.arange(-32, 33, 4.0)
    found = interpolate_slices(cone(positions), positions, heights, spacing=SPACING, reach=(12, 8))
    areas = np.count_nonzero(found, axis=(1, 2)) * SPACING**2
    error = np.sqrt(areas / np.pi) - (25 + 0.25 * heights)
    assert np.abs(error).max() < SPACING / 3 and abs(error.mean()) < SPACING / 10


def test_outlines_between_pixels_tell_more_than_masks():
    """A hollow cone, known to a fiftieth of a voxel up to its last slice; by masks of it not to a quarter."""
    heights = np.arange(SIZE)
    inner, outer = 8.3 + 0.02 * heights, 14.6 - 0.05 * heights
    distance = np.hypot(*(np.indices((SIZE, SIZE)) - 31.3))
    cavity, whole = (
        np.clip(radius[:, None, None] + 0.5 - distance, 0, 1).astype(np.float32) for radius in (inner, outer)
    )
    positions = np.array([10, 25, 41, 52])
    outlines = SliceOutlines(positions.astype(float), cavity[positions], (whole - cavity)[positions])
    found = interpolated_volume(outlines)
    inside = slice(ceil(BASE), positions[-1] + 1)
    for share, radius in ((found.cavity, inner), (found.cavity + found.myocardium, outer)):
        error = np.sqrt(share[inside].sum(axis=(1, 2)) / np.pi) - radius[inside]
        assert np.abs(error).max() < 0.02
    assert not found.myocardium[: ceil(BASE)].any() and not found.myocardium[int(outlines.apex) + 1 :].any()
    masks = interpolate_slices(whole[positions] >= 0.5, positions, heights)[15:45]
    error = np.sqrt(masks.sum(axis=(1, 2)) / np.pi) - outer[15:45]
    assert np.abs(error).max() > 0.25


@pytest.mark.parametrize("last", [44, 50, 54])
def test_beyond_the_last_slice_a_ventricle_closes_at_its_apex(last):
    """A shell between ellipsoids, whose caps are nearly paraboloids."""
    k, j, i = (np.indices((SIZE,) * 3).T - np.array([BASE, 31.5, 31.5])).T
    across = np.hypot(j, i)
    with np.errstate(invalid="ignore"):
        radius = {
            name: np.nan_to_num(width * np.sqrt(1 - (k / length) ** 2))
            for name, width, length in (("outer", 21, LENGTH), ("inner", 14, LENGTH - 6))
        }
    whole, cavity = (np.clip(radius[name] + 0.5 - across, 0, 1) * (k > 0) for name in ("outer", "inner"))
    cavity *= radius["inner"] > 0
    positions = np.array([8, 20, 32, last])
    shares = cavity.astype(np.float32), (whole - cavity).astype(np.float32)
    outlines = SliceOutlines(positions.astype(float), *(share[positions] for share in shares))
    found = interpolated_volume(outlines)
    assert agreement(found.mask, shares[1] >= 0.5).sound
    beyond = slice(last + 1, SIZE)
    for share, true in ((found.cavity, shares[0]), (found.cavity + found.myocardium, sum(shares))):
        assert share[beyond].sum() == pytest.approx(true[beyond].sum(), rel=0.25, abs=15)


def test_a_pixel_of_one_half_is_no_cavity():
    distance = np.hypot(*(np.indices((SIZE, SIZE)) - 32))
    positions = np.array([10.0, 25.0, 40.0])
    cavity = np.stack([np.clip(radius + 0.5 - distance, 0, 1) for radius in (9, 6, 0)]).astype(np.float32)
    whole = np.stack([np.clip(radius + 0.5 - distance, 0, 1) for radius in (15, 13, 9)]).astype(np.float32)
    assert (cavity[-1] >= 0.5).sum() == 1 and cavity[-1].max() == 0.5
    found = interpolated_volume(SliceOutlines(positions, cavity, whole - cavity))
    assert np.isfinite(found.cavity).all() and np.isfinite(found.myocardium).all()
    assert found.mask[38:58, 32, 32].all() and not found.mask[6:30, 32, 32].any()


def test_nothing_lies_beyond_the_reach():
    positions = np.array([-20.0, 0.0, 20.0])
    square = np.zeros((3, 10, 10), dtype=bool)
    square[:, 3:7, 3:7] = True
    heights = [-31, -29, -10, 29, 31]
    filled = interpolate_slices(square, positions, heights).any(axis=(1, 2))
    assert filled.tolist() == [False, True, True, True, False]
    assert interpolate_slices(square, positions, heights, reach=(0, 15)).any(axis=(1, 2)).tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_a_tapering_shape_closes_at_its_tip():
    positions = np.array([-6.0, 4.0, 14.0])
    cone = np.hypot(X, Y) < 12 + 0.8 * positions[:, None, None]
    filled = interpolate_slices(cone, positions, HEIGHTS, spacing=SPACING, reach=(40, 0)).any(axis=(1, 2))
    assert HEIGHTS[filled].min() == pytest.approx(-15, abs=2 * SPACING)


def test_signed_distance_of_a_half_plane_is_the_distance_to_its_edge():
    mask = np.zeros((4, 10), dtype=bool)
    mask[:, :4] = True
    np.testing.assert_allclose(signed_distance(mask, 2.0)[1], 2.0 * (np.arange(10) - 3.5))


def test_bad_input_is_named():
    square = np.zeros((2, 6, 6), dtype=bool)
    square[:, 2:4, 2:4] = True
    with pytest.raises(ValueError, match="at least 2 slices"):
        interpolate_slices(square[:1], [0], [0])
    with pytest.raises(ValueError, match="same height"):
        interpolate_slices(square, [1, 1], [0])
    with pytest.raises(ValueError, match="empty"):
        interpolate_slices(square & [[[True]], [[False]]], [0, 1], [0])
    with pytest.raises(ValueError, match="NaN"):
        interpolate_slices(square, [0, np.nan], [0])
