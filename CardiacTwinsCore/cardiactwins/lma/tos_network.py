"""Time to the onset of circumferential shortening (TOS) and late activation by a network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from cardiactwins.compute.weights import load_weights, save_weights
from cardiactwins.lma.low_rank import low_rank, noise_level
from cardiactwins.lma.onset import OnsetEstimate, peak_shortening
from cardiactwins.lma.sectors import checked_strain_matrix

__all__ = [
    "BIN_MS",
    "STEP_MS",
    "WEIGHTS",
    "WINDOW_MS",
    "NetworkOnset",
    "OnsetNetwork",
    "estimate_onset_network",
    "interval_ends",
    "network_input",
]

KIND = "lma onset"
VERSION = 1
"""Meaning of the network's input and output; weights of another version do not fit."""
WEIGHTS = Path(__file__).resolve().parents[1] / "Resources" / "Models" / "lma-onset.safetensors"
"""The weights that come with the library."""
WINDOW_MS = 512.0
"""Time after the R wave that the network sees, and in which it looks for onsets."""
STEP_MS = 8.0
"""Step of the input's time grid."""
BIN_MS = 4.0
"""Width of the bins of the onset's distribution."""
FINE_MS = 2.0
CHANNELS = 6
DILATIONS = (1, 2, 4, 8, 1)
REACH = 2
LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False)
class NetworkOnset(OnsetEstimate):
    """TOS of each sector as `OnsetEstimate`, and the probability that the sector is late.

    late: (S,) probability that the sector's onset lies `tos_simulation.LATE_MS` (50 ms) or more after the
    slice's earliest.
    """

    late: NDArray[np.float64]


class OnsetNetwork(nn.Module):
    """Distribution of each sector's onset, and late activation, from the strain of a whole slice.

    Input (B, 6, S, K): `network_input`, any number S of sectors, K = 64 times. Output: logits (B, S, 128) of
    the onset lying in each bin of `BIN_MS`, and the logit (B, S) of late activation. A convolution over time
    that halves the times, then residual blocks, each of
    a convolution over time (dilated), one over neighbouring sectors, and the mean over all sectors; sectors
    are padded round the ring, so that turning the rows turns the output.

    width: features. temperature: by which the logits are divided, found on validation data.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(CHANNELS, width, (1, 8), stride=(1, 2), padding=(0, 3))
        self.blocks = nn.ModuleList(_Block(width, dilation) for dilation in DILATIONS)
        self.onset = nn.Conv2d(width, round(2 * STEP_MS / BIN_MS), (1, 3), padding=(0, 1))
        self.late = nn.Sequential(nn.Linear(width + 3, 32), nn.GELU(), nn.Linear(32, 1))
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("middles", (torch.arange(round(WINDOW_MS / BIN_MS)) + 0.5) * BIN_MS)

    def forward(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the onset (B, S, 128) and of late activation (B, S)."""
        features = self.stem(given)
        for block in self.blocks:
            features = block(features)
        features = functional.gelu(features)
        onset = self.onset(features).permute(0, 2, 3, 1).flatten(2)
        share = onset.detach().softmax(dim=2)
        mean = share @ self.middles
        spread = (share @ self.middles**2 - mean**2).clamp(min=0).sqrt()
        after = mean - mean.min(dim=1, keepdim=True).values
        weights = share.unflatten(2, (features.shape[3], -1)).sum(dim=3)
        pooled = torch.einsum("bcsk,bsk->bsc", features, weights)
        times = torch.stack([after, mean, spread], dim=2) / 100
        return onset / self.temperature, self.late(torch.cat([pooled, times], dim=2))[..., 0]

    @staticmethod
    def bins() -> int:
        """Number of bins of the onset's distribution."""
        return round(WINDOW_MS / BIN_MS)

    def save(self, path: str | Path, card: Mapping[str, Any]) -> Path:
        """Write the weights and their card; see `save_weights`."""
        built = {"version": VERSION, "width": self.stem.out_channels}
        return save_weights(self.state_dict(), path, kind=KIND, card={"network": built, **card})

    @classmethod
    def load(cls, path: str | Path) -> OnsetNetwork:
        """Read what `save` wrote; errors as of `load_weights`, and ValueError for another version."""
        tensors, card = load_weights(path, KIND)
        built = card.get("network") or {}
        if built.get("version") != VERSION:
            raise ValueError(
                f"{path} holds weights of version {built.get('version')} of the onset network; version "
                f"{VERSION} is needed. Use the weights that come with this version, or train anew."
            )
        network = cls(built["width"])
        try:
            network.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(f"{path} does not fit the onset network ({error}). Get it again.") from error
        return network.eval()


class _Block(nn.Module):
    """What a sector's time course, its neighbours' and the slice's mean add to the features."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.time = nn.Conv2d(
            width, width, (1, 2 * REACH + 1), padding=(0, REACH * dilation), dilation=(1, dilation)
        )
        self.around = nn.Conv2d(width, width, (3, 1))
        self.whole = nn.Conv2d(width, width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor) -> Tensor:
        own = functional.gelu(self.time(functional.gelu(features)))
        ring = torch.cat([own[:, :, -1:], own, own[:, :, :1]], dim=2)
        seen = self.around(ring) + self.whole(own.mean(dim=2, keepdim=True))
        return features + self.out(functional.gelu(seen))


def estimate_onset_network(
    strain: ArrayLike,
    times: ArrayLike,
    *,
    sectors: int | None = None,
    weights: str | Path | None = None,
    device: str = "cpu",
) -> NetworkOnset:
    """TOS of every sector of a strain matrix, and how probably it is late, by the trained network.

    strain: (S, T) circumferential strain, rows the sectors around the wall (row S-1 beside row 0), negative
    is shortening, best as measured, since smoothing hides the noise. times: (T,) ms, rising, intervals may
    differ. sectors: the number of rows that is expected (any when None). weights: file of `OnsetNetwork.save`
    with its card beside it; the weights that come with the library when None. device: as torch names it;
    where its memory does not suffice the CPU takes over with a warning (RuntimeWarning).

    Time zero and onset as in `estimate_onset`: zero is the R wave, at which strain is zero by definition;
    onset is the time at which a sector turns from rest or stretch into shortening that goes on. Onsets are
    looked for up to `WINDOW_MS`; none is earlier than one frame interval (the median one) after time zero.

    tos is the median of the sector's distribution, lower and upper the ends of its 90 % interval.

    ValueError as `estimate_onset`, and for weights that are damaged or of another version; FileNotFoundError
    when they are missing.
    """
    strain, times = checked_strain_matrix(strain, times, sectors)
    given = torch.from_numpy(network_input(strain, times))[None]
    logits, late = _on_device(_network(str(weights or WEIGHTS)), given, device)
    share = logits[0].double().softmax(dim=1).numpy()
    least = float(np.median(np.diff(times)))
    middles = (np.arange(share.shape[1]) + 0.5) * BIN_MS
    mean = share @ middles
    variance = share @ middles**2 - mean**2 + BIN_MS**2 / 12
    lower, tos, upper = np.maximum(interval_ends(share), least)
    return NetworkOnset(
        tos, np.sqrt(variance), lower, upper, noise_level(strain), late[0].double().sigmoid().numpy()
    )


def network_input(strain: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the network sees of a strain matrix (S, T): (6, S, 64) at the middles of steps of `STEP_MS`.

    Strain as measured and denoised to rank 3, both over the slice's peak shortening, linear between frames
    (zero at time zero when the first frame is later) and averaged over each step; the SD of its noise, less
    where a step averages frames; the share of the step that lies within the measured time; time over that of
    the slice's peak shortening; and time over the window. ValueError when the slice does not shorten.
    """
    denoised = low_rank(strain, 3)
    frame = peak_shortening(denoised)
    scale, noise = -float(denoised.mean(axis=0)[frame]), noise_level(strain)
    steps = round(WINDOW_MS / STEP_MS)
    fine = (np.arange(round(WINDOW_MS / FINE_MS)) + 0.5) * FINE_MS
    first = int(times[0] > 0)
    knots = np.append(0.0, times) if first else times
    place = np.clip(np.searchsorted(knots, fine) - 1, 0, len(knots) - 2)
    after = np.clip((fine - knots[place]) / np.diff(knots)[place], 0, 1)
    share = np.zeros((len(knots), len(fine)))
    share[place, np.arange(len(fine))] = 1 - after
    share[place + 1, np.arange(len(fine))] += after
    weight = share[first:].reshape(len(times), steps, -1).mean(axis=2)
    seen = ((fine >= knots[0]) & (fine <= knots[-1])).reshape(steps, -1).mean(axis=1)
    middle = (np.arange(steps) + 0.5) * STEP_MS
    spread = noise * np.sqrt((weight**2).sum(axis=0))
    common = np.stack([spread / scale, seen, middle / times[frame], middle / WINDOW_MS])
    rows = np.stack([strain @ weight, denoised @ weight]) / scale
    whole = np.broadcast_to(common[:, None], (len(common), len(strain), steps))
    return np.concatenate([rows, whole]).astype(np.float32)


@lru_cache(maxsize=4)
def _read_network(path: str, changed: int) -> OnsetNetwork:
    return OnsetNetwork.load(path)


def _network(path: str) -> OnsetNetwork:
    """The network of a weights file, read again when the file has changed."""
    file = Path(path)
    return _read_network(path, file.stat().st_mtime_ns if file.is_file() else 0)


@torch.inference_mode()
def _on_device(network: OnsetNetwork, given: Tensor, device: str) -> tuple[Tensor, Tensor]:
    """The network's output on the CPU, computed on `device`."""
    if device == "cpu":
        return network(given)
    try:
        found = copy.deepcopy(network).to(device)(given.to(device))
        return found[0].cpu(), found[1].cpu()
    except torch.OutOfMemoryError:
        warnings.warn(
            f"{device} has no memory left for the onset network; the CPU is used.",
            RuntimeWarning,
            stacklevel=3,
        )
        return network(given)


def interval_ends(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lower end of the 90 % interval, median and upper end (3, S) in ms of distributions (S, bins) of onsets.

    Each distribution is even within a bin of `BIN_MS`.
    """
    edges = np.arange(share.shape[1] + 1) * BIN_MS
    cumulative = np.pad(np.cumsum(share, axis=1), ((0, 0), (1, 0)))
    return np.stack([np.interp(LEVELS, row / row[-1], edges) for row in cumulative], axis=1)
