"""The studies of konik-2024: its tables 1 to 4, search size, bandwidth and loss."""

from __future__ import annotations

import itertools

from cardiactwins.infarct.loss import LOSSES
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.studies import Study, grid_study

__all__ = ["STUDIES", "named_study"]

MEANS, STDS = (22.0, 16.0), (10.0, 20.0)
"""The papers' best start of the elliptical model, (22, 10, 16, 20): what a table does not vary stays."""
BEST_STARTS = {"elliptical": (MEANS[0], STDS[0], MEANS[1], STDS[1]), "spherical": (5.0, 35.0)}
"""Where a study starts that does not vary the start."""


def _table_1(settings: PersonalizationSettings, launches: int) -> Study:
    places = {
        (f"{second}", f"{first}"): {"start": (first, STDS[0], second, STDS[1])}
        for second, first in itertools.product((5, 10, 15, 20, 25, 30), (10, 15, 20, 25, 30))
    }
    return grid_study(
        "starts-means",
        "Starts of the 2D elliptical model: means of the axes (konik-2024, table 1)",
        "elliptical",
        places,
        launches=launches,
        settings=settings,
        row_title="Mean of axis 2 (pixels)",
        column_title="Mean of axis 1 (pixels)",
    )


def _table_2(settings: PersonalizationSettings, launches: int) -> Study:
    places = {
        (f"{second}", f"{first}"): {"start": (MEANS[0], first, MEANS[1], second)}
        for second, first in itertools.product((5, 10, 15, 20), (5, 10, 15, 20, 25))
    }
    return grid_study(
        "starts-stds",
        "Starts of the 2D elliptical model: standard deviations of the axes (konik-2024, table 2)",
        "elliptical",
        places,
        launches=launches,
        settings=settings,
        row_title="Standard deviation of axis 2 (pixels)",
        column_title="Standard deviation of axis 1 (pixels)",
    )


def _table_3(settings: PersonalizationSettings, launches: int) -> Study:
    places = {
        (f"{radius}", f"{spheres}"): {"start": (spheres, radius)}
        for radius, spheres in itertools.product((5, 10, 15, 20, 25, 30, 35), (1, 5, 10, 15, 20))
    }
    return grid_study(
        "starts-spherical",
        "Starts of the 2D iterative spherical model (konik-2024, table 3)",
        "spherical",
        places,
        launches=launches,
        settings=settings,
        row_title="Maximal radius (pixels)",
        column_title="Spheres",
    )


def _table_4(settings: PersonalizationSettings, launches: int) -> Study:
    places = {
        (loss, f"({spheres}, {radius})"): {"start": (spheres, radius), "loss": loss}
        for loss, (spheres, radius) in itertools.product(
            ("KL_full", "KL_attr"), ((1, 30), (10, 20), (20, 10), (30, 1))
        )
    }
    return grid_study(
        "starts-3d",
        "Starts of the 3D iterative spherical model (konik-2024, table 4)",
        "spherical",
        places,
        launches=launches,
        settings=settings,
        row_title="Loss",
        column_title="Start (spheres, maximal radius in pixels)",
        slices=0,
    )


def _search_sizes(settings: PersonalizationSettings, launches: int) -> Study:
    sizes = ((15, 3), (15, 7), (50, 12), (50, 25))
    places = {
        (model, f"{candidates} / {parents}"): {
            "model": model,
            "start": start,
            "settings": {"candidates": candidates, "parents": parents},
        }
        for model, start in BEST_STARTS.items()
        for candidates, parents in sizes
    }
    return grid_study(
        "search-size",
        "Candidates and parents of a generation, 2D models (konik-2024, figure 4)",
        "elliptical",
        places,
        launches=launches,
        settings=settings,
        column_title="Candidates / parents",
    )


def _bandwidths(settings: PersonalizationSettings, launches: int) -> Study:
    start = BEST_STARTS["elliptical"]
    places = {("neighbours", f"{n}"): {"start": start, "neighbours": n} for n in (5, 9, 15)}
    places |= {("fixed (pixels^0.5)", f"{h}"): {"start": start, "bandwidth": float(h)} for h in (5, 9, 15)}
    return grid_study(
        "bandwidth",
        "Kernel bandwidth, from nearest neighbours or fixed (konik-2024, 3.2.3)",
        "elliptical",
        places,
        launches=launches,
        settings=settings,
        column_title="Neighbours or bandwidth",
    )


def _losses(settings: PersonalizationSettings, launches: int) -> Study:
    start = BEST_STARTS["elliptical"]
    places = {("elliptical", loss): {"start": start, "loss": loss} for loss in LOSSES}
    return grid_study(
        "loss",
        "Loss of the 2D elliptical model (konik-2024, 3.2.4; mom-2021, discussion)",
        "elliptical",
        places,
        launches=launches,
        settings=settings,
        column_title="Loss",
    )


STUDIES = {
    "starts-means": (_table_1, 10),
    "starts-stds": (_table_2, 10),
    "starts-spherical": (_table_3, 10),
    "starts-3d": (_table_4, 5),
    "search-size": (_search_sizes, 10),
    "bandwidth": (_bandwidths, 10),
    "loss": (_losses, 10),
}
"""The studies by name, with the launches a place that the paper took: 10, and 5 in 3D."""


def named_study(
    name: str, settings: PersonalizationSettings | None = None, launches: int | None = None
) -> Study:
    """One of `STUDIES`. settings: of every search, ours by default. ValueError for an unknown name."""
    if name not in STUDIES:
        raise ValueError(f"A study is one of {', '.join(STUDIES)}; found {name!r}.")
    build, paper_launches = STUDIES[name]
    return build(settings or PersonalizationSettings(), launches or paper_launches)
