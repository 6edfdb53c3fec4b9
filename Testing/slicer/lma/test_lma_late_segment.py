"""The late region as a segment, with its centre, its names and without scar."""

import numpy as np
import pytest
from lma_phantom_nodes import sampled, segmentation_of
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.lma.late_region import cell_areas
from cardiactwins.mrml.lma_map import TOS
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.segmentations import new_segmentation, segment_array
from cardiactwins.mrml.tables import columns_of_table


def test_the_late_region_is_a_segment_with_centre_and_names(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.1, 0.35, 0.65, 0.9]
    tos = sampled(heights, 18)
    logic.projectTOS(heart, tos, slicePositions=heights)
    late = logic.lateRegion(heart, areaShare=0.2, tos=tos)
    assert late.region.share == pytest.approx(0.2, abs=0.005)
    assert late.target in (5, 6, 11, 12) and late.target_name.endswith("lateral")
    wall = segment_array(heart.segmentation, "myocardium")
    mask = segment_array(heart.segmentation, late.segment)
    assert not (mask & ~wall).any()
    assert mask.sum() / wall.sum() == pytest.approx(0.2, abs=0.06)
    rows = dict(zip(*[columns_of_table(late.table)[name] for name in ("quantity", "value")], strict=True))
    assert rows["latest segment"].startswith(f"{late.target} ")
    assert float(rows["SD-TOS"]) == pytest.approx(tos.std(ddof=1), rel=1e-3)
    assert late.centre.GetNumberOfControlPoints() == 1
    beyond = 100 * late.extrapolated
    assert float(rows["of the late area, extrapolated"]) == pytest.approx(beyond, rel=1e-3)
    few = logic.projectTOS(heart, tos[1:3], slicePositions=heights[1:3])
    wider = logic.lateRegion(heart, areaShare=0.2)
    surface = surface_of_model(few.model)
    height = few.frame.coordinates(surface.middles[wider.region.cells])[1]
    outside = (height < 0.35) | (height > 0.65)
    areas = cell_areas(surface.points, surface.triangles[wider.region.cells])
    assert wider.extrapolated == pytest.approx(areas @ outside / areas.sum())
    assert beyond < 30 < 40 < 100 * wider.extrapolated
    again = logic.lateRegion(heart, delay=60)
    assert again.region.threshold == pytest.approx(late_earliest(heart) + 60, abs=1e-3)
    names = [heart.segmentation.GetSegmentation().GetNthSegmentID(n) for n in range(3)]
    assert names.count(late.segment) == 1 and heart.segmentation.GetSegmentation().GetNumberOfSegments() == 3


def late_earliest(heart):
    """Earliest TOS of the triangles of the epicardium."""
    surface = surface_of_model(heart.model)
    tos = vtk_to_numpy(heart.model.GetPolyData().GetCellData().GetArray(TOS))
    return tos[surface.cell_layer == 1].min()


def test_nothing_is_late_where_all_shortens_at_once(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    logic.projectTOS(heart, np.full((2, 18), 40.0), slicePositions=[0.3, 0.7])
    late = logic.lateRegion(heart)
    assert late.extrapolated is None
    assert late.target is None and late.centre is None and late.region.area == 0
    assert not segment_array(heart.segmentation, late.segment).any()


def test_transmural_scar_is_left_out_of_the_late_region(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.1, 0.35, 0.65, 0.9]
    logic.projectTOS(heart, sampled(heights, 18), slicePositions=heights)
    turn = phantom.circumferential
    lateral = phantom.myocardium & (np.abs(turn - 2 / 3) < 1 / 12)
    late = {}
    for name, depth in (("none", None), ("thin", 0.25), ("transmural", 1.0)):
        scar = None
        if depth is not None:
            infarct = lateral & (phantom.radial <= depth)
            masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium, "infarct": infarct}
            scar = new_segmentation(f"scar {name}", phantom.geometry, masks)
        late[name] = logic.lateRegion(heart, areaShare=0.25, scar=scar)
    assert late["thin"].region.area == pytest.approx(late["none"].region.area, rel=0.03)
    assert late["transmural"].region.area < 0.75 * late["none"].region.area
    assert late["transmural"].region.excluded > 0.25
    rows = columns_of_table(late["transmural"].table)["quantity"]
    assert "latest viable segment" in rows and "of the late area over 50 % scar" in rows


def test_scar_excludes_the_same_wall_whether_segments_overlap_or_share_it_out(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    heights = [0.1, 0.35, 0.65, 0.9]
    logic.projectTOS(heart, sampled(heights, 18), slicePositions=heights)
    lateral = phantom.myocardium & (np.abs(phantom.circumferential - 2 / 3) < 1 / 6)
    infarct, no_reflow = (lateral & (phantom.radial <= depth) for depth in (0.3, 0.1))
    around = lateral & ~infarct
    wall = phantom.myocardium
    overlapping = {"myocardium": wall, "infarct": infarct, "no_reflow": no_reflow, "border_zone": around}
    exclusive = overlapping | {"myocardium": wall & ~lateral, "infarct": infarct & ~no_reflow}
    found = []
    for name, masks in {"overlapping": overlapping, "exclusive": exclusive}.items():
        scar = new_segmentation(name, phantom.geometry, {"cavity": phantom.cavity} | masks)
        late = logic.lateRegion(heart, areaShare=0.25, scar=scar, segmentation=scar)
        found.append((late.region, late.scar, segment_array(scar, late.segment)))
    (one, first, segment), (other, second, same_segment) = found
    np.testing.assert_allclose(first, second)
    np.testing.assert_array_equal(one.cells, other.cells)
    np.testing.assert_array_equal(segment, same_segment)
    assert one.excluded == other.excluded < 0.05
