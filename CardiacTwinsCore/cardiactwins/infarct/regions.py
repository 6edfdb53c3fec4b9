"""Nested regions of an infarct: core, border zone, and no-reflow (microvascular obstruction)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = ["InfarctRegions", "border_zone", "nested_regions", "no_reflow_region", "supply_distance"]


@dataclass(frozen=True, eq=False)
class InfarctRegions:
    """Regions of n lesions on a reference of N voxels, (n, N) bool each.

    no_reflow lies inside core; border and core share no voxel.
    """

    core: NDArray[np.bool_]
    border: NDArray[np.bool_]
    no_reflow: NDArray[np.bool_]

    def labels(self) -> NDArray[np.uint8]:
        """0 healthy, 1 border zone, 2 core, 3 no-reflow, (n, N)."""
        return self.border.astype(np.uint8) + 2 * self.core.astype(np.uint8) + self.no_reflow


def nested_regions(
    lesions: ArrayLike,
    anatomy: ReferenceAnatomy,
    *,
    border_width: float = 0.0,
    border_share: float = 0.0,
    border: Literal["around", "within"] = "around",
    no_reflow_share: ArrayLike = 0.0,
) -> InfarctRegions:
    """Core, border zone and no-reflow of the lesions (n, N) of any model.

    border_width: width of the border zone in pixels of the reference; border_share: the same as a share of
    the thickness of the wall. Give one of them; with neither there is no border zone. Nothing in
    late-enhancement labels tells it: it is the user's setting and takes no part in a personalization.
    border: "around" - the lesion is the core, the border zone is the surviving wall around it; "within" -
    the border zone is the rim of the lesion towards surviving wall, the core is the rest. no_reflow_share:
    share of the core without reflow, one number or (n,).

    Raises ValueError for lesions of another reference, negative widths, both widths, or shares outside [0,
    1].
    """
    lesions = np.asarray(lesions, dtype=bool)
    if lesions.ndim != 2 or lesions.shape[1] != anatomy.n_voxels:
        raise ValueError(f"Lesions must be (n, {anatomy.n_voxels}) on this reference; found {lesions.shape}.")
    if border not in ("around", "within"):
        raise ValueError(f"A border zone lies 'around' or 'within' the lesion; found {border!r}.")
    if border_width and border_share:
        raise ValueError(
            f"A border zone has one width: {border_width:g} pixels or {border_share:g} of the wall, not both."
        )
    spacing = (anatomy.slice_spacing, 1.0, 1.0)
    width = border_width if border_width else border_share * _wall_thickness(anatomy)
    shares = np.broadcast_to(np.asarray(no_reflow_share, dtype=float), len(lesions))
    regions = InfarctRegions(*(np.zeros_like(lesions) for _ in range(3)))
    for row, lesion in enumerate(anatomy.to_image(lesions)):
        zone = border_zone(lesion, anatomy.mask, width, spacing, border)
        core = lesion & ~zone
        no_reflow = no_reflow_region(core, anatomy.mask, anatomy.cavity, shares[row], spacing)
        regions.core[row] = anatomy.from_image(core)
        regions.border[row] = anatomy.from_image(zone)
        regions.no_reflow[row] = anatomy.from_image(no_reflow)
    return regions


def border_zone(
    lesion: NDArray[np.bool_],
    myocardium: NDArray[np.bool_],
    width: ArrayLike,
    spacing: ArrayLike,
    border: Literal["around", "within"] = "around",
) -> NDArray[np.bool_]:
    """Voxels of one image (k, j, i) at most `width` from the lesion's border with surviving myocardium.

    "around": surviving myocardium, measured to the lesion; "within": lesion, measured to surviving
    myocardium. width: one length or one a voxel (k, j, i), in the unit of spacing (k, j, i), 0 for none.
    Distances are taken between voxel centres on the straight line. ValueError for a negative width.
    """
    width = np.asarray(width, dtype=float)
    if not (width >= 0).all():
        raise ValueError(f"The width of a border zone cannot be negative; found {width.min():g}.")
    surviving = myocardium & ~lesion
    here, there = (surviving, lesion) if border == "around" else (lesion, surviving)
    if not width.any() or not there.any():
        return np.zeros_like(lesion)
    return here & (ndimage.distance_transform_edt(~there, sampling=spacing) <= width)


def no_reflow_region(
    core: NDArray[np.bool_],
    myocardium: NDArray[np.bool_],
    cavity: NDArray[np.bool_],
    share: float,
    spacing: ArrayLike,
) -> NDArray[np.bool_]:
    """The share of the core in one image (k, j, i) that is farthest from supplied tissue (`supply_distance`).

    A wavefront that starts there and ends at the core's border reached these voxels first: they lie at the
    endocardium in the middle of the area at risk, where microvascular obstruction is seen. The number of
    voxels is rounded; a larger share contains a smaller one. ValueError for a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"The share of the core without reflow lies in [0, 1]; found {share:g}.")
    voxels = np.flatnonzero(core)
    distance = supply_distance(core, myocardium, cavity, spacing).ravel()[voxels]
    first = voxels[np.argsort(-distance, kind="stable")[: round(share * len(voxels))]]
    region = np.zeros_like(core)
    region.ravel()[first] = True
    return region


def supply_distance(
    core: NDArray[np.bool_], myocardium: NDArray[np.bool_], cavity: NDArray[np.bool_], spacing: ArrayLike
) -> NDArray[np.float64]:
    """Distance of each voxel of an image (k, j, i) from tissue with blood supply, in the unit of spacing.

    Supplied are the surviving myocardium and what lies outside the epicardium; the cavity is not, as the
    subendocardium dies first. This order finds the no-reflow that experts drew better than the distance from
    the endocardium does (Testing/realdata). Without any supplied voxel every distance is 0.
    """
    supplied = ~core & ~cavity
    if not supplied.any():
        return np.zeros(core.shape)
    return ndimage.distance_transform_edt(~supplied, sampling=spacing)


def _wall_thickness(anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Thickness of the wall in each slice in pixels, (slices, 1, 1)."""
    endocardium, epicardium = anatomy.slice_radii
    return (epicardium - endocardium)[:, None, None]
