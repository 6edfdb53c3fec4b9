"""One patient's segmentation as an `InfarctCase`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.infarct.population import InfarctCase
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import geometry_of_segmentation, segment_array, segment_names
from cardiactwins.mrml.volumes import EMIDEC_LABELS, volume_array

__all__ = ["case_from_labels", "case_from_masks", "case_from_segmentation", "patient_from_segmentation"]

REQUIRED = ("cavity", "myocardium", "infarct")
MOST_LABELS = 64
"""An image with more different values is taken for a grey-scale image that got among the label maps."""
Mask = NDArray[np.bool_]


def case_from_segmentation(
    node: Any,
    roles: Mapping[str, str] | None = None,
    insertion_points: Any = None,
    identifier: str | None = None,
    territory: str | None = None,
) -> InfarctCase:
    """The case that a segmentation node holds, on the node's reference geometry.

    roles: role -> segment id or name where the guess would be wrong (`guess_roles`). insertion_points: a
    markups node or positions (M, 3) in RAS mm. identifier: the node's name by default. territory: culprit
    artery. ValueError when a segment is missing or empty, or when its grid or a transform cannot be used.
    """
    masks, geometry = _read(node, roles, ("cavity", "myocardium", "infarct"))
    return case_from_masks(masks, geometry, _name(node, identifier), insertion_points, territory)


def patient_from_segmentation(
    node: Any,
    roles: Mapping[str, str] | None = None,
    insertion_points: Any = None,
    identifier: str | None = None,
) -> InfarctCase:
    """The patient of a segmentation node who shall get an infarct; an own one may be absent (all False).

    Arguments and errors as of `case_from_segmentation`.
    """
    masks, geometry = _read(node, roles, ("cavity", "myocardium"))
    return case_from_masks(
        masks, geometry, _name(node, identifier), insertion_points, needed=("cavity", "myocardium")
    )


def case_from_labels(
    node: Any,
    labels: Mapping[int, str] | None = None,
    insertion_points: Any = None,
    identifier: str | None = None,
    territory: str | None = None,
) -> InfarctCase:
    """The case that a label-map volume node holds.

    labels: label value -> role (default: `EMIDEC_LABELS`); several values may share a role. Other arguments
    and errors as of `case_from_segmentation`; ValueError too when the values are not labels.
    """
    labels = EMIDEC_LABELS if labels is None else labels
    unknown = sorted(set(labels.values()) - set(SEGMENT_ROLES))
    if unknown:
        raise ValueError(f"Unknown segment roles: {', '.join(unknown)}. Known: {', '.join(SEGMENT_ROLES)}.")
    values, geometry = volume_array(node)
    present = np.unique(values)
    if len(present) > MOST_LABELS or not np.array_equal(present, np.round(present)):
        raise ValueError(
            f"It is not a label map: it holds {len(present):,} different values from {present[0]:g} to "
            f"{present[-1]:g}. Choose the segmentation instead of the image."
        )
    masks: dict[str, Mask] = {}
    for value, role in labels.items():
        masks[role] = masks.get(role, np.zeros(geometry.shape, dtype=bool)) | (values == value)
    return case_from_masks(masks, geometry, _name(node, identifier), insertion_points, territory)


def case_from_masks(
    masks: Mapping[str, ArrayLike],
    geometry: ImageGeometry,
    identifier: str,
    insertion_points: Any = None,
    territory: str | None = None,
    needed: Sequence[str] = ("cavity", "myocardium", "infarct"),
) -> InfarctCase:
    """The case that masks (k, j, i) by role make, whether or not the drawn myocardium holds the infarct.

    The infarct gains the no-reflow zone. When less than half of the injured tissue (infarct, no-reflow,
    border zone) is in the myocardium, that was drawn as the healthy part, and gains the injured tissue that
    touches it outside of the cavity; infarct that is elsewhere stays outside, for the alignment to refuse or
    clip. A 'myocardium' that covers most of the cavity is a filled epicardium and loses the cavity.
    needed: roles whose masks must be there and not be empty, else ValueError.
    """
    arrays = {role: np.asarray(mask, dtype=bool) for role, mask in masks.items()}
    for role in needed:
        if role not in arrays or not arrays[role].any():
            raise ValueError(f"The {SEGMENT_ROLES[role].name} is empty. Draw it or leave the case out.")
    nothing = np.zeros(geometry.shape, dtype=bool)
    cavity, drawn = arrays["cavity"], arrays["myocardium"]
    no_reflow = arrays.get("no_reflow", nothing)
    infarct = arrays.get("infarct", nothing) | no_reflow
    injured = infarct | arrays.get("border_zone", nothing)
    if 2 * (cavity & drawn).sum() > cavity.sum():
        drawn = drawn & ~cavity
    myocardium = drawn
    if 2 * (injured & drawn).sum() < injured.sum():
        myocardium = drawn | _touching(injured & ~cavity, drawn)
    right_ventricle = arrays.get("right_ventricle", nothing)
    return InfarctCase(
        identifier=identifier,
        geometry=geometry,
        cavity=cavity & ~myocardium,
        myocardium=myocardium,
        infarct=infarct,
        no_reflow=no_reflow if no_reflow.any() else None,
        right_ventricle=right_ventricle if right_ventricle.any() else None,
        insertion_points=_positions(insertion_points),
        territory=territory,
    )


def _read(
    node: Any, roles: Mapping[str, str] | None, needed: Sequence[str]
) -> tuple[dict[str, Mask], ImageGeometry]:
    """Masks by role on the node's reference geometry. ValueError when a needed role has no segment."""
    found = guess_roles(node, roles)
    for role in needed:
        if role not in found:
            name = SEGMENT_ROLES[role].name
            listed = ", ".join(f"'{other}'" for other in segment_names(node).values()) or "none"
            raise ValueError(
                f"There is no segment for the {name}. Name one '{name}', or say which one it is (in Python: "
                f"roles={{'{role}': ...}}). Segments found: {listed}."
            )
    geometry = geometry_of_segmentation(node)
    return {role: segment_array(node, segment_id) for role, segment_id in found.items()}, geometry


def _name(node: Any, identifier: str | None) -> str:
    return node.GetName() if identifier is None else identifier


def _touching(mask: Mask, neighbour: Mask) -> Mask:
    """Connected parts of `mask` that have a voxel of `neighbour` beside them."""
    around = np.ones((3, 3, 3))
    parts, n_parts = ndimage.label(mask, around)
    beside = np.zeros(n_parts + 1, dtype=bool)
    beside[parts[ndimage.binary_dilation(neighbour, around)]] = True
    beside[0] = False
    return beside[parts]


def _positions(insertion_points: Any) -> NDArray[np.float64] | None:
    if insertion_points is None:
        return None
    if hasattr(insertion_points, "GetNumberOfControlPoints"):
        insertion_points = points_of_markups(insertion_points)
    points = np.asarray(insertion_points, dtype=float).reshape(-1, 3)
    return points if len(points) else None
