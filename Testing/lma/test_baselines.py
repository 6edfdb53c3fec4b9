"""Networks to compare with: they learn small cups, resume exactly, and keep how their training went."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")
pytest.importorskip("einops")
pytest.importorskip("safetensors")

from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.lma.baselines.coarse_volumes import folded, unfolded  # noqa: E402
from cardiactwins.lma.baselines.diffusion import TIMES, ConditionalDDPM  # noqa: E402
from cardiactwins.lma.baselines.given_slices import given_slices  # noqa: E402
from cardiactwins.lma.baselines.training import (  # noqa: E402
    BASELINES,
    BaselineSettings,
    load_baseline,
    reconstruct_with,
    train_baseline,
    training_curve,
)
from cardiactwins.lma.shape_volume import SIZE  # noqa: E402
from cardiactwins.lma.sparse_slices import SparseSlices  # noqa: E402

TINY = BaselineSettings(steps=6, width=16, validate_every=3, jitter=0, averaging=0.5)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_folding_keeps_each_voxel_beside_its_block_and_comes_back():
    volumes = torch.arange(2 * 2 * 8 * 8 * 12, dtype=torch.float32).reshape(2, 2, 8, 8, 12)
    coarse = folded(volumes)
    assert coarse.shape == (2, 128, 2, 2, 3)
    assert set(coarse[0, :, 1, 0, 2].tolist()) == set(volumes[0, :, 4:8, 0:4, 8:12].flatten().tolist())
    assert torch.equal(unfolded(coarse), volumes)
    with pytest.raises(ValueError, match="multiples of 4"):
        folded(torch.zeros(1, 1, 6, 8, 8))


def test_the_u_net_learns_cups(cups, tmp_path):
    settings = BaselineSettings(steps=60, width=16, validate_every=20, jitter=0, averaging=0.5, rate=3e-3)
    train_baseline("unet", cups[::2], cups[1::2], tmp_path, settings)
    curve = training_curve(tmp_path, "unet")
    assert [row["step"] for row in curve] == [20, 40, 60]
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]
    assert curve[-1]["dice"] > max(0.7, curve[0]["dice"])


@pytest.mark.parametrize("name", BASELINES)
def test_weights_come_back_and_answer_with_shares(name, cups, tmp_path):
    path = train_baseline(name, cups[:4], cups[4:], tmp_path, TINY, card={"data": "cups"})
    network = load_baseline(path)
    rng = np.random.default_rng(0)
    share = rng.random((4, SIZE, SIZE), dtype=np.float32)
    slices = SparseSlices(np.array([10, 25, 40, 50]), share, 1 - share)
    found = reconstruct_with(network, slices, voxel=1.5, seed=3)
    again = reconstruct_with(load_baseline(path), slices, voxel=1.5, seed=3)
    for part in (found.cavity, found.myocardium):
        assert part.shape == (SIZE,) * 3
        assert part.min() >= 0 and part.max() <= 1
    assert np.array_equal(found.myocardium, again.myocardium)
    assert found.voxel == 1.5


@pytest.mark.parametrize("name", BASELINES)
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(name, cups, tmp_path):
    state = torch.get_rng_state()
    whole = train_baseline(name, cups[:4], cups[4:], tmp_path / "whole", TINY)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on as they would have

    def stop(step, total, message="", values=None):
        if step == 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_baseline(name, cups[:4], cups[4:], tmp_path / "parts", TINY, progress=stop)
    parts = train_baseline(name, cups[:4], cups[4:], tmp_path / "parts", TINY)
    expected = load_baseline(whole).state_dict()
    assert all(
        torch.equal(tensor, expected[key]) for key, tensor in load_baseline(parts).state_dict().items()
    )
    first, second = (training_curve(tmp_path / folder, name) for folder in ("whole", "parts"))
    assert [row["dice"] for row in first] == [row["dice"] for row in second]


def test_the_loss_of_the_ddpm_is_the_error_of_the_noise(monkeypatch):
    """Where its weight is not cut off: a wrong volume, and the noise that follows from it by Eq. 7."""
    network = ConditionalDDPM(width=16)
    volumes = torch.rand(2, 2, 16, 16, 16)
    wrong = torch.rand(2, 2, 16, 16, 16) * 2 - 1
    late = torch.full((2,), 700)
    monkeypatch.setattr(network, "denoised", lambda state, condition, time: wrong)
    monkeypatch.setattr(torch, "randint", lambda *args, **kwargs: late)
    given = torch.zeros(2, 3, 16, 16, 16)
    found = network.loss(given, volumes, torch.Generator().manual_seed(5))

    noise = torch.randn(volumes.shape, generator=torch.Generator().manual_seed(5))
    kept = torch.cumprod(1 - torch.linspace(1e-4, 2e-2, TIMES), 0)[700]
    state = kept.sqrt() * (2 * volumes - 1) + (1 - kept).sqrt() * noise
    implied = (state - kept.sqrt() * wrong) / (1 - kept).sqrt()
    assert found.item() == pytest.approx((implied - noise).square().mean().item(), rel=1e-4)


def test_a_training_ends_when_its_seconds_are_over(cups, tmp_path):
    path = train_baseline("unet", cups[:4], cups[4:], tmp_path, TINY, seconds=1e-6)
    assert path.exists()
    assert training_curve(tmp_path, "unet")[-1]["step"] == 0


def test_bad_input_is_named(cups, tmp_path):
    with pytest.raises(ValueError, match="unet, ddpm, dispr"):
        train_baseline("gan", cups, cups, tmp_path, TINY)
    with pytest.raises(ValueError, match="volumes to train on"):
        train_baseline("unet", [], cups, tmp_path, TINY)
    train_baseline("unet", cups[:2], cups[2:4], tmp_path, TINY, seconds=1e-6)
    with pytest.raises(ValueError, match="other settings"):
        train_baseline("unet", cups[:2], cups[2:4], tmp_path, BaselineSettings(width=32))
    with pytest.raises(ValueError, match="seed 0"):
        train_baseline("unet", cups[:2], cups[2:4], tmp_path, TINY, seed=1)


def test_slices_stand_where_they_were_cut_and_nowhere_else(cups):
    positions = torch.tensor([[3, 6, 9], [4, 7, 10]])
    index = torch.arange(2)[:, None]
    volumes = torch.tensor(np.array([[cup.cavity, cup.myocardium] for cup in cups[:2]]))
    given = given_slices(volumes[index, 0, positions], volumes[index, 1, positions], positions, 16)
    for case in range(2):
        known = torch.zeros(16, dtype=torch.bool)
        known[positions[case]] = True
        torch.testing.assert_close(given[case, :2, known], volumes[case][:, known])
        assert (given[case, 2, known] == 1).all() and not given[case, :, ~known].any()
