"""The surfaces of a whole heart: chambers, wall and aorta as implicit surfaces that meet at the valves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.heart_measures import HeartMeasures
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

__all__ = ["HeartShape", "HeartSurfaces", "draw_heart_shape", "heart_surfaces"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ring:
    """A valve: its center, the direction of the blood that leaves through it upward, and its radius (mm)."""

    center: Vector
    normal: Vector
    radius: float


@dataclass(frozen=True, eq=False)
class Blob:
    """An ellipsoid: center, radii (mm) and the directions of the radii as columns."""

    center: Vector
    radii: Vector
    axes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tube:
    """A tube along a line of points, (N, 3), with a radius at each, (N,), in mm."""

    line: NDArray[np.float64]
    radii: Vector


@dataclass(frozen=True, eq=False)
class HeartShape:
    """A heart in a frame at the middle of its base: x to the RV, y to the anterior wall, z from the apex to
    the base; lengths in mm.

    lv: the cavity, cut at the mitral ring. wall: thickness at the equator; at the apex `apex_wall` of that.
    mitral, tricuspid: rings whose normals point into the atria. aortic: its normal points into the aorta.
    outflow: from the LV to the aortic ring. root, arch: aorta to the sinotubular junction, and on to the
    begin of the descending part. rv, infundibulum: body and outflow of the right ventricle. la, ra: bodies
    of the atria; la_appendage, ra_appendage, la_veins, ra_veins: their appendages and stubs of their veins.
    septum: distance between both atria.
    """

    measures: HeartMeasures
    lv: Blob
    wall: float
    apex_wall: float
    mitral: Ring
    tricuspid: Ring
    aortic: Ring
    outflow: Tube
    root: Tube
    arch: Tube
    rv: Blob
    infundibulum: Tube
    la: Blob
    ra: Blob
    la_appendage: Blob
    ra_appendage: Blob
    la_veins: tuple[Tube, ...]
    ra_veins: tuple[Tube, ...]
    septum: float

    @property
    def middle(self) -> Vector:
        """A point near the middle of the heart."""
        return np.array([10.0, 0.0, 0.5 * (self.lv.center[2] - self.lv.radii[2]) + 22.0])


@dataclass(frozen=True, eq=False)
class HeartSurfaces:
    """Implicit surfaces of the six tissues on one grid, negative inside (mm)."""

    ao: Field
    myo: Field
    rv: Field
    lv: Field
    ra: Field
    la: Field


def draw_heart_shape(rng: np.random.Generator, measures: HeartMeasures) -> HeartShape:
    """A heart of given sizes; places and directions vary by a few mm and degrees."""
    near = _Scatter(rng)
    left, right = np.cbrt(measures.lv / 147.5), np.cbrt(measures.rv / 169)
    la_size, ra_size = np.cbrt(measures.la / 72.5), np.cbrt(measures.ra / 81)
    wall = measures.wall

    length = np.clip(90 * left * near.factor(0.05), 62, 108)
    equator = 0.26 * length
    below = length - equator
    section = 2 / 3 * below + equator - equator**3 / (3 * below**2)
    radius = np.sqrt(1000 * measures.lv * 0.97 / (np.pi * section))
    oval = near.factor(0.03)
    lv = Blob(np.array([0.0, 0.0, -equator]), np.array([radius * oval, radius / oval, below]), near.axes(2))
    across = (radius + wall) / 34

    mitral = Ring(
        near.point(np.array([-5.5, -8.0, 0.0]) * across, 0.8),
        near.direction((0.0, -0.06, 1.0), 3),
        17.0 * np.sqrt(left * la_size) * near.factor(0.04),
    )
    sinus = measures.sinus / 2
    aortic = Ring(
        near.point(np.array([13.0, 14.0, 2.5]) * [across, across, 1.0], 0.8),
        near.direction((0.30, 0.70, 0.62), 4),
        0.78 * sinus,
    )
    toward = aortic.center + aortic.normal * 4
    outflow = Tube(
        np.array([[6.0, 6.0, -24.0], aortic.center - aortic.normal * 10, toward]),
        np.array([1.05, 1.0, 1.0]) * aortic.radius,
    )
    root, arch = _aorta(near, aortic, sinus, across)

    tricuspid = Ring(
        near.point(np.array([36.0 * across + 3.0, -9.0 * right, -7.0]), 1.0),
        near.direction((0.28, -0.14, 0.93), 4),
        17.0 * np.sqrt(right * ra_size) * near.factor(0.04),
    )
    rv_depth = 0.80 * length
    rv = Blob(
        np.array([27.0 * across, 1.0 * right, -0.34 * rv_depth - 2]) + near.point(np.zeros(3), 1.0),
        np.array([35.0 * right, 42.0 * right, 0.70 * rv_depth]) * near.factors(0.03),
        near.axes(4),
    )
    pulmonary = near.point(np.array([7.0 * across, 46.0 * across, 4.0]), 1.5)
    infundibulum = Tube(
        np.array(
            [
                [33.0 * across, 20.0 * across, -24.0],
                [22.0 * across, 38.0 * across, -12.0],
                pulmonary,
            ]
        ),
        np.array([17.0, 14.5, 12.0]) * right,
    )

    la_center = mitral.center + near.point(np.array([0.0, -1.0, 20.0]) * la_size, 1.0)
    la = Blob(la_center, np.array([27.0, 25.0, 19.0]) * la_size * near.factors(0.04), near.axes(5))
    ra_center = tricuspid.center + near.point(np.array([4.0, -5.0, 21.0]) * ra_size, 1.0)
    ra = Blob(ra_center, np.array([23.0, 27.0, 24.0]) * ra_size * near.factors(0.04), near.axes(5))
    la_appendage = Blob(
        la_center + near.point(np.array([-23.0, 19.0, -8.0]) * la_size, 1.5),
        np.array([8.0, 16.0, 8.5]) * la_size * near.factors(0.1),
        near.axes(12, Rotation.from_euler("z", 25, degrees=True)),
    )
    ra_appendage = Blob(
        ra_center + near.point(np.array([-6.0, 24.0, -4.0]) * ra_size, 1.5),
        np.array([11.0, 15.0, 12.0]) * ra_size * near.factors(0.1),
        near.axes(12),
    )
    return HeartShape(
        measures=measures,
        lv=lv,
        wall=wall,
        apex_wall=float(np.clip(0.72 * near.factor(0.06), 0.6, 0.85)),
        mitral=mitral,
        tricuspid=tricuspid,
        aortic=aortic,
        outflow=outflow,
        root=root,
        arch=arch,
        rv=rv,
        infundibulum=infundibulum,
        la=la,
        ra=ra,
        la_appendage=la_appendage,
        ra_appendage=ra_appendage,
        la_veins=tuple(
            _stub(near, la_center, np.array(toward) * la_size, 36 * la_size, 6.5 * la_size)
            for toward in ((0.62, 0.18, 0.72), (0.62, -0.52, 0.55), (-0.9, 0.26, 0.3), (-0.84, -0.42, 0.2))
        ),
        ra_veins=(
            _stub(near, ra_center, np.array([-0.15, 0.8, 0.6]), 32 * ra_size, 9.5 * ra_size),
            _stub(near, ra_center, np.array([0.05, -0.85, -0.2]), 32 * ra_size, 11.0 * ra_size),
        ),
        septum=float(rng.uniform(2.8, 3.6)),
    )


def heart_surfaces(shape: HeartShape, points: Points, spacing: float) -> HeartSurfaces:
    """The six tissues at points, each chamber grown or shrunk to its volume in `shape.measures`.

    points: x, y, z in the frame of the shape, on a cubic grid of `spacing` mm. Each chamber keeps clear of
    those made before it: LV, Ao, LA, RA, RV, and the wall takes what is left around the LV.
    """
    measures = shape.measures
    above_mitral = plane(points, shape.mitral.center, shape.mitral.normal)
    above_aortic = plane(points, shape.aortic.center, shape.aortic.normal)
    above_tricuspid = plane(points, shape.tricuspid.center, shape.tricuspid.normal)
    in_mitral = cylinder(points, shape.mitral.center, shape.mitral.normal, shape.mitral.radius)
    in_tricuspid = cylinder(points, shape.tricuspid.center, shape.tricuspid.normal, shape.tricuspid.radius)

    endocardium = _blob(points, shape.lv)
    outflow_tube = _tube(points, shape.outflow)
    outflow = np.maximum(outflow_tube, above_aortic)
    inlet = np.maximum(np.maximum(in_mitral, above_mitral), -14 - above_mitral)

    def left_ventricle(offset: float) -> Field:
        body = np.maximum(endocardium - np.float32(offset), above_mitral + 4)
        within = np.maximum(inlet, endocardium - np.float32(offset))
        cavity = np.maximum(smooth_union(body, within, 4), above_mitral)
        return np.maximum(smooth_union(cavity, outflow, 3), above_aortic)

    offset = level_for_volume(left_ventricle, measures.lv, spacing)
    lv = left_ventricle(offset)
    endocardium = endocardium - np.float32(offset)
    epicardium = endocardium - _wall(shape, points)
    collar = np.maximum(outflow_tube - 3, above_aortic)
    myo = np.maximum(np.minimum(np.maximum(epicardium, above_mitral - 3), collar), -lv)

    root = np.maximum(_tube(points, shape.root), -above_aortic)
    ao = np.minimum(root, _tube(points, shape.arch))
    around_aorta = np.float32(1.6) - np.minimum(ao, outflow)

    la_rest = _joined(
        [_blob(points, shape.la_appendage), *(_tube(points, vein) for vein in shape.la_veins)], 4
    )
    la_inlet = np.maximum(in_mitral - 1.5, above_mitral - 12)
    la_bound = np.maximum(-above_mitral, around_aorta)
    la_body = _blob(points, shape.la)

    def left_atrium(offset: float) -> Field:
        body = smooth_union(la_body - np.float32(offset), la_rest, 5)
        body = smooth_union(np.maximum(body, 3 - above_mitral), la_inlet, 4)
        return np.maximum(body, la_bound)

    la = left_atrium(level_for_volume(left_atrium, measures.la, spacing))

    infundibulum = _tube(points, shape.infundibulum)
    ra_rest = _joined(
        [_blob(points, shape.ra_appendage), *(_tube(points, vein) for vein in shape.ra_veins)], 5
    )
    ra_inlet = np.maximum(in_tricuspid - 1.5, above_tricuspid - 12)
    ra_bound = np.maximum(-above_tricuspid, around_aorta)
    for neighbour, gap in ((la, shape.septum), (epicardium, 1.0), (infundibulum, 2.0), (lv, 2.5)):
        ra_bound = np.maximum(ra_bound, np.float32(gap) - neighbour)
    ra_body = _blob(points, shape.ra)

    def right_atrium(offset: float) -> Field:
        body = smooth_union(ra_body - np.float32(offset), ra_rest, 5)
        body = smooth_union(np.maximum(body, 3 - above_tricuspid), ra_inlet, 4)
        return np.maximum(body, ra_bound)

    ra = right_atrium(level_for_volume(right_atrium, measures.ra, spacing))

    rv_bound = np.maximum(around_aorta, -epicardium)
    for neighbour, gap in ((la, 2.5), (lv, 2.5)):
        rv_bound = np.maximum(rv_bound, np.float32(gap) - neighbour)
    rv_body = _blob(points, shape.rv)

    def right_ventricle(offset: float) -> Field:
        body = np.maximum(rv_body - np.float32(offset), above_tricuspid)
        body = smooth_union(body, infundibulum - np.float32(0.3 * offset), 8)
        return np.maximum(np.maximum(body, rv_bound), -ra)

    rv = right_ventricle(level_for_volume(right_ventricle, measures.rv, spacing))
    return HeartSurfaces(ao=ao, myo=myo, rv=rv, lv=lv, ra=ra, la=la)


def _wall(shape: HeartShape, points: Points) -> Field:
    """Thickness of the wall, thinner towards the apex."""
    depth = np.clip((shape.lv.center[2] - points[2]) / np.float32(shape.lv.radii[2]), 0, 1)
    return np.float32(shape.wall) * (1 - np.float32(1 - shape.apex_wall) * depth**3)


def _blob(points: Points, blob: Blob) -> Field:
    return ellipsoid(points, blob.center, blob.radii, blob.axes)


def _tube(points: Points, tube: Tube) -> Field:
    return capsule_chain(points, tube.line, tube.radii)


def _joined(fields: list[Field], width: float) -> Field:
    joined = fields[0]
    for field in fields[1:]:
        joined = smooth_union(joined, field, width)
    return joined


def _aorta(near: _Scatter, aortic: Ring, sinus: float, across: float) -> tuple[Tube, Tube]:
    """Root with its sinuses; ascending aorta, arch and the begin of the descending aorta behind the LA.

    Radii follow the sinuses: junction 0.88, ascending 0.94, arch 0.82, descending 0.72.
    """
    stretch = np.array([across, 1.0, 1.0])
    guide = np.vstack(
        [
            aortic.center - aortic.normal * 3,
            aortic.center,
            aortic.center + aortic.normal * 20,
            near.point(aortic.center + np.array([17.0, 38.0, 24.0]) * stretch, 1.5),
            near.point(aortic.center + np.array([15.0, 58.0, 38.0]) * stretch, 2.5),
            near.point(aortic.center + np.array([-9.0, 68.0, 56.0]) * stretch, 3.0),
            near.point(aortic.center + np.array([-37.0, 55.0, 66.0]) * stretch, 3.0),
            near.point(aortic.center + np.array([-48.0, 28.0, 66.0]) * stretch, 3.0),
            near.point(aortic.center + np.array([-49.0, 0.0, 56.0]) * stretch, 3.0),
        ]
    )
    run = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(guide, axis=0), axis=1))])
    radii = np.array([0.78, 0.80, 0.92, 0.93, 0.94, 0.86, 0.80, 0.75, 0.72]) * sinus
    at = np.concatenate([np.linspace(0, run[2], 7), np.linspace(run[2], run[-1], 13)[1:]])
    line, width = CubicSpline(run, guide)(at), np.interp(at, run, radii)
    bulge = np.exp(-(((at - run[1] - 11) / 6) ** 2))
    width = width + bulge * (sinus - np.interp(run[1] + 11, run, radii))
    return Tube(line[:8], width[:8]), Tube(line[7:], width[7:])


def _stub(near: _Scatter, center: Vector, toward: Vector, length: float, radius: float) -> Tube:
    direction = near.direction(toward, 6)
    return Tube(np.array([center, center + direction * length]), np.array([1.2, 1.0]) * radius)


@dataclass(frozen=True, eq=False)
class _Scatter:
    """Small normal departures, cut at 2 SD."""

    rng: np.random.Generator

    def _normal(self, size: int) -> Vector:
        return np.clip(self.rng.standard_normal(size), -2, 2)

    def factor(self, deviation: float) -> float:
        return float(1 + deviation * self._normal(1)[0])

    def factors(self, deviation: float) -> Vector:
        return 1 + deviation * self._normal(3)

    def point(self, place: Vector, deviation: float) -> Vector:
        return np.asarray(place, dtype=float) + deviation * self._normal(3)

    def axes(self, degrees: float, usual: Rotation | None = None) -> NDArray[np.float64]:
        turn = Rotation.from_rotvec(np.deg2rad(degrees) * self._normal(3) / np.sqrt(3))
        return (turn if usual is None else turn * usual).as_matrix()

    def direction(self, usual: tuple[float, ...] | Vector, degrees: float) -> Vector:
        turned = self.axes(degrees) @ np.asarray(usual, dtype=float)
        return turned / np.linalg.norm(turned)
