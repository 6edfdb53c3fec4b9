"""Arrays to volume nodes and back, with their place in the patient."""

import numpy as np
import pytest
import slicer.util

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.geometry import (
    geometry_of_oriented_image,
    geometry_of_volume,
    image_with_geometry,
    matrix_to_vtk,
    voxels_of_oriented_image,
)
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.volumes import EMIDEC_LABELS, new_label_volume, new_volume, volume_array


@pytest.fixture
def values(grid):
    return np.random.default_rng(1).normal(size=grid.shape).astype(np.float32)


def test_voxels_and_grid_come_back_exactly(grid, values):
    found, geometry = volume_array(new_volume("image", values, grid))
    np.testing.assert_array_equal(found, values)
    assert geometry.matches(grid, 1e-9)


def test_a_sheared_grid_comes_back_exactly(oblique_grid):
    shear = np.eye(4)
    shear[0, 1] = 0.3
    sheared = ImageGeometry(oblique_grid.shape, shear @ oblique_grid.ijk_to_ras)
    assert geometry_of_volume(new_volume("image", np.zeros(sheared.shape), sheared)).matches(sheared, 1e-9)
    image = image_with_geometry(np.zeros(sheared.shape, np.uint8), sheared)
    assert geometry_of_oriented_image(image).matches(sheared, 1e-9)


@pytest.mark.parametrize("ending", ["nrrd", "nii.gz", "mha"])
def test_a_file_brings_every_voxel_back_to_its_place(grid, values, ending, tmp_path):
    save_node(new_volume("image", values, grid), tmp_path / f"image.{ending}")
    found, geometry = volume_array(slicer.util.loadVolume(str(tmp_path / f"image.{ending}")))
    places = geometry.ras_to_kji(grid.kji_to_ras(np.argwhere(np.ones(grid.shape))))
    np.testing.assert_allclose(places, np.round(places), atol=1e-2)
    np.testing.assert_array_equal(found[tuple(np.round(places).astype(int).T)], values.ravel())


def test_an_oriented_image_holds_the_voxels_on_their_grid(grid, values):
    image = image_with_geometry(values, grid)
    np.testing.assert_array_equal(voxels_of_oriented_image(image), values)
    assert geometry_of_oriented_image(image).matches(grid, 1e-9)


def test_the_extent_of_an_oriented_image_moves_its_origin(oblique_grid):
    image = image_with_geometry(np.zeros(oblique_grid.shape, np.uint8), oblique_grid)
    image.SetExtent(3, 30, 5, 34, 1, 6)
    assert geometry_of_oriented_image(image).origin == pytest.approx(oblique_grid.kji_to_ras([1, 5, 3]))


def test_a_linear_parent_transform_moves_the_grid(scene, oblique_grid):
    node = new_volume("image", np.zeros(oblique_grid.shape), oblique_grid)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    move = np.array([[0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1.0]])
    transform.SetMatrixTransformToParent(matrix_to_vtk(move))
    node.SetAndObserveTransformNodeID(transform.GetID())
    expected = ImageGeometry(oblique_grid.shape, move @ oblique_grid.ijk_to_ras)
    assert geometry_of_volume(node).matches(expected, 1e-9)
    transform.SetMatrixTransformToParent(matrix_to_vtk(np.diag([1, 1, 0, 1.0])))
    with pytest.raises(ValueError, match=r"'image': The IJK-to-RAS matrix is singular"):
        geometry_of_volume(node)


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int16, np.int32, np.int64, np.float16, np.float32, float]
)
def test_every_type_of_voxel_can_be_shown_and_saved(dtype, oblique_grid, tmp_path):
    values = (np.arange(np.prod(oblique_grid.shape)) % 2).reshape(oblique_grid.shape).astype(dtype)
    node = new_volume("image", values, oblique_grid)
    np.testing.assert_array_equal(volume_array(node)[0], values)
    save_node(node, tmp_path / "image.nii.gz")
    assert (
        slicer.util.arrayFromVolume(slicer.util.loadVolume(str(tmp_path / "image.nii.gz"))).sum()
        == values.sum()
    )


def test_labels_carry_the_standard_names_and_colours(scene, oblique_grid):
    labels = (np.arange(np.prod(oblique_grid.shape)) % 5).reshape(oblique_grid.shape)
    node = new_label_volume("labels", labels, oblique_grid)
    np.testing.assert_array_equal(volume_array(node)[0], labels)
    table = node.GetDisplayNode().GetColorNode()
    assert [table.GetColorName(label) for label in EMIDEC_LABELS] == [
        SEGMENT_ROLES[role].name for role in EMIDEC_LABELS.values()
    ]
    again = new_label_volume("more", labels, oblique_grid)
    assert again.GetDisplayNode().GetColorNode() is table


def test_the_window_covers_the_finite_values(oblique_grid):
    values = np.zeros(oblique_grid.shape)
    values[0, 0, :3] = np.nan, -2.0, 7.0
    display = new_volume("image", values, oblique_grid, "Viridis").GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (-2.0, 7.0)
    assert display.GetColorNode().GetName() == "Viridis"


def test_what_cannot_be_a_volume_is_refused(oblique_grid):
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\) \(k, j, i\), its geometry \(6, 30, 28\)"):
        new_volume("image", np.zeros((2, 2, 2)), oblique_grid)
    with pytest.raises(ValueError, match=r"64-bit integers beyond 2,147,483,647"):
        new_volume("image", np.full(oblique_grid.shape, 2**40), oblique_grid)
    with pytest.raises(ValueError, match=r"voxels of type complex128 cannot be stored"):
        new_volume("image", np.zeros(oblique_grid.shape, complex), oblique_grid)
    with pytest.raises(ValueError, match=r"A label map holds integers; found float64"):
        new_label_volume("labels", np.zeros(oblique_grid.shape), oblique_grid)
    with pytest.raises(ValueError, match=r"no colour table 'Purple'"):
        new_volume("image", np.zeros(oblique_grid.shape), oblique_grid, "Purple")


def test_a_volume_without_voxels_is_refused(scene):
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(ValueError, match=r"'empty' has no voxels"):
        geometry_of_volume(node)
