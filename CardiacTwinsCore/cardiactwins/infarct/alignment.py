"""Infarcts of many patients brought onto one reference anatomy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.aha import TERRITORIES, reference_segments
from cardiactwins.anatomy.axis import heart_kind, slice_axis
from cardiactwins.anatomy.coordinates import LVCoordinates, lv_coordinates
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.anatomy.transport import Transport
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.attributes import attribute_columns, case_attributes
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.population import ExcludedCase, InfarctCase, InfarctPopulation

__all__ = [
    "AlignedInfarct",
    "align_case",
    "align_population",
    "infarct_territory",
    "measured_population",
    "start_zone",
    "weighted_mean_angle",
    "whole_ventricle_gap",
]

OPEN_APEX = 0.5
"""The apex is taken as imaged when the apical cavity is at most this share of the largest one."""
WIDENING_BASE = 1.15
"""The base is taken as imaged when the last slice's cavity is at most so many times the largest other one."""


class AlignedInfarct(NamedTuple):
    """An infarct on the reference: lesion and no-reflow (or None), (N,) bool each."""

    lesion: NDArray[np.bool_]
    no_reflow: NDArray[np.bool_] | None


def align_case(
    case: InfarctCase,
    anatomy: ReferenceAnatomy,
    *,
    rotation: float = 0.0,
    clip: bool = False,
) -> AlignedInfarct:
    """Transport one patient's infarct to the reference; voxels where the interpolated value is at least 0.5.

    rotation: turns added to the circumferential coordinate. clip: drop infarct voxels outside the myocardium
    instead of refusing the case. A 2D reference takes the slice nearest to mid-level, a 3D one needs the
    whole ventricle (`whole_ventricle_gap`). ValueError when the case cannot be used, with the reason.
    """
    coordinates, infarct, no_reflow = _inputs(case, anatomy, clip)
    return _aligned(coordinates.rotated(rotation), infarct, no_reflow, anatomy)


def align_population(
    cases: Iterable[InfarctCase],
    anatomy: ReferenceAnatomy,
    *,
    rotate: bool = True,
    minimum: int = 5,
    clip: bool = False,
    offset: float = 0.0,
    progress: Progress = silent,
) -> InfarctPopulation:
    """Align patients and rotate each territory's centre of mass onto the LAD's (mom-2021, section 2.1).

    rotate: add to all cases of a territory the difference of its `weighted_mean_angle` to that of the LAD
    cases (to the centre of the LAD's AHA segments where there is no LAD case). A case without a culprit
    artery gets the territory in which most of its infarct lies (`infarct_territory`). Cases that cannot be
    used are listed with the reason in `excluded`. clip: see `align_case`. The attribute insertion_estimated
    says whose RV insertion is an estimate; offset: turns added to the circumferential coordinate of these
    hearts, to see how much depends on it. ValueError when fewer than `minimum` cases remain.
    """
    cases = list(cases)
    used, excluded, aligned, inputs = [], [], [], []
    for step, case in enumerate(cases):
        progress(step, 2 * len(cases), f"Align {case.identifier}")
        try:
            coordinates, infarct, no_reflow = _inputs(case, anatomy, clip)
            if coordinates.insertion == "estimate":
                coordinates = coordinates.rotated(offset)
            aligned.append(_aligned(coordinates, infarct, no_reflow, anatomy))
        except ValueError as error:
            excluded.append(ExcludedCase(case.identifier, str(error)))
        else:
            used.append(case)
            inputs.append((coordinates, infarct, no_reflow))
    if len(used) < minimum:
        reasons = "; ".join(f"{case.identifier}: {case.reason}" for case in excluded[:5])
        raise ValueError(
            f"{len(used)} of {len(cases)} cases can be used, but a population needs at least {minimum}. "
            f"Add cases or correct those left out ({reasons or 'none was left out'})."
        )
    lesions = np.array([one.lesion for one in aligned])
    territories = tuple(
        case.territory or infarct_territory(lesion, anatomy)
        for case, lesion in zip(used, lesions, strict=True)
    )
    rotations = _onto_lad(lesions, territories, anatomy) if rotate else np.zeros(len(used))
    for step, (coordinates, infarct, no_reflow) in enumerate(inputs):
        progress(len(cases) + step, 2 * len(cases), f"Rotate {used[step].identifier}")
        if rotations[step]:
            aligned[step] = _aligned(coordinates.rotated(rotations[step]), infarct, no_reflow, anatomy)
    estimated = np.array([coordinates.insertion == "estimate" for coordinates, _, _ in inputs])
    message = f"{len(used)} of {len(cases)} cases aligned"
    progress(2 * len(cases), 2 * len(cases), f"{message}, {estimated.sum()} with an estimated insertion")
    return InfarctPopulation(
        anatomy=anatomy,
        lesions=np.array([one.lesion for one in aligned]),
        identifiers=tuple(case.identifier for case in used),
        no_reflow=_no_reflow(aligned, anatomy),
        territories=territories,
        rotations=rotations,
        attributes={"insertion_estimated": estimated},
        excluded=tuple(excluded),
    )


def weighted_mean_angle(lesions: ArrayLike, anatomy: ReferenceAnatomy) -> float:
    """Circular mean in [0, 1) of the circumferential coordinate over all infarct voxels of lesions (..., N).

    Every infarct voxel weighs the same, so that large infarcts count more (konik-2024, section 2.2).
    ValueError when there is no infarct, or when it is spread so evenly around the ring that it has no mean
    angle.
    """
    counts = np.asarray(lesions).reshape(-1, anatomy.n_voxels).sum(axis=0, dtype=float)
    if counts.sum() == 0:
        raise ValueError("No lesion holds an infarct voxel, so that there is no mean angle.")
    mean = (counts * np.exp(2j * np.pi * anatomy.circumferential)).sum() / counts.sum()
    if abs(mean) < 1e-6:
        raise ValueError("The infarct is spread evenly around the ring: it has no mean angle.")
    return float(np.mod(np.angle(mean) / (2 * np.pi), 1.0))


def measured_population(
    cases: Sequence[InfarctCase],
    anatomy: ReferenceAnatomy,
    unreadable: Sequence[ExcludedCase] = (),
    *,
    rotate: bool = True,
    clip: bool = False,
    real_spacing: bool = True,
    progress: Progress = silent,
) -> InfarctPopulation:
    """The aligned population with attributes measured on the patients' own grids.

    unreadable: cases that come first in `excluded`. real_spacing: voxel sizes are the patients', so that
    `attributes` holds ml and grams beside voxels. Other arguments and errors as of `align_population`.
    """
    population = align_population(cases, anatomy, rotate=rotate, clip=clip, progress=progress)
    by_name = {case.identifier: case for case in cases}
    measured = [
        case_attributes(by_name[identifier], real_spacing=real_spacing)
        for identifier in population.identifiers
    ]
    return replace(
        population,
        excluded=(*unreadable, *population.excluded),
        attributes={**population.attributes, **attribute_columns(measured)},
    )


def start_zone(population: InfarctPopulation) -> StartZone:
    """Where models start lesions of this population: its weighted mean angle and longitudinal coordinate."""
    counts = population.lesions.sum(axis=0, dtype=float)
    angle = weighted_mean_angle(population.lesions, population.anatomy)
    longitudinal = float((counts * population.anatomy.longitudinal).sum() / counts.sum())
    return StartZone(circumferential=angle, longitudinal=longitudinal)


def infarct_territory(lesion: ArrayLike, anatomy: ReferenceAnatomy) -> str:
    """Coronary artery whose AHA segments hold the largest part of a lesion (N,)."""
    segments = reference_segments(anatomy)[np.asarray(lesion, dtype=bool)]
    if segments.size == 0:
        raise ValueError("The lesion is empty: it lies in no coronary territory.")
    return max(TERRITORIES, key=lambda artery: int(np.isin(segments, TERRITORIES[artery]).sum()))


def whole_ventricle_gap(coordinates: LVCoordinates, cavity: ArrayLike) -> str | None:
    """What is missing of a ventricle that a 3D reference needs from apex to base; None when it is whole.

    cavity: (k, j, i) bool. The rule: every slice between the first and the last holds myocardium; the most
    apical slice has no cavity, or one of at most half the largest area; the most basal slice's cavity is at
    most 1.15 times as large as the largest other one (the ventricle has stopped widening). A dense map
    counts as whole.
    """
    if heart_kind(coordinates.geometry, coordinates.mask) == "dense":
        return None
    slices_along = slice_axis(coordinates.geometry)
    mask = np.moveaxis(coordinates.mask, slices_along, 0)
    longitudinal = np.moveaxis(coordinates.longitudinal, slices_along, 0)
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(slices) <= np.ptp(slices):
        return "a slice between apex and base has no myocardium"
    from_base = np.argsort([longitudinal[k][mask[k]][0] for k in slices])
    areas = np.moveaxis(np.asarray(cavity, dtype=bool), slices_along, 0)[slices[from_base]].sum(axis=(1, 2))
    share, growth = areas[-1] / areas.max(), areas[0] / max(areas[1:].max(), 1)
    if share > OPEN_APEX:
        return f"the apex is not covered (cavity of the last slice {share:.0%} of the largest)"
    if growth > WIDENING_BASE:
        return f"the base is not covered (cavity still widening, {growth:.2f} times the largest other one)"
    return None


def _inputs(
    case: InfarctCase, anatomy: ReferenceAnatomy, clip: bool
) -> tuple[LVCoordinates, NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Coordinates, infarct and no-reflow of a case that can be used; ValueError with the reason otherwise."""
    infarct = np.asarray(case.infarct, dtype=bool)
    myocardium = np.asarray(case.myocardium, dtype=bool)
    if infarct.shape != case.geometry.shape:
        raise ValueError(
            f"The infarct has shape {infarct.shape}, but the grid has {case.geometry.shape} (k, j, i)."
        )
    coordinates = lv_coordinates(
        case.geometry,
        case.cavity,
        myocardium,
        insertion_points=case.insertion_points,
        right_ventricle=case.right_ventricle,
    )
    if not infarct.any():
        raise ValueError("The infarct is empty.")
    outside = int((infarct & ~myocardium).sum())
    if outside and not clip:
        raise ValueError(
            f"The infarct lies outside the myocardium ({outside:,} of {int(infarct.sum()):,} voxels). "
            "Clip it to the myocardium or correct the segmentation."
        )
    if not (infarct & coordinates.mask).any():
        raise ValueError("The infarct lies outside the myocardium.")
    if anatomy.is_3d:
        if not coordinates.is_3d:
            raise ValueError("The segmentation has a single slice, but the reference is 3D.")
        gap = whole_ventricle_gap(coordinates, case.cavity)
        if gap:
            raise ValueError(f"The left ventricle is not whole: {gap}.")
    no_reflow = None if case.no_reflow is None else np.asarray(case.no_reflow, dtype=bool) & infarct
    return coordinates, infarct, no_reflow


def _aligned(
    coordinates: LVCoordinates,
    infarct: NDArray[np.bool_],
    no_reflow: NDArray[np.bool_] | None,
    anatomy: ReferenceAnatomy,
) -> AlignedInfarct:
    transport = Transport(coordinates, anatomy)
    if not anatomy.is_3d and not (infarct & transport.mid_level).any():
        raise ValueError("There is no infarct at mid-level.")
    lesion = transport.to_reference(infarct) >= 0.5
    if not lesion.any():
        raise ValueError("The infarct is too small: nothing of it is left on the reference.")
    if no_reflow is None:
        return AlignedInfarct(lesion, None)
    return AlignedInfarct(lesion, (transport.to_reference(no_reflow) >= 0.5) & lesion)


def _onto_lad(
    lesions: NDArray[np.bool_], territories: Sequence[str], anatomy: ReferenceAnatomy
) -> NDArray[np.float64]:
    """Turns to add to each case, in [-0.5, 0.5), (Q,)."""
    names = np.array(territories)
    centers = {name: weighted_mean_angle(lesions[names == name], anatomy) for name in set(territories)}
    if "LAD" not in centers:
        lad = np.isin(reference_segments(anatomy), TERRITORIES["LAD"])
        centers["LAD"] = weighted_mean_angle(lad, anatomy)
    return np.array([np.mod(centers["LAD"] - centers[name] + 0.5, 1.0) - 0.5 for name in territories])


def _no_reflow(aligned: Sequence[AlignedInfarct], anatomy: ReferenceAnatomy) -> NDArray[np.bool_] | None:
    if all(one.no_reflow is None for one in aligned):
        return None
    nothing = np.zeros(anatomy.n_voxels, dtype=bool)
    return np.array([nothing if one.no_reflow is None else one.no_reflow for one in aligned])
