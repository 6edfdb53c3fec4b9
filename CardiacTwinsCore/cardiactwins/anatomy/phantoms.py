"""Adult hearts drawn at random: truncated ellipsoids with a right ventricle, on any image grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry

__all__ = ["LVPhantom", "LVShape", "draw_lv_shape", "lv_phantom"]

Field = NDArray[np.float64]

APEX = (-0.66, 0.54, -0.52)
"""Usual direction from base to apex in RAS: to the left, to the front and down."""


@dataclass(frozen=True, eq=False)
class LVShape:
    """A left ventricle in its own frame: polar angle about the long axis and height below the base plane.

    Looking from the apex, x points to the lateral wall, y to the anterior wall and z to the viewer, so angles
    (rad) run counter-clockwise from lateral over anterior to the septum. Lengths in mm.

    endocardial_radius: at the equator, which lies `equator` below the base plane. wall: thickness there.
    endocardial_length, epicardial_length: from the base plane to the endocardial and epicardial apex.
    bend: (2,) sideways displacement (x, y) of the axis at mid-length.
    insertion, septum: angle of the anterior RV insertion at the base and angle between both insertions (rad).
    twist: turn of the insertions from base to apex (rad).
    rv_width, rv_length: of the right-ventricular cavity: largest distance from the septum to the free wall at
    the base, and where the crescent ends as a share of the endocardial length.
    outflow_depth: depth of the notch of the outflow tract in the septal wall at the base; 0 closes the base.
    ripple: (2, 2, 3, 2) cosine and sine amplitudes of the shape's and the wall's departures from ellipsoids,
    by axial and angular order.
    """

    endocardial_radius: float
    endocardial_length: float
    epicardial_length: float
    equator: float
    wall: float
    bend: NDArray[np.float64]
    insertion: float
    septum: float
    twist: float
    rv_width: float
    rv_length: float
    outflow_depth: float
    ripple: NDArray[np.float64]

    def radii(self, angle: ArrayLike, height: ArrayLike) -> tuple[Field, Field]:
        """Endocardial and epicardial distance from the axis (mm) at angles and heights; 0 past the apex."""
        angle, height = np.asarray(angle, dtype=float), np.asarray(height, dtype=float)
        endocardium = self._ellipse(height, self.endocardial_radius, self.endocardial_length)
        epicardium = self._ellipse(height, self.endocardial_radius + self.wall, self.epicardial_length)
        shape, wall = (self._ripple(angle, height, ripple) for ripple in self.ripple)
        inner = endocardium * (1 + shape)
        return inner, inner + (epicardium - endocardium) * (1 + wall)

    def _ellipse(self, height: Field, radius: float, length: float) -> Field:
        along = (height - self.equator) / (length - self.equator)
        return radius * np.sqrt(np.clip(1 - along**2, 0, None))

    def _ripple(self, angle: Field, height: Field, amplitudes: NDArray[np.float64]) -> Field:
        """Sum over the orders of (cosine - i sine) exp(i order angle), its real part, by Horner's rule."""
        wave = np.exp(1j * angle)
        along = np.cos(np.pi * height / self.epicardial_length)
        constant, varying = amplitudes[..., 0] - 1j * amplitudes[..., 1]
        total = np.zeros((), dtype=complex)
        for order in reversed(range(len(constant))):
            total = (total + constant[order] + varying[order] * along) * wave
        return total.real

    def insertion_angle(self, height: ArrayLike) -> Field:
        """Polar angle of the anterior RV insertion (rad)."""
        return self.insertion + self.twist * np.asarray(height, dtype=float) / self.epicardial_length

    def axis(self, height: ArrayLike) -> Field:
        """Position (x, y) of the bent long axis, (..., 2)."""
        arc = np.sin(np.pi * np.clip(np.asarray(height, dtype=float) / self.epicardial_length, 0, 1))
        return arc[..., None] * self.bend

    def right_ventricle_radius(self, angle: ArrayLike, height: ArrayLike) -> Field:
        """Distance from the axis to the right-ventricular free wall (mm); the epicardium where there is none.

        In each plane the cavity is the crescent between the epicardium and a circle through both insertions.
        """
        angle, height = np.asarray(angle, dtype=float), np.asarray(height, dtype=float)
        epicardium = self.radii(angle, height)[1]
        toward_apex = height / (self.rv_length * self.endocardial_length)
        width = self.rv_width * np.sqrt(np.clip(1 - toward_apex**2, 0, None))
        half = self.septum / 2
        from_middle = np.mod(angle - self.insertion_angle(height) - half + np.pi, 2 * np.pi) - np.pi
        reach = 1 + width / np.maximum(epicardium, 1e-9)
        center = (reach**2 - 1) / (2 * (reach - np.cos(half)))
        chord = (reach - center) ** 2 - (center * np.sin(from_middle)) ** 2
        circle = center * np.cos(from_middle) + np.sqrt(np.clip(chord, 0, None))
        beside = (np.abs(from_middle) < half) & (width > 0)
        return np.where(beside, epicardium * np.maximum(circle, 1), epicardium)

    def outflow(self, angle: ArrayLike, height: ArrayLike) -> NDArray[np.bool_]:
        """Whether a place of the wall falls into the notch of the outflow tract in the septal base."""
        middle = self.insertion_angle(height) + 0.45 * self.septum
        turn = np.mod(np.asarray(angle, dtype=float) - middle + np.pi, 2 * np.pi) - np.pi
        opening = np.cos(np.clip(turn / np.deg2rad(42) * np.pi / 2, -np.pi / 2, np.pi / 2))
        return np.asarray(height) < self.outflow_depth * opening


@dataclass(frozen=True, eq=False)
class LVPhantom:
    """A heart on an image grid, with coordinates known from its making.

    geometry: the grid. cavity, myocardium, right_ventricle: (k, j, i) bool.
    insertion_points, inferior_insertion_points: (M, 3) RAS mm on the epicardium, one in each slice that the
    long axis crosses, in the order of the slices.
    radial, circumferential, longitudinal: (k, j, i) float32 on the myocardium, NaN elsewhere: 0 endocardium
    to 1 epicardium; 0 to 1 counter-clockwise seen from the apex from the anterior insertion; height below the
    base plane over the epicardial length.
    shape: the heart in its own frame. heart_to_ras: (4, 4) from that frame (x, y, z to the apex; mm) to RAS.
    """

    geometry: ImageGeometry
    cavity: NDArray[np.bool_]
    myocardium: NDArray[np.bool_]
    right_ventricle: NDArray[np.bool_]
    insertion_points: NDArray[np.float64]
    inferior_insertion_points: NDArray[np.float64]
    radial: NDArray[np.float32]
    circumferential: NDArray[np.float32]
    longitudinal: NDArray[np.float32]
    shape: LVShape
    heart_to_ras: NDArray[np.float64]


def draw_lv_shape(
    rng: np.random.Generator,
    *,
    open_base: bool = False,
    thin_wall: bool = False,
    deformation: float = 1.0,
) -> LVShape:
    """A random adult left ventricle at end-diastole.

    End-diastolic volume 160 +- 27 ml (men) or 132 +- 23 ml (women), either with equal chance (Kawel-Boehm et
    al., J Cardiovasc Magn Reson 17:29, 2015); length growing with the cube root of the volume, 92 mm at 146
    ml; wall 8 +- 0.8 mm at the equator, between 6 and 10 mm, and two thirds of that at the apex (Kawel et
    al., Circ Cardiovasc Imaging 5:500, 2012 give maxima of 7 and 8 mm at mid-cavity). With `thin_wall`, 45 %
    of that. `deformation` scales the random departures from two coaxial ellipsoids; 0 leaves exact
    ellipsoids, a straight axis and no twist. `open_base` notches the septal base as the outflow tract does.
    The same state of `rng` gives the same heart whatever the options.
    """
    mean, spread = [(160, 27), (132, 23)][rng.integers(2)]
    volume = np.clip(rng.normal(mean, spread), 85, 230)
    length = 92 * np.cbrt(volume / 146) * np.clip(rng.normal(1, 0.05), 0.88, 1.12)
    equator = rng.uniform(0.18, 0.28) * length
    below = length - equator
    section = 2 / 3 * below + equator - equator**3 / (3 * below**2)
    radius = np.sqrt(1000 * volume / (np.pi * section))
    wall = np.clip(rng.normal(8, 0.8), 6, 10) * (0.45 if thin_wall else 1)
    orders = np.array([[0, 0.025, 0.012], [0.08, 0.04, 0.02]])
    ripple = rng.normal(size=(2, 2, 3, 2)) * orders[:, None, :, None]
    bend = rng.normal(0, 1.5, 2)
    insertion, septum, twist = rng.normal(np.deg2rad([120, 118, 6]), np.deg2rad([6, 5, 5]))
    rv_width, rv_length = rng.uniform(26, 36), rng.uniform(0.78, 0.9)
    outflow_depth = rng.uniform(14, 20)
    return LVShape(
        endocardial_radius=float(radius),
        endocardial_length=float(length),
        epicardial_length=float(length + wall * 2 / 3),
        equator=float(equator),
        wall=float(wall),
        bend=bend * deformation,
        insertion=float(insertion),
        septum=float(septum),
        twist=float(twist * deformation),
        rv_width=float(rv_width),
        rv_length=float(rv_length),
        outflow_depth=float(outflow_depth) if open_base else 0.0,
        ripple=ripple * deformation,
    )


def lv_phantom(
    rng: np.random.Generator,
    *,
    slices: int | None = None,
    spacing: tuple[float, float, float] = (1.5, 1.5, 8.0),
    oblique: bool = True,
    left_handed: bool = False,
    open_base: bool = False,
    thin_wall: bool = False,
    deformation: float = 1.0,
) -> LVPhantom:
    """A random heart (draw_lv_shape) on a short-axis stack, or on a dense map where the spacing is isotropic.

    slices: number of slices that share the epicardial long axis evenly, whatever spacing[2]; None: as many as
    cover it at spacing[2], from a random height under the base. spacing: voxel size (i, j, k) in mm.
    oblique: the heart lies as in a patient, the slices within a few degrees of its short axis; otherwise the
    axes of the image are those of RAS and of the heart. Slices run from apex to base; with `left_handed`,
    from base to apex, which mirrors the axes. ValueError for fewer than one slice or a spacing that is not
    positive.
    """
    if (slices is not None and slices < 1) or len(spacing) != 3 or min(spacing) <= 0:
        raise ValueError(
            "A phantom needs at least 1 slice and three positive voxel sizes; "
            f"found {slices} slices, {spacing} mm."
        )
    shape = draw_lv_shape(rng, open_base=open_base, thin_wall=thin_wall, deformation=deformation)
    heart_to_ras, axes = _placement(rng, oblique)
    first = rng.uniform(0.25, 0.75)
    geometry = _grid(shape, heart_to_ras, axes, slices, spacing, first, left_handed)
    return _voxelized(shape, geometry, heart_to_ras)


def _placement(rng: np.random.Generator, oblique: bool) -> tuple[NDArray, NDArray]:
    """Heart-to-RAS matrix (4, 4) and the image axes (3, 3) as columns in the heart's frame."""
    turn = Rotation.from_rotvec(rng.normal(0, np.deg2rad(7), 3)).as_matrix()
    tilt = Rotation.from_rotvec(rng.normal(0, np.deg2rad(1.5), 3)).as_matrix()
    origin = rng.normal((-20, 15, 20), 8)
    if oblique:
        z = turn @ APEX / np.linalg.norm(APEX)
        y = np.array([0.0, 0.0, 1.0]) - z[2] * z
        y /= np.linalg.norm(y)
    else:
        z, y, tilt = np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0]), np.eye(3)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(y, z), y, z], axis=1)
    matrix[:3, 3] = origin
    return matrix, tilt @ np.diag([1.0, -1.0, -1.0])


def _grid(
    shape: LVShape,
    heart_to_ras: NDArray,
    axes: NDArray,
    slices: int | None,
    spacing: tuple[float, float, float],
    first: float,
    left_handed: bool,
) -> ImageGeometry:
    """Stack around both ventricles with 10 mm to spare."""
    across = spacing[2] if slices is None else shape.epicardial_length / slices
    if slices is None:
        slices = int(np.floor(shape.epicardial_length / across - first)) + 1
    else:
        first = 0.5
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 90), np.linspace(0, shape.epicardial_length, 30))
    reach = shape.right_ventricle_radius(angle, height)
    outline = np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=-1) + shape.axis(height)
    low, high = outline.min(axis=(0, 1)) - 10, outline.max(axis=(0, 1)) + 10
    columns, rows = (
        int(np.ceil(extent / size)) for extent, size in zip(high - low, spacing[:2], strict=True)
    )

    middle = np.array([*(low + high) / 2, across * (first + (slices - 1) / 2)])
    if left_handed:
        axes = axes * [1, 1, -1]
    step = heart_to_ras[:3, :3] @ axes * [spacing[0], spacing[1], across]
    center = heart_to_ras[:3, :3] @ middle + heart_to_ras[:3, 3]
    matrix = np.eye(4)
    matrix[:3, :3] = step
    matrix[:3, 3] = center - step @ ((columns - 1) / 2, (rows - 1) / 2, (slices - 1) / 2)
    return ImageGeometry((slices, rows, columns), matrix)


def _voxelized(shape: LVShape, geometry: ImageGeometry, heart_to_ras: NDArray) -> LVPhantom:
    kji = np.moveaxis(np.indices(geometry.shape), 0, -1)
    x, y, height = np.moveaxis((geometry.kji_to_ras(kji) - heart_to_ras[:3, 3]) @ heart_to_ras[:3, :3], -1, 0)
    center = shape.axis(height)
    x, y = x - center[..., 0], y - center[..., 1]
    distance, angle = np.hypot(x, y), np.arctan2(y, x)
    endocardium, epicardium = shape.radii(angle, height)

    below_base = height >= 0
    cavity = below_base & (distance < endocardium)
    wall = below_base & (distance >= endocardium) & (distance <= epicardium)
    wall &= height <= shape.epicardial_length
    outside = below_base & (distance > epicardium)
    right_ventricle = outside & (distance < shape.right_ventricle_radius(angle, height))
    myocardium = wall & ~shape.outflow(angle, height)

    turn = np.mod((angle - shape.insertion_angle(height)) / (2 * np.pi), 1.0)
    depth = (distance - endocardium) / np.maximum(epicardium - endocardium, 1e-9)
    return LVPhantom(
        geometry=geometry,
        cavity=cavity,
        myocardium=myocardium,
        right_ventricle=right_ventricle,
        insertion_points=_insertions(shape, geometry, heart_to_ras, 0.0),
        inferior_insertion_points=_insertions(shape, geometry, heart_to_ras, shape.septum),
        radial=np.where(myocardium, depth, np.nan).astype(np.float32),
        circumferential=np.where(myocardium, turn, np.nan).astype(np.float32) % np.float32(1),
        longitudinal=np.where(myocardium, height / shape.epicardial_length, np.nan).astype(np.float32),
        shape=shape,
        heart_to_ras=heart_to_ras,
    )


def _insertions(
    shape: LVShape, geometry: ImageGeometry, heart_to_ras: NDArray, turn: float
) -> NDArray[np.float64]:
    """Where the line of an insertion on the epicardium crosses each slice, (M, 3) RAS mm."""
    height = np.linspace(0, shape.epicardial_length, 400)
    angle = shape.insertion_angle(height) + turn
    epicardium = shape.radii(angle, height)[1]
    line = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * epicardium[:, None] + shape.axis(height)
    ras = np.column_stack([line, height]) @ heart_to_ras[:3, :3].T + heart_to_ras[:3, 3]
    slices = geometry.ras_to_kji(ras)[:, 0]
    order = np.argsort(slices)
    crossed = np.arange(geometry.shape[0])
    crossed = crossed[(crossed >= slices.min()) & (crossed <= slices.max())]
    return np.stack([np.interp(crossed, slices[order], axis[order]) for axis in ras.T], axis=1)
