"""Hearts with a wanted measure: targets, and sampling that is guided to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.twin.soft_measures import MEASURES, hard_measures, measure_named, soft_measure

if TYPE_CHECKING:
    from torch import Tensor

    from cardiactwins.twin.latent_edits import HeartModel

__all__ = ["GuidedDenoiser", "Target", "TargetReport", "held_volumes", "resolve_targets", "target_reports"]

TOLERANCE = 0.05
"""A target is met within this share of its value."""
CHAMBER_VOLUMES = ("LV volume", "RV volume", "LA volume", "RA volume")


@dataclass(frozen=True)
class Target:
    """A measure (of MEASURES) and what it should be.

    kind: "to" a value in ml or mm, changed "by" that much, or by "percent" of the twin's.
    """

    measure: str
    value: float
    kind: Literal["to", "by", "percent"] = "to"

    @classmethod
    def parse(cls, text: str) -> Target:
        """A target from "RV volume 150 ml", "wall +2 mm", "LA volume -10 %".

        A number with a sign is a change, one without is the value. ValueError for anything else, and for a
        unit that is not the measure's.
        """
        found = re.fullmatch(r"\s*(.+?)\s*=?\s*([+-]?\d+(?:\.\d+)?)\s*(ml|mm|%)?\s*", text)
        if found is None:
            raise ValueError(
                f"'{text}' is no target. Write a measure, a number and its unit, such as 'RV volume 150 ml', "
                "'wall +2 mm' or 'LA volume -10 %'."
            )
        name, number, unit = found.groups()
        measure = measure_named(name)
        if unit not in (None, "%", MEASURES[measure]):
            raise ValueError(f"'{measure}' is in {MEASURES[measure]}, not in {unit}.")
        if unit == "%":
            return cls(measure, float(number), "percent")
        return cls(measure, float(number), "by" if number[0] in "+-" else "to")

    def wanted(self, present: float) -> float:
        """The value in ml or mm, where the twin has `present`."""
        if self.kind == "to":
            return self.value
        return present + self.value if self.kind == "by" else present * (1 + self.value / 100)

    def __str__(self) -> str:
        sign = "" if self.kind == "to" else "+" if self.value >= 0 else ""
        unit = "%" if self.kind == "percent" else MEASURES[self.measure]
        return f"{self.measure} {sign}{self.value:g} {unit}"


@dataclass(frozen=True)
class TargetReport:
    """What became of one target, or of a measure that was held: wanted and reached, in ml or mm."""

    measure: str
    wanted: float
    reached: float
    held: bool = False

    @property
    def error(self) -> float:
        """Relative deviation from what was wanted."""
        return abs(self.reached - self.wanted) / abs(self.wanted) if self.wanted else float("inf")

    @property
    def met(self) -> bool:
        """Whether it is within 5 %."""
        return self.error <= TOLERANCE


def resolve_targets(
    targets: Sequence[Target],
    present: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """Targets as values in ml or mm, by measure.

    present: the twin's `hard_measures`. ranges: least and largest value of each measure in the training
    hearts, beyond which no target is reachable. ValueError without targets, for a measure named twice, a
    value that is not above 0, and one out of range.
    """
    if not targets:
        raise ValueError("There is no target. Name a measure and its value, such as 'RV volume 150 ml'.")
    wanted: dict[str, float] = {}
    for target in targets:
        if target.measure in wanted:
            raise ValueError(f"'{target.measure}' has two targets. Keep one.")
        value = target.wanted(present.get(target.measure, 0.0))
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"'{target}' asks for {value:g} {MEASURES[target.measure]}: that is no heart.")
        low, high = (ranges or {}).get(target.measure, (0.0, np.inf))
        if not low <= value <= high:
            raise ValueError(
                f"'{target}' asks for {value:.4g} {MEASURES[target.measure]}, outside what the model has "
                f"seen ({low:.4g} to {high:.4g}). Choose a value between."
            )
        wanted[target.measure] = float(value)
    return wanted


def held_volumes(wanted: Mapping[str, float], present: Mapping[str, float]) -> dict[str, float]:
    """The volumes of the chambers that no target names, as the twin has them."""
    named = {measure.partition(" ")[0] for measure in wanted}
    return {name: present[name] for name in CHAMBER_VOLUMES if name.partition(" ")[0] not in named}


def target_reports(
    labels: ArrayLike,
    wanted: Mapping[str, float],
    held: Mapping[str, float] | None = None,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
) -> tuple[TargetReport, ...]:
    """What a heart reached of its targets and of what was held."""
    found = hard_measures(labels, spacing)
    return (
        *(TargetReport(name, value, found[name]) for name, value in wanted.items()),
        *(TargetReport(name, value, found[name], held=True) for name, value in (held or {}).items()),
    )


class GuidedDenoiser:
    """A denoiser whose answer has the wanted measures: the mean of the hearts that fit the noisy one and have
    them.

    Given the noisy z, the clean latent has mean D(z; s) and covariance s^2 dD/dz (Tweedie). To first order in
    the decoded measures m, the hearts with m = target have the mean D + C J^T (J C J^T)^-1 (target - m), with
    J the gradient of m at D (as Boys et al. 2023 condition on linear measures). C J^T is one backward pass
    through decoder and denoiser for each measure. Where latents are normal and measures linear this is exact,
    and sampling with it draws from the conditioned distribution. So the change follows what hearts of that
    measure look like, and measures that are held stay as they are.
    """

    def __init__(
        self,
        model: HeartModel,
        wanted: Mapping[str, float],
        held: Mapping[str, float] | None = None,
        *,
        keep: ArrayLike | None = None,
        spacing: ArrayLike = (1.4, 1.4, 1.4),
        largest_change: float = 0.3,
        exact_below: float = np.inf,
    ) -> None:
        """wanted, held: values in ml and mm by measure. keep: (d, h, w) bool, latents that are kept and so do
        not vary. largest_change: of a measure at one evaluation, as a
        share of its value; farther targets are reached over several. exact_below: noise level from which on
        measures are taken of the label map, and only their gradients of the probabilities: all levels by
        default."""
        self.model = model
        self.goals = {**wanted, **(held or {})}
        if not self.goals:
            raise ValueError("Guidance needs at least one target.")
        self.free = None if keep is None else ~np.asarray(keep, dtype=bool)
        self.spacing = np.asarray(spacing, dtype=float)
        self.largest_change, self.exact_below = largest_change, exact_below

    def __call__(self, noisy: Tensor, sigma: float) -> Tensor:
        import torch

        with torch.enable_grad():
            noisy = noisy.detach().requires_grad_(True)
            clean = self.model.denoise(noisy, sigma)
            coarse = self.model.coarse(clean)
            finer = np.array(self.model.size[::-1]) / coarse.shape[:1:-1]
            soft = [soft_measure(name, coarse, self.spacing * finer) for name in self.goals]
            at_clean, at_noisy = [], []
            for index, measure in enumerate(soft):
                last = index == len(soft) - 1
                pair = torch.autograd.grad(measure.sum(), (clean, noisy), retain_graph=not last)
                at_clean.append(self._varying(pair[0]))
                at_noisy.append(self._varying(pair[1]))
        missing = self._missing(torch.stack(soft, dim=1).detach(), clean.detach(), sigma)
        slopes = torch.stack(at_clean, dim=1).flatten(2).double()
        spread = sigma**2 * torch.stack(at_noisy, dim=1).flatten(2).double()
        weights = _solved(slopes @ spread.transpose(1, 2), missing.double())
        change = (weights[:, :, None] * spread).sum(dim=1).to(clean.dtype)
        return clean.detach() + change.reshape(clean.shape)

    def _varying(self, gradient: Tensor) -> Tensor:
        import torch

        return gradient if self.free is None else gradient * torch.from_numpy(self.free).to(gradient.device)

    def _missing(self, soft: Tensor, clean: Tensor, sigma: float) -> Tensor:
        """What the measures lack, (B, goals), cut to what one step may change."""
        import torch

        wanted = torch.tensor(list(self.goals.values()), dtype=soft.dtype, device=soft.device)
        present = soft
        if sigma <= self.exact_below:
            hearts = [
                hard_measures(labels, self.spacing, self.goals) for labels in _labels(self.model, clean)
            ]
            rows = [[heart[name] for name in self.goals] for heart in hearts]
            present = torch.tensor(rows, dtype=soft.dtype, device=soft.device)
        most = self.largest_change * torch.maximum(present, wanted / 2)
        return torch.minimum(torch.maximum(wanted - present, -most), most)


def _labels(model: HeartModel, clean: Tensor) -> NDArray[np.uint8]:
    return np.stack([model.decode_labels(one[None])[0].cpu().numpy() for one in clean])


def _solved(covariance: Tensor, missing: Tensor) -> Tensor:
    """(J C J^T)^-1 (target - m) for each heart, (B, goals), measures that hardly vary left alone.

    covariance: (B, goals, goals), made symmetric and scaled to unit diagonal before it is inverted.
    """
    import torch

    symmetric = (covariance + covariance.transpose(1, 2)) / 2
    scale = torch.diagonal(symmetric, dim1=1, dim2=2).clamp_min(1e-30).sqrt()
    correlation = symmetric / (scale[:, :, None] * scale[:, None, :])
    values, vectors = torch.linalg.eigh(correlation)
    inverse = torch.where(values > 1e-3, 1 / values.clamp_min(1e-3), torch.zeros_like(values))
    along = (vectors.transpose(1, 2) @ (missing / scale)[:, :, None]) * inverse[:, :, None]
    return (vectors @ along)[:, :, 0] / scale
