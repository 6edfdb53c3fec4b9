"""The cavity that a wall encloses, whole or with a gap."""

import numpy as np
import pytest

pytest.importorskip("skimage")

from cardiactwins.lma.enclosed_cavity import enclosed_cavity
from cardiactwins.lma.shape_volume import phantom_volume

ROWS, COLUMNS = np.indices((64, 64)) - 31.5
AWAY, ANGLE = np.hypot(ROWS, COLUMNS), np.arctan2(ROWS, COLUMNS)


def ring(inner, outer, gap=0.0):
    """A wall with an opening of `gap` pixels along its middle."""
    wall = (inner <= AWAY) & (outer > AWAY)
    return wall & (np.abs(ANGLE) * (inner + outer) / 2 >= gap / 2)


def test_the_cavity_of_a_phantom_comes_back_to_a_pixel():
    heart = phantom_volume(np.random.default_rng([7, 2]))
    for cavity, wall in zip(heart.cavity, heart.myocardium, strict=True):
        assert np.abs(enclosed_cavity(wall) - cavity).sum() < 3


@pytest.mark.parametrize("gap", [0, 2, 6, 12, 18])
def test_a_gap_in_the_wall_is_bridged(gap):
    found = enclosed_cavity(ring(15, 20, gap)) >= 0.5
    true = AWAY < 15
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > (0.999 if gap == 0 else 0.95)
    assert not (found & ring(15, 20, gap)).any()


def test_a_solid_apex_and_an_empty_slice_have_none():
    assert not enclosed_cavity(AWAY < 6).any()
    assert not enclosed_cavity(np.zeros((64, 64))).any()


def test_a_stack_is_refused():
    with pytest.raises(ValueError, match="slice by slice"):
        enclosed_cavity(np.zeros((3, 8, 8)))
