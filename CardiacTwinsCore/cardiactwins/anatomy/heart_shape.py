"""The shape of a whole heart: where its chambers, valves and vessels lie, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.heart_measures import PUBLISHED, HeartMeasures

__all__ = ["Atrium", "Blob", "HeartShape", "Ring", "Tube", "draw_heart_shape"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ring:
    """A valve: center and radius (mm), and the normal of its plane."""

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
class Atrium:
    """The body of an atrium, its appendage, and stubs of the veins that enter it."""

    body: Blob
    appendage: Blob
    veins: tuple[Tube, ...]


@dataclass(frozen=True, eq=False)
class HeartShape:
    """A heart in a frame at the middle of its base: x to the RV, y to the anterior wall, z from the apex to
    the base; lengths in mm.

    lv: the cavity, cut at the mitral ring. wall: thickness at the equator; at the apex `apex_wall` of that.
    mitral, tricuspid: rings whose normals point into the atria. aortic: its normal points into the aorta.
    outflow: from the LV to the aortic ring. root, arch: aorta to the sinotubular junction, and on to the
    begin of the descending part. rv, infundibulum: body and outflow of the right ventricle. septum: distance
    between both atria.
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
    la: Atrium
    ra: Atrium
    septum: float

    @property
    def middle(self) -> Vector:
        """A point near the middle of the heart."""
        return np.array([10.0, 0.0, 0.5 * (self.lv.center[2] - self.lv.radii[2]) + 22.0])


def draw_heart_shape(rng: np.random.Generator, measures: HeartMeasures) -> HeartShape:
    """A heart of given sizes; places and directions vary by a few mm and degrees.

    Lengths scale with the cube root of the volume of their chamber, places at the base with the outer radius
    of the LV.
    """
    near = _Scatter(rng)
    lv = _left_ventricle(near, measures)
    base = (np.sqrt(lv.radii[0] * lv.radii[1]) + measures.wall) / 34
    mitral = Ring(
        near.point(np.array([-5.5, -8.0, 0.0]) * base, 0.8),
        near.direction((0.0, -0.06, 1.0), 3),
        17.0 * np.sqrt(_size(measures, "lv") * _size(measures, "la")) * near.factor(0.04),
    )
    aortic = Ring(
        near.point(np.array([13.0 * base, 14.0 * base, 2.5]), 0.8),
        near.direction((0.30, 0.70, 0.62), 4),
        0.78 * measures.sinus / 2,
    )
    tricuspid = Ring(
        near.point(np.array([37.0 * base + 3.0, -12.0 * _size(measures, "rv"), -8.5]), 1.0),
        near.direction((0.28, -0.14, 0.93), 4),
        17.0 * np.sqrt(_size(measures, "rv") * _size(measures, "ra")) * near.factor(0.04),
    )
    root, arch = _aorta(near, aortic, measures.sinus / 2, base)
    rv, infundibulum = _right_ventricle(near, measures, base, depth=0.59 * (lv.radii[2] - lv.center[2]))
    return HeartShape(
        measures=measures,
        lv=lv,
        wall=measures.wall,
        apex_wall=float(np.clip(0.72 * near.factor(0.06), 0.6, 0.85)),
        mitral=mitral,
        tricuspid=tricuspid,
        aortic=aortic,
        outflow=_outflow(aortic),
        root=root,
        arch=arch,
        rv=rv,
        infundibulum=infundibulum,
        la=_left_atrium(near, mitral, _size(measures, "la")),
        ra=_right_atrium(near, tricuspid, _size(measures, "ra")),
        septum=float(rng.uniform(2.8, 3.6)),
    )


def _size(measures: HeartMeasures, chamber: str) -> float:
    """Cube root of a chamber's volume over the mean one."""
    return float(np.cbrt(getattr(measures, chamber) / PUBLISHED[chamber][0]))


def _left_ventricle(near: _Scatter, measures: HeartMeasures) -> Blob:
    """An ellipsoid whose part below its base plane, 0.26 of its length above the equator, has the volume."""
    length = np.clip(90 * _size(measures, "lv") * near.factor(0.05), 62, 108)
    equator = 0.26 * length
    below = length - equator
    section = 2 / 3 * below + equator - equator**3 / (3 * below**2)
    radius = np.sqrt(1000 * measures.lv * 0.97 / (np.pi * section))
    oval = near.factor(0.03)
    return Blob(np.array([0.0, 0.0, -equator]), np.array([radius * oval, radius / oval, below]), near.axes(2))


def _outflow(aortic: Ring) -> Tube:
    line = [[6.0, 6.0, -24.0], aortic.center - aortic.normal * 10, aortic.center + aortic.normal * 4]
    return Tube(np.array(line), np.array([1.05, 1.0, 1.0]) * aortic.radius)


def _right_ventricle(near: _Scatter, measures: HeartMeasures, base: float, depth: float) -> tuple[Blob, Tube]:
    """Body around the septum, its half length `depth`, and outflow to the pulmonary valve in front."""
    size = _size(measures, "rv")
    body = Blob(
        near.point(np.array([27.0 * base, -0.5 * size, -0.461 * depth - 2]), 1.0),
        np.array([35.0 * size, 42.0 * size, 0.949 * depth]) * near.factors(0.03),
        near.axes(4),
    )
    pulmonary = near.point(np.array([11.0 * base, 46.0 * base, 3.0]), 1.5)
    line = [[33.0 * base, 20.0 * base, -24.0], [25.0 * base, 38.0 * base, -12.0], pulmonary]
    return body, Tube(np.array(line), np.array([17.0, 14.5, 12.0]) * size)


def _left_atrium(near: _Scatter, mitral: Ring, size: float) -> Atrium:
    """Flat from front to back; the appendage in front of the left veins; two veins a side."""
    center = mitral.center + near.point(np.array([0.0, -1.0, 20.0]) * size, 1.0)
    right_superior, right_inferior = (0.62, 0.18, 0.72), (0.62, -0.52, 0.55)
    left_superior, left_inferior = (-0.9, 0.26, 0.3), (-0.84, -0.42, 0.2)
    return Atrium(
        Blob(center, np.array([27.0, 25.0, 19.0]) * size * near.factors(0.04), near.axes(5)),
        Blob(
            center + near.point(np.array([-23.0, 19.0, -8.0]) * size, 1.5),
            np.array([8.0, 16.0, 8.5]) * size * near.factors(0.1),
            near.axes(12, Rotation.from_euler("z", 25, degrees=True)),
        ),
        tuple(
            _vein(near, center, toward, 36 * size, 6.5 * size)
            for toward in (right_superior, right_inferior, left_superior, left_inferior)
        ),
    )


def _right_atrium(near: _Scatter, tricuspid: Ring, size: float) -> Atrium:
    """The appendage towards the aorta, the caval veins above and below."""
    center = tricuspid.center + near.point(np.array([4.0, -3.0, 21.0]) * size, 1.0)
    return Atrium(
        Blob(center, np.array([23.0, 27.0, 24.0]) * size * near.factors(0.04), near.axes(5)),
        Blob(
            center + near.point(np.array([-6.0, 24.0, -4.0]) * size, 1.5),
            np.array([11.0, 15.0, 12.0]) * size * near.factors(0.1),
            near.axes(12),
        ),
        (
            _vein(near, center, (-0.15, 0.8, 0.6), 32 * size, 9.5 * size),
            _vein(near, center, (0.05, -0.85, -0.2), 32 * size, 11.0 * size),
        ),
    )


def _vein(near: _Scatter, center: Vector, toward: ArrayLike, length: float, radius: float) -> Tube:
    direction = near.direction(toward, 6)
    return Tube(np.array([center, center + direction * length]), np.array([1.2, 1.0]) * radius)


def _aorta(near: _Scatter, aortic: Ring, sinus: float, base: float) -> tuple[Tube, Tube]:
    """Root with its sinuses; ascending aorta, arch and the begin of the descending aorta behind the LA.

    Radii follow the sinuses: junction 0.88, ascending 0.94, arch 0.82, descending 0.72.
    """
    stretch = np.array([base, 1.0, 1.0])
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

    def direction(self, usual: ArrayLike, degrees: float) -> Vector:
        turned = self.axes(degrees) @ np.asarray(usual, dtype=float)
        return turned / np.linalg.norm(turned)
