"""`cardiactwins twin siblings`: thousands of siblings of one heart, in a folder with which runs go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_run import REPORT, CommandRun, Json, Seed, write_table
from cardiactwins.cli_twin_cohort import checked_devices, claimed_cohort, tell_estimate, tell_unseen
from cardiactwins.cli_twin_designs import Grid, Latin, design_of
from cardiactwins.cli_twin_edit import VOLUMES, mask_of_file
from cardiactwins.cli_twin_inputs import (
    MODEL_LOADER,
    Attempts,
    Batch,
    Clean,
    Devices,
    Dilation,
    EdgeLength,
    Exact,
    Guard,
    Hold,
    Keep,
    Loader,
    Psi,
    Region,
    Scheduler,
    Segment,
    Space,
    Steps,
    Surfaces,
    Targets,
    Tissues,
    Watch,
    Weights,
    Workers,
    check_edit,
    kept_tissues,
    logic_with_model,
    opened_case,
    tissues_from,
)
from cardiactwins.cli_twin_sample import figures_of_run, remarks_on_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cardiactwins.mrml.twin_case import TwinCase
    from cardiactwins.twin.recipe import Recipe

__all__ = ["siblings"]

PATIENT = "patient"
REGION = "painted"
"""What recipes call the region of --region."""


def siblings(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(help="Twin (.npz) of `import`, or a segmentation, label map or folder of masks."),
    ],
    psi: Psi = None,
    keep: Keep = None,
    region: Region = None,
    segment: Segment = None,
    dilation: Dilation = None,
    exact: Exact = False,
    targets: Targets = None,
    grid: Grid = None,
    latin: Latin = None,
    hold: Hold = True,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Siblings.")] = 100,
    seed: Seed = 0,
    steps: Steps = 20,
    guard: Guard = True,
    attempts: Attempts = 1,
    watch: Watch = None,
    weights: Weights = None,
    loader: Loader = MODEL_LOADER,
    workers: Workers = 0,
    batch: Batch = 1,
    devices: Devices = None,
    scheduler: Scheduler = None,
    tissues: Tissues = None,
    clean: Clean = False,
    in_patient: Annotated[
        bool, typer.Option(help="Also write accepted siblings in the patient's own grid, as segmentations.")
    ] = True,
    surfaces: Surfaces = False,
    edge_length: EdgeLength = 2.0,
    space: Space = "LPS",
    out: Annotated[Path, typer.Option(help="Folder of the cohort, also to go on.")] = Path("cohort"),
    as_json: Json = False,
) -> None:
    """Make a cohort of siblings of one heart, on several processes, GPUs or a cluster, and go on later.

    The edits are those of `edit`. Sibling n, with --grid of each combination, has the seed --seed + n.
    Writes each as siblings/NAME.nrrd with its recipe as soon as it is made, all of them in manifest.csv;
    those that the guard accepted come into the patient's own grid as patient/NAME.seg.nrrd, on request with
    meshes, and their volumes into volumes.csv. A run that was stopped, or asked for too few, goes on when
    the command is given again: what is there is not made twice. Another --number with --latin is another
    design, for another folder.
    """
    run = CommandRun.begin(context, {"source": source, "region": region, "weights": weights})
    labels, kept = tissues_from(tissues), kept_tissues(keep)
    check_edit(keep, region, segment, dilation, exact, space)
    for path in (source, *([region] if region else ())):
        existing(path)
    logic = logic_with_model(weights, loader)

    from cardiactwins.mrml.sibling_export import export_siblings
    from cardiactwins.twin.hearts import plain_name
    from cardiactwins.twin.recipe import Recipe
    from cardiactwins.twin.soft_measures import hard_measures
    from cardiactwins.twin.study_maker import StudyMaker
    from cardiactwins.twin.targets import resolve_targets

    plans = design_of(grid, latin, targets, number, seed)
    local = bool(keep or region)
    with run.progress("Import") as progress:
        case = opened_case(source, labels, progress, clean=clean)
        mask = None if region is None else painted_region(region, segment, case)
    unseen = tell_unseen(logic, case)
    settings: dict[str, Any] = {} if dilation is None else {"dilation_mm": dilation}
    first = Recipe(
        "localized" if local else "perturbational",
        seed,
        steps=steps,
        psi=(1.0 if local else 0.5) if psi is None else psi,
        twin=plain_name(case.name),
        keep=kept,
        region=REGION if region else "",
        exact=exact,
        hold=hold,
        guard=guard,
        attempts=attempts,
        **settings,
    )
    # Of a grid each combination has its own seeds, so that a larger number adds to it.
    numbers = range(number) if latin else [n for _ in plans[::number] for n in range(number)]
    recipes = [replace(first, seed=seed + n, targets=plan) for n, plan in zip(numbers, plans, strict=True)]
    # Read here once, so that weights that cannot be used and targets that cannot be met leave no folder.
    ranges = getattr(logic.model(), "card", {}).get("ranges")
    present = hard_measures(case.current)
    for recipe in dict.fromkeys(replace(recipe, seed=0) for recipe in recipes if recipe.targets):
        resolve_targets(recipe.wanted, present, ranges)
    places = checked_devices(devices, scheduler)
    folder = claimed_cohort(out)
    folder.add_twin(first.twin, case.current)
    if mask is not None:
        folder.add_region(REGION, mask)

    def foretell(missing: Sequence[Recipe]) -> None:
        place = "cpu" if scheduler else places[0]
        tell_estimate(logic, missing, {first.twin: case.current}, workers, place, {REGION: mask})

    maker = StudyMaker(folder, logic.weights(), loader, workers, batch, places, scheduler, foretell, watch)
    with run.progress("Siblings") as progress:
        done = maker.run(recipes, progress)
    figures = {"twin": case.name, "remarks": unseen, **figures_of_run(folder, recipes, logic.weights(), done)}
    outputs = {"folder": out, "manifest": out / "manifest.csv"}
    remarks = remarks_on_run(figures)
    accepted = [record for record in maker.records(recipes) if record.accepted]
    if in_patient and accepted:
        with run.progress("Patient") as progress:
            edge = edge_length if surfaces else None
            found = export_siblings(
                case,
                folder,
                accepted,
                out / PATIENT,
                region=mask,
                edge_length=edge,
                space=space,
                progress=progress,
            )
        write_table(out / VOLUMES, found.volumes)
        figures |= {"written": found.written, "not_written": found.failed}
        remarks += [f"In the patient: {found.written} written, {found.found} were there."]
        remarks += [f"Not written: {text}" for text in found.failed]
        outputs |= {"patient": out / PATIENT, "volumes": out / VOLUMES}
    run.show(*remarks)
    run.finish(figures, outputs, out / REPORT)
    if done.failed or figures.get("not_written"):
        raise typer.Exit(1)


def painted_region(path: Path, segment: str | None, case: TwinCase) -> NDArray:
    """The region of a file on the common grid, (128, 128, 128) bool. ValueError as of `mask_of_file`, and for
    one that holds nothing near the heart."""
    from cardiactwins.mrml.twin_sources import region_on_twin

    mask = region_on_twin(case, mask_of_file(path, segment, case))
    if not mask.any():
        raise ValueError(f"{path} holds nothing near the heart. Paint the region that may change.")
    return mask
