"""The strain tables that belong to a table of TOS, and their curves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from cardiactwins.mrml.lma_strain import new_strain_table
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.panel.lma.context import LMAContext
from cardiactwins.panel.lma.slice_list import ActivationSlice

__all__ = ["chartOf", "newStrainTable", "strainOf", "strainTables", "tieStrain"]

STRAIN = "CardiacTwins.Strain"
"""References of a table of TOS to the strain tables that it was estimated from, in the order of slices."""
IMAGES = "CardiacTwins.Images"
"""Reference of a strain table to the sequence of the phase along x that it was computed from."""
CHART = "CardiacTwins.Curves"
"""Reference of a strain table to the chart of its curves."""


def newStrainTable(name: str, path: Path, slice_: ActivationSlice) -> Any:
    """A table of a slice's strain, from the file that the job has written."""
    with np.load(path, allow_pickle=False) as found:
        table = new_strain_table(_("{name}: strain").format(name=name), found["matrix"], found["times"])
    images = slice_.nodes.get("phaseX")
    if images is not None:
        table.SetNodeReferenceID(IMAGES, images.GetID())
    return table


def tieStrain(tos: Any, tables: Iterable[Any]) -> None:
    """Let a table of TOS know the strain tables of its slices."""
    for table in tables:
        tos.AddNodeReferenceID(STRAIN, table.GetID())


def strainTables(tos: Any) -> list[Any]:
    """The strain tables of a table of TOS (or of None) that are still there."""
    count = 0 if tos is None else tos.GetNumberOfNodeReferences(STRAIN)
    tables = (tos.GetNthNodeReference(STRAIN, index) for index in range(count))
    return [table for table in tables if table is not None]


def strainOf(tos: Any, slice_: ActivationSlice, index: int) -> Any:
    """The strain table of a slice: its own, or what TOS was estimated from; None where there is none.

    index: of the slice in the list. It counts where the same images are listed more than once.
    """
    if "strain" in slice_.nodes:
        return slice_.nodes["strain"]
    tables, images = strainTables(tos), slice_.nodes.get("phaseX")
    own = [table for table in tables if images is not None and table.GetNodeReference(IMAGES) is images]
    if index < len(tables) and tables[index] in own:
        return tables[index]
    return own[0] if own else None


def chartOf(context: LMAContext, table: Any) -> Any:
    """The chart of a strain table, made and recorded where it is not there.

    ValueError when the table has no columns to draw.
    """
    chart = table.GetNodeReference(CHART)
    if chart is not None:
        return chart
    columns = list(columns_of_table(table))
    curves = [column for column in columns if re.search(r"\d$", column)]
    time = next((column for column in columns if column not in curves), None)
    if time is None or not curves:
        raise ValueError(
            _("The table '{name}' has no column of times, or none of sectors.").format(name=table.GetName())
        )
    name = _("{name}: curves").format(name=table.GetName())
    with context.results.recording(name):
        chart = new_plot(name, table, time, curves, y_title=_("circumferential strain"))
    table.SetNodeReferenceID(CHART, chart.GetID())
    return chart
