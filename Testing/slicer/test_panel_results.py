"""What the panel shows: bull's eyes, distributions, and patterns that follow a slider."""

import numpy as np
import pytest
import slicer

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.mrml.bullseye import bullseye_segments, new_bullseye_volume
from cardiactwins.mrml.distributions import new_distribution_chart
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.live_pattern import LivePattern
from cardiactwins.mrml.segmentations import segment_array
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.volumes import volume_array


@pytest.fixture(autouse=True)
def empty_scene():
    start().scene.Clear(False)
    yield
    start().scene.Clear(False)


def at(segments, angle, radius):
    """Segment at an angle (degrees, counter-clockwise from the right) and radius of the disc."""
    half = len(segments) / 2
    column = half + radius * half * np.cos(np.radians(angle))
    row = half - radius * half * np.sin(np.radians(angle))
    return segments[int(row), int(column)]


@pytest.mark.parametrize(
    ("angle", "radius", "segment"),
    [
        (90, 0.9, 1),
        (150, 0.9, 2),
        (210, 0.9, 3),
        (270, 0.9, 4),
        (330, 0.9, 5),
        (30, 0.9, 6),
        (90, 0.6, 7),
        (210, 0.6, 9),
        (30, 0.6, 12),
        (90, 0.4, 13),
        (180, 0.4, 14),
        (270, 0.4, 15),
        (0, 0.4, 16),
        (45, 0.1, 17),
    ],
)
def test_segments_lie_where_the_association_draws_them(angle, radius, segment):
    assert at(bullseye_segments(), angle, radius) == segment


def test_segments_of_a_ring_are_equally_large():
    counts = np.bincount(bullseye_segments(480).ravel(), minlength=18)
    for ring in (range(1, 7), range(7, 13), range(13, 17)):
        of_ring = counts[list(ring)]
        assert np.ptp(of_ring) < 0.03 * of_ring.mean()
    assert counts[1:7].sum() / counts[7:13].sum() == pytest.approx(
        (1 - 0.75**2) / (0.75**2 - 0.5**2), rel=0.05
    )


def test_a_bullseye_volume_holds_the_values_and_shows_the_anterior_wall_in_front():
    values = np.arange(1.0, 18.0)
    values[4] = np.nan
    node = new_bullseye_volume("Size", values)
    array, geometry = volume_array(node)
    front = geometry.kji_to_ras([0, 20, array.shape[2] / 2])
    assert front[1] > geometry.kji_to_ras([0, 200, array.shape[2] / 2])[1]
    assert array[0, 20, 120] == 1.0
    assert set(np.unique(array)) == {-1.0, *np.delete(values, 4)}
    with pytest.raises(ValueError, match="17 segments"):
        new_bullseye_volume("Size", values[:6])


def test_shares_of_a_distribution_sum_to_the_whole():
    table, chart = new_distribution_chart(
        "size", {"real": [1.0, 2.0, np.nan, 9.0], "synthetic": np.linspace(0, 12, 50)}, "% LV"
    )
    columns = columns_of_table(table)
    assert columns["real"].sum() == pytest.approx(100) and columns["synthetic"].sum() == pytest.approx(100)
    assert chart.GetXAxisTitle() == "size (% LV)" and chart.GetNumberOfPlotSeriesNodes() == 2
    with pytest.raises(ValueError, match="no values"):
        new_distribution_chart("size", {"real": [np.nan]})


def test_a_live_pattern_changes_its_nodes_in_place():
    anatomy = ReferenceAnatomy(slices=11)
    live = LivePattern(anatomy)
    rng = np.random.default_rng(0)
    live.show(rng.random(anatomy.n_voxels), segmentation=True)
    nodes = start().scene.GetNumberOfNodes()
    changed = []
    volume, segmentation = live.nodes
    volume.AddObserver(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, lambda *_: changed.append(1))
    pattern = rng.random(anatomy.n_voxels).astype(np.float32)
    live.show(pattern, segmentation=True)
    assert changed and start().scene.GetNumberOfNodes() == nodes
    np.testing.assert_array_equal(volume_array(volume)[0], anatomy.to_image(pattern))
    np.testing.assert_array_equal(segment_array(segmentation, "Infarct"), anatomy.to_image(pattern >= 0.5))


def test_a_live_node_that_was_removed_is_made_anew():
    live = LivePattern(ReferenceAnatomy())
    live.show(np.zeros(1892))
    start().scene.RemoveNode(live.nodes[0])
    assert live.nodes == []
    assert live.show(np.zeros(1892)) == live.nodes
    with pytest.raises(ValueError, match="1892 values"):
        live.show(np.zeros(3))
