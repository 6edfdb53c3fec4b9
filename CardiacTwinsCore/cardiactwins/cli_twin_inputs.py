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
    "Devices",
    "Guard",
    "Loader",
    "Scheduler",
    "Steps",
    "Targets",
    "Tissues",
    "Weights",
    "Workers",
    "in_words_of_options",
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
Weights = Annotated[
    Path | None,
    typer.Option(help="Weights of the model (.safetensors). Default: those that come along."),
]
Loader = Annotated[
    str, typer.Option(help="For a model of another kind: module:name of what reads --weights.")
]
Steps = Annotated[int, typer.Option(min=1, help="Steps of the sampler.")]
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
Workers = Annotated[int, typer.Option(min=0, help="Processes that work together; 0: this one alone.")]
Batch = Annotated[int, typer.Option(min=1, help="Hearts that are sampled together.")]
Devices = Annotated[
    list[str] | None,
    typer.Option("--device", help="Such as cuda:0; several, which processes take in turn. Default: cpu."),
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a Dask scheduler, whose workers see the folder.")
]


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

    from cardiactwins.mrml.twin_editor import LIBRARY_WEIGHTS, TwinEditorLogic

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
