"""Strain matrices on which the onset network is measured: simulated ones and real motion with known delays.

Nothing here uses the simulation that the network is trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cardiactwins.lma.mesh_strain import circumferential_mesh_strain
from cardiactwins.lma.sectors import sector_strain
from cardiactwins.lma.strain_phantom import PATTERNS, simulate_strain

PATIENT = Path(__file__).resolve().parents[2].parent / "shared/data/bivme-patient-4d/surfaces_25_frames.npz"
SECTORS = 18
TURNS = (np.arange(SECTORS) + 0.5) / SECTORS
BEAT_MS = 900.0
REST_MS = 40.0
"""All of the patient's curves start so late, as the fit's first frame is end diastole."""
REPEATS = 20
"""Noisy copies of the patient's undelayed slices, whose mean TOS is taken for the undelayed TOS."""


@dataclass(frozen=True)
class Case:
    """strain (S, T), times (T,) ms; onset (S,) true TOS in ms, or the imposed delay where TOS is unknown.

    slice: number of the real slice, whose undelayed TOS is to be taken off; None where `onset` is TOS.
    """

    strain: np.ndarray
    times: np.ndarray
    onset: np.ndarray
    slice: int | None = None


def phantom(rng: np.random.Generator, snr: float) -> Case:
    """The project's strain phantom, as in the tests of the change-point detector."""
    heart = simulate_strain(
        PATTERNS[rng.integers(4)], rng, snr=snr, infarct_width=0.25 * (rng.random() < 1 / 3), jitter=0.3
    )
    return Case(heart.strain, heart.times, heart.onset)


def pulses(rng: np.random.Generator, snr: float) -> Case:
    """Weibull pulses with correlated noise.

    Shortening 1 - exp(-(t / tau)^k) from the onset on, ended by a logistic relaxation; stretch before it
    saturates exponentially. Onsets follow a random Fourier series round the wall, or are late by the same
    delay in one region. Noise is correlated in time (autoregressive, 0.5) and between neighbours (Gaussian,
    SD of 0.7 sectors) and comes with a slow wave of the whole slice, as breathing adds; one heart in three
    has a scar. Frames come at gamma-distributed intervals.
    """
    times = _uneven_times(rng)
    onset = _onsets(rng)
    tau, power = rng.uniform(80, 160), rng.uniform(1.0, 1.4)
    after = np.maximum(times - onset[:, None], 0)
    own = np.exp(rng.normal(0, 0.1, (SECTORS, 1)))
    shortening = 1 - np.exp(-((after / (tau * own)) ** power))
    end = rng.uniform(330, 430) + rng.uniform(0, 0.5) * (onset - onset.mean())
    held = 0.1 + 0.9 / (1 + np.exp((times - end[:, None]) / rng.uniform(25, 45)))
    waited = np.clip(times - onset.min(), 0, (onset - onset.min())[:, None])
    stretch = rng.uniform(0, 0.25) * (1 - np.exp(-waited / 60)) * np.exp(-after / 80)
    amplitude = rng.uniform(0.1, 0.25) * np.exp(rng.normal(0, 0.15, SECTORS))
    clean = _scarred(amplitude, rng)[:, None] * (stretch - shortening * held)
    return Case(clean + _correlated_noise(clean, times, snr, rng), times, onset)


def ring(rng: np.random.Generator, snr: float) -> Case:
    """A ring of sectors in series, each pulling with its own active tension; noise as in `pulses`.

    All carry the same tension, and their mean strain m(t) is the ring's, which ejection shortens: sector s
    has the strain m + (mean a - a_s) / k with active tensions a_s. So the early shorten first and stretch the
    late. True TOS is the last time before peak shortening at which a sector is still as long as it ever gets
    (to a thousandth of strain) in the noiseless curve.
    """
    times, fine = _uneven_times(rng), np.arange(0, 700.0)
    activation = _onsets(rng)
    rise, end = rng.uniform(60, 110), rng.uniform(300, 380)
    after = np.maximum(fine - activation[:, None], 0)
    tension = (after / rise) ** 1.5 / (1 + (after / rise) ** 1.5)
    tension *= 1 / (1 + np.exp((fine - end - 0.7 * (activation - activation.mean())[:, None]) / 30))
    opening = activation.mean() + rng.uniform(0, 30)
    ejected = np.clip((fine - opening) / rng.uniform(220, 280), 0, 1)
    filled = np.clip((fine - end - 60) / 200, 0, 0.85)
    mean = -np.sin(np.pi / 2 * ejected) * (1 - np.sin(np.pi / 2 * filled) ** 2)
    strain = mean + rng.uniform(0.3, 0.7) * (tension.mean(axis=0) - tension)
    strain = _scarred(rng.uniform(0.1, 0.22) * np.ones(SECTORS), rng)[:, None] * strain
    onset = np.empty(SECTORS)
    for sector, curve in enumerate(strain):
        peak = int(curve.argmin())
        onset[sector] = fine[np.flatnonzero(curve[:peak] >= curve[:peak].max() - 1e-3)[-1]]
    clean = np.array([np.interp(times, fine, curve) for curve in strain])
    return Case(clean + _correlated_noise(clean, times, snr, rng), times, onset)


def patient_slices(path: Path = PATIENT) -> list[np.ndarray]:
    """Strain matrices (18, 25) of the lower, middle and upper third of a patient's fitted endocardium."""
    data = np.load(path)
    points, triangles = data["lv_endocardial_points"].astype(float), data["lv_endocardial_triangles"]
    start = points[0] - points[0].mean(axis=0)
    axis, first, second = np.linalg.svd(start, full_matrices=False)[2]
    strain = circumferential_mesh_strain(points, triangles, axis)
    middle = start[triangles].mean(axis=1)
    height = middle @ axis
    height = (height - height.min()) / np.ptp(height)
    turns = np.mod(np.arctan2(middle @ second, middle @ first) / (2 * np.pi), 1)
    bands = [(height > low) & (height < low + 1 / 3) for low in (0.2, 1 / 3, 0.47)]
    return [sector_strain(strain[:, band], turns[band]) for band in bands]


def delayed(slices: list[np.ndarray], undelayed: bool = False) -> Callable[..., Case]:
    """Cases of the patient: every sector's curve starts later by a delay, sampled at 17 ms, white noise.

    undelayed: without delays.
    """

    def draw(rng: np.random.Generator, snr: float) -> Case:
        number = int(rng.integers(len(slices)))
        matrix = slices[number]
        times = 17.0 * np.arange(1, 45) + (rng.random() < 0.5) * rng.uniform(-5, 5, 44)
        delay = np.zeros(SECTORS) if undelayed else _onsets(rng)
        delay = delay - delay.min()
        given = np.arange(matrix.shape[1]) * BEAT_MS / matrix.shape[1]
        curves = [np.interp(times - REST_MS - d, given, row) for d, row in zip(delay, matrix, strict=True)]
        noise = -matrix.mean(axis=0).min() / snr
        return Case(curves + noise * rng.standard_normal((SECTORS, len(times))), times, delay, number)

    return draw


def _uneven_times(rng: np.random.Generator) -> np.ndarray:
    intervals = rng.gamma(12, rng.uniform(12, 25) / 12, 80)
    times = np.cumsum(intervals)
    return times[times < rng.uniform(600, 700)]


def _onsets(rng: np.random.Generator) -> np.ndarray:
    """Onsets (S,) between 25 and 225 ms: a random Fourier series, or one late region with sharp borders."""
    start = rng.uniform(25, 75)
    if rng.random() < 1 / 3:
        width = rng.integers(3, 9)
        region = np.roll(np.arange(SECTORS) < width, rng.integers(SECTORS))
        return start + rng.uniform(30, 110) * region + rng.uniform(0, 10, SECTORS)
    wave = sum(
        rng.normal() / harmonic**1.5 * np.cos(2 * np.pi * harmonic * (TURNS - rng.random()))
        for harmonic in (1, 2, 3)
    )
    return start + rng.uniform(10, 140) * (wave - wave.min()) / np.ptp(wave)


def _scarred(amplitude: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 2 / 3:
        return amplitude
    scar = np.roll(np.arange(SECTORS) < rng.integers(3, 7), rng.integers(SECTORS))
    return np.where(scar, rng.uniform(0.15, 0.4) * amplitude, amplitude)


def _correlated_noise(
    clean: np.ndarray, times: np.ndarray, snr: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise with the SD that the SNR asks for, and half as much of a wave that the whole slice shares."""
    sd = np.abs(clean.mean(axis=0)).max() / snr
    noise = rng.standard_normal(clean.shape)
    for frame in range(1, noise.shape[1]):
        noise[:, frame] = 0.5 * noise[:, frame - 1] + np.sqrt(0.75) * noise[:, frame]
    away = np.minimum(np.arange(SECTORS), SECTORS - np.arange(SECTORS))
    kernel = np.exp(-0.5 * (away / 0.7) ** 2)
    kernel /= np.linalg.norm(kernel)
    spread = np.fft.ifft(np.fft.fft(noise, axis=0) * np.fft.fft(kernel)[:, None], axis=0).real
    wave = np.sin(2 * np.pi * (times / rng.uniform(1500, 4000) + rng.random()))
    return sd * (spread + 0.5 * (wave - wave[0]))
