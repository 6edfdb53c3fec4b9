"""The estimate before a run: it counts evaluations, and tells what it found."""

from dataclasses import replace

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart

from cardiactwins.twin import sibling_estimate
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_estimate import SiblingEstimate, estimate_siblings

SPACING = (4.0, 4.0, 4.0)


class Timed:
    """A model that moves a clock on by 2 s for each denoising and by 5 s for each decoding."""

    def __init__(self, model):
        self.model, self.now = model, 0.0
        self.size, self.latent_shape, self.device = model.size, model.latent_shape, model.device
        self.encode, self.coarse, self.widened = model.encode, model.coarse, model.widened

    def denoise(self, noisy, sigma):
        self.now += 2
        return self.model.denoise(noisy, sigma)

    def decode_labels(self, latents):
        self.now += 5
        return self.model.decode_labels(latents)


def test_time_grows_with_evaluations_and_number(small_model, monkeypatch):
    model, twin = Timed(small_model), ellipsoid_heart(np.random.default_rng(100))
    monkeypatch.setattr(sibling_estimate.time, "perf_counter", lambda: model.now)
    whole = Recipe("perturbational", seed=0, psi=1.0, twin="a", guard=False)
    one = estimate_siblings(model, whole, 1, twin, spacing=SPACING)
    assert one.seconds == pytest.approx(39 * 2 + 5)
    half = estimate_siblings(model, replace(whole, psi=0.5), 1, twin, spacing=SPACING)
    assert half.seconds == pytest.approx(19 * 2 + 5)
    many = estimate_siblings(model, whole, 100, twin, spacing=SPACING, workers=2)
    assert many.seconds == pytest.approx(50 * (39 * 2 + 5))
    assert one.memory_bytes is None or many.memory_bytes >= 2 * one.memory_bytes > 1e7


def test_bad_recipes_are_refused_before_the_run(small_model):
    with pytest.raises(ValueError, match="give its labels"):
        estimate_siblings(small_model, Recipe("perturbational", 0, psi=0.5, twin="a"), 10)


def test_an_estimate_reads_as_a_sentence():
    assert str(SiblingEstimate(0.2, 2_100_000_000)) == "about 1 s, 2.1 GB of memory"
    assert str(SiblingEstimate(600, None)) == "about 10 min"
    assert str(SiblingEstimate(7200, None)) == "about 2.0 h"
