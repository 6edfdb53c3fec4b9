"""The second part of LMAReconstruct's console interface: strain and the time to onset of shortening."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.onset_methods import chosen_onset_method, estimate_onset_by
from cardiactwins.lma.sectors import SECTORS
from cardiactwins.lma.slice_strain import slice_strain
from cardiactwins.lma.tos_table import TosTable, read_tos_csv, tos_of_columns
from cardiactwins.mrml.lma_dense import dense_slice
from cardiactwins.mrml.lma_map import new_tos_table
from cardiactwins.mrml.lma_outcomes import EstimatedTOS, ReconstructedHeart
from cardiactwins.mrml.lma_places import insertion_or_known, known_frame, own_heights, slice_heights
from cardiactwins.mrml.lma_strain import StrainNodes, new_strain_nodes, strain_of_table, strain_slices
from cardiactwins.mrml.tables import columns_of_table

__all__ = ["OnsetLogic"]

TRIM = 5
"""Noisy last frames that are left out (jayakumar-2023)."""


class OnsetLogic:
    """Makes strain of images and onsets of strain, or takes them from tables; see `LMAReconstructLogic`."""

    def computeStrain(
        self,
        phaseX: Any,
        phaseY: Any,
        mask: Any,
        *,
        ke: ArrayLike | None = None,
        insertionPoints: Any = None,
        phaseZ: Any = None,
        times: ArrayLike | None = None,
        frameInterval: float | None = None,
        pixel: ArrayLike | None = None,
        signs: Sequence[int] | None = None,
        storedRange: tuple[float, float] | str | None = None,
        model: Any = None,
        seenFromApex: bool | None = None,
        sectors: int = SECTORS,
        trim: int = TRIM,
        name: str = "Strain",
        progress: Progress = silent,
    ) -> StrainNodes:
        """Strain of one slice from its DENSE images: matrix, table, curves.

        phaseX, phaseY, phaseZ, mask: sequences, lists of volumes or arrays, see `dense_slice`, which the
        other arguments belong to. ke: encoding frequency in cycles/mm. insertionPoints: markups, (M, 3) RAS
        mm or (2,) mm; those of the model when None. model: a `ReconstructedHeart` or its model node, which
        tells from which side the slice is seen as well. sectors: of the matrix. trim: number of noisy last
        frames left out.
        """
        frame = known_frame(model)
        given = dense_slice(
            phaseX,
            phaseY,
            mask,
            ke=ke,
            insertion=insertion_or_known(insertionPoints, frame),
            phase_z=phaseZ,
            times=times,
            frame_interval=frameInterval,
            pixel=pixel,
            signs=signs,
            stored_range=storedRange,
            toward_apex=None if frame is None else frame.direction,
            seen_from_apex=seenFromApex,
        )
        found = slice_strain(
            given.images, given.insertion, seen_from_apex=given.seen_from_apex, progress=progress
        )
        return new_strain_nodes(name, found, given.position, sectors, trim)

    def estimateTOS(
        self,
        strain: Any,
        *,
        method: str = "auto",
        slicePositions: Any = None,
        model: Any = None,
        sectors: int | None = None,
        weights: str | Path | None = None,
        name: str = "TOS",
        progress: Progress = silent,
    ) -> EstimatedTOS:
        """Onset of shortening of every sector of one or more slices, as a table.

        strain: one or a list of `StrainNodes`, table nodes ('time', 'sector 1', ...), or pairs (matrix
        (sectors, frames), times (frames,) in ms). method: "network", "change point", or "auto" (the network
        where PyTorch and its weights are there). slicePositions: as in `projectTOS`; with a model (a
        `ReconstructedHeart` or model node) the slices' own positions are used where they are known. weights:
        another file of the network. ValueError as of `estimate_onset_by`.
        """
        slices = strain_slices(strain)
        used = chosen_onset_method(method, weights)
        estimates, last_frames = [], []
        for number, slice_ in enumerate(slices, start=1):
            progress(number - 1, len(slices), f"Onset of shortening of slice {number}")
            matrix, times = _strain(slice_, sectors)
            last_frames.append(float(times[-1]))
            estimates.append(estimate_onset_by(matrix, times, method=used, sectors=sectors, weights=weights))
        heights = slice_heights(
            slicePositions, known_frame(model), model if isinstance(model, ReconstructedHeart) else None
        )
        if heights is None:
            heights = own_heights(slices, known_frame(model))
        late = [getattr(estimate, "late", None) for estimate in estimates]
        known = all(values is not None for values in late)
        table = TosTable.of_estimates(estimates, heights, late if known else None)
        return EstimatedTOS(table, tuple(estimates), used, new_tos_table(name, table), tuple(last_frames))

    def loadTOS(self, path: str | Path, *, sectors: int | None = None, name: str | None = None) -> Any:
        """A TOS table node from a CSV file; see `read_tos_csv`. ValueError when it cannot be used."""
        return new_tos_table(name or Path(path).stem, read_tos_csv(path, sectors))

    def showTOS(self, table: TosTable, name: str = "TOS") -> Any:
        """A table node with one row a slice and sector of TOS in ms."""
        return new_tos_table(name, table)

    def tosOfTable(self, node: Any, *, sectors: int | None = None) -> TosTable:
        """TOS of a table node, typed in or made here; see `tos_of_columns`. ValueError if unusable."""
        return tos_of_columns(columns_of_table(node), sectors)

    def tosTable(self, tos: Any, sectors: int | None) -> TosTable:
        """TOS in any of the ways that `LMAReconstructLogic.projectTOS` takes; ValueError if unusable."""
        if isinstance(tos, TosTable):
            table = tos
        elif isinstance(tos, (str, Path)):
            return read_tos_csv(tos, sectors)
        elif hasattr(tos, "GetTable"):
            return self.tosOfTable(tos, sectors=sectors)
        else:
            values = np.atleast_2d(np.asarray(tos, dtype=float))
            table = TosTable(values, np.arange(1, len(values) + 1))
        if sectors is not None and table.values.shape[1] != sectors:
            raise ValueError(f"TOS has {table.values.shape[1]} sectors a slice, {sectors} are expected.")
        return table


def _strain(slice_: Any, sectors: int | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(slice_, StrainNodes):
        return slice_.measured, slice_.times
    if hasattr(slice_, "GetTable"):
        return strain_of_table(slice_, sectors)
    matrix, times = slice_
    return np.asarray(matrix, dtype=float), np.asarray(times, dtype=float)
