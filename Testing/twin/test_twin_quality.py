"""The benchmark of the generative model: what it asks, how it measures, and its protocol on a stand-in."""

import json

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart
from scipy import ndimage
from twin_measures import dice_of, mean_dice, surface_change
from twin_quality import main
from twin_requirements import requirements

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.files import json_text

SPACING = np.array([2.0, 2.0, 2.0])


def ball(radius):
    """A ball of RV; radius in voxels, a number or a field."""
    k, j, i = np.indices((48, 48, 48)) - 24
    labels = np.zeros(k.shape, np.uint8)
    labels[k**2 + j**2 + i**2 < radius**2] = Tissue.RV
    return labels


def test_a_grown_ball_has_moved_by_its_growth_and_smoothly():
    moved, smooth = surface_change(ball(12.0), ball(14.0), SPACING)
    assert moved == pytest.approx(4.0, rel=0.15) and smooth > 0.95


def test_rough_changes_are_told_from_smooth_ones():
    noise = np.random.default_rng(0).normal(size=(48, 48, 48))
    shares = []
    for width in (1.0, 6.0):
        field = ndimage.gaussian_filter(noise, width)
        shares.append(surface_change(ball(14.0), ball(14.0 + 1.5 * field / field.std()), SPACING)[1])
    assert shares[0] < 0.4 < 0.6 < shares[1]
    assert surface_change(ball(12.0), ball(12.0), SPACING) == (0.0, 0.0)


def test_dice_is_twice_the_overlap_by_the_sum():
    assert dice_of(np.array([1, 1, 0], bool), np.array([0, 1, 1], bool)) == 0.5
    assert dice_of(np.zeros(3, bool), np.zeros(3, bool)) == 1
    heart = ellipsoid_heart(np.random.default_rng(0))
    assert mean_dice(heart, heart) == 1


def test_requirements_name_what_was_found_and_hold_or_not():
    good = {
        "vae_dice": {"LV": 0.99, "Ao": 0.975},
        "vae_dice_worst": {"LV": 0.98, "Ao": 0.951},
        "tv_autoencoded": 1.0,
        "tv_synthetic": 3.9,
        "tv_guarded": 0.5,
        **dict.fromkeys(("precision", "recall", "frechet"), 0.9),
        **{f"{name}_halves": [0.8, 0.95] for name in ("precision", "recall", "frechet")},
        "nearest_train": 2.0,
        "nearest_heldout": 1.9,
    }
    assert len(requirements(good)) == 8 and all(held for *_, held in requirements(good))
    bad = {
        **good,
        "vae_dice": {"LV": 0.96},
        "tv_synthetic": 4.1,
        "tv_guarded": 1.2,
        "frechet": 1.0,
        "nearest_train": 1.0,
    }
    assert [held for *_, held in requirements(bad)] == [False, True, False, False, True, True, False, False]
    assert requirements({}) == []
    memory = {"nearest_to_training": {"value": 2.0, "low": 1.8, "high": 2.2}}
    assert [requirements({**memory, "nearest_to_unseen": far})[0][2] for far in (2.1, 2.3)] == [True, False]


def test_the_protocol_runs_on_the_stand_in_and_prints_json_last(tmp_path, capsys):
    main(
        "--stand-in --unseen 14 --cohort 8 --steps 8 --batch 8 --parts autoencoder,noise"
        f" --sensitivity 4,8 --tried 6 --out {tmp_path}".split()
    )
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    for key in (
        "tv_heldout",
        "tv_autoencoded",
        "tv_synthetic",
        "tv_guarded",
        "nearest_train",
        "nearest_heldout",
        "nearest_autoencoded",
        "nearest_to_unseen",
    ):
        assert isinstance(printed[key], float)
    for key in ("precision", "recall", "frechet"):
        assert isinstance(printed[key], float) and len(printed[f"{key}_halves"]) == 2
    for key in ("nearest_difference", "nearest_near", "nearest_to_training"):
        assert printed[key]["low"] <= printed[key]["high"]
    assert [row["steps"] for row in printed["steps_tried"]] == [4, 8]
    assert (tmp_path / "cohort" / "report" / "steps.png").is_file()
    assert set(printed["vae_dice"]) == {"Ao", "Myo", "RV", "LV", "RA", "LA"}
    assert json.loads((tmp_path / "noise.json").read_text())["precision"] == printed["precision"]


@pytest.mark.long
def test_every_part_runs_on_the_stand_in_and_goes_on_after_a_stop(tmp_path):
    arguments = (
        "--stand-in --unseen 30 --cohort 20 --siblings 3 --targets 5 --designed 4 --augmented 30 --kept 12"
        f" --dilation 0 --batch 8 --out {tmp_path}"
    ).split()
    first = main(arguments)
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "cohort" / "siblings").iterdir()}
    assert json_text(main(arguments)) == json_text(first)
    assert {file: file.stat().st_mtime_ns for file in written} == written
    errors = [row["dice_error"] for row in first["perturbational"]]
    assert errors[0] < errors[-1] and first["localized_exact_dice"] == 1
    assert first["targets_held_percent"] == first["designed_met_percent"] == 100
    assert len(first["designed_volume_sd"]) == 8 and min(first["designed_volume_sd"].values()) >= 0.5
    assert set(first["augmentation"]["strategies"]) == {"unconditional", "perturbational", "localized"}
