"""Training of the reconstruction on small cups: it learns, resumes exactly, and keeps what it has learned."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.compute.weights import (  # noqa: E402
    card_path,
    load_state,
    load_weights,
    save_weights,
    sha256_of,
)
from cardiactwins.lma.reconstruction_model import (  # noqa: E402
    KIND,
    ReconstructionModel,
    TrainingSettings,
)
from cardiactwins.lma.training import STATE, train_reconstruction  # noqa: E402

TINY = TrainingSettings(
    pretraining=0,
    batch=2,
    steps=24,
    width=8,
    atlas_width=8,
    band_size=6,
    margin=4,
    validate_every=8,
    averaging=0.8,
    jitter=0,
    rate=3e-3,
    prior_shapes=0,
    atlas_every=1,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_training_learns_and_its_weights_come_back_with_their_card(cups, tmp_path):
    seen = []
    path = train_reconstruction(
        cups[::2],
        cups[1::2],
        tmp_path,
        TINY,
        seed=1,
        card={"data": "cups", "licence": "Apache-2.0"},
        progress=lambda *_state: seen.append(_state[3]),
    )
    card = json.loads(card_path(path).read_text())
    assert card["data"] == "cups" and card["seed"] == 1 and card["steps"] in (8, 16, 24)
    assert np.mean([v["loss"] for v in seen[-6:]]) < np.mean([v["loss"] for v in seen[:6]])
    model = ReconstructionModel.load(path)
    assert model.settings == TINY and model.atlas.shape == (2, 16, 16, 16)


def test_a_training_that_was_stopped_ends_with_the_same_weights(cups, tmp_path):
    short = replace(TINY, steps=8, validate_every=3)
    state = torch.get_rng_state()
    whole = train_reconstruction(cups[:4], cups[4:], tmp_path / "whole", short, seed=2)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers go on as they would have

    def stop(step, *_state):
        if step == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        train_reconstruction(cups[:4], cups[4:], tmp_path / "parts", short, seed=2, progress=stop)
    assert load_state(tmp_path / "parts" / STATE)[1]["step"] == 3
    parts = train_reconstruction(cups[:4], cups[4:], tmp_path / "parts", short, seed=2)
    # The best weights may be of a step before the stop, the last state is not.
    for read in (lambda path: load_weights(path, KIND), lambda path: load_state(path.parent / STATE)):
        one, other = (read(path)[0] for path in (whole, parts))
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)


def test_a_state_of_other_settings_is_not_gone_on_with(cups, tmp_path):
    train_reconstruction(cups[:2], cups[4:], tmp_path, replace(TINY, steps=8))
    with pytest.raises(ValueError, match="other settings"):
        train_reconstruction(cups[:2], cups[4:], tmp_path, replace(TINY, steps=9))
    with pytest.raises(ValueError, match="seed 0"):
        train_reconstruction(cups[:2], cups[4:], tmp_path, replace(TINY, steps=8), seed=1)
    with pytest.raises(ValueError, match="others to validate on"):
        train_reconstruction(cups[:2], [], tmp_path, TINY)


def test_weights_that_were_changed_or_are_of_another_kind_are_refused(tmp_path):
    path = save_weights(
        {"a": torch.arange(5.0)}, tmp_path / "w.safetensors", kind="toy", card={"data": "none"}
    )
    tensors, card = load_weights(path, "toy")
    assert card["data"] == "none" and tensors["a"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="weights of 'toy', not of 'lma'"):
        load_weights(path, "lma")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="SHA256 differs"):
        load_weights(path, "toy")
    with pytest.raises(ValueError, match=r"not the state of a training|no safetensors"):
        load_state(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="no safetensors file"):
        load_state(path)
    card_path(path).unlink()
    with pytest.raises(FileNotFoundError, match="with its card"):
        load_weights(path, "toy")


def test_large_weights_lie_in_several_files_that_belong_together(tmp_path):
    tensors = {name: torch.rand(size) for name, size in (("a", 60), ("b", 30), ("c", 20), ("d", 500))}
    path = save_weights(tensors, tmp_path / "w.safetensors", kind="toy", card={}, largest=400)
    files = [path, *(tmp_path / f"w.{number}.safetensors" for number in (2, 3))]
    assert sorted(tmp_path.glob("*.safetensors")) == sorted(files)
    found, card = load_weights(path, "toy")
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items()) and len(found) == 4
    first = card["sha256"]
    tensors["d"] = tensors["d"] + 1
    save_weights(tensors, path, kind="toy", card={}, largest=400)
    assert load_weights(path, "toy")[1]["sha256"] != first
    files[1].write_bytes(files[2].read_bytes())
    with pytest.raises(ValueError, match=r"w\.2\.safetensors is not the file that its card describes"):
        load_weights(path, "toy")
    files[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"w\.2\.safetensors, which belongs to w\.safetensors"):
        load_weights(path, "toy")


def test_a_card_that_was_read_describes_the_file_that_it_is_saved_with(tmp_path):
    tensors = {name: torch.full((50,), value) for name, value in (("a", 1.0), ("b", 2.0))}
    first = save_weights(tensors, tmp_path / "w.safetensors", kind="toy", card={"seed": 3}, largest=300)
    _, card = load_weights(first, "toy")
    assert len(card["parts"]) == 1
    second = save_weights({"a": -tensors["a"]}, tmp_path / "v.safetensors", kind="toy", card=card)
    again, told = load_weights(second, "toy")
    assert torch.equal(again["a"], -tensors["a"]) and "parts" not in told
    assert told["seed"] == 3 and told["file"] == "v.safetensors" and told["sha256"] == sha256_of(second)
