"""Simulated circumferential strain matrices whose time to onset of shortening (TOS) is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PATTERNS", "StrainPhantom", "activation_times", "simulate_strain", "strain_curves"]

PATTERNS = ("normal", "LBBB", "RBBB", "paced")
SEPTUM = 1 / 6
"""Circumferential position (turns from the anterior insertion) of the middle of the septum."""
LATERAL = 0.68


@dataclass(frozen=True, eq=False)
class StrainPhantom:
    """A simulated slice: what a measurement would show, and the truth behind it.

    strain: (S, T) Green-Lagrange circumferential strain with noise and drift; clean: (S, T) without them.
    times: (T,) ms after the R wave. onset: (S,) true TOS in ms. infarct: (S,) bool, sectors with reduced
    strain. pattern: one of `PATTERNS`. snr: largest absolute sector mean of `clean` over the SD of the noise
    in the first frame (infinite: no noise).
    """

    strain: NDArray[np.float64]
    clean: NDArray[np.float64]
    times: NDArray[np.float64]
    onset: NDArray[np.float64]
    infarct: NDArray[np.bool_]
    pattern: str
    snr: float

    def rolled(self, sectors: int) -> StrainPhantom:
        """The same heart with its sectors counted from elsewhere: rows and truth move the same way."""
        rows = {
            name: np.roll(getattr(self, name), sectors, axis=0)
            for name in ("strain", "clean", "onset", "infarct")
        }
        return StrainPhantom(**rows, times=self.times, pattern=self.pattern, snr=self.snr)


def simulate_strain(
    pattern: str,
    rng: np.random.Generator,
    *,
    sectors: int = 18,
    snr: float = 15.0,
    heart_rate: float | None = None,
    frame_ms: float = 17.0,
    jitter: float = 0.0,
    drift: float = 0.01,
    infarct_width: float = 0.0,
    noise_growth: float = 1.5,
) -> StrainPhantom:
    """A random heart of an activation pattern, measured once.

    sectors are counted counter-clockwise seen from the apex from the anterior insertion; row s stands for the
    middle of sector s. heart_rate: beats per minute, drawn from 55-95 when None; the frames cover 85 % of the
    beat. frame_ms: interval of the frames, the first being at one interval after the R wave. jitter: share by
    which frame times deviate from even ones. drift: SD of the strain that a linear drift adds at the end of
    the beat. infarct_width: width in turns of an infarct at a random place, whose strain is reduced to 10-40
    %. noise_growth: factor by which the noise grows until the last frame, as the magnetisation decays.

    ValueError for an unknown pattern, fewer than 4 sectors, or SNR, heart rate or interval not positive.
    """
    if sectors < 4:
        raise ValueError(f"A strain matrix needs at least 4 sectors; found {sectors}.")
    for name, value in (("SNR", snr), ("Frame interval", frame_ms), ("Heart rate", heart_rate or 70.0)):
        if not value > 0:
            raise ValueError(f"{name} must be positive; found {value}.")
    turns = (np.arange(sectors) + 0.5) / sectors
    onset = activation_times(pattern, turns, rng)
    rate = rng.uniform(55, 95) if heart_rate is None else heart_rate
    beat = 60_000.0 / rate
    times = frame_ms * np.arange(1, int(0.85 * beat / frame_ms) + 1)
    times = times + jitter * frame_ms * rng.uniform(-0.5, 0.5, len(times))
    scar = _distance(turns, rng.random()) < infarct_width / 2
    amplitude = rng.uniform(0.12, 0.22) * (1 + 0.15 * np.cos(2 * np.pi * (turns - rng.random())))
    amplitude = np.where(scar, amplitude * rng.uniform(0.1, 0.4), amplitude)
    clean = strain_curves(times, onset, amplitude, beat, rng)
    noise_sd = np.abs(clean.mean(axis=0)).max() / snr * np.linspace(1, noise_growth, len(times))
    slope = rng.normal(0, drift) + rng.normal(0, drift / 2) * np.cos(2 * np.pi * (turns - rng.random()))
    noise = noise_sd * rng.standard_normal(clean.shape)
    strain = clean + slope[:, None] * times / beat + noise
    return StrainPhantom(strain, clean, times, onset, scar, pattern, snr)


def activation_times(
    pattern: str, turns: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Onset of shortening in ms at circumferential positions (turns from the anterior insertion).

    normal: all within about 30 ms, the septum first. LBBB: the septum at 25-45 ms, the lateral wall 80-150 ms
    later, with a line of block at the borders of the septum in half of the hearts (U-shaped activation,
    Auricchio et al. 2004). RBBB: the lateral wall first, the septum 30-60 ms later. paced: from a site
    anywhere, in proportion to the distance round the wall. ValueError for an unknown pattern.
    """
    early, jitter = rng.uniform(25, 45), rng.uniform(-0.06, 0.06)
    if pattern == "normal":
        spread, site = rng.uniform(10, 30), SEPTUM + jitter
        share = 0.5 - 0.5 * np.cos(2 * np.pi * _distance(turns, site))
    elif pattern == "LBBB":
        spread, site = rng.uniform(80, 150), SEPTUM + jitter
        distance = 2 * _distance(turns, site)
        block = rng.uniform(0.1, 0.4) * (rng.random() < 0.5)
        share = (1 - block) * (0.5 - 0.5 * np.cos(np.pi * distance)) + block / (
            1 + np.exp(-(distance - 0.38) / 0.05)
        )
    elif pattern == "RBBB":
        spread, site = rng.uniform(30, 60), LATERAL + jitter
        share = 0.5 - 0.5 * np.cos(2 * np.pi * _distance(turns, site))
    elif pattern == "paced":
        spread, site = rng.uniform(60, 140), rng.random()
        share = 2 * _distance(turns, site)
    else:
        raise ValueError(f"Activation patterns are {', '.join(PATTERNS)}; found {pattern!r}.")
    return early + spread * share


def strain_curves(
    times: NDArray[np.float64],
    onset: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    beat: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Strain (S, T) without noise of sectors that begin to shorten at `onset` (S,) and reach -`amplitude`.

    From the first onset of the slice to its own, a sector is stretched by what has already contracted (up to
    a quarter of its amplitude for a delay of 100 ms); at its onset this turns into shortening, exactly there
    and not before. Shortening follows a power of a sine up to its peak, which lies at aortic closure (QS2 =
    546 - 2.1 heart rate, Weissler et al. 1968) or, for late sectors, after it. Early sectors are stretched
    back while the late ones contract (rebound). Relaxation follows a sigmoid with a second step at atrial
    contraction.
    """
    early, late = onset.min(), onset.max()
    closure = (546 - 2.1 * 60_000.0 / beat) * rng.uniform(0.92, 1.08)
    peak = closure + rng.uniform(0.2, 0.6) * (onset - onset.mean())
    power, prestretch = rng.uniform(1.0, 1.4), rng.uniform(0.1, 0.25)
    after = np.clip((times - onset[:, None]) / (peak - onset)[:, None], 0, 1)
    shortening = np.sin(np.pi / 2 * after) ** power
    delay = onset - early
    before = np.clip((times - early) / np.maximum(delay, 1e-9)[:, None], 0, 1)
    stretch = (prestretch * delay / 100.0)[:, None] * np.sin(np.pi / 2 * before) ** 2
    dyssynchrony = (late - early) / 100.0
    rebound_time = (late + closure) / 2
    rebound = (
        rng.uniform(0.1, 0.6)
        * dyssynchrony
        * ((late - onset) / max(late - early, 1e-9))[:, None]
        * _rise((times - late) / (rebound_time - late))
        * _rise((closure - times) / (closure - rebound_time))
    )
    relaxed = rng.uniform(0.7, 0.8) * _rise((times - peak[:, None]) / (0.25 * beat)) + rng.uniform(
        0.1, 0.2
    ) * _rise((times - 0.8 * beat) / (0.12 * beat))
    return amplitude[:, None] * (stretch * (1 - shortening) + rebound - shortening * (1 - relaxed))


def _rise(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sin(np.pi / 2 * np.clip(share, 0, 1)) ** 2


def _distance(turns: NDArray[np.float64], site: float) -> NDArray[np.float64]:
    """Shorter way round, in turns (0 to 0.5)."""
    away = np.mod(turns - site, 1.0)
    return np.minimum(away, 1 - away)
