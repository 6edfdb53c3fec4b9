"""What the comparison of reconstructions measures, on shapes whose figures are known."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.lma.heart_reconstruction import HeartReconstruction, WallSurface
from cardiactwins.lma.shape_volume import BASE, SIZE, ShapeVolume

pytest.importorskip("vtkmodules")
BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"


@pytest.fixture(scope="module")
def measures():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return runpy.run_path(str(BENCHMARKS / "lma_measures.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def cup(inner=15.0, outer=20.0, shift=0.0, voxel=1.5):
    """Half a sphere below the base plane; shift: to the side in voxels."""
    k, j, i = np.indices((SIZE,) * 3) - np.array([BASE, 31.5, 31.5 + shift])[:, None, None, None]
    distance = np.sqrt(k**2 + j**2 + i**2)
    cavity, whole = (np.clip(r + 0.5 - distance, 0, 1) * (k > 0) for r in (inner, outer))
    return ShapeVolume(cavity.astype(np.float32), (whole - cavity).astype(np.float32), voxel)


def test_the_truth_itself_agrees_in_all(measures):
    positions = np.array([8, 14, 20])
    found = measures["measure"](cup(), cup(), positions, mm=True)
    assert (found.dsc, found.jaccard, found.dsc_inside, found.dsc_outside) == (1, 1, 1, 1)
    assert (found.hd95_voxels, found.hd95_mm, found.distance_voxels, found.sound) == (0, 0, 0, 1)


def test_a_shifted_cup_is_off_by_its_shift_and_mm_follow_the_voxel(measures):
    found = measures["measure"](cup(shift=2), cup(), np.array([8, 14, 20]), mm=True)
    assert 1 < found.hd95_voxels <= 2
    assert found.hd95_mm == pytest.approx(1.5 * found.hd95_voxels)
    assert found.jaccard == pytest.approx(found.dsc / (2 - found.dsc))
    unknown = measures["measure"](cup(shift=2), cup(), np.array([8, 14, 20]), mm=False)
    assert np.isnan(unknown.hd95_mm)


def test_what_is_missing_beyond_the_slices_is_counted_there(measures):
    true = cup()
    kept = (np.arange(SIZE) <= 20)[:, None, None]
    found = measures["measure"](
        ShapeVolume(true.cavity * kept, true.myocardium * kept, 1.5), true, np.array([6, 14, 20]), mm=True
    )
    assert found.dsc_inside == 1
    assert found.dsc_outside == 0


def test_an_empty_answer_has_no_overlap_and_no_distance(measures):
    empty = ShapeVolume(np.zeros((SIZE,) * 3, np.float32), np.zeros((SIZE,) * 3, np.float32), 1.5)
    found = measures["measure"](empty, cup(), np.array([8, 14, 20]), mm=True)
    assert found.dsc == found.jaccard == found.sound == 0
    assert np.isnan(found.hd95_voxels)


def test_the_wall_of_a_cup_is_as_thick_as_it_is(measures):
    """Volume over mean area of two half spheres: 2/3 (R^3 - r^3) / (R^2 + r^2)."""
    expected = 2 / 3 * (20**3 - 15**3) / (20**2 + 15**2)
    assert measures["wall_voxels"](cup()) == pytest.approx(expected, rel=0.05)


def test_steps_are_rougher_than_a_sphere_and_a_larger_sphere_smoother(measures):
    k, j, i = np.indices((SIZE,) * 3) - 31.5
    distance = np.sqrt(k**2 + j**2 + i**2)
    steps = np.sqrt((np.floor(k / 4) * 4) ** 2 + j**2 + i**2) < 20
    small, large = (measures["roughness"](distance < radius) for radius in (12, 24))
    assert large < small
    assert measures["roughness"](steps) > 1.2 * measures["roughness"](distance < 20)


def test_true_deviations_cover_and_correlate(measures):
    """Points off the true surface by draws from a normal distribution of the stated widths."""
    truth = cup()
    rng = np.random.default_rng(4)
    direction = rng.normal(size=(2000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    direction[:, 0] = np.abs(direction[:, 0]) + 0.1
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    stated = rng.uniform(0.2, 1.2, 2000)
    points = (BASE, 31.5, 31.5) + direction * (20 + stated * rng.normal(size=2000))[:, None]
    surface = WallSurface(points, np.zeros((0, 3), dtype=np.int64), np.ones(2000, dtype=np.uint8))
    found = measures["uncertainty"](HeartReconstruction(truth, surface, stated, (), "drawn"), truth)
    assert found.coverage == pytest.approx(0.9, abs=0.03)
    assert found.correlation > 0.3


def test_neighbours_tell_a_tube_wholly_and_a_jagged_one_not_at_all(measures):
    j, i = np.indices((SIZE, SIZE)) - 31.5
    distance = np.hypot(j, i)
    cavity, wall = distance < 10, (distance >= 10) & (distance < 16)
    planes = ((np.arange(SIZE) > BASE) & (np.arange(SIZE) < 58))[:, None, None]
    tube = ShapeVolume(*[(planes * part).astype(np.float32) for part in (cavity, wall)], 1.0)
    assert measures["missed_between_neighbours"](tube) == 0

    # Every second plane moves aside by a voxel: each is told to lie where the others do.
    other = (np.arange(SIZE) % 2 == 1)[:, None, None]
    jagged = ShapeVolume(
        *[np.where(other, np.roll(part, 1, axis=2), part) for part in (tube.cavity, tube.myocardium)], 1.0
    )
    moved = 1 - 2 * (wall & np.roll(wall, 1, axis=1)).sum() / (2 * wall.sum())
    assert measures["missed_between_neighbours"](jagged) == pytest.approx(moved)
