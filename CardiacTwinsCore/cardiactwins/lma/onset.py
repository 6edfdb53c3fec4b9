"""Time to the onset of circumferential shortening (TOS) by a Bayesian change point on a ring of sectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.lma.low_rank import low_rank, noise_level
from cardiactwins.lma.sectors import checked_strain_matrix

__all__ = ["OnsetEstimate", "estimate_onset", "peak_shortening"]

STEP_MS = 4.0
LATEST = 0.75
"""Latest onset that is considered, as a share of the time of the slice's peak shortening."""
WINDOW = 0.85
"""Part of the time to a sector's peak shortening by which its onset is judged."""
AMPLITUDES = (0.25, 0.5, 0.75, 1.0, 1.3, 1.7)
"""Rates of shortening, as shares of the slice's, that are considered for each sector (scar to strong)."""
SPEED_SPREAD = 0.2
"""SD of the rate about each of `AMPLITUDES`, as a share of it."""
WANDERING_MS = 600.0
"""Time within which the rate of shortening may change by as much as it is."""
ROUNDING_MS = 4.0
"""Time within which a sector reaches its rate of shortening after the onset."""
STRETCHES = (0.0, 0.15, 0.3)
"""Rates of stretch before the onset that are considered, as shares of the rate of shortening."""
STRETCH_SPREAD = 0.06
"""SD of the rate before the onset about each of `STRETCHES`: drift, and hardly any shortening."""
BENDING_MS = 100.0
"""Time within which the rate before the onset may change by this SD."""
OFFSET = 0.005
"""SD of a strain that does not begin at zero."""
COUPLING_MS_PER_TURN = 180.0
BLOCK = 0.05
"""Probability that TOS jumps to any value from one sector to the next (a line of block)."""


@dataclass(frozen=True, eq=False)
class OnsetEstimate:
    """TOS of each sector in ms after time zero.

    tos: (S,) posterior median. sd: (S,) posterior standard deviation. lower, upper: (S,) ends of the 90 %
    interval. noise: SD of the strain's noise that the estimate reckoned with.
    """

    tos: NDArray[np.float64]
    sd: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    noise: float


def estimate_onset(
    strain: ArrayLike,
    times: ArrayLike,
    *,
    sectors: int | None = None,
    noise: float | None = None,
    latest: float | None = None,
    coupling: float = COUPLING_MS_PER_TURN,
) -> OnsetEstimate:
    """TOS of every sector of a strain matrix.

    strain: (S, T) circumferential strain, rows the sectors around the wall (row S-1 beside row 0), negative
    is shortening; as measured (`SliceStrain.measured_matrix`), since smoothing hides the noise. times: (T,)
    ms, rising, intervals may differ. sectors: the number of rows that is expected (any when None). noise: SD
    of the strain's noise; estimated by `noise_level` when None. latest: latest onset considered in ms (when
    None, three quarters of the time to the slice's peak shortening). coupling: typical change of TOS in ms
    over a whole turn if it kept on growing; the smaller, the smoother.

    Time zero is the R wave, at which displacement is encoded and strain is zero by definition. Onset is the
    time at which a sector turns from rest or stretch into shortening that goes on. No sector is earlier than
    one frame interval (the median one) after time zero.

    Model, for each candidate onset o: strain = c + b min(t, o) - a max(t - o, 0) + wandering + noise, a
    broken line (slightly rounded) with an offset c, a rate b of stretch or drift and a rate a of shortening,
    both of which may wander (integrated Wiener processes). All of it is normal for given mean rates, so the
    likelihood of o is that of a Gaussian process, averaged over plausible rates. Onsets of neighbours round
    the ring differ by a Laplace distribution, now and then by a jump; the sum-product algorithm gives the
    exact posterior of each sector under this model.

    ValueError for NaN, a wrong number of sectors, times that do not fit, or no shortening.
    """
    strain, times = checked_strain_matrix(strain, times, sectors)
    noise = noise_level(strain) if noise is None else float(noise)
    interval = float(np.median(np.diff(times)))
    denoised = low_rank(strain, 3)
    mean_curve = denoised.mean(axis=0)
    peak_frame = peak_shortening(denoised)
    latest = LATEST * float(times[peak_frame]) if latest is None else float(latest)
    if latest <= interval:
        raise ValueError(f"The latest onset ({latest:.0f} ms) must lie after the first frame interval.")
    candidates = np.arange(interval, latest, STEP_MS)
    last = _last_frames(denoised, times, peak_frame)
    rate = -mean_curve[peak_frame] / (0.7 * times[peak_frame])
    frames = slice(0, int(last.max()) + 1)
    likelihood = _log_likelihood(strain[:, frames], times[frames], last, candidates, rate, noise)
    posterior = _ring_posterior(likelihood, candidates, coupling / len(strain))
    quantile = _quantiles(posterior, candidates, (0.05, 0.5, 0.95))
    mean = posterior @ candidates
    variance = posterior @ candidates**2 - mean**2 + STEP_MS**2 / 12
    return OnsetEstimate(quantile[1], np.sqrt(variance), quantile[0], quantile[2], noise)


def peak_shortening(denoised: NDArray[np.float64]) -> int:
    """Frame in which the mean over the sectors of a denoised strain matrix (S, T) is lowest.

    ValueError when it is not below zero, or in one of the first three frames: the slice does not shorten.
    """
    mean_curve = denoised.mean(axis=0)
    frame = int(np.argmin(mean_curve))
    if frame < 3 or mean_curve[frame] >= 0:
        raise ValueError(
            "The strain matrix shows no shortening (its mean is lowest "
            f"{mean_curve[frame]:.3f} at frame {frame}). Check the sign of strain: shortening is negative."
        )
    return frame


def _last_frames(
    denoised: NDArray[np.float64], times: NDArray[np.float64], peak_frame: int
) -> NDArray[np.intp]:
    """Last frame (S,) by which each sector's onset is judged, before shortening slows down."""
    peak = times[peak_frame]
    own = np.clip(times[np.argmin(denoised, axis=1)], 0.75 * peak, 1.25 * peak)
    return np.maximum(np.searchsorted(times, WINDOW * own, side="right") - 1, 3)


def _log_likelihood(
    strain: NDArray[np.float64],
    times: NDArray[np.float64],
    last: NDArray[np.intp],
    candidates: NDArray[np.float64],
    rate: float,
    noise: float,
) -> NDArray[np.float64]:
    """Log-likelihood (S, K) of each candidate onset, averaged over `AMPLITUDES` and `STRETCHES`.

    Each sector's curve counts up to its frame `last` (S,). The Cholesky factor of a part that begins with the
    first frame is part of the whole factor, so that one serves all sectors.
    """
    after = np.maximum(times - candidates[:, None], 0)
    before = np.minimum(times, candidates[:, None])
    ramp = after - ROUNDING_MS * (1 - np.exp(-after / ROUNDING_MS))
    wandering, bending = _integrated_wiener(after), _integrated_wiener(before)
    fixed = noise**2 * np.eye(len(times)) + OFFSET**2
    fixed = fixed + (STRETCH_SPREAD * rate) ** 2 * (
        before[:, :, None] * before[:, None, :] + bending / BENDING_MS
    )
    terms = []
    for amplitude in AMPLITUDES:
        speed = amplitude * rate
        covariance = fixed + speed**2 * (
            SPEED_SPREAD**2 * ramp[:, :, None] * ramp[:, None, :] + wandering / WANDERING_MS
        )
        factor = np.linalg.cholesky(covariance)
        scale = np.diagonal(factor, axis1=1, axis2=2)
        data = np.broadcast_to(strain.T, (len(candidates), *strain.T.shape))
        mean = np.stack([rate * before, speed * ramp], axis=2)
        white = np.linalg.solve(factor, np.concatenate([data, mean], axis=2))
        for stretch in STRETCHES:
            expected = stretch * white[:, :, -2:-1] - white[:, :, -1:]
            residual = white[:, :, :-2] - expected
            log_density = -0.5 * residual**2 - np.log(scale)[:, :, None]
            terms.append(np.cumsum(log_density, axis=1)[:, last, np.arange(len(strain))])
    return np.logaddexp.reduce(terms).T


def _integrated_wiener(span: NDArray[np.float64]) -> NDArray[np.float64]:
    """Covariance (K, T, T) of an integrated Wiener process that started `span` (K, T) ago."""
    shorter = np.minimum(span[:, :, None], span[:, None, :])
    longer = np.maximum(span[:, :, None], span[:, None, :])
    return shorter**2 * (3 * longer - shorter) / 6


def _ring_posterior(
    log_likelihood: NDArray[np.float64], candidates: NDArray[np.float64], scale: float
) -> NDArray[np.float64]:
    """Posterior (S, K) of the onsets when neighbours round the ring differ by Laplace(scale).

    The posterior of a sector is the diagonal of the product of all the ring's transfer matrices, begun and
    ended at that sector.
    """
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    decay = np.exp(-STEP_MS / scale)
    coupling = np.exp(-np.abs(candidates[:, None] - candidates) / scale) * (1 - decay) / (1 + decay)
    coupling = (1 - BLOCK) * coupling + BLOCK / len(candidates)
    transfer = likelihood[:, :, None] * coupling
    n, size = likelihood.shape
    before = [np.eye(size)]
    for step in transfer:
        product = before[-1] @ step
        before.append(product / product.max())
    beyond = [np.eye(size)]
    for step in transfer[::-1]:
        product = step @ beyond[-1]
        beyond.append(product / product.max())
    posterior = np.stack([np.einsum("ab,ba->a", beyond[n - s], before[s]) for s in range(n)])
    return posterior / posterior.sum(axis=1, keepdims=True)


def _quantiles(
    posterior: NDArray[np.float64], candidates: NDArray[np.float64], levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """Quantiles (len(levels), S); a candidate stands for the STEP_MS around it, none below the first."""
    edges = np.append(candidates - STEP_MS / 2, candidates[-1] + STEP_MS / 2)
    cumulative = np.pad(np.cumsum(posterior, axis=1), ((0, 0), (1, 0)))
    found = np.stack([np.interp(levels, row, edges) for row in cumulative], axis=1)
    return np.maximum(found, candidates[0])
