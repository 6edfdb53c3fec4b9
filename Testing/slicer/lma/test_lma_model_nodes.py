"""The model of outlined slices: its surface, its voxels, and what is told about it."""

from dataclasses import replace

import numpy as np
import pytest
from lma_phantom_nodes import point_array, segmentation_of
from scipy.ndimage import affine_transform
from scipy.ndimage import shift as moved
from scipy.spatial.transform import Rotation
from vtkmodules.vtkFiltersCore import vtkMassProperties

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.mrml.lma_inputs import heart_of_segmentation
from cardiactwins.mrml.lma_models import (
    LAYER,
    UNCERTAINTY,
    dense_geometry,
    dense_masks,
    open_edges,
    surface_of_model,
)
from cardiactwins.mrml.segmentations import new_segmentation, segment_array
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.volumes import new_volume


def test_the_model_is_watertight_and_lies_where_the_heart_is(logic, phantom):
    heart = logic.reconstruct(segmentation_of(phantom), phantom.insertion_points, method="interpolation")
    assert open_edges(heart.model) == 0
    mass = vtkMassProperties()
    mass.SetInputData(heart.model.GetPolyData())
    dense = lv_phantom(np.random.default_rng(3), slices=40, spacing=(1.4, 1.4, 8.0))
    truth = dense.myocardium.sum() * dense.geometry.voxel_volume_ml
    assert mass.GetVolume() / 1000 == pytest.approx(truth, rel=0.06)
    found = logic.reconstruct(
        segmentation_of(phantom),
        phantom.insertion_points,
        method="interpolation",
        referenceVolume=new_volume("grid", np.zeros(dense.geometry.shape, np.uint8), dense.geometry),
    )
    wall = segment_array(found.segmentation, "myocardium")
    assert wall.shape == dense.geometry.shape
    assert 2 * (wall & dense.myocardium).sum() / (wall.sum() + dense.myocardium.sum()) > 0.92
    assert set(np.unique(point_array(heart.model, LAYER))) == {0, 1, 2}
    assert not heart.disagreeing
    columns = columns_of_table(heart.table)
    np.testing.assert_allclose(columns["longitudinal"], (np.arange(8) + 0.5) / 8, atol=0.06)
    assert (columns["Dice"] > 0.95).all()


def test_normals_point_out_of_the_wall_for_mirrored_grids_too(logic):
    for left_handed in (False, True):
        heart = lv_phantom(
            np.random.default_rng(1), slices=6, spacing=(1.4, 1.4, 8.0), left_handed=left_handed
        )
        node = logic.reconstruct(segmentation_of(heart), heart.insertion_points, method="interpolation").model
        surface = surface_of_model(node)
        a, b, c = surface.points[surface.triangles].transpose(1, 0, 2)
        assert np.einsum("ni,ni->", a, np.cross(b, c)) / 6 > 0


def test_shifted_slices_are_corrected_and_reported(logic, phantom):
    shifted = {}
    for role in ("cavity", "myocardium"):
        mask = getattr(phantom, role).copy()
        mask[3] = moved(mask[3].astype(float), (0, 3), order=0) > 0.5
        shifted[role] = mask
    node = new_segmentation("shifted", phantom.geometry, shifted)
    heart = logic.reconstruct(node, phantom.insertion_points, method="interpolation")
    lengths = columns_of_table(heart.table)["shift"]
    number = len(heart_of_segmentation(node).stack) - 1 - 3
    assert lengths[number] == pytest.approx(4.2, abs=1.3)
    assert (np.delete(lengths, number) < 1.5).all()


def test_uncertainty_is_given_in_mm_at_each_point(logic, phantom):
    node = segmentation_of(phantom)
    prepared = logic.prepare(node, phantom.insertion_points)
    found = reconstruct(prepared.outlines, method="interpolation")
    deviation = np.random.default_rng(0).random(len(found.surface.points))
    shown = logic.showReconstruction(prepared, replace(found, deviation=deviation))
    np.testing.assert_allclose(
        point_array(shown.model, UNCERTAINTY), deviation * prepared.pose.voxel, rtol=1e-5
    )


def test_the_dense_grid_of_its_own_holds_what_any_grid_holds(logic, phantom):
    prepared = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    found = reconstruct(prepared.outlines, method="interpolation", voxel=prepared.pose.voxel)
    own = dense_geometry(prepared.pose)
    # The same voxels in another order of the axes, which have to be sampled the slow way.
    swapped = ImageGeometry(own.shape, own.ijk_to_ras[:, [1, 0, 2, 3]])
    for name, mask in dense_masks(found, prepared.pose, own).items():
        other = dense_masks(found, prepared.pose, swapped)[name]
        assert (mask != other.transpose(0, 2, 1)).mean() < 1e-5
        inside = found.volume.cavity if name == "cavity" else found.volume.myocardium
        assert mask.sum() * own.voxel_volume_ml * 1000 == pytest.approx(
            inside.sum() * prepared.pose.voxel**3, rel=0.02
        )


@pytest.mark.parametrize("turn", [0.0, 0.4, 2.0])
def test_voxels_beyond_the_heart_need_no_sampling(logic, phantom, turn):
    """Grids that turn, are coarse or meet but a part of the heart hold what sampling all of them says."""
    prepared = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    found = reconstruct(prepared.outlines, method="interpolation", voxel=prepared.pose.voxel)
    steps = Rotation.from_rotvec([turn, turn / 2, -turn / 3]).as_matrix() * [1.9, 2.3, 2.7]
    middle = prepared.pose.to_ras(np.full(3, 31.5))
    matrix = np.eye(4)
    # Half of the grid lies beside the heart: its corner is near the middle of the wall.
    matrix[:3, :3], matrix[:3, 3] = steps, middle - steps @ np.array([4.0, 20.0, 12.0])
    grid = ImageGeometry((30, 40, 36), matrix)
    to_volume = np.linalg.solve(prepared.pose.grid_to_ras, grid.ijk_to_ras)

    def sampled(share):
        linear, offset = to_volume[:3, 2::-1], to_volume[:3, 3]
        return affine_transform(share, linear, offset, grid.shape, order=1, mode="constant") >= 0.5

    masks = dense_masks(found, prepared.pose, grid)
    cavity = sampled(found.volume.cavity)
    assert cavity.any() and not cavity.all()
    np.testing.assert_array_equal(masks["cavity"], cavity)
    whole = sampled(found.volume.cavity + found.volume.myocardium)
    np.testing.assert_array_equal(masks["myocardium"], whole & ~cavity)
