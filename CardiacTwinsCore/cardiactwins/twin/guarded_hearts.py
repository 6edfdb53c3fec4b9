"""Hearts from anywhere before and after the topology guard, judged by what their reference lets be cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.compute.progress import Progress, silent
from cardiactwins.twin.cohort import Cohort, measure_cohort
from cardiactwins.twin.topology_guard import guard_topology
from cardiactwins.twin.twin_grid import TWIN_GRID

__all__ = ["raw_and_guarded", "tissues_cut_in"]

Labels = NDArray[np.uint8]


def tissues_cut_in(reference: Cohort) -> frozenset[Tissue]:
    """The tissues that the border of the grid may cut in hearts that are judged by a reference.

    The aorta, and those that any heart of the reference has in the outermost layer of the grid; the aorta
    alone for a reference without occupancy.
    """
    if reference.occupancy is None:
        return frozenset({Tissue.AO})
    outermost = reference.occupancy > 0
    outermost[:, 1:-1, 1:-1, 1:-1] = False
    return frozenset({Tissue.AO, *(tissue for tissue in Tissue if outermost[tissue].any())})


def raw_and_guarded(
    hearts: Mapping[str, Labels],
    spacing: ArrayLike = TWIN_GRID.spacing,
    *,
    cut: Iterable[Tissue] = (Tissue.AO,),
    heat_map: bool = False,
    progress: Progress = silent,
) -> tuple[Cohort, Cohort]:
    """Hearts as they are, and those that `guard_topology` accepts, with its repairs; each is read once.

    hearts: label maps (k, j, i) on one grid by name, values of Tissue. spacing: of all, along i, j, k in mm.
    cut: tissues that may reach the border of the grid. heat_map: with the occupancy of the hearts as they
    are. ValueError as of `measure_cohort`.
    """
    accepted: list[str] = []
    repaired: dict[str, Labels] = {}

    def looked_at() -> Iterator[Labels]:
        for name, labels in hearts.items():
            found = guard_topology(labels, cut=cut)
            if found.accepted:
                accepted.append(name)
            if found.accepted and found.repairs:
                repaired[name] = found.labels
            yield labels

    raw = measure_cohort(looked_at(), spacing, names=tuple(hearts), heat_map=heat_map, progress=progress)
    after = measure_cohort(repaired.values(), spacing, names=tuple(repaired))
    places = {name: number for number, name in enumerate((*raw.names, *after.names))}
    both = Cohort(
        (*raw.names, *after.names),
        np.concatenate([raw.morphology, after.morphology]),
        np.concatenate([raw.violated, after.violated]),
    )
    # A repaired heart comes after the same as it was, so that its name has the later place.
    return raw, both.select([places[name] for name in accepted])
