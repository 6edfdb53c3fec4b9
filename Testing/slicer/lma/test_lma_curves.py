"""Slices outlined by closed curves, and long-axis slices."""

import numpy as np
import pytest
import slicer
from scipy.ndimage import map_coordinates

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import draw_lv_shape
from cardiactwins.lma.long_axis_ends import long_axis_ends
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.shape_volume import SIZE
from cardiactwins.mrml.lma_inputs import heart_of_curves, known_points
from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic
from cardiactwins.mrml.segmentations import new_segmentation

TURN = np.array([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])


@pytest.fixture
def shape():
    return draw_lv_shape(np.random.default_rng(5), deformation=0.5)


def curve(name, points, closed=True):
    kind = "ClosedCurve" if closed else "Curve"
    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRMLMarkups{kind}Node", name)
    slicer.util.updateMarkupsControlPointsFromArray(node, points)
    return node


def outlines(shape, count, points=24):
    """(endocardium or None, epicardium) of each slice, (points, 3) RAS."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    found = []
    for height in (np.arange(count) + 0.5) / count * shape.epicardial_length:
        lines = []
        for radius in shape.radii(angle, np.full_like(angle, height)):
            around = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] + shape.axis(height)
            lines.append(np.column_stack([around, np.full(points, height)]) @ TURN)
        found.append((None if height > shape.endocardial_length else lines[0], lines[1]))
    return found


def insertion_of(shape):
    height = 0.4 * shape.epicardial_length
    angle = shape.insertion_angle(height)
    radius = shape.radii(angle, height)[1]
    return np.array([[radius * np.cos(angle), radius * np.sin(angle), height]]) @ TURN


def test_curves_give_the_heart_that_they_outline(scene, shape):
    curves = []
    for number, (inner, outer) in enumerate(outlines(shape, 7), start=1):
        curves += [curve(f"epi {number}", outer)]
        if inner is not None:
            curves += [curve(f"endo {number}", inner)]
    heart = LMAReconstructLogic().reconstruct(curves, insertion_of(shape), method="interpolation")
    frame = heart.prepared.pose.frame
    assert frame.direction @ [0, 0, 1] > 0.999
    assert frame.length == pytest.approx(shape.epicardial_length, rel=0.08)
    assert not heart.disagreeing
    pairs = [
        (None if inner is None else curve("a", inner), curve("b", outer))
        for inner, outer in outlines(shape, 7)
    ]
    np.testing.assert_allclose(heart_of_curves(pairs).stack.heights, heart_of_curves(curves).stack.heights)


def test_open_unnamed_and_short_contours_are_refused(scene, shape):
    lines = outlines(shape, 4)
    good = [curve(f"epi {n}", outer) for n, (_, outer) in enumerate(lines)]
    with pytest.raises(ValueError, match="'epi open' is open"):
        heart_of_curves([*good[:3], curve("epi open", lines[3][1], closed=False)])
    with pytest.raises(ValueError, match="does not tell whether"):
        heart_of_curves([*good[:3], curve("contour", lines[3][1])])
    with pytest.raises(ValueError, match="fewer than 3 points"):
        heart_of_curves([*good[:3], curve("epi short", lines[3][1][:2])])
    with pytest.raises(ValueError, match="endocardial contour"):
        heart_of_curves(good)


OWN = ImageGeometry.from_spacing(
    (1, 70, 60), (1.5, 2.0, 6.0), (-45.0, 0.0, 0.0), np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
)
ISOTROPIC = ImageGeometry.from_spacing((60, 62, 62), (1.6,) * 3, (-49.6, -49.6, 0.0))
SHORT_AXIS = ImageGeometry.from_spacing((13, 62, 62), (1.6, 1.6, 8.0), (-49.6, -49.6, 0.0))


def long_axis_slice(shape, geometry, name="two-chamber"):
    """The slice y = 0 of a heart, outlined on a grid."""
    x, y, z = np.moveaxis(geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1)), -1, 0)
    inner, outer = shape.radii(np.arctan2(y, x), z)
    radius = np.hypot(x, y)
    there = (z >= 0) & (z <= shape.epicardial_length) & (np.abs(y) < 0.1)
    masks = {"cavity": there & (radius < inner), "myocardium": there & (radius >= inner) & (radius < outer)}
    return new_segmentation(name, geometry, masks), masks


def test_long_axis_slices_are_known_points_of_the_heart(scene, shape):
    node, masks = long_axis_slice(shape, OWN)
    points, values = known_points([node])
    assert values.sum(axis=1).max() == 1 and len(points) == len(values)
    wall = points[values[:, 1] > 0.5]
    assert wall.shape[0] == masks["myocardium"].sum()
    np.testing.assert_allclose(wall[:, 1], 0, atol=1e-6)
    pairs = [
        (None if inner is None else curve("a", inner @ TURN.T), curve("b", outer @ TURN.T))
        for inner, outer in outlines(shape, 5)
    ]
    heart = LMAReconstructLogic().prepare(pairs, insertion_of(shape) @ TURN.T, longAxis=node)
    height = points[:, 2]
    assert len(heart.outlines.points) == (height > heart.pose.frame.base[2]).sum() > 0.9 * len(points)
    # Both ends are seen; three short-axis slices alone would have to guess them.
    assert heart.pose.frame.base[2] == pytest.approx(0, abs=2)
    assert heart.pose.frame.apex[2] == pytest.approx(shape.epicardial_length, abs=2)


def test_a_long_axis_slice_gives_the_same_heart_on_any_grid(scene, shape):
    pytest.importorskip("torch")
    from cardiactwins.lma.model_reconstruction import WEIGHTS

    if not WEIGHTS.is_file():
        pytest.skip("the weights are not installed")
    pairs = [
        (None if inner is None else curve("a", inner @ TURN.T), curve("b", outer @ TURN.T))
        for inner, outer in outlines(shape, 4)
    ]
    insertion, found = insertion_of(shape) @ TURN.T, {}
    for name, grid in {"own": OWN, "isotropic": ISOTROPIC, "short axis": SHORT_AXIS}.items():
        node, _ = long_axis_slice(shape, grid, name)
        prepared = LMAReconstructLogic().prepare(pairs, insertion, longAxis=[node])
        found[name] = prepared, reconstruct(prepared.outlines, method="refinement")
    (own, wanted) = found.pop("own")
    for name, (prepared, heart) in found.items():
        # The short-axis grid shows base and apex to half a slice distance.
        assert prepared.pose.frame.length == pytest.approx(own.pose.frame.length, abs=8.0), name
        assert np.mean([part.dice for part in heart.agreement]) > 0.95, name
        places = prepared.pose.to_grid(own.pose.to_ras(np.moveaxis(np.indices((SIZE,) * 3), 0, -1)))
        mask = map_coordinates(heart.volume.myocardium, np.moveaxis(places, -1, 0), order=1) >= 0.5
        both = (mask & wanted.volume.mask).sum()
        assert 2 * both / (mask.sum() + wanted.volume.mask.sum()) > 0.9, name


def test_no_long_axis_slice_is_none_at_all(scene, shape):
    pairs = [(None if a is None else curve("a", a), curve("b", b)) for a, b in outlines(shape, 5)]
    heart = LMAReconstructLogic().prepare(pairs, insertion_of(shape), longAxis=[])
    assert heart.outlines.points is None


def test_too_little_of_a_long_axis_slice_leaves_base_and_apex_to_the_short_axis(scene, shape):
    pairs = [(None if a is None else curve("a", a), curve("b", b)) for a, b in outlines(shape, 5)]
    stack = heart_of_curves(pairs).stack
    center = stack.centers().mean(axis=0)
    scattered = center + np.random.default_rng(0).normal(0, 3, (30, 3))
    assert long_axis_ends(stack, scattered, np.tile([0, 1], (30, 1))) is None
    one_side = center + np.random.default_rng(0).uniform(5, 30, (300, 3))
    assert long_axis_ends(stack, one_side, np.tile([1, 0], (300, 1))) is None
