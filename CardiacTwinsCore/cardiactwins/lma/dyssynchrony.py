"""How unlike the parts of a left ventricle shorten in time, in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["cure", "tos_spread"]


def tos_spread(tos: ArrayLike) -> float:
    """SD-TOS: standard deviation (ms) of the time to onset of shortening over all sectors and slices.

    NaN sectors are left out. ValueError with fewer than two sectors.
    """
    values = np.asarray(tos, dtype=float)
    values = values[np.isfinite(values)]
    if values.size < 2:
        raise ValueError(f"SD-TOS needs at least two sectors with a value; found {values.size}.")
    return float(values.std(ddof=1))


def cure(strain: ArrayLike) -> float:
    """Circumferential uniformity ratio estimate: 1 for sectors that shorten as one, 0 for halves that oppose.

    strain: (slices, sectors, frames) or (sectors, frames) circumferential strain. Around the circumference
    of each slice and frame, S0 is the power of the mean and S1 that of the first harmonic; CURE is the square
    root of sum S0 / (sum S0 + 2 sum S1) over slices and frames (Leclercq et al., Circulation 106:1760, 2002;
    Bilchick et al., JACC Cardiovasc Imaging 1:561, 2008). ValueError for fewer than 4 sectors, NaN, or
    strain that is zero everywhere.
    """
    strain = np.asarray(strain, dtype=float)
    if strain.ndim not in (2, 3) or strain.shape[-2] < 4:
        raise ValueError(
            "Strain is (slices, sectors, frames) or (sectors, frames) with 4 sectors or more; found "
            f"{strain.shape}."
        )
    if not np.isfinite(strain).all():
        raise ValueError("Strain holds NaN or infinite values. Interpolate or leave out these sectors.")
    power = np.abs(np.fft.rfft(strain, axis=-2)) ** 2
    zeroth, first = power[..., 0, :].sum(), power[..., 1, :].sum()
    if zeroth + first == 0:
        raise ValueError("Strain is zero everywhere: there is no shortening to compare.")
    return float(np.sqrt(zeroth / (zeroth + 2 * first)))
