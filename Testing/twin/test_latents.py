"""Latents of hearts: scaled, and encoded once."""

import pytest
import torch
from small_trainings import HEARTS

from cardiactwins.twin.latents import LatentScale, cached_latents


def test_scaled_latents_have_mean_zero_and_unit_deviation():
    latents = torch.tensor([3.0, 0.1]).reshape(1, 2, 1, 1, 1) * torch.randn(40, 2, 4, 4, 4) + 7
    latents[:, :, 0] += 5
    scale = LatentScale.of(latents)
    found = scale.standardised(latents)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(2, 4, 4, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(dim=(0, 2, 3, 4)), torch.ones(2), atol=0.02, rtol=0)
    torch.testing.assert_close(scale.restored(found), latents)
    with pytest.raises(ValueError, match="two hearts"):
        LatentScale.of(latents[:1])


def test_each_heart_is_encoded_once(tmp_path, autoencoder):
    class Counted(list):
        asked = 0

        def __getitem__(self, index):
            self.asked += 1
            return super().__getitem__(index)

    hearts = Counted(HEARTS)
    latents = cached_latents(autoencoder, hearts, tmp_path, "a")
    assert hearts.asked == len(HEARTS)
    torch.testing.assert_close(latents[2:3], autoencoder.encode(torch.from_numpy(HEARTS[2])[None])[0])
    assert torch.equal(cached_latents(autoencoder, hearts, tmp_path, "a"), latents)
    assert hearts.asked == len(HEARTS)
    cached_latents(autoencoder, hearts, tmp_path, "other weights")
    next(tmp_path.iterdir()).write_bytes(b"damaged")
    cached_latents(autoencoder, hearts, tmp_path, "other weights")
    assert hearts.asked == 3 * len(HEARTS)
