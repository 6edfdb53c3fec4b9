"""Left ventricles changed by disease: dilated, hypertrophied, and with a thinned infarct scar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.phantoms import LVShape, draw_lv_shape

__all__ = ["KINDS", "Kind", "RemodelledShape", "draw_remodelled_shape"]

Kind = Literal["normal", "dilated", "hypertrophied", "infarcted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
USUAL_SHARES = (0.55, 0.2, 0.1, 0.15)


@dataclass(frozen=True, eq=False)
class RemodelledShape:
    """A left ventricle with a scar whose wall is thin and bulges outwards.

    shape: the ventricle without the scar. angle (rad), height (mm): middle of the scar in the ventricle's
    frame; angular_extent (rad), axial_extent (mm): standard deviations of its Gaussian profile. thinning:
    share of the wall that is lost in the middle; bulge: outward displacement there in mm.
    """

    shape: LVShape
    angle: float
    height: float
    angular_extent: float
    axial_extent: float
    thinning: float
    bulge: float

    def radii(self, angle: ArrayLike, height: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Endocardial and epicardial distance from the axis (mm), as of `LVShape.radii`."""
        inner, outer = self.shape.radii(angle, height)
        turn = np.mod(np.asarray(angle) - self.angle + np.pi, 2 * np.pi) - np.pi
        along = (np.asarray(height) - self.height) / self.axial_extent
        profile = np.exp(-0.5 * ((turn / self.angular_extent) ** 2 + along**2))
        moved = inner + self.bulge * profile * (inner > 0)
        return moved, moved + (outer - inner) * (1 - self.thinning * profile)


def draw_remodelled_shape(
    rng: np.random.Generator, kind: Kind | None = None, deformation: float = 1.0
) -> LVShape | RemodelledShape:
    """A random left ventricle of a kind, or of a random kind (55 % normal, 20 dilated, 10 hypertrophied, 15
    infarcted).

    Normal hearts are those of `draw_lv_shape`. The others start from one: dilated - radius times 1.15 to
    1.45, length times 1 to 1.12, wall times 0.75 to 1; hypertrophied - wall times 1.3 to 1.8, radius times
    0.85 to 1; infarcted - mildly dilated, with a scar of 40 to 110 degrees whose wall has lost 35 to 70 %
    and bulges by 0 to 4 mm. These ranges are chosen to reach beyond the hearts that CRT is offered for; they
    are not measured on a cohort. ValueError for an unknown kind.
    """
    if kind is None:
        kind = KINDS[rng.choice(len(KINDS), p=USUAL_SHARES)]
    if kind not in KINDS:
        raise ValueError(f"A kind is one of {', '.join(KINDS)}; found {kind!r}.")
    shape = draw_lv_shape(rng, deformation=deformation)
    if kind == "dilated":
        return _scaled(shape, rng.uniform(1.15, 1.45), rng.uniform(1, 1.12), rng.uniform(0.75, 1))
    if kind == "hypertrophied":
        return _scaled(shape, rng.uniform(0.85, 1), 1.0, rng.uniform(1.3, 1.8))
    if kind == "infarcted":
        shape = _scaled(shape, rng.uniform(1.0, 1.2), rng.uniform(1, 1.06), rng.uniform(0.85, 1))
        return RemodelledShape(
            shape,
            angle=float(rng.uniform(-np.pi, np.pi)),
            height=float(rng.uniform(0.35, 0.8) * shape.endocardial_length),
            angular_extent=float(np.deg2rad(rng.uniform(40, 110)) / 2.35),
            axial_extent=float(rng.uniform(0.12, 0.3) * shape.endocardial_length),
            thinning=float(rng.uniform(0.35, 0.7)),
            bulge=float(rng.uniform(0, 4)),
        )
    return shape


def _scaled(shape: LVShape, radius: float, length: float, wall: float) -> LVShape:
    apical_wall = (shape.epicardial_length - shape.endocardial_length) * wall
    return replace(
        shape,
        endocardial_radius=shape.endocardial_radius * radius,
        endocardial_length=shape.endocardial_length * length,
        epicardial_length=shape.endocardial_length * length + apical_wall,
        equator=shape.equator * length,
        wall=shape.wall * wall,
    )
