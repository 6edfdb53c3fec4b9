"""What a reconstruction starts from, in the scene: outlined slices, insertion points, long-axis slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.anatomy.axis import heart_kind, long_axis, short_axis_grid, slice_axis
from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.lma.contours import SliceContours, stack_of_contours
from cardiactwins.lma.enclosed_cavity import enclosed_cavity
from cardiactwins.lma.long_axis_points import long_axis_points
from cardiactwins.lma.slice_parts import SlicePart, stack_of_parts
from cardiactwins.lma.slice_stack import SliceStack, gap_axis, stack_of_labels
from cardiactwins.mrml.lma_wall import whole_wall
from cardiactwins.mrml.markups import points_of_markups
from cardiactwins.mrml.role_guess import guess_roles, role_of_name, roles_by_name
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import geometry_of_segmentation, segment_array, segment_names

__all__ = [
    "OutlinedHeart",
    "heart_of_curves",
    "heart_of_segmentation",
    "heart_of_segmentations",
    "insertion_points",
    "known_points",
]

MOST_SLICES = 16
DENSE_SLICES = 8
"""Slices that a dense segmentation is cut into unless a number is asked for."""
FARTHEST_MM = 25.0
"""An insertion point lies at most so far beside the wall."""


class OutlinedHeart:
    """Outlined short-axis slices and what else the same node tells.

    stack: the slices. find_insertion: finds the insertion points from the right ventricle's segment, or None
    without one; it is asked when they are needed.
    """

    def __init__(self, stack: SliceStack, find_insertion: Callable[[], NDArray[np.float64]] | None) -> None:
        self.stack = stack
        self._find_insertion = find_insertion

    @cached_property
    def insertion(self) -> NDArray[np.float64] | None:
        """(M, 3) RAS mm, or None without a right ventricle. Errors as of `lv_coordinates`."""
        return None if self._find_insertion is None else self._find_insertion()


def heart_of_segmentation(
    node: Any, roles: Mapping[str, str] | None = None, slices: int | None = None
) -> OutlinedHeart:
    """The short-axis slices that a segmentation node outlines.

    roles: role -> segment where the guess would be wrong (`guess_roles`); infarct, no-reflow and border zone
    count as wall. In short-axis slices without a segment for the cavity it is what the wall encloses
    (`enclosed_cavity`). slices: use so many of them, evenly spread; all of 3 to 16 when None. A dense
    segmentation (nearly cubic voxels, 16 slices or more) is cut across its long axis, into 8 when None.
    ValueError when a segment is missing or empty, and as of `stack_of_labels`.
    """
    masks, geometry = _labels(node, roles, needs_cavity=False)
    cavity, myocardium, right_ventricle = masks
    is_dense = heart_kind(geometry, myocardium) == "dense" and gap_axis(myocardium) is None
    if not cavity.any():
        if is_dense:
            _labels(node, roles)
        else:
            cavity = _enclosed(geometry, myocardium)
    if is_dense:
        geometry, (cavity, myocardium, right_ventricle) = _cut(geometry, masks, slices or DENSE_SLICES)
        slices = None
    stack = stack_of_labels(geometry, cavity, myocardium)
    if slices is None and len(stack) > MOST_SLICES:
        slices = MOST_SLICES
    find = partial(_insertion_of_right_ventricle, geometry, cavity, myocardium, right_ventricle)
    return OutlinedHeart(stack.chosen(slices), find if right_ventricle.any() else None)


def heart_of_segmentations(
    nodes: Sequence[Any], roles: Mapping[str, str] | None = None, slices: int | None = None
) -> OutlinedHeart:
    """The short-axis slices that several segmentation nodes outline, each on its own grid, in any order.

    roles, slices: as in `heart_of_segmentation`. ValueError as there and of `stack_of_parts`.
    """
    parts = []
    for node in nodes:
        (cavity, myocardium, _), geometry = _labels(node, roles, needs_cavity=False)
        if not cavity.any():
            cavity = _enclosed(geometry, myocardium)
        parts.append(SlicePart(geometry, cavity, myocardium, node.GetName()))
    return OutlinedHeart(stack_of_parts(parts).chosen(slices), None)


def heart_of_curves(curves: Sequence[Any], slices: int | None = None) -> OutlinedHeart:
    """The slices that closed-curve markups outline, one or two curves a slice, in the order of the slices.

    curves: nodes, or pairs (endocardium or None, epicardium). Of single nodes the name tells which is which
    ('endo 1', 'epi 1'; see `role_of_name`), and an endocardium belongs to the nearest epicardium. ValueError
    for an open curve, fewer than 3 points, a name that does not tell, and as of `stack_of_contours`.
    """
    pairs = _pairs(curves)
    contours = [
        SliceContours(_outline(outer), None if inner is None else _outline(inner), f"'{outer.GetName()}'")
        for inner, outer in pairs
    ]
    return OutlinedHeart(stack_of_contours(contours).chosen(slices), None)


def insertion_points(given: Any, heart: OutlinedHeart) -> NDArray[np.float64]:
    """(M, 3) RAS mm: the points of a markups node or array, else those from the right ventricle.

    ValueError when there are none, or one lies farther than 25 mm from the wall.
    """
    points = given
    if given is not None and hasattr(given, "GetNumberOfControlPoints"):
        points = points_of_markups(given)
        if not len(points):
            points = None
    if points is None:
        points = heart.insertion
    if points is None:
        raise ValueError(
            "There is no RV insertion point, so sectors have no beginning. Place a point (markups) where the "
            "right ventricle meets the anterior wall, or segment the right ventricle."
        )
    points = np.asarray(points, dtype=float)
    if points.size == 0 or points.shape[-1] != 3 or not np.isfinite(points).all():
        raise ValueError(f"Insertion points are (M, 3) in RAS mm, all finite; found {points.shape}.")
    points = points.reshape(-1, 3)
    distance = heart.stack.distances_to_wall(points)
    farthest = int(np.argmax(distance))
    if distance[farthest] > FARTHEST_MM:
        raise ValueError(
            f"Insertion point {farthest + 1} at RAS {np.round(points[farthest], 1).tolist()} lies "
            f"{distance[farthest]:.0f} mm from the myocardium of the nearest slice (at most "
            f"{FARTHEST_MM:.0f} mm). Check that points and slices share one space."
        )
    return points


def known_points(
    nodes: Sequence[Any], roles: Mapping[str, str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Places (P, 3) RAS mm in long-axis slices and what they show there, (P, 2): cavity, myocardium.

    nodes: segmentation nodes, each with one long-axis slice or several parallel ones, on the grid of its own
    image or of another; see `long_axis_points`. roles: those of the short-axis slices, which count where a
    node has segments of these names. ValueError as there, without nodes, and when cavity or myocardium is
    missing.
    """
    if not nodes:
        raise ValueError("There is no long-axis slice. Give a segmentation node for each.")
    found = []
    for node in nodes:
        (cavity, myocardium, _), geometry = _labels(node, roles_by_name(node, roles))
        found.append(long_axis_points(geometry, cavity, myocardium, node.GetName()))
    return np.concatenate([places for places, _ in found]), np.concatenate([values for _, values in found])


def _labels(
    node: Any, roles: Mapping[str, str] | None, needs_cavity: bool = True
) -> tuple[tuple[NDArray, NDArray, NDArray], Any]:
    """Cavity, whole wall and right ventricle (k, j, i) of a segmentation, and their grid."""
    found = guess_roles(node, roles)
    for role in ("cavity", "myocardium") if needs_cavity else ("myocardium",):
        if role not in found:
            listed = ", ".join(f"'{name}'" for name in segment_names(node).values()) or "none"
            raise ValueError(
                f"There is no segment for the {SEGMENT_ROLES[role].name} in '{node.GetName()}'. Name one "
                f"'{SEGMENT_ROLES[role].name}', or say which one it is (in Python: "
                f"roles={{'{role}': ...}}). Segments found: {listed}."
            )
    geometry = geometry_of_segmentation(node)
    masks = {role: segment_array(node, segment) for role, segment in found.items()}
    nothing = np.zeros(geometry.shape, dtype=bool)
    wall, cavity = whole_wall(masks), masks.get("cavity", nothing)
    if not wall.any():
        raise ValueError(f"The myocardium of '{node.GetName()}' is empty. Outline it in at least 3 slices.")
    return (cavity & ~wall, wall, masks.get("right_ventricle", nothing)), geometry


def _enclosed(geometry: ImageGeometry, myocardium: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What the wall encloses in each slice."""
    single = [axis for axis, size in enumerate(geometry.shape) if size == 1]
    gaps = gap_axis(myocardium)
    along = single[0] if single else slice_axis(geometry) if gaps is None else gaps
    slices = np.moveaxis(myocardium, along, 0)
    inside = np.stack([enclosed_cavity(part) >= 0.5 for part in slices])
    return np.moveaxis(inside, 0, along) & ~myocardium


def _cut(
    geometry: ImageGeometry, masks: Sequence[NDArray[np.bool_]], slices: int
) -> tuple[ImageGeometry, list[NDArray[np.bool_]]]:
    """So many slices across the long axis of a dense map, and their grid."""
    cavity, myocardium = masks[:2]
    fine = short_axis_grid(geometry, myocardium, *long_axis(geometry, cavity, myocardium))
    # The outermost slices lie half a slice distance within the ventricle's ends.
    step = fine.shape[0] / slices
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, 3] += matrix[:3, 2] * (step / 2 - 0.5)
    matrix[:3, 2] *= step
    grid = ImageGeometry((slices, *fine.shape[1:]), matrix)
    kji = geometry.ras_to_kji(grid.kji_to_ras(np.moveaxis(np.indices(grid.shape), 0, -1)))
    kji = np.moveaxis(kji, -1, 0)
    return grid, [
        ndimage.map_coordinates(mask.astype(np.float32), kji, order=1, mode="constant") >= 0.5
        for mask in masks
    ]


def _insertion_of_right_ventricle(
    geometry: ImageGeometry, cavity: NDArray, myocardium: NDArray, right_ventricle: NDArray
) -> NDArray[np.float64]:
    """Anterior insertion on the epicardium of each slice, (M, 3) RAS mm."""
    coordinates = lv_coordinates(geometry, cavity, myocardium, right_ventricle=right_ventricle, kind="stack")
    turn = np.mod(coordinates.circumferential + 0.5, 1.0) - 0.5
    at_insertion = (np.abs(turn) < 1 / 72) & (coordinates.radial > 0.5)
    kji = np.argwhere(at_insertion)
    levels = np.round(coordinates.longitudinal[at_insertion], 6)
    return np.array([geometry.kji_to_ras(kji[levels == level]).mean(axis=0) for level in np.unique(levels)])


def _pairs(curves: Sequence[Any]) -> list[tuple[Any, Any]]:
    """(endocardium or None, epicardium) of each slice, in the order of the epicardia."""
    if curves and isinstance(curves[0], (tuple, list)):
        return [tuple(pair) for pair in curves]
    by_role: dict[str, list[Any]] = {"cavity": [], "myocardium": []}
    for curve in curves:
        role = role_of_name(curve.GetName() or "")
        if role not in by_role:
            raise ValueError(
                f"The name of curve '{curve.GetName()}' does not tell whether it is the endocardium or the "
                "epicardium. Name it 'endo ...' or 'epi ...', or give pairs (endocardium, epicardium)."
            )
        by_role[role].append(curve)
    outer, inner = by_role["myocardium"], by_role["cavity"]
    if not outer:
        raise ValueError("There is no epicardial curve. Name the outer contours 'epi 1', 'epi 2', ...")
    middles = np.array([_outline(curve).mean(axis=0) for curve in outer])
    pairs: list[list[Any]] = [[None, curve] for curve in outer]
    for curve in inner:
        line = _outline(curve)
        normal = SliceContours(line, None, "").normal
        nearest = int(np.argmin(np.abs((middles - line.mean(axis=0)) @ normal)))
        if pairs[nearest][0] is not None:
            raise ValueError(
                f"Curves '{pairs[nearest][0].GetName()}' and '{curve.GetName()}' are both an endocardium of "
                f"the slice of '{outer[nearest].GetName()}'. Keep one of them."
            )
        pairs[nearest][0] = curve
    return [tuple(pair) for pair in pairs]


def _outline(curve: Any) -> NDArray[np.float64]:
    """Points (n, 3) in RAS mm along a closed curve."""
    if not curve.IsA("vtkMRMLMarkupsClosedCurveNode"):
        raise ValueError(
            f"The contour '{curve.GetName()}' is open. Draw it as a closed curve (Markups module)."
        )
    if len(points_of_markups(curve)) < 3:
        raise ValueError(f"The contour '{curve.GetName()}' has fewer than 3 points. Draw it all around.")
    points = curve.GetCurvePointsWorld()
    return vtk_to_numpy(points.GetData()).astype(float)
