"""Cine DENSE images: from wrapped phase to the displacement of the tissue seen in each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from cardiactwins.lma.sectors import check_frame_times

__all__ = ["DenseImages", "dense_images", "eulerian_displacement", "phase_from_pixels", "unwrapped_phase"]


@dataclass(frozen=True, eq=False)
class DenseImages:
    """One slice of displacement-encoded images over the beat, balanced for background phase.

    phase: (C, T, J, I) wrapped phase in rad, C = 2 (x, y) or 3 (x, y, through-plane). x runs along image
    columns (axis I), y along rows (axis J), downwards on the screen. mask: (T, J, I) myocardium in each
    frame. times: (T,) ms after the R wave, at which displacement is encoded, rising, intervals may differ.
    ke: (C,) encoding frequency in cycles/mm. pixel: (2,) size of a pixel along x and y in mm.

    Convention: a positive phase is a displacement towards larger x (y, or along the slice normal), and
    displacement = phase / (2 pi ke). The tissue now at x was at x - displacement when it was encoded. Where a
    scanner encodes the other way, `dense_images(signs=...)` turns the phase round. One wrap is 1 / ke mm (10
    mm at 0.1 cycles/mm): tissue that moves more than half of it appears wrapped.
    """

    phase: NDArray[np.float64]
    mask: NDArray[np.bool_]
    times: NDArray[np.float64]
    ke: NDArray[np.float64]
    pixel: NDArray[np.float64]

    @property
    def positions(self) -> NDArray[np.float64]:
        """Pixel centres (J, I, 2) as (x, y) in mm; the first pixel's centre is (0, 0)."""
        rows, columns = np.indices(self.mask.shape[1:])
        return np.stack([columns * self.pixel[0], rows * self.pixel[1]], axis=-1)


def dense_images(
    phase_x: ArrayLike,
    phase_y: ArrayLike,
    mask: ArrayLike,
    times: ArrayLike,
    *,
    ke: ArrayLike | None,
    pixel: ArrayLike,
    phase_z: ArrayLike | None = None,
    signs: tuple[int, ...] | None = None,
) -> DenseImages:
    """`DenseImages` from arrays (T, J, I), checked.

    ke: cycles/mm, one number or one a component. pixel: mm, one number or (x, y). signs: +1 or -1 a
    component, all +1 when None. Outside the mask phase may be anything, NaN too. ValueError for shapes that
    differ, phase outside -pi..pi or not finite inside the mask, a missing or non-positive ke or pixel size,
    times that do not rise or are in seconds, frames without myocardium.
    """
    given = [phase_x, phase_y] if phase_z is None else [phase_x, phase_y, phase_z]
    components = [np.asarray(component, dtype=float) for component in given]
    mask, times = np.asarray(mask) > 0, np.asarray(times, dtype=float)
    shapes = {component.shape for component in components} | {mask.shape}
    if len(shapes) != 1 or mask.ndim != 3:
        raise ValueError(f"Phases and mask must all be (frames, rows, columns); found {sorted(shapes)}.")
    if ke is None or not np.all(np.isfinite(np.asarray(ke, dtype=float)) & (np.asarray(ke, dtype=float) > 0)):
        raise ValueError(
            f"The encoding frequency must be positive, in cycles/mm; found {ke}. It stands in the DICOM "
            "comments or the protocol (0.1 cycles/mm in most published work)."
        )
    pixel = np.broadcast_to(np.asarray(pixel, dtype=float), (2,))
    if not (np.isfinite(pixel) & (pixel > 0)).all():
        raise ValueError(f"The pixel size must be positive, in mm; found {pixel.tolist()}.")
    check_frame_times(times, len(mask))
    empty = np.flatnonzero(~mask.any(axis=(1, 2)))
    if empty.size:
        raise ValueError(
            f"{empty.size} of {len(mask)} frames have no myocardium (first: frame {empty[0] + 1})."
        )
    phase = np.stack(components) * np.reshape(signs or (1,) * len(components), (-1, 1, 1, 1))
    inside = phase[:, mask]
    if not np.isfinite(inside).all():
        frames = np.flatnonzero((~np.isfinite(phase) & mask).any(axis=(0, 2, 3)))
        raise ValueError(
            f"The phase holds NaN inside the myocardium in {frames.size} frames (first: frame "
            f"{frames[0] + 1}). Leave those frames out or mask those pixels."
        )
    if np.abs(inside).max() > np.pi + 1e-3:
        raise ValueError(
            f"Phase must lie in -pi..pi rad; found {inside.min():.1f} to {inside.max():.1f}. Use "
            "phase_from_pixels for stored values."
        )
    return DenseImages(phase, mask, times, np.broadcast_to(np.asarray(ke, float), (len(phase),)), pixel)


def phase_from_pixels(pixels: ArrayLike, lowest: float = 0.0, highest: float = 4096.0) -> NDArray[np.float64]:
    """Phase in rad, -pi at the stored value `lowest` and pi at `highest` (12 bits by default)."""
    if not highest > lowest:
        raise ValueError(f"The stored range must rise; found {lowest} to {highest}.")
    share = (np.asarray(pixels, dtype=float) - lowest) / (highest - lowest)
    return 2 * np.pi * share - np.pi


def unwrapped_phase(images: DenseImages) -> NDArray[np.float64]:
    """Phase (C, T, J, I) in rad without wraps, NaN outside the mask.

    Each component is unwrapped in space and time at once along the most reliable neighbours first
    (Abdul-Rahman et al. 2007; `skimage.restoration.unwrap_phase`). What that leaves open, a multiple of 2 pi
    for each connected region, is settled region by region and frame by frame from the reference on: the
    tissue has not moved at time zero, and moves less than half a wrap between frames (as a median over the
    region). So the order of the frames matters, their intervals do not.
    """
    from skimage.restoration import unwrap_phase

    unwrapped = np.full(images.phase.shape, np.nan)
    for component, phase in zip(unwrapped, images.phase, strict=True):
        # One NaN is enough for the unwrapping to go on without end, even where it is masked.
        masked = np.ma.masked_array(np.where(images.mask, phase, 0.0), ~images.mask)
        component[images.mask] = np.ma.getdata(unwrap_phase(masked, rng=0))[images.mask]
        _settle_wraps(component, images.mask)
    return unwrapped


def eulerian_displacement(images: DenseImages) -> NDArray[np.float64]:
    """Displacement (C, T, J, I) in mm since time zero of the tissue now in each pixel (NaN: no tissue)."""
    return unwrapped_phase(images) / (2 * np.pi * images.ke[:, None, None, None])


def _settle_wraps(phase: NDArray[np.float64], mask: NDArray[np.bool_]) -> None:
    """Shift each frame's regions in place by the multiple of 2 pi nearest to the frame before."""
    seen, known = None, None
    for frame, inside in zip(phase, mask, strict=True):
        regions, count = ndimage.label(inside)
        for region in range(1, count + 1):
            where = regions == region
            expected = 0.0 if seen is None else known[seen.query(np.argwhere(where))[1]]
            frame[where] -= 2 * np.pi * np.round(np.median(frame[where] - expected) / (2 * np.pi))
        seen, known = cKDTree(np.argwhere(inside)), frame[inside]
