"""Where the randomness of a synthetic population comes from: independent, common or quasi-random draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.infarct.model import InfarctModel

__all__ = ["DRAWS", "PopulationDraws"]

DRAWS = ("independent", "common", "quasi-random")


class PopulationDraws:
    """Draws numbered synthetic populations; the same seed and number give the same random numbers.

    kind: "independent" and "common" take pseudo-random numbers, "quasi-random" scrambled Sobol points, which
    fill the space of a lesion's uniform numbers more evenly, so that the loss of a population is less noisy.
    With common and quasi-random draws the caller judges all parameter vectors on the same population numbers,
    so that losses differ by the parameters alone; their uniform numbers are kept for that.

    A model that offers no `paint` is sampled with equal generators; quasi-random draws need `paint`
    (ValueError).
    """

    def __init__(self, model: InfarctModel, n: int, kind: str, seed: int) -> None:
        if kind not in DRAWS:
            raise ValueError(f"Draws are one of {', '.join(DRAWS)}; found {kind!r}.")
        if kind == "quasi-random" and not hasattr(model, "paint"):
            raise ValueError(
                f"Quasi-random draws need a model with `paint` and `n_uniforms`; '{model.name}' has only "
                "`sample`. Use common or independent draws."
            )
        self.model = model
        self.n = n
        self.kind = kind
        self.seed = seed
        self._kept: dict[int, NDArray[np.float64]] = {}

    def lesions(self, parameters: ArrayLike, number: int) -> NDArray[np.bool_]:
        """Population `number` of the model at parameters (d,): lesions (n, N)."""
        if not hasattr(self.model, "paint"):
            return self.model.sample(parameters, self.n, self._generator(number))
        return self.model.paint(parameters, self.uniforms(number))

    def uniforms(self, number: int) -> NDArray[np.float64]:
        """Uniform numbers of population `number`, (n, n_uniforms)."""
        if self.kind == "independent":
            return self._generator(number).random((self.n, self.model.n_uniforms))
        if number not in self._kept:
            self._kept[number] = self._common(number)
        return self._kept[number]

    def _common(self, number: int) -> NDArray[np.float64]:
        if self.kind == "common":
            return self._generator(number).random((self.n, self.model.n_uniforms))
        from scipy.stats import qmc

        sobol = qmc.Sobol(self.model.n_uniforms, scramble=True, rng=self._generator(number))
        points = sobol.random_base2(int(np.ceil(np.log2(self.n))))[: self.n]
        return np.clip(points, 0.0, np.nextafter(1.0, 0.0))

    def _generator(self, number: int) -> np.random.Generator:
        """Spawned, as plain seeds [s, 0] and s give equal numbers, which may have made the real lesions."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, number)))
