"""Strain of tracked tissue: deformation gradient, Green-Lagrange strain and its parts along the wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.local_fit import local_fit

__all__ = ["WallStrain", "deformation_gradient", "green_lagrange", "strain_along_wall", "wall_strain"]

RADIUS_MM = 4.0


@dataclass(frozen=True, eq=False)
class WallStrain:
    """Green-Lagrange strain of material points, no unit, negative where tissue shortens.

    circumferential, radial, shear: (T, P); shear is the component between both directions (half the
    engineering shear).
    """

    circumferential: NDArray[np.float64]
    radial: NDArray[np.float64]
    shear: NDArray[np.float64]


def deformation_gradient(
    points: NDArray[np.float64],
    displacement: NDArray[np.float64],
    *,
    radius: float = RADIUS_MM,
    degree: int = 2,
) -> NDArray[np.float64]:
    """F = I + grad u at the material points, (T, P, C, 2): dx_a / dX_b on the reference configuration.

    points: (P, 2) mm, irregular or on a grid. displacement: (T, P, C) mm. With C = 3 the third row holds the
    gradient of the through-plane displacement; what changes along the slice normal cannot be seen in one
    slice. The gradient is that of a polynomial fitted around each point with a Gaussian of `radius` mm
    (`local_fit`): exact for affine and, at degree 2, quadratic displacement. NaN where points are too few.
    The symbol printed as D in jayakumar-2023, section 2.1, is this F.
    """
    frames, count, components = displacement.shape
    columns = np.moveaxis(displacement, 0, 1).reshape(count, frames * components)
    gradient = local_fit(points, columns, points, radius, degree)[1]
    gradient = np.moveaxis(gradient.reshape(count, frames, components, 2), 0, 1)
    return gradient + np.eye(components, 2)


def green_lagrange(gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """E = (F^T F - I) / 2 of F (..., C, 2): (..., 2, 2), zero for any rigid motion (jayakumar-2023, 2.1)."""
    return 0.5 * (np.swapaxes(gradient, -1, -2) @ gradient - np.eye(gradient.shape[-1]))


def strain_along_wall(tensor: NDArray[np.float64], radial: NDArray[np.float64]) -> WallStrain:
    """Components of E (T, P, 2, 2) along unit vectors `radial` (P, 2) and across them.

    The circumferential direction is (-radial y, radial x); its sign matters for the shear alone.
    """
    around = np.stack([-radial[:, 1], radial[:, 0]], axis=1)

    def part(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.einsum("pa,tpab,pb->tp", first, tensor, second)

    return WallStrain(part(around, around), part(radial, radial), part(around, radial))


def wall_strain(
    points: NDArray[np.float64],
    displacement: NDArray[np.float64],
    radial: NDArray[np.float64],
    *,
    radius: float = RADIUS_MM,
    degree: int = 2,
) -> WallStrain:
    """Strain along the wall of material points (P, 2) that move by `displacement` (T, P, C), all mm.

    radial: (P, 2) unit vectors, as from `wall_slice`. The rest as in `deformation_gradient`.
    """
    gradient = deformation_gradient(points, displacement, radius=radius, degree=degree)
    return strain_along_wall(green_lagrange(gradient), radial)
