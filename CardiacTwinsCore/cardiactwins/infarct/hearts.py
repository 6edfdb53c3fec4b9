"""Hearts with an infarct, real or drawn from a model, on one grid: what becomes a segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.population import InfarctCase

__all__ = ["InfarctedHeart", "heart_of_case", "heart_on_reference"]

INJURIES = {"border_zone": "Border zone", "infarct": "Infarct", "no_reflow": "No-reflow"}


@dataclass(frozen=True, eq=False)
class InfarctedHeart:
    """A left ventricle with its infarct on one grid, ready to become a segmentation.

    identifier: name shown to people. masks: role (a key of `cardiactwins.mrml.segment_roles.SEGMENT_ROLES`)
    -> (k, j, i) bool; the injuries lie in the myocardium. attributes: what is known of it (size, territory,
    ...), plain values for a manifest. Raises ValueError when a shape does not fit or an injury lies outside
    the myocardium.
    """

    identifier: str
    geometry: ImageGeometry
    masks: Mapping[str, NDArray[np.bool_]]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role, mask in self.masks.items():
            if mask.shape != self.geometry.shape:
                raise ValueError(
                    f"'{self.identifier}': the {role} mask has shape {mask.shape} (k, j, i), its grid "
                    f"{self.geometry.shape}."
                )
        for role in INJURIES:
            if role in self.masks:
                outside = int((self.masks[role] & ~self.masks["myocardium"]).sum())
                if outside:
                    raise ValueError(
                        f"'{self.identifier}': the {INJURIES[role]} lies outside the myocardium "
                        f"({outside:,} of {int(self.masks[role].sum()):,} voxels). Clip it to the myocardium."
                    )


def heart_on_reference(
    identifier: str,
    anatomy: ReferenceAnatomy,
    lesion: ArrayLike,
    *,
    border_zone: ArrayLike | None = None,
    no_reflow: ArrayLike | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> InfarctedHeart:
    """The reference ventricle with one lesion, border zone and no-reflow, (N,) bool on its myocardium."""
    injuries = {"infarct": lesion, "border_zone": border_zone, "no_reflow": no_reflow}
    masks = {
        "cavity": anatomy.cavity,
        "myocardium": anatomy.mask,
        **{role: _image(anatomy, values, role) for role, values in injuries.items() if values is not None},
    }
    return InfarctedHeart(identifier, anatomy.geometry, masks, attributes or {})


def heart_of_case(
    case: InfarctCase,
    infarct: ArrayLike | None = None,
    *,
    identifier: str | None = None,
    border_zone: ArrayLike | None = None,
    no_reflow: ArrayLike | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> InfarctedHeart:
    """A patient's heart with another infarct, (k, j, i) bool on its grid, or with its own.

    The border zone and no-reflow are those given; the patient's own no-reflow comes only with the own
    infarct.
    """
    injuries = {
        "infarct": case.infarct if infarct is None else infarct,
        "border_zone": border_zone,
        "no_reflow": case.no_reflow if infarct is None and no_reflow is None else no_reflow,
        "right_ventricle": case.right_ventricle,
    }
    masks = {
        "cavity": case.cavity,
        "myocardium": case.myocardium,
        **{role: np.asarray(mask, dtype=bool) for role, mask in injuries.items() if mask is not None},
    }
    return InfarctedHeart(
        case.identifier if identifier is None else identifier, case.geometry, masks, attributes or {}
    )


def _image(anatomy: ReferenceAnatomy, values: ArrayLike, role: str) -> NDArray[np.bool_]:
    values = np.asarray(values, dtype=bool)
    if values.shape != (anatomy.n_voxels,):
        raise ValueError(
            f"The {role} has shape {values.shape}, but the reference has {anatomy.n_voxels} myocardial "
            "voxels. Give one lesion at a time, drawn on this reference."
        )
    return anatomy.to_image(values)
