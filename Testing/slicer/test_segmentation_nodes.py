"""Masks to segmentation nodes and back, with their place in the patient."""

import numpy as np
import pytest
import slicer
import slicer.util

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.geometry import image_with_geometry, matrix_to_vtk
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import (
    REFERENCE_GEOMETRY,
    add_segment,
    find_segment,
    geometry_of_segmentation,
    new_segmentation,
    segment_array,
    segment_names,
    set_reference_geometry,
)


def under_transform(scene, node, matrix):
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    transform.SetMatrixTransformToParent(matrix_to_vtk(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def test_masks_come_back_exactly_on_every_kind_of_grid(grid, masks):
    node = new_segmentation("heart", grid, masks)
    assert geometry_of_segmentation(node).matches(grid, 1e-9)
    for role, mask in masks.items():
        np.testing.assert_array_equal(segment_array(node, role), mask)


def test_masks_come_back_exactly_from_a_file(grid, masks, tmp_path):
    save_node(new_segmentation("heart", grid, masks), tmp_path / "heart.seg.nrrd")
    node = slicer.util.loadSegmentation(str(tmp_path / "heart.seg.nrrd"))
    assert geometry_of_segmentation(node).matches(grid, 1e-6)
    for role, mask in masks.items():
        np.testing.assert_array_equal(segment_array(node, SEGMENT_ROLES[role].name), mask)
        segment = node.GetSegmentation().GetSegment(role)
        assert segment.GetColor() == pytest.approx(SEGMENT_ROLES[role].color)
        assert SEGMENT_ROLES[role].terminology in slicer_tag(segment)


def slicer_tag(segment):
    from vtkmodules.vtkCommonCore import reference

    text = reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), text)
    return str(text)


def test_a_segmentation_adds_no_nodes_but_itself_and_its_display(scene, oblique_grid, masks):
    before = scene.GetNumberOfNodes()
    node = new_segmentation("heart", oblique_grid, masks)
    segment_array(node, "infarct")
    assert scene.GetNumberOfNodes() == before + 2


def test_segments_keep_their_voxels_where_they_overlap(oblique_grid):
    everywhere = np.ones(oblique_grid.shape, dtype=bool)
    node = new_segmentation("heart", oblique_grid, {"myocardium": everywhere, "infarct": everywhere})
    assert segment_array(node, "myocardium").all() and segment_array(node, "infarct").all()


def test_a_voxel_lies_in_3d_slicer_where_its_grid_says(oblique_grid):
    mask = np.zeros(oblique_grid.shape, dtype=bool)
    mask[4, 7, 19] = True
    node = new_segmentation("heart", oblique_grid, {"infarct": mask})
    assert node.GetSegmentCenterRAS("infarct") == pytest.approx(oblique_grid.kji_to_ras([4, 7, 19]))


def test_parent_transforms_move_the_segments(scene, oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    turn = np.array([[0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1.0]])
    inner = under_transform(scene, node, turn)
    outer = under_transform(scene, inner, np.diag([2, 2, 2, 1.0]))
    expected = ImageGeometry(oblique_grid.shape, np.diag([2, 2, 2, 1.0]) @ turn @ oblique_grid.ijk_to_ras)
    assert outer is not None
    assert geometry_of_segmentation(node).matches(expected, 1e-9)
    np.testing.assert_array_equal(segment_array(node, "infarct"), masks["infarct"])
    np.testing.assert_array_equal(segment_array(node, "infarct", expected), masks["infarct"])


def test_a_segment_added_under_a_transform_lies_where_its_geometry_says(scene, oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    under_transform(scene, node, np.array([[0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1.0]]))
    world = geometry_of_segmentation(node)
    added = add_segment(node, "scar", masks["infarct"], world, (1, 0, 0))
    np.testing.assert_array_equal(segment_array(node, added), masks["infarct"])
    added = add_segment(node, "moved", masks["infarct"], oblique_grid)
    np.testing.assert_array_equal(segment_array(node, added, oblique_grid), masks["infarct"])


def test_a_transform_with_nan_is_named(scene, oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    matrix = np.eye(4)
    matrix[0, 3] = np.nan
    under_transform(scene, under_transform(scene, node, np.eye(4)), matrix).SetName("registration")
    for read in (geometry_of_segmentation, lambda node: segment_array(node, "infarct", oblique_grid)):
        with pytest.raises(ValueError, match=r"'registration' above 'heart' holds NaN"):
            read(node)


def test_a_transform_that_is_not_linear_asks_to_be_hardened(scene, oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    warp = scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp")
    node.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(ValueError, match=r"'warp', which is not linear. Harden"):
        geometry_of_segmentation(node)


def test_without_a_reference_the_grid_is_the_union_of_the_segments(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, {key: masks[key] for key in ("cavity", "infarct")})
    node.GetSegmentation().SetConversionParameter(REFERENCE_GEOMETRY, "")
    voxels = np.argwhere(masks["cavity"] | masks["infarct"])
    lower, upper = voxels.min(axis=0), voxels.max(axis=0)
    found = geometry_of_segmentation(node)
    assert found.shape == tuple(upper - lower + 1)
    assert found.origin == pytest.approx(oblique_grid.kji_to_ras(lower))
    cropped = masks["infarct"][tuple(slice(a, b + 1) for a, b in zip(lower, upper, strict=True))]
    np.testing.assert_array_equal(segment_array(node, "infarct"), cropped)


def test_segments_on_different_grids_without_a_reference_are_refused(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, {"cavity": masks["cavity"]})
    node.GetSegmentation().SetConversionParameter(REFERENCE_GEOMETRY, "")
    coarse = ImageGeometry(oblique_grid.shape, oblique_grid.ijk_to_ras @ np.diag([2, 2, 1, 1.0]))
    add_foreign_segment(node, "infarct", masks["infarct"], coarse)
    with pytest.raises(
        ValueError, match=r"'LV cavity' and 'infarct' of 'heart' lie on different voxel grids"
    ):
        geometry_of_segmentation(node)


def test_segments_on_different_grids_are_resampled_to_the_reference(masks):
    fine = ImageGeometry.from_spacing((6, 30, 28), (1.0, 1.0, 8.0))
    halved = ImageGeometry.from_spacing((6, 15, 14), (2.0, 2.0, 8.0), (0.5, 0.5, 0.0))
    node = new_segmentation("heart", fine, {"cavity": masks["cavity"]})
    small = masks["infarct"][:, ::2, ::2]
    add_foreign_segment(node, "infarct", small, halved)
    np.testing.assert_array_equal(segment_array(node, "infarct"), small.repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_array_equal(segment_array(node, "cavity"), masks["cavity"])


def add_foreign_segment(node, name, mask, geometry):
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.AddRepresentation("Binary labelmap", image_with_geometry(mask, geometry))
    node.GetSegmentation().AddSegment(segment, name)


def test_a_segment_outside_the_reference_geometry_is_refused_not_cut(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    set_reference_geometry(node, ImageGeometry((3, 30, 28), oblique_grid.ijk_to_ras))
    outside = int(masks["infarct"][3:].sum())
    with pytest.raises(ValueError, match=rf"'Infarct' of 'heart' reaches outside .* \({outside:,} of"):
        segment_array(node, "infarct")
    np.testing.assert_array_equal(segment_array(node, "infarct", oblique_grid), masks["infarct"])


def test_a_segmentation_drawn_as_surfaces_becomes_voxels_without_being_changed(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    node.GetSegmentation().SetConversionParameter("Smoothing factor", "0")
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.RemoveBinaryLabelmapRepresentation()
    found = segment_array(node, "cavity")
    overlap = 2 * (found & masks["cavity"]).sum() / (found.sum() + masks["cavity"].sum())
    assert overlap > 0.8
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_an_empty_segment_is_an_empty_mask(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, {"infarct": np.zeros_like(masks["infarct"])})
    assert not segment_array(node, "infarct").any()
    node.CreateClosedSurfaceRepresentation()
    assert not segment_array(node, "infarct").any()


def test_a_segmentation_without_any_grid_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "heart")
    node.GetSegmentation().AddEmptySegment("infarct", "Infarct")
    with pytest.raises(ValueError, match=r"'heart' has no voxels and no reference geometry"):
        geometry_of_segmentation(node)


def test_segments_are_found_by_id_and_by_name_whatever_the_case(oblique_grid, masks):
    node = new_segmentation("heart", oblique_grid, masks)
    assert (
        find_segment(node, "no_reflow") == find_segment(node, "No-reflow") == find_segment(node, "NO-REFLOW")
    )
    with pytest.raises(ValueError, match=r"no segment 'scar'. Its segments: 'LV cavity', 'LV myocardium'"):
        find_segment(node, "scar")
    add_segment(node, "Infarct", masks["infarct"], oblique_grid, segment_id="other")
    with pytest.raises(ValueError, match=r"2 segments named 'Infarct'"):
        find_segment(node, "Infarct")
    assert len(segment_names(node)) == 5


def test_what_does_not_fit_is_refused_and_leaves_no_node(scene, oblique_grid, masks):
    before = scene.GetNumberOfNodes()
    with pytest.raises(ValueError, match=r"Unknown segment roles: scar"):
        new_segmentation("heart", oblique_grid, {"scar": masks["infarct"]})
    with pytest.raises(ValueError, match=r"shape \(5, 30, 28\) \(k, j, i\), its geometry \(6, 30, 28\)"):
        new_segmentation("heart", oblique_grid, {"infarct": masks["infarct"][1:]})
    assert scene.GetNumberOfNodes() == before
