"""Simulated hearts for the TOS network: the truth is where the curves turn, and the population is varied."""

import numpy as np
import pytest

from cardiactwins.lma.strain_phantom import PATTERNS
from cardiactwins.lma.tos_simulation import (
    LATE_MS,
    free_strain_curves,
    late_sectors,
    regional_delay,
    simulate_heart,
    smooth_delay,
)

TURNS = (np.arange(36) + 0.5) / 36


@pytest.fixture(scope="module")
def hearts():
    rng = np.random.default_rng(0)
    return [simulate_heart(rng) for _ in range(300)]


def test_late_means_a_fixed_delay_after_the_slices_earliest():
    onset = np.array([40.0, 40 + LATE_MS - 0.01, 40 + LATE_MS, 200.0])
    assert late_sectors(onset).tolist() == [False, False, True, True]


def test_free_curves_turn_into_shortening_at_the_onset():
    """The mean slope is lower in the 15 ms after the onset than in those before it, and falls."""
    rng, times = np.random.default_rng(1), np.arange(0, 700.0)
    turned, falling = [], []
    for _ in range(60):
        onset = rng.uniform(40, 180, 18)
        curves = free_strain_curves(times, onset, np.full(18, 0.2), 900.0, rng)
        at = [
            np.array([np.interp(o + d, times, c) for o, c in zip(onset, curves, strict=True)])
            for d in (-15, 0, 15)
        ]
        turned.append(at[2] - at[1] < at[1] - at[0])
        falling.append(at[2] < at[1])
    assert np.mean(turned) > 0.97
    assert np.mean(falling) > 0.97


def test_free_curves_reach_their_amplitude_and_stay_within_it():
    rng, times = np.random.default_rng(2), np.arange(0, 900.0)
    amplitude = np.linspace(0.05, 0.3, 18)
    for _ in range(30):
        onset = np.full(18, 60.0)
        deepest = free_strain_curves(times, onset, amplitude, 1000.0, rng).min(axis=1)
        assert deepest == pytest.approx(-amplitude, rel=0.02)


def test_delays_are_periodic_and_of_the_size_they_say():
    rng = np.random.default_rng(3)
    fine = (np.arange(720) + 0.5) / 720
    for _ in range(40):
        delay = smooth_delay(fine, rng)
        assert delay.min() == pytest.approx(0, abs=2)
        assert 8 < delay.max() <= 100
        assert abs(delay[0] - delay[-1]) < 5
        region = regional_delay(TURNS, rng)
        assert 0 <= region.min() < 0.3 * region.max()
        assert region.max() <= 110


def test_noise_is_what_the_snr_says(hearts):
    share = [
        np.abs(h.strain - h.clean)[:, 0] / (np.abs(h.clean.mean(axis=0)).max() / h.snr)
        for h in hearts
        if h.snr < 15
    ]
    assert np.median(np.concatenate(share)) == pytest.approx(0.674, abs=0.1)


def test_the_population_is_varied(hearts):
    assert {h.pattern for h in hearts} == set(PATTERNS)
    assert 0.2 < np.mean([h.infarct.any() for h in hearts]) < 0.45
    frames = [len(h.times) for h in hearts]
    assert min(frames) >= 12 and max(frames) > 80
    uneven = [np.ptp(np.diff(h.times)) > 1e-6 for h in hearts]
    assert 0.3 < np.mean(uneven) < 0.7
    assert all((np.diff(h.times) > 0).all() and h.times[0] > 0 for h in hearts)
    onset = np.concatenate([h.onset for h in hearts])
    assert onset.min() > 10 and np.quantile(onset, 0.99) > 200
    assert 0.1 < np.mean([late_sectors(h.onset).mean() for h in hearts]) < 0.5
    scarred = [h for h in hearts if h.infarct.any() and not h.infarct.all()]
    depth = [[-h.clean[rows].min(axis=1).mean() for rows in (h.infarct, ~h.infarct)] for h in scarred]
    scar, rest = np.mean(depth, axis=0)
    assert scar < 0.6 * rest


def test_a_seed_gives_a_heart_and_any_number_of_sectors_works():
    for sectors in (4, 18, 40):
        one, other = (simulate_heart(np.random.default_rng(7), sectors=sectors, snr=10) for _ in range(2))
        assert one.strain.shape == (sectors, len(one.times))
        assert one.snr == 10
        assert (one.strain == other.strain).all() and (one.onset == other.onset).all()
