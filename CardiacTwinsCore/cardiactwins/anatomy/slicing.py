"""From a dense map or a mesh to a stack of slices, as an image of the same heart would be taken."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.threads import one_blas_thread

__all__ = ["covering_stack", "labels_on_slices", "points_on_slices", "values_on_slices"]

JITTER = 1e-4
"""Shift of mesh points, as a share of their distance: points on a lattice have no single triangulation, and
looking for one takes tens of times longer."""


def values_on_slices(
    values: ArrayLike,
    source: ImageGeometry,
    target: ImageGeometry,
    *,
    thickness: float | None = None,
    background: float = 0.0,
) -> NDArray[np.float64]:
    """Values (k, j, i) of a map on another grid, such as a stack of slices, by linear interpolation.

    thickness: slice thickness in mm over which values are averaged across each slice of `target`, as a slice
    of an image is; None: the values in the middle plane. Outside of the source's voxels lies `background`.
    ValueError when the values do not fit the source, are not finite, or the thickness is not positive.
    """
    values = _fitting(values, source).astype(float)
    if not np.isfinite(values).all():
        raise ValueError(
            "The map holds NaN or infinite values, which would spread into slices. Replace them."
        )
    total = np.zeros(target.shape)
    planes = list(_planes(target, source, thickness))
    for kji in planes:
        inside = _inside(kji, source.shape)
        sampled = np.full(target.shape, float(background))
        sampled[inside] = ndimage.map_coordinates(values, kji[:, inside], order=1, mode="nearest")
        total += sampled
    return total / len(planes)


def labels_on_slices(
    labels: ArrayLike, source: ImageGeometry, target: ImageGeometry, *, thickness: float | None = None
) -> NDArray:
    """Labels (k, j, i) of a map on another grid: in each voxel, the label with the largest linear weight.

    Weights are linear interpolations of each label's mask, averaged over the slice thickness (mm) where one
    is given; background (0) takes part, equal weights go to the smaller label. bool or integers; the type is
    kept. ValueError as values_on_slices, and for labels that are not whole numbers.
    """
    labels = _fitting(labels, source)
    if labels.dtype != bool and not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"Labels are bool or integers; found {labels.dtype}. Values go to values_on_slices.")
    result = np.zeros(target.shape, dtype=labels.dtype)
    heaviest = values_on_slices(labels == 0, source, target, thickness=thickness, background=1.0)
    for label in np.unique(labels[labels != 0]):
        weight = values_on_slices(labels == label, source, target, thickness=thickness)
        wins = weight > heaviest + 1e-9
        result[wins] = label
        heaviest[wins] = weight[wins]
    return result


def points_on_slices(
    points: ArrayLike,
    values: ArrayLike,
    target: ImageGeometry,
    *,
    mask: ArrayLike | None = None,
    largest_gap: float | None = None,
    background: float = 0.0,
) -> NDArray[np.float64]:
    """Values at the points of a mesh on a grid, (k, j, i), by scattered linear interpolation (mom-2021, 2.2).

    points: (P, 3) RAS mm, nodes or cell centres of a volume mesh. values: (P,). mask: (k, j, i) bool, the
    voxels to fill, such as the myocardium; None: all within the convex hull of the points, which for a
    ventricle spans the cavity too. Masked voxels outside of the hull take the nearest point's value.
    largest_gap: voxels farther (mm) from every point stay background. ValueError when points and values do
    not fit, are not finite, or lie in one plane, so that they hold no volume.
    """
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import Delaunay, cKDTree

    points, values = np.asarray(points, dtype=float), np.asarray(values, dtype=float)
    if points.ndim != 2 or points.shape[1] != 3 or values.shape != points.shape[:1]:
        raise ValueError(f"Points are (P, 3) with P values; found {points.shape} and {values.shape}.")
    if not (np.isfinite(points).all() and np.isfinite(values).all()):
        raise ValueError("The points or their values hold NaN or infinite numbers.")
    wanted = np.ones(target.shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    if wanted.shape != target.shape:
        raise ValueError(f"The mask has shape {wanted.shape}, the slices {target.shape}.")
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) if len(points) > 3 else np.zeros(1)
    if spread[-1] <= 1e-9 * spread[0]:
        raise ValueError(
            f"The {len(points)} points hold no volume: at least four that are not in one plane are needed."
        )
    tree = cKDTree(points)
    gap = np.median(tree.query(points, k=2)[0][:, 1])
    places = target.kji_to_ras(np.argwhere(wanted))
    with one_blas_thread():
        mesh = Delaunay(points + np.random.default_rng(0).normal(0, JITTER * gap, points.shape))
        found = LinearNDInterpolator(mesh, values)(places)
    distance, nearest = tree.query(places)
    outside = np.isnan(found)
    found[outside] = background if mask is None else values[nearest[outside]]
    if largest_gap is not None:
        found[distance > largest_gap] = background
    image = np.full(target.shape, float(background))
    image[wanted] = found
    return image


def covering_stack(
    points: ArrayLike, normal: ArrayLike, spacing: tuple[float, float, float], margin: float = 10.0
) -> ImageGeometry:
    """Stack of slices perpendicular to `normal` that covers points (P, 3) RAS mm, with a margin in the plane.

    normal: (3,) RAS direction in which the slices follow one another, such as from apex to base. Rows run as
    horizontally as this allows, so that the first column lies to the patient's right. spacing: (i, j, k) in
    mm. The slices share the extent along the normal evenly: no slice lies outside of it. ValueError for a
    normal without length.
    """
    points, normal = np.asarray(points, dtype=float).reshape(-1, 3), np.asarray(normal, dtype=float)
    length = np.linalg.norm(normal)
    if not length > 0:
        raise ValueError("The normal of the slices has no length.")
    k_axis = normal / length
    horizontal = np.cross([0.0, 0.0, 1.0], k_axis)
    i_axis = np.array([-1.0, 0.0, 0.0]) if np.linalg.norm(horizontal) < 1e-6 else horizontal
    i_axis = i_axis * (-1 if i_axis[0] > 0 else 1) / np.linalg.norm(i_axis)
    axes = np.stack([i_axis, np.cross(k_axis, i_axis), k_axis], axis=1)

    low, high = (points @ axes).min(axis=0), (points @ axes).max(axis=0)
    extent = high - low + np.array([2 * margin, 2 * margin, 0.0])
    size = np.maximum(np.ceil(extent / spacing - 1e-9), 1).astype(int)
    first = (low + high) / 2 - (size - 1) / 2 * np.asarray(spacing)
    columns, rows, slices = (int(n) for n in size)
    return ImageGeometry.from_spacing((slices, rows, columns), spacing, axes @ first, axes)


def _fitting(values: ArrayLike, source: ImageGeometry) -> NDArray:
    values = np.asarray(values)
    if values.shape != source.shape:
        raise ValueError(f"The map has shape {values.shape}, its grid {source.shape} (k, j, i).")
    return values


def _planes(
    target: ImageGeometry, source: ImageGeometry, thickness: float | None
) -> Iterator[NDArray[np.float64]]:
    """Source indices (3, k, j, i) of the target's voxels, on planes evenly through the slice thickness."""
    ras = target.kji_to_ras(np.moveaxis(np.indices(target.shape), 0, -1))
    offsets = np.zeros(1)
    if thickness is not None:
        if not thickness > 0:
            raise ValueError(f"The slice thickness must be positive; found {thickness} mm.")
        count = int(np.ceil(2 * thickness / source.spacing.min()))
        offsets = ((np.arange(count) + 0.5) / count - 0.5) * thickness
    i_axis, j_axis = target.direction.T[:2]
    normal = np.cross(i_axis, j_axis) / np.linalg.norm(np.cross(i_axis, j_axis))
    for offset in offsets:
        yield np.moveaxis(source.ras_to_kji(ras + offset * normal), -1, 0)


def _inside(kji: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Whether indices (3, ...) fall into the voxels of a grid, half a voxel around their centres."""
    limits = np.array(shape).reshape(3, *[1] * (kji.ndim - 1)) - 0.5
    return ((kji >= -0.5 - 1e-9) & (kji <= limits + 1e-9)).all(axis=0)
