"""`cardiactwins twin import`: a segmented heart on the grid of the model, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, claim_folder, new_folder
from cardiactwins.cli_twin_inputs import Tissues, in_words_of_options, tissues_from

__all__ = ["import_heart"]

TWIN, SEGMENTATION = "twin.npz", "twin.seg.nrrd"
ALIGNMENTS = ("axis", "rigid")


def import_heart(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="Segmentation (.seg.nrrd), label map (.nii.gz, .nrrd, .mha) or folder of masks, such as "
            "TotalSegmentator writes."
        ),
    ],
    tissues: Tissues = None,
    name: Annotated[str | None, typer.Option(help="Name of the twin. Default: of the file.")] = None,
    clean: Annotated[
        bool, typer.Option("--clean", help="Remove loose pieces and fill holes of the segmentation first.")
    ] = False,
    alignment: Annotated[
        str,
        typer.Option(
            help="axis: the axis from LV to LA stays upright; rigid: all of the pose from the "
            "registration to the reference heart."
        ),
    ] = "axis",
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "twin"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Bring a segmented heart onto the grid of the model: six tissues, 128 x 128 x 128 voxels of 1.4 mm.

    Writes the twin with the way back to the patient (twin.npz), the same heart to look at (twin.seg.nrrd, in
    its place in the patient), and report.json, which tells what is wrong with the segmentation and how well
    each tissue comes back to the patient's own grid.
    """
    run = CommandRun.begin(context, {"source": source})
    labels = tissues_from(tissues)
    if alignment not in ALIGNMENTS:
        raise ValueError(f"--alignment is {' or '.join(ALIGNMENTS)}; found '{alignment}'.")
    existing(source)
    claim_folder(out, run.report.job, force)

    from cardiactwins.mrml.saving import save_node
    from cardiactwins.mrml.twin_editor import TwinEditorLogic
    from cardiactwins.mrml.twin_figures import figures_of_case
    from cardiactwins.mrml.twin_files import write_case
    from cardiactwins.mrml.twin_segmentation import new_heart_segmentation

    with in_words_of_options(), run.progress("Import") as progress, new_folder(out) as folder:
        case = TwinEditorLogic().importTwin(
            source, tissues=labels, name=name, clean=clean, alignment=alignment, progress=progress
        )
        write_case(folder / TWIN, case)
        twin = case.twin
        node = new_heart_segmentation(case.name, twin.labels, twin.geometry, case.styles)
        save_node(node, folder / SEGMENTATION)
    figures = figures_of_case(case)
    run.show(_table(figures), "", *(case.twin.remarks or ("Nothing is wrong with the segmentation.",)))
    run.finish(figures, {"folder": out, "twin": out / TWIN, "segmentation": out / SEGMENTATION}, out / REPORT)


def _table(figures: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("tissue", "volume\n(ml)", "Dice there\nand back"):
        table.add_column(heading, justify="right")
    for tissue, volume in figures["volumes_ml"].items():
        table.add_row(tissue, f"{volume:.0f}", f"{figures['there_and_back_dice'][tissue]:.3f}")
    return table
