"""What describes an infarct in numbers: size, transmurality, extent, segments, centre, no-reflow, mass."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from cardiactwins.anatomy.aha import aha_segments, reference_segments
from cardiactwins.anatomy.coordinates import LVCoordinates, reference_coordinates
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.files import write_text_atomic
from cardiactwins.infarct.population import InfarctCase

__all__ = [
    "AttributeGeometry",
    "attribute_columns",
    "attribute_geometry",
    "case_attributes",
    "endocardial_extent",
    "infarct_center",
    "infarct_size",
    "lesion_attributes",
    "no_reflow_share",
    "sector_fractions",
    "segment_fractions",
    "transmurality",
    "write_attributes_csv",
]

SPOKES_PER_LEVEL = 72
SPOKE_WIDTH = 2.0
MYOCARDIAL_DENSITY = 1.05
"""Grams a millilitre."""


class AttributeGeometry:
    """The wall of one heart cut into spokes, once, for measuring many lesions of it.

    A spoke is one circumferential bin of one slice: 72 bins a slice (5 degrees), fewer where a bin would be
    narrower than 2 pixels at mid-wall. A dense map counts as slices one voxel thick.

    thickness: (spokes, N) sparse float32. Row s holds the share of the wall thickness that each voxel of the
    spoke stands for: voxels weigh 1 / distance from the long axis, as a ring of radius r has 2 pi r voxels a
    pixel of thickness, and a row sums to 1. So a lesion that reaches the depth d has a share d, not its
    area's. weights: (N,) float64, the same shares, one a voxel.
    endocardium: (N,) float64 share of the endocardial area that each voxel stands for; sums to 1. Only the
    innermost layer of one pixel has a share, and only where there is a cavity.
    spoke_angles: (spokes,) circumferential coordinate of the middle of each spoke.
    """

    def __init__(self, coordinates: LVCoordinates) -> None:
        inside = coordinates.mask
        circumferential, radial = coordinates.circumferential[inside], coordinates.radial[inside]
        ras = coordinates.geometry.kji_to_ras(np.argwhere(inside))
        level = _levels(coordinates, ras)
        center = _means(ras, level)
        pixel = np.sqrt(np.prod(np.sort(coordinates.geometry.spacing)[:2]))
        distance = np.maximum(np.linalg.norm(ras - center[level], axis=1) / pixel, 0.5)

        around = 2 * np.pi * _means(distance[:, None], level)[:, 0]
        bins = np.clip(around / SPOKE_WIDTH, 1, SPOKES_PER_LEVEL).astype(int)
        bin_of_voxel = _bin(circumferential, bins[level])
        occupied, spoke = np.unique(level * SPOKES_PER_LEVEL + bin_of_voxel, return_inverse=True)
        spoke_levels, spoke_bins = np.divmod(occupied, SPOKES_PER_LEVEL)
        self.spoke_angles = (spoke_bins + 0.5) / bins[spoke_levels]

        weight = 1 / distance
        weight /= np.bincount(spoke, weight)[spoke]
        self.weights = weight
        places = (spoke, np.arange(len(spoke)))
        self.thickness = sparse.csr_array((weight.astype(np.float32), places), (len(occupied), len(spoke)))

        wall = (np.bincount(level) / around)[level]
        innermost = (radial * wall <= 1) & (coordinates.longitudinal[inside] <= coordinates.cavity_end + 1e-9)
        arc = np.bincount(level, distance * innermost) / np.maximum(np.bincount(level, innermost), 1) / bins
        area = arc[level] * innermost / np.maximum(np.bincount(spoke, innermost), 1)[spoke]
        self.endocardium = area / area.sum()

    def thickness_shares(self, lesions: NDArray) -> NDArray[np.float32]:
        """Infarcted share of the wall thickness in every spoke, (spokes, n), of lesions (n, N)."""
        return self.thickness @ _columns(lesions)

    def transmurality(self, lesions: NDArray) -> NDArray[np.float64]:
        """See the function of this name."""
        touched = np.count_nonzero(self.thickness_shares(lesions), axis=0)
        return np.asarray(lesions) @ self.weights / np.maximum(touched, 1)


def _levels(coordinates: LVCoordinates, ras: NDArray[np.float64]) -> NDArray[np.int64]:
    """Slice number of every myocardial voxel, (N,); of a dense map, levels one voxel thick along its axis."""
    longitudinal = coordinates.longitudinal[coordinates.mask]
    values, level = np.unique(np.round(longitudinal, 9), return_inverse=True)
    if len(values) <= max(coordinates.mask.shape):
        return level
    slope = np.linalg.lstsq(ras - ras.mean(axis=0), longitudinal - longitudinal.mean(), rcond=None)[0]
    levels = 1 / (np.linalg.norm(slope) * coordinates.geometry.spacing.min())
    return np.unique((longitudinal * levels).astype(int), return_inverse=True)[1]


def _bin(circumferential: NDArray[np.float64], bins: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Bin of each angle; voxels on a border (a grid's diagonal) belong to the bin that starts there."""
    return np.floor(circumferential * bins + 1e-9).astype(int) % bins


def _means(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = [np.bincount(group, column) for column in values.T]
    return np.stack(sums, axis=1) / np.bincount(group)[:, None]


def _columns(lesions: NDArray) -> NDArray[np.float32]:
    """Lesions (n, N) as contiguous float32 columns (N, n); converting before turning is the faster order."""
    return np.ascontiguousarray(np.asarray(lesions).astype(np.float32, copy=False).T)


@lru_cache(maxsize=8)
def attribute_geometry(anatomy: ReferenceAnatomy) -> AttributeGeometry:
    """The spokes of a reference, built at its first use."""
    return AttributeGeometry(reference_coordinates(anatomy))


def infarct_size(lesions: NDArray) -> NDArray[np.float64]:
    """Share of the myocardial voxels that is infarcted, (n,), of lesions (n, N) holding 0 and 1."""
    lesions = np.asarray(lesions)
    if lesions.dtype == bool:
        return np.count_nonzero(lesions, axis=-1) / lesions.shape[-1]
    return lesions.sum(axis=-1, dtype=np.float64) / lesions.shape[-1]


def transmurality(lesions: NDArray, anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Mean depth of the infarct as a share of the wall thickness, (n,), of lesions (n, N) holding 0 and 1.

    The wall is cut into spokes (AttributeGeometry). A lesion's transmurality is the mean, over the spokes
    that contain infarct, of the infarcted share of the spoke's wall thickness; 0 when there is no infarct, 1
    when every spoke it touches is infarcted from endocardium to epicardium. Spokes that the lesion's side
    cuts count with what they hold. konik-2024 uses transmurality beside size in its KL_attr and leaves the
    definition open.
    """
    return attribute_geometry(anatomy).transmurality(lesions)


def endocardial_extent(lesions: NDArray, anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Share of the endocardial area (in 2D: circumference) that is infarcted, (n,), of lesions (n, N)."""
    return np.asarray(lesions) @ attribute_geometry(anatomy).endocardium


@lru_cache(maxsize=16)
def _sectors(anatomy: ReferenceAnatomy, sectors: int) -> sparse.csr_array:
    return _members(_bin(anatomy.circumferential, sectors), sectors)


@lru_cache(maxsize=8)
def _segments(anatomy: ReferenceAnatomy) -> sparse.csr_array:
    return _members(reference_segments(anatomy).astype(int) - 1, 17)


def _members(group: NDArray[np.int64], groups: int) -> sparse.csr_array:
    """(groups, N) sparse, 1 where a voxel belongs to a group."""
    places = (group, np.arange(len(group)))
    return sparse.csr_array((np.ones(len(group), dtype=np.float32), places), (groups, len(group)))


def _fractions(lesions: NDArray, members: sparse.csr_array) -> NDArray[np.float64]:
    """Infarcted share of each group's voxels, (n, groups); NaN for groups without voxels."""
    with np.errstate(invalid="ignore"):
        return (members @ _columns(lesions)).T / np.diff(members.indptr)


def sector_fractions(lesions: NDArray, anatomy: ReferenceAnatomy, sectors: int = 24) -> NDArray[np.float64]:
    """Infarcted share of the voxels of each circumferential sector, (n, sectors), of lesions (n, N).

    Sector 0 starts at the anterior RV insertion. The 24 shares, with the size, are the attributes that the
    code of the authors of konik-2024 compares in KL_attr.
    """
    return _fractions(lesions, _sectors(anatomy, sectors))


def segment_fractions(lesions: NDArray, anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Infarcted share of each of the 17 AHA segments, (n, 17); NaN for those that the reference lacks."""
    return _fractions(lesions, _segments(anatomy))


def infarct_center(lesions: NDArray, anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Mean (circumferential, radial, longitudinal) coordinate of the infarct voxels, (n, 3); NaN without any.

    The circumferential mean is circular, in [0, 1).
    """
    return _center(lesions, anatomy.circumferential, anatomy.radial, anatomy.longitudinal)


def _center(lesions: NDArray, circumferential: NDArray, radial: NDArray, longitudinal: NDArray) -> NDArray:
    wave = np.exp(2j * np.pi * circumferential)
    lesions = np.asarray(lesions, dtype=float)
    sums = lesions @ np.stack([np.ones_like(radial), wave.real, wave.imag, radial, longitudinal], axis=1)
    with np.errstate(invalid="ignore"):
        _, cosine, sine, depth, along = (sums / sums[:, :1]).T
    return np.stack([np.mod(np.arctan2(sine, cosine) / (2 * np.pi), 1.0), depth, along], axis=1)


def no_reflow_share(lesions: NDArray, no_reflow: NDArray) -> NDArray[np.float64]:
    """Share of the infarct that is no-reflow, (n,), of lesions and no-reflow (n, N); 0 without infarct."""
    lesions = np.asarray(lesions, dtype=bool)
    within = np.count_nonzero(np.asarray(no_reflow, dtype=bool) & lesions, axis=-1)
    return within / np.maximum(np.count_nonzero(lesions, axis=-1), 1)


def lesion_attributes(
    lesions: NDArray, anatomy: ReferenceAnatomy, no_reflow: NDArray | None = None
) -> dict[str, NDArray[np.float64]]:
    """All attributes of lesions (n, N) on the reference as named columns (n,), units in the names."""
    center = infarct_center(lesions, anatomy)
    columns = {
        "infarct_size_share": infarct_size(lesions),
        "transmurality_share": transmurality(lesions, anatomy),
        "endocardial_extent_share": endocardial_extent(lesions, anatomy),
        "center_circumferential_turns": center[:, 0],
        "center_radial_share": center[:, 1],
        "center_longitudinal_share": center[:, 2],
    }
    if no_reflow is not None:
        columns["no_reflow_share_of_infarct"] = no_reflow_share(lesions, no_reflow)
    fractions = segment_fractions(lesions, anatomy)
    return columns | {f"aha_{segment + 1:02d}_share": fractions[:, segment] for segment in range(17)}


def case_attributes(
    case: InfarctCase, coordinates: LVCoordinates | None = None, *, real_spacing: bool = True
) -> dict[str, float]:
    """Attributes of one patient on the patient's own grid, units in the names.

    real_spacing: whether the voxel size of the grid is that of the patient; only then are there ml and grams
    (1.05 g/ml). coordinates: of the case; with them come transmurality, endocardial extent, centre and AHA
    segments. ValueError for a case without myocardium.
    """
    myocardium = int(case.myocardium.sum())
    if myocardium == 0:
        raise ValueError(f"{case.identifier}: the myocardium is empty, nothing can be measured in it.")
    infarct = case.infarct & case.myocardium
    row: dict[str, float] = {
        "myocardium_voxels": myocardium,
        "infarct_voxels": int(infarct.sum()),
        "infarct_percent_lv": 100 * infarct.sum() / myocardium,
    }
    if case.no_reflow is not None:
        row["no_reflow_voxels"] = int((case.no_reflow & infarct).sum())
        row["no_reflow_share_of_infarct"] = row["no_reflow_voxels"] / max(row["infarct_voxels"], 1)
    if real_spacing:
        ml = case.geometry.voxel_volume_ml
        row["cavity_ml"] = case.cavity.sum() * ml
        for part in ("myocardium", "infarct", "no_reflow"):
            if f"{part}_voxels" in row:
                row[f"{part}_ml"] = row[f"{part}_voxels"] * ml
                row[f"{part}_g"] = row[f"{part}_ml"] * MYOCARDIAL_DENSITY
    return row if coordinates is None else row | _positions(infarct, coordinates)


def _positions(infarct: NDArray[np.bool_], coordinates: LVCoordinates) -> dict[str, float]:
    inside = coordinates.mask
    lesion = infarct[inside][None]
    geometry = AttributeGeometry(coordinates)
    images = (coordinates.circumferential, coordinates.radial, coordinates.longitudinal)
    turn, depth, along = _center(lesion, *(image[inside] for image in images))[0]
    row = {
        "transmurality_share": float(geometry.transmurality(lesion)[0]),
        "endocardial_extent_share": float(lesion[0] @ geometry.endocardium),
        "center_circumferential_turns": float(turn),
        "center_radial_share": float(depth),
        "center_longitudinal_share": float(along),
    }
    segments = aha_segments(coordinates)[inside]
    for segment in range(1, 18):
        of_segment = lesion[0][segments == segment]
        row[f"aha_{segment:02d}_share"] = float(of_segment.mean()) if of_segment.size else np.nan
    return row


def attribute_columns(rows: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Rows of attributes, one a case, as named columns (n,); NaN where a case lacks an attribute."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=float) for name in names}


def write_attributes_csv(
    path: str | os.PathLike[str], identifiers: Sequence[str], columns: Mapping[str, ArrayLike]
) -> Path:
    """Write one row a case: its name, then the columns (units in their names); empty cells for NaN.

    The file is whole or absent; returns its path. ValueError when a column has not one value a case; OSError
    as write_text_atomic.
    """
    table = {name: np.asarray(column) for name, column in columns.items()}
    for name, column in table.items():
        if column.shape != (len(identifiers),):
            raise ValueError(
                f"Column '{name}' holds {column.shape} values for {len(identifiers)} cases. Give one a case."
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", *table])
    for index, identifier in enumerate(identifiers):
        writer.writerow([identifier, *(_cell(column[index]) for column in table.values())])
    return write_text_atomic(path, text.getvalue())


def _cell(value: object) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.8g}"
    return str(value)
