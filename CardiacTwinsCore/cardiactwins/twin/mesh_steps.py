"""Splitting, collapsing and flipping the edges of a mesh whose interfaces meet along curves.

Botsch & Kobbelt, A remeshing approach to multiresolution modeling, SGP 2004, many edges at a time. Curves
where interfaces meet, and corners where curves meet, stay what they are.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cardiactwins.twin.interface_mesh import MeshEdges, mesh_edges

__all__ = ["collapse_short_edges", "flip_edges", "split_long_edges"]

Points = NDArray[np.float64]
Triangles = NDArray[np.int64]
LEAST_COSINE = 0.5
"""Triangles may not turn by more than 60 degrees in one step."""
PASSES = 30
FEW = 0.005
"""A step ends when a pass changes less than this share of the edges; the next round goes on."""


def split_long_edges(
    points: Points, triangles: Triangles, interface: NDArray[np.int64], longest: float
) -> tuple[Points, Triangles, NDArray[np.int64]]:
    """Halve edges longer than `longest` until there are none; a triangle's longest edge goes first."""
    for _ in range(PASSES):
        edges = mesh_edges(triangles, interface)
        lengths = edges.lengths(points)
        # Equal lengths would wait for each other.
        lengths = lengths * (1 + 1e-9 * np.arange(len(lengths)) / max(len(lengths), 1))
        long = lengths > longest
        if not long.any():
            break
        own = np.where(long[edges.of_triangle], lengths[edges.of_triangle], -1.0)
        corner = own.argmax(axis=1)
        rows = np.arange(len(triangles))
        wanted = edges.of_triangle[rows, corner]
        wants = own[rows, corner] > 0
        votes = np.bincount(wanted[wants], minlength=len(edges.ends))
        chosen = long & (votes == edges.count)
        middle = np.cumsum(chosen) - 1 + len(points)
        split = np.flatnonzero(wants & chosen[wanted])
        a, b, c = (triangles[split, (corner[split] + n) % 3] for n in range(3))
        m = middle[wanted[split]]
        triangles = triangles.copy()
        triangles[split] = np.column_stack([a, m, c])
        triangles = np.concatenate([triangles, np.column_stack([m, b, c])])
        interface = np.concatenate([interface, interface[split]])
        points = np.concatenate([points, points[edges.ends[chosen]].mean(axis=1)])
    return points, triangles, interface


def collapse_short_edges(
    points: Points, triangles: Triangles, interface: NDArray[np.int64], shortest: float, longest: float
) -> tuple[Points, Triangles, NDArray[np.int64]]:
    """Contract edges shorter than `shortest` to a point, unless that makes an edge longer than `longest`,
    turns a triangle over, or changes how tissues are connected."""
    points = points.copy()
    size = len(points)
    refused = np.zeros(0, dtype=np.int64)
    for _ in range(PASSES):
        edges = mesh_edges(triangles, interface)
        gone, kept, place, number = _candidates(points, edges, shortest)
        new = ~np.isin(_edge_keys(gone, kept, size), refused)
        gone, kept, place, number = (part[new] for part in (gone, kept, place, number))
        chosen = _independent(gone, kept, edges, edges.lengths(points)[number], size)
        gone, kept, place, number = (part[chosen] for part in (gone, kept, place, number))
        if not len(gone):
            break
        allowed = _keeps_topology(gone, kept, triangles, edges, number)
        allowed[allowed] = _keeps_shape(
            gone[allowed], kept[allowed], place[allowed], points, triangles, longest
        )
        refused = np.concatenate([refused, _edge_keys(gone[~allowed], kept[~allowed], size)])
        points[kept[allowed]] = place[allowed]
        target = np.arange(size)
        target[gone[allowed]] = kept[allowed]
        triangles = target[triangles]
        whole = (triangles != np.roll(triangles, 1, axis=1)).all(axis=1)
        triangles, interface = triangles[whole], interface[whole]
        if len(chosen) < FEW * len(edges.ends):
            break
    return points, triangles, interface


def flip_edges(points: Points, triangles: Triangles, interface: NDArray[np.int64]) -> Triangles:
    """Flip edges inside interfaces whose opposite angles add up to more than 180 degrees (Delaunay)."""
    triangles = triangles.copy()
    for _ in range(PASSES):
        edges = mesh_edges(triangles, interface)
        inner = np.flatnonzero(~edges.feature)
        first, second = (edges.order[edges.first[inner] + n] for n in (0, 1))
        t1, t2 = first // 3, second // 3
        a, b, c = (triangles[t1, (first + n) % 3] for n in range(3))
        d = triangles[t2, (second + 2) % 3]
        gain = -(_cotangent(points, c, a, b) + _cotangent(points, d, a, b))
        good = (gain > 1e-6) & (c != d) & (triangles[t2, second % 3] == b)
        good &= ~_among(_edge_keys(c, d, len(points)), _edge_keys(*edges.ends.T, len(points)))
        old = _unit(_normal(points, a, b, c)), _unit(_normal(points, b, a, d))
        new = _unit(_normal(points, a, d, c)), _unit(_normal(points, d, b, c))
        for before in old:
            for after in new:
                good &= np.einsum("ij,ij->i", before, after) > LEAST_COSINE
        if not good.any():
            break
        rank = np.full(len(triangles), -np.inf)
        score = np.where(good, gain + 1e-9 * np.arange(len(gain)) / len(gain), -np.inf)
        np.maximum.at(rank, t1, score)
        np.maximum.at(rank, t2, score)
        chosen = np.flatnonzero(good & (score >= rank[t1]) & (score >= rank[t2]))
        keys = _edge_keys(c[chosen], d[chosen], len(points))
        chosen = chosen[np.unique(keys, return_index=True)[1]]
        triangles[t1[chosen]] = np.column_stack([a, d, c])[chosen]
        triangles[t2[chosen]] = np.column_stack([d, b, c])[chosen]
        if len(chosen) < FEW * len(edges.ends):
            break
    return triangles


def _candidates(
    points: Points, edges: MeshEdges, shortest: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Points, NDArray[np.int64]]:
    """Points that may go, points that they may join, where these then lie, and the edges between them."""
    number = np.flatnonzero(edges.lengths(points) < shortest)
    u, v = edges.ends[number].T
    features = edges.feature_count(len(points))
    # 0 inside an interface, 1 on a curve, 2 a corner.
    kind = np.where(features == 0, 0, np.where(features == 2, 1, 2))
    gone, kept = np.where(kind[u] <= kind[v], u, v), np.where(kind[u] <= kind[v], v, u)
    on_curve = kind[gone] > 0
    allowed = (kind[gone] < 2) & (~on_curve | edges.feature[number])
    middle = points[edges.ends[number]].mean(axis=1)
    place = np.where((kind[gone] == kind[kept])[:, None], middle, points[kept])
    return gone[allowed], kept[allowed], place[allowed], number[allowed]


def _keeps_topology(
    gone: NDArray[np.int64],
    kept: NDArray[np.int64],
    triangles: Triangles,
    edges: MeshEdges,
    number: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """The link condition (Dey et al. 1999): both ends have no common neighbour but the edge's own triangles,
    along curves no common neighbour at all, and no two triangles become one."""
    size = int(triangles.max()) + 1
    all_edges = _adjacency(edges, size)
    curves = _adjacency(edges, size, edges.feature)
    common = np.asarray(all_edges[gone].multiply(all_edges[kept]).sum(axis=1)).ravel()
    on_curves = np.asarray(curves[gone].multiply(curves[kept]).sum(axis=1)).ravel()
    allowed = (common == edges.count[number]) & ((on_curves == 0) | ~edges.feature[number])
    known = np.sort(_triangle_keys(triangles, size))
    most = int(edges.count[number].max()) if len(number) else 0
    for one, other in combinations(range(most), 2):
        both = np.flatnonzero(allowed & (edges.count[number] > other))
        w1, w2 = (
            triangles.ravel()[_opposite(edges.order[edges.first[number[both]] + n])] for n in (one, other)
        )
        at_gone, at_kept = (
            _among(_triangle_keys(np.column_stack([end[both], w1, w2]), size), known) for end in (gone, kept)
        )
        allowed[both[at_gone & at_kept]] = False
    return allowed


def _keeps_shape(
    gone: NDArray[np.int64],
    kept: NDArray[np.int64],
    place: Points,
    points: Points,
    triangles: Triangles,
    longest: float,
) -> NDArray[np.bool_]:
    """No triangle around both ends turns over or gets an edge longer than `longest`."""
    order = np.argsort(triangles.ravel(), kind="stable")
    first = np.searchsorted(triangles.ravel()[order], np.arange(len(points) + 1))
    allowed = np.ones(len(gone), dtype=bool)
    for end, other in ((gone, kept), (kept, gone)):
        number = first[end + 1] - first[end]
        candidate = np.repeat(np.arange(len(end)), number)
        offset = np.arange(len(candidate)) - np.repeat(np.cumsum(number) - number, number)
        half = order[first[end][candidate] + offset]
        row, corner = half // 3, half % 3
        b, c = (triangles[row, (corner + n) % 3] for n in (1, 2))
        stays = (b != other[candidate]) & (c != other[candidate])
        candidate, b, c = candidate[stays], b[stays], c[stays]
        before = _unit(np.cross(points[b] - points[end[candidate]], points[c] - points[end[candidate]]))
        moved = place[candidate]
        after = np.cross(points[b] - moved, points[c] - moved)
        area = np.linalg.norm(after, axis=1)
        bad = np.einsum("ij,ij->i", before, after) <= LEAST_COSINE * area
        bad |= area < 1e-3 * longest**2
        bad |= np.linalg.norm(points[b] - moved, axis=1) > longest
        allowed[candidate[bad]] = False
    return allowed


def _independent(
    gone: NDArray[np.int64],
    kept: NDArray[np.int64],
    edges: MeshEdges,
    length: NDArray[np.float64],
    size: int,
) -> NDArray[np.int64]:
    """Collapses, shortest first, none of which touches a neighbour of another."""
    rank = np.empty(len(length))
    rank[np.argsort(length, kind="stable")] = np.arange(len(length))
    least = np.full(size, np.inf)
    np.minimum.at(least, gone, rank)
    np.minimum.at(least, kept, rank)
    around = least.copy()
    np.minimum.at(around, edges.ends[:, 0], least[edges.ends[:, 1]])
    np.minimum.at(around, edges.ends[:, 1], least[edges.ends[:, 0]])
    return np.flatnonzero(rank <= np.minimum(around[gone], around[kept]))


def _adjacency(edges: MeshEdges, size: int, chosen: NDArray[np.bool_] | None = None) -> sparse.csr_array:
    ends = edges.ends if chosen is None else edges.ends[chosen]
    i, j = np.concatenate([ends, ends[:, ::-1]]).T
    return sparse.csr_array((np.ones(len(i), dtype=np.int32), (i, j)), shape=(size, size))


def _triangle_keys(triangles: Triangles, size: int) -> NDArray[np.int64]:
    a, b, c = np.sort(triangles, axis=1).T
    return (a * size + b) * size + c


def _edge_keys(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """One number an edge; those of `MeshEdges.ends` ascend."""
    return np.minimum(a, b) * size + np.maximum(a, b)


def _among(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which keys are among sorted ones."""
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def _opposite(half: NDArray[np.int64]) -> NDArray[np.int64]:
    """Half-edge -> index of the opposite corner among all corners."""
    return half // 3 * 3 + (half + 2) % 3


def _normal(points: Points, a: NDArray, b: NDArray, c: NDArray) -> Points:
    return np.cross(points[b] - points[a], points[c] - points[a])


def _cotangent(points: Points, apex: NDArray, a: NDArray, b: NDArray) -> NDArray[np.float64]:
    """Cotangent of the angle at `apex` that looks at the edge from a to b."""
    left, right = points[a] - points[apex], points[b] - points[apex]
    twice_area = np.linalg.norm(np.cross(left, right), axis=1)
    return np.einsum("ij,ij->i", left, right) / np.maximum(twice_area, 1e-12)


def _unit(vectors: Points) -> Points:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
