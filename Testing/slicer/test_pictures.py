"""Pictures of nodes without windows."""

import numpy as np
import pytest
import slicer
from matplotlib.image import imread

from cardiactwins.mrml import offscreen
from cardiactwins.mrml.offscreen import RenderingUnavailable, offscreen_view, rendering_problem
from cardiactwins.mrml.render import picture_3d, picture_slices
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import new_segmentation
from cardiactwins.mrml.volumes import new_volume


@pytest.fixture
def drawing():
    """Skips where there is no off-screen OpenGL."""
    problem = rendering_problem()
    if problem:
        pytest.skip(problem)


def rgb(path):
    return np.round(255 * imread(path)[:, :, :3]).astype(int)


def nearness(picture, color):
    """Distance of each pixel from a colour, whatever the brightness."""
    picture = picture / np.maximum(np.linalg.norm(picture, axis=2, keepdims=True), 1)
    return np.linalg.norm(picture - np.array(color) / np.linalg.norm(color), axis=2)


def test_a_slice_shows_each_segment_where_it_lies(drawing, grid, masks, tmp_path):
    node = new_segmentation("heart", grid, {"cavity": masks["cavity"], "infarct": masks["infarct"]})
    picture = rgb(picture_slices([node], tmp_path / "slice.png", slices=[2], size=(200, 200)))
    assert picture.shape == (200, 200, 3)
    drawn = picture.sum(axis=2) > 60
    infarct = drawn & (nearness(picture, SEGMENT_ROLES["infarct"].color) < 0.15)
    cavity = drawn & (nearness(picture, SEGMENT_ROLES["cavity"].color) < 0.15)
    rows, columns = np.nonzero(infarct)
    _, j, i = np.nonzero(masks["infarct"] | masks["cavity"])
    center = (j.min() + j.max()) / 2, (i.min() + i.max()) / 2
    place = np.array([rows.mean() - 99.5, columns.mean() - 99.5])
    expected = np.argwhere(masks["infarct"][2]).mean(axis=0) - center
    mm_per_pixel = 1.25 * max((np.ptp(j) + 1) * grid.spacing[1], (np.ptp(i) + 1) * grid.spacing[0]) / 200
    np.testing.assert_allclose(place * mm_per_pixel, expected * grid.spacing[[1, 0]], atol=0.5)
    area = masks["infarct"][2].sum() * grid.spacing[0] * grid.spacing[1]
    assert infarct.sum() * mm_per_pixel**2 == pytest.approx(area, rel=0.1)
    assert cavity.any()


def test_slices_are_tiled_over_the_volume(drawing, oblique_grid, masks, tmp_path):
    node = new_segmentation("heart", oblique_grid, masks)
    volume = new_volume("image", np.full(oblique_grid.shape, 100.0), oblique_grid, value_range=(0, 200))
    picture = rgb(picture_slices([volume, node], tmp_path / "slices.png", columns=3, size=(60, 50)))
    assert picture.shape == (2 * 50, 3 * 60, 3)
    first = picture[:50, :60]
    assert np.abs(first[1, 30] - 127).max() <= 2
    assert (picture[50:, 60:] == 255).all()


def test_a_3d_picture_shows_the_heart_and_nothing_else(drawing, scene, oblique_grid, masks, tmp_path):
    heart = new_segmentation("heart", oblique_grid, {"infarct": masks["infarct"]})
    alone = rgb(picture_3d([heart], tmp_path / "alone.png", size=(160, 120)))
    other = new_segmentation("other", oblique_grid, {"cavity": np.ones(oblique_grid.shape, bool)})
    other.CreateClosedSurfaceRepresentation()
    again = rgb(picture_3d([heart], tmp_path / "again.png", size=(160, 120)))
    assert alone.shape == (120, 160, 3)
    assert (alone[0] == 255).all()
    share = (alone.sum(axis=2) < 700).mean()
    assert 0.05 < share < 0.9
    np.testing.assert_array_equal(alone, again)
    assert other.GetDisplayNode().GetVisibility()
    assert nearness(alone, SEGMENT_ROLES["infarct"].color)[alone.sum(axis=2) < 700].mean() < 0.2


def test_pictures_leave_the_scene_as_it_was(drawing, scene, oblique_grid, masks, tmp_path):
    node = new_segmentation("heart", oblique_grid, masks)
    before = [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())]
    for _ in range(3):
        picture_3d([node], tmp_path / "3d.png", size=(80, 80))
        picture_slices([node], tmp_path / "slices.png", size=(40, 40))
    assert [scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())] == before
    assert not node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3d.png", "slices.png"]


def test_nothing_to_draw_is_told(drawing, scene, tmp_path):
    empty = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    with pytest.raises(ValueError, match="There is nothing to draw"):
        picture_3d([empty], tmp_path / "empty.png")
    with pytest.raises(ValueError, match="There is nothing to draw"):
        picture_slices([], tmp_path / "empty.png")
    assert list(tmp_path.iterdir()) == []


def test_without_opengl_the_reason_and_the_remedy_are_told(scene, oblique_grid, masks, tmp_path, monkeypatch):
    monkeypatch.setattr(offscreen, "PROBE", "import os; os.abort()")
    rendering_problem.cache_clear()
    try:
        node = new_segmentation("heart", oblique_grid, masks)
        with pytest.raises(
            RenderingUnavailable, match="Pictures need off-screen OpenGL, which does not work here"
        ):
            picture_3d([node], tmp_path / "heart.png")
        with pytest.raises(RenderingUnavailable), offscreen_view("slice", (20, 20)):
            pass
        assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLViewNode") == 0
    finally:
        rendering_problem.cache_clear()
