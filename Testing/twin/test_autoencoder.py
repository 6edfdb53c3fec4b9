import numpy as np
import pytest
import torch
from torch.nn import functional

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.augmentation import PAPER_AUGMENTATION, Augmentation, transformed
from cardiactwins.twin.autoencoder import AutoencoderSettings, build_autoencoder, divergence
from cardiactwins.twin.autoencoder_training import dice_of, overlap_loss, square_loss
from cardiactwins.twin.tissue_shares import CLASSES, at_every_other, most_likely, tissue_shares

SWIFT = AutoencoderSettings(latent_channels=3, width=8, inner=16)
PAPER = AutoencoderSettings(preset="paper", latent_channels=3, channels=(8, 8, 16))


def random_labels(count=2, size=16, seed=0):
    return torch.from_numpy(
        np.random.default_rng(seed).integers(CLASSES, size=(count, size, size, size)).astype(np.uint8)
    )


def test_shares_count_the_voxels_of_each_tissue_in_a_block():
    labels = random_labels()
    shares = tissue_shares(labels, 4)
    assert shares.shape == (2, 7, 4, 4, 4)
    block = labels[1, 4:8, 8:12, 0:4].flatten().long()
    assert shares[1, :, 1, 2, 0].tolist() == pytest.approx((torch.bincount(block, minlength=7) / 64).tolist())
    assert torch.equal(tissue_shares(labels).argmax(dim=1).to(torch.uint8), labels)


@pytest.mark.parametrize("offsets", [(0, 0, 0), (1, 1, 1), (0, 1, 0)])
def test_every_other_voxel_is_that_of_the_interpolated_whole(offsets):
    values = torch.randn(2, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    whole = functional.interpolate(values, scale_factor=2, mode="trilinear", align_corners=False)
    k, j, i = offsets
    torch.testing.assert_close(at_every_other(values, offsets), whole[:, :, k::2, j::2, i::2])


def test_the_most_likely_labels_are_those_of_the_interpolated_logits():
    logits = torch.randn(2, 7, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    whole = functional.interpolate(logits, size=(8, 8, 8), mode="trilinear", align_corners=False)
    assert torch.equal(most_likely(logits, (8, 8, 8)), whole.argmax(dim=1).to(torch.uint8))


@pytest.mark.parametrize("size", [(16, 20, 32), (24, 20, 37)])
def test_the_most_likely_labels_of_compact_tissues_are_those_of_the_interpolated_logits(size):
    # Three tissues side by side and one in a corner: few cells have neighbours of other tissues.
    logits = torch.randn(2, 7, 8, 10, 16, generator=torch.Generator().manual_seed(3))
    logits[:, 0, :, :, 2:5] += 9
    logits[:, 4, :, :, 5:] += 9
    logits[:, 2, :, :, :2] += 9
    logits[1, 6, :2, :2, :2] += 20
    whole = functional.interpolate(logits, size=size, mode="trilinear", align_corners=False)
    assert torch.equal(most_likely(logits, size), whole.argmax(dim=1).to(torch.uint8))


def test_quarter_blocks_lose_little_of_a_thin_tissue():
    # A shell one voxel and a half thick, decoded from its shares on the grid of the swift decoder.
    k, j, i = np.indices((32, 32, 32)) - 15.5
    away = np.sqrt(k**2 + j**2 + i**2)
    labels = torch.from_numpy(np.where(away < 9, 4, np.where(away < 11, 2, 0)).astype(np.uint8))[None]
    decoded = most_likely((tissue_shares(labels, 2) + 1e-3).log(), (32, 32, 32))
    for tissue in (Tissue.LV, Tissue.MYO):
        a, b = labels == tissue, decoded == tissue
        assert float(2 * (a & b).sum() / (a.sum() + b.sum())) > 0.95


@pytest.mark.parametrize("settings", [SWIFT, PAPER], ids=["swift", "paper"])
def test_both_presets_take_label_maps_to_latents_and_back(settings):
    torch.manual_seed(0)
    network = build_autoencoder(settings).eval()
    labels = random_labels()
    mean, log_variance = network.encode(labels)
    assert mean.shape == log_variance.shape == (2, *network.latent_shape((16, 16, 16)))
    probabilities = network.probabilities(mean)
    assert probabilities.shape == (2, 7, 16, 16, 16)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(2, 16, 16, 16))
    decoded = network.labels(mean)
    assert decoded.dtype == torch.uint8
    chosen = probabilities.gather(1, decoded[:, None].long())[:, 0]
    torch.testing.assert_close(chosen, probabilities.amax(dim=1), rtol=0, atol=1e-6)


def test_the_papers_preset_reduces_128_voxels_to_32_and_the_swift_one_to_16():
    assert build_autoencoder(PAPER).latent_shape((128, 128, 128)) == (3, 32, 32, 32)
    assert build_autoencoder(SWIFT).latent_shape((128, 128, 128)) == (3, 16, 16, 16)
    assert AutoencoderSettings(preset="paper").channels == (64, 128, 192)


@torch.no_grad()
@pytest.mark.parametrize("settings", [SWIFT, PAPER], ids=["swift", "paper"])
def test_an_untrained_decoder_knows_how_frequent_the_tissues_are(settings):
    torch.manual_seed(0)
    network = build_autoencoder(settings)
    shares = torch.tensor([0.7, 0.1, 0.05, 0.05, 0.04, 0.03, 0.03])
    before = network.probabilities(torch.zeros(1, *network.latent_shape((16, 16, 16)))).mean(dim=(0, 2, 3, 4))
    network.expect(shares)
    after = network.probabilities(torch.zeros(1, *network.latent_shape((16, 16, 16)))).mean(dim=(0, 2, 3, 4))
    assert float((after - shares).abs().max()) < 0.2 < float((before - shares).abs().max())
    assert float(after[0]) > 0.5


def test_a_position_in_the_latent_is_the_same_position_in_the_label_map():
    network = build_autoencoder(SWIFT).eval()
    labels = torch.zeros(1, 64, 64, 64, dtype=torch.uint8)
    empty = network.encode(labels)[0]
    labels[0, 40:42, 16:18, 0:2] = 3
    # Normalisation carries a little of the change everywhere.
    change = (network.encode(labels)[0] - empty).abs().sum(dim=(0, 1))
    assert np.unravel_index(int(change.argmax()), (8, 8, 8)) == (5, 2, 0)


def test_the_divergence_is_that_of_normal_distributions():
    mean, deviation = torch.tensor([[0.3, -1.2]]), torch.tensor([[0.5, 2.0]])
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    assert divergence(mean, 2 * deviation.log()).item() == pytest.approx(float(expected))


def test_the_overlap_loss_is_cross_entropy_and_the_dice_that_is_missing():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 7, 4, 4, 4, generator=generator)
    labels = random_labels(2, 4)
    predicted = logits.softmax(dim=1)
    dice = []
    for heart in range(2):
        for tissue in range(1, 7):
            p, g = predicted[heart, tissue], (labels[heart] == tissue).float()
            dice.append((2 * (p * g).sum() + 1) / (p.sum() + g.sum() + 1))
    expected = functional.cross_entropy(logits, labels.long()) + 1 - sum(dice) / 12
    assert overlap_loss(logits, labels).item() == pytest.approx(float(expected), rel=1e-5)


def test_both_losses_vanish_for_the_right_labels():
    labels = random_labels(1, 8)
    logits = 50 * functional.one_hot(labels.long(), 7).movedim(-1, 1).float()
    assert overlap_loss(logits, labels) < 1e-5
    assert square_loss(logits, labels) < 1e-5
    assert square_loss(torch.zeros(1, 7, 8, 8, 8), labels).item() == pytest.approx((36 + 6) / 49 / 7)


def test_dice_is_told_of_each_tissue_and_of_the_worst():
    class Careless(torch.nn.Module):
        """Takes a part of the LA for the RA."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def encode(self, labels):
            return labels, None

        def labels(self, latents):
            wrong = latents.clone()
            wrong[:, 0][latents[:, 0] == Tissue.LA] = Tissue.RA
            return wrong

    heart = np.zeros((4, 4, 4), dtype=np.uint8)
    heart[:, 0], heart[:, 1] = Tissue.LA, Tissue.RA
    found = dice_of(Careless(), [heart])
    # A quarter of the 16 voxels of the LA are lost to the RA, which has 16 of its own.
    assert found["LA"] == pytest.approx(24 / 28) and found["RA"] == pytest.approx(32 / 36)
    assert found["worst"] == found["LA"] and found["dice"] == pytest.approx((24 / 28 + 32 / 36) / 2)
    assert "LV" not in found


def test_hearts_that_are_not_transformed_stay_as_they_are():
    labels = random_labels(1)[0]
    identity = Augmentation(share=0.0).draw(np.random.default_rng(0))
    assert torch.equal(transformed(labels, identity), labels)


def test_transforms_turn_scale_and_shift_as_they_say():
    labels = random_labels(1)[0]
    quarter = np.array([[0.0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0]])
    # New offset (k, j) shows the old one at (j, -k): a quarter of a turn.
    assert torch.equal(transformed(labels, quarter), torch.rot90(labels, 1, (0, 1)))
    shift = np.concatenate([np.eye(3), [[2.0], [0.0], [-3.0]]], axis=1)
    moved = transformed(labels, shift)
    assert torch.equal(moved[:14, :, 3:], labels[2:, :, :13])
    assert not moved[14:].any() and not moved[:, :, :3].any()
    ball = (np.indices((32, 32, 32)) - 15.5).astype(float)
    ball = torch.from_numpy(((ball**2).sum(axis=0) < 36).astype(np.uint8))
    grown = transformed(ball, np.concatenate([np.eye(3) / 1.5, np.zeros((3, 1))], axis=1))
    assert float(grown.sum() / ball.sum()) == pytest.approx(1.5**3, rel=0.05)


def test_transforms_are_drawn_in_the_ranges_of_the_paper():
    rng = np.random.default_rng(4)
    drawn = [PAPER_AUGMENTATION.draw(rng) for _ in range(300)]
    factors = np.array([np.linalg.det(t[:, :3]) ** (-1 / 3) for t in drawn])
    assert 0.5 <= factors.min() < 0.55 and 1.4 < factors.max() <= 1.5
    turns = [t[:, :3] * f for t, f in zip(drawn, factors, strict=True)]
    assert all(np.allclose(turn @ turn.T, np.eye(3), atol=1e-9) for turn in turns)
    angles = np.degrees(np.arccos(np.clip([(np.trace(turn) - 1) / 2 for turn in turns], -1, 1)))
    assert angles.min() < 10 and 170 < angles.max() <= 180
    shifts = np.array([np.linalg.solve(t[:, :3], -t[:, 3]) for t in drawn])
    assert np.abs(shifts).max() <= 20 + 1e-9 and np.abs(shifts).max() > 19
    share = np.mean([np.array_equal(Augmentation(share=0.3).draw(rng), np.eye(3, 4)) for _ in range(500)])
    assert share == pytest.approx(0.7, abs=0.07)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ValueError, match="swift, paper"):
        build_autoencoder(AutoencoderSettings(preset="large"))
