"""`cardiactwins infarct generate`: new infarcts of a personalized model as segmentation files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from cardiactwins.cli_inputs import existing, read_model
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder
from cardiactwins.cli_values import roles_from

__all__ = ["generate"]

ONE_SLICE = (
    "A model of one slice fills the patient's mid-level slice alone. Align with --slices 11 and personalize "
    "again for infarcts in the whole wall."
)


def generate(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="Personalized model (.json) of `cardiactwins infarct personalize`.")
    ],
    count: Annotated[int, typer.Option(min=1, help="Number of infarcts.")] = 10,
    seed: Seed = 0,
    patient: Annotated[
        Path | None,
        typer.Option(help="Segmentation (.seg.nrrd) whose wall gets the infarcts. Default: the reference."),
    ] = None,
    roles: Annotated[
        list[str] | None, typer.Option(help="The patient's segments by role where names mislead.")
    ] = None,
    border_zone: Annotated[
        float, typer.Option(min=0, help="Width of a border zone in mm (on the reference: pixels).")
    ] = 0.0,
    no_reflow: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the infarct without reflow, 0 to 1.")
    ] = 0.0,
    territory: Annotated[
        str | None, typer.Option(help="On request: where the infarct lies, LAD, LCX or RCA.")
    ] = None,
    size: Annotated[float | None, typer.Option(help="On request: size in % of the wall.")] = None,
    size_tolerance: Annotated[float, typer.Option(help="How far the size may be off, in %.")] = 2.0,
    transmurality: Annotated[
        float | None, typer.Option(help="On request: mean infarcted share of the wall thickness in %.")
    ] = None,
    transmurality_tolerance: Annotated[
        float, typer.Option(help="How far the transmurality may be off, in %.")
    ] = 5.0,
    broaden: Annotated[
        bool,
        typer.Option("--broaden", help="On request: also draw with parameters around those of the model."),
    ] = False,
    out: Annotated[Path, typer.Option(help="A new folder for the segmentations and their manifest.")] = Path(
        "generated"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw new infarcts of a personalized model, on the reference ventricle or in a patient's own wall.

    Writes one .seg.nrrd an infarct, manifest.json with the attributes of each, and report.json into one
    folder. Points in a file NAME.mrk.json beside the patient's NAME.seg.nrrd are its anterior RV insertion.
    """
    run = CommandRun.begin(context, {"model": model, "patient": patient})
    personalized = read_model(model)
    request = _request(
        territory,
        {"size": size, "transmurality": transmurality},
        {"size": size_tolerance, "transmurality": transmurality_tolerance},
        broaden,
    )
    segments = roles_from(roles or [])
    if patient is not None:
        existing(patient)
    claim_folder(out, run.report.job, force)

    from cardiactwins.mrml.cohorts import read_manifest
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

    logic = InfarctSynthLogic()
    with (
        _in_words_of_options(),
        run.progress("Generate") as progress,
        _patient(patient) as (node, points),
        new_folder(out) as folder,
    ):
        logic.generate(
            personalized,
            count,
            seed=seed,
            patient=node,
            roles=segments,
            insertionPoints=points,
            borderZone=border_zone,
            noReflow=no_reflow,
            request=request,
            output=folder,
            progress=progress,
        )
        cases = read_manifest(folder)["cases"]
    run.show(_table(cases))
    if patient is not None and not personalized.model.anatomy.is_3d:
        run.show("", ONE_SLICE)
    results = {"cases": len(cases), "files": [case["file"] for case in cases], **_means(cases)}
    run.finish(results, {"folder": out, "manifest": out / "manifest.json"}, out / REPORT)


def _request(
    territory: str | None,
    percentages: Mapping[str, float | None],
    tolerances: Mapping[str, float],
    broaden: bool,
) -> dict[str, Any] | None:
    """Arguments of `lesions_on_request`, shares instead of percent; None when nothing is requested."""
    request: dict[str, Any] = {} if territory is None else {"territory": territory.upper()}
    for name, percent in percentages.items():
        if percent is None:
            continue
        if not (0 < percent <= 100 and tolerances[name] > 0):
            raise ValueError(
                f"--{name} is above 0 and at most 100 %, its tolerance above 0; found {percent:g} and "
                f"{tolerances[name]:g}."
            )
        request[name] = percent / 100
        request[f"{name}_tolerance"] = tolerances[name] / 100
    if broaden and not request:
        raise ValueError("--broaden goes with a request: --territory, --size or --transmurality.")
    if broaden:
        request["proposal"] = "broadened"
    return request or None


@contextmanager
def _in_words_of_options() -> Iterator[None]:
    """Errors of a request that name its arguments name the options instead."""
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace("proposal='broadened'", "--broaden")) from error


@contextmanager
def _patient(path: Path | None) -> Iterator[tuple[Any, Any]]:
    """The patient's segmentation node and insertion points, or None for both."""
    from cardiactwins.mrml.image_files import SEGMENTATION_ENDINGS, points_from_file, segmentation_from_file

    if path is None:
        yield None, None
        return
    name = path.name.lower()
    ending = next((ending for ending in SEGMENTATION_ENDINGS if name.endswith(ending)), None)
    if ending is None:
        raise ValueError(f"--patient takes a segmentation ({', '.join(SEGMENTATION_ENDINGS)}); found {path}.")
    points = path.with_name(path.name[: -len(ending)] + ".mrk.json")
    with segmentation_from_file(path) as node:
        yield node, points_from_file(points) if points.exists() else None


def _table(cases: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("file")
    table.add_column("size\n(% of wall)", justify="right")
    table.add_column("transmurality\n(%)", justify="right")
    table.add_column("infarct\n(voxels)", justify="right")
    for case in cases:
        shares = (case["attributes"][name] for name in ("size_percent", "transmurality_percent"))
        table.add_row(case["file"], *(f"{share:.1f}" for share in shares), f"{case['voxels']['infarct']:,}")
    return table


def _means(cases: list[dict[str, Any]]) -> dict[str, float]:
    names = ("size_percent", "transmurality_percent")
    return {f"mean_{name}": sum(case["attributes"][name] for case in cases) / len(cases) for name in names}
