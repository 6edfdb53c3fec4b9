"""The 17-segment model: where each segment lies, and which artery feeds it."""

import numpy as np
import pytest

from cardiactwins.anatomy.aha import (
    SEGMENT_NAMES,
    TERRITORIES,
    aha_segments,
    reference_segments,
)
from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import ReferenceAnatomy


def segment_at(anatomy, segments, k, degrees):
    """Segment of slice k at mid-wall, at an angle counter-clockwise from the right of the display."""
    radius = sum(radii[k] for radii in anatomy.slice_radii) / 2
    x, y = radius * np.cos(np.radians(degrees)), -radius * np.sin(np.radians(degrees))
    center = (anatomy.size - 1) / 2
    return anatomy.to_image(segments)[k, round(y + center), round(x + center)]


def test_the_reference_shows_the_bulls_eye_of_a_short_axis_display():
    anatomy = ReferenceAnatomy(21)
    segments = reference_segments(anatomy)
    angles = {"anterior": 90, "anteroseptal": 150, "inferoseptal": 210, "inferior": 270, "inferolateral": 330}
    angles["anterolateral"] = 30
    for ring, k in (("basal", 19), ("mid", 12)):
        for wall, degrees in angles.items():
            assert SEGMENT_NAMES[segment_at(anatomy, segments, k, degrees)] == f"{ring} {wall}"
    for wall, degrees in {"anterior": 90, "septal": 180, "inferior": 270, "lateral": 0}.items():
        assert SEGMENT_NAMES[segment_at(anatomy, segments, 5, degrees)] == f"apical {wall}"
    assert set(anatomy.to_image(segments)[0][anatomy.mask[0]]) == {17}


def test_the_four_apical_segments_start_at_the_diagonals():
    anatomy = ReferenceAnatomy(21)
    segments = reference_segments(anatomy)
    for degrees, before, after in ((45, 16, 13), (135, 13, 14), (225, 14, 15), (315, 15, 16)):
        assert segment_at(anatomy, segments, 7, degrees - 8) == before
        assert segment_at(anatomy, segments, 7, degrees + 8) == after


def test_a_2d_reference_is_the_mid_ring_in_six_equal_parts():
    anatomy = ReferenceAnatomy(1)
    segments = reference_segments(anatomy)
    numbers, counts = np.unique(segments, return_counts=True)
    assert numbers.tolist() == [7, 8, 9, 10, 11, 12]
    assert counts.min() / counts.max() > 0.95


@pytest.mark.parametrize(
    ("slices", "rings"), [(3, (1, 1, 1)), (4, (1, 2, 1)), (7, (2, 3, 2)), (9, (3, 3, 3))]
)
def test_thirds_of_a_tube_are_its_rings_and_it_has_no_apex(slices, rings):
    geometry = ImageGeometry.from_spacing(
        (slices, 60, 60), (1.5, 1.5, 8.0), direction=np.diag([-1.0, -1.0, 1.0])
    )
    rows, columns = np.mgrid[:60, :60] - 29.5
    radius = np.broadcast_to(np.hypot(rows, columns), geometry.shape)
    heart = lv_coordinates(geometry, radius < 15, (radius >= 15) & (radius < 22), apex="first")
    segments = aha_segments(heart)
    ring_of = {0: (1, 6), 1: (7, 12), 2: (13, 16)}
    counts = [
        sum(first <= segments[k][heart.mask[k]].min() <= last for k in range(slices))
        for first, last in ring_of.values()
    ]
    assert tuple(counts) == rings
    assert 17 not in segments
    assert (segments[~heart.mask] == 0).all()


def test_segments_follow_the_insertion_point():
    anatomy = ReferenceAnatomy(1)
    point = [-31 * np.cos(0.4), 31 * np.sin(0.4), 0.0]
    heart = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, insertion_points=[point])
    segments = aha_segments(heart)[anatomy.mask]
    degrees = np.degrees(0.4)
    assert segment_at(anatomy, segments, 0, degrees - 10) == 7
    assert segment_at(anatomy, segments, 0, degrees + 10) == 8


def test_each_segment_belongs_to_one_artery():
    assert sorted(sum(TERRITORIES.values(), ())) == list(range(1, 18)) == sorted(SEGMENT_NAMES)
    lad, rca, lcx = (set(TERRITORIES[artery]) for artery in ("LAD", "RCA", "LCX"))
    assert {1, 14, 17} <= lad and {4, 15} <= rca and {5, 16} <= lcx
