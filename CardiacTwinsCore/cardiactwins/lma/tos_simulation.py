"""A population of simulated strain matrices whose time to onset of shortening (TOS) is known exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiactwins.lma.low_rank import low_rank
from cardiactwins.lma.strain_phantom import PATTERNS, StrainPhantom, activation_times, strain_curves

__all__ = [
    "LATE_MS",
    "free_strain_curves",
    "late_sectors",
    "regional_delay",
    "simulate_heart",
    "smooth_delay",
]

LATE_MS = 50.0
"""A sector is late when its onset lies so long after the slice's earliest."""
DENSE_FRAME_MS = 17.0


def late_sectors(onset: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Sectors (S,) whose onset (S,) lies `LATE_MS` or more after the earliest of the slice."""
    return onset - onset.min() >= LATE_MS


def simulate_heart(
    rng: np.random.Generator, *, sectors: int = 18, snr: float | None = None, pattern: str | None = None
) -> StrainPhantom:
    """A heart drawn from the population that the TOS network is trained on, measured once.

    sectors: rows of the matrix. snr: as in `StrainPhantom`, log-uniform 4-40 when None. pattern: one of
    `strain_phantom.PATTERNS`; any when None.

    What is drawn: the pattern; in a third of the hearts a region that is later still
    (`regional_delay`), in others the pattern is disturbed (`smooth_delay`), or every sector by itself by an
    SD of up to 15 ms; in a third an infarct of 0.08-0.4
    turns with 5-60 % of the strain; heart rate 45-110 a minute; frames 7-40 ms apart (17 ms in a third of the
    hearts), evenly or not, over 65-100 % of the beat; curves of `strain_phantom.strain_curves` or, more
    often, of `free_strain_curves`; noise that is white or correlated in time and along the wall and grows up
    to twice; an offset, a drift that is linear or curved, and wandering of the whole slice. One matrix in
    eight is denoised to rank 3 afterwards, as such matrices often are.
    """
    pattern = PATTERNS[rng.integers(len(PATTERNS))] if pattern is None else pattern
    snr = float(np.exp(rng.uniform(np.log(4), np.log(40)))) if snr is None else snr
    turns = (np.arange(sectors) + 0.5) / sectors
    onset = activation_times(pattern, turns, rng) + rng.uniform(-8, 55) * (rng.random() < 0.6)
    if rng.random() < 0.35:
        onset = onset + regional_delay(turns, rng)
    if rng.random() < 0.3:
        onset = onset + smooth_delay(turns, rng)
    if rng.random() < 0.4:
        onset = np.maximum(onset + rng.normal(0, rng.uniform(0, 15), sectors), 15.0)
    beat = 60_000 / rng.uniform(45, 110)
    times = _frame_times(beat, rng)
    width = rng.uniform(0.08, 0.4) * (rng.random() < 1 / 3)
    scar = np.abs(np.mod(turns - rng.random() + 0.5, 1) - 0.5) < width / 2
    amplitude = rng.uniform(0.08, 0.3) * (1 + rng.uniform(0, 0.35) * _wave(turns, rng))
    amplitude = amplitude * np.exp(rng.normal(0, rng.uniform(0, 0.15), sectors))
    amplitude = np.where(scar, amplitude * rng.uniform(0.05, 0.6), amplitude)
    curves = strain_curves if rng.random() < 0.3 else free_strain_curves
    clean = curves(times, onset, amplitude, beat, rng)
    noise = (_noise(clean.shape, rng) + _wandering(times, rng)) * np.abs(clean.mean(axis=0)).max() / snr
    strain = clean + noise + _drift(turns, times / beat, rng)
    if rng.random() < 1 / 8:
        strain = low_rank(strain, 3)
    return StrainPhantom(strain, clean, times, onset, scar, pattern, snr)


def regional_delay(turns: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A delay (S,) of 20-110 ms of a region of 0.08-0.45 turns, with a border as sharp as one sector or soft.

    turns: (S,) circumferential positions of the sectors.
    """
    away = np.abs(np.mod(turns - rng.random() + 0.5, 1) - 0.5)
    border = rng.uniform(0.003, 0.06)
    return rng.uniform(20, 110) / (1 + np.exp((away - rng.uniform(0.08, 0.45) / 2) / border))


def smooth_delay(turns: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random smooth delay (S,) from 0 to 10-100 ms, alike within 0.02-0.2 turns; turns as above."""
    places, length = np.arange(64) / 64, rng.uniform(0.02, 0.2)
    away = np.minimum(places, 1 - places)
    spectrum = np.fft.rfft(np.exp(-0.5 * (away / length) ** 2)) * np.fft.rfft(rng.standard_normal(64))
    course = np.fft.irfft(spectrum, 64)
    course = rng.uniform(10, 100) * (course - course.min()) / np.ptp(course)
    return np.interp(turns, places, course, period=1.0)


def free_strain_curves(
    times: NDArray[np.float64],
    onset: NDArray[np.float64],
    amplitude: NDArray[np.float64],
    beat: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Strain (S, T) of no particular formula, of sectors that begin to shorten at `onset` (S,).

    Before its onset a sector rests, is stretched from time zero or from the slice's earliest onset on (up to
    40 % of its amplitude for 100 ms), or drifts either way. From its onset on it shortens without pause, at a
    rate that follows a random smooth course (log-normal at seven knots, more or less alike in all sectors)
    and comes up within 2-40 ms, down to -`amplitude` (S,) about aortic closure; late sectors reach that
    later, by a part or all of their delay. Then they stay or relax at random rates to 0-40 % of the
    amplitude; early sectors are stretched back while late ones contract. times: (T,) ms; beat: ms.
    """
    sectors = len(onset)
    closure = (546 - 2.1 * 60_000 / beat) * rng.uniform(0.85, 1.2)
    follows = 1.0 if rng.random() < 0.3 else rng.uniform(0, 1)
    peak = closure + follows * (onset - onset.mean()) + rng.normal(0, rng.uniform(0, 15), sectors)
    peak = np.maximum(peak, onset + 100)
    shortening = _shortening(times, onset, peak, rng)
    early, late = onset.min(), onset.max()
    start = 0.0 if rng.random() < 0.5 else early
    before = np.clip((times - start) / np.maximum(onset - start, 1e-9)[:, None], 0, 1)
    bend = rng.uniform(0.8, 2.5)
    rate = rng.uniform(0, 0.4) * rng.uniform(0.6, 1.4, sectors) * (rng.random() < 0.65)
    rate = rate + rng.normal(0, rng.uniform(0, 0.08), sectors) * (rng.random() < 0.4)
    stretch = (rate * (onset - start) / 100)[:, None] * before**bend
    pause = rng.uniform(0, 60)
    relaxing = np.clip((times - peak[:, None] - pause) / (rng.uniform(0.15, 0.4) * beat), 0, 1)
    relaxed = rng.uniform(0.6, 1.0) * np.sin(np.pi / 2 * relaxing ** rng.uniform(0.8, 1.5)) ** 2
    centre, width = late + rng.uniform(0.1, 0.7) * max(closure - late, 50), rng.uniform(25, 70)
    bump = np.exp(-0.5 * ((times - centre) / width) ** 2) * shortening
    rebound = (rng.uniform(0, 0.5) * (late - onset) / 100)[:, None] * bump
    return amplitude[:, None] * (stretch * (1 - shortening) + rebound - shortening * (1 - relaxed))


def _shortening(
    times: NDArray[np.float64],
    onset: NDArray[np.float64],
    peak: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Share (S, T) of its shortening that each sector has reached: 0 at the onset, 1 from the peak on."""
    knots, course = np.linspace(0, 1, 7), np.linspace(0, 1, 129)
    common = rng.normal(0, 0.45, 7) + np.linspace(0, rng.uniform(-3, 0.3), 7)
    rounding = np.exp(rng.uniform(np.log(2), np.log(40))) / (peak - onset)
    share = np.empty((len(onset), len(times)))
    for sector, own in enumerate(rng.normal(0, rng.uniform(0, 0.25), (len(onset), 7))):
        rate = np.exp(np.interp(course, knots, common + own))
        rate *= 1 - np.exp(-course / rounding[sector])
        sums = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
        passed = (times - onset[sector]) / (peak[sector] - onset[sector])
        share[sector] = np.interp(passed, course, sums / sums[-1])
    return share


def _frame_times(beat: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Frame times in ms, rising, at least 12."""
    end = rng.uniform(0.65, 1.0) * beat
    interval = DENSE_FRAME_MS if rng.random() < 1 / 3 else np.exp(rng.uniform(np.log(7), np.log(40)))
    count = max(12, int(end / interval))
    interval = min(interval, end / count)
    uneven = rng.uniform(0, 0.9) * (rng.random() < 0.5)
    first = 1.0 if rng.random() < 0.5 else rng.uniform(0.3, 1.5)
    return interval * (first + np.arange(count) + uneven * rng.uniform(-0.5, 0.5, count) * min(first, 1))


def _noise(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise (S, T) with an SD of 1 in the first frame."""
    sectors, frames = shape
    noise = rng.standard_normal((sectors, frames))
    if rng.random() < 0.5:
        memory = rng.uniform(0.1, 0.7)
        for frame in range(1, frames):
            noise[:, frame] = memory * noise[:, frame - 1] + np.sqrt(1 - memory**2) * noise[:, frame]
    if rng.random() < 0.5:
        share = rng.uniform(0.1, 0.7)
        around = noise + share * (np.roll(noise, 1, axis=0) + np.roll(noise, -1, axis=0))
        noise = around / np.sqrt(1 + 2 * share**2)
    noise *= np.exp(rng.normal(0, rng.uniform(0, 0.3), sectors))[:, None]
    return noise * np.linspace(1, rng.uniform(1, 2), frames)


def _wandering(times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A random walk (T,) of the whole slice from zero, as breathing adds; largest 0-1.5 times the noise."""
    steps = np.sqrt(np.diff(times, prepend=0.0)) * rng.standard_normal(len(times))
    walk = np.cumsum(np.cumsum(steps) * np.diff(times, prepend=0.0))
    return rng.uniform(0, 1.5) * (rng.random() < 0.5) * walk / np.abs(walk).max()


def _drift(
    turns: NDArray[np.float64], share: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Offset and drift (S, T) of the strain; share: (T,) of the beat that has passed."""
    drift = rng.uniform(0, 0.02)
    slope = rng.normal(0, drift) + rng.normal(0, drift / 2) * _wave(turns, rng)
    offset = rng.normal(0, 0.004, len(turns)) * (rng.random() < 0.5)
    return offset[:, None] + slope[:, None] * share ** (1 if rng.random() < 0.6 else rng.uniform(1, 2))


def _wave(turns: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    return np.cos(2 * np.pi * (turns - rng.random()))
