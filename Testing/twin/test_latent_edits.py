"""Unconditional, perturbational and localized siblings, on hearts whose latents are normally distributed."""

import itertools

import numpy as np
import pytest
import torch
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.progress import Cancelled
from cardiactwins.twin.keep_mask import kept_by_region, kept_by_tissues, latent_keep
from cardiactwins.twin.latent_edits import localized, perturbational, start_step, unconditional
from cardiactwins.twin.sampler import noise_schedule

SPACING = (4.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def model(small_model):
    return small_model


@pytest.fixture(scope="module")
def twin():
    return ellipsoid_heart(np.random.default_rng(100))


@pytest.fixture(scope="module")
def latent(model, twin):
    return model.encode(torch.from_numpy(twin)[None])[0]


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1)


def heart_dice(a, b):
    return np.mean([dice(a == t, b == t) for t in Tissue])


def drawn(model, seed):
    return torch.randn(model.latent_shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("counting", "sigmas"),
    [("paper", (3.0, 9.4, 21, 40, 80)), ("successor", (1.85, 6.7, 16.5, 33, 80))],
)
def test_psi_starts_at_the_noise_of_either_counting(counting, sigmas):
    levels = noise_schedule(20)
    found = [levels[start_step(psi, 20, counting)] for psi in (0.35, 0.5, 0.65, 0.8, 1)]
    assert found == pytest.approx(sigmas, rel=0.02)


def test_psi_beyond_its_range_is_refused():
    for psi in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            start_step(psi)
    with pytest.raises(ValueError, match="'paper' or its 'successor'"):
        start_step(0.5, counting="other")
    assert start_step(0.001, 20) == 19


@pytest.mark.parametrize("psi", [0.35, 0.65, 1.0])
def test_perturbation_is_the_flow_of_the_normal_distribution(model, latent, psi):
    """Along an axis of variance v the flow from noise s to none divides deviations by sqrt(1 + s^2 / v)."""
    steps = 160
    found = perturbational(model, latent, [3], psi=psi, steps=steps)
    sigma = noise_schedule(steps)[start_step(psi, steps)]
    noisy = (latent + sigma * drawn(model, 3)).flatten()
    along = model.axes @ noisy
    expected = along * torch.sqrt(model.variances / (model.variances + sigma**2))
    scale = torch.sqrt(model.variances)
    torch.testing.assert_close((model.axes @ found.flatten()) / scale, expected / scale, atol=0.02, rtol=0)


def test_a_seed_gives_the_same_heart_in_any_batch(model, latent):
    together = unconditional(model, [5, 6, 7], steps=6)
    torch.testing.assert_close(unconditional(model, [6], steps=6)[0], together[1])
    assert not torch.allclose(together[0], together[1])
    both = perturbational(model, latent, [1, 2], psi=0.5, steps=6)
    torch.testing.assert_close(perturbational(model, latent, [2], psi=0.5, steps=6)[0], both[1])
    with pytest.raises(ValueError, match="at least one seed"):
        unconditional(model, [])


def test_unconditional_hearts_have_the_moments_of_the_latents(model):
    latents = unconditional(model, range(60)).flatten(1)
    scores = (latents @ model.axes.T) / torch.sqrt(model.variances)
    assert scores.mean(dim=0).abs().max() < 4 / np.sqrt(60)
    assert (scores.std(dim=0) - 1).abs().max() < 0.4


def test_siblings_move_away_with_psi(model, latent, twin):
    own = model.labels(latent[None])[0]
    away = []
    for psi in (0.35, 0.5, 0.65, 0.8, 1.0):
        siblings = model.labels(perturbational(model, latent, range(6), psi=psi))
        away.append(np.mean([1 - heart_dice(own, sibling) for sibling in siblings]))
    assert all(b > a for a, b in itertools.pairwise(away)) and away[0] < 0.7 * away[-1]


def test_localized_edits_keep_what_is_kept(model, latent, twin):
    keep = [Tissue.AO, Tissue.MYO, Tissue.LV, Tissue.LA, Tissue.RA]
    kept = latent_keep(kept_by_tissues(twin, keep), model.latent_shape[1:], dilation_mm=0, spacing=SPACING)
    found = localized(model, latent, kept, range(12))
    torch.testing.assert_close(found[..., torch.from_numpy(kept)], latent[:, kept].expand(12, -1, -1))
    own, siblings = model.labels(latent[None])[0], model.labels(found)
    for tissue in (Tissue.MYO, Tissue.LV, Tissue.LA):
        assert min(dice(own == tissue, s == tissue) for s in siblings) > 0.9
    volumes = [(s == Tissue.RV).sum() for s in siblings]
    assert np.std(volumes) > 0.01 * np.mean(volumes)


def test_kept_latents_are_renoised_afresh_before_every_denoising(model, latent, twin):
    kept = latent_keep(kept_by_tissues(twin, [Tissue.LV]), model.latent_shape[1:], spacing=SPACING)
    seen = []

    def spy(noisy, sigma):
        seen.append(((noisy - latent)[0][:, kept] / sigma).flatten())
        return model.denoise(noisy, sigma)

    localized(model, latent, kept, [4], steps=5, denoise=spy)
    assert len(seen) == 9
    for noise in seen:
        assert abs(float(noise.std()) - 1) < 0.1 and abs(float(noise.mean())) < 0.1
    for a, b in itertools.pairwise(seen):
        assert abs(float((a * b).mean())) < 0.1


def test_fusing_from_a_lower_noise_on_leaves_the_free_part_more_room(model, latent, twin):
    keep = [Tissue.AO, Tissue.MYO, Tissue.LV, Tissue.LA, Tissue.RA]
    kept = latent_keep(kept_by_tissues(twin, keep), model.latent_shape[1:], dilation_mm=0, spacing=SPACING)
    seen = {}

    def spy(noisy, sigma):
        seen.setdefault(sigma, float(((noisy - latent)[0][:, kept] / sigma).std()))
        return model.denoise(noisy, sigma)

    late = localized(model, latent, kept, range(12), fuse_below=1.0)
    localized(model, latent, kept, [0], fuse_below=1.0, denoise=spy)
    assert all(abs(spread - 1) < 0.1 for sigma, spread in seen.items() if sigma <= 1)
    torch.testing.assert_close(late[..., torch.from_numpy(kept)], latent[:, kept].expand(12, -1, -1))
    always = localized(model, latent, kept, range(12))
    free = ~torch.from_numpy(kept)
    spread = [float(found[..., free].var(dim=0).mean()) for found in (always, late)]
    assert spread[1] > 1.1 * spread[0]


def test_small_psi_starts_the_free_part_from_the_twin(model, latent, twin):
    kept = latent_keep(kept_by_tissues(twin, [Tissue.LV]), model.latent_shape[1:], spacing=SPACING)
    near = localized(model, latent, kept, range(4), psi=0.35)
    far = localized(model, latent, kept, range(4))
    assert (near - latent).square().mean() < 0.8 * (far - latent).square().mean()


def test_the_mask_is_grown_by_face_neighbours_in_millimetres():
    kept = np.zeros((32, 32, 32), bool)
    kept[14:18, 14:18, 14:18] = True
    plain = latent_keep(kept, (8, 8, 8), dilation_mm=0)
    assert plain.sum() == 1
    twice = latent_keep(kept, (8, 8, 8))
    center = np.argwhere(plain)[0]
    expected = np.abs(np.indices((8, 8, 8)) - center[:, None, None, None]).sum(axis=0) <= 2
    np.testing.assert_array_equal(twice, expected)
    with pytest.raises(ValueError, match=r"keeps nothing on the latent grid, whose voxels have 11.2 mm"):
        latent_keep(kept, (4, 4, 4))
    np.testing.assert_array_equal(
        latent_keep(kept, (4, 4, 4), dilation_mm=0, rule="any"),
        kept.reshape(4, 8, 4, 8, 4, 8).any(axis=(1, 3, 5)),
    )
    with pytest.raises(ValueError, match="'nearest' or 'any'"):
        latent_keep(kept, (4, 4, 4), rule="most")


def test_masks_that_keep_all_or_nothing_are_refused():
    kept = np.zeros((16, 16, 16), bool)
    kept[8:, :, :] = True
    with pytest.raises(ValueError, match="the mask keeps everything"):
        latent_keep(kept, (4, 4, 4), dilation_mm=100)
    with pytest.raises(ValueError, match="keeps nothing on the latent grid"):
        latent_keep(np.zeros((16, 16, 16), bool), (4, 4, 4))
    with pytest.raises(ValueError, match="0 mm or more"):
        latent_keep(kept, (4, 4, 4), dilation_mm=-1)


def test_a_painted_region_is_what_may_change():
    region = np.zeros((10, 10, 10), bool)
    region[5, 5, 5] = True
    kept = kept_by_region(region, 2.9, spacing=(1.4,) * 3)
    distance = np.linalg.norm(np.moveaxis(np.indices((10, 10, 10)), 0, -1) - 5, axis=-1) * 1.4
    np.testing.assert_array_equal(kept, distance > 2.9)
    with pytest.raises(ValueError, match="region to edit is empty"):
        kept_by_region(np.zeros((3, 3, 3), bool))
    with pytest.raises(ValueError, match="is everything"):
        kept_by_region(np.ones((3, 3, 3), bool))


def test_sampling_stops_at_once_when_cancelled(model):
    steps = []

    def progress(step, total, message="", values=None):
        steps.append(step)
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        unconditional(model, [0], steps=10, progress=progress)
    assert steps == [1, 2]
