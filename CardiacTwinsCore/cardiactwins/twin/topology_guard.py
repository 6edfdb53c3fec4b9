"""Hearts that violate topology checks: repaired within a limit, or turned away; cut ones are turned away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from cardiactwins.anatomy.heart_border import border_voxels
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue, tissue_labels
from cardiactwins.anatomy.heart_topology import (
    FORBIDDEN_CONTACTS,
    ONE_PIECE,
    REQUIRED_CONTACTS,
    TopologyCheck,
    topology_checks,
)
from cardiactwins.anatomy.nearest_voxels import line_between

__all__ = ["REPAIR_LIMIT", "Guarded", "Repair", "guard_topology"]

REPAIR_LIMIT = 0.01
"""Largest share of a heart's voxels that a repair may change."""
TORN_SHARE = 0.02
"""A piece with more than this share of its tissue is joined to the largest rather than dropped."""
ROUNDS = 4

PIECES = slice(0, len(ONE_PIECE))
REQUIRED = slice(PIECES.stop, PIECES.stop + len(REQUIRED_CONTACTS))
FORBIDDEN = slice(REQUIRED.stop, REQUIRED.stop + len(FORBIDDEN_CONTACTS))
"""Where the kinds of checks stand among the 12."""

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Action = Literal["largest component", "gap closed", "contact separated"]


@dataclass(frozen=True, eq=False)
class Repair:
    """One repair: the check that it is for, what was done, and the voxels k, j, i that it changed, (N, 3)."""

    check: str
    action: Action
    voxels: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Guarded:
    """A heart before and after the guard.

    labels: the repaired heart where it was accepted, else the heart as it came. repairs: what was done, or
    tried. before, after: the 12 checks. share: changed voxels by voxels of tissue. accepted: all checks hold
    within the limit, and the grid cuts no tissue that it may not. reason: why it was turned away, ""
    otherwise.
    """

    labels: Labels
    repairs: tuple[Repair, ...]
    before: tuple[TopologyCheck, ...]
    after: tuple[TopologyCheck, ...]
    share: float
    accepted: bool
    reason: str = ""

    @property
    def changed(self) -> int:
        """Voxels that the repairs changed, each repair counted by itself."""
        return sum(len(repair.voxels) for repair in self.repairs)


def guard_topology(
    labels: ArrayLike,
    *,
    limit: float = REPAIR_LIMIT,
    connectivity: Literal[6, 18, 26] = 26,
    fixed: ArrayLike | None = None,
    whole: Iterable[Tissue | int] = (),
    cut: Iterable[Tissue | int] = (Tissue.AO,),
) -> Guarded:
    """Repair the violations of the 12 topology checks, if few voxels suffice.

    A tissue in several pieces keeps the largest: the others go to what surrounds them most, or, where they
    hold more than 2 % of the tissue, are joined to it. Tissues that should touch grow towards each other
    along their shortest gap. Where tissues touch that should not, the side with fewer voxels at the contact
    gives way, LV and RV to the myocardium beside them, the atria to background. As a repair may upset another
    check, all are tried again, four rounds at most.

    A heart that has outgrown its grid is turned away: what is missing of it cannot be repaired, and none of
    the 12 checks sees a chamber that ends in the flat border.

    limit: largest changed share of the heart's voxels. fixed: (k, j, i) bool, voxels that no repair may
    change. whole: tissues that no repair may add to, as they are what they should be. cut: tissues that may
    reach the border of the grid. ValueError for a limit outside [0, 1] or a mask of another shape.
    """
    raw = tissue_labels(labels)
    if not 0 <= limit <= 1:
        raise ValueError(f"The limit is a share of the heart's voxels, from 0 to 1; found {limit}.")
    held = np.zeros(raw.shape, dtype=bool) if fixed is None else np.asarray(fixed, dtype=bool)
    if held.shape != raw.shape:
        raise ValueError(f"The fixed voxels need the shape of the heart, {raw.shape}; found {held.shape}.")
    before = topology_checks(raw, connectivity=connectivity)
    if all(check.holds for check in before):
        reason = _outgrown(raw, cut)
        return Guarded(raw, (), before, before, 0.0, not reason, reason)
    missing = [name for tissue, name in TISSUE_NAMES.items() if not (raw == tissue).any()]
    if missing:
        reason = f"{', '.join(missing)} missing"
        return Guarded(raw, (), before, before, 0.0, False, reason)
    workshop = _Workshop(raw.copy(), held, connectivity, frozenset(int(tissue) for tissue in whole))
    after = before
    for _ in range(ROUNDS):
        workshop.round()
        after = topology_checks(workshop.labels, connectivity=connectivity)
        if all(check.holds for check in after):
            break
    share = float(np.count_nonzero(workshop.labels != raw) / np.count_nonzero(raw))
    failing = [check.name for check in after if not check.holds]
    if failing:
        reason = f"cannot be repaired: {', '.join(failing)}"
    elif share > limit:
        reason = f"repairs would change {share:.1%}, more than {limit:.1%}"
    else:
        reason = _outgrown(workshop.labels, cut)
    repaired = workshop.labels if not reason else raw
    return Guarded(repaired, tuple(workshop.repairs), before, after, share, not reason, reason)


def _outgrown(labels: Labels, cut: Iterable[Tissue | int]) -> str:
    """Why a heart does not fit its grid, "" where it does."""
    allowed = {int(tissue) for tissue in cut}
    found = {tissue: n for tissue, n in border_voxels(labels).items() if int(tissue) not in allowed}
    told = ", ".join(f"{TISSUE_NAMES[tissue]} ({n:,} voxels)" for tissue, n in found.items())
    return f"the border of the grid cuts {told}" if found else ""


@dataclass(eq=False)
class _Workshop:
    """A heart under repair."""

    labels: Labels
    held: Mask
    connectivity: Literal[6, 18, 26]
    whole: frozenset[int] = frozenset()
    repairs: list[Repair] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = {6: 1, 18: 2, 26: 3}[self.connectivity]
        self.around = ndimage.generate_binary_structure(3, order)

    def round(self) -> None:
        """Each violated check once, in an order in which later repairs upset earlier ones least."""
        for check in self._violated(PIECES):
            self._join_or_drop(check)
        for check in self._violated(FORBIDDEN):
            self._separate(check)
        for check in self._violated(REQUIRED):
            self._close_gap(check)

    def _violated(self, kind: slice) -> list[TopologyCheck]:
        checks = topology_checks(self.labels, connectivity=self.connectivity)
        return [check for check in checks[kind] if not check.holds]

    def _join_or_drop(self, check: TopologyCheck) -> None:
        (tissue,) = check.tissues
        pieces, count = ndimage.label(self.labels == tissue, structure=self.around)
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        largest = int(np.argmax(sizes))
        boxes = ndimage.find_objects(pieces)
        for piece in range(1, count + 1):
            if piece == largest:
                continue
            if sizes[piece] > TORN_SHARE * sizes.sum() and int(tissue) not in self.whole:
                line = line_between(pieces == piece, pieces == largest)[1:-1]
                tube = self._tube(line)
                if tube is not None and len(tube) < sizes[piece]:
                    self._change(check.name, "gap closed", tube, int(tissue))
                    continue
            box = _grown(boxes[piece - 1])
            own = pieces[box] == piece
            shell = ndimage.binary_dilation(own, self.around) & ~own
            counts = np.bincount(self.labels[box][shell], minlength=len(Tissue) + 1)
            counts[[int(tissue), *self.whole]] = 0
            self._change(check.name, "largest component", _places(own, box), int(np.argmax(counts)))

    def _separate(self, check: TopologyCheck) -> None:
        values = self.labels[tuple(check.voxels.T)]
        sides = sorted(check.tissues, key=lambda tissue: int(np.count_nonzero(values == tissue)))
        ventricles = Tissue.LV in check.tissues and int(Tissue.MYO) not in self.whole
        box = _grown(_box_of(check.voxels))
        for tissue, other in (sides, sides[::-1]):
            near = ndimage.binary_dilation(self.labels[box] == other, self.around)
            contact = (self.labels[box] == tissue) & near & ~self.held[box]
            clusters, _ = ndimage.label(contact, structure=self.around)
            for cluster, part in enumerate(ndimage.find_objects(clusters), start=1):
                inner = _grown(part)
                own = clusters[inner] == cluster
                shell = ndimage.binary_dilation(own, self.around) & ~own
                wall = ventricles and (self.labels[box][inner][shell] == Tissue.MYO).any()
                value = int(Tissue.MYO) if wall else 0
                places = _places(own, inner) + [axis.start for axis in box]
                self._change(check.name, "contact separated", places, value)

    def _close_gap(self, check: TopologyCheck) -> None:
        growing = [tissue for tissue in check.tissues if int(tissue) not in self.whole]
        tube = self._tube(check.voxels[1:-1]) if growing else None
        if tube is None:
            return
        ends = check.voxels[[0, -1]]
        away = np.linalg.norm(tube[:, None] - ends[None], axis=2)
        nearer = away[:, 0] <= away[:, 1]
        for side, tissue in ((nearer, growing[0]), (~nearer, growing[-1])):
            self._change(check.name, "gap closed", tube[side], int(tissue))

    def _tube(self, line: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """A line and its face neighbours in background and wall, (N, 3); None where fixed voxels bar it."""
        if self.held[tuple(line.T)].any():
            return None
        steps = np.concatenate([np.eye(3, dtype=np.intp), -np.eye(3, dtype=np.intp)])
        near = (line[:, None] + steps[None]).reshape(-1, 3)
        near = near[((near >= 0) & (near < self.labels.shape)).all(axis=1)]
        at = tuple(near.T)
        near = near[np.isin(self.labels[at], (0, int(Tissue.MYO))) & ~self.held[at]]
        return np.unique(np.concatenate([line, near]), axis=0)

    def _change(self, check: str, action: Action, places: NDArray[np.intp], value: int) -> None:
        at = tuple(places.T)
        places = places[(self.labels[at] != value) & ~self.held[at]]
        if len(places):
            self.labels[tuple(places.T)] = value
            self.repairs.append(Repair(check, action, places))


def _places(mask: Mask, box: tuple[slice, ...]) -> NDArray[np.intp]:
    return np.argwhere(mask) + [s.start for s in box]


def _box_of(voxels: NDArray[np.intp]) -> tuple[slice, ...]:
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))


def _grown(box: tuple[slice, ...]) -> tuple[slice, ...]:
    """A box and the voxels around it; slices end beyond the array without harm."""
    return tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
