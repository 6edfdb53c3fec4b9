"""Ventricles on the normalised grid, the slices cut from them, and what is measured on both."""

import numpy as np
import pytest

from cardiactwins.anatomy.phantoms import draw_lv_shape
from cardiactwins.lma.agreement import agreement, is_sound, surface_points
from cardiactwins.lma.pca_shape import PCAShapeModel
from cardiactwins.lma.shape_volume import BASE, LENGTH, SIZE, phantom_volume, rasterize
from cardiactwins.lma.sparse_slices import PAPER_POSITIONS, SparseSlices, cut_slices, slice_positions


@pytest.fixture(scope="module")
def volumes():
    return [phantom_volume(np.random.default_rng(seed)) for seed in range(34)]


def half_ellipsoid(radius, length, equator):
    """Volume (ml) of an ellipsoid of revolution cut above its equator, the base at height 0."""
    below = length - equator
    return np.pi * radius**2 * (2 / 3 * below + equator - equator**3 / (3 * below**2)) / 1000


@pytest.mark.parametrize("seed", range(4))
def test_volumes_of_undeformed_hearts_are_those_of_their_ellipsoids(seed):
    shape = draw_lv_shape(np.random.default_rng(seed), deformation=0.0)
    volume = rasterize(shape)
    cavity = half_ellipsoid(shape.endocardial_radius, shape.endocardial_length, shape.equator)
    whole = half_ellipsoid(shape.endocardial_radius + shape.wall, shape.epicardial_length, shape.equator)
    assert volume.cavity_ml == pytest.approx(cavity, rel=0.01)
    assert volume.wall_ml == pytest.approx(whole - cavity, rel=0.02)


def test_every_heart_spans_the_same_slices_and_keeps_off_the_edges(volumes):
    for volume in volumes:
        present = np.flatnonzero(volume.mask.any(axis=(1, 2)))
        assert abs(present[0] - BASE) <= 3 and abs(present[-1] - (BASE + LENGTH)) <= 3
        together = volume.cavity + volume.myocardium
        assert together[:, [0, -1]].max() == together[:, :, [0, -1]].max() == together[[0, -1]].max() == 0
        assert together.max() <= 1 + 1e-6 and together.min() >= 0


def test_phantoms_are_single_cups_open_at_the_base_alone(volumes):
    assert all(is_sound(volume.mask) for volume in volumes)


def test_the_same_seed_gives_the_same_heart():
    again = [phantom_volume(np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(again[0].myocardium, again[1].myocardium)


@pytest.mark.parametrize("count", [3, 4, 6, 8, 10, 16])
def test_slices_lie_within_a_tenth_of_the_ends(count):
    positions = slice_positions(count)
    assert len(np.unique(positions)) == count
    assert 0 < (positions[0] - BASE) / LENGTH < 0.1 and 0.9 < (positions[-1] - BASE) / LENGTH < 1


def test_slices_are_those_of_the_volume(volumes):
    slices = cut_slices(volumes[0], PAPER_POSITIONS)
    np.testing.assert_array_equal(slices.myocardium[3], volumes[0].myocardium[PAPER_POSITIONS[3]])
    assert len(slices.without(2)) == 9 and 23 not in slices.without(2).positions


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([20, 30], "3 to 16 slices; found 2"),
        ([30, 20, 40], "rising"),
        ([20, 30, 64], "from 0 to 63"),
        ([20, 30, 62], "Slice 3 holds no myocardium"),
    ],
)
def test_slices_that_cannot_be_used_are_refused(volumes, positions, message):
    with pytest.raises(ValueError, match=message):
        cut_slices(volumes[0], positions)


def test_slices_of_another_size_are_refused():
    with pytest.raises(ValueError, match="must be"):
        SparseSlices(np.array([1, 2, 3]), np.zeros((3, 8, 8)), np.ones((3, 8, 8)))


def test_agreement_of_shifted_cubes_is_that_of_their_overlap():
    a, b = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    a[5:15, 5:15, 5:15] = True
    b[7:17, 5:15, 5:15] = True
    found = agreement(a, b)
    assert found.dsc == pytest.approx(0.8) and found.jaccard == pytest.approx(2 / 3)
    assert found.hd95 == 2 and 0 < found.mean_distance < 2
    assert agreement(a, a).dsc == 1 and agreement(a, a).hd95 == 0
    with pytest.raises(ValueError, match="hold voxels"):
        agreement(a, np.zeros_like(a))


def test_surface_distances_agree_with_every_pair_of_points(volumes):
    a, b = volumes[1].mask[::2, ::2, ::2], volumes[2].mask[::2, ::2, ::2]
    between = np.linalg.norm(surface_points(a)[:, None] - surface_points(b)[None], axis=-1)
    there, back = between.min(axis=1), between.min(axis=0)
    found = agreement(a, b)
    assert found.hd95 == pytest.approx(max(np.quantile(there, 0.95), np.quantile(back, 0.95)))
    assert found.mean_distance == pytest.approx(np.concatenate([there, back]).mean())


def test_a_pierced_a_split_a_hollow_and_an_open_wall_are_not_sound(volumes):
    sound = volumes[0].mask
    pierced, split, hollow, opened = (sound.copy() for _ in range(4))
    wall = np.flatnonzero(sound[30, 32])
    pierced[29:32, 31:34, wall[wall < 32].min() - 1 : wall[wall < 32].max() + 2] = False
    split[2, 2, 2] = True
    thick = np.zeros_like(sound)
    thick[10:50, 10:50, 10:50] = True
    thick[10:45, 15:45, 15:45] = False
    hollow = thick.copy()
    hollow[47, 30, 30] = False
    opened[45:] = False
    assert is_sound(thick)
    assert not any(map(is_sound, (pierced, split, hollow, opened)))


@pytest.fixture(scope="module")
def model(volumes):
    return PCAShapeModel.fit(volumes[4:], 10)


def test_the_mean_and_one_mode_of_a_shape_model_come_back_from_their_slices(model):
    for scores in (np.zeros(10), np.eye(10)[0] * 1.5):
        true = model.volume(scores)
        found = model.reconstruct(cut_slices(true, 8), prior=0.01)
        assert agreement(found.mask, true.mask).dsc > 0.97


def test_a_shape_model_meets_unseen_hearts_better_than_its_mean(model, volumes):
    for volume in volumes[:4]:
        found = model.reconstruct(cut_slices(volume, 8))
        fitted, mean = (agreement(m.mask, volume.mask).dsc for m in (found, model.volume(np.zeros(10))))
        assert fitted > mean + 0.05 and fitted > 0.75


def test_a_shape_model_needs_more_shapes_than_modes(volumes):
    with pytest.raises(ValueError, match="more than 5 shapes; found 4"):
        PCAShapeModel.fit(volumes[:4], 5)


def test_levels_between_coarse_voxels_are_linear():
    from cardiactwins.lma.pca_shape import _upsampled

    ramp = np.indices((32, 32, 32)).sum(axis=0) * 2.0
    fine = _upsampled(ramp)
    places = np.indices((SIZE, SIZE, SIZE)).sum(axis=0)
    np.testing.assert_allclose(fine[:62, :62, :62], places[:62, :62, :62], rtol=1e-5, atol=1e-3)
