"""What counts as slices and insertion points of a heart."""

import numpy as np
import pytest
from lma_phantom_nodes import segmentation_of
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.mrml.segmentations import new_segmentation


def test_right_ventricle_or_points_tell_the_same_insertion(logic, phantom):
    node = segmentation_of(phantom, "cavity", "myocardium", "right_ventricle")
    frames = [logic.prepare(node, points).pose.frame for points in (None, phantom.insertion_points)]
    turn = frames[0].coordinates(phantom.insertion_points)[0]
    assert np.abs(np.mod(turn + 0.5, 1) - 0.5).max() < 0.03


def test_slices_on_grids_of_their_own_make_the_same_heart(logic, phantom):
    whole = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    nodes = []
    for k in np.random.default_rng(0).permutation(8):
        matrix = phantom.geometry.ijk_to_ras.copy()
        matrix[:3, 3] += k * matrix[:3, 2]
        # Every other slice is stored with its rows and columns the other way round.
        turn = (lambda mask: mask[::-1, ::-1]) if k % 2 else (lambda mask: mask)
        if k % 2:
            rows, columns = phantom.geometry.shape[1:]
            matrix[:3, 3] += (columns - 1) * matrix[:3, 0] + (rows - 1) * matrix[:3, 1]
            matrix[:3, :2] *= -1
        grid = ImageGeometry((1, *phantom.geometry.shape[1:]), matrix)
        masks = {role: turn(getattr(phantom, role)[k])[None] for role in ("cavity", "myocardium")}
        nodes.append(new_segmentation(f"slice {k}", grid, masks))
    found = logic.prepare(nodes, phantom.insertion_points)
    np.testing.assert_allclose(found.pose.grid_to_ras, whole.pose.grid_to_ras, atol=0.15)
    a, b = (heart.outlines.myocardium >= 0.5 for heart in (found, whole))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.97
    tilted = np.eye(4)
    tilted[:3, :3] = Rotation.from_euler("x", 40, degrees=True).as_matrix()
    odd = segmentation_of(phantom, turn=tilted, name="odd")
    with pytest.raises(ValueError, match="not parallel: that of 'odd' is tilted by"):
        logic.prepare([*nodes, *nodes, odd], phantom.insertion_points)
    with pytest.raises(ValueError, match="outlined in 2 slices"):
        logic.prepare(nodes[:2], phantom.insertion_points)
    beside = np.eye(4)
    beside[:3, 3] = 0.3 * whole.stack.normal
    masks = {"cavity": phantom.cavity, "myocardium": phantom.myocardium}
    shown = np.isin(np.arange(len(phantom.cavity)), (2,))[:, None, None]
    geometry = ImageGeometry(phantom.geometry.shape, beside @ phantom.geometry.ijk_to_ras)
    again = new_segmentation("again", geometry, {role: mask & shown for role, mask in masks.items()})
    with pytest.raises(ValueError, match=r"'slice 2' and slice 3 of 'again' lie at the same height \(0.3 mm"):
        logic.prepare([*nodes, again], phantom.insertion_points)
    with pytest.raises(ValueError, match="'slice 2' and 'slice 2' lie at the same height"):
        logic.prepare([*nodes, nodes[0]], phantom.insertion_points)


def test_sparse_slices_on_a_fine_grid_are_no_dense_heart(logic):
    dense = lv_phantom(np.random.default_rng(3), slices=80, spacing=(1.4, 1.4, 8.0))
    shown = np.isin(np.arange(80), np.arange(5, 80, 10))[:, None, None]
    node = new_segmentation(
        "sparse", dense.geometry, {"cavity": dense.cavity & shown, "myocardium": dense.myocardium & shown}
    )
    sparse = logic.prepare(node, dense.insertion_points)
    assert len(sparse.stack) == 8
    whole = logic.prepare(segmentation_of(dense), dense.insertion_points, slices=6)
    assert len(whole.stack) == 6
    assert whole.pose.frame.length == pytest.approx(sparse.pose.frame.length, rel=0.05)


def test_a_wall_alone_is_enough_where_its_slices_enclose_the_cavity(logic, phantom):
    alone = logic.prepare(segmentation_of(phantom, "myocardium"), phantom.insertion_points)
    both = logic.prepare(segmentation_of(phantom), phantom.insertion_points)
    np.testing.assert_allclose(alone.stack.myocardium, both.stack.myocardium)
    given, found = (prepared.stack.cavity >= 0.5 for prepared in (both, alone))
    assert 2 * (given & found).sum() / (given.sum() + found.sum()) > 0.99
