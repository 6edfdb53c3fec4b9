"""What the commands of LMAReconstruct read: outlined hearts, insertion points, tables of strain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_values import numbers_from

__all__ = [
    "WITH_TORCH",
    "CorrectShifts",
    "Device",
    "Insertion",
    "Labels",
    "LongAxis",
    "Method",
    "Roles",
    "Segmentation",
    "Slices",
    "Source",
    "Weights",
    "columns_of_csv",
    "in_words_of_options",
    "insertion_from",
    "is_scene",
    "need_torch",
    "only_node",
    "opened_heart",
    "table_of_csv",
]

WITH_TORCH = ("refinement", "network")
"""Methods of reconstruction that need PyTorch."""

PYTHON_HINTS = {
    r"stored_range=\(0, 4096\)": "--stored-range 0,4096",
    r"frame_interval=17, or times=\(T,\) in ms": "--frame-interval 17, or the times with --times",
}
"""What errors say to who calls from Python (as a pattern), and the option that does the same."""

Source = Annotated[
    Path,
    typer.Argument(
        help="Outlined slices: .seg.nrrd, a label map (.nii.gz, .nrrd), a folder of closed curves "
        "(epi 1.mrk.json, endo 1.mrk.json, ...), or a scene (.mrb, .mrml) with either."
    ),
]
Segmentation = Annotated[
    str | None, typer.Option(help="In a scene: name of the segmentation. Default: the only one.")
]
Insertion = Annotated[
    list[str] | None,
    typer.Option(
        help="Anterior RV insertion: a .mrk.json file, R,A,S in mm, or markups of the scene; repeatable. "
        "Default: NAME.mrk.json beside the file, else the right ventricle's segment."
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(help="Label values of label maps. Default: 1=cavity,2=myocardium,3=infarct,4=no_reflow."),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        help="Segments by role where the names mislead, as myocardium=Muscle; for all files that are given."
    ),
]
Method = Annotated[
    str, typer.Option(help="auto, refinement, network (these need PyTorch and weights), or interpolation.")
]
Slices = Annotated[
    int | None, typer.Option(min=3, max=16, help="Use so many of the slices, evenly spread. Default: all.")
]
LongAxis = Annotated[
    list[Path] | None, typer.Option(help="Segmentation of a long-axis slice of the same heart; repeatable.")
]
CorrectShifts = Annotated[
    bool,
    typer.Option(
        "--correct-shifts/--no-correct-shifts", help="Correct shifts of slices between breath-holds."
    ),
]
Device = Annotated[
    str, typer.Option(help="Where networks compute: auto (the fastest that works), CPU, CUDA or MPS.")
]
Weights = Annotated[
    Path | None, typer.Option(help="Weights (.safetensors) in place of those that come with the library.")
]


def is_scene(path: Path) -> bool:
    """Whether a file is a scene by its ending."""
    return path.suffix.lower() in (".mrb", ".mrml")


@contextmanager
def opened_heart(
    path: Path,
    labels: Mapping[int, str] | None = None,
    segmentation: str | None = None,
    insertion: Sequence[str] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """The segmentation node, or the list of closed-curve nodes, of a file, folder or scene, and insertion
    points (M, 3) in RAS mm or None.

    A scene is loaded into that of this process; its curves count where it has no segmentation. Points of a
    folder are those of its point lists. FileNotFoundError and ValueError with what to do.
    """
    from cardiactwins.mrml.curve_files import curves_from_folder, curves_of_scene
    from cardiactwins.mrml.heart_files import heart_from_file, points_beside

    if is_scene(existing(path)):
        from cardiactwins.mrml.scene_files import load_scene, remove_proxies

        load_scene(path)
        remove_proxies()
        points = insertion_from(insertion, in_scene=True)
        curves = curves_of_scene() if segmentation is None and not _segmentations() else []
        if curves:
            yield curves, points
        else:
            yield only_node("vtkMRMLSegmentationNode", segmentation, "segmentation", "--segmentation"), points
        return
    if segmentation is not None:
        raise ValueError(f"--segmentation names a part of a scene, but {path} is a single file.")
    points = insertion_from(insertion, in_scene=False)
    if path.is_dir():
        with curves_from_folder(path) as (curves, beside):
            yield curves, beside if points is None else points
        return
    with heart_from_file(path, labels) as node:
        yield node, points_beside(path) if points is None else points


def _segmentations() -> int:
    """How many segmentations the scene of this process has."""
    from cardiactwins.mrml.headless import start

    return start().scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def only_node(class_name: str, name: str | None, kind: str, option: str) -> Any:
    """The node of a class by its name, or the only one. ValueError that lists what is there."""
    from cardiactwins.mrml.headless import start

    scene = start().scene
    count = scene.GetNumberOfNodesByClass(class_name)
    nodes = [scene.GetNthNodeByClass(index, class_name) for index in range(count)]
    chosen = nodes if name is None else [node for node in nodes if node.GetName() == name]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(f"'{node.GetName()}'" for node in nodes) or "none"
    wanted = f"{len(chosen)} {kind}s" + ("" if name is None else f" named '{name}'")
    raise ValueError(f"The scene has {wanted}. Say which one with {option}: {listed}.")


def insertion_from(texts: Sequence[str] | None, *, in_scene: bool) -> Any:
    """Points (M, 3) in RAS mm from files, typed numbers and, with a scene, names of markups; None for none.

    FileNotFoundError for a file that is not there, ValueError for anything else.
    """
    if not texts:
        return None
    import numpy as np

    from cardiactwins.mrml.image_files import points_from_file
    from cardiactwins.mrml.markups import points_of_markups

    points = []
    for text in texts:
        if text.lower().endswith(".json"):
            points.append(points_from_file(existing(Path(text))))
        elif re.fullmatch(r"[-+\d.eE,\s]+", text):
            position = numbers_from(text, "--insertion") or []
            if len(position) != 3:
                raise ValueError(f"--insertion takes three numbers R,A,S in mm; found '{text}'.")
            points.append(np.array([position]))
        elif in_scene:
            points.append(
                points_of_markups(only_node("vtkMRMLMarkupsNode", text, "point list", "--insertion"))
            )
        else:
            raise ValueError(f"--insertion takes a .mrk.json file or R,A,S in mm; found '{text}'.")
    found = np.concatenate(points)
    if not len(found):
        raise ValueError(f"--insertion {', '.join(texts)} holds no points.")
    return found


def columns_of_csv(path: Path) -> dict[str, list[Any]]:
    """Columns of a CSV file by name, as numbers where all of a column are numbers (`read_csv_columns`).

    FileNotFoundError, and ValueError as of that.
    """
    from cardiactwins.lma.csv_columns import read_csv_columns

    return {name: _numbers(texts) for name, texts in read_csv_columns(existing(path)).items()}


def table_of_csv(path: Path) -> Any:
    """A table node with the columns of a CSV file, named as the file."""
    from cardiactwins.mrml.tables import new_table

    return new_table(path.stem, columns_of_csv(path))


@contextmanager
def in_words_of_options() -> Iterator[None]:
    """Errors that tell what to do in Python tell the option instead."""
    try:
        yield
    except ValueError as error:
        text = re.sub(r" \(in Python: roles=\{'(\w+)': \.\.\.\}\)", r" with --roles \1=NAME", str(error))
        for hint, option in PYTHON_HINTS.items():
            text = re.sub(rf" \(in Python: {hint}\)", f" with {option}", text)
        text = text.replace(
            "Place a point (markups)", "Give --insertion R,A,S or a .mrk.json file: the point"
        )
        if text == str(error):
            raise
        raise ValueError(text) from error


def need_torch(what: str) -> None:
    """ImportError that tells how to get PyTorch, where it or its file format is missing."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{what} needs {' and '.join(missing)}, which cannot be imported. Install them with "
            "`python -m pip install 'cardiactwins[torch]'`."
        )


def _numbers(texts: Sequence[str]) -> list[Any]:
    try:
        return [float(text) if text.strip() else float("nan") for text in texts]
    except ValueError:
        return list(texts)
