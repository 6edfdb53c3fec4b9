"""All that makes a digital sibling again: what was edited, how, and with which seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.twin.keep_mask import DILATION_MM
from cardiactwins.twin.latent_edits import PsiCounting, start_step
from cardiactwins.twin.seam import FEATHER_MM
from cardiactwins.twin.targets import Target

__all__ = ["EditKind", "Recipe"]

EditKind = Literal["unconditional", "perturbational", "localized"]
_TISSUES = {name: tissue for tissue, name in TISSUE_NAMES.items()}


@dataclass(frozen=True)
class Recipe:
    """One sibling, or one heart from noise alone.

    kind: how it is sampled (`latent_edits`). seed, steps, psi, counting: of the sampling; unconditional
    hearts have psi 1. twin: name of the heart that is edited, "" for unconditional ones. keep: short names of
    the tissues that a localized edit keeps. region: name of a painted region instead, which alone may change.
    dilation_mm, rule: how the mask is grown on the latents (`latent_keep`). fuse_below: see `localized`.
    exact: paste the kept voxels of the twin at the end, with a seam of feather_mm. targets: such as
    "RV volume 150 ml" (`Target.parse`). hold: whether the other chambers that are free to change keep the
    twin's volumes. guard: repair the topology within `repair_limit`. attempts: how many seeds are tried until
    the guard accepts a heart.

    ValueError for what cannot be made: psi outside (0, 1], steps < 1, fractions of seeds, steps or attempts,
    a localized edit without tissues or region, an edit without a twin, unknown tissues, and targets that are
    none or of tissues that are kept.
    """

    kind: EditKind
    seed: int
    steps: int = 20
    psi: float = 1.0
    counting: PsiCounting = "paper"
    twin: str = ""
    keep: tuple[str, ...] = ()
    region: str = ""
    dilation_mm: float = DILATION_MM
    rule: Literal["nearest", "any"] = "nearest"
    fuse_below: float | None = None
    exact: bool = False
    feather_mm: float = FEATHER_MM
    targets: tuple[str, ...] = ()
    hold: bool = True
    guard: bool = True
    repair_limit: float = 0.01
    attempts: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("unconditional", "perturbational", "localized"):
            raise ValueError(f"Siblings are unconditional, perturbational or localized; found '{self.kind}'.")
        for name in ("seed", "steps", "attempts"):
            if not isinstance(getattr(self, name), int | np.integer):
                raise ValueError(f"{name} is a whole number; found {getattr(self, name)!r}.")
        if self.steps < 1 or self.attempts < 1 or self.seed < 0:
            raise ValueError(
                "Steps and attempts are 1 or more and the seed is 0 or more; found "
                f"{self.steps}, {self.attempts} and {self.seed}."
            )
        start_step(self.psi, self.steps, self.counting)
        if (self.kind == "unconditional") == bool(self.twin):
            raise ValueError(f"A {self.kind} recipe has {'no' if self.twin else 'a'} twin.")
        if self.kind == "unconditional" and self.psi != 1:
            raise ValueError("Unconditional hearts are sampled from noise alone: psi is 1.")
        object.__setattr__(self, "keep", tuple(self.keep))
        object.__setattr__(self, "targets", tuple(str(Target.parse(text)) for text in self.targets))
        unknown = sorted(set(self.keep) - set(_TISSUES))
        if unknown:
            raise ValueError(
                f"Unknown tissues to keep: {', '.join(unknown)}. Use some of {', '.join(_TISSUES)}."
            )
        if self.kind == "localized" and bool(self.keep) == bool(self.region):
            raise ValueError(
                "A localized edit keeps tissues, or changes a painted region: give one of the two."
            )
        for target in self.wanted:
            tissue = "Myo" if target.measure == "wall" else target.measure.partition(" ")[0]
            if tissue in self.keep:
                raise ValueError(
                    f"The edit keeps {tissue}, so '{target}' cannot be met. Let {tissue} change."
                )
        if self.kind != "localized" and (self.keep or self.region or self.exact):
            raise ValueError(f"A {self.kind} edit keeps no tissues and has no region. Use a localized one.")

    @property
    def kept_tissues(self) -> tuple[Tissue, ...]:
        """The tissues that are kept."""
        return tuple(_TISSUES[name] for name in self.keep)

    def exact_region(self, region: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """The painted region (k, j, i) of an edit that changes nothing beside it; None for other edits."""
        return region if self.exact and self.region else None

    @property
    def wanted(self) -> tuple[Target, ...]:
        """The targets."""
        return tuple(Target.parse(text) for text in self.targets)

    def title(self) -> str:
        """A line for a list of edits."""
        parts = ["from noise" if self.kind == "unconditional" else f"{self.kind}, psi {self.psi:g}"]
        if self.keep:
            free = [name for name in _TISSUES if name not in self.keep]
            parts.append(f"{', '.join(free)} free{', exact' if self.exact else ''}")
        if self.region:
            parts.append(f"within {self.region}{', exact' if self.exact else ''}")
        return "; ".join([*parts, *self.targets, f"seed {self.seed}"])

    def seeded(self, seed: int) -> Recipe:
        """The same with another seed."""
        return replace(self, seed=seed)

    def values(self) -> dict[str, Any]:
        """Plain values for JSON, of which `from_values` makes the recipe again."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Recipe:
        """The recipe of `values`. ValueError for names that are none of a recipe's."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"A recipe has no {', '.join(unknown)}: it may come from a newer version.")
        return cls(**values)

    def name(self, weights: str = "") -> str:
        """A file name from a hash of the recipe and of the weights it is made with."""
        text = json.dumps([self.values(), weights], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
