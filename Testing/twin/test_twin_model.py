"""The trained model as a file, and what it computes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_trainings import CODING, DENOISING, HEARTS, SIZE, latents_of_modes

import cardiactwins
from cardiactwins.compute.weights_folder import listed_weights
from cardiactwins.twin.autoencoder import AutoencoderSettings
from cardiactwins.twin.autoencoder_training import (
    PAPER_AUTOENCODER_TRAINING,
    load_autoencoder,
    train_autoencoder,
)
from cardiactwins.twin.denoiser_training import (
    PAPER_DENOISER_TRAINING,
    train_denoiser,
)
from cardiactwins.twin.latents import cached_latents
from cardiactwins.twin.model import TwinModel

WEIGHTS = Path(cardiactwins.__file__).parent / "Resources" / "Models" / "twin.safetensors"


def test_the_papers_networks_train_in_small(tmp_path, fabric):
    coding = replace(
        PAPER_AUTOENCODER_TRAINING,
        network=AutoencoderSettings(preset="paper", latent_channels=3, channels=(8, 8, 16)),
        steps=2,
        validate_every=1,
    )
    denoising = replace(
        PAPER_DENOISER_TRAINING,
        network=replace(PAPER_DENOISER_TRAINING.network, channels=(8, 8, 16), blocks=(1, 1, 1), heads=8),
        steps=2,
        validate_every=1,
    )
    weights = train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, coding, fabric=fabric)
    network = load_autoencoder(weights)
    known = cached_latents(network, HEARTS, tmp_path / "latents", "a")
    model = TwinModel.load(train_denoiser(network, known[:4], known[4:], tmp_path, denoising, fabric=fabric))
    assert model.size == (SIZE,) * 3 and model.latent_shape == (3, 8, 8, 8)
    noise = torch.ones(1, *model.latent_shape)
    assert torch.equal(model.widened(noise, 80.0), noise)
    assert torch.isfinite(model.decode(model.denoise(noise, 80.0))).all()


def test_a_model_comes_back_from_its_file(tmp_path, autoencoder, fabric):
    known = cached_latents(autoencoder, HEARTS, tmp_path / "latents", "a")
    path = train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    model = TwinModel.load(path, mixed=False)
    assert model.size == (SIZE,) * 3 and model.latent_shape == (2, 4, 4, 4)
    labels = torch.from_numpy(np.stack(HEARTS[:2]))
    latents = model.encode(labels)
    torch.testing.assert_close(model.scale.restored(latents), known[:2], atol=1e-4, rtol=1e-4)
    probabilities = model.decode(latents)
    assert probabilities.shape == (2, 7, SIZE, SIZE, SIZE)
    chosen = probabilities.gather(1, model.decode_labels(latents)[:, None].long())[:, 0]
    torch.testing.assert_close(chosen, probabilities.amax(dim=1), rtol=0, atol=1e-6)
    assert model.coarse(latents).shape == (2, 7, SIZE // 2, SIZE // 2, SIZE // 2)
    torch.testing.assert_close(
        model.denoise(latents, 2.0), model.denoise(latents, torch.tensor([2.0, 2.0])), atol=1e-5, rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"\(2, 16, 16, 16\)"):
        model.encode(labels[:, :16, :16, :16])


def test_gradients_flow_to_the_latents_but_not_to_the_weights(tmp_path, autoencoder, fabric):
    known = latents_of_modes(6)
    model = TwinModel.load(
        train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    )
    latents = torch.zeros(1, *model.latent_shape, requires_grad=True)
    model.decode(model.denoise(latents, 1.0))[:, 4].sum().backward()
    assert latents.grad.abs().max() > 0
    assert not any(p.requires_grad for p in (*model.denoiser.parameters(), *model.autoencoder.parameters()))


def test_weights_that_do_not_fit_are_refused(tmp_path, autoencoder, fabric):
    known = latents_of_modes(6)
    path = train_denoiser(autoencoder, known[:4], known[4:], tmp_path, DENOISING, fabric=fabric)
    card = json.loads(path.with_suffix(".json").read_text())
    card["denoiser"]["channels"] = [8, 16]
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="does not fit"):
        TwinModel.load(path)
    with pytest.raises(FileNotFoundError):
        TwinModel.load(tmp_path / "missing.safetensors")
    with pytest.raises(ValueError, match="twin autoencoder"):
        TwinModel.load(train_autoencoder(HEARTS[:4], HEARTS[4:], tmp_path, CODING, fabric=fabric))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("denoiser", [1, 2]),
        ("denoiser", {"preset": "unknown"}),
        ("denoiser", {"channels": []}),
        ("autoencoder", "swift"),
        ("autoencoder", {"preset": "unknown", "channels": [8, 8]}),
        ("autoencoder", None),
        ("ranges", [1, 2]),
        ("ranges", {"RV volume": 150}),
        ("parts", [7]),
        ("bytes", "many"),
    ],
)
def test_weights_with_a_damaged_card_are_refused_by_name(tmp_path, key, value):
    path = tmp_path / "twin.safetensors"
    for file in (WEIGHTS, WEIGHTS.with_name("twin.2.safetensors")):
        (tmp_path / file.name).symlink_to(file)
    card = json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))
    path.with_suffix(".json").write_text(json.dumps({**card, key: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"twin\.(safetensors|json) (does not fit|is damaged)"):
        TwinModel.load(path)
    (listed,) = (one for one in listed_weights(tmp_path, tmp_path / "none") if one.path == path)
    assert ("is damaged" in listed.problem) == (key in ("parts", "bytes"))


def test_the_weights_that_come_with_the_library_load_and_are_finished():
    model = TwinModel.load(WEIGHTS)
    spread = model.card["spread"]
    assert spread["modes"][0] < 0.97 < 0.99 < spread["modes"][1] < 1.01
    assert max(abs(value - 1) for value in spread["after"]) < 0.05
    assert model.denoiser.modes.gains.abs().max() > 0.01
