"""Modes of variation of a population that follow a slider: patterns at latent scores, and nothing to fit."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiactwins.compute.files import atomic_path
from cardiactwins.infarct.embedding import LatentSpace
from cardiactwins.infarct.regression import MultiscaleRegression

__all__ = ["ModeSpace"]

ARRAYS = ("points", "values", "scales", "operators")


@dataclass(frozen=True, eq=False)
class ModeSpace:
    """The way from scores to patterns of a `LatentSpace`, without scikit-learn.

    decoder: the regression from coordinates (d,) to patterns (N,). deviations: (d,) of the population along
    each dimension (pixels^0.5). eigenvalues: (d,) relative to the first.
    """

    decoder: MultiscaleRegression
    deviations: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]

    @classmethod
    def of(cls, space: LatentSpace) -> ModeSpace:
        """The modes of a fitted latent space."""
        return cls(space.decoder, space.deviations, space.eigenvalue_decrease)

    @property
    def dimensions(self) -> int:
        """Number of latent dimensions d."""
        return len(self.deviations)

    def pattern(self, scores: Sequence[float]) -> NDArray[np.float32]:
        """Pattern (N,) in [0, 1] at multiples of the standard deviation along the first dimensions.

        ValueError for more scores than dimensions.
        """
        if len(scores) > self.dimensions:
            raise ValueError(f"This population has {self.dimensions} modes; found {len(scores)} scores.")
        point = np.zeros(self.dimensions)
        point[: len(scores)] = np.asarray(scores, dtype=float) * self.deviations[: len(scores)]
        return np.clip(self.decoder.predict(point)[0], 0, 1)

    def save(self, path: str | Path) -> Path:
        """Write the modes as .npz; whole or not at all."""
        arrays = {name: getattr(self.decoder, name) for name in ARRAYS}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, deviations=self.deviations, eigenvalues=self.eigenvalues, **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> ModeSpace:
        """Read the modes of `save`. ValueError when the file is something else or damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                decoder = MultiscaleRegression(**{name: file[name] for name in ARRAYS})
                return cls(decoder, file["deviations"], file["eigenvalues"])
        except FileNotFoundError:
            raise
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no modes or is damaged ({error}). Compute them again.") from error
