"""`cardiactwins lma reconstruct`: outlined slices to the whole left ventricle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import (
    WITH_TORCH,
    CorrectShifts,
    Device,
    Insertion,
    Labels,
    LongAxis,
    Method,
    Roles,
    Segmentation,
    Slices,
    Source,
    Weights,
    in_words_of_options,
    need_torch,
    opened_heart,
)
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table
from cardiactwins.cli_values import labels_from, roles_from

__all__ = [
    "figures_of_heart",
    "known_of_long_axis",
    "reconstruct",
    "remarks_on_heart",
    "table_of_slices",
    "write_heart",
]


PLAIN_CPU = "CPU: "
"""Beginning of what a reconstruction says of a device where nothing else was tried."""


def reconstruct(
    context: typer.Context,
    source: Source,
    insertion: Insertion = None,
    segmentation: Segmentation = None,
    method: Method = "auto",
    slices: Slices = None,
    long_axis: LongAxis = None,
    correct_shifts: CorrectShifts = True,
    base: Annotated[
        float | None,
        typer.Option(
            help="Distance of the base plane above the first slice in mm. Default: half a slice distance."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Draws of the network, of which the mean counts.")] = 1,
    weights: Weights = None,
    device: Device = "auto",
    labels: Labels = None,
    roles: Roles = None,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "reconstruction"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Rebuild the whole left ventricle from outlines in 3 to 16 short-axis slices.

    Writes the dense segmentation (heart.seg.nrrd), the closed surface with its uncertainty (heart.vtp), how
    well each slice is met and by how much it was shifted (slices.csv), and report.json, which tells the long
    axis as well.
    """
    run = CommandRun.begin(context, {"source": source, "long_axis": long_axis, "weights": weights})
    reading = labels_from(labels or []), roles_from(roles or [])
    for path in (source, *(long_axis or ()), *([weights] if weights else ())):
        existing(path)
    if method in WITH_TORCH:
        need_torch(f"The method '{method}'")
    claim_folder(out, run.report.job, force)

    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic

    logic = LMAReconstructLogic()
    with (
        in_words_of_options(),
        run.progress("Reconstruct") as progress,
        opened_heart(source, reading[0], segmentation, insertion) as (node, points),
        known_of_long_axis(long_axis, reading[0]) as further,
        new_folder(out) as folder,
    ):
        heart = logic.reconstruct(
            node,
            points,
            roles=reading[1],
            method=method,
            slices=slices,
            longAxis=further,
            correctShifts=correct_shifts,
            base=base,
            samples=samples,
            seed=seed,
            model=weights,
            device=device,
            progress=progress,
        )
        files = write_heart(heart, folder, out)
    run.show(table_of_slices(heart), "", *remarks_on_heart(heart))
    device = heart.reconstruction.values.get("device")
    run.finish(figures_of_heart(heart), {"folder": out, **files}, out / REPORT, device)


@contextmanager
def known_of_long_axis(paths: list[Path] | None, labels: Mapping[int, str] | None) -> Iterator[Any]:
    """Segmentation nodes of long-axis files for the length of the block; None without files."""
    from cardiactwins.mrml.heart_files import heart_from_file

    with ExitStack() as opened:
        yield [opened.enter_context(heart_from_file(path, labels)) for path in paths or ()] or None


def write_heart(heart: Any, folder: Path, out: Path) -> dict[str, Path]:
    """Write the files of a `ReconstructedHeart` into a folder that will be `out`; their names there."""
    from cardiactwins.mrml.saving import save_node
    from cardiactwins.mrml.tables import columns_of_table

    save_node(heart.segmentation, folder / "heart.seg.nrrd")
    save_node(heart.model, folder / "heart.vtp")
    columns = columns_of_table(heart.table)
    rows = [{name: values[row].item() for name, values in columns.items()} for row in _rows(columns)]
    write_table(folder / "slices.csv", rows)
    names = {"segmentation": "heart.seg.nrrd", "model": "heart.vtp", "slices": "slices.csv"}
    return {key: out / name for key, name in names.items()}


def figures_of_heart(heart: Any) -> dict[str, Any]:
    """The figures of a `ReconstructedHeart` for summary and report; lengths in mm, points in RAS."""
    import numpy as np

    found, pose = heart.reconstruction, heart.prepared.pose
    columns = _columns(heart)
    deviation = None if found.deviation is None else float(np.mean(found.deviation)) * pose.voxel
    return {
        "method": found.method,
        "method_says": dict(found.values),
        "slices": len(found.agreement),
        "slice_dice": [float(dice) for dice in columns["Dice"]],
        "slice_distance_mm": [float(distance) for distance in columns["boundary distance"]],
        "slice_shift_mm": [float(shift) for shift in columns["shift"]],
        "disagreeing": list(heart.disagreeing),
        "uncertainty_mean_mm": deviation,
        "cavity_ml": found.volume.cavity_ml,
        "wall_ml": found.volume.wall_ml,
        "long_axis_mm": pose.frame.length,
        "base": pose.frame.base,
        "apex": pose.frame.apex,
        "insertion": pose.frame.insertion,
    }


def table_of_slices(heart: Any) -> Any:
    """A line a slice, for people."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("slice", "height\n(0 base, 1 apex)", "Dice", "distance\n(mm)", "shift\n(mm)"):
        table.add_column(heading, justify="right")
    columns = _columns(heart)
    for row in _rows(columns):
        table.add_row(
            str(columns["slice"][row]),
            f"{columns['longitudinal'][row]:.2f}",
            f"{columns['Dice'][row]:.3f}",
            f"{columns['boundary distance'][row]:.2f}",
            f"{columns['shift'][row]:.1f}",
        )
    return table


def remarks_on_heart(heart: Any) -> list[str]:
    """How and on what it was made, how large it is, and which slices it does not meet."""
    from cardiactwins.lma.left_out_slices import FARTHEST, LEFT_OUT, UNUSUAL
    from cardiactwins.lma.reconstruction import WHY

    found, frame = heart.reconstruction, heart.prepared.pose.frame
    reason = found.values.get(WHY)
    remarks = [
        f"By {found.method}{f' ({reason})' if reason else ''}: long axis {frame.length:.0f} mm, cavity "
        f"{found.volume.cavity_ml:.0f} ml, wall {found.volume.wall_ml:.0f} ml."
    ]
    device = found.values.get("device", PLAIN_CPU)
    if not device.startswith(PLAIN_CPU):
        remarks.append(f"Computed on {device.rstrip('.')}.")
    if heart.disagreeing:
        numbers = ", ".join(map(str, heart.disagreeing))
        remarks.append(f"The reconstruction does not meet slice {numbers}: check the outlines there.")
    ratio = found.values.get(LEFT_OUT, 0.0)
    if ratio > UNUSUAL:
        remarks.append(
            f"Slices lie {ratio:.1f} times as far from what the others predict as the model expects (up to "
            f"2.5 times in hearts like the training's), slice {found.values[FARTHEST]} most: the heart is "
            "unlike them or roughly outlined, and its uncertainty is widened."
        )
    return remarks


def _columns(heart: Any) -> dict[str, Any]:
    from cardiactwins.mrml.tables import columns_of_table

    return columns_of_table(heart.table)


def _rows(columns: Mapping[str, Any]) -> range:
    return range(len(columns["slice"]))
