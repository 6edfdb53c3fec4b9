"""What follows the training of a generative model of hearts: its samples' spread."""

from __future__ import annotations

from pathlib import Path

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.mode_spread import match_spread
from cardiactwins.twin.model import TwinModel

__all__ = ["finish_model"]

GENERATED = frozenset({"format", "kind", "file", "sha256", "bytes", "parts", "autoencoder", "denoiser"})
"""Of the card, what saving writes itself."""


def finish_model(path: str | Path, *, progress: Progress = silent) -> Path:
    """Match the spread of trained weights (`match_spread`) and tell it in their card; returns their path.

    The network of modes is left as it is but for its gains, which the U-net has not seen in its training:
    they are of what both would sample, not of what is expected of latents. Weights that have them, or no such
    network, are left as they are.
    """
    path, model = Path(path), TwinModel.load(path)
    network = getattr(model.denoiser, "bend", None)
    if network is None or "spread" in model.card:
        return path
    before, after = match_spread(network, model.denoiser.modes, progress=progress)
    kept = {key: value for key, value in model.card.items() if key not in GENERATED}
    return model.save(path, {**kept, "spread": {"before": round(before, 4), "after": round(after, 4)}})
