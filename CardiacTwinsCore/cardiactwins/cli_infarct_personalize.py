"""`cardiactwins infarct personalize` and `fit`: the model of a population, and the ellipse of each case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import read_population
from cardiactwins.cli_run import CommandRun, Force, Json, Seed, claim_files, write_table
from cardiactwins.cli_values import numbers_from, settings_from

if TYPE_CHECKING:
    from cardiactwins.infarct.archive import PersonalizedModel
    from cardiactwins.infarct.individual import IndividualFits

__all__ = ["fit", "personalize"]

Population = Annotated[
    Path, typer.Argument(help="Aligned population (.npz) of `cardiactwins infarct align`.")
]


def personalize(
    context: typer.Context,
    population: Population,
    model: Annotated[
        str, typer.Option(help="elliptical, elliptical-uniform, spherical or wavefront.")
    ] = "elliptical",
    loss: Annotated[
        str, typer.Option(help="KL_full or MMD (compare images), KL_attr or KL_sectors (compare attributes).")
    ] = "KL_full",
    start: Annotated[
        str | None, typer.Option(help="First parameters, as 18,10,13,18. Default: the model's own.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="robust: does not depend on the start. paper: as konik-2024 searched.")
    ] = "robust",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the search, as generations=50; repeatable."),
    ] = None,
    seed: Seed = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that keeps the search; the same command goes on from it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The model, a .json file; the other files go beside it.")] = Path(
        "model.json"
    ),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Find the parameters that make a random model's infarcts most like the population's.

    Writes the model, and beside it the parameters (.parameters.csv), a picture of the search (.history.png)
    and a report (.report.json).
    """
    run = CommandRun.begin(context, {"population": population})
    history = out.with_suffix(".history.png")
    table = out.with_suffix(".parameters.csv")
    report = out.with_suffix(".report.json")
    settings = settings_from(preset, changes or [])
    first = numbers_from(start, "--start")
    aligned = read_population(population)
    if out.suffix != ".json":
        raise ValueError(f"A model is a .json file; found --out {out}.")
    claim_files([out, history, table, report], force)

    from cardiactwins.infarct.archive import save_model
    from cardiactwins.infarct.figures import history_figure
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

    with run.progress("Personalize") as progress:
        personalized = InfarctSynthLogic().personalize(
            aligned,
            model,
            loss=loss,
            start=first,
            settings=settings,
            seed=seed,
            checkpoint=checkpoint,
            progress=progress,
        )
    found = personalized.personalization
    rows = _parameters(personalized)
    save_model(personalized, out)
    write_table(table, rows)
    named = [f"{row['parameter']} ({row['unit']})" if row["unit"] else row["parameter"] for row in rows]
    history_figure(
        found.history, named, history, threshold=settings.threshold or None, title=f"{model}, {loss}"
    )
    run.show(
        _rich_table(rows),
        "",
        f"Loss {found.loss:.4f} +- {found.loss_error:.4f} (mean and standard error on 20 fresh populations).",
        f"Why each search ended: {'; '.join(found.stop)}.",
    )
    results = {"cases": len(aligned), "slices": aligned.anatomy.slices, **found.summary()}
    run.finish(results, {"model": out, "parameters_table": table, "history_figure": history}, report)


def fit(
    context: typer.Context,
    population: Population,
    out: Annotated[Path, typer.Option(help="The fits, a .csv file with one row a case.")] = Path("fits.csv"),
    centres: Annotated[int, typer.Option(min=1, help="Candidate centres on the endocardium.")] = 20,
    spread: Annotated[
        float, typer.Option(min=0, max=0.5, help="How far they lie around the mean angle, turns each way.")
    ] = 0.2,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fit the best ellipse to every infarct of a 2D population, over the paper's whole grid of axes.

    Writes one row a case (centre, semi-axes, Dice) and a report (.report.json).
    """
    run = CommandRun.begin(context, {"population": population})
    report = out.with_suffix(".report.json")
    aligned = read_population(population)
    claim_files([out, report], force)

    from cardiactwins.infarct.attributes import write_attributes_csv
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

    with run.progress("Fit") as progress:
        fits = InfarctSynthLogic().fitIndividuals(aligned, centres=centres, spread=spread, progress=progress)
    columns = {
        "centre_turns": fits.centre,
        "axis1_pixels": fits.axis1,
        "axis2_pixels": fits.axis2,
        "dice": fits.dice,
    }
    write_attributes_csv(out, fits.identifiers, columns)
    results = _fit_results(fits)
    run.show(
        f"{results['cases']} infarcts, Dice {results['dice_mean']:.3f} on average "
        f"({results['dice_smallest']:.3f} to {results['dice_largest']:.3f}).",
        "Axis 1 (along the wall)  {axis1_mean:.1f} +- {axis1_std:.1f} pixels".format(**results),
        "Axis 2 (through it)      {axis2_mean:.1f} +- {axis2_std:.1f} pixels".format(**results),
    )
    run.finish(results, {"fits": out}, report)


def _fit_results(fits: IndividualFits) -> dict[str, Any]:
    axes = dict(zip(("axis1_mean", "axis1_std", "axis2_mean", "axis2_std"), fits.summary, strict=True))
    return {
        "cases": len(fits.identifiers),
        **axes,
        "dice_mean": float(fits.dice.mean()),
        "dice_smallest": float(fits.dice.min()),
        "dice_largest": float(fits.dice.max()),
    }


def _parameters(personalized: PersonalizedModel) -> list[dict[str, Any]]:
    """One row a parameter."""
    found = personalized.personalization
    return [
        {
            "parameter": parameter.name,
            "value": float(value),
            "unit": parameter.unit,
            "start": float(start),
            "lower": parameter.lower,
            "upper": parameter.upper,
        }
        for parameter, value, start in zip(
            personalized.model.parameters, found.parameters, found.start, strict=True
        )
    ]


def _rich_table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("parameter")
    for heading in ("value", "start"):
        table.add_column(heading, justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(row["parameter"], f"{row['value']:.4g}", f"{row['start']:.4g}", row["unit"])
    return table
