"""Training of the onset network: labels move with sectors, a stopped run ends alike, the card tells all."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.compute.weights import card_path, load_state, sha256_of  # noqa: E402
from cardiactwins.lma import tos_training  # noqa: E402
from cardiactwins.lma.tos_network import BIN_MS, OnsetNetwork  # noqa: E402
from cardiactwins.lma.tos_training import (  # noqa: E402
    HELD,
    STATE,
    TosTrainingSettings,
    draw_batch,
    main,
    mixed,
    shifted,
    train_onset_network,
    validate,
)

TINY = TosTrainingSettings(
    steps=20,
    batch=4,
    width=8,
    averaging=0.8,
    validate_every=8,
    validation_cases=12,
    mixup_share=0.5,
    rate=5e-3,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def batch():
    return draw_batch(np.random.default_rng(0), 6, 18)


def test_labels_say_what_is_true_of_the_matrices(batch):
    assert batch.given.shape == (6, 6, 18, 64)
    assert (batch.onset.sum(dim=2) == 1).all()
    middles = (torch.arange(batch.onset.shape[2]) + 0.5) * BIN_MS
    assert ((batch.onset @ middles) - batch.tos).abs().max() <= BIN_MS / 2 + 1e-4
    delay = batch.tos - batch.tos.min(dim=1, keepdim=True).values
    assert ((delay >= 50) == (batch.late == 1)).all()


def test_a_shift_moves_matrices_and_labels_the_same_way(batch):
    turned = shifted(batch, 5)
    for sector in range(18):
        other = (sector + 5) % 18
        assert (turned.given[:, :, other] == batch.given[:, :, sector]).all()
        for name in ("onset", "late", "tos"):
            assert (getattr(turned, name)[:, other] == getattr(batch, name)[:, sector]).all()


def test_mixup_mixes_matrices_and_labels_alike(batch):
    same, half = mixed(batch, 1.0), mixed(batch, 0.25)
    for name in ("given", "onset", "late", "tos"):
        values = getattr(batch, name)
        assert (getattr(same, name) == values).all()
        expected = 0.25 * values + 0.75 * torch.roll(values, 1, dims=0)
        torch.testing.assert_close(getattr(half, name), expected)
    torch.testing.assert_close(half.onset.sum(dim=2), torch.ones(6, 18))


def test_the_temperature_makes_the_intervals_hold_what_they_should(batch):
    """Distributions that are too sure are brought to the coverage of those that are not."""

    class Fixed(OnsetNetwork):
        sharpness = 1.0

        def forward(self, given):
            rng = np.random.default_rng(1)
            seen = batch.tos + torch.from_numpy(rng.normal(0, 15, batch.tos.shape))
            logits = -0.5 * ((self.middles - seen[..., None]) / 15) ** 2 * self.sharpness
            return (logits / self.temperature).float(), batch.late

    found = []
    for sharpness in (1.0, 2.0, 3.0):
        network = Fixed(8)
        network.sharpness = sharpness
        figures = validate(network, batch)
        assert figures["coverage"] == pytest.approx(HELD, abs=0.02)
        assert float(network.temperature) == pytest.approx(figures["temperature"])
        found.append(figures["temperature"])
    assert found == pytest.approx(found[0] * np.array([1.0, 2.0, 3.0]), rel=0.03)


def test_a_training_learns_and_its_card_tells_how_it_was_made(tmp_path):
    seen = []
    path = train_onset_network(
        tmp_path,
        replace(TINY, steps=60, validate_every=30),
        seed=1,
        card={"data": "simulated", "licence": "Apache-2.0"},
        progress=lambda *state: seen.append(state[3]),
    )
    losses = [values["loss"] for values in seen]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5
    card = json.loads(card_path(path).read_text())
    assert card["data"] == "simulated" and card["seed"] == 1 and card["steps"] in (30, 60)
    assert card["sha256"] == sha256_of(path)
    assert card["metrics"]["validation"]["mean absolute error of TOS (ms)"] > 0
    assert OnsetNetwork.load(path).stem.out_channels == 8


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path):
    state = torch.get_rng_state()
    whole = train_onset_network(tmp_path / "whole", TINY, seed=2)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on as they would have

    def stop(step, *_state):
        if step == 13:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_onset_network(tmp_path / "parts", TINY, seed=2, progress=stop)
    assert load_state(tmp_path / "parts" / STATE)[1]["step"] == 8
    parts = train_onset_network(tmp_path / "parts", TINY, seed=2)
    one, other = (OnsetNetwork.load(path).state_dict() for path in (whole, parts))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_a_state_of_other_settings_or_another_seed_is_not_gone_on_with(tmp_path):
    short = replace(TINY, steps=8)
    train_onset_network(tmp_path, short)
    with pytest.raises(ValueError, match="other settings"):
        train_onset_network(tmp_path, replace(short, steps=9))
    with pytest.raises(ValueError, match="other settings"):
        train_onset_network(tmp_path, short, seed=1)


def test_the_command_trains_and_says_where_the_weights_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tos_training, "TosTrainingSettings", lambda steps: replace(TINY, steps=steps))
    monkeypatch.setattr(tos_training.TosTrainingSettings, "steps", 4, raising=False)
    main(["--out", str(tmp_path), "--steps", "3", "--seed", "5"])
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == str(tmp_path / "lma-onset.safetensors")
    assert "Step 3" in shown[0] and "mean absolute error" in shown[0]
    card = json.loads((tmp_path / "lma-onset.json").read_text())
    assert "tos_training --out DIR --steps 3 --seed 5" in card["command"]
    assert card["licence"] == "Apache-2.0"
