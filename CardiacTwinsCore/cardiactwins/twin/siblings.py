"""Digital siblings from recipes: sampled, decoded, pasted, guarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_border import border_voxels
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.anatomy.heart_topology import TopologyCheck, topology_checks
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.guidance import GuidedDenoiser
from cardiactwins.twin.keep_mask import kept_by_region, kept_by_tissues, latent_keep
from cardiactwins.twin.latent_edits import HeartModel, localized, perturbational, unconditional
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sampler import AfterStep
from cardiactwins.twin.seam import Pasted, paste_kept
from cardiactwins.twin.soft_measures import hard_measures
from cardiactwins.twin.targets import (
    TargetReport,
    held_volumes,
    resolve_targets,
    target_reports,
)
from cardiactwins.twin.topology_guard import Guarded, guard_topology

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "RawHeart",
    "Sibling",
    "ViolationWatch",
    "decoded_labels",
    "encoded_twin",
    "make_siblings",
    "tissue_changes",
]

SEEDS_APART = 1 << 32
"""Attempt a of a recipe has the seed of the recipe and a times this."""


@dataclass(frozen=True, eq=False)
class RawHeart:
    """A heart as decoded and pasted, before any guard: labels (k, j, i) uint8, and its topology."""

    labels: NDArray[np.uint8]
    checks: tuple[TopologyCheck, ...]


@dataclass(frozen=True, eq=False)
class Sibling:
    """One heart that was made.

    recipe: with the seed as given. labels: (k, j, i) uint8, guarded where the recipe asks for it. raw: as
    decoded and pasted, before the guard. guarded, pasted: what guard and paste did, None where not asked
    for. targets: what was reached of targets and held volumes. attempt: how many seeds were turned away
    before this one. rejected: the reasons why. first: the heart of the first of these seeds, None where
    there are none.
    """

    recipe: Recipe
    labels: NDArray[np.uint8]
    raw: NDArray[np.uint8]
    checks: tuple[TopologyCheck, ...]
    raw_checks: tuple[TopologyCheck, ...]
    guarded: Guarded | None = None
    pasted: Pasted | None = None
    targets: tuple[TargetReport, ...] = ()
    attempt: int = 0
    rejected: tuple[str, ...] = ()
    first: RawHeart | None = None

    @property
    def first_raw(self) -> RawHeart:
        """What the model made at the first attempt: figures of it do not depend on what the guard chose."""
        return self.first or RawHeart(self.raw, self.raw_checks)

    @property
    def accepted(self) -> bool:
        """Whether the guard accepted it, or none was asked for."""
        return self.guarded is None or self.guarded.accepted


def make_siblings(
    model: HeartModel,
    recipes: Sequence[Recipe],
    twin: ArrayLike | None = None,
    *,
    region: ArrayLike | None = None,
    spacing: ArrayLike = (1.4, 1.4, 1.4),
    ranges: Mapping[str, Sequence[float]] | None = None,
    after_step: AfterStep | None = None,
    progress: Progress = silent,
) -> list[Sibling]:
    """Siblings of recipes that differ by their seeds alone, sampled in one batch.

    twin: (k, j, i) labels of the heart that is edited. region: (k, j, i) bool, the painted region of a
    localized edit. spacing: along i, j, k in mm. ranges: least and largest value of each measure that is
    reachable (`resolve_targets`); by default those in the card of the model, if it has some. Where a guard
    turns a heart away and attempts are left, it is made again with another seed; what remains after the last
    is given as it came, and what came first is kept beside it (`Sibling.first`). The border of the grid may
    cut the aorta, tissues that are kept, and those that it cuts in the twin; it turns other hearts away.
    Targets "by" and "percent", and held volumes, are relative to the twin.

    ValueError for recipes that differ by more than the seed, without the twin or region that they need, and
    for masks or targets that cannot be.
    """
    if not recipes:
        return []
    first = recipes[0]
    if any(replace(recipe, seed=0) != replace(first, seed=0) for recipe in recipes):
        raise ValueError("Recipes of one batch differ by their seeds alone. Make the others apart.")
    if first.twin and twin is None:
        raise ValueError(f"The recipe edits '{first.twin}': give its labels.")
    plan = _Plan.of(model, first, twin, region, spacing, ranges)
    made: dict[int, Sibling] = {}
    reasons: dict[int, tuple[str, ...]] = dict.fromkeys(range(len(recipes)), ())
    firsts: dict[int, RawHeart] = {}
    for attempt in range(first.attempts):
        open_ = [index for index in reasons if index not in made]
        seeds = [recipes[index].seed + attempt * SEEDS_APART for index in open_]
        latents = plan.sample(seeds, after_step, progress)
        for index, latent in zip(open_, latents, strict=True):
            sibling = plan.finish(recipes[index], latent, attempt, reasons[index], firsts.get(index))
            if sibling.accepted or attempt == first.attempts - 1:
                made[index] = sibling
            else:
                reasons[index] += (sibling.guarded.reason,)
                firsts.setdefault(index, sibling.first_raw)
        if len(made) == len(recipes):
            break
    return [made[index] for index in range(len(recipes))]


def encoded_twin(model: HeartModel, labels: ArrayLike) -> Tensor:
    """The latent mean of a heart, (C, d, h, w)."""
    import torch

    with torch.no_grad():
        tensor = torch.from_numpy(tissue_labels(labels).copy())[None].to(model.device)
        return model.encode(tensor)[0]


def decoded_labels(model: HeartModel, latents: Tensor) -> NDArray[np.uint8]:
    """The most probable labels (B, k, j, i), one heart in memory at a time."""
    import torch

    with torch.no_grad():
        return np.stack([model.decode_labels(one[None])[0].to(torch.uint8).cpu().numpy() for one in latents])


class ViolationWatch:
    """Counts topology violations while hearts are sampled; give it as `after_step`.

    counts: one row for each step that was watched: "sampling" (0, and one more for each further attempt or
    batch), "step" (from 0), "sigma" (noise level after it), "violations" (mean TV % of the hearts that the
    denoiser expects there) and "violated" (names of the checks that any of them fails). every: watch each so
    many steps, and the last, as each look decodes the batch. ValueError when that is below 1.
    """

    def __init__(self, model: HeartModel, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Steps are watched every 1 or more; found {every}.")
        self.model, self.every = model, every
        self.counts: list[dict[str, Any]] = []

    def __call__(self, step: int, sigma: float, clean: Tensor, state: Tensor) -> None:
        self.look(step, sigma, clean)

    def look(self, step: int, sigma: float, clean: Tensor) -> NDArray[np.uint8] | None:
        """Count at a step that is watched; returns the labels (B, k, j, i), None at other steps."""
        if step % self.every and sigma > 0:
            return None
        hearts = decoded_labels(self.model, clean)
        checks = [topology_checks(labels) for labels in hearts]
        sampling = 0
        if self.counts:
            before = self.counts[-1]
            sampling = before["sampling"] + (step <= before["step"])
        self.counts.append(
            {
                "sampling": sampling,
                "step": step,
                "sigma": sigma,
                "violations": 100 * float(np.mean([[not check.holds for check in one] for one in checks])),
                "violated": [
                    same[0].name
                    for same in zip(*checks, strict=True)
                    if not all(check.holds for check in same)
                ],
            }
        )
        return hearts


@dataclass(eq=False)
class _Plan:
    """What all siblings of a batch share."""

    model: HeartModel
    recipe: Recipe
    spacing: ArrayLike
    twin: NDArray[np.uint8] | None = None
    latent: Tensor | None = None
    kept: NDArray[np.bool_] | None = None
    keep: NDArray[np.bool_] | None = None
    wanted: dict[str, float] | None = None
    held: dict[str, float] | None = None

    @classmethod
    def of(
        cls,
        model: HeartModel,
        recipe: Recipe,
        twin: ArrayLike | None,
        region: ArrayLike | None,
        spacing: ArrayLike,
        ranges: Mapping[str, Sequence[float]] | None,
    ) -> _Plan:
        plan = cls(model, recipe, spacing)
        if recipe.twin:
            plan.twin = tissue_labels(twin)
            plan.latent = encoded_twin(model, plan.twin)
        if recipe.kind == "localized":
            if recipe.region and region is None:
                raise ValueError(f"The recipe edits within '{recipe.region}': give its mask.")
            plan.kept = (
                kept_by_region(region) if recipe.region else kept_by_tissues(plan.twin, recipe.kept_tissues)
            )
            plan.keep = latent_keep(
                plan.kept,
                tuple(model.latent_shape[1:]),
                dilation_mm=recipe.dilation_mm,
                spacing=spacing,
                rule=recipe.rule,
            )
        if recipe.targets:
            present = {} if plan.twin is None else hard_measures(plan.twin, spacing)
            if ranges is None:
                ranges = getattr(model, "card", {}).get("ranges")
            plan.wanted = resolve_targets(recipe.wanted, present, ranges)
            held = held_volumes(plan.wanted, present) if recipe.hold and present else {}
            # Kept tissues stay by themselves; asking for their volumes would fight the kept latents.
            plan.held = {name: v for name, v in held.items() if name.partition(" ")[0] not in recipe.keep}
        return plan

    def sample(self, seeds: Sequence[int], after_step: AfterStep | None, progress: Progress) -> Tensor:
        import torch

        recipe, model = self.recipe, self.model
        options: dict[str, Any] = {"steps": recipe.steps, "after_step": after_step, "progress": progress}
        if self.wanted:
            options["denoise"] = GuidedDenoiser(model, self.wanted, self.held, spacing=self.spacing)
        with torch.no_grad():
            if recipe.kind == "unconditional":
                return unconditional(model, seeds, **options)
            options |= {"psi": recipe.psi, "counting": recipe.counting}
            if recipe.kind == "perturbational":
                return perturbational(model, self.latent, seeds, **options)
            return localized(model, self.latent, self.keep, seeds, fuse_below=recipe.fuse_below, **options)

    def finish(
        self,
        recipe: Recipe,
        latent: Tensor,
        attempt: int,
        rejected: tuple[str, ...],
        first: RawHeart | None,
    ) -> Sibling:
        raw = decoded_labels(self.model, latent[None])[0]
        pasted = guarded = None
        if recipe.exact:
            pasted = paste_kept(
                self.twin,
                raw,
                self.kept,
                only_there=recipe.kept_tissues,
                feather_mm=recipe.feather_mm,
                spacing=self.spacing,
            )
            raw = pasted.labels
        labels, raw_checks = raw, pasted.checks if pasted else topology_checks(raw)
        checks = raw_checks
        if recipe.guard:
            exact = {"fixed": self.kept, "whole": recipe.kept_tissues} if recipe.exact else {}
            cut = {Tissue.AO, *recipe.kept_tissues}
            if self.twin is not None:
                cut |= border_voxels(self.twin).keys()
            guarded = guard_topology(raw, limit=recipe.repair_limit, cut=cut, **exact)
            labels, raw_checks = guarded.labels, guarded.before
            checks = guarded.after if guarded.accepted else guarded.before
        reports = target_reports(labels, self.wanted, self.held, self.spacing) if self.wanted else ()
        rest = (attempt, rejected, first)
        return Sibling(recipe, labels, raw, checks, raw_checks, guarded, pasted, reports, *rest)


def tissue_changes(
    twin: ArrayLike, labels: ArrayLike, spacing: ArrayLike = (1.4, 1.4, 1.4)
) -> list[dict[str, Any]]:
    """Volume of each tissue in twin and sibling (ml), its change, and the Dice coefficient of the two."""
    before, after = tissue_labels(twin), tissue_labels(labels)
    ml = float(np.prod(np.asarray(spacing, dtype=float))) / 1000
    rows = []
    for tissue in Tissue:
        a, b = before == tissue, after == tissue
        total = np.count_nonzero(a) + np.count_nonzero(b)
        rows.append(
            {
                "tissue": TISSUE_NAMES[tissue],
                "twin (ml)": np.count_nonzero(a) * ml,
                "sibling (ml)": np.count_nonzero(b) * ml,
                "change (ml)": (np.count_nonzero(b) - np.count_nonzero(a)) * ml,
                "Dice": 2 * np.count_nonzero(a & b) / total if total else 1.0,
            }
        )
    return rows
