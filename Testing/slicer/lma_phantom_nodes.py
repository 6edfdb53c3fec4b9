"""Phantoms as nodes of the scene, and activations sampled on their slices."""

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.mrml.segmentations import new_segmentation


def segmentation_of(heart, *roles, turn=None, name="Patient"):
    """A node of the phantom, its grid turned (4, 4) about the world's origin."""
    geometry = heart.geometry
    if turn is not None:
        geometry = ImageGeometry(geometry.shape, turn @ geometry.ijk_to_ras)
    roles = roles or ("cavity", "myocardium")
    return new_segmentation(name, geometry, {role: getattr(heart, role) for role in roles})


def point_array(node, name):
    return vtk_to_numpy(node.GetPolyData().GetPointData().GetArray(name)).astype(float)


def field(turn, height):
    """A smooth activation (ms), latest in the lateral base."""
    return 80 - 40 * np.cos(2 * np.pi * (turn - 1 / 6)) * (1 - 0.4 * height**2) + 15 * np.sin(3 * height)


def sampled(heights, sectors=36):
    middles = (np.arange(sectors) + 0.5) / sectors
    return field(middles[None], np.asarray(heights)[:, None])
