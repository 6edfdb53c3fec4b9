"""The infarct in a late-enhancement image, inside a given myocardium: full width at half maximum and n-SD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

__all__ = ["EnhancedInfarct", "automatic_remote", "fwhm_infarct", "n_sd_infarct"]

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]

REMOTE_SHARE = 0.25
SMALLEST_SLICE = 16
HYPERENHANCED_SD = 2.0
INFARCTED_SD = 5.0


@dataclass(frozen=True, eq=False)
class EnhancedInfarct:
    """What a threshold found in the wall.

    infarct: (k, j, i) bool, with no-reflow where it was asked for. no_reflow: (k, j, i) bool, dark holes in
    it.
    remote: (k, j, i) bool, the wall taken as healthy. thresholds: (k,) intensity in each slice above which
    the wall is infarcted.
    """

    infarct: Mask
    no_reflow: Mask
    remote: Mask
    thresholds: Values


def automatic_remote(image: ArrayLike, myocardium: ArrayLike) -> Mask:
    """Healthy wall (k, j, i): in each slice the contiguous quarter of the wall of lowest mean intensity.

    The quarter holds a quarter of the slice's voxels, taken in the order of their angle about their centre.
    Slices with fewer than 16 voxels of wall get none. ValueError as fwhm_infarct, or when no slice has
    enough.
    """
    image, myocardium = _checked(image, myocardium)
    remote = np.zeros(image.shape, dtype=bool)
    for intensity, wall, found in zip(image, myocardium, remote, strict=True):
        voxels = np.argwhere(wall)
        if len(voxels) < SMALLEST_SLICE:
            continue
        rows, columns = (voxels - voxels.mean(axis=0)).T
        ring = voxels[np.argsort(np.arctan2(rows, columns), kind="stable")]
        width = round(REMOTE_SHARE * len(ring))
        running = np.concatenate([[0.0], np.cumsum(np.tile(intensity[tuple(ring.T)], 2))])
        sums = running[width : width + len(ring)] - running[: len(ring)]
        darkest = np.arange(np.argmin(sums), np.argmin(sums) + width) % len(ring)
        found[tuple(ring[darkest].T)] = True
    if not remote.any():
        raise ValueError(
            f"No slice has the {SMALLEST_SLICE} voxels of myocardium that an automatic remote region needs. "
            "Paint a remote region instead."
        )
    return remote


def fwhm_infarct(
    image: ArrayLike,
    myocardium: ArrayLike,
    *,
    remote: ArrayLike | None = None,
    baseline: float | None = 0.0,
    peak: float = 1.0,
    slicewise: bool = False,
    smallest_island: int = 0,
    include_no_reflow: bool = True,
    cavity: ArrayLike | None = None,
) -> EnhancedInfarct:
    """Infarct by the full width at half maximum: wall brighter than half of the brightest enhancement.

    After Amado et al. (J Am Coll Cardiol 44:2383, 2004), where half of the maximal signal inside the
    hyperenhanced region is the threshold; Flett et al. (JACC Cardiovasc Imaging 4:150, 2011) found it the
    most reproducible of seven methods. Hyperenhanced here: the largest connected part of the wall that is
    more than 2 SD above remote; when its brightest voxels are not 5 SD above remote, there is no infarct.

    image, myocardium: (k, j, i) intensities and bool. remote: (k, j, i) bool, painted healthy wall; None:
    automatic_remote. baseline: intensity from which the height is halved, 0 as published, where healthy wall
    is nulled; None: the remote mean, for images with another zero (phase-sensitive, rescaled).
    peak: quantile of the hyperenhanced region that counts as its maximum; below 1 it resists single voxels.
    slicewise: the remote mean is each slice's own, for slices that were rescaled one by one.
    smallest_island: connected infarct of fewer voxels is dropped. include_no_reflow: healthy-looking wall
    that infarct cuts off from the epicardium, in the slice, is no-reflow and counts as infarct. cavity: (k,
    j, i) bool, or None for what each slice's myocardium encloses.

    ValueError when shapes differ, the image is not finite, there is no myocardium, or the remote region is
    empty or leaves the myocardium.
    """
    image, myocardium = _checked(image, myocardium)
    if not 0 < peak <= 1:
        raise ValueError(f"The peak is a quantile in (0, 1]; found {peak}.")
    remote = _remote(image, myocardium, remote)
    mean, deviation = _remote_statistics(image, remote, slicewise)
    spread = np.sqrt(np.mean(deviation**2))

    above_remote = (image - mean[:, None, None]) / max(spread, 1e-12)
    hyperenhanced = _largest(myocardium & (above_remote > HYPERENHANCED_SD))
    thresholds = np.full(len(image), np.inf)
    if hyperenhanced.any() and np.quantile(above_remote[hyperenhanced], peak) >= INFARCTED_SD:
        floor = mean if baseline is None else np.full(len(image), float(baseline))
        height = np.quantile((image - floor[:, None, None])[hyperenhanced], peak)
        thresholds = floor + height / 2
    return _thresholded(image, myocardium, remote, thresholds, smallest_island, include_no_reflow, cavity)


def n_sd_infarct(
    image: ArrayLike,
    myocardium: ArrayLike,
    n: float = 5.0,
    remote: ArrayLike | None = None,
    *,
    slicewise: bool = False,
    smallest_island: int = 0,
    include_no_reflow: bool = True,
    cavity: ArrayLike | None = None,
) -> EnhancedInfarct:
    """Infarct as the wall brighter than the remote mean by more than n standard deviations of remote.

    2 SD: Kim et al. (Circulation 100:1992, 1999); 5 SD and others are compared by Flett et al. (2011).
    slicewise: mean and SD are each slice's own. The other arguments and errors are those of fwhm_infarct.
    """
    image, myocardium = _checked(image, myocardium)
    remote = _remote(image, myocardium, remote)
    mean, deviation = _remote_statistics(image, remote, slicewise)
    thresholds = mean + n * deviation
    return _thresholded(image, myocardium, remote, thresholds, smallest_island, include_no_reflow, cavity)


def _checked(image: ArrayLike, myocardium: ArrayLike) -> tuple[Values, Mask]:
    image, myocardium = np.asarray(image, dtype=float), np.asarray(myocardium, dtype=bool)
    if image.ndim != 3 or image.shape != myocardium.shape:
        raise ValueError(
            f"The image and the myocardium must share one grid (k, j, i); found {image.shape} and "
            f"{myocardium.shape}. Resample the segmentation to the image."
        )
    if not myocardium.any():
        raise ValueError("The myocardium is empty. Segment the left-ventricular wall on this image first.")
    if not np.isfinite(image[myocardium]).all():
        raise ValueError("The image holds NaN or infinite values inside the myocardium. Check its import.")
    return image, myocardium


def _remote(image: Values, myocardium: Mask, painted: ArrayLike | None) -> Mask:
    if painted is None:
        return automatic_remote(image, myocardium)
    painted = np.asarray(painted, dtype=bool)
    if painted.shape != image.shape:
        raise ValueError(f"The remote region has shape {painted.shape}, the image {image.shape}.")
    outside = int((painted & ~myocardium).sum())
    if outside or not painted.any():
        found = f"{outside:,} of {painted.sum():,} voxels lie outside" if outside else "it is empty"
        raise ValueError(f"The remote region must be painted inside the myocardium: {found}.")
    return painted


def _remote_statistics(image: Values, remote: Mask, slicewise: bool) -> tuple[Values, Values]:
    """Mean and SD of remote for every slice, each (k,): of the stack, or its own where it has remote."""
    mean = np.full(len(image), image[remote].mean())
    deviation = np.full(len(image), image[remote].std())
    if slicewise:
        for k in np.flatnonzero(remote.any(axis=(1, 2))):
            own = image[k][remote[k]]
            mean[k], deviation[k] = own.mean(), own.std()
    return mean, deviation


def _thresholded(
    image: Values,
    myocardium: Mask,
    remote: Mask,
    thresholds: Values,
    smallest_island: int,
    include_no_reflow: bool,
    cavity: ArrayLike | None,
) -> EnhancedInfarct:
    bright = _without_islands(myocardium & (image > thresholds[:, None, None]), smallest_island)
    no_reflow = np.zeros_like(bright)
    if include_no_reflow:
        for k in np.flatnonzero(bright.any(axis=(1, 2))):
            blood = ndimage.binary_fill_holes(myocardium[k]) if cavity is None else np.asarray(cavity)[k]
            no_reflow[k] = _cut_off(myocardium[k] & ~bright[k], ~(myocardium[k] | blood))
    return EnhancedInfarct(bright | no_reflow, no_reflow, remote, thresholds)


def _cut_off(dark: Mask, outside: Mask) -> Mask:
    """Connected parts of the dark wall in one slice that do not reach the epicardium."""
    parts, count = ndimage.label(dark)
    free = np.zeros(count + 1, dtype=bool)
    free[parts[ndimage.binary_dilation(outside, border_value=1)]] = True
    free[0] = True
    return ~free[parts]


def _largest(mask: Mask) -> Mask:
    parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
    return parts == np.argmax(np.bincount(parts[mask], minlength=2)) if count else mask


def _without_islands(mask: Mask, smallest: int) -> Mask:
    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    return mask & (np.bincount(parts.ravel()) >= smallest)[parts]
