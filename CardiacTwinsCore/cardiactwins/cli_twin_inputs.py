"""What the commands of TwinEditor share: their options, the heart that they read, the model that they use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_values import pairs_from

if TYPE_CHECKING:
    from cardiactwins.compute.progress import Progress
    from cardiactwins.mrml.twin_case import TwinCase
    from cardiactwins.mrml.twin_editor import TwinEditorLogic

__all__ = [
    "Attempts",
    "Batch",
    "Clean",
    "Devices",
    "Dilation",
    "EdgeLength",
    "Exact",
    "Guard",
    "Hold",
    "Keep",
    "LeaveOut",
    "Loader",
    "Psi",
    "Region",
    "Scheduler",
    "Segment",
    "Space",
    "Steps",
    "Surfaces",
    "Targets",
    "Tissues",
    "Watch",
    "Weights",
    "Workers",
    "check_edit",
    "in_words_of_options",
    "kept_tissues",
    "logic_with_model",
    "opened_case",
    "tissues_from",
]

MODEL_LOADER = "cardiactwins.twin.model:TwinModel.load"

Tissues = Annotated[
    list[str] | None,
    typer.Option(
        help="Which segment or label is which tissue, as LA=2,RA=3 or LV='left heart'; or a known table of "
        "labels, such as 'TotalSegmentator v1'. Default: by names and terminology."
    ),
]
LeaveOut = Annotated[
    bool,
    typer.Option(
        "--leave-out-incomplete",
        help="Leave out segmented hearts of which a chamber is cut off, incomplete or in pieces, as the "
        "paper does. Default: they are named, and used.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="Weights of the model (.safetensors). Default: those that come along."),
]
Loader = Annotated[
    str, typer.Option(help="For a model of another kind: module:name of what reads --weights.")
]
Steps = Annotated[
    int, typer.Option(min=1, help="Steps of the sampler; with fewer than 10 hearts vary too little.")
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="What the hearts shall measure, as 'RV volume 150 ml', 'wall +2 mm' or 'LA volume -10 %'; "
        "repeatable.",
    ),
]
Guard = Annotated[bool, typer.Option(help="Repair violations of the topology, at most 1 % of the heart.")]
Attempts = Annotated[int, typer.Option(min=1, help="Seeds that are tried until the guard accepts a heart.")]
Watch = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Count violations of the topology while hearts are sampled, for the report: after each so many "
        "steps, and the last.",
    ),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that work together; 0: this one alone.")]
Batch = Annotated[int, typer.Option(min=1, help="Hearts that are sampled together.")]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", help="Such as cuda:0; several, which processes take in turn. Default: cpu."),
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, whose workers see the folder.")
]


Psi = Annotated[
    float | None,
    typer.Option(
        help="Share of the sampling that is made anew, above 0 to 1: the scale of the changes. Default: "
        "0.5, and 1 for localized edits."
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(help="Localized: tissues that stay, with commas between, as LV,Myo,Ao,LA."),
]
Region = Annotated[
    Path | None,
    typer.Option(
        help="Localized: what may change, a mask on the patient's grid (label map, or segmentation of one "
        "segment)."
    ),
]
Segment = Annotated[str | None, typer.Option(help="Segment of --region by name, where it holds several.")]
Dilation = Annotated[
    float | None, typer.Option(min=0, help="Localized: mm by which the kept part grows. Default: 11.2.")
]
Exact = Annotated[
    bool, typer.Option("--exact", help="Localized: kept voxels stay exactly, behind a feathered seam.")
]
Hold = Annotated[bool, typer.Option(help="With targets: the other chambers keep their volumes.")]
Clean = Annotated[
    bool, typer.Option("--clean", help="Remove loose pieces and fill holes of the segmentation first.")
]
Surfaces = Annotated[
    bool, typer.Option("--surfaces", help="Write closed surfaces of each sibling, VTP and STL.")
]
EdgeLength = Annotated[float, typer.Option(min=0.1, help="Edge length of the surfaces in mm.")]
Space = Annotated[str, typer.Option(help="Coordinates of the surfaces: LPS or RAS.")]


def kept_tissues(text: str | None) -> tuple[str, ...]:
    """'LV,Myo' as tissues. ValueError that names the option."""
    from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES

    if text is None:
        return ()
    known = {name.casefold(): name for name in TISSUE_NAMES.values()}
    parts = [part.strip() for part in text.split(",")]
    unknown = [part for part in parts if part.casefold() not in known]
    if unknown:
        raise ValueError(f"--keep knows {', '.join(known.values())}; found '{unknown[0]}'.")
    return tuple(known[part.casefold()] for part in parts)


def check_edit(
    keep: str | None,
    region: Path | None,
    segment: str | None,
    dilation: float | None,
    exact: bool,
    space: str,
) -> None:
    """ValueError for options of an edit that do not go together."""
    if keep and region:
        raise ValueError("--keep and --region are two ways to tell what may change: give one of them.")
    if not (keep or region) and (exact or dilation is not None):
        raise ValueError("--exact and --dilation belong to localized edits: give --keep or --region too.")
    if segment and not region:
        raise ValueError("--segment names a segment of --region: give its file too.")
    if space not in ("LPS", "RAS"):
        raise ValueError(f"--space is LPS or RAS; found '{space}'.")


@contextmanager
def in_words_of_options() -> Iterator[None]:
    """Errors of the block that name arguments name the options instead."""
    try:
        yield
    except ValueError as error:
        text = str(error).replace("tissues={'LA': 2, ...}", "--tissues LA=2,...")
        text = re.sub(r"tissues=\{'(\w+)': ('[^']*')\}", r"--tissues \1=\2", text)
        raise ValueError(re.sub(r"(?<!-)tissues='", "--tissues '", text)) from error


def tissues_from(texts: Sequence[str] | None) -> Mapping[str, str] | str | None:
    """Labels by tissue, or the name of a table of labels; None when nothing is said."""
    if texts and len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return pairs_from(texts or [], "--tissues") or None


def logic_with_model(weights: Path | None, loader: str) -> TwinEditorLogic:
    """The logic, after its weights were found and its packages too.

    FileNotFoundError with the file that is missing and the command that makes it; ModuleNotFoundError
    without PyTorch.
    """
    from importlib.util import find_spec

    train = "make them with `cardiactwins twin train --out training`, which writes training/twin.safetensors"
    if weights is not None and not weights.is_file():
        raise FileNotFoundError(f"There are no weights {weights}. Give another file, or {train}.")
    for package in ("torch",) if loader != MODEL_LOADER else ("torch", "monai", "safetensors"):
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f"Siblings need {package}: python -m pip install 'cardiactwins[torch]'", name=package
            )

    from cardiactwins.mrml.own_weights import LIBRARY_WEIGHTS
    from cardiactwins.mrml.twin_editor import TwinEditorLogic

    logic = TwinEditorLogic(weights, loader)
    if weights is None:
        try:
            logic.weights()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"There are no weights of the generative model in {LIBRARY_WEIGHTS} (twin.safetensors with "
                f"its card twin.json). Give a file with --weights, or {train}."
            ) from error
    return logic


def opened_case(
    path: Path, tissues: Mapping[str, str] | str | None, progress: Progress, **options: Any
) -> TwinCase:
    """A twin (.npz) that `import` wrote, or its folder; or a segmentation, label map or folder of masks,
    imported now."""
    from cardiactwins.mrml.twin_editor import TwinEditorLogic
    from cardiactwins.mrml.twin_files import TWIN_ENDING, read_case

    if (own := path / f"twin{TWIN_ENDING}").is_file():
        path = own
    if existing(path).name.lower().endswith(TWIN_ENDING):
        return read_case(path)
    with in_words_of_options():
        return TwinEditorLogic().importTwin(path, tissues=tissues, progress=progress, **options)
