"""The surface of a wall: closed, where the wall ends, with the layers it is made of."""

import numpy as np
import pytest

from cardiactwins.lma.shape_volume import BASE, LENGTH, ShapeVolume, phantom_volume
from cardiactwins.lma.wall_surface import wall_surface


def edge_counts(triangles):
    """How many triangles each edge has, and whether each is run through once in either direction."""
    edges = {}
    for a, b, c in triangles.tolist():
        for edge in ((a, b), (b, c), (c, a)):
            edges[edge] = edges.get(edge, 0) + 1
    return all(count == 1 and edges.get((b, a)) == 1 for (a, b), count in edges.items())


def volume_of(surface):
    a, b, c = surface.points[surface.triangles].transpose(1, 0, 2)
    return np.einsum("ni,ni->", a, np.cross(b, c)) / 6


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_surface_is_closed_and_encloses_the_wall(seed, stepped):
    volume = phantom_volume(np.random.default_rng(seed))
    if stepped:
        volume = ShapeVolume(
            (volume.cavity >= 0.5).astype(np.float32), (volume.myocardium >= 0.5).astype(np.float32), 1.0
        )
    surface = wall_surface(volume)
    assert edge_counts(surface.triangles)
    assert abs(volume_of(surface)) == pytest.approx(volume.myocardium.sum(), rel=0.03)
    height = surface.points[:, 0]
    assert height.min() == pytest.approx(BASE, abs=0.8) and height.max() == pytest.approx(
        BASE + LENGTH, abs=1.5
    )
    outer = surface.layer == 1
    middle = np.abs(height - 25) < 3
    from_axis = np.hypot(*(surface.points[:, 1:] - 31.5).T)
    assert from_axis[outer & middle].min() > from_axis[(surface.layer == 0) & middle].max() - 4


def test_sheets_that_touch_in_an_edge_are_parted():
    wall = np.zeros((64, 64, 64), dtype=np.float32)
    wall[20:30, 20:30, 20:40] = 1
    wall[30:40, 30:40, 20:40] = 1
    surface = wall_surface(ShapeVolume(np.zeros_like(wall), wall, 1.0))
    assert edge_counts(surface.triangles)


def test_an_empty_volume_has_no_surface():
    nothing = np.zeros((64, 64, 64), dtype=np.float32)
    with pytest.raises(ValueError, match="holds no myocardium"):
        wall_surface(ShapeVolume(nothing, nothing, 1.0))
