"""Outlined slices of phantoms whose place is known: order, choice, resampling, shifts, contours."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.lma.contours import SliceContours, stack_of_contours
from cardiactwins.lma.interpolated_volume import interpolated_volume
from cardiactwins.lma.prepared_heart import prepare_heart
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.shape_volume import BASE, LENGTH, phantom_volume
from cardiactwins.lma.slice_shifts import slice_shifts
from cardiactwins.lma.slice_stack import SliceStack, outlines_in_grid, pose_of_stack, stack_of_labels
from cardiactwins.lma.sparse_slices import cut_slices


def phantom(seed, slices=8, **options):
    return lv_phantom(np.random.default_rng(seed), slices=slices, spacing=(1.4, 1.4, 8.0), **options)


def stack_of(heart):
    return stack_of_labels(heart.geometry, heart.cavity, heart.myocardium)


def in_plane(stack):
    """Two unit vectors (2, 3) in the slices."""
    first = stack.plane.direction[:, 0]
    return np.stack([first, np.cross(stack.normal, first)])


def bent_stack(seed, slices):
    """Unshifted slices of a ventricle that disease and chance have deformed more than `phantom` does."""
    volume = phantom_volume(np.random.default_rng(seed))
    cut = cut_slices(volume, slices)
    matrix = np.diag([volume.voxel, volume.voxel, 1.0, 1.0])
    plane = ImageGeometry((1, 64, 64), matrix)
    heights = cut.positions * volume.voxel
    return SliceStack(cut.cavity, cut.myocardium, plane, heights, np.zeros((slices, 3)))


def without_tilt(values, heights):
    """Values (S, 2) less the straight line through them: what no method can tell from place and tilt."""
    line = np.column_stack([np.ones(len(heights)), heights])
    return values - line @ np.linalg.lstsq(line, values, rcond=None)[0]


@pytest.mark.parametrize("left_handed", [False, True])
def test_slices_run_from_base_to_apex_however_they_are_stored(left_handed):
    heart = phantom(3, left_handed=left_handed)
    stack = stack_of(heart)
    direction = heart.heart_to_ras[:3, 2]
    assert stack.normal @ direction > 0.99
    heights = (stack.centers() - heart.heart_to_ras[:3, 3]) @ direction
    expected = (np.arange(8) + 0.5) / 8 * heart.shape.epicardial_length
    np.testing.assert_allclose(heights, expected, atol=0.8)


def test_the_axis_with_gaps_is_across_the_slices_where_all_voxel_edges_are_alike():
    geometry = ImageGeometry.from_spacing((40, 60, 40), (1.5, 1.5, 1.5))
    k, j, i = np.indices(geometry.shape)
    radius = np.hypot(k - 20, i - 20)
    shown = np.isin(j, (5, 15, 25, 36, 50))
    tapered = radius + j / 8
    stack = stack_of_labels(geometry, shown & (tapered < 12), shown & (tapered >= 12) & (tapered < 17))
    np.testing.assert_allclose(np.diff(stack.heights), [15, 15, 16.5, 21])
    np.testing.assert_allclose(stack.normal, [0, 1, 0], atol=1e-12)


def test_a_chosen_number_of_slices_keeps_the_outermost_ones():
    stack = stack_of(phantom(1, slices=12))
    for count in (3, 4, 6, 8):
        few = stack.chosen(count)
        assert len(few) == count
        assert few.heights[0] == stack.heights[0] and few.heights[-1] == stack.heights[-1]
    with pytest.raises(ValueError, match="13 slices are asked for"):
        stack.chosen(13)


def test_areas_on_the_normalised_grid_are_those_of_the_slices():
    heart = phantom(2)
    stack = stack_of(heart)
    pose = pose_of_stack(stack, heart.insertion_points)
    outlines = outlines_in_grid(stack, pose)
    np.testing.assert_allclose(
        outlines.cavity.sum(axis=(1, 2)) * pose.voxel**2, stack.cavity.sum(axis=(1, 2)) * 1.4**2, rtol=0.02
    )
    np.testing.assert_allclose(
        (outlines.cavity + outlines.myocardium).sum(axis=(1, 2)) * pose.voxel**2, stack.areas(), rtol=0.02
    )


def test_myocardium_outside_of_the_box_is_refused():
    heart = phantom(2)
    stack = stack_of(heart)
    pose = pose_of_stack(stack, heart.insertion_points)
    moved = stack.moved(np.tile(70.0 * in_plane(stack)[0], (8, 1)))
    with pytest.raises(ValueError, match="outside of the box"):
        outlines_in_grid(moved, pose)


def test_a_heart_that_is_wide_for_its_length_gets_larger_voxels_and_a_higher_apex():
    heart = phantom(2)
    matrix = heart.geometry.ijk_to_ras.copy()
    matrix[:3, :2] *= 2.2
    wide = ImageGeometry(heart.geometry.shape, matrix)
    stack = stack_of_labels(wide, heart.cavity, heart.myocardium)
    insertion = wide.kji_to_ras(heart.geometry.ras_to_kji(heart.insertion_points))
    pose = pose_of_stack(stack, insertion)
    outlines = outlines_in_grid(stack, pose)
    assert pose.voxel > 1.05 * pose.frame.length / LENGTH
    assert outlines.apex == pytest.approx(BASE + pose.frame.length / pose.voxel)
    assert outlines.positions[-1] < outlines.apex < BASE + LENGTH - 2
    np.testing.assert_allclose(
        (outlines.cavity + outlines.myocardium).sum(axis=(1, 2)) * pose.voxel**2, stack.areas(), rtol=0.02
    )
    found = interpolated_volume(outlines, pose.voxel)
    last = np.flatnonzero(found.mask.any(axis=(1, 2)))[-1]
    assert outlines.apex - 3 < last <= outlines.apex


def test_two_slices_are_too_few_and_a_missing_cavity_is_named():
    heart = phantom(2)
    with pytest.raises(ValueError, match="outlined in 2 slices"):
        stack_of_labels(heart.geometry, heart.cavity, heart.myocardium & (np.arange(8) < 2)[:, None, None])
    with pytest.raises(ValueError, match="cavity is empty"):
        stack_of_labels(heart.geometry, np.zeros_like(heart.cavity), heart.myocardium)


@pytest.mark.parametrize("slices", [5, 8, 12])
def test_imposed_shifts_are_recognised_up_to_place_and_tilt(slices):
    left, imposed, false = [], [], []
    for seed in range(10):
        stack = stack_of(phantom(seed, slices=slices))
        rng = np.random.default_rng(100 + seed)
        angle, length = rng.uniform(0, 2 * np.pi, slices), rng.uniform(2, 5, slices)
        shift = length[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        shift[rng.random(slices) < 0.6] = 0
        axes = in_plane(stack)
        found = slice_shifts(stack.moved(shift @ axes)).shifts @ axes.T
        imposed.append(without_tilt(shift, stack.heights))
        left.append(without_tilt(shift - found, stack.heights))
        false.append(slice_shifts(stack).lengths)
        false.append(slice_shifts(bent_stack(seed, slices)).lengths)
    rms = [np.sqrt((np.concatenate(values) ** 2).sum(axis=1).mean()) for values in (imposed, left)]
    assert rms[1] < (0.75 if slices == 5 else 0.5) * rms[0]
    assert (np.concatenate(false) > 0).mean() < 0.04
    assert np.sqrt((np.concatenate(false) ** 2).mean()) < 0.6


def test_correcting_shifts_brings_the_reconstruction_nearer_to_the_truth_and_never_spoils_it():
    gains, losses = [], []
    for seed in range(3):
        heart = phantom(seed, slices=8)
        stack = stack_of(heart)
        rng = np.random.default_rng(seed)
        shift = np.zeros((8, 2))
        shift[[2, 5]] = 4 * np.array([[np.cos(a), np.sin(a)] for a in rng.uniform(0, 2 * np.pi, 2)])
        for given, scores in ((stack.moved(shift @ in_plane(stack)), gains), (stack, losses)):
            dice = [_dice_with_truth(given, heart, correct, seed) for correct in (False, True)]
            scores.append(dice[1] - dice[0])
    assert min(gains) > 0.01 and np.mean(gains) > 0.03
    assert min(losses) > -0.005


def _dice_with_truth(stack, heart, correct, seed):
    """Of the wall, at the voxels of a dense grid of the same heart."""
    dense = lv_phantom(np.random.default_rng(seed), slices=20, spacing=(2.0, 2.0, 4.0))
    prepared = prepare_heart(stack, heart.insertion_points, correct_shifts=correct)
    volume = reconstruct(prepared.outlines, method="interpolation").volume
    places = prepared.pose.to_grid(
        dense.geometry.kji_to_ras(np.moveaxis(np.indices(dense.geometry.shape), 0, -1))
    )
    found = map_coordinates(volume.myocardium, np.moveaxis(places, -1, 0), order=1) >= 0.5
    return 2 * (found & dense.myocardium).sum() / (found.sum() + dense.myocardium.sum())


def circle(radius, height, center=(0.0, 0.0), points=60):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(points)]) * radius
    return ring + np.array([*center, height])


def cone(heights=(0.0, 10.0, 25.0, 33.0, 50.0)):
    return [
        SliceContours(circle(35 - h / 4, h), circle(25 - h / 3, h), f"slice {n}")
        for n, h in enumerate(heights, 1)
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_contours_become_slices_with_the_areas_they_enclose(order):
    contours = cone()
    stack = stack_of_contours(contours[::order])
    heights = np.array([0.0, 10.0, 25.0, 33.0, 50.0])
    np.testing.assert_allclose(np.diff(stack.heights), np.diff(heights), atol=1e-9)
    np.testing.assert_allclose(stack.normal, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(stack.areas(), np.pi * (35 - heights / 4) ** 2, rtol=0.01)
    np.testing.assert_allclose(stack.cavity.sum(axis=(1, 2)), np.pi * (25 - heights / 3) ** 2, rtol=0.01)
    np.testing.assert_allclose(stack.centers()[:, :2], 0, atol=0.1)


def test_contours_that_cannot_be_a_stack_are_refused():
    contours = cone()
    with pytest.raises(ValueError, match="Contours of 2 slices"):
        stack_of_contours(contours[:2])
    with pytest.raises(ValueError, match="out of order: slice 2"):
        stack_of_contours([contours[i] for i in (0, 2, 1, 3)])
    with pytest.raises(ValueError, match="same height"):
        stack_of_contours([contours[0], contours[1], contours[1], contours[3]])
    tilted = contours[2].epicardium @ np.array([[0, 0, 1.0], [0, 1, 0], [-1, 0, 0]])
    with pytest.raises(ValueError, match="not parallel: slice 3"):
        stack_of_contours([*contours[:2], SliceContours(tilted, None, "slice 3"), contours[3]])
    swapped = SliceContours(contours[1].endocardium, contours[1].epicardium, "slice 2")
    with pytest.raises(ValueError, match="endocardium of slice 2 reaches outside"):
        stack_of_contours([contours[0], swapped, *contours[2:]])
