"""What commands of TwinEditor that make many hearts share: their folder, and the estimate before a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_twin_inputs import in_words_of_options, logic_with_model, tissues_from

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cardiactwins.cli_run import CommandRun
    from cardiactwins.compute.progress import Progress
    from cardiactwins.mrml.twin_case import TwinCase
    from cardiactwins.mrml.twin_editor import TwinEditorLogic
    from cardiactwins.twin.cohort import Cohort
    from cardiactwins.twin.cohort_files import CohortFolder
    from cardiactwins.twin.hearts import Hearts
    from cardiactwins.twin.recipe import Recipe
    from cardiactwins.twin.sibling_estimate import SiblingEstimate
    from cardiactwins.twin.study_maker import StudyMaker

__all__ = [
    "checked_devices",
    "claimed_cohort",
    "measured",
    "population_of",
    "show_estimate",
    "study_maker",
    "tell_doubtful",
    "tell_estimate",
    "tell_unseen",
]


def checked_devices(devices: Sequence[str] | None, scheduler: str | None) -> tuple[str, ...]:
    """The devices to compute on. ValueError for one that does not compute here; those of a cluster are not
    tried."""
    from cardiactwins.compute.devices import device_problem

    for device in devices or ():
        if scheduler is None and (problem := device_problem(device)):
            raise ValueError(
                f"--device {device} cannot be used: {problem}. Leave it out to compute on the processor."
            )
    return tuple(devices or ("cpu",))


def claimed_cohort(out: Path) -> CohortFolder:
    """The folder of a cohort, new or one to go on with. ValueError when it holds something else."""
    from cardiactwins.twin.cohort_files import CohortFolder
    from cardiactwins.twin.twin_grid import TWIN_GRID

    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. Choose a folder with --out.")
    if out.is_dir() and any(out.iterdir()) and not (out / "cohort.json").is_file():
        raise ValueError(f"{out} holds files of something else. Choose another folder with --out.")
    return CohortFolder.create(out, TWIN_GRID)


def population_of(
    run: CommandRun,
    folder: Path,
    tissues: Sequence[str] | None = None,
    leave_out: bool = False,
    option: str = "the population",
) -> tuple[Hearts, dict[str, str]]:
    """The hearts of a folder, and those left out, FOLDER/NAME with the reason; what is wrong is told on
    standard error.

    tissues: of --tissues. leave_out: hearts with serious remarks. FileNotFoundError without the folder,
    ValueError when it is a file, holds none, or none is left.
    """
    from cardiactwins.mrml.twin_populations import doubtful_hearts, hearts_of_folder

    if not existing(folder).is_dir():
        raise ValueError(f"{folder} is a file. Give a folder of hearts as {option}.")
    labels = tissues_from(tissues)
    with in_words_of_options(), run.progress("Read") as progress:
        hearts = hearts_of_folder(folder, labels)
        doubtful = doubtful_hearts(folder, labels, progress)
    place = folder.absolute().name
    reasons = {f"{place}/{name}": " ".join(remarks) for name, remarks in doubtful.items()}
    tell_doubtful(reasons, leave_out)
    if not leave_out or not reasons:
        return hearts, {}
    if len(doubtful) == len(hearts):
        raise ValueError(f"Every heart in {folder} is incomplete or in pieces, so that none is left.")
    return hearts.without(doubtful), reasons


def tell_doubtful(reasons: Mapping[str, str], left_out: bool) -> None:
    """What is wrong with hearts, by name, on standard error: a line each."""
    for name, reason in reasons.items():
        typer.echo(f"{'Left out' if left_out else 'Doubtful'}: {name}: {reason}", err=True)


def measured(hearts: Hearts, progress: Progress) -> Cohort:
    """Hearts on the common grid as a cohort."""
    from cardiactwins.twin.twin_grid import TWIN_GRID

    return hearts.measured(TWIN_GRID.spacing, progress=progress)


def study_maker(
    out: Path,
    weights: Path | None,
    loader: str,
    twins: Hearts,
    *,
    workers: int,
    batch: int,
    devices: Sequence[str] | None,
    scheduler: str | None,
) -> tuple[TwinEditorLogic, StudyMaker]:
    """Where and with what the siblings of a study are made, after the weights were read; nothing is left of
    a folder when they cannot be. Tells the estimate of what is still to be made."""
    from cardiactwins.twin.study_maker import StudyMaker

    logic = logic_with_model(weights, loader)
    places = checked_devices(devices, scheduler)
    logic.model()

    def foretell(recipes: Sequence[Recipe]) -> None:
        tell_estimate(logic, recipes, twins, workers, "cpu" if scheduler else places[0])

    maker = StudyMaker(
        claimed_cohort(out),
        logic.weights(),
        loader,
        workers,
        batch,
        places,
        scheduler,
        foretell,
    )
    return logic, maker


def tell_estimate(
    logic: TwinEditorLogic,
    recipes: Sequence[Recipe],
    twins: Mapping[str, ArrayLike],
    workers: int,
    device: str,
    regions: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Say on standard error what recipes will take here, on a device by torch's name."""
    from cardiactwins.twin.sibling_estimate import estimate_recipes

    model = logic.model()
    if device != "cpu":
        model = model.to(device)
    estimate = estimate_recipes(model, recipes, twins, regions=regions, workers=workers)
    show_estimate(len(recipes), estimate, workers)


def tell_unseen(logic: TwinEditorLogic, case: TwinCase) -> tuple[str, ...]:
    """Say on standard error what of a heart lies outside what the model has seen, and return it."""
    text = logic.unseen(case)
    if text:
        tell_doubtful({case.name: text}, False)
    return (text,) if text else ()


def show_estimate(number: int, estimate: SiblingEstimate, workers: int = 0) -> None:
    """The line of an estimate on standard error."""
    hearts = f"{number} hearts" if number > 1 else "1 heart"
    place = f", {workers} processes" if workers > 1 else ""
    typer.echo(f"{hearts} to make: {estimate} on this device{place}, if its cores are idle.", err=True)
