"""Attributes of two populations side by side."""

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.comparison import compare_populations

ANATOMY = ReferenceAnatomy()


def wedges(widths, depth=1.0):
    """Lesions of these widths in turns from the insertion on, to this depth."""
    return np.array([(ANATOMY.circumferential < width) & (ANATOMY.radial <= depth) for width in widths])


def test_equal_populations_do_not_differ():
    lesions = wedges(np.linspace(0.1, 0.4, 30))
    for row in compare_populations(lesions, lesions, ANATOMY):
        assert row.statistic == 0 and row.p_value == 1 and row.wasserstein == 0
        assert row.real == row.synthetic


def test_wedges_of_known_width_have_their_size_and_extent_in_percent():
    rows = {row.attribute: row for row in compare_populations(wedges([0.25] * 9), wedges([0.5] * 9), ANATOMY)}
    assert rows["size"].real[0] == pytest.approx(25, abs=0.5)
    assert rows["size"].synthetic[0] == pytest.approx(50, abs=0.5)
    assert rows["size"].wasserstein == pytest.approx(25, abs=0.5)
    assert rows["endocardial extent"].wasserstein == pytest.approx(25, abs=1.5)
    assert rows["transmurality"].real[0] == pytest.approx(100, abs=3)
    assert rows["size"].p_value < 1e-3


def test_shallow_lesions_differ_in_transmurality_alone_of_the_extents():
    deep, shallow = wedges(np.linspace(0.2, 0.3, 20)), wedges(np.linspace(0.2, 0.3, 20), depth=0.5)
    rows = {row.attribute: row for row in compare_populations(deep, shallow, ANATOMY)}
    assert rows["transmurality"].synthetic[0] == pytest.approx(50, abs=5)
    assert rows["endocardial extent"].p_value == 1
