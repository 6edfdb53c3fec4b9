"""`cardiactwins infarct align`: patients' segmentations to a population on the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import existing, read_territories, territories_without_case
from cardiactwins.cli_run import CommandRun, Force, Json, claim_files
from cardiactwins.cli_values import labels_from, roles_from

if TYPE_CHECKING:
    from cardiactwins.infarct.population import InfarctPopulation

__all__ = ["align"]

HINTS = {
    "roles=": "Say which segment is which with --roles, as in --roles 'infarct=Scar,myocardium=Muscle'.",
    "outside the myocardium": "With --clip, infarct outside of the myocardium is dropped, not the case.",
}


def align(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of .seg.nrrd or label-map files (.nrrd, .nii.gz), or a scene (.mrb, .mrml)."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The population, an .npz file; the other files go beside it.")
    ] = Path("population.npz"),
    slices: Annotated[
        int, typer.Option(min=1, help="Slices of the reference: 1 (mid-level), 11 or 21 (whole ventricle).")
    ] = 1,
    rotate: Annotated[
        bool, typer.Option("--rotate/--no-rotate", help="Rotate each coronary territory onto the LAD's.")
    ] = True,
    clip: Annotated[
        bool, typer.Option("--clip", help="Drop infarct outside of the myocardium instead of the case.")
    ] = False,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            help="Label values of label maps. Default: 1=cavity,2=myocardium,3=infarct,4=no_reflow."
        ),
    ] = None,
    roles: Annotated[
        list[str] | None, typer.Option(help="Segments by role where the names mislead, as infarct=Scar.")
    ] = None,
    territories: Annotated[
        Path | None, typer.Option(help="CSV file with the columns case and territory (LAD, LCX, RCA).")
    ] = None,
    real_spacing: Annotated[
        bool,
        typer.Option(
            "--real-spacing/--no-real-spacing",
            help="Whether voxel sizes are the patients' own; only then are ml and grams measured.",
        ),
    ] = True,
    folder: Annotated[
        str | None, typer.Option(help="In a scene: the subject hierarchy folder that holds the patients.")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="In a scene: the sequence node that holds the patients.")
    ] = None,
    allow_left_out: Annotated[
        bool, typer.Option("--allow-left-out", help="Exit with 0 although cases were left out.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Align the infarcts of many patients to the reference ventricle.

    Writes the population, and beside it the attributes of every infarct (.attributes.csv), the mean lesion
    (.mean.png) and a report (.report.json). Exits with 1 when cases had to be left out; the population of the
    others is written.
    """
    run = CommandRun.begin(context, {"source": source, "territories": territories})
    beside = {
        "attributes": out.with_suffix(".attributes.csv"),
        "mean_lesion": out.with_suffix(".mean.png"),
        "report": out.with_suffix(".report.json"),
    }
    existing(source)
    _check_suffix(out)
    arteries = read_territories(territories)
    reading = {"labels": labels_from(labels or []), "roles": roles_from(roles or []), "territories": arteries}
    claim_files([out, *beside.values()], force)

    from cardiactwins.infarct.archive import save_population
    from cardiactwins.infarct.attributes import write_attributes_csv
    from cardiactwins.infarct.figures import mean_lesions_figure
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

    logic = InfarctSynthLogic()
    with run.progress("Align") as progress:
        population = logic.alignPopulation(
            _cases_source(source, folder, sequence),
            slices=slices,
            rotate=rotate,
            clip=clip,
            realSpacing=real_spacing,
            progress=progress,
            **reading,
        )
    cases = [*population.identifiers, *(case.identifier for case in population.excluded)]
    unknown = territories_without_case(arteries, cases)
    columns = _columns(population)
    save_population(population, out)
    write_attributes_csv(beside["attributes"], population.identifiers, columns)
    mean_lesions_figure(
        {f"{len(population)} infarcts": population.lesions.mean(axis=0)},
        population.anatomy,
        beside["mean_lesion"],
    )
    run.show(_table(population, columns), *_remarks(population, unknown))
    report = beside.pop("report")
    run.finish(_results(population, columns, unknown), {"population": out, **beside}, report)
    if population.excluded and not allow_left_out:
        raise typer.Exit(1)


def _check_suffix(out: Path) -> None:
    if out.suffix != ".npz":
        raise ValueError(f"A population is an .npz file; found --out {out}.")


def _cases_source(source: Path, folder: str | None, sequence: str | None) -> Any:
    """What `alignPopulation` takes: a folder on disk, a subject hierarchy item, or a sequence node."""
    from cardiactwins.mrml.scene_files import (
        SCENE_ENDINGS,
        folder_named,
        load_scene,
        remove_proxies,
        root_folder,
        sequence_named,
    )

    if folder is not None and sequence is not None:
        raise ValueError("Give --folder or --sequence, not both.")
    if source.is_dir():
        if folder or sequence:
            raise ValueError(
                "--folder and --sequence name parts of a scene, but the source is a folder on disk."
            )
        return source
    if not source.name.lower().endswith(SCENE_ENDINGS):
        raise ValueError(
            f"{source} is a single file. Give the folder that holds the patients, or a scene "
            f"({', '.join(SCENE_ENDINGS)})."
        )
    load_scene(source)
    if sequence is not None:
        return sequence_named(sequence)
    remove_proxies()
    return root_folder() if folder is None else folder_named(folder)


def _columns(population: InfarctPopulation) -> dict[str, Any]:
    """Columns (Q,): attributes on the reference, then those on the patients' own grids ("patient_...")."""
    from cardiactwins.infarct.attributes import lesion_attributes

    return {
        "territory": [territory or "" for territory in population.territories],
        "rotation_turns": population.rotations,
        **lesion_attributes(population.lesions, population.anatomy, population.no_reflow),
        **{f"patient_{name}": values for name, values in population.attributes.items()},
    }


def _table(population: InfarctPopulation, columns: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("case", overflow="fold")
    table.add_column("territory")
    table.add_column("size\n(% of wall)", justify="right")
    table.add_column("transmurality\n(%)", justify="right")
    table.add_column("rotation\n(degrees)", justify="right")
    for index, case in enumerate(population.identifiers):
        shares = [columns["infarct_size_share"][index], columns["transmurality_share"][index]]
        numbers = [f"{100 * share:.1f}" for share in shares]
        degrees = f"{360 * columns['rotation_turns'][index]:+.0f}"
        table.add_row(escape(case), columns["territory"][index], *numbers, degrees)
    return table


def _remarks(population: InfarctPopulation, unknown: list[str]) -> list[str]:
    used, left_out = len(population), len(population.excluded)
    reasons = " ".join(case.reason for case in population.excluded)
    estimated = int(population.attributes["insertion_estimated"].sum())
    remarks = ["", f"{used} of {used + left_out} cases used."]
    if estimated:
        remarks.append(
            f"The anterior insertion of the right ventricle is an estimate in {estimated} of them."
        )
    remarks += [f"Left out: {case.identifier}: {case.reason}" for case in population.excluded]
    remarks += [hint for words, hint in HINTS.items() if words in reasons]
    if unknown:
        remarks.append(f"No case is named as these rows of --territories: {', '.join(unknown)}.")
    return remarks


def _results(population: InfarctPopulation, columns: dict[str, Any], unknown: list[str]) -> dict[str, Any]:
    return {
        "slices": population.anatomy.slices,
        "cases_used": len(population),
        "cases_left_out": {case.identifier: case.reason for case in population.excluded},
        "territories": {name: columns["territory"].count(name) for name in sorted(set(columns["territory"]))},
        "insertions_estimated": int(population.attributes["insertion_estimated"].sum()),
        "mean_size_share": float(columns["infarct_size_share"].mean()),
        "mean_transmurality_share": float(columns["transmurality_share"].mean()),
        "territories_without_case": unknown,
    }
