"""`cardiactwins twin edit`: siblings of a patient's heart, in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table
from cardiactwins.cli_twin_cohort import show_estimate, tell_unseen
from cardiactwins.cli_twin_designs import Grid, Latin, design_of
from cardiactwins.cli_twin_inputs import (
    MODEL_LOADER,
    Attempts,
    Clean,
    Dilation,
    EdgeLength,
    Exact,
    Guard,
    Hold,
    Keep,
    Loader,
    Psi,
    Region,
    Segment,
    Space,
    Steps,
    Surfaces,
    Targets,
    Tissues,
    Watch,
    Weights,
    check_edit,
    kept_tissues,
    logic_with_model,
    opened_case,
    tissues_from,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cardiactwins.compute.progress import Progress
    from cardiactwins.mrml.twin_case import SiblingNodes, TwinCase
    from cardiactwins.mrml.twin_editor import TwinEditorLogic

__all__ = ["edit"]

VOLUMES, MESHES = "volumes.csv", "meshes"


def edit(
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
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Siblings.")] = 1,
    seed: Seed = 0,
    steps: Steps = 20,
    guard: Guard = True,
    attempts: Attempts = 1,
    watch: Watch = None,
    weights: Weights = None,
    loader: Loader = MODEL_LOADER,
    tissues: Tissues = None,
    clean: Clean = False,
    surfaces: Surfaces = False,
    edge_length: EdgeLength = 2.0,
    space: Space = "LPS",
    out: Annotated[Path, typer.Option(help="Folder for the results; it must be new or empty.")] = Path(
        "siblings"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make siblings of a heart: all of it varied, one region, or towards wanted measures.

    Without --keep and --region, every part varies (perturbational); with one of them, the rest alone
    (localized). --target asks for measures, --grid and --latin for many combinations of them. Sibling n has
    the seed --seed + n. Writes each sibling in the patient's own grid, with the
    names and colours of the patient's segments (sibling-1.seg.nrrd, ...), volumes by tissue (volumes.csv),
    report.json with the recipes, and on request surfaces (meshes).
    """
    run = CommandRun.begin(context, {"source": source, "region": region, "weights": weights})
    labels, kept = tissues_from(tissues), kept_tissues(keep)
    check_edit(keep, region, segment, dilation, exact, space)
    for path in (source, *([region] if region else ())):
        existing(path)
    claim_folder(out, run.report.job, force)
    logic = logic_with_model(weights, loader)

    from cardiactwins.twin.recipe import Recipe
    from cardiactwins.twin.siblings import ViolationWatch

    plans = design_of(grid, latin, targets, number, seed)
    share = (1.0 if keep or region else 0.5) if psi is None else psi
    common = {"steps": steps, "guard": guard, "attempts": attempts}
    with run.progress("Edit") as progress, new_folder(out) as folder:
        case = opened_case(source, labels, progress, clean=clean)
        mask = None if region is None else mask_of_file(region, segment, case)
        unseen = tell_unseen(logic, case)
        first = Recipe("perturbational", seed, psi=share, twin=case.name, targets=plans[0], **common)
        show_estimate(len(plans), logic.estimate(first, len(plans), case))
        watched = None if watch is None else ViolationWatch(logic.model(), watch)
        options = {"psi": share, "seed": seed, "afterStep": watched, "progress": progress, **common}
        if kept or region:
            made = _localized(
                logic, case, mask, plans, keep=kept, dilation=dilation, exact=exact, hold=hold, **options
            )
        elif plans[0]:
            made = logic.editToTarget(case, plans, hold=hold, **options)
        else:
            made = logic.perturb(case, number=len(plans), **options)
        files = _write(logic, case, made, folder, edge_length if surfaces else None, space, progress)
    figures = {
        "twin": case.name,
        "siblings": [figures_of_sibling(one, name) for one, name in zip(made, files, strict=True)],
        "remarks": (*case.twin.remarks, *unseen),
        **({} if watched is None else {"watched": watched.counts}),
    }
    lines = [*_reached(figures["siblings"]), *_turned_away(figures["siblings"])]
    run.show(_table(figures), *(["", *lines] if lines else []))
    outputs = {"folder": out, "volumes": out / VOLUMES, **({"meshes": out / MESHES} if surfaces else {})}
    run.finish(figures, outputs, out / REPORT)


def _localized(
    logic: TwinEditorLogic,
    case: TwinCase,
    mask: NDArray[np.bool_] | None,
    plans: Sequence[tuple[str, ...]],
    *,
    seed: int,
    **options: Any,
) -> list[SiblingNodes]:
    """Siblings that differ in a region, those of one plan together."""
    made: list[SiblingNodes] = []
    for plan, alike in groupby(plans):
        number = len(list(alike))
        made += logic.editRegion(case, mask, targets=plan, number=number, seed=seed + len(made), **options)
    return made


def mask_of_file(path: Path, segment: str | None, case: TwinCase) -> NDArray[np.bool_]:
    """A mask (k, j, i) on the patient's grid. ValueError for one on another grid, and an unclear segment."""
    import numpy as np

    from cardiactwins.mrml.image_files import SEGMENTATION_ENDINGS, labels_from_file, segmentation_from_file
    from cardiactwins.mrml.segmentations import find_segment, segment_array, segment_names
    from cardiactwins.mrml.volumes import volume_array

    geometry = case.twin.original_geometry
    if path.name.lower().endswith(SEGMENTATION_ENDINGS):
        with segmentation_from_file(path) as node:
            names = segment_names(node)
            if segment is None and len(names) != 1:
                raise ValueError(
                    f"{path} holds {len(names)} segments ({', '.join(names.values())}): name the one that "
                    "may change with --segment."
                )
            chosen = next(iter(names)) if segment is None else find_segment(node, segment)
            return np.asarray(segment_array(node, chosen, geometry)).astype(bool)
    if segment is not None:
        raise ValueError(f"{path} is a label map and has no segments: leave out --segment.")
    with labels_from_file(path) as node:
        values, found = volume_array(node)
    if found.shape != geometry.shape or not np.allclose(found.ijk_to_ras, geometry.ijk_to_ras, atol=1e-3):
        raise ValueError(
            f"{path} lies on another grid than the patient's label map, {geometry.shape} (k, j, i). Paint it "
            "on the segmentation of the heart, or give a .seg.nrrd."
        )
    return np.asarray(values) != 0


def figures_of_sibling(nodes: SiblingNodes, name: str) -> dict[str, Any]:
    """What became of a sibling, for summary and report; volumes in ml."""
    import numpy as np

    from cardiactwins.mrml.tables import columns_of_table

    sibling = nodes.sibling
    columns = columns_of_table(nodes.changes)
    return {
        "file": f"{name}.seg.nrrd",
        "recipe": sibling.recipe.values(),
        "title": sibling.recipe.title(),
        "accepted": sibling.accepted,
        "attempt": sibling.attempt,
        "rejected": sibling.rejected,
        "reason": "" if sibling.accepted else sibling.guarded.reason,
        "violations_raw": [check.name for check in sibling.raw_checks if not check.holds],
        "violations": [check.name for check in sibling.checks if not check.holds],
        "repaired_voxels": int(np.count_nonzero(sibling.labels != sibling.raw)),
        "volumes": [
            dict(zip(columns, map(_plain, row), strict=True)) for row in zip(*columns.values(), strict=True)
        ],
        "targets": [
            {"measure": r.measure, "wanted": r.wanted, "reached": r.reached, "held": r.held, "met": r.met}
            for r in sibling.targets
        ],
    }


def _write(
    logic: TwinEditorLogic,
    case: TwinCase,
    made: Sequence[SiblingNodes],
    folder: Path,
    edge_length: float | None,
    space: str,
    progress: Progress,
) -> list[str]:
    """Write siblings, their volumes, and meshes where there is an edge length; the siblings' names."""
    from cardiactwins.mrml.saving import save_node

    names = [f"sibling-{n + 1:0{len(str(len(made)))}d}" for n in range(len(made))]
    rows = []
    for nodes, name in zip(made, names, strict=True):
        save_node(nodes.segmentation, folder / f"{name}.seg.nrrd")
        rows += [{"sibling": name, **row} for row in figures_of_sibling(nodes, name)["volumes"]]
        if edge_length is not None:
            logic.makeSurfaces(
                case,
                nodes,
                edgeLength=edge_length,
                directory=folder / MESHES,
                space=space,
                name=name,
                show=False,
                progress=progress,
            )
    write_table(folder / VOLUMES, rows)
    return names


def _table(figures: dict[str, Any]) -> Any:
    from rich.table import Table

    siblings = figures["siblings"]
    table = Table(box=None, pad_edge=False)
    table.add_column("sibling")
    tissues = [row["tissue"] for row in siblings[0]["volumes"]]
    for heading in (*(f"{tissue}\n(ml)" for tissue in tissues), "violations\nraw, guarded", "accepted"):
        table.add_column(heading, justify="right")
    for one in siblings:
        table.add_row(
            one["file"].partition(".")[0],
            *(f"{row['sibling (ml)']:.0f} ({row['change (ml)']:+.0f})" for row in one["volumes"]),
            f"{len(one['violations_raw'])}, {len(one['violations'])}",
            "yes" if one["accepted"] else "no",
        )
    return table


def _reached(siblings: Sequence[dict[str, Any]]) -> list[str]:
    """What became of the targets of each sibling."""
    return [
        f"{one['file'].partition('.')[0]}, {target['measure']}: wanted {target['wanted']:.4g}, reached "
        f"{target['reached']:.4g}"
        for one in siblings
        for target in one["targets"]
        if not target["held"]
    ]


def _turned_away(siblings: Sequence[dict[str, Any]]) -> list[str]:
    """Why the guard accepted a sibling at no attempt."""
    return [
        f"{one['file'].partition('.')[0]} was turned away by the guard and is given as it came: "
        f"{one['reason']}"
        for one in siblings
        if not one["accepted"]
    ]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
