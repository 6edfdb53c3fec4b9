"""Meshes whose tissues share borders: labels made fit, remeshing, volumes, crossings, quality."""

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.interface_mesh import InterfaceMesh
from cardiactwins.twin.mesh_quality import crossing_triangles, mesh_quality
from cardiactwins.twin.meshable_labels import meshable_labels
from cardiactwins.twin.remeshing import remeshed
from cardiactwins.twin.tiny_contacts import voxel_faces, without_tiny_contacts
from cardiactwins.twin.untangling import untangled
from cardiactwins.twin.volume_match import with_volumes
from cardiactwins.twin.well_composed import critical_places, well_composed

RADIUS = 20.0


def ball(rings=24, points_a_ring=48):
    """Points and triangles of a unit ball between circles of latitude, one of them the equator."""
    theta = np.pi * np.arange(1, rings) / rings
    phi = 2 * np.pi * np.arange(points_a_ring) / points_a_ring
    x, y = np.outer(np.sin(theta), np.cos(phi)), np.outer(np.sin(theta), np.sin(phi))
    z = np.outer(np.cos(theta), np.ones(points_a_ring))
    z[rings // 2 - 1] = 0
    points = np.vstack([np.stack([x, y, z], axis=-1).reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    number = np.arange((rings - 1) * points_a_ring).reshape(rings - 1, points_a_ring)
    top, bottom = len(points) - 2, len(points) - 1
    a, b = number[:-1], np.roll(number[:-1], -1, axis=1)
    c, d = number[1:], np.roll(number[1:], -1, axis=1)
    triangles = [np.stack([a, c, d], axis=-1).reshape(-1, 3), np.stack([a, d, b], axis=-1).reshape(-1, 3)]
    triangles += [[(top, p, q) for p, q in zip(number[0], np.roll(number[0], -1), strict=True)]]
    triangles += [[(bottom, q, p) for p, q in zip(number[-1], np.roll(number[-1], -1), strict=True)]]
    return points, np.concatenate(triangles).astype(np.int64), number[rings // 2 - 1]


@pytest.fixture(scope="module")
def two_balls():
    """A ball of radius 20 mm cut by the plane z = 0 into LV (below) and LA (above), the plane meshed too."""
    points, triangles, rim = ball()
    center = len(points)
    disc = [(center, a, b) for a, b in zip(rim, np.roll(rim, -1), strict=True)]
    upper = points[triangles][..., 2].mean(axis=1) > 0
    sides = np.where(upper[:, None], (Tissue.LA, 0), (Tissue.LV, 0))
    return InterfaceMesh(
        np.vstack([points, [[0, 0, 0]]]) * RADIUS,
        np.concatenate([triangles, disc]),
        np.concatenate([sides, [(Tissue.LV, Tissue.LA)] * len(disc)]).astype(np.uint8),
    )


def closed(mesh, label):
    """Every edge of a label's surface has exactly two triangles, one in each direction: written plainly."""
    uses = {}
    for a, b, c in mesh.surface_of(label).tolist():
        for edge in ((a, b), (b, c), (c, a)):
            uses[edge] = uses.get(edge, 0) + 1
    return all(count == 1 and uses.get(edge[::-1]) == 1 for edge, count in uses.items())


def test_the_volumes_of_a_cut_ball_are_those_of_geometry(two_balls):
    half = 2 / 3 * np.pi * RADIUS**3 / 1000
    for label in (Tissue.LV, Tissue.LA):
        assert closed(two_balls, label)
        assert two_balls.volume_ml(label) == pytest.approx(half, rel=0.01)


@pytest.mark.parametrize("length", [1.5, 3.0, 6.0])
def test_remeshing_reaches_the_edge_length_and_keeps_shape_and_borders(two_balls, length):
    mesh = remeshed(two_balls, length)
    quality = mesh_quality(mesh)
    assert quality.edge_mean == pytest.approx(length, rel=0.1)
    assert quality.edge_max < 1.5 * length
    assert quality.shape_mean > 0.93
    assert quality.angle_first_percentile > 30
    assert quality.crossing == 0
    assert quality.watertight
    for label in (Tissue.LV, Tissue.LA):
        assert closed(mesh, label)
        assert mesh.volume_ml(label) == pytest.approx(two_balls.volume_ml(label), rel=0.02 + length**2 / 1500)
    # The disc stays a disc, its rim is shared by all three borders, and the ball a ball.
    disc = mesh.triangles[(mesh.sides == (Tissue.LV, Tissue.LA)).all(axis=1)]
    assert np.abs(mesh.points[np.unique(disc), 2]).max() < 1e-6
    outer = np.unique(mesh.triangles[(mesh.sides == 0).any(axis=1)])
    assert np.linalg.norm(mesh.points[outer], axis=1) == pytest.approx(RADIUS, rel=0.02)
    rim = np.intersect1d(outer, disc)
    assert np.linalg.norm(mesh.points[rim], axis=1) == pytest.approx(RADIUS, rel=0.02)
    assert len(rim) == pytest.approx(2 * np.pi * RADIUS / length, rel=0.15)


def test_remeshing_does_the_same_again(two_balls):
    first, second = (remeshed(two_balls, 2.5) for _ in range(2))
    assert np.array_equal(first.points, second.points) and np.array_equal(first.triangles, second.triangles)


@pytest.mark.parametrize("length", [0, -1.0, np.nan])
def test_an_edge_length_is_positive(two_balls, length):
    with pytest.raises(ValueError, match="positive number"):
        remeshed(two_balls, length)


def test_volumes_are_given_back_exactly_with_shared_borders(two_balls):
    wanted = {int(Tissue.LV): 17.5, int(Tissue.LA): 16.2}
    mesh = with_volumes(remeshed(two_balls, 2.0), wanted)
    for label, volume in wanted.items():
        assert mesh.volume_ml(label) == pytest.approx(volume, rel=1e-3)
        assert closed(mesh, label)


def test_crossing_triangles_are_found():
    flat = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], float)
    upright = np.array([[0.4, 0.4, -1], [0.6, 0.4, -1], [0.5, 0.5, 1]], float)
    away = upright + np.array([5, 0, 0])
    points = np.concatenate([flat, upright, away])
    mesh = InterfaceMesh(points, np.arange(9).reshape(3, 3), np.zeros((3, 2), np.uint8))
    assert crossing_triangles(mesh).tolist() == [[0, 1]]


def test_two_borders_that_cross_are_parted(two_balls):
    # A second ball pushed 0.3 mm into the first one from above.
    points, triangles, _ = ball()
    other = InterfaceMesh(
        points * 10 + [0.13, 0.07, RADIUS + 9.7],
        triangles + len(two_balls.points),
        np.tile(np.array([[Tissue.AO, 0]], np.uint8), (len(triangles), 1)),
    )
    mesh = InterfaceMesh(
        np.concatenate([two_balls.points, other.points]),
        np.concatenate([two_balls.triangles, other.triangles]),
        np.concatenate([two_balls.sides, other.sides]),
    )
    assert len(crossing_triangles(mesh))
    parted = untangled(mesh)
    assert not len(crossing_triangles(parted))
    assert np.linalg.norm(parted.points - mesh.points, axis=1).max() < 1.5


def plainly_manifold(labels, tissue):
    """Around every 2 x 2 x 2 block, the tissue's voxels are joined by faces, and so are the others: the
    block's border is then a disc (or there is none)."""
    padded = np.pad(labels == tissue, 1)
    for k, j, i in np.argwhere(ndimage.binary_dilation(padded, np.ones((3, 3, 3)))):
        block = padded[k : k + 2, j : j + 2, i : i + 2]
        if block.shape != (2, 2, 2):
            continue
        if ndimage.label(block)[1] > 1 or ndimage.label(~block)[1] > 1:
            return False
    return True


@pytest.mark.parametrize("tissues", [2, 3, 4])
def test_critical_are_the_blocks_whose_voxels_faces_do_not_join(tissues):
    labels = np.random.default_rng(tissues).integers(0, tissues, (8, 9, 7)).astype(np.uint8)
    expected = []
    for place in np.ndindex(7, 8, 6):
        block = labels[tuple(slice(p, p + 2) for p in place)]
        if any(
            ndimage.label(voxels)[1] > 1
            for tissue in np.unique(block)
            for voxels in (block == tissue, block != tissue)
        ):
            expected.append(list(place))
    assert critical_places(labels).tolist() == expected


def test_well_composed_labels_have_manifold_borders():
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.standard_normal((3, 16, 16, 16)), (0, 1.2, 1.2, 1.2))
    labels = np.array([0, 2, 4])[np.argmax(smooth, axis=0)].astype(np.uint8)
    labels[[0, -1]] = labels[:, [0, -1]] = labels[:, :, [0, -1]] = 0
    assert not plainly_manifold(labels, 2)
    found, changes = well_composed(labels)
    assert not len(critical_places(np.pad(found, 1)))
    for tissue in (2, 4):
        assert plainly_manifold(found, tissue)
    assert 0 < np.count_nonzero(found != labels) <= changes < 0.15 * labels.size


def test_a_diagonal_contact_is_critical_and_a_solid_is_not():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4, 2:4, 2:4] = Tissue.LV
    assert not len(critical_places(labels))
    labels[4, 4, 2:4] = Tissue.LV
    assert len(critical_places(labels))
    labels[4, 4, 2:4] = 0
    labels[4, 4, 4] = Tissue.LV
    assert critical_places(labels).tolist() == [[3, 3, 3]]


def test_faces_are_joined_to_borders_of_one_pair():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5, 2:5, 2:5] = Tissue.LV
    labels[2:5, 2:5, 5:7] = Tissue.LA
    faces = voxel_faces(labels)
    pairs = {
        tuple(faces.pair[faces.patch == p][0]): int(np.sum(faces.patch == p)) for p in np.unique(faces.patch)
    }
    assert pairs == {(0, Tissue.LV): 45, (0, Tissue.LA): 33, (Tissue.LV, Tissue.LA): 9}


def test_a_pinhole_in_the_wall_is_closed_and_a_required_contact_stays():
    labels = np.zeros((14, 14, 14), np.uint8)
    labels[2:12, 2:12, 2:12] = Tissue.MYO
    labels[4:10, 4:10, 4:10] = Tissue.LV
    labels[6, 6, 10:12] = Tissue.LV
    found, changed = without_tiny_contacts(labels, 4)
    assert (found[6, 6, 11], changed) == (Tissue.MYO, 1)
    labels[6, 6, 10:12] = Tissue.MYO
    labels[6, 6, 10:13] = Tissue.LA
    labels[6, 5:8, 12] = Tissue.LA
    kept, _ = without_tiny_contacts(labels, 3)
    assert kept[6, 6, 10] == Tissue.LA


def test_labels_for_meshes_are_both_and_hardly_changed():
    from cardiactwins.anatomy.whole_heart import whole_heart_phantom

    labels = whole_heart_phantom(np.random.default_rng([3, 1])).labels[60:105, 40:95, 35:95]
    found, changed = meshable_labels(labels, 7)
    assert np.count_nonzero(found != labels) == changed < 0.004 * np.count_nonzero(labels)
    assert not len(critical_places(np.pad(found, 1)))
    counts = np.bincount(voxel_faces(np.pad(found, 1)).patch)
    assert (counts < 7).sum() <= 1
