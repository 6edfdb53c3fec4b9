"""DENSE images as scanners store them: values, signs and times."""

import numpy as np
import pytest

from cardiactwins.mrml.dense_values import GUESS, guessed_stored_range, phase_in_rad
from cardiactwins.mrml.lma_dense import dense_slice, sequence_times
from cardiactwins.mrml.lma_sample import new_sample_heart

NOISE = np.random.default_rng(0).uniform(-np.pi, np.pi, (4, 40, 40))
"""Phase outside of the body takes every value."""


def stored(phase, low, high):
    """Phase in rad as whole numbers of a scanner, as far as they exist."""
    values = np.floor((phase + np.pi) / (2 * np.pi) * (high - low) + low)
    return np.clip(values, low, high - 1)


@pytest.mark.parametrize(
    "wanted",
    [
        (0.0, 4096.0),
        (-4096.0, 4096.0),
        (-2048.0, 2048.0),
        (0.0, 256.0),
        (0.0, 65536.0),
        (-180.0, 180.0),
        (0.0, 360.0),
    ],
)
def test_the_range_that_values_fill_tells_what_they_mean(wanted):
    values = stored(NOISE, *wanted)
    assert guessed_stored_range([values, values[:1]]) == wanted
    wall = np.ones(NOISE.shape)
    (found,), told = phase_in_rad([values], wall, GUESS)
    assert told == wanted
    np.testing.assert_allclose(found, NOISE, atol=2 * np.pi / (wanted[1] - wanted[0]) + 1e-6)


def test_milliradians_are_known_and_rad_is_left_as_it_is():
    low, high = guessed_stored_range([np.round(1000 * NOISE)])
    assert high == -low == pytest.approx(1000 * np.pi)
    assert guessed_stored_range([NOISE]) is None
    broken = NOISE.copy()
    broken[0, 0] = np.nan
    assert guessed_stored_range([broken]) is None
    (found,), told = phase_in_rad([NOISE], np.ones(NOISE.shape), GUESS)
    assert told is None and found is NOISE
    turn = guessed_stored_range([np.mod(NOISE, 2 * np.pi)])
    assert turn == (0, pytest.approx(2 * np.pi))


@pytest.mark.parametrize(("low", "high"), [(0, 900), (-1500, 1400), (-2900, 2900), (0, 1e6), (0, 5.0)])
def test_values_that_fill_no_range_are_not_guessed(low, high):
    values = np.linspace(low, high, 1600).reshape(1, 40, 40)
    for wall in (None, np.ones(values.shape)):
        with pytest.raises(ValueError, match="does not tell for certain"):
            guessed_stored_range([values], wall)
    (found,), told = phase_in_rad([values], np.ones(values.shape), (low, high))
    assert told == (low, high) and found.min() == -np.pi and found.max() == pytest.approx(np.pi)


@pytest.mark.parametrize("fill", [-1000.0, 9999.0, 4.0, np.nan])
def test_phase_in_rad_may_have_any_value_outside_of_the_myocardium(fill):
    wall = np.zeros(NOISE.shape)
    wall[:, 10:20, 10:20] = 1
    values = np.where(wall > 0, NOISE, fill)
    (found,), told = phase_in_rad([values], wall, GUESS)
    assert told is None and found is values


def test_values_that_cannot_be_what_they_are_said_to_be_are_refused():
    wall, values = np.ones(NOISE.shape), stored(NOISE, 0, 4096)
    with pytest.raises(ValueError, match=r"found 0 to 4095 .*in Python: stored_range=\(0, 4096\)"):
        phase_in_rad([values], wall, None)
    with pytest.raises(ValueError, match=r"lies in -pi\.\.pi rad already"):
        phase_in_rad([NOISE], wall, (0, 4096))
    with pytest.raises(ValueError, match=r"were to lie from 0 \(-pi\) to 1024 \(pi\); found 0 to 4095"):
        phase_in_rad([values], wall, (0, 1024))
    with pytest.raises(ValueError, match="two numbers, or 'guess'"):
        phase_in_rad([values], wall, "auto")


def test_signs_and_frame_interval_stand_for_what_the_images_do_not_tell(scene):
    sample = new_sample_heart(0)
    given = sample.dense[0]
    nodes = (given.phase_x, given.phase_y, given.mask)
    usual = dense_slice(*nodes, ke=0.1, insertion=sample.insertion)
    known = sequence_times(given.phase_x)
    np.testing.assert_allclose(usual.images.times, known)
    turned = dense_slice(*nodes, ke=0.1, insertion=sample.insertion, signs=(-1, 1, 1), frame_interval=5.0)
    np.testing.assert_allclose(turned.images.phase, usual.images.phase * np.reshape((-1, 1), (2, 1, 1, 1)))
    np.testing.assert_allclose(turned.images.times, known)
    given.phase_x.SetIndexUnit("")
    with pytest.raises(ValueError, match=r"index of the sequence is no time.*frame_interval=17"):
        dense_slice(*nodes, ke=0.1, insertion=sample.insertion)
    spaced = dense_slice(*nodes, ke=0.1, insertion=sample.insertion, frame_interval=5.0)
    np.testing.assert_allclose(spaced.images.times, 5.0 * np.arange(1, len(known) + 1))
    for wrong in ((1,), (1, 2), (1, 1, 0)):
        with pytest.raises(ValueError, match="Signs are 1 or -1 for x, y and z"):
            dense_slice(*nodes, ke=0.1, insertion=sample.insertion, frame_interval=5.0, signs=wrong)
    with pytest.raises(ValueError, match="positive number of ms"):
        dense_slice(*nodes, ke=0.1, insertion=sample.insertion, frame_interval=-1.0)
