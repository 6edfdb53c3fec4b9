"""Thresholds on synthetic images whose answer is known in closed form."""

import numpy as np
import pytest
from scipy.special import ndtr

from cardiactwins.infarct.enhancement import automatic_remote, fwhm_infarct, n_sd_infarct

SIZE = 64
ROWS, COLUMNS = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
RADIUS = np.hypot(ROWS, COLUMNS)
ANGLE = np.arctan2(ROWS, COLUMNS)
WALL = np.repeat(((RADIUS > 15) & (RADIUS < 25))[None], 3, axis=0)
SECTOR = WALL & (np.abs(ANGLE) < 0.6)


def noisy(mask=SECTOR, healthy=20.0, enhanced=100.0, noise=2.0, seed=0):
    image = np.where(mask, enhanced, healthy)
    return image + np.random.default_rng(seed).normal(0, noise, image.shape)


@pytest.mark.parametrize("blur", [0.5, 3.0])
def test_half_maximum_of_a_blurred_infarct_lies_at_its_true_border(blur):
    border = 10.25
    image = np.repeat(100 * ndtr((COLUMNS - border) / blur)[None], 3, axis=0)
    painted = WALL & (COLUMNS < -10)
    found = fwhm_infarct(image, WALL, remote=painted)
    np.testing.assert_array_equal(found.infarct, WALL & (border < COLUMNS))
    np.testing.assert_allclose(found.thresholds, 50, rtol=1e-3)


def test_baseline_decides_from_where_the_height_is_halved():
    image = np.where(SECTOR, 90.0 - 40.0 * (ANGLE > 0), 30.0)
    image[1, 20, 40] = 30.0
    painted = WALL & (COLUMNS < 0)
    published = fwhm_infarct(image, WALL, remote=painted)
    from_remote = fwhm_infarct(image, WALL, remote=painted, baseline=None)
    assert published.thresholds[0] == pytest.approx(45)
    assert from_remote.thresholds[0] == pytest.approx(60)
    np.testing.assert_array_equal(published.infarct, SECTOR)
    np.testing.assert_array_equal(from_remote.infarct, SECTOR & (ANGLE <= 0))


def test_n_sd_threshold_is_the_mean_of_the_painted_remote_plus_n_deviations():
    image = noisy()
    painted = WALL & (COLUMNS < -10)
    values = image[painted]
    for n in (2, 5):
        found = n_sd_infarct(image, WALL, n, painted)
        np.testing.assert_allclose(found.thresholds, values.mean() + n * values.std())
        plain = n_sd_infarct(image, WALL, n, painted, include_no_reflow=False).infarct
        np.testing.assert_array_equal(plain, WALL & (image > values.mean() + n * values.std()))


@pytest.mark.parametrize("start", [-3.0, -1.5, 0.0, 2.0])
def test_automatic_remote_is_a_quarter_of_each_slice_away_from_the_infarct(start):
    turn = np.mod(ANGLE - start, 2 * np.pi)
    infarct = WALL & (turn < 4.0)
    remote = automatic_remote(noisy(infarct), WALL)
    assert not (remote & infarct).any()
    np.testing.assert_allclose(remote.sum(axis=(1, 2)), WALL.sum(axis=(1, 2)) / 4, atol=1)
    for part in remote:
        angles = np.sort(np.mod(turn[part] - 4.0, 2 * np.pi))
        assert np.diff(angles).max() < 0.15


@pytest.mark.parametrize("method", [fwhm_infarct, n_sd_infarct])
def test_bright_sector_is_found_without_painting(method):
    found = method(noisy(), WALL)
    np.testing.assert_array_equal(found.infarct, SECTOR)


def test_scale_of_the_image_does_not_matter_and_with_a_remote_baseline_its_zero_neither():
    image = noisy(noise=8)
    found = fwhm_infarct(image, WALL)
    np.testing.assert_array_equal(found.infarct, fwhm_infarct(7 * image, WALL).infarct)
    moved = fwhm_infarct(3 * image - 400, WALL, baseline=None)
    np.testing.assert_array_equal(moved.infarct, fwhm_infarct(image, WALL, baseline=None).infarct)
    deviations = n_sd_infarct(image, WALL, 4)
    np.testing.assert_array_equal(n_sd_infarct(3 * image - 400, WALL, 4).infarct, deviations.infarct)


@pytest.mark.parametrize("method", [lambda *a, **k: fwhm_infarct(*a, baseline=None, **k), n_sd_infarct])
def test_slicewise_thresholds_undo_an_offset_of_single_slices(method):
    image = noisy()
    shifted = image + np.array([0.0, 35.0, -35.0])[:, None, None]
    np.testing.assert_array_equal(method(shifted, WALL, slicewise=True).infarct, SECTOR)
    assert not np.array_equal(method(shifted, WALL).infarct, SECTOR)


@pytest.mark.parametrize("seed", range(5))
def test_healthy_heart_has_no_infarct_at_half_maximum(seed):
    image = noisy(np.zeros_like(WALL), noise=5, seed=seed)
    found = fwhm_infarct(image, WALL, baseline=None)
    assert not found.infarct.any()
    assert np.isinf(found.thresholds).all()


def test_dark_core_at_the_endocardium_is_no_reflow_and_dark_wall_at_the_epicardium_is_not():
    core = SECTOR & (np.abs(ANGLE) < 0.3) & (RADIUS < 19)
    rim = SECTOR & (np.abs(ANGLE) < 0.3) & (RADIUS > 22)
    image = noisy(SECTOR & ~core & ~rim)
    found = n_sd_infarct(image, WALL)
    np.testing.assert_array_equal(found.no_reflow, core)
    np.testing.assert_array_equal(found.infarct, SECTOR & ~rim)
    without = n_sd_infarct(image, WALL, include_no_reflow=False)
    assert not without.no_reflow.any()
    np.testing.assert_array_equal(without.infarct, SECTOR & ~core & ~rim)


def test_cavity_tells_endocardium_from_epicardium_where_the_ring_is_open():
    opened = WALL & ~(np.abs(ANGLE) > 2.8)
    core = SECTOR & (np.abs(ANGLE) < 0.3) & (RADIUS < 19)
    image = noisy(SECTOR & ~core)
    blood = np.repeat((RADIUS <= 15)[None], 3, axis=0)
    assert not n_sd_infarct(image, opened).no_reflow.any()
    np.testing.assert_array_equal(n_sd_infarct(image, opened, cavity=blood).no_reflow, core)


def test_islands_below_the_smallest_size_are_dropped_and_the_rest_is_kept():
    island = np.zeros_like(WALL)
    island[1, 31:34, 11:14] = True
    image = noisy(SECTOR | (island & WALL))
    count = int((island & WALL).sum())
    kept = n_sd_infarct(image, WALL, smallest_island=count)
    dropped = n_sd_infarct(image, WALL, smallest_island=count + 1)
    np.testing.assert_array_equal(kept.infarct, SECTOR | (island & WALL))
    np.testing.assert_array_equal(dropped.infarct, SECTOR)


def test_peak_quantile_resists_a_single_bright_voxel():
    image = noisy(noise=1)
    image[1, 31, 52] = 1000.0
    assert WALL[1, 31, 52]
    assert fwhm_infarct(image, WALL).infarct.sum() < 5
    np.testing.assert_array_equal(fwhm_infarct(image, WALL, peak=0.95).infarct, SECTOR)


def nan_image():
    image = noisy()
    image[0][WALL[0]] = np.nan
    return image


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((noisy()[:2], WALL), "share one grid"),
        ((noisy(), np.zeros_like(WALL)), "myocardium is empty"),
        ((nan_image(), WALL), "NaN"),
        ((noisy(), WALL & (np.abs(ANGLE) < 0.03) & (RADIUS < 22)), "Paint a remote region"),
    ],
)
@pytest.mark.parametrize("method", [fwhm_infarct, n_sd_infarct])
def test_bad_input_is_named(method, arguments, message):
    with pytest.raises(ValueError, match=message):
        method(*arguments)


@pytest.mark.parametrize(
    ("painted", "message"),
    [(np.ones_like(WALL), "lie outside"), (np.zeros_like(WALL), "it is empty"), (WALL[:1], "has shape")],
)
def test_remote_must_be_painted_inside_the_myocardium(painted, message):
    with pytest.raises(ValueError, match=message):
        n_sd_infarct(noisy(), WALL, remote=painted)
