"""The report of a run: a page for the browser, one sheet as PDF, and the record that makes it again."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy

from cardiactwins.compute.files import atomic_path
from cardiactwins.compute.page import PageSection, write_page
from cardiactwins.compute.report import RunReport
from cardiactwins.lma.prepared_heart import PreparedHeart
from cardiactwins.lma.tos_table import TosTable
from cardiactwins.mrml.lma_late import LateNodes
from cardiactwins.mrml.lma_map import EXTRAPOLATED, ActivationNodes, color_limits, segment_means
from cardiactwins.mrml.lma_models import surface_of_model
from cardiactwins.mrml.lma_range import range_lines
from cardiactwins.mrml.lma_sheet import RESEARCH_ONLY, MapSheet, draw_sheet
from cardiactwins.mrml.lma_views import map_pictures, new_reference_model
from cardiactwins.mrml.offscreen import RenderingUnavailable
from cardiactwins.mrml.tables import columns_of_table

__all__ = ["MapReport", "write_map_report"]


@dataclass(frozen=True)
class MapReport:
    """Files of a report: page (report.html), sheet (report.pdf), record (report.json)."""

    page: Path
    sheet: Path
    record: Path


def write_map_report(
    folder: str | Path,
    name: str,
    *,
    heart: Any,
    activation: ActivationNodes,
    late: LateNodes,
    tos: TosTable,
    record: RunReport,
) -> MapReport:
    """Write the report of a map into a folder (made if needed).

    heart: a `ReconstructedHeart`. record: the finished `RunReport`. Where nothing can be rendered, the report
    says why and shows the rest. Whether the scene shows something else does not matter; it is left as it was.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    prepared: PreparedHeart = heart.prepared
    with tempfile.TemporaryDirectory() as temporary:
        pictures, note = _pictures(heart, activation, late, tos, Path(temporary))
        sheet = MapSheet(
            title=f"Activation map: {name}",
            subtitle=_subtitle(heart, record),
            pictures=pictures,
            limits=color_limits(tos.sector_values()),
            means=activation.means,
            extrapolated=_extrapolated(activation),
            tos=tos,
            figures=_figures(late, record),
            outlines=prepared.outlines,
            reconstruction=heart.reconstruction,
            shifts=prepared.shifts.lengths if prepared.corrected else np.zeros(len(prepared.stack)),
            note=note,
        )
        figure = draw_sheet(sheet)
        with atomic_path(folder / "report.pdf") as path:
            figure.savefig(path, format="pdf")
        whole = Path(temporary, "sheet.png")
        figure.savefig(whole)
        page = write_page(folder / "report.html", sheet.title, _sections(sheet, heart, late, whole, record))
    return MapReport(page, folder / "report.pdf", record.write(folder / "report.json"))


def _pictures(
    heart: Any, activation: ActivationNodes, late: LateNodes, tos: TosTable, folder: Path
) -> tuple[Mapping[str, Path], str]:
    """Pictures of the patient's and the reference model, or why there are none."""
    scene = heart.model.GetScene()
    reference = new_reference_model("Reference model", activation.frame, tos.sector_values())
    try:
        shown = {"Patient": heart.model, "Reference model": reference}
        marks = {"Patient": [] if late.centre is None else [late.centre]}
        return map_pictures(shown, folder, marks), ""
    except RenderingUnavailable as error:
        return {}, f"There are no pictures of the map. {error}"
    finally:
        for node in (range_lines(reference), reference):
            scene.RemoveNode(node.GetDisplayNode())
            scene.RemoveNode(node)


def _extrapolated(activation: ActivationNodes) -> NDArray[np.float64]:
    """Share of each AHA segment beyond the measured slices, (17,); NaN for those that the model lacks."""
    array = activation.model.GetPolyData().GetCellData().GetArray(EXTRAPOLATED)
    surface = surface_of_model(activation.model)
    return segment_means(surface, vtk_to_numpy(array) > 0, activation.segments)


def _subtitle(heart: Any, record: RunReport) -> str:
    frame = heart.prepared.pose.frame
    return (
        f"{record.started[:10]}. {len(heart.prepared.stack)} short-axis slices, reconstruction by "
        f"{heart.reconstruction.method}, long axis {frame.length:.0f} mm. "
        f"CardiacTwins {record.versions.get('cardiactwins', '')}"
    )


def _figures(late: LateNodes, record: RunReport) -> dict[str, str]:
    columns = columns_of_table(late.table)
    rows = {
        str(name): f"{value} {unit}".strip()
        for name, value, unit in zip(columns["quantity"], columns["value"], columns["unit"], strict=True)
    }
    rows["TOS by"] = str(record.results.get("tos_method", "table"))
    return rows


def _sections(
    sheet: MapSheet, heart: Any, late: LateNodes, whole: Path, record: RunReport
) -> list[PageSection]:
    slices = columns_of_table(heart.table)
    shown = ("slice", "longitudinal", "Dice", "boundary distance", "shift")
    rows = [
        {_heading(name): slices[name][row].item() for name in shown} for row in range(len(slices["slice"]))
    ]
    late_rows = columns_of_table(late.segment_table)
    doubtful = ", ".join(map(str, heart.disagreeing))
    return [
        PageSection("Activation map", [RESEARCH_ONLY, sheet.subtitle], pictures={sheet.title: whole}),
        PageSection("Findings", rows=[{"quantity": k, "value": v} for k, v in sheet.figures.items()]),
        PageSection(
            "Late segments",
            [] if len(late_rows["segment"]) else ["No part of the wall is late."],
            [
                {name: late_rows[name][row].item() for name in late_rows}
                for row in range(len(late_rows["segment"]))
            ],
        ),
        PageSection(
            "Slices",
            [f"The reconstruction does not meet slices {doubtful}."] if doubtful else [],
            rows,
        ),
        PageSection(
            "How this was made",
            [f"{record.device}; {record.seconds:.1f} s; seed {record.seed}."],
            [
                {"what": what, "name": key, "value": str(value)}
                for what, named in (("input", record.inputs), ("parameter", record.parameters))
                for key, value in named.items()
            ],
        ),
    ]


def _heading(name: str) -> str:
    return f"{name}, mm" if name in ("boundary distance", "shift") else name
