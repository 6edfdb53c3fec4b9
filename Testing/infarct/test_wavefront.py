"""The wavefront model against a time-stepped diffusion, Reimer's findings, and its parameters' promises."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import erfcinv

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.attributes import infarct_size, transmurality
from cardiactwins.infarct.model import InfarctModel, StartZone
from cardiactwins.infarct.wavefront import BINS, FIRST_LAYER, WavefrontModel, front_arrival, front_depth

ZONE = StartZone(circumferential=0.1, longitudinal=0.45)
REFERENCES = {"2d": ReferenceAnatomy(), "3d": ReferenceAnatomy(slices=11)}


@pytest.fixture(params=REFERENCES, scope="module")
def model(request):
    return WavefrontModel(REFERENCES[request.param], ZONE)


def values(model, **changes):
    """The model's defaults, changed by name (spaces as underscores)."""
    named = {p.name.replace(" ", "_"): p.default for p in model.parameters}
    assert set(changes) <= set(named)
    return np.array(list((named | changes).values()))


def uniforms(model, n, seed=0):
    return np.random.default_rng(seed).random((n, model.n_uniforms))


def time_stepped_wall(diffusivity, duration, nodes=101):
    """Concentration across a wall of thickness 1 after `duration`, by explicit steps; endocardium first.

    The endocardium is held at 1, nothing flows through the epicardium.
    """
    width = 1 / (nodes - 1)
    steps = int(np.ceil(duration * diffusivity / (0.4 * width**2)))
    number = diffusivity * duration / steps / width**2
    u = np.zeros(nodes)
    u[0] = 1
    for _ in range(steps):
        flow = np.diff(u)
        u[1:-1] += number * np.diff(flow)
        u[-1] -= 2 * number * flow[-1]
    return u


@pytest.mark.parametrize("threshold", [0.1, 0.2, 0.5])
def test_arrival_is_that_of_a_time_stepped_diffusion(threshold):
    depths = np.linspace(0, 1, 101)
    arrival = front_arrival(depths, threshold)
    for depth in (20, 50, 80, 100):
        u = time_stepped_wall(diffusivity=1.0, duration=arrival[depth])
        assert u[depth] == pytest.approx(threshold, abs=2e-3)


def test_front_near_the_endocardium_advances_as_in_a_wall_without_end():
    depths = np.linspace(0.02, 0.2, 10)
    np.testing.assert_allclose(front_depth(front_arrival(depths, 0.2), 0.2), depths, rtol=1e-4)


def test_closed_epicardium_lets_the_front_through_early():
    assert front_depth(front_arrival(1.0, 0.2), 0.2) == pytest.approx(0.78, abs=0.005)
    assert np.all(np.diff(front_arrival(np.linspace(0, 1, 2000), 0.2)) > 0)


def test_lesions_are_those_of_time_stepping_every_sector():
    model = WavefrontModel(REFERENCES["2d"], ZONE)
    anatomy = model.anatomy
    numbers = uniforms(model, 2, seed=4)
    lesions = model.paint(values(model), numbers)
    thickness = anatomy.epicardial_radius - anatomy.endocardial_radius
    bins = np.floor(anatomy.circumferential * BINS).astype(int)
    depths = model.squared_depths(values(model), numbers)[:, 0]
    nodes = np.linspace(0, 1, 61)
    for lesion, row in zip(lesions, depths, strict=True):
        expected = np.zeros(anatomy.n_voxels, dtype=bool)
        doubtful = np.zeros(anatomy.n_voxels, dtype=bool)
        for bin_ in np.flatnonzero(row):
            diffusivity = row[bin_] / (2 * erfcinv(model.threshold) * thickness) ** 2
            u = np.interp(anatomy.radial, nodes, time_stepped_wall(diffusivity, 1.0, len(nodes)))
            expected |= (bins == bin_) & (u >= model.threshold)
            doubtful |= (bins == bin_) & (np.abs(u - model.threshold) < 3e-3)
        assert 0.02 < lesion.mean() < 0.9
        assert doubtful.mean() < 0.02
        np.testing.assert_array_equal(lesion[~doubtful], expected[~doubtful])


def test_lesions_are_nowhere_wider_than_at_the_endocardium(model):
    anatomy = model.anatomy
    lesions = model.paint(values(model, raggedness=1.0), uniforms(model, 100))
    patch = anatomy.indices[:, 0] * BINS + np.floor(anatomy.circumferential * BINS).astype(int)
    order = np.lexsort((anatomy.radial, patch))
    same_patch = np.diff(patch[order]) == 0
    gains = lesions[:, order[1:]] & ~lesions[:, order[:-1]]
    assert not gains[:, same_patch].any()


def test_lesions_of_any_parameters_are_one_piece_in_a_slice():
    model = WavefrontModel(REFERENCES["2d"], ZONE)
    lower, upper = np.array([(p.lower, p.upper) for p in model.parameters]).T
    rows = lower + (upper - lower) * np.random.default_rng(1).random((300, len(lower)))
    lesions = model.paint(rows, uniforms(model, 300))
    pieces = [ndimage.label(image)[1] for image in model.anatomy.to_image(lesions)]
    assert set(pieces) == {1}


def test_area_at_risk_is_one_piece_of_endocardium():
    model = WavefrontModel(REFERENCES["3d"], ZONE)
    lower, upper = np.array([(p.lower, p.upper) for p in model.parameters]).T
    rows = lower + (upper - lower) * np.random.default_rng(1).random((300, len(lower)))
    for patches in model.squared_depths(rows, uniforms(model, 300)) > 0:
        start = int(np.argmin(patches.sum(axis=0)))
        assert ndimage.label(np.roll(patches, -start, axis=1))[1] == 1


def test_no_lesion_is_empty(model):
    smallest = np.array(
        [p.upper if p.name.endswith(("spread", "variation")) else p.lower for p in model.parameters]
    )
    assert model.paint(smallest, uniforms(model, 500)).any(axis=1).all()


def test_sizes_and_depths_of_real_infarcts_are_within_reach(model):
    numbers = uniforms(model, 200)
    small = values(model, extent_mean=3, depth_mean=2)
    large = values(model, extent_mean=60, depth_mean=20)
    deep = values(model, extent_mean=20, depth_mean=25, raggedness=0)
    if model.anatomy.is_3d:
        small[6], large[6] = 10, 150
    assert np.median(infarct_size(model.paint(small, numbers))) < 0.01
    assert np.median(infarct_size(model.paint(large, numbers))) > 0.6
    assert np.median(transmurality(model.paint(small, numbers), model.anatomy)) < 0.35
    assert np.median(transmurality(model.paint(deep, numbers), model.anatomy)) > 0.9


def test_longer_occlusion_and_larger_area_at_risk_only_add_to_a_lesion(model):
    numbers = uniforms(model, 50)
    lesions = model.paint(values(model), numbers)
    for name in ("extent_mean", "depth_mean", *(["length_mean"] if model.anatomy.is_3d else [])):
        larger = model.paint(values(model, **{name: 1.3 * values(model)[index(model, name)]}), numbers)
        assert not (lesions & ~larger).any()
        assert larger.sum() > 1.05 * lesions.sum()


def index(model, name):
    return [p.name.replace(" ", "_") for p in model.parameters].index(name)


def test_turned_start_zone_turns_the_lesion(model):
    moved = model.moved(
        StartZone(circumferential=ZONE.circumferential + 0.25, longitudinal=ZONE.longitudinal)
    )
    numbers = uniforms(model, 20)
    there = model.anatomy.to_image(moved.paint(values(model), numbers))
    # The turned model is rounded otherwise: a voxel that the front just meets may differ, and no other.
    means = ["extent_mean", "depth_mean"] + ["length_mean"] * model.anatomy.is_3d

    def turned(factor):
        larger = values(model, **{name: factor * values(model)[index(model, name)] for name in means})
        return np.rot90(model.anatomy.to_image(model.paint(larger, numbers)), axes=(-2, -1))

    least, most = turned(1 - 1e-5), turned(1 + 1e-5)
    assert not (least & ~there).any() and not (there & ~most).any()
    assert (least != most).mean() < 1e-4


def test_extents_follow_the_mean_and_variation_asked_for():
    model = WavefrontModel(REFERENCES["2d"], ZONE)
    rows = values(model, extent_mean=18, extent_variation=0.3)
    covered = (model.squared_depths(rows, uniforms(model, 4000)) > 0).mean(axis=(1, 2))
    half_widths = covered * np.pi * model.anatomy.endocardial_radius
    assert half_widths.mean() == pytest.approx(18, abs=0.3)
    assert half_widths.std() == pytest.approx(0.3 * 18, abs=0.3)


def test_durations_and_rates_follow_depth_and_raggedness():
    model = WavefrontModel(REFERENCES["2d"], ZONE)
    rows = values(
        model, extent_mean=60, extent_variation=0.05, depth_mean=9, depth_variation=0.2, centre_spread=0.002
    )
    numbers = uniforms(model, 4000)
    centre = int(ZONE.circumferential * BINS)
    smooth = np.sqrt(model.squared_depths(np.where(np.arange(6) == 5, 0, rows), numbers)[:, 0, centre])
    assert smooth.mean() == pytest.approx(9, abs=0.1)
    assert smooth.std() == pytest.approx(0.2 * 9, abs=0.1)
    ragged = np.sqrt(model.squared_depths(rows, numbers)[:, 0, centre])
    log_rate = 2 * np.log(ragged / smooth)[(ragged > FIRST_LAYER + 0.1) & (smooth > FIRST_LAYER + 0.1)]
    assert log_rate.std() == pytest.approx(rows[5], abs=0.03)
    assert log_rate.mean() == pytest.approx(0, abs=0.03)


def test_centres_spread_around_the_zone_by_the_spread_asked_for():
    model = WavefrontModel(REFERENCES["2d"], ZONE)
    lesions = model.paint(values(model, centre_spread=0.08), uniforms(model, 2000))
    angle = np.angle(lesions @ np.exp(2j * np.pi * (model.anatomy.circumferential - 0.1))) / (2 * np.pi)
    part_of_ring = infarct_size(lesions) < 0.5
    assert angle[part_of_ring].mean() == pytest.approx(0, abs=0.01)
    assert angle[part_of_ring].std() == pytest.approx(0.08, abs=0.008)


def test_length_bounds_the_lesion_along_the_long_axis():
    model = WavefrontModel(REFERENCES["3d"], ZONE)
    rows = values(model, length_mean=30, length_variation=0.05, longitudinal_spread=0.002)
    patches = model.squared_depths(rows, uniforms(model, 300)) > 0
    heights = np.where(patches.any(axis=2), model.anatomy.slice_heights, np.nan)
    middle = (0.5 + 0.45 * 10) * model.anatomy.slice_spacing
    reach = np.nanmax(np.abs(heights - middle), axis=1)
    assert reach.max() < 30 * 1.2
    assert reach.mean() > 30 - model.anatomy.slice_spacing


def test_one_row_of_parameters_a_lesion_is_the_same_as_one_call_each(model):
    rows = np.stack([values(model), values(model, depth_mean=14), values(model, extent_mean=30)])
    numbers = uniforms(model, 3)
    together = model.paint(rows, numbers)
    apart = [model.paint(row, number[None])[0] for row, number in zip(rows, numbers, strict=True)]
    np.testing.assert_array_equal(together, apart)


def test_seed_decides_the_lesions(model):
    assert isinstance(model, InfarctModel)
    draws = [model.sample(values(model), 5, np.random.default_rng(seed)) for seed in (7, 7, 8)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()


def test_defaults_lie_within_the_bounds_and_extremes_of_the_uniforms_are_allowed(model):
    numbers = np.array([np.zeros(model.n_uniforms), np.full(model.n_uniforms, np.nextafter(1, 0))])
    for choice in ("lower", "default", "upper"):
        rows = [getattr(p, choice) for p in model.parameters]
        assert model.paint(rows, numbers).any(axis=1).all()


@pytest.mark.parametrize(
    ("changes", "message"), [({"threshold": 1.0}, "threshold"), ({"sectors": 2}, "sectors")]
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WavefrontModel(REFERENCES["2d"], ZONE, **changes)


def test_parameters_out_of_bounds_are_refused():
    model = WavefrontModel(REFERENCES["2d"])
    with pytest.raises(ValueError, match="'extent mean' must lie in"):
        model.sample(values(model, extent_mean=500), 1, np.random.default_rng(0))
