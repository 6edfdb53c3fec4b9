"""Targets: read, resolved, met by guidance, and laid out as designs of experiments."""

import numpy as np
import pytest
import torch
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.cohort import measure_cohort
from cardiactwins.twin.designs import grid_design, latin_hypercube_design
from cardiactwins.twin.guidance import GuidedDenoiser
from cardiactwins.twin.latent_edits import perturbational, unconditional
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import make_siblings
from cardiactwins.twin.soft_measures import MEASURES, hard_measures, soft_measure
from cardiactwins.twin.targets import (
    Target,
    TargetReport,
    held_volumes,
    measured_ranges,
    resolve_targets,
    target_reports,
    unseen_text,
)

SPACING = (4.0, 4.0, 4.0)


@pytest.fixture(scope="module")
def model(small_model):
    return small_model


@pytest.fixture(scope="module")
def latent(model):
    return model.encode(torch.from_numpy(ellipsoid_heart(np.random.default_rng(100)))[None])[0]


def one_hot(labels):
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 7).movedim(-1, 0)[None].double()


@pytest.mark.parametrize("name", [name for name in MEASURES if name != "wall"])
def test_soft_measures_of_a_label_map_are_its_measures(name):
    heart = ellipsoid_heart(np.random.default_rng(1))
    spacing = (1.0, 2.0, 3.0)
    soft = soft_measure(name, one_hot(heart), spacing)
    assert float(soft) == pytest.approx(hard_measures(heart, spacing)[name], rel=1e-6)


def test_the_soft_wall_of_a_shell_is_its_thickness_to_first_order():
    k, j, i = np.indices((48, 48, 48)) - 23.5
    radius = np.sqrt(k**2 + j**2 + i**2)
    soft = []
    for thickness in (3.0, 6.0):
        cavity, whole = 1 / (1 + np.exp((radius - 12) * 2)), 1 / (1 + np.exp((radius - 12 - thickness) * 2))
        p = np.zeros((1, 7, 48, 48, 48))
        p[0, Tissue.LV], p[0, Tissue.MYO] = cavity, whole - cavity
        soft.append(float(soft_measure("wall", torch.from_numpy(p))))
    exact = [2 * ((12 + t) ** 3 - 12**3) / 3 / ((12 + t) ** 2 + 12**2) * 1.4 for t in (3.0, 6.0)]
    assert soft == pytest.approx(exact, rel=0.03)


@pytest.mark.parametrize("name", ["RV volume", "LA major axis", "LA minor axis", "wall"])
def test_gradients_of_soft_measures_are_finite_differences(name):
    generator = torch.Generator().manual_seed(0)
    p = torch.softmax(3 * torch.randn(2, 7, 4, 5, 3, generator=generator, dtype=torch.double), dim=1)
    assert torch.autograd.gradcheck(lambda q: soft_measure(name, q, (1, 2, 3)), (p.requires_grad_(True),))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("RV volume 150 ml", Target("RV volume", 150, "to")),
        ("rv volume = 150", Target("RV volume", 150, "to")),
        ("wall +2 mm", Target("wall", 2, "by")),
        ("LA volume -10 %", Target("LA volume", -10, "percent")),
        ("LV major axis -3.5mm", Target("LV major axis", -3.5, "by")),
    ],
)
def test_targets_are_read_from_text(text, target):
    assert Target.parse(text) == target
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bigger please", "is no target"),
        ("RV volume 150 mm", "'RV volume' is in ml, not in mm"),
        ("mass 150", "no measure 'mass'"),
        ("RV volume 90 %", r"Write \+90 % or -90 % for a change"),
    ],
)
def test_what_is_no_target_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Target.parse(text)


def test_targets_become_values_and_the_other_chambers_are_held():
    present = {"LV volume": 100.0, "RV volume": 120.0, "LA volume": 60.0, "RA volume": 70.0, "wall": 8.0}
    targets = [Target.parse(text) for text in ("RV volume +10 %", "wall +2 mm")]
    wanted = resolve_targets(targets, present)
    assert wanted == {"RV volume": pytest.approx(132), "wall": pytest.approx(10)}
    assert set(held_volumes(wanted, present)) == {"LV volume", "LA volume", "RA volume"}
    assert "LV volume" not in held_volumes({"LV major axis": 90.0}, present)


def test_unreachable_targets_are_refused_with_what_is_reachable():
    present, ranges = {"RV volume": 120.0}, {"RV volume": (80.0, 260.0)}
    with pytest.raises(ValueError, match=r"outside what the model has seen \(80 to 260\)"):
        resolve_targets([Target("RV volume", 400)], present, ranges)
    with pytest.raises(ValueError, match="that is no heart"):
        resolve_targets([Target("RV volume", -100, "percent")], present)
    with pytest.raises(ValueError, match="two targets"):
        resolve_targets([Target("RV volume", 100), Target("RV volume", 110)], present)
    with pytest.raises(ValueError, match="no target"):
        resolve_targets([], present)
    with pytest.raises(ValueError, match="at least one target"):
        GuidedDenoiser(None, {})


def test_what_of_a_heart_the_model_has_not_seen_is_told():
    ranges = {"RV volume": (70.0, 310.0), "wall": (5.0, 16.0)}
    assert unseen_text({"RV volume": 70.0, "wall": 16.0, "LV volume": 1.0}, ranges) == ""
    assert unseen_text({"RV volume": 20.57}, None) == ""
    text = unseen_text({"RV volume": 20.57, "wall": 17.0}, ranges)
    assert "has seen: RV volume 20.57 ml (70 to 310), wall 17 mm (5 to 16)." in text


def test_ranges_are_those_of_the_hearts_and_come_with_the_weights(model):
    hearts = [ellipsoid_heart(np.random.default_rng([0, index])) for index in range(5)]
    ranges = measured_ranges(hearts, SPACING)
    volumes = [hard_measures(heart, SPACING)["RV volume"] for heart in hearts]
    assert ranges["RV volume"] == (min(volumes), max(volumes)) and set(ranges) == set(MEASURES)
    with pytest.raises(ValueError, match="no hearts"):
        measured_ranges([])

    class Carded:
        size, latent_shape, device, card = model.size, model.latent_shape, model.device, {"ranges": ranges}

    with pytest.raises(ValueError, match="outside what the model has seen"):
        make_siblings(Carded(), [Recipe("unconditional", 0, targets=("RV volume 500 ml",))], spacing=SPACING)


def test_a_report_says_whether_a_target_was_met():
    assert TargetReport("wall", 10.0, 10.4).met and not TargetReport("wall", 10.0, 10.6).met
    assert TargetReport("wall", 10.0, 9.0).error == pytest.approx(0.1)


class LinearHearts:
    """Normal latents of two numbers, of which a volume is a linear function."""

    size, latent_shape, device = (1, 1, 1), (2, 1, 1, 1), torch.device("cpu")
    mean = torch.tensor([1.0, -2.0])
    covariance = torch.tensor([[2.0, 0.8], [0.8, 1.0]])
    slope = torch.tensor([3.0, 1.0])

    def denoise(self, noisy, sigma):
        gain = self.covariance @ torch.linalg.inv(self.covariance + sigma**2 * torch.eye(2))
        return (self.mean + (noisy.flatten(1) - self.mean) @ gain.T).reshape(noisy.shape)

    def widened(self, noise, sigma):
        return noise

    def coarse(self, latents):
        rv = 10 + latents.flatten(1) @ self.slope
        channels = [rv if tissue == Tissue.RV else torch.zeros_like(rv) for tissue in range(7)]
        return torch.stack(channels, dim=1).reshape(-1, 7, 1, 1, 1)


def test_guidance_is_exact_for_normal_latents_and_a_linear_measure():
    """It then samples the distribution that is conditioned on the measure."""
    model = LinearHearts()
    wanted = 14.0
    guided = GuidedDenoiser(
        model, {"RV volume": wanted}, spacing=(10, 10, 10), largest_change=1e9, rounded=False
    )
    found = unconditional(model, range(3000), steps=60, denoise=guided).flatten(1)
    np.testing.assert_allclose((10 + found @ model.slope).numpy(), wanted, atol=1e-3)
    spread = model.covariance @ model.slope
    variance = float(model.slope @ spread)
    mean = model.mean + spread * (wanted - 10 - float(model.slope @ model.mean)) / variance
    covariance = model.covariance - torch.outer(spread, spread) / variance
    torch.testing.assert_close(found.mean(dim=0), mean, atol=0.06, rtol=0)
    torch.testing.assert_close(torch.cov(found.T), covariance, atol=0.06, rtol=0)


@pytest.mark.parametrize(
    "texts", [["RV volume +20 %"], ["wall +1.5 mm"], ["LV volume 75 ml", "RA volume -10 %"]]
)
def test_targets_are_met_within_5_percent_and_other_chambers_stay(model, latent, texts):
    own = model.labels(latent[None])[0]
    present = hard_measures(own, SPACING)
    wanted = resolve_targets([Target.parse(text) for text in texts], present)
    held = held_volumes(wanted, present)
    guided = GuidedDenoiser(model, wanted, held, spacing=SPACING)
    latents = perturbational(model, latent, range(3), psi=0.5, denoise=guided)
    assert not latents.requires_grad
    hearts = model.labels(latents)
    for heart in hearts:
        reports = target_reports(heart, wanted, held, SPACING)
        assert len(reports) == len(wanted) + len(held)
        assert all(report.met for report in reports)
    assert measure_cohort(list(hearts), SPACING).violations_percent == 0


def test_directions_are_found_once_at_each_level(model, latent):
    asked = []

    class Counting:
        size, latent_shape, device = model.size, model.latent_shape, model.device
        denoise, decode_labels, widened = model.denoise, model.decode_labels, model.widened

        def coarse(self, latents):
            asked.append(len(latents))
            return model.coarse(latents)

    guided = GuidedDenoiser(Counting(), {"RV volume": 60.0}, spacing=SPACING)
    perturbational(model, latent, [0, 1], psi=0.5, denoise=guided)
    assert asked == [2] * 10
    perturbational(model, latent, [0], psi=0.1, denoise=guided)
    assert asked[10:] == [1] * 2


def test_unguided_siblings_do_not_meet_the_target(model, latent):
    own = model.labels(latent[None])[0]
    wanted = {"RV volume": 1.2 * hard_measures(own, SPACING)["RV volume"]}
    hearts = model.labels(perturbational(model, latent, range(6), psi=0.5))
    assert not all(target_reports(heart, wanted, spacing=SPACING)[0].met for heart in hearts)


def test_a_grid_has_every_combination():
    design = grid_design({"RV volume": (100, 150), "wall": (6, 8, 10)})
    assert len(design) == len(set(design)) == 6
    assert design[1] == (Target("RV volume", 100), Target("wall", 8))
    with pytest.raises(ValueError, match="at least one measure"):
        grid_design({})


def test_a_latin_hypercube_takes_each_part_of_each_range_once():
    ranges = {"RV volume": (100.0, 200.0), "LV volume": (80.0, 120.0), "wall": (6.0, 10.0)}
    design = latin_hypercube_design(ranges, 8, np.random.default_rng(0))
    values = np.array([[target.value for target in row] for row in design])
    for column, (low, high) in zip(values.T, ranges.values(), strict=True):
        assert sorted(((column - low) / (high - low) * 8).astype(int)) == list(range(8))
    again = latin_hypercube_design(ranges, 8, np.random.default_rng(0))
    assert again == design
    assert len(latin_hypercube_design({"wall": (6.0, 10.0)}, 1, np.random.default_rng(0))) == 1
    with pytest.raises(ValueError, match="range that rises"):
        latin_hypercube_design({"wall": (10.0, 6.0)}, 3, np.random.default_rng(0))
