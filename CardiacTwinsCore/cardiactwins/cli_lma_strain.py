"""`cardiactwins lma strain`: DENSE images of slices to strain matrices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_lma_inputs import in_words_of_options, insertion_from, is_scene, only_node
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, claim_folder, new_folder, write_table
from cardiactwins.cli_values import numbers_from

__all__ = ["SLICES", "strain"]

SLICES = "slices.csv"
"""Table of the folder that names the file of each slice, its source, and where it lies if that is known."""
NEEDED = ("phase", "mask", "times", "ke", "pixel", "insertion")
ENDINGS = {"phaseX": " phase x", "phaseY": " phase y", "phaseZ": " phase z", "mask": " mask"}


def strain(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="One .npz file a slice, base to apex, or a scene with sequences 'NAME phase x', "
            "'NAME phase y' and 'NAME mask' of each slice, taken in the order of their names.",
        ),
    ],
    ke: Annotated[
        float | None, typer.Option(help="Encoding frequency in cycles/mm. Files may tell it themselves.")
    ] = None,
    insertion: Annotated[
        list[str] | None,
        typer.Option(help="With a scene: anterior RV insertion, as R,A,S in mm, .mrk.json or markups."),
    ] = None,
    phase_x: Annotated[
        list[str] | None, typer.Option(help="With a scene: sequence of the phase along x; one a slice.")
    ] = None,
    phase_y: Annotated[
        list[str] | None, typer.Option(help="With a scene: sequence of the phase along y; one a slice.")
    ] = None,
    mask: Annotated[
        list[str] | None, typer.Option(help="With a scene: sequence of the wall's mask; one a slice.")
    ] = None,
    stored_range: Annotated[
        str | None,
        typer.Option(
            help="Stored values of -pi and pi, as 0,4096, or guess, which goes by the values themselves. "
            "Default: phases in rad."
        ),
    ] = None,
    signs: Annotated[
        str | None,
        typer.Option(help="1 or -1 for x, y and z, as 1,-1,1: -1 where the scanner encodes the other way."),
    ] = None,
    times: Annotated[
        str | None,
        typer.Option(help="Times of the frames in ms, as 17,34,51,... Files and scenes may tell them."),
    ] = None,
    frame_interval: Annotated[
        float | None,
        typer.Option(help="Ms between frames, the first one after so many, where times are not known."),
    ] = None,
    sectors: Annotated[int, typer.Option(min=4, help="Sectors round the wall.")] = 18,
    trim: Annotated[int, typer.Option(min=0, help="Noisy last frames to leave out.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "strain"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compute circumferential strain of sectors from the wrapped phases of DENSE images.

    Writes for each slice the strain matrix as measured (slice-1.csv, for `cardiactwins lma tos`), the same
    reduced to its modes (slice-1.modes.csv), and a picture (slice-1.png); slices.csv, which says what
    each was computed from; and report.json.

    An .npz file holds phase (2 or 3, frames, rows, columns) in rad or as --stored-range says, mask (frames,
    rows, columns), times (frames) in ms, ke in cycles/mm, pixel (2) and insertion (2) in mm along x and y; if
    known, position (3) of the slice in RAS mm, and seen_from_apex. Options go before what files tell.
    """
    run = CommandRun.begin(context, {"sources": sources})
    said = {
        "ke": ke,
        "times": numbers_from(times, "--times"),
        "signs": _signs_from(signs),
        "storedRange": _stored_range_from(stored_range),
        "frameInterval": frame_interval,
    }
    said = {name: value for name, value in said.items() if value is not None}
    if times is not None and frame_interval is not None:
        raise ValueError("Give --times or --frame-interval, not both.")
    for path in sources:
        existing(path)
    scenes = [path for path in sources if is_scene(path)]
    if scenes and len(sources) > 1:
        raise ValueError("Give one scene, or one .npz file a slice.")
    in_scene = {"--insertion": insertion, "--phase-x": phase_x, "--phase-y": phase_y, "--mask": mask}
    misplaced = [] if scenes else [option for option, value in in_scene.items() if value]
    if misplaced:
        raise ValueError(f"{misplaced[0]} names a part of a scene, but an .npz file holds all of its slice.")
    claim_folder(out, run.report.job, force)

    from cardiactwins.mrml.lma_reconstruct import LMAReconstructLogic

    logic = LMAReconstructLogic()
    names = {"phaseX": phase_x, "phaseY": phase_y, "mask": mask}
    with run.progress("Strain") as progress, new_folder(out) as folder, in_words_of_options():
        slices = (
            _slices_of_scene(scenes[0], names, insertion)
            if scenes
            else [_slice_of(path, set(said)) for path in sources]
        )
        found = []
        for number, (given, _) in enumerate(slices, start=1):
            progress(number - 1, len(slices), f"Strain of slice {number}")
            arguments = {**given, **said, "sectors": sectors, "trim": trim}
            try:
                found.append(logic.computeStrain(**arguments, name=f"Slice {number}"))
            except ValueError as error:
                raise ValueError(f"Slice {number}: {error}") from error
        positions = [
            nodes.position if position is None else position
            for nodes, (_, position) in zip(found, slices, strict=True)
        ]
        for number, nodes in enumerate(found, start=1):
            _write(nodes, folder, number)
        named = [given["phaseX"].GetName() for given, _ in slices] if scenes else map(str, sources)
        rows = [
            _row(number, source, position)
            for number, (source, position) in enumerate(zip(named, positions, strict=True), start=1)
        ]
        write_table(folder / SLICES, rows)
        progress(len(slices), len(slices), "Done")
    figures = _figures(found)
    run.show(_table(figures))
    run.finish(
        {"sectors": sectors, "slices": figures}, {"folder": out, "slices_table": out / SLICES}, out / REPORT
    )


def _stored_range_from(text: str | None) -> tuple[float, ...] | str | None:
    """'0,4096' as two numbers, 'guess' as it is."""
    if text is None or text == "guess":
        return text
    numbers = numbers_from(text, "--stored-range")
    if len(numbers) != 2:
        raise ValueError(f"--stored-range takes two numbers, as 0,4096, or guess; found '{text}'.")
    return tuple(numbers)


def _signs_from(text: str | None) -> tuple[int, ...] | None:
    """'1,-1' as signs of x, y and, if given, z."""
    numbers = numbers_from(text, "--signs")
    if numbers is None:
        return None
    if len(numbers) not in (2, 3) or any(number not in (-1, 1) for number in numbers):
        raise ValueError(f"--signs takes 1 or -1 for x, y and z, as 1,-1,1; found '{text}'.")
    return tuple(int(number) for number in numbers)


def _slice_of(path: Path, said: Collection[str]) -> tuple[dict[str, Any], Any]:
    """Arguments of `computeStrain` and the position (3,) or None of an .npz file.

    said: arguments that options give, which the file need not tell.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, AttributeError, EOFError) as error:
        raise ValueError(f"{path} is no .npz file or is damaged ({error}).") from error
    told = {*arrays, *said} | ({"times"} if "frameInterval" in said else set())
    missing = [name for name in NEEDED if name not in told]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}; found {', '.join(arrays) or 'nothing'}.")
    phase = arrays["phase"]
    if phase.ndim != 4 or len(phase) not in (2, 3):
        raise ValueError(
            f"The phase in {path} is (2 or 3, frames, rows, columns), x first; found {phase.shape}."
        )
    given: dict[str, Any] = {
        "phaseX": phase[0],
        "phaseY": phase[1],
        "phaseZ": phase[2] if len(phase) == 3 else None,
        "mask": arrays["mask"],
        "times": None if "frameInterval" in said else arrays.get("times"),
        "ke": arrays.get("ke"),
        "pixel": arrays["pixel"],
        "insertionPoints": arrays["insertion"],
    }
    if "seen_from_apex" in arrays:
        given["seenFromApex"] = bool(arrays["seen_from_apex"])
    return given, arrays.get("position")


def _slices_of_scene(
    path: Path, names: Mapping[str, Sequence[str] | None], insertion: Sequence[str] | None
) -> list[tuple[dict[str, Any], Any]]:
    """Arguments of `computeStrain` of each slice in a scene; its position comes with the volumes."""
    from cardiactwins.mrml.headless import start
    from cardiactwins.mrml.name_order import name_order
    from cardiactwins.mrml.scene_files import load_scene, sequence_named

    load_scene(path)
    chosen = {key: list(value or ()) for key, value in names.items()}
    if not any(chosen.values()):
        scene = start().scene
        count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
        found = {scene.GetNthNodeByClass(n, "vtkMRMLSequenceNode").GetName() for n in range(count)}
        stems = sorted(
            (name.removesuffix(ENDINGS["phaseX"]) for name in found if name.endswith(ENDINGS["phaseX"])),
            key=name_order,
        )
        if not stems:
            listed = ", ".join(f"'{name}'" for name in sorted(found)) or "none"
            raise ValueError(
                "The scene has no sequence named '... phase x'. Name the sequences with --phase-x, --phase-y "
                f"and --mask. Its sequences: {listed}."
            )
        chosen = {key: [stem + ENDINGS[key] for stem in stems] for key in chosen}
        further = [stem + ENDINGS["phaseZ"] for stem in stems]
        if found.issuperset(further):
            chosen["phaseZ"] = further
    if len({len(value) for value in chosen.values()}) != 1:
        raise ValueError("Give --phase-x, --phase-y and --mask once for each slice.")
    if insertion:
        points = insertion_from(insertion, in_scene=True)
    else:
        points = only_node("vtkMRMLMarkupsFiducialNode", None, "point list", "--insertion")
    count = len(chosen["phaseX"])
    return [
        ({key: sequence_named(value[n]) for key, value in chosen.items()} | {"insertionPoints": points}, None)
        for n in range(count)
    ]


def _write(nodes: Any, folder: Path, number: int) -> None:
    from cardiactwins.compute.files import atomic_path
    from cardiactwins.lma.strain_figure import strain_matrix_figure

    for ending, matrix in (("", nodes.measured), (".modes", nodes.matrix)):
        rows = [
            {"time": float(time)} | {f"sector {n}": float(value) for n, value in enumerate(column, start=1)}
            for time, column in zip(nodes.times, matrix.T, strict=True)
        ]
        write_table(folder / f"slice-{number}{ending}.csv", rows)
    figure = strain_matrix_figure(nodes.matrix, nodes.times, title=f"Slice {number}")
    with atomic_path(folder / f"slice-{number}.png") as path:
        figure.savefig(path)


def _row(number: int, source: str, position: Any) -> dict[str, Any]:
    values = ["", "", ""] if position is None else [float(value) for value in position]
    row = {"slice": number, "file": f"slice-{number}.csv", "source": source}
    return row | dict(zip("RAS", values, strict=True))


def _figures(found: Sequence[Any]) -> list[dict[str, Any]]:
    import numpy as np

    from cardiactwins.lma.dyssynchrony import cure

    return [
        {
            "file": f"slice-{number}.csv",
            "frames": len(nodes.times),
            "last_frame_ms": float(nodes.times[-1]),
            "peak_strain": float(np.nanmin(np.nanmean(nodes.matrix, axis=0))),
            "cure": float(cure(nodes.matrix)),
        }
        for number, nodes in enumerate(found, start=1)
    ]


def _table(figures: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    for heading in ("frames", "until\n(ms)", "peak strain\nof the slice", "CURE"):
        table.add_column(heading, justify="right")
    for row in figures:
        table.add_row(
            row["file"],
            str(row["frames"]),
            f"{row['last_frame_ms']:.0f}",
            f"{row['peak_strain']:.3f}",
            f"{row['cure']:.2f}",
        )
    return table
