"""TOS by the network: it turns with the sectors, keeps to its definitions, and its weights are checked."""

import json
import os
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cardiactwins.compute.weights import card_path, save_weights, sha256_of  # noqa: E402
from cardiactwins.lma.low_rank import low_rank, noise_level  # noqa: E402
from cardiactwins.lma.onset import OnsetEstimate, estimate_onset  # noqa: E402
from cardiactwins.lma.strain_phantom import PATTERNS, simulate_strain  # noqa: E402
from cardiactwins.lma.tos_network import (  # noqa: E402
    KIND,
    STEP_MS,
    WEIGHTS,
    NetworkOnset,
    OnsetNetwork,
    estimate_onset_network,
    interval_ends,
    network_input,
)
from cardiactwins.lma.tos_simulation import late_sectors  # noqa: E402

FRAME = 17.0
FIELDS = ("tos", "sd", "lower", "upper", "late")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def any_network():
    """A network with random weights everywhere, in double precision."""
    generator = torch.Generator().manual_seed(0)
    network = OnsetNetwork(8).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def found():
    """Phantoms at SNR 5 to 30 with the estimates of network and change point."""
    rng = np.random.default_rng(50)
    cases = []
    for case in range(40):
        heart = simulate_strain(
            PATTERNS[case % 4], rng, snr=(5, 10, 15, 20, 30)[case % 5], infarct_width=0.2 * (case % 3 == 0)
        )
        cases.append(
            (
                heart,
                estimate_onset_network(heart.strain, heart.times),
                estimate_onset(heart.strain, heart.times),
            )
        )
    return cases


@torch.no_grad()
@pytest.mark.parametrize("sectors", [4, 7, 18, 40])
def test_turning_the_sectors_turns_the_output_exactly(any_network, sectors):
    given = torch.randn(2, 6, sectors, 64, generator=torch.Generator().manual_seed(1)).double()
    onset, late = any_network(given)
    assert onset.std() > 0.1
    for shift in (1, sectors // 2, sectors - 1):
        turned_onset, turned_late = any_network(given.roll(shift, dims=2))
        torch.testing.assert_close(turned_onset, onset.roll(shift, dims=1), rtol=1e-12, atol=1e-10)
        torch.testing.assert_close(turned_late, late.roll(shift, dims=1), rtol=1e-12, atol=1e-10)


@torch.no_grad()
def test_each_sector_sees_its_neighbours_on_both_sides_of_the_first_row(any_network):
    given = torch.zeros(1, 6, 18, 64, dtype=torch.float64)
    plain = any_network(given)[0]
    given[:, :, 0] = 1.0
    change = (any_network(given)[0] - plain).abs().sum(dim=2)[0]
    assert change[1] > 0
    assert change[17] > 0


def test_the_estimate_turns_with_the_sectors():
    heart = simulate_strain("LBBB", np.random.default_rng(1), snr=12)
    plain = estimate_onset_network(heart.strain, heart.times)
    for shift in (1, 7, 17):
        turned = estimate_onset_network(heart.rolled(shift).strain, heart.times)
        for name in FIELDS:
            assert getattr(turned, name) == pytest.approx(np.roll(getattr(plain, name), shift), abs=1e-2)


def test_the_network_is_no_worse_than_the_change_point_and_within_a_frame(found):
    errors = np.array([[np.abs(e.tos - heart.onset).mean() for e in both] for heart, *both in found])
    print(
        f"mean absolute error: network {errors[:, 0].mean():.1f} ms, "
        f"change point {errors[:, 1].mean():.1f} ms"
    )
    assert errors[:, 0].mean() < errors[:, 1].mean()
    assert errors[:, 0].mean() < 0.6 * FRAME


def test_intervals_and_late_activation_agree_with_the_truth(found):
    held = [(net.lower <= heart.onset) & (heart.onset <= net.upper) for heart, net, _ in found]
    late = np.array([late_sectors(heart.onset) for heart, *_ in found])
    told = np.array([net.late for _, net, _ in found])
    print(
        f"90 % intervals hold {100 * np.mean(held):.0f} %, "
        f"late told rightly {100 * np.mean((told > 0.5) == late):.0f} %"
    )
    assert 0.85 < np.mean(held) <= 1
    assert np.mean((told > 0.5) == late) > 0.9
    for _, net, _ in found:
        assert isinstance(net, NetworkOnset) and isinstance(net, OnsetEstimate)
        assert ((net.lower <= net.tos) & (net.tos <= net.upper)).all()
        assert ((net.late >= 0) & (net.late <= 1)).all() and (net.sd > 0).all()


def test_a_later_heart_has_later_onsets():
    """Time zero is zero: curves that begin 30 ms later have a TOS that is 30 ms later."""
    heart = simulate_strain("paced", np.random.default_rng(3), snr=np.inf)
    fine = np.arange(12.0, 620, 12.0)

    def tos(delay):
        curves = np.array([np.interp(fine - delay, heart.times, row, left=0.0) for row in heart.clean])
        noise = 0.004 * np.random.default_rng(4).standard_normal(curves.shape)
        return estimate_onset_network(curves + noise, fine).tos

    assert np.mean(tos(30) - tos(0)) == pytest.approx(30, abs=6)


def test_no_onset_is_earlier_than_a_frame():
    times = FRAME * np.arange(1, 40)
    after = np.maximum(times + 30, 0)
    strain = -0.2 * np.sin(np.pi * np.clip(after / 600, 0, 1)) * np.ones((18, 1))
    noise = 0.004 * np.random.default_rng(5).standard_normal(strain.shape)
    assert (estimate_onset_network(strain + noise, times).lower >= FRAME).all()


@pytest.mark.parametrize("sectors", [4, 6, 24, 36])
def test_other_numbers_of_sectors_and_uneven_frames_work(sectors):
    errors = []
    for seed in range(4):
        heart = simulate_strain(
            "LBBB", np.random.default_rng(seed), sectors=sectors, snr=20, frame_ms=22, jitter=0.8
        )
        found = estimate_onset_network(heart.strain, heart.times, sectors=sectors)
        assert found.tos.shape == (sectors,)
        errors.append(np.abs(found.tos - heart.onset).mean())
    assert np.mean(errors) < FRAME


def test_the_input_averages_a_line_between_frames_exactly():
    """A sector that shortens by 0.001 a ms is seen at the middle of every step, whatever the frame times."""
    times = np.cumsum(np.random.default_rng(6).uniform(5, 25, 40))
    slope = np.linspace(0.5e-3, 1.5e-3, 18)[:, None]
    seen = network_input(-slope * times, times)
    middle = (np.arange(64) + 0.5) * STEP_MS
    inside = middle + STEP_MS / 2 <= times[-1]
    scale = slope.mean() * times[-1]
    assert seen.shape == (6, 18, 64)
    for rows in seen[:2]:
        assert rows[:, inside] == pytest.approx((-slope * middle / scale)[:, inside], abs=1e-4)
    assert (seen[3][:, inside] == 1).all()
    assert seen[5] == pytest.approx(np.tile(middle / 512, (18, 1)), abs=1e-6)


def test_the_input_knows_less_noise_where_a_step_averages_frames():
    rng = np.random.default_rng(7)

    def noise_seen(interval):
        """Mean SD that the network sees, over that of a frame; a step of 8 ms."""
        times = interval * np.arange(1, int(500 / interval))
        strain = -0.2 * np.sin(np.pi * times / 600) + 0.01 * rng.standard_normal((18, len(times)))
        peak = -low_rank(strain, 3).mean(axis=0).min()
        return network_input(strain, times)[2, 0, 5:55].mean() * peak / noise_level(strain)

    share = np.linspace(0, 1, 1001)
    assert noise_seen(40.0) == pytest.approx(np.mean(np.hypot(share, 1 - share)), rel=0.03)
    # Frames 2 ms apart: three within a step count a quarter each, those at its ends an eighth.
    assert noise_seen(2.0) == pytest.approx(np.sqrt(3 / 4**2 + 2 / 8**2), rel=0.03)


def test_strain_that_begins_at_time_zero_or_before_it_is_seen_as_measured():
    times = np.arange(-34.0, 600, 17.0)
    strain = -0.2 * np.sin(np.pi * np.clip(times / 600, 0, 1)) * np.ones((18, 1)) + 0.05
    seen = network_input(strain, times)[0]
    assert seen[0, 0] > 0.2
    assert (network_input(strain, times)[3, :, :60] == 1).all()


def test_interval_ends_are_quantiles_of_the_distribution():
    share = np.zeros((2, 128))
    share[0, 10:20] = 0.1
    share[1, 50] = 1.0
    lower, middle, upper = interval_ends(share)
    assert (lower[0], middle[0], upper[0]) == pytest.approx((42.0, 60.0, 78.0))
    assert (lower[1], middle[1], upper[1]) == pytest.approx((200.2, 202.0, 203.8))


def test_input_that_is_no_use_is_named():
    heart = simulate_strain("LBBB", np.random.default_rng(8))
    broken = heart.strain.copy()
    broken[2, 4] = np.nan
    with pytest.raises(ValueError, match=r"1 of \d+ frames hold NaN strain"):
        estimate_onset_network(broken, heart.times)
    with pytest.raises(ValueError, match="18 sectors, 16 are expected"):
        estimate_onset_network(heart.strain, heart.times, sectors=16)
    with pytest.raises(ValueError, match="shortening is negative"):
        estimate_onset_network(np.abs(heart.clean), heart.times)


def test_the_weights_that_come_along_are_small_and_say_what_they_are():
    card = json.loads(card_path(WEIGHTS).read_text())
    assert card["sha256"] == sha256_of(WEIGHTS)
    assert card["bytes"] == WEIGHTS.stat().st_size < 400_000
    assert card["kind"] == KIND and card["licence"] == "Apache-2.0"
    for name in ("data", "seed", "steps", "settings", "metrics", "command"):
        assert name in card


@pytest.fixture
def heart_and_weights(tmp_path):
    path = tmp_path / WEIGHTS.name
    for file in (WEIGHTS, card_path(WEIGHTS)):
        shutil.copy(file, tmp_path / file.name)
    os.utime(path, ns=(1, 1))  # that another file of the same second is newer
    heart = simulate_strain("LBBB", np.random.default_rng(9))

    def estimate(device="cpu"):
        return estimate_onset_network(heart.strain, heart.times, weights=path, device=device)

    return estimate, path


def test_weights_from_a_file_give_the_same_and_are_read_again_when_replaced(heart_and_weights):
    estimate, path = heart_and_weights
    first = estimate()
    assert first.tos.tolist() == estimate().tos.tolist()
    network = OnsetNetwork(8)
    network.save(path, {"data": "none"})
    assert np.abs(estimate().tos - first.tos).max() > 1


def test_damaged_weights_are_refused(heart_and_weights):
    estimate, path = heart_and_weights
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="SHA256 differs"):
        estimate()


def test_missing_weights_are_named(heart_and_weights):
    estimate, path = heart_and_weights
    path.unlink()
    with pytest.raises(FileNotFoundError, match="There is no"):
        estimate()


def test_weights_of_another_version_or_kind_or_network_are_refused(heart_and_weights):
    estimate, path = heart_and_weights
    tensors = OnsetNetwork(8).state_dict()
    save_weights(tensors, path, kind=KIND, card={"network": {"version": 99, "width": 8}})
    with pytest.raises(ValueError, match="version 99 of the onset network"):
        estimate()
    save_weights(tensors, path, kind="lma reconstruction", card={})
    with pytest.raises(ValueError, match="weights of 'lma reconstruction', not of 'lma onset'"):
        estimate()
    save_weights(tensors, path, kind=KIND, card={"network": {"version": 1, "width": 16}})
    with pytest.raises(ValueError, match="does not fit the onset network"):
        estimate()


def test_a_device_without_memory_falls_back_to_the_cpu_and_says_so(heart_and_weights, monkeypatch):
    estimate, _ = heart_and_weights
    expected = estimate().tos

    def full(*_arguments, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(OnsetNetwork, "to", full)
    with pytest.warns(RuntimeWarning, match="cuda has no memory left .* CPU is used"):
        found = estimate(device="cuda")
    assert found.tos.tolist() == expected.tolist()
