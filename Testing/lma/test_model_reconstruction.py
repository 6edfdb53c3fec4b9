"""Reconstruction by a deformed atlas, on phantoms and with a network that has learned nothing."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.ndimage import affine_transform

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cardiactwins.compute import devices  # noqa: E402
from cardiactwins.compute.devices import Device  # noqa: E402
from cardiactwins.compute.progress import Cancelled  # noqa: E402
from cardiactwins.compute.weights import card_path, save_weights, sha256_of  # noqa: E402
from cardiactwins.lma import model_reconstruction, reconstruction  # noqa: E402
from cardiactwins.lma.agreement import agreement  # noqa: E402
from cardiactwins.lma.atlas_estimation import mean_shape  # noqa: E402
from cardiactwins.lma.heart_reconstruction import SliceOutlines  # noqa: E402
from cardiactwins.lma.interpolation import interpolate_slices  # noqa: E402
from cardiactwins.lma.left_out_slices import FARTHEST, LEFT_OUT, UNUSUAL  # noqa: E402
from cardiactwins.lma.metric import Metric  # noqa: E402
from cardiactwins.lma.model_reconstruction import (  # noqa: E402
    WEIGHTS,
    atlas_deformation,
    atlas_geodesic,
    deformed_heart,
    deformed_volume,
    model_deviation,
)
from cardiactwins.lma.reconstruction import reconstruct  # noqa: E402
from cardiactwins.lma.reconstruction_model import KIND, ReconstructionModel, TrainingSettings  # noqa: E402
from cardiactwins.lma.shape_volume import BASE, SIZE, phantom_volume  # noqa: E402
from cardiactwins.lma.sparse_slices import cut_slices  # noqa: E402
from cardiactwins.lma.training import shape_tensor  # noqa: E402
from cardiactwins.lma.velocity_prior import VelocityPrior  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    atlas = mean_shape([shape_tensor(phantom_volume(np.random.default_rng([3, n]))) for n in range(8)])
    settings = TrainingSettings(width=8, atlas_width=8, band_size=12)
    like = VelocityPrior.of_metric(settings.band((64, 64, 64)), Metric(alpha=10), torch.zeros(()))
    # As wide as hearts differ, which the metric alone does not know.
    made = ReconstructionModel(atlas, settings, VelocityPrior.of_field(like.mean, 20 * like.deviation))
    made.diffusion.eval()
    return made


@pytest.fixture(scope="module")
def heart():
    return phantom_volume(np.random.default_rng([7, 0]))


def outlines_of(heart, count=6):
    slices = cut_slices(heart, count)
    return SliceOutlines(slices.positions, slices.cavity, slices.myocardium)


@pytest.fixture(scope="module")
def kriged(model, heart):
    return reconstruct(outlines_of(heart), method="network", model=model)


@pytest.fixture(scope="module")
def refined(model, heart):
    return reconstruct(outlines_of(heart), method="refinement", model=model, voxel=heart.voxel)


def test_kriging_and_refinement_bring_the_atlas_onto_the_slices_and_what_lies_between(
    model, heart, kriged, refined
):
    assert refined.method == "refinement" and refined.volume.voxel == heart.voxel
    alone = deformed_volume(model, atlas_geodesic(model, model.prior.mean))
    for found in (kriged, refined):
        assert min(part.dice for part in found.agreement) > 0.98
        # What the untrained network misses is found for the most part, both ways.
        missed, missed_alone = (1 - agreement(v.mask, heart.mask).dsc for v in (found.volume, alone))
        assert missed < 0.1 * missed_alone
    assert refined.surface.points.shape == (len(refined.deviation), 3) and (refined.deviation > 0).all()
    assert not refined.volume.myocardium[: int(BASE) + 1].any() and refined.volume.mask[int(BASE) + 1].any()


def test_the_same_seed_gives_the_same_heart(model, heart):
    first, second = (
        reconstruct(outlines_of(heart), method="network", model=model, seed=4, samples=2) for _ in range(2)
    )
    np.testing.assert_array_equal(first.volume.myocardium, second.volume.myocardium)


def test_slices_between_voxels_and_further_points_pull_the_atlas_too(model, heart):
    """Points of a long-axis plane improve the heart in that plane beyond what four slices give."""
    outlines = outlines_of(heart, 4)
    k, j = np.meshgrid(np.arange(6, 60), np.arange(64), indexing="ij")
    points = np.stack([k, j, np.full_like(k, 32)], axis=-1).reshape(-1, 3).astype(float)
    index = tuple(points.T.astype(int))
    values = np.stack([heart.cavity[index], heart.myocardium[index]], axis=1)
    seen = SliceOutlines(outlines.positions, outlines.cavity, outlines.myocardium, points, values)
    errors = []
    for given in (outlines, seen):
        found = reconstruct(given, method="refinement", model=model).volume.myocardium
        errors.append(np.abs(found[6:60, :, 32] - heart.myocardium[6:60, :, 32]).mean())
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("told", ["nothing", "shifted"])
def test_further_points_that_contradict_the_slices_are_refused(model, heart, told):
    outlines = outlines_of(heart, 4)
    k, j, i = np.meshgrid(np.arange(6, 60), np.arange(8, 56), np.arange(8, 56, 6), indexing="ij")
    points = np.stack([k, j, i], axis=-1).reshape(-1, 3).astype(float)
    shares = np.stack([heart.cavity, heart.myocardium])
    shares = np.zeros_like(shares) if told == "nothing" else np.roll(shares, 18, axis=3)
    values = shares[:, k.ravel(), j.ravel(), i.ravel()].T
    seen = SliceOutlines(outlines.positions, outlines.cavity, outlines.myocardium, points, values)
    with pytest.raises(ValueError, match=r"contradict the short-axis slices.*without them.*leave them out"):
        reconstruct(seen, method="refinement", model=model)


def test_further_points_are_not_blamed_where_slices_are_not_met_without_them_either(
    monkeypatch, model, heart
):
    outlines = outlines_of(heart, 4)
    points, values = np.array([[30.0, 32.0, 32.0]]), np.array([[1.0, 0.0]], np.float32)
    seen = SliceOutlines(outlines.positions, outlines.cavity, outlines.myocardium, points, values)
    monkeypatch.setattr(reconstruction, "DOUBTFUL", 1.0)
    assert reconstruct(seen, method="refinement", model=model).method == "refinement"


def test_nothing_is_rebuilt_beyond_an_apex_that_lies_high(model, heart):
    """The same slices, pushed together: a heart that is too wide for its length."""
    slices = cut_slices(heart, 6)
    pushed = BASE + 0.75 * (slices.positions - BASE)
    wide = SliceOutlines(pushed, slices.cavity, slices.myocardium, apex=BASE + 0.75 * 52)
    found = reconstruct(wide, method="refinement", model=model)
    last = np.flatnonzero(found.volume.mask.any(axis=(1, 2)))[-1]
    assert pushed[-1] < last <= wide.apex + 1.5
    assert np.mean([part.dice for part in found.agreement]) > 0.9


@pytest.mark.parametrize("method", ["network", "refinement"])
def test_nothing_is_rebuilt_beyond_a_high_apex_by_the_weights_that_come_along(heart, method):
    if not WEIGHTS.is_file():
        pytest.skip("the weights are not installed")
    slices = cut_slices(heart, 6)
    pushed = BASE + 0.75 * (slices.positions - BASE)
    wide = SliceOutlines(pushed, slices.cavity, slices.myocardium, apex=BASE + 0.75 * 52)
    found = reconstruct(wide, method=method)
    last = np.flatnonzero(found.volume.mask.any(axis=(1, 2)))[-1]
    assert pushed[-1] < last <= wide.apex + 1.5


def test_the_deviation_is_that_of_the_field_times_the_ratio_and_of_what_is_not_followed(
    model, heart, kriged, monkeypatch
):
    outlines, found = outlines_of(heart), kriged
    asked = {}

    def field(surface, positions, covariance, *, points):
        asked.update(points=points)
        return np.full(len(surface.points), 0.3)

    monkeypatch.setattr(model_reconstruction, "field_deviation", field)
    geodesic = atlas_geodesic(model, atlas_deformation(model, outlines, refine=False))
    heart = deformed_heart(model, geodesic, outlines)
    deviation, parts = model_deviation(model, found.surface, outlines, geodesic, moved=heart.moved)
    ratio, beside = parts["slices against the others"], parts["atlas beside the outlines, voxels"]
    assert deviation.field == pytest.approx(0.3 * ratio**0.75, rel=1e-3)
    height = found.surface.points[:, 0]
    in_slice = np.abs(height[:, None] - outlines.positions).min(axis=1) < 0.02
    assert deviation.remainder[in_slice].max() < 0.2 * beside
    assert deviation.remainder.max() == pytest.approx(np.sqrt(1.25) * beside, rel=0.1)
    again = reconstruct(outlines, method="network", model=model)
    own = model.deviation_gain * deviation.field**2
    others = deviation.remainder**2 + deviation.moved**2 + model.deviation_floor**2
    assert deviation.moved.max() > 0.05
    expected = np.sqrt(own**2 + others)
    np.testing.assert_allclose(again.deviation, expected)

    # The prior's mean misses the outlines; the atlas' own outlines are nearer to the prior than this heart's.
    mean = atlas_geodesic(model, model.prior.mean)
    _, missing = model_deviation(model, found.surface, outlines, mean, moved=heart.moved)
    assert missing["atlas beside the outlines, voxels"] > 5 * beside
    own = outlines_of(deformed_volume(model, mean))
    _, near = model_deviation(model, found.surface, own, mean, moved=heart.moved)
    assert near["slices against the others"] < 0.5 * ratio
    # Kriging has not looked at further points.
    points = np.array([[30.0, 32.0, 32.0]])
    more = SliceOutlines(
        outlines.positions, outlines.cavity, outlines.myocardium, points, np.ones((1, 2), np.float32)
    )
    for refined, expected in ((True, points), (False, None)):
        model_deviation(model, found.surface, more, geodesic, moved=heart.moved, refined=refined)
        assert asked["points"] is expected


def test_calibrations_see_the_deviation_that_a_reconstruction_states(model, heart, refined):
    from cardiactwins.lma.calibration import _rebuilt

    surface, deviation = _rebuilt(model, outlines_of(heart))
    np.testing.assert_array_equal(surface.points, refined.surface.points)
    stated = deviation.stated(model.deviation_gain, model.deviation_floor)
    np.testing.assert_allclose(stated, refined.deviation, rtol=1e-6)
    assert deviation.moved.max() > 0.05


def test_where_the_network_leaves_the_outlines_it_is_refined_and_that_is_told(
    model, heart, kriged, refined, monkeypatch
):
    assert kriged.method == "network" and "why this method" not in kriged.values
    monkeypatch.setattr(reconstruction, "FAR", 0.01)
    found = reconstruct(outlines_of(heart), method="network", model=model)
    assert found.method == "refinement" and "voxels from the atlas" in found.values["why this method"]
    np.testing.assert_array_equal(found.volume.myocardium, refined.volume.myocardium)


def test_a_cancelled_refinement_says_so(model, heart):
    def stop(step, total, message, values):
        raise Cancelled("cancelled")

    with pytest.raises(Cancelled):
        reconstruct(outlines_of(heart), method="refinement", model=model, progress=stop)


def test_without_weights_auto_interpolates_and_says_why(heart, monkeypatch, tmp_path):
    monkeypatch.setattr(model_reconstruction, "WEIGHTS", tmp_path / "none.safetensors")
    found = reconstruct(outlines_of(heart))
    assert found.method == "interpolation" and found.deviation is None
    assert "weights" in found.values["why this method"]
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        reconstruct(outlines_of(heart), method="refinement")


def test_where_a_gpu_runs_out_of_memory_the_cpu_goes_on_and_says_so(model, heart, tmp_path, monkeypatch):
    path = model.save(tmp_path / "model.safetensors", {"licence": "Apache-2.0"})
    whole, asked = model_reconstruction.atlas_deformation, []

    def full(*given, **wanted):
        asked.append(given[0])
        if len(asked) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(*given, **wanted)

    gpu = Device("CUDA", "small GPU", "chosen", 1)
    monkeypatch.setattr(devices, "choose_device", lambda choice: gpu)
    monkeypatch.setattr(Device, "torch_name", property(lambda self: "cpu:0"))
    monkeypatch.setattr(model_reconstruction, "atlas_deformation", full)
    found = reconstruct(outlines_of(heart), method="network", model=path)
    assert len(asked) == 2 and "memory of cpu:0 was not enough" in found.values["device"]
    monkeypatch.undo()
    alone = reconstruct(outlines_of(heart), method="network", model=path, device="CPU")
    assert alone.values["device"].startswith("CPU: ")
    np.testing.assert_array_equal(found.volume.myocardium, alone.volume.myocardium)


def test_a_device_that_is_not_there_is_refused(model, heart, tmp_path):
    path = model.save(tmp_path / "model.safetensors", {"licence": "Apache-2.0"})
    with pytest.raises(ValueError, match="Unknown device 'GPU'"):
        reconstruct(outlines_of(heart), method="network", model=path, device="GPU")


def test_the_weights_that_come_along_rebuild_an_unseen_phantom(heart):
    card = json.loads(card_path(WEIGHTS).read_text(encoding="utf-8"))
    assert card["sha256"] == sha256_of(WEIGHTS)
    assert card["bytes"] == WEIGHTS.stat().st_size < 12e6
    assert {"data", "seed", "steps", "metrics", "licence", "command", "limits"} <= set(card)
    outlines = outlines_of(heart, 8)
    found, interpolated = (reconstruct(outlines, method=name) for name in ("auto", "interpolation"))
    assert found.method == "refinement" and found.values["meets the slices"]
    missed, missed_by_interpolation = (
        1 - agreement(answer.volume.mask, heart.mask).dsc for answer in (found, interpolated)
    )
    assert missed < 0.8 * missed_by_interpolation
    # Distances of masks, in whole pixels, tell less.
    masks = [part >= 0.5 for part in (outlines.cavity, outlines.cavity + outlines.myocardium)]
    heights, reach = np.arange(SIZE), (outlines.positions[0] - BASE, outlines.apex - outlines.positions[-1])
    cavity, whole = (interpolate_slices(part, outlines.positions, heights, reach=reach) for part in masks)
    assert missed < 0.35 * (1 - agreement(whole & ~cavity, heart.mask).dsc)
    assert min(part.dice for part in found.agreement) > 0.98


def test_an_unknown_method_is_refused(heart):
    with pytest.raises(ValueError, match="'magic'"):
        reconstruct(outlines_of(heart), method="magic")


def test_a_saved_model_reconstructs_as_before(model, heart, tmp_path, monkeypatch):
    calibration = {"deviation_gain": 1.5, "deviation_floor": 0.3}
    for name, value in calibration.items():
        monkeypatch.setattr(model, name, value)
    path = model.save(tmp_path / "model.safetensors", {**calibration, "licence": "Apache-2.0"})
    again = reconstruct(outlines_of(heart), method="network", model=path)
    expected = reconstruct(outlines_of(heart), method="network", model=model)
    np.testing.assert_array_equal(again.volume.myocardium, expected.volume.myocardium)
    np.testing.assert_allclose(again.deviation, expected.deviation, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tensors, settings: settings.update(depth=3), "unexpected keyword argument 'depth'"),
        (lambda tensors, settings: settings.update(width=16), "size mismatch"),
        (lambda tensors, settings: settings.update(band_size=2), "at least 3 samples"),
        (lambda tensors, settings: settings.clear(), "size mismatch"),
        (lambda tensors, settings: tensors.pop("atlas"), "it has no 'atlas'"),
        (
            lambda tensors, settings: tensors.pop("diffusion.network.mean"),
            "it has no 'diffusion.network.mean'",
        ),
        (lambda tensors, settings: tensors.update({"diffusion.more": torch.zeros(1)}), "more"),
    ],
)
def test_weights_of_another_version_are_refused(model, tmp_path, change, named):
    tensors, settings = model.tensors(), asdict(model.settings)
    change(tensors, settings)
    path = save_weights(tensors, tmp_path / "other.safetensors", kind=KIND, card={"settings": settings})
    with pytest.raises(
        ValueError, match=r"other\.safetensors does not fit .* this version, or train anew"
    ) as told:
        ReconstructionModel.load(path)
    assert named in str(told.value) and len(str(told.value)) < 500 + len(str(path))


@pytest.mark.parametrize("card", [{}, {"settings": None}, {"settings": [1]}])
def test_weights_whose_card_has_no_settings_are_refused(model, tmp_path, card):
    path = save_weights(model.tensors(), tmp_path / "other.safetensors", kind=KIND, card=card)
    with pytest.raises(ValueError, match=r"other\.safetensors does not fit"):
        ReconstructionModel.load(path)


def test_finishing_calibrates_once_and_keeps_the_card(model, tmp_path):
    from cardiactwins.compute.weights import load_weights
    from cardiactwins.lma.model_finishing import finish_model

    heart = phantom_volume(np.random.default_rng([3, 2]))
    path = model.save(tmp_path / "model.safetensors", {"licence": "Apache-2.0", "seed": 3})
    finish_model(path, [heart])
    finished = ReconstructionModel.load(path)
    _, card = load_weights(path, KIND)
    assert card["licence"] == "Apache-2.0" and card["seed"] == 3
    assert finished.deviation_gain == card["deviation_gain"] > 0
    assert finished.deviation_floor == card["deviation_floor"] > 0
    before = path.read_bytes()
    finish_model(path, [heart])
    assert path.read_bytes() == before


def test_a_slice_outlined_too_wide_is_named(heart):
    outlines = outlines_of(heart, 8)

    def wider(share):
        return affine_transform(share, np.eye(2) / 1.2, np.full(2, 31.5 * (1 - 1 / 1.2)), order=1)

    parts = [
        np.stack([wider(share) if n == 4 else share for n, share in enumerate(part)])
        for part in (outlines.cavity, outlines.myocardium)
    ]
    ratios = []
    for given in (outlines, SliceOutlines(outlines.positions, *parts)):
        found = reconstruct(given, method="network")
        ratios.append(found.values[LEFT_OUT])
    assert found.values[FARTHEST] == 5
    assert ratios[1] > max(UNUSUAL, 2 * ratios[0])
