"""Where a heart violates topology checks: points to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_topology import TopologyCheck

__all__ = ["ViolationPlace", "violation_places"]


@dataclass(frozen=True, eq=False)
class ViolationPlace:
    """check: name of the check that fails. position: RAS mm (3,), a voxel of the place. voxels: how many."""

    check: str
    position: NDArray[np.float64]
    voxels: int


def violation_places(
    checks: Sequence[TopologyCheck], geometry: ImageGeometry, *, most: int = 10
) -> tuple[ViolationPlace, ...]:
    """One place for each connected cluster of failing voxels, the largest `most` of each check.

    The position is the cluster's voxel nearest to its middle. A check that fails because a tissue is missing
    has no place.
    """
    places = []
    for check in checks:
        if check.holds or not len(check.voxels):
            continue
        start = check.voxels.min(axis=0)
        mask = np.zeros(np.ptp(check.voxels, axis=0) + 1, dtype=bool)
        mask[tuple((check.voxels - start).T)] = True
        clusters, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(clusters.ravel(), minlength=count + 1)[1:]
        for cluster in np.argsort(-sizes, kind="stable")[:most] + 1:
            voxels = np.argwhere(clusters == cluster) + start
            middle = voxels[np.argmin(np.linalg.norm(voxels - voxels.mean(axis=0), axis=1))]
            ras = geometry.ijk_to_ras @ [*middle[::-1], 1.0]
            places.append(ViolationPlace(check.name, ras[:3], len(voxels)))
    return tuple(places)
