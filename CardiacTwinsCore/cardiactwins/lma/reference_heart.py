"""The reference left ventricle: one shape for all patients, as clinics show activation maps on."""

from __future__ import annotations

from functools import cache

import numpy as np

from cardiactwins.anatomy.phantoms import LVShape
from cardiactwins.lma.heart_reconstruction import HeartReconstruction
from cardiactwins.lma.shape_volume import rasterize
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["reference_heart"]


@cache
def reference_heart() -> HeartReconstruction:
    """Two coaxial half ellipsoids on the normalised grid, with an average adult's proportions.

    Radius 28 mm and wall 8 mm at the equator, 92 mm from base to endocardial apex: about the means
    of `draw_lv_shape`.
    """
    length, wall = 92.0, 8.0
    shape = LVShape(
        endocardial_radius=28.0,
        endocardial_length=length,
        epicardial_length=length + wall * 2 / 3,
        equator=0.23 * length,
        wall=wall,
        bend=np.zeros(2),
        insertion=np.deg2rad(120.0),
        septum=np.deg2rad(118.0),
        twist=0.0,
        rv_width=30.0,
        rv_length=0.85,
        outflow_depth=0.0,
        ripple=np.zeros((2, 2, 3, 2)),
    )
    volume = rasterize(shape)
    return HeartReconstruction(volume, wall_surface(volume), None, (), "reference")
