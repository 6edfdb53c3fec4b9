"""TOS of simulated hearts whose onset is known, of curves of another kind, and of input that is no use."""

import numpy as np
import pytest

from cardiactwins.lma.onset import estimate_onset
from cardiactwins.lma.strain_figure import strain_matrix_figure
from cardiactwins.lma.strain_phantom import PATTERNS, simulate_strain

FRAME = 17.0


@pytest.fixture(scope="module")
def figures():
    """Error (ms) and whether the interval holds the truth, for every sector of 32 hearts per SNR."""
    table = {}
    for snr in (5, 10, 15, 20, 30):
        rng = np.random.default_rng(100 + snr)
        errors, covered = [], []
        for case in range(32):
            phantom = simulate_strain(
                PATTERNS[case % 4], rng, snr=snr, infarct_width=0.25 * (case % 3 == 0), jitter=0.3
            )
            found = estimate_onset(phantom.strain, phantom.times)
            errors.append(found.tos - phantom.onset)
            covered.append((found.lower <= phantom.onset) & (phantom.onset <= found.upper))
        table[snr] = np.array(errors), np.mean(covered)
        print(
            f"SNR {snr}: mean absolute error {np.abs(errors).mean():.1f} ms, bias {np.mean(errors):+.1f} ms, "
            f"90 % intervals hold {100 * np.mean(covered):.0f} %"
        )
    return table


def test_mean_absolute_error_is_below_a_frame_from_snr_10_on(figures):
    errors = {snr: np.abs(error).mean() for snr, (error, _) in figures.items()}
    assert all(errors[snr] < FRAME for snr in (10, 15, 20, 30))
    assert errors[5] < 1.5 * FRAME
    assert errors[30] < errors[10] < errors[5]


def test_intervals_hold_the_truth_about_as_often_as_they_say(figures):
    for _, covered in figures.values():
        assert 0.83 <= covered <= 0.99


def test_onsets_are_not_early_or_late_on_average(figures):
    for snr, (error, _) in figures.items():
        assert abs(error.mean()) < (FRAME if snr == 5 else FRAME / 2)


def test_every_sector_counts_from_its_neighbours_alike():
    """A shift of the sectors shifts TOS and its interval, whatever the place of sector 1."""
    phantom = simulate_strain("LBBB", np.random.default_rng(1), snr=12)
    plain = estimate_onset(phantom.strain, phantom.times)
    for shift in (1, 7, 17):
        turned = estimate_onset(phantom.rolled(shift).strain, phantom.times)
        for name in ("tos", "sd", "lower", "upper"):
            assert getattr(turned, name) == pytest.approx(np.roll(getattr(plain, name), shift), abs=1e-6)


def hinges(onset, times, noise, rng):
    """Curves unlike the phantoms': flat, then a straight line for 250 ms, then a fall back."""
    after = times - onset[:, None]
    strain = -0.16 * np.clip(after / 250, 0, 1) + 0.16 * np.clip((after - 280) / 200, 0, 0.9)
    return strain + noise * rng.standard_normal(strain.shape)


@pytest.mark.parametrize(("noise", "worst"), [(0.0, 10.0), (0.008, 13.0), (0.016, FRAME)])
def test_curves_of_straight_lines_break_where_they_break(noise, worst):
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.uniform(10, 24, 45))
    onset = 70 + 45 * np.sin(2 * np.pi * (np.arange(18) + 0.5) / 18)
    errors = [estimate_onset(hinges(onset, times, noise, rng), times).tos - onset for _ in range(5)]
    assert np.abs(errors).mean() < worst


@pytest.mark.parametrize("width", [2, 3])
def test_a_few_late_sectors_are_not_smoothed_away(width):
    times = FRAME * np.arange(1, 45)
    onset = np.full(18, 40.0)
    onset[7 : 7 + width] = 150.0
    tos = np.array(
        [
            estimate_onset(hinges(onset, times, 0.006, np.random.default_rng(seed)), times).tos
            for seed in range(6)
        ]
    )
    assert np.abs(tos - onset)[:, 7 : 7 + width].mean() < 12
    assert np.abs(tos - onset).mean() < 12


def test_more_noise_gives_wider_intervals():
    onset, times = np.full(18, 60.0), FRAME * np.arange(1, 45)
    widths = [
        np.mean(estimate_onset(hinges(onset, times, noise, np.random.default_rng(4)), times).sd)
        for noise in (0.005, 0.015, 0.04)
    ]
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_no_onset_is_earlier_than_a_frame():
    times = FRAME * np.arange(1, 45)
    found = estimate_onset(hinges(np.full(18, -5.0), times, 0.002, np.random.default_rng(5)), times)
    assert found.tos.min() >= FRAME
    assert found.tos.max() < 2 * FRAME
    assert (found.lower >= FRAME).all()


def test_the_order_of_the_interval_holds_and_other_numbers_of_sectors_work():
    phantom = simulate_strain("paced", np.random.default_rng(6), sectors=24, snr=15)
    found = estimate_onset(phantom.strain, phantom.times, sectors=24)
    assert ((found.lower <= found.tos) & (found.tos <= found.upper)).all()
    assert (found.sd > 0).all()
    assert np.abs(found.tos - phantom.onset).mean() < FRAME


def test_input_that_is_no_use_is_named():
    phantom = simulate_strain("LBBB", np.random.default_rng(7))
    broken = phantom.strain.copy()
    broken[4, 9:11] = np.nan
    with pytest.raises(ValueError, match=r"2 of \d+ frames hold NaN strain .first: frame 10"):
        estimate_onset(broken, phantom.times)
    with pytest.raises(ValueError, match="18 sectors, 16 are expected"):
        estimate_onset(phantom.strain, phantom.times, sectors=16)
    with pytest.raises(ValueError, match="shortening is negative"):
        estimate_onset(np.abs(phantom.clean), phantom.times)
    with pytest.raises(ValueError, match="latest onset"):
        estimate_onset(phantom.strain, phantom.times, latest=10.0)


def test_the_figure_shows_matrix_curve_and_intervals(tmp_path):
    phantom = simulate_strain("LBBB", np.random.default_rng(8))
    figure = strain_matrix_figure(
        phantom.strain, phantom.times, estimate_onset(phantom.strain, phantom.times), truth=phantom.onset
    )
    axes = figure.axes[0]
    shown = np.asarray(axes.collections[0].get_array()).reshape(phantom.strain.shape)
    assert shown == pytest.approx(phantom.strain)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["true TOS", "TOS, 90 % interval"]
    truth = next(line for line in axes.lines if line.get_label() == "true TOS")
    assert truth.get_xdata() == pytest.approx(phantom.onset)
    figure.savefig(tmp_path / "strain.png")
    assert (tmp_path / "strain.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="one value for each of 18"):
        strain_matrix_figure(phantom.strain, phantom.times, phantom.onset[:5])
