"""What a random infarct model is: the protocol that personalization, studies and the panel work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = ["InfarctModel", "Parameter", "StartZone", "checked_parameters"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: name, unit, bounds, the step that matters (`scale`), default, and whether it counts."""

    name: str
    unit: str
    lower: float
    upper: float
    scale: float
    default: float
    integer: bool = False


@dataclass(frozen=True)
class StartZone:
    """Where lesions start: a patch of endocardium around a circumferential angle (konik-2024, 2.2).

    circumferential: centre in [0, 1) (weighted mean angle of the population); longitudinal: centre, 0 base..1
    apex. The tolerances are half widths in the same coordinates; depth is the largest radial coordinate of a
    start.
    """

    circumferential: float = 0.0
    longitudinal: float = 0.5
    circumferential_tolerance: float = 0.025
    longitudinal_tolerance: float = 0.1
    depth: float = 0.2

    def voxels(self, anatomy: ReferenceAnatomy) -> NDArray[np.int64]:
        """Myocardial voxels inside the zone, ordered around the ring, (M,). ValueError when there is none."""
        turn = np.mod(anatomy.circumferential - self.circumferential + 0.5, 1.0) - 0.5
        inside = (np.abs(turn) <= self.circumferential_tolerance) & (anatomy.radial <= self.depth)
        inside &= np.abs(anatomy.longitudinal - self.longitudinal) <= self.longitudinal_tolerance
        voxels = np.flatnonzero(inside)
        if voxels.size == 0:
            raise ValueError(
                "No myocardial voxel lies in the start zone around circumferential "
                f"{self.circumferential:.3f}, longitudinal {self.longitudinal:.2f}. "
                "Widen the tolerances or use a finer reference."
            )
        return voxels[np.argsort(turn[voxels], kind="stable")]


@runtime_checkable
class InfarctModel(Protocol):
    """A random model of infarcts on a reference anatomy.

    A model is complete with `name`, `parameters`, `anatomy` and `sample`. One that turns uniform numbers into
    lesions through `paint` (with `n_uniforms` numbers a lesion) gains common and quasi-random draws.
    """

    name: str
    anatomy: ReferenceAnatomy
    parameters: tuple[Parameter, ...]

    def sample(self, parameters: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """n random lesions (n, N) for one parameter vector (d,)."""
        ...


def checked_parameters(model: InfarctModel, values: ArrayLike) -> NDArray[np.float64]:
    """Parameter vectors (..., d), float64, integers rounded. ValueError when out of bounds or not finite."""
    values = np.array(values, dtype=float)
    if values.shape[-1:] != (len(model.parameters),):
        names = ", ".join(parameter.name for parameter in model.parameters)
        raise ValueError(
            f"{model.name} takes {len(model.parameters)} parameters ({names}); found {values.shape}."
        )
    for index, parameter in enumerate(model.parameters):
        column = values[..., index]
        if parameter.integer:
            column = values[..., index] = np.round(column)
        if not np.isfinite(column).all() or column.min() < parameter.lower or column.max() > parameter.upper:
            bounds = f"[{parameter.lower:g}, {parameter.upper:g}] {parameter.unit}".rstrip()
            found = np.array2string(column, precision=4)
            raise ValueError(f"{model.name}: '{parameter.name}' must lie in {bounds}; found {found}.")
    return values
