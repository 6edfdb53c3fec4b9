"""The late region on meshes of known areas, and dyssynchrony indices of known strains."""

import numpy as np
import pytest

from cardiactwins.lma.dyssynchrony import cure, tos_spread
from cardiactwins.lma.late_region import cell_areas, late_region


def cylinder(around=72, along=40, radius=30.0, length=90.0):
    """Points, triangles, and circumferential and longitudinal coordinates of the triangles' middles."""
    turn, height = np.meshgrid(np.arange(around) / around, np.linspace(0, 1, along + 1), indexing="ij")
    angle = 2 * np.pi * turn
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), -length * height], -1).reshape(-1, 3)
    index = np.arange(around * (along + 1)).reshape(around, along + 1)
    a, b = index[:, :-1], np.roll(index, -1, axis=0)[:, :-1]
    c, d = np.roll(index, -1, axis=0)[:, 1:], index[:, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    middle = points[triangles].mean(axis=1)
    turn = np.mod(np.arctan2(middle[:, 1], middle[:, 0]) / (2 * np.pi), 1)
    return points, triangles, turn, -middle[:, 2] / length


POINTS, TRIANGLES, TURN, HEIGHT = cylinder()
SEGMENTS = np.where(HEIGHT < 1 / 3, 1, np.where(HEIGHT < 2 / 3, 7, 13)) + np.floor(TURN * 4).astype(int)


def test_areas_are_those_of_the_cylinder():
    chord = 2 * 30 * np.sin(np.pi / 72) * 72
    assert cell_areas(POINTS, TRIANGLES).sum() == pytest.approx(chord * 90)


def test_the_latest_share_of_the_area_is_that_share():
    tos = 50 - 40 * np.cos(2 * np.pi * TURN) + 1e-3 * HEIGHT
    for share in (0.1, 0.25, 0.6):
        region = late_region(POINTS, TRIANGLES, tos, SEGMENTS, area_share=share)
        assert region.share == pytest.approx(share, abs=1e-3)
        # A column of cells spans 5 degrees.
        assert region.threshold == pytest.approx(50 + 40 * np.cos(np.pi * share), abs=40 * np.pi / 36)
        assert region.parts == 1
        np.testing.assert_allclose(region.centre, [-30, 0, -45], atol=4)


def test_a_delay_is_counted_from_the_subjects_earliest():
    tos = 100 * TURN + 12
    region = late_region(POINTS, TRIANGLES, tos, SEGMENTS, delay=60.0)
    np.testing.assert_array_equal(region.cells, tos >= tos.min() + 60)
    assert region.share == pytest.approx(1 - 0.6, abs=0.02)


def test_two_late_places_are_two_parts():
    tos = np.where(((TURN < 0.1) | (np.abs(TURN - 0.5) < 0.05)) & (HEIGHT < 0.5), 80.0, 10.0)
    assert late_region(POINTS, TRIANGLES, tos, SEGMENTS, delay=30).parts == 2


def test_scar_is_left_out_and_its_share_told():
    tos = np.where(HEIGHT < 0.5, 90.0, 10.0)
    scar = np.where(TURN < 0.25, 0.8, 0.2)
    region = late_region(POINTS, TRIANGLES, tos, SEGMENTS, delay=50, scar_transmurality=scar)
    assert region.excluded == pytest.approx(0.25, abs=0.01)
    assert not (region.cells & (TURN < 0.25)).any()
    assert region.share == pytest.approx(0.375, abs=0.01)


def test_segments_are_named_latest_first_with_their_late_share():
    tos = 100 * np.isin(SEGMENTS, [8]) + 60 * (SEGMENTS == 2) * (HEIGHT > 1 / 6)
    region = late_region(POINTS, TRIANGLES, tos, SEGMENTS, delay=50)
    assert list(region.segments) == [8, 2]
    assert region.segments[8] == pytest.approx(1) and region.segments[2] == pytest.approx(0.5, abs=0.03)
    assert region.segment_names == ["mid anteroseptal", "basal anteroseptal"]


def test_nothing_late_is_an_empty_region():
    region = late_region(POINTS, TRIANGLES, np.full(len(TRIANGLES), 30.0), SEGMENTS, delay=10)
    assert region.area == 0 and region.parts == 0 and region.segments == {} and np.isnan(region.centre).all()


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        ({}, "either delay"),
        ({"delay": 10, "area_share": 0.2}, "not both"),
        ({"delay": -3}, "positive time in ms"),
        ({"area_share": 20}, "Write 0.2 for 20 %"),
    ],
)
def test_a_criterion_that_says_nothing_is_refused(criteria, message):
    with pytest.raises(ValueError, match=message):
        late_region(POINTS, TRIANGLES, HEIGHT, SEGMENTS, **criteria)


def test_cells_without_tos_are_refused():
    tos = HEIGHT.copy()
    tos[:5] = np.nan
    with pytest.raises(ValueError, match="5 of 5760 cells have no TOS"):
        late_region(POINTS, TRIANGLES, tos, SEGMENTS, delay=1)


def test_cure_of_known_strains():
    turn = (np.arange(18) + 0.5) / 18
    together = -0.2 * np.ones((18, 20))
    assert cure(together) == 1
    opposed = 0.2 * np.cos(2 * np.pi * turn)[:, None] * np.ones(20)
    assert cure(opposed) == pytest.approx(0, abs=1e-7)
    # |mean|^2 = a^2 n^2 and the first harmonic has |b n / 2|^2: CURE = sqrt(a^2 / (a^2 + b^2 / 2)).
    a, b = 0.15, 0.1
    mixed = (-a + b * np.cos(2 * np.pi * turn))[:, None] * np.ones(20)
    assert cure(mixed) == pytest.approx(np.sqrt(a**2 / (a**2 + b**2 / 2)))
    assert cure(np.stack([mixed, mixed])) == pytest.approx(cure(mixed))
    assert cure(np.roll(mixed, 5, axis=0)) == pytest.approx(cure(mixed))


def test_wrong_strains_and_too_few_sectors_are_refused():
    with pytest.raises(ValueError, match="4 sectors or more"):
        cure(np.ones((3, 10)))
    with pytest.raises(ValueError, match="NaN"):
        cure(np.full((6, 10), np.nan))
    with pytest.raises(ValueError, match="zero everywhere"):
        cure(np.zeros((6, 10)))
    assert tos_spread([10, 20, np.nan]) == pytest.approx(np.std([10, 20], ddof=1))
    with pytest.raises(ValueError, match="at least two"):
        tos_spread([10, np.nan])
