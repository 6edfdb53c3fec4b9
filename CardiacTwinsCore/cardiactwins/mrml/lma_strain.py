"""Strain of slices as tables and curves, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.lma.sectors import checked_strain_matrix, trim_frames
from cardiactwins.lma.slice_strain import SliceStrain
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import columns_of_table, new_table

__all__ = [
    "StrainNodes",
    "new_strain_nodes",
    "new_strain_table",
    "strain_matrices",
    "strain_of_table",
    "strain_slices",
]

TIME = "time"


@dataclass(frozen=True, eq=False)
class StrainNodes:
    """Strain of one slice in the scene.

    strain: by points. matrix: (sectors, T) circumferential strain of the mid-wall, reduced to its modes;
    measured: the same as measured, for the onset. times: (T,) ms. position: (3,) RAS mm of the slice, None
    where it is not known. table: node of `matrix`; plot: its curves.
    """

    strain: SliceStrain
    matrix: NDArray[np.float64]
    measured: NDArray[np.float64]
    times: NDArray[np.float64]
    position: NDArray[np.float64] | None
    table: Any
    plot: Any


def new_strain_nodes(
    name: str,
    strain: SliceStrain,
    position: NDArray[np.float64] | None,
    sectors: int,
    trim: int,
) -> StrainNodes:
    """Table and curves of a slice's mid-wall circumferential strain without its last `trim` frames."""
    matrix, times = trim_frames(strain.matrix(sectors), strain.times, trim)
    measured, _ = trim_frames(strain.measured_matrix(sectors), strain.times, trim)
    table = new_strain_table(name, matrix, times)
    curves = [f"sector {sector}" for sector in range(1, sectors + 1)]
    plot = new_plot(f"{name}: strain curves", table, TIME, curves, y_title="circumferential strain")
    return StrainNodes(strain, matrix, measured, times, position, table, plot)


def new_strain_table(name: str, matrix: ArrayLike, times: ArrayLike) -> Any:
    """A table node of a strain matrix (S, T): one row a frame, time in ms and one column a sector."""
    matrix, times = checked_strain_matrix(matrix, times)
    columns: dict[str, ArrayLike] = {TIME: times}
    columns |= {f"sector {sector}": values for sector, values in enumerate(matrix, start=1)}
    return new_table(name, columns, {TIME: "ms"})


def strain_of_table(node: Any, sectors: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strain matrix (S, T) and times (T,) in ms of a table with a column 'time' and one a sector ('1' ...).

    ValueError when they are not there, or as of `checked_strain_matrix`.
    """
    columns = columns_of_table(node)
    times = [values for name, values in columns.items() if re.fullmatch(r"time.*|t", name, re.IGNORECASE)]
    numbered = {}
    for name, values in columns.items():
        found = re.fullmatch(r"(?:sector ?)?(\d+)", name, re.IGNORECASE)
        if found:
            numbered[int(found[1])] = values
    if len(times) != 1 or sorted(numbered) != list(range(1, len(numbered) + 1)) or not numbered:
        raise ValueError(
            f"Table '{node.GetName()}' needs a column 'time' in ms and columns 'sector 1', 'sector 2', ...; "
            f"found {', '.join(map(repr, columns)) or 'no column'}."
        )
    try:
        matrix = np.array([numbered[sector] for sector in sorted(numbered)], dtype=float)
        frames = np.array(times[0], dtype=float)
    except ValueError as error:
        raise ValueError(f"Table '{node.GetName()}' holds text where numbers belong: {error}.") from error
    return checked_strain_matrix(matrix, frames, sectors)


def strain_slices(strain: Any) -> list[Any]:
    """Strain of one slice or of several, each a `StrainNodes`, a table node or a pair, as a list."""
    single = hasattr(strain, "GetTable") or isinstance(strain, (StrainNodes, tuple))
    return [strain] if single else list(strain)


def strain_matrices(strain: Any) -> list[NDArray[np.float64]]:
    """Matrices (sectors, frames) of one or more slices as of `strain_slices`.

    Those of `StrainNodes` are reduced to their modes, others as they are. ValueError as of `strain_of_table`.
    """
    matrices = []
    for slice_ in strain_slices(strain):
        if isinstance(slice_, StrainNodes):
            matrices.append(slice_.matrix)
        elif hasattr(slice_, "GetTable"):
            matrices.append(strain_of_table(slice_)[0])
        else:
            matrices.append(np.asarray(slice_[0], dtype=float))
    return matrices
