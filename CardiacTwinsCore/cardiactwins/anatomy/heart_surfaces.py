"""The surfaces of a whole heart: chambers, wall and aorta as implicit surfaces that meet at the valves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from cardiactwins.anatomy.heart_shape import Atrium, Blob, HeartShape, Ring, Tube
from cardiactwins.anatomy.implicit import (
    Field,
    Points,
    capsule_chain,
    cylinder,
    ellipsoid,
    level_for_volume,
    plane,
    smooth_union,
)

__all__ = ["HeartSurfaces", "heart_surfaces"]


@dataclass(frozen=True, eq=False)
class HeartSurfaces:
    """Implicit surfaces of the six tissues on one grid, negative inside (mm)."""

    ao: Field
    myo: Field
    rv: Field
    lv: Field
    ra: Field
    la: Field


@dataclass(frozen=True, eq=False)
class _Valve:
    """Height above the plane of a valve and distance to the cylinder through its ring, on the grid."""

    above: Field
    beside: Field

    @classmethod
    def of(cls, ring: Ring, points: Points) -> _Valve:
        return cls(
            plane(points, ring.center, ring.normal),
            cylinder(points, ring.center, ring.normal, ring.radius),
        )


def heart_surfaces(shape: HeartShape, points: Points, spacing: float) -> HeartSurfaces:
    """The six tissues at points, each chamber grown or shrunk to its volume in `shape.measures`.

    points: x, y, z in the frame of the shape, on a cubic grid of `spacing` mm. Each chamber keeps clear of
    those made before it: LV, Ao, LA, RA, RV, and the wall takes what is left around the LV.
    """
    measures = shape.measures
    mitral, tricuspid = _Valve.of(shape.mitral, points), _Valve.of(shape.tricuspid, points)
    above_aortic = plane(points, shape.aortic.center, shape.aortic.normal)
    outflow_tube = _tube(points, shape.outflow)
    outflow = np.maximum(outflow_tube, above_aortic)
    infundibulum = _tube(points, shape.infundibulum)

    endocardium = _blob(points, shape.lv)
    left_ventricle = _left_ventricle(endocardium, mitral, outflow, above_aortic)
    offset = level_for_volume(left_ventricle, measures.lv, spacing)
    lv = left_ventricle(offset)
    epicardium = endocardium - np.float32(offset) - _wall(shape, points)
    collar = np.maximum(outflow_tube - 3, above_aortic)
    myo = np.maximum(np.minimum(np.maximum(epicardium, mitral.above - 3), collar), -lv)

    root = np.maximum(_tube(points, shape.root), -above_aortic)
    ao = np.minimum(root, _tube(points, shape.arch))
    near_aorta = _within(1.6, np.minimum(ao, outflow))

    left_atrium = _atrium(shape.la, points, mitral, [near_aorta])
    la = left_atrium(level_for_volume(left_atrium, measures.la, spacing))

    taken = [_within(shape.septum, la), _within(1, epicardium), _within(2, infundibulum), _within(2.5, lv)]
    right_atrium = _atrium(shape.ra, points, tricuspid, [near_aorta, *taken])
    ra = right_atrium(level_for_volume(right_atrium, measures.ra, spacing))

    taken = reduce(np.maximum, [near_aorta, -epicardium, _within(2.5, la), _within(2.5, lv), -ra])
    right_ventricle = _right_ventricle(_blob(points, shape.rv), infundibulum, tricuspid, taken)
    rv = right_ventricle(level_for_volume(right_ventricle, measures.rv, spacing))
    return HeartSurfaces(ao=ao, myo=myo, rv=rv, lv=lv, ra=ra, la=la)


def _left_ventricle(
    endocardium: Field, mitral: _Valve, outflow: Field, above_aortic: Field
) -> Callable[[float], Field]:
    """The cavity at an offset of the endocardium: roofed 4 mm below the mitral plane, open through its ring
    and through the outflow."""
    inlet = np.maximum(np.maximum(mitral.beside, mitral.above), -14 - mitral.above)

    def surface(offset: float) -> Field:
        inner = endocardium - np.float32(offset)
        body = np.maximum(inner, mitral.above + 4)
        cavity = np.maximum(smooth_union(body, np.maximum(inlet, inner), 4), mitral.above)
        return np.maximum(smooth_union(cavity, outflow, 3), above_aortic)

    return surface


def _atrium(atrium: Atrium, points: Points, valve: _Valve, taken: list[Field]) -> Callable[[float], Field]:
    """The cavity at an offset of its body: 3 mm above the plane of its valve but for a foot around the ring,
    outside of what is taken."""
    body = _blob(points, atrium.body)
    parts = [_blob(points, atrium.appendage), *(_tube(points, vein) for vein in atrium.veins)]
    rest = reduce(lambda first, second: smooth_union(first, second, 4), parts)
    foot = np.maximum(valve.beside - 1.5, valve.above - 12)
    bound = reduce(np.maximum, [-valve.above, *taken])

    def surface(offset: float) -> Field:
        room = smooth_union(body - np.float32(offset), rest, 5)
        room = smooth_union(np.maximum(room, 3 - valve.above), foot, 4)
        return np.maximum(room, bound)

    return surface


def _right_ventricle(
    body: Field, infundibulum: Field, tricuspid: _Valve, taken: Field
) -> Callable[[float], Field]:
    """The cavity at an offset of its body, whose outflow follows less: below its valve, outside of what is
    taken."""

    def surface(offset: float) -> Field:
        inlet = np.maximum(body - np.float32(offset), tricuspid.above)
        return np.maximum(smooth_union(inlet, infundibulum - np.float32(0.3 * offset), 8), taken)

    return surface


def _within(distance: float, neighbour: Field) -> Field:
    """Positive up to a distance from a neighbour."""
    return np.float32(distance) - neighbour


def _wall(shape: HeartShape, points: Points) -> Field:
    """Thickness of the wall, thinner towards the apex."""
    depth = np.clip((shape.lv.center[2] - points[2]) / np.float32(shape.lv.radii[2]), 0, 1)
    return np.float32(shape.wall) * (1 - np.float32(1 - shape.apex_wall) * depth**3)


def _blob(points: Points, blob: Blob) -> Field:
    return ellipsoid(points, blob.center, blob.radii, blob.axes)


def _tube(points: Points, tube: Tube) -> Field:
    return capsule_chain(points, tube.line, tube.radii)
