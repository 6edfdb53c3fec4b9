"""The whole wall of the left ventricle, however its segments share it out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["whole_wall"]

WALL_ROLES = ("myocardium", "infarct", "no_reflow", "border_zone")


def whole_wall(masks: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Mask of the wall (k, j, i): myocardium, infarct, no-reflow and border zone, overlapping or not.

    masks: role -> mask of all segments on one grid, the cavity's too if there is one; of the wall's at least
    one. A 'myocardium' that covers most of the cavity is a filled epicardium, from which the cavity is taken.
    """
    wall = np.logical_or.reduce([masks[role] for role in WALL_ROLES if role in masks])
    cavity = masks.get("cavity")
    if cavity is not None and 2 * (cavity & wall).sum() > cavity.sum():
        return wall & ~cavity
    return wall
