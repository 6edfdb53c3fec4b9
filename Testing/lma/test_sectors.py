"""Sectors against the AHA's order of the wall, the strain matrix against plain loops."""

import numpy as np
import pytest

from cardiactwins.lma.low_rank import low_rank, noise_level, significant_rank
from cardiactwins.lma.sectors import (
    checked_strain_matrix,
    circumferential_turns,
    sector_strain,
    sectors_of,
    trim_frames,
)

CENTER = np.array([40.0, 40.0])
TIMES = np.arange(1, 21) * 17.0


def around(turns, start_degrees, radius=20.0):
    """Points that follow each other counter-clockwise on a screen whose rows run downwards."""
    angle = np.radians(start_degrees) + 2 * np.pi * np.asarray(turns)
    return CENTER + radius * np.stack([np.cos(angle), -np.sin(angle)], axis=-1)


def test_coordinates_start_at_the_insertion_and_run_counter_clockwise_on_the_screen():
    turns = np.array([0.0, 0.1, 0.25, 0.5, 0.99])
    found = circumferential_turns(around(turns, 120), CENTER, around(0.0, 120, 33.0))
    assert found == pytest.approx(turns, abs=1e-12)


def test_the_septum_at_the_left_of_the_screen_follows_the_anterior_insertion():
    """Insertion at 120 degrees (upper left): 180 degrees is the middle of the septum."""
    left = CENTER - [20.0, 0.0]
    assert circumferential_turns(left, CENTER, around(0.0, 120)) == pytest.approx(1 / 6)


def test_a_view_from_the_base_runs_the_other_way():
    point, insertion = around(0.2, 120), around(0.0, 120)
    assert circumferential_turns(point, CENTER, insertion, seen_from_apex=False) == pytest.approx(0.8)


def test_coordinates_never_reach_one_turn():
    found = circumferential_turns(around([-1e-17, 1 - 1e-17, -1e-15], 77), CENTER, around(0.0, 77))
    assert (found < 1).all()
    assert (found >= 0).all()


def test_an_insertion_in_the_centre_is_refused():
    with pytest.raises(ValueError, match="centre"):
        circumferential_turns(around([0.1], 0), CENTER, CENTER)


def test_each_sector_holds_its_share_of_the_turn():
    middles = (np.arange(18) + 0.5) / 18
    assert (sectors_of(middles) == np.arange(18)).all()
    assert (sectors_of(middles + 3.0) == np.arange(18)).all()
    assert sectors_of([0.0, 1.0, 0.999999], 6).tolist() == [0, 0, 5]
    with pytest.raises(ValueError, match="at least 4"):
        sectors_of(middles, 3)


def test_strain_matrix_is_the_mean_over_mid_wall_points():
    rng = np.random.default_rng(0)
    turns, depth = rng.random(2000), rng.random(2000)
    strain = rng.standard_normal((5, 2000))
    strain[2, 7] = np.nan
    found = sector_strain(strain, turns, sectors=12, depth=depth)
    for sector in range(12):
        for frame in range(5):
            values = [
                strain[frame, p]
                for p in range(2000)
                if sector / 12 <= turns[p] < (sector + 1) / 12 and 1 / 3 <= depth[p] <= 2 / 3
            ]
            assert found[sector, frame] == pytest.approx(np.nanmean(values))


def test_turning_the_insertion_by_a_sector_moves_the_rows():
    rng = np.random.default_rng(1)
    points = around(rng.random(1500), 0, radius=18 + rng.random((1500, 1)))
    strain = rng.standard_normal((4, 1500))
    matrices = [
        sector_strain(strain, circumferential_turns(points, CENTER, around(start, 0)))
        for start in (0.0, 1 / 18)
    ]
    assert matrices[1] == pytest.approx(np.roll(matrices[0], -1, axis=0))


def test_sectors_without_points_are_named():
    with pytest.raises(ValueError, match=r"9 of 18 sectors have no points.*sector 10"):
        sector_strain(np.zeros((3, 100)), np.linspace(0, 0.499, 100))
    with pytest.raises(ValueError, match="turns"):
        sector_strain(np.zeros((3, 100)), np.zeros(99))


def test_low_rank_keeps_what_is_of_that_rank_and_takes_noise_away():
    rng = np.random.default_rng(2)
    clean = rng.standard_normal((18, 3)) @ rng.standard_normal((3, 40))
    assert low_rank(clean, 3) == pytest.approx(clean, abs=1e-10)
    noisy = clean + 0.1 * rng.standard_normal(clean.shape)
    assert np.linalg.norm(low_rank(noisy) - clean) < 0.6 * np.linalg.norm(noisy - clean)
    assert np.linalg.matrix_rank(low_rank(noisy, 2)) == 2
    assert noise_level(noisy) == pytest.approx(0.1, rel=0.1)
    assert noise_level(clean) == 0.004
    assert significant_rank(noisy) == 3
    with pytest.raises(ValueError, match="at least 1"):
        low_rank(clean, 0)
    with pytest.raises(ValueError, match="NaN"):
        low_rank(np.full((4, 4), np.nan))


def test_the_last_frames_are_trimmed():
    matrix = np.arange(18 * 20.0).reshape(18, 20)
    short, times = trim_frames(matrix, TIMES)
    assert (short == matrix[:, :15]).all()
    assert (times == TIMES[:15]).all()
    assert trim_frames(matrix, TIMES, 0)[0].shape == matrix.shape
    with pytest.raises(ValueError, match="leaves 5"):
        trim_frames(matrix, TIMES, 15)


def test_matrices_that_cannot_be_used_are_named():
    matrix = np.zeros((18, 20))
    assert checked_strain_matrix(matrix, TIMES, 18)[0].shape == (18, 20)
    with pytest.raises(ValueError, match="18 sectors, 24 are expected"):
        checked_strain_matrix(matrix, TIMES, 24)
    with pytest.raises(ValueError, match="20 rising numbers"):
        checked_strain_matrix(matrix, TIMES[::-1])
    with pytest.raises(ValueError, match="20 rising numbers"):
        checked_strain_matrix(matrix, TIMES[:-1])
    with pytest.raises(ValueError, match="sectors, frames"):
        checked_strain_matrix(matrix[0], TIMES)
    with pytest.raises(ValueError, match="At least 8 frames"):
        checked_strain_matrix(matrix[:, :5], TIMES[:5])
    with pytest.raises(ValueError, match="at least 4 sectors"):
        checked_strain_matrix(matrix[:2], TIMES)
    matrix[3, 11] = np.nan
    with pytest.raises(ValueError, match=r"1 of 20 frames hold NaN strain .first: frame 12"):
        checked_strain_matrix(matrix, TIMES)
