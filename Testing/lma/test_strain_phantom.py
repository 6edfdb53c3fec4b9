"""Simulated strain matrices: their truth, their shapes, their noise."""

import numpy as np
import pytest

from cardiactwins.lma.strain_phantom import PATTERNS, activation_times, simulate_strain, strain_curves

TURNS = (np.arange(36) + 0.5) / 36
SEPTUM, LATERAL = 1 / 6, 2 / 3


def onsets(pattern, seed):
    return activation_times(pattern, TURNS, np.random.default_rng(seed))


def away(turns, site):
    return np.abs(np.mod(turns - site + 0.5, 1) - 0.5)


@pytest.mark.parametrize(
    ("pattern", "first", "spread"),
    [("normal", SEPTUM, (9, 31)), ("LBBB", SEPTUM, (75, 151)), ("RBBB", LATERAL, (29, 61))],
)
def test_patterns_start_where_conduction_does(pattern, first, spread):
    for seed in range(20):
        onset = onsets(pattern, seed)
        assert away(TURNS[np.argmin(onset)], first) < 0.1
        assert away(TURNS[np.argmax(onset)], first + 0.5) < 0.1
        assert spread[0] < np.ptp(onset) < spread[1]
        assert 17 < onset.min() < 50


def test_pacing_spreads_evenly_from_a_site_anywhere():
    sites = []
    for seed in range(30):
        onset = onsets("paced", seed)
        sites.append(TURNS[np.argmin(onset)])
        steps = np.abs(np.diff(onset))
        assert np.median(steps) == pytest.approx(steps.max(), rel=1e-6)
    assert np.ptp(sites) > 0.7


def test_a_sector_shortens_from_its_onset_and_not_before():
    times = np.arange(0, 700, 0.5)
    onset = np.array([30.0, 60.0, 110.0, 150.0])
    curves = strain_curves(times, onset, np.full(4, 0.18), 900.0, np.random.default_rng(3))
    for curve, start in zip(curves, onset, strict=True):
        before, after = times <= start, (times >= start) & (times <= start + 60)
        assert (np.diff(curve[before]) >= -1e-12).all()
        assert (np.diff(curve[after]) < 0).all()


def test_late_sectors_are_stretched_before_they_shorten():
    times = np.arange(0, 700, 1.0)
    onset = np.array([30.0, 30.0, 60.0, 130.0])
    curves = strain_curves(times, onset, np.full(4, 0.2), 900.0, np.random.default_rng(0))
    stretch = curves.max(axis=1)
    assert stretch[:2] == pytest.approx(0, abs=1e-12)
    assert 0.005 < stretch[2] < stretch[3]
    assert times[np.argmax(curves[3])] == pytest.approx(130, abs=1)


def test_the_noise_is_that_of_the_snr_and_grows():
    ratios, growth = [], []
    for seed in range(20):
        phantom = simulate_strain("LBBB", np.random.default_rng(seed), snr=8, drift=0.0, noise_growth=2.0)
        noise = phantom.strain - phantom.clean
        signal = np.abs(phantom.clean.mean(axis=0)).max()
        ratios.append(signal / noise[:, :5].std())
        growth.append(noise[:, -5:].std() / noise[:, :5].std())
    assert np.mean(ratios) == pytest.approx(8, rel=0.1)
    assert np.mean(growth) == pytest.approx(1.8, abs=0.2)


def test_drift_grows_over_the_beat():
    phantom = simulate_strain("normal", np.random.default_rng(0), snr=np.inf, drift=0.05)
    drift = phantom.strain - phantom.clean
    rates = drift / phantom.times
    assert np.abs(rates).max() > 0
    assert np.ptp(rates, axis=1) == pytest.approx(0, abs=1e-12)


def test_infarcted_sectors_shorten_less():
    for seed in range(10):
        phantom = simulate_strain("paced", np.random.default_rng(seed), infarct_width=0.3)
        peak = -phantom.clean.min(axis=1)
        assert 0.2 < phantom.infarct.mean() < 0.4
        assert peak[phantom.infarct].max() < 0.6 * peak[~phantom.infarct].min()
    assert not simulate_strain("paced", np.random.default_rng(0)).infarct.any()


def test_heart_rate_and_frames_are_as_asked():
    slow = simulate_strain("normal", np.random.default_rng(0), heart_rate=50, frame_ms=20)
    fast = simulate_strain("normal", np.random.default_rng(0), heart_rate=100, frame_ms=20)
    assert slow.times[-1] == pytest.approx(0.85 * 1200, abs=20)
    assert fast.times[-1] == pytest.approx(0.85 * 600, abs=20)
    peaks = [p.times[np.argmin(p.clean.mean(axis=0))] for p in (slow, fast)]
    assert peaks[0] > peaks[1] + 40
    assert np.diff(slow.times) == pytest.approx(20)
    uneven = simulate_strain("normal", np.random.default_rng(0), jitter=0.5)
    assert np.ptp(np.diff(uneven.times)) > 3
    assert (np.diff(uneven.times) > 0).all()


def test_a_seed_gives_the_same_heart_and_a_roll_moves_rows_with_their_truth():
    one, two = (simulate_strain("paced", np.random.default_rng(4), sectors=24) for _ in range(2))
    assert (one.strain == two.strain).all()
    assert one.strain.shape == (24, len(one.times))
    rolled = one.rolled(5)
    for sector in range(24):
        assert (rolled.strain[(sector + 5) % 24] == one.strain[sector]).all()
        assert rolled.onset[(sector + 5) % 24] == one.onset[sector]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "WPW"}, "Activation patterns are normal"),
        ({"sectors": 2}, "at least 4"),
        ({"snr": 0}, "SNR must be positive"),
        ({"frame_ms": -1}, "Frame interval"),
        ({"heart_rate": -60}, "Heart rate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_strain(**({"pattern": PATTERNS[0], "rng": np.random.default_rng(0)} | options))
