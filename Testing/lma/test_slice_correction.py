"""What a deformed atlas misses of its slices, carried on between them."""

import numpy as np
import pytest

pytest.importorskip("skimage")

from cardiactwins.lma import slice_correction
from cardiactwins.lma.agreement import agreement
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.outline_distances import outline_distances
from cardiactwins.lma.shape_volume import ShapeVolume, phantom_volume
from cardiactwins.lma.slice_correction import _remainders, _trust, meet_slices
from cardiactwins.lma.sparse_slices import cut_slices

ROWS, COLUMNS = np.indices((64, 64)) - 31.5
AWAY = np.hypot(ROWS, COLUMNS)


def disk(radius):
    return np.clip(radius + 0.5 - AWAY, 0, 1).astype(np.float32)


def tube(inner, outer):
    """A straight wall from slice 6 to 57: radii (64,) or one number of both borders in voxels."""
    inner, outer = np.broadcast_to(inner, 64), np.broadcast_to(outer, 64)
    cavity, whole = (np.stack([disk(r) for r in radii]) for radii in (inner, outer))
    cavity[:6] = whole[:6] = cavity[58:] = whole[58:] = 0
    return ShapeVolume(cavity, whole - cavity, 1.0)


def met(found, true, positions):
    outlines = SliceOutlines(np.array(positions, float), true.cavity[positions], true.myocardium[positions])
    at_slices = np.stack([found.cavity[positions], found.myocardium[positions]])
    return meet_slices(found, at_slices, outlines)


def corrected(found, true, positions):
    heart = met(found, true, positions)
    return heart.volume, heart.changed


def radii(volume):
    """Mean radius of the whole heart in each slice, from its area."""
    return np.sqrt((volume.cavity + volume.myocardium).sum(axis=(1, 2)) / np.pi)


def averaged(atlas, interpolated, apart):
    """What both make of a radius between slices that are so many voxels apart."""
    trust = 1 / (1 + (apart / 6) ** 2)
    return (1 - trust) * atlas + trust * interpolated


def test_the_distance_to_an_outline_is_that_to_a_circle_in_its_own_plane():
    planes = np.stack([disk(11.3), np.zeros((64, 64)), disk(4.2)])
    found = outline_distances(planes, 12.0)
    for number, radius in ((0, 11.3), (2, 4.2)):
        near = np.abs(AWAY - radius) < 11.5
        np.testing.assert_allclose(found[number][near], (AWAY - radius)[near], atol=0.12)
        assert found[number].max() == 12
    assert (found[1] == 12).all()
    short = outline_distances(planes, 3.0)
    near = np.abs(found) < 2.9
    np.testing.assert_array_equal(short[near], found[near])
    assert (np.sign(short) == np.sign(found)).all() and np.abs(short).max() == 6


def test_a_remainder_grows_linearly_from_one_slice_to_the_next():
    positions = [12, 22, 32, 42]
    wanted = np.interp(np.arange(64), positions, [15.0, 16.0, 14.5, 15.0])
    found, changed = corrected(tube(8.0, 15.0), tube(8.0, wanted), positions)
    assert changed
    np.testing.assert_allclose(radii(found)[12:43], wanted[12:43], atol=0.12)


def test_a_remainder_is_averaged_over_half_a_pixel():
    plane = disk(12.0)[None]
    wanted = outline_distances(plane, 16.0)
    wanted[0, 31, 43] += 1
    found = _remainders(plane, wanted)[0]
    weights = np.exp(-2 * np.arange(-2, 3) ** 2)
    expected = np.outer(weights, weights) / weights.sum() ** 2
    np.testing.assert_allclose(found[29:34, 41:46], expected, atol=1e-3)
    assert np.abs(found).sum() == pytest.approx(1, abs=1e-6)


def test_beyond_the_slices_a_correction_fades():
    found, _ = corrected(tube(8.0, 15.0), tube(8.0, 16.0), [20, 30, 40])
    reached = radii(found)
    assert abs(reached[20] - 16) < 0.12
    for height in (17, 14, 9):
        faded = 15 + np.exp(-(20 - height) / 6)
        assert abs(reached[height] - averaged(faded, 16, apart=max(10, 3 * (20 - height)))) < 0.12
    assert abs(reached[9] - faded) < 0.15 < 16 - faded


def test_a_remainder_moves_a_border_by_two_voxels_at_most_and_a_wall_stays():
    found, _ = corrected(tube(8.0, 15.0), tube(8.0, 19.0), [20, 30, 40])
    assert abs(radii(found)[30] - averaged(17, 19, apart=10)) < 0.12
    thin, changed = corrected(tube(8.0, 11.0), tube(10.0, 10.5), [20, 30, 40])
    assert changed
    thickness = radii(thin)[30] - np.sqrt(thin.cavity[30].sum() / np.pi)
    assert abs(thickness - 1) < 0.1


def test_where_the_heart_would_come_apart_nothing_changes():
    waist = np.where(np.abs(np.arange(64) - 30) < 3, 1.3, 12.0)
    found, true = tube(-1.0, waist), tube(-1.0, waist - np.where(waist > 2, 4.0, 0.0))
    same, changed = corrected(found, true, [14, 20, 40])
    assert not changed and same is found


def test_a_phantom_that_is_nearly_met_is_met_better_everywhere():
    true = phantom_volume(np.random.default_rng([7, 1]))
    blurred = phantom_volume(np.random.default_rng([7, 1]), deformation=0.5)
    slices = cut_slices(true, 8)
    outlines = SliceOutlines(slices.positions, slices.cavity, slices.myocardium)
    index = slices.positions.astype(int)
    heart = meet_slices(blurred, np.stack([blurred.cavity[index], blurred.myocardium[index]]), outlines)
    assert heart.changed
    before, after = (1 - agreement(volume.mask, true.mask).dsc for volume in (blurred, heart.volume))
    assert after < 0.7 * before


def test_beyond_the_slices_interpolation_counts_as_between_slices_three_times_as_far_apart():
    trust = _trust(np.array([20.0, 30.0, 40.0]))
    inside = 1 / (1 + (10 / 6) ** 2)
    assert trust[20:41] == pytest.approx(np.full(21, inside))
    assert trust[[17, 43]] == pytest.approx([inside] * 2)
    assert trust[[14, 46]] == pytest.approx([1 / (1 + 3**2)] * 2)


def test_where_averaging_would_tear_the_heart_the_atlas_is_corrected_alone(monkeypatch):
    """A thin tube, straight, of which slices show another place: interpolation has nothing between."""
    found, true = tube(-1.0, 3.0), tube(-1.0, 3.0)
    for share in (true.cavity, true.myocardium):
        share[21:40] = np.roll(share[21:40], 10, axis=2)
    heart = met(found, true, [16, 24, 32, 40])
    assert heart.changed and heart.moved[1].max() > 1
    monkeypatch.setattr(slice_correction, "_trust", lambda positions: np.zeros(64))
    np.testing.assert_array_equal(
        heart.volume.myocardium, met(found, true, [16, 24, 32, 40]).volume.myocardium
    )


def test_a_cavity_that_one_slice_shows_is_left_to_the_atlas():
    true, found = tube(np.where(np.arange(64) < 16, 6.0, -1.0), 14.0), tube(6.0, 14.0)
    heart = met(found, true, [12, 30, 48])
    assert heart.changed and not heart.moved[0].any()
    assert heart.volume.cavity[21].sum() > 0.6 * found.cavity[21].sum()


@pytest.mark.parametrize("apart", [6, 12])
def test_between_slices_the_atlas_counts_the_more_the_farther_they_are_apart(apart):
    """An atlas that is wider between slices in which it is right; interpolation knows nothing of it."""
    positions = np.arange(9, 58, apart)
    wave = np.sin(np.pi * (np.arange(64) - positions[0]) / apart)
    found, changed = corrected(tube(8.0, 15 + 1.5 * np.abs(wave)), tube(8.0, 15.0), positions)
    assert changed
    middle = positions[1] + apart // 2
    moved = met(tube(8.0, 15 + 1.5 * np.abs(wave)), tube(8.0, 15.0), positions).moved
    border = np.abs(AWAY - 16) < 0.5
    assert np.abs(moved[1, middle][border] - 1.5 / (1 + (apart / 6) ** 2)).max() < 0.1
    assert moved[0, middle][np.abs(AWAY - 8) < 0.5].max() < 0.02
    assert abs(radii(found)[middle] - averaged(16.5, 15, apart)) < 0.1
    assert abs(radii(found)[positions[1]] - 15) < 0.1
