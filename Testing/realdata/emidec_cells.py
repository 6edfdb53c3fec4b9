"""The cells of the real-data study on EMIDEC: alignments, fits, held-out losses, each one function call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from emidec import emidec_cases
from numpy.typing import NDArray

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.alignment import (
    align_case,
    align_population,
    infarct_territory,
    start_zone,
    weighted_mean_angle,
)
from cardiactwins.infarct.archive import PersonalizedModel, load_population, save_model, save_population
from cardiactwins.infarct.attributes import infarct_center, infarct_size, transmurality
from cardiactwins.infarct.comparison import compare_populations
from cardiactwins.infarct.divergence import neighbour_bandwidth, squared_distances
from cardiactwins.infarct.draws import PopulationDraws
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.individual import fit_individuals
from cardiactwins.infarct.loss import PopulationLoss
from cardiactwins.infarct.model import InfarctModel, StartZone
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import InfarctCase, InfarctPopulation

__all__ = [
    "FRESH_SEED",
    "MANY",
    "MEASURES",
    "SLICES",
    "WIDE",
    "aligned",
    "contender_named",
    "evaluated",
    "fitted",
    "halved",
    "held_out",
    "individual",
    "landed",
]

SLICES = {"2D": 1, "3D": 11}
WIDE = "elliptical, wide start"
MEASURES = ("KL_full", "KL_attr", "KL_full fixed", "KL_attr fixed", "MMD")
"""`fixed`: the bandwidth is that of the real lesions alone instead of the pooled ones (the papers')."""

FRESH = 20
FRESH_SEED = 20_240_911
MANY = 1000


def aligned(directory: str, dimension: str, turn: float) -> dict:
    """Cell: all patients on the reference, the estimated insertion turned by `turn` degrees."""
    population = align_population(
        emidec_cases(), ReferenceAnatomy(slices=SLICES[dimension]), offset=turn / 360
    )
    zone = start_zone(population)
    return {
        "population": stored(population, directory, f"{dimension}{turn:+d}"),
        "n": len(population),
        "excluded": [asdict(case) for case in population.excluded],
        "territories": dict(zip(population.identifiers, population.territories, strict=True)),
        "rotations": dict(zip(population.territories, population.rotations.tolist(), strict=True)),
        "zone": asdict(zone),
        "center_spread_turns": center_spread(population, zone),
        "no_reflow_cases": int(population.no_reflow.any(axis=1).sum()),
        **{name: [float(v.mean()), float(v.std(ddof=1))] for name, v in attributes(population).items()},
    }


def fitted(population: str, model: str, loss: str, seed: int, settings: Mapping, models: str) -> dict:
    """Cell: one personalization, its losses on fresh draws, and its lesions compared with the real ones."""
    real = load_population(population)
    contender = contender_named(model, real)
    fit_loss = prepared_loss(loss, real.anatomy, real.lesions, real.lesions)
    settings = PersonalizationSettings(**settings)
    found = personalize(real, contender, loss=fit_loss, seed=seed, workers=1, settings=settings)
    path = Path(models) / f"{Path(population).stem}-{model}-{loss.replace(' ', '-')}-{seed}.json"
    lesions = contender.sample(found.parameters, MANY, np.random.default_rng(FRESH_SEED))
    pooled = fit_loss.pooled_distances(lesions[:100])
    return {
        **found.summary(),
        "file": save_model(PersonalizedModel(contender, model, found), path),
        "losses": measured(contender, found.parameters, real.lesions, real.lesions),
        "compared": compared(real.lesions, lesions, real.anatomy),
        "bandwidths": {
            "pooled": neighbour_bandwidth(pooled),
            "real": real_bandwidth(fit_loss.kind, real.lesions, real.anatomy),
        },
        "empty_share": float(np.mean(~lesions.any(axis=1))),
    }


def halved(directory: str, dimension: str, split: str | int, swap: bool) -> dict:
    """Cell: the patients in two halves; territories' rotations and all else come from the first alone.

    split: "names" - the first 21 names against the others; a number - the seed of a random split. Also the
    losses of the first half itself against the second: what a sample of real infarcts of this size gets.
    """
    cases = emidec_cases()
    if split != "names":
        cases = [cases[index] for index in np.random.default_rng(split).permutation(len(cases))]
    first, second = cases[: len(cases) // 2], cases[len(cases) // 2 :]
    first, second = (second, first) if swap else (first, second)
    train = align_population(first, ReferenceAnatomy(slices=SLICES[dimension]))
    test = following(second, train)
    return {
        "train": stored(train, directory, f"{dimension}-{split}-{swap:d}-train"),
        "test": stored(test, directory, f"{dimension}-{split}-{swap:d}-test"),
        "n": [len(train), len(test)],
        "losses": {
            kind: prepared_loss(kind, train.anatomy, test.lesions, everyone(train, test))(train.lesions)
            for kind in MEASURES
        },
        "compared": compared(test.lesions, train.lesions, train.anatomy),
    }


def held_out(train: str, test: str, model: str, loss: str, settings: Mapping) -> dict:
    """Cell: a model fitted on one half, and its losses on the other, which nothing of the fit has seen."""
    known, unseen = load_population(train), load_population(test)
    contender = contender_named(model, known)
    fit_loss = prepared_loss(loss, known.anatomy, known.lesions, known.lesions)
    settings = PersonalizationSettings(**settings)
    found = personalize(known, contender, loss=fit_loss, workers=1, settings=settings)
    everybody = everyone(known, unseen)
    lesions = contender.sample(found.parameters, MANY, np.random.default_rng(FRESH_SEED))
    return {
        "parameters": dict(zip(found.parameter_names, found.parameters.tolist(), strict=True)),
        "own": [found.loss, found.loss_error],
        "unseen": measured(contender, found.parameters, unseen.lesions, everybody),
        "unseen_small": measured(contender, found.parameters, unseen.lesions, everybody, len(known)),
        "compared": compared(unseen.lesions, lesions, known.anatomy),
    }


def evaluated(population: str, model: str, parameters: Sequence[float]) -> dict:
    """Cell: losses of given parameters, such as the papers' optima, on this population."""
    real = load_population(population)
    return {"losses": measured(contender_named(model, real), parameters, real.lesions, real.lesions)}


def individual(population: str, spread: float) -> dict:
    """Cell: the ellipse of each patient; in the table of the paper, the mean and std of its axes."""
    real = load_population(population)
    zone = start_zone(real)
    fits = fit_individuals(real, zone, spread=spread, workers=1)
    away = np.mod(fits.centre - zone.circumferential + 0.5, 1) - 0.5
    return {
        "summary": fits.summary,
        "axis1": np.sort(fits.axis1),
        "axis2": np.sort(fits.axis2),
        "dice": [float(fits.dice.mean()), float(fits.dice.std(ddof=1))],
        "past_the_wall": float(np.mean(fits.axis2 >= np.ptp(real.anatomy.slice_radii))),
        "center_std_turns": float(away.std(ddof=1)),
        "losses": measured(contender_named("elliptical", real), fits.summary, real.lesions, real.lesions),
    }


def landed(step: int = 1) -> dict:
    """Cell: where lesions lie in the images, by plain geometry, against where the 2D alignment puts them.

    In the display `[::-1, ::-1].T` of a stored slice columns run against j and rows against i. The mean angle
    of the lesion's pixels around the ventricle's centroid is taken there, counter-clockwise from 120 degrees.
    step: take every so many patients.
    """
    anatomy = ReferenceAnatomy()
    turns, sizes = [], []
    for case in emidec_cases()[::step]:
        try:
            lesion = align_case(case, anatomy).lesion
        except ValueError:
            continue
        slices = np.flatnonzero(case.myocardium.any(axis=(1, 2)))
        middle = slices[len(slices) // 2]
        center = np.argwhere(case.myocardium[middle] | case.cavity[middle]).mean(axis=0)
        j, i = (np.argwhere(case.infarct[middle]) - center).T
        angle = np.arctan2(i * case.geometry.spacing[0], -j * case.geometry.spacing[1])
        mean = np.angle(np.exp(1j * angle).mean()) / (2 * np.pi) - 1 / 3
        turns.append(np.mod(weighted_mean_angle(lesion, anatomy) - mean + 0.5, 1) - 0.5)
        sizes.append((lesion.mean(), case.infarct[middle].sum() / case.myocardium[middle].sum()))
    away = 360 * np.abs(turns)
    return {
        "n": len(turns),
        "degrees_median": float(np.median(away)),
        "degrees_largest": float(away.max()),
        "size_correlation": float(np.corrcoef(np.transpose(sizes))[0, 1]),
        "size_difference_percent": float(100 * np.mean(np.subtract(*np.transpose(sizes)))),
    }


def contender_named(name: str, population: InfarctPopulation) -> InfarctModel:
    """A model that starts lesions where this population has them.

    WIDE: the elliptical model with starts spread as far around the ring as the population's centres, to
    tell what a model gains by this alone; the papers' start zone is 0.05 turns wide.
    """
    zone = start_zone(population)
    if name != WIDE:
        return make_model(name, population.anatomy, zone)
    tolerance = min(0.5, np.sqrt(3) * center_spread(population, zone))
    wide = StartZone(zone.circumferential, zone.longitudinal, circumferential_tolerance=tolerance)
    return EllipticalModel(population.anatomy, wide, name=WIDE)


def center_spread(population: InfarctPopulation, zone: StartZone) -> float:
    """Root mean square distance of the lesions' centres from the start, turns."""
    centers = infarct_center(population.lesions, population.anatomy)[:, 0]
    return float(np.sqrt(np.mean((np.mod(centers - zone.circumferential + 0.5, 1) - 0.5) ** 2)))


def prepared_loss(
    name: str, anatomy: ReferenceAnatomy, real: NDArray[np.bool_], everybody: NDArray[np.bool_]
) -> PopulationLoss:
    """The loss of MEASURES against lesions `real`; a fixed bandwidth is that of the lesions `everybody`."""
    kind, _, fixed = name.partition(" ")
    bandwidth = real_bandwidth(kind, everybody, anatomy) if fixed else None
    return PopulationLoss(anatomy, real, kind, bandwidth=bandwidth)


def real_bandwidth(kind: str, lesions: NDArray[np.bool_], anatomy: ReferenceAnatomy) -> float:
    """Mean distance of lesions (n, N) to their 9 nearest neighbours, as images or by a loss's attributes."""
    described = lesions.astype(np.float32)
    if kind == "KL_attr":
        described = np.stack([infarct_size(lesions), transmurality(lesions, anatomy)], axis=1)
        described /= described.std(axis=0)
    distances = squared_distances(described, described)
    np.fill_diagonal(distances, 0)
    return neighbour_bandwidth(distances)


def measured(
    model: InfarctModel,
    parameters: Sequence[float],
    real: NDArray[np.bool_],
    everybody: NDArray[np.bool_],
    lesions: int = 100,
) -> dict:
    """Mean and standard error of every loss over fresh populations of `lesions` lesions."""
    draws = PopulationDraws(model, lesions, "independent", FRESH_SEED)
    populations = [draws.lesions(parameters, number) for number in range(FRESH)]
    losses = {kind: prepared_loss(kind, model.anatomy, real, everybody) for kind in MEASURES}
    values = {kind: np.array([loss(one) for one in populations]) for kind, loss in losses.items()}
    return {kind: [float(v.mean()), float(v.std(ddof=1) / np.sqrt(FRESH))] for kind, v in values.items()}


def compared(
    real: NDArray[np.bool_], synthetic: NDArray[np.bool_], anatomy: ReferenceAnatomy
) -> dict[str, dict]:
    """Size, transmurality and endocardial extent of both in percent, and how far apart they are."""
    return {
        one.attribute: {
            "real": one.real,
            "synthetic": one.synthetic,
            "D": one.statistic,
            "p": one.p_value,
            "W1": one.wasserstein,
        }
        for one in compare_populations(real, synthetic, anatomy)
    }


def following(cases: Sequence[InfarctCase], leader: InfarctPopulation) -> InfarctPopulation:
    """Patients aligned with the rotations that another population's territories got."""
    rotation = dict(zip(leader.territories, leader.rotations, strict=True))
    names, territories, lesions = [], [], []
    for case in cases:
        try:
            territory = infarct_territory(align_case(case, leader.anatomy).lesion, leader.anatomy)
            lesions.append(align_case(case, leader.anatomy, rotation=rotation[territory]).lesion)
        except ValueError:
            continue
        names.append(case.identifier)
        territories.append(territory)
    return InfarctPopulation(leader.anatomy, np.array(lesions), tuple(names), territories=tuple(territories))


def everyone(*populations: InfarctPopulation) -> NDArray[np.bool_]:
    return np.concatenate([population.lesions for population in populations])


def attributes(population: InfarctPopulation) -> dict[str, NDArray[np.float64]]:
    return {
        "size_percent": 100 * infarct_size(population.lesions),
        "transmurality_percent": 100 * transmurality(population.lesions, population.anatomy),
    }


def stored(population: InfarctPopulation, directory: str, name: str) -> str:
    """Path of the population's file, whose name changes with the lesions."""
    digest = hashlib.sha256(np.packbits(population.lesions)).hexdigest()[:8]
    return str(save_population(population, Path(directory) / "populations" / f"{name}-{digest}.npz"))
