"""What describes an infarct in numbers: size, transmurality, extent, segments, centre."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cardiactwins.anatomy.reference import ReferenceAnatomy

__all__ = [
    "AttributeGeometry",
    "attribute_geometry",
    "infarct_size",
    "sector_fractions",
    "sector_transmurality",
    "transmurality",
]

SPOKES_PER_SLICE = 72
SPOKE_WIDTH = 2.0


class AttributeGeometry:
    """The wall cut into spokes, once for a reference, for measuring many lesions.

    A spoke is one circumferential bin of one slice: 72 bins a slice (5 degrees), fewer where a bin would be
    narrower than 2 pixels at mid-wall.

    thickness: (spokes, N) sparse float32. Row s holds the share of the wall thickness that each voxel of the
    spoke stands for: voxels weigh 1 / distance from the long axis, as a ring of radius r has 2 pi r voxels a
    pixel of thickness, and a row sums to 1. So a lesion that reaches the depth d has a share d, not its area's.
    endocardium: (N,) float64 share of the endocardial area that each voxel stands for; sums to 1.
    spoke_slices: (spokes,) slice of each spoke. spoke_angles: (spokes,) circumferential coordinate of its middle.
    """

    def __init__(self, anatomy: ReferenceAnatomy) -> None:
        slices = anatomy.indices[:, 0]
        endocardial_radius, epicardial_radius = anatomy.slice_radii
        mid_wall = np.pi * (endocardial_radius + epicardial_radius)
        bins = np.clip(mid_wall / SPOKE_WIDTH, 1, SPOKES_PER_SLICE).astype(int)
        bin_of_voxel = np.minimum((anatomy.circumferential * bins[slices]).astype(int), bins[slices] - 1)
        occupied, spoke = np.unique(slices * SPOKES_PER_SLICE + bin_of_voxel, return_inverse=True)
        self.spoke_slices = occupied // SPOKES_PER_SLICE
        self.spoke_angles = (occupied % SPOKES_PER_SLICE + 0.5) / bins[self.spoke_slices]

        weight = 1 / np.hypot(anatomy.positions[:, 0], anatomy.positions[:, 1])
        weight /= np.bincount(spoke, weight)[spoke]
        voxels = np.arange(anatomy.n_voxels)
        self.thickness = sparse.csr_array(
            (weight.astype(np.float32), (spoke, voxels)), shape=(len(occupied), anatomy.n_voxels)
        )

        touches = _beside_cavity(anatomy)
        area = (endocardial_radius / bins)[slices] * touches
        area /= np.maximum(np.bincount(spoke, touches), 1)[spoke]
        self.endocardium = area / area.sum()

    def thickness_shares(self, lesions: NDArray) -> NDArray[np.float32]:
        """Infarcted share of the wall thickness in every spoke, (spokes, n), of lesions (n, N)."""
        return self.thickness @ _columns(lesions)


def _columns(lesions: NDArray) -> NDArray[np.float32]:
    """Lesions (n, N) as contiguous float32 columns (N, n); converting before turning is the faster order."""
    return np.ascontiguousarray(np.asarray(lesions).astype(np.float32, copy=False).T)


def _beside_cavity(anatomy: ReferenceAnatomy) -> NDArray[np.bool_]:
    """Myocardial voxels with an in-plane neighbour in the cavity, (N,)."""
    cavity = np.pad(anatomy.cavity, ((0, 0), (1, 1), (1, 1)))
    beside = cavity[:, 2:, 1:-1] | cavity[:, :-2, 1:-1] | cavity[:, 1:-1, 2:] | cavity[:, 1:-1, :-2]
    return anatomy.from_image(beside)


@lru_cache(maxsize=8)
def attribute_geometry(anatomy: ReferenceAnatomy) -> AttributeGeometry:
    """The spokes of a reference, built at its first use."""
    return AttributeGeometry(anatomy)


def infarct_size(lesions: NDArray) -> NDArray[np.float64]:
    """Share of the myocardial voxels that is infarcted, (n,), of lesions (n, N) holding 0 and 1 of any type."""
    lesions = np.asarray(lesions)
    if lesions.dtype == bool:
        return np.count_nonzero(lesions, axis=-1) / lesions.shape[-1]
    return lesions.sum(axis=-1, dtype=np.float64) / lesions.shape[-1]


def transmurality(lesions: NDArray, anatomy: ReferenceAnatomy) -> NDArray[np.float64]:
    """Mean depth of the infarct as a share of the wall thickness, (n,), of lesions (n, N) holding 0 and 1.

    The wall is cut into spokes (AttributeGeometry). A lesion's transmurality is the mean, over the spokes that
    contain infarct, of the infarcted share of the spoke's wall thickness; 0 when there is no infarct, 1 when every
    spoke it touches is infarcted from endocardium to epicardium. konik-2024 uses transmurality beside size in its
    KL_attr and leaves the definition open.
    """
    shares = attribute_geometry(anatomy).thickness_shares(lesions)
    touched = np.count_nonzero(shares, axis=0)
    return shares.sum(axis=0, dtype=np.float64) / np.maximum(touched, 1)


def sector_transmurality(
    lesions: NDArray, anatomy: ReferenceAnatomy, sectors: int = 24
) -> NDArray[np.float64]:
    """Transmurality in each of the circumferential sectors, (n, sectors): the mean over its spokes with infarct."""
    geometry = attribute_geometry(anatomy)
    shares = geometry.thickness_shares(lesions)
    sector = (geometry.spoke_angles * sectors).astype(int)
    members = sparse.csr_array(
        (np.ones(len(sector)), (sector, np.arange(len(sector)))), (sectors, len(sector))
    )
    return ((members @ shares) / np.maximum(members @ (shares > 0), 1)).T


@lru_cache(maxsize=16)
def _sector_matrix(anatomy: ReferenceAnatomy, sectors: int) -> sparse.csr_array:
    sector = np.minimum((anatomy.circumferential * sectors).astype(int), sectors - 1)
    count = np.bincount(sector, minlength=sectors)
    voxels = np.arange(anatomy.n_voxels)
    share = (1 / count[sector]).astype(np.float32)
    return sparse.csr_array((share, (sector, voxels)), shape=(sectors, anatomy.n_voxels))


def sector_fractions(lesions: NDArray, anatomy: ReferenceAnatomy, sectors: int = 24) -> NDArray[np.float64]:
    """Infarcted share of the voxels of each circumferential sector, (n, sectors), of lesions (n, N).

    Sector 0 starts at the anterior RV insertion. The 24 shares, with the size, are the attributes that the code
    of the authors of konik-2024 compares in KL_attr.
    """
    return (_sector_matrix(anatomy, sectors) @ _columns(lesions)).T.astype(np.float64)
