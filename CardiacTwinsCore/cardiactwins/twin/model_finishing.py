"""What follows the training of a generative model of hearts: its samples' spread."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.mode_spread import match_spread, match_spread_of_modes
from cardiactwins.twin.model import TwinModel

__all__ = ["finish_model"]

COORDINATES = 16
"""Samples of the modes alone, for each of whole latents: they take next to no time."""


def finish_model(path: str | Path, *, samples: int = 256, progress: Progress = silent) -> Path:
    """Match the spread of trained weights and tell it in their card; returns their path.

    Gains are of what is sampled, not of what is expected of latents: the networks stay as they were trained,
    and the losses in the card are without them. First those of the modes alone (`match_spread_of_modes`),
    then those of all the denoiser (`match_spread`), with so many samples in each of four rounds: minutes.
    Weights that have them, or no modes, are left as they are.
    """
    path, model = Path(path), TwinModel.load(path)
    modes = getattr(model.denoiser, "modes", None)
    if modes is None or not len(modes.directions) or "spread" in model.card:
        return path
    spread = {}
    if model.denoiser.bend is not None:
        found = match_spread_of_modes(
            modes, model.denoiser.bend, samples=COORDINATES * samples, progress=progress
        )
        spread["modes"] = [round(value, 4) for value in found]
    before, after = match_spread(modes, model.denoise, samples=samples, progress=progress)
    spread |= {name: [round(v, 3) for v in values] for name, values in (("before", before), ("after", after))}
    # Beside them first: weights in several files are replaced at once, or nearly so.
    with TemporaryDirectory(dir=path.parent) as folder:
        model.save(Path(folder) / path.name, {**model.card, "spread": spread})
        for file in sorted(Path(folder).iterdir(), reverse=True):
            file.replace(path.with_name(file.name))
    return path
