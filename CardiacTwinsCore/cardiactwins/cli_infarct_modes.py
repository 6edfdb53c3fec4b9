"""`cardiactwins infarct modes`: the modes of variation of populations and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_inputs import is_population_file, read_model, read_population
from cardiactwins.cli_run import REPORT, CommandRun, Force, Json, Seed, claim_folder, new_folder, write_table

if TYPE_CHECKING:
    from cardiactwins.infarct.embedding import LatentSpace
    from cardiactwins.infarct.population import InfarctPopulation
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

__all__ = ["modes"]


def modes(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="POPULATION|MODEL...", help="Populations (.npz) and models (.json) to compare."
        ),
    ],
    dimensions: Annotated[int, typer.Option(min=1, help="Modes to show.")] = 3,
    count: Annotated[int, typer.Option(min=7, help="Infarcts drawn from each model.")] = 100,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option(help="A new folder for pictures, volumes and tables.")] = Path("modes"),
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Show how infarcts vary: the latent space of each population or model, and its modes.

    Writes, for each source, pictures of the modes (.modes.png) and their volumes on the reference (.nrrd),
    the eigenvalues (eigenvalues.csv), the latent means (mean.png), and, for several sources on one reference,
    their common latent space (latent.png, latent.csv) and their attributes (attributes.png).
    """
    run = CommandRun.begin(context, {"sources": sources})
    populations = {name: _population(path, count, seed) for name, path in _named(sources).items()}
    anatomy = _common_anatomy(populations)
    claim_folder(out, run.report.job, force)

    from cardiactwins.infarct.figures import mean_lesions_figure
    from cardiactwins.mrml.infarct_synth import InfarctSynthLogic

    logic = InfarctSynthLogic()
    spaces = {}
    with run.progress("Modes") as progress, new_folder(out) as folder:
        folder.mkdir()
        steps = len(populations) + 1
        for step, (name, population) in enumerate(populations.items()):
            progress(step, steps, name)
            spaces[name] = _write_modes(logic, population, name, dimensions, folder)
        progress(steps - 1, steps, "Compare")
        rows = _eigenvalues(spaces)
        write_table(folder / "eigenvalues.csv", rows)
        means = {name: space.mean_pattern() for name, space in spaces.items()}
        mean_lesions_figure(means, anatomy, folder / "mean.png", label="Latent mean, healthy to infarct")
        if len(populations) > 1:
            _write_comparison(populations, spaces, folder)
        files = sorted(path.name for path in folder.iterdir())
        progress(steps, steps, "Done")
    run.show(_table(spaces, rows))
    results = {
        "sources": {
            name: {
                "infarcts": len(populations[name]),
                "dimensions": space.dimensions,
                "eigenvalues": space.eigenvalues[:10],
                "joined_parts": space.parts,
            }
            for name, space in spaces.items()
        },
        "files": files,
    }
    run.finish(results, {"folder": out}, out / REPORT)


def _named(sources: list[Path]) -> dict[str, Path]:
    """Sources by the stem of their file name, with a number where that comes again."""
    named: dict[str, Path] = {}
    for path in sources:
        name, number = path.stem, 2
        while name in named:
            name, number = f"{path.stem}-{number}", number + 1
        named[name] = path
    return named


def _population(path: Path, count: int, seed: int) -> InfarctPopulation:
    """An aligned population, or `count` draws of a personalized model."""
    import numpy as np

    from cardiactwins.infarct.population import InfarctPopulation

    if is_population_file(path):
        return read_population(path)
    personalized = read_model(path)
    lesions = personalized.sample(count, np.random.default_rng(seed))
    return InfarctPopulation(
        personalized.model.anatomy, lesions, tuple(f"draw {index + 1}" for index in range(count))
    )


def _common_anatomy(populations: Mapping[str, InfarctPopulation]) -> Any:
    """The reference of all; ValueError when they differ."""
    first, *others = (population.anatomy for population in populations.values())
    if any(other.shape != first.shape or (other.mask != first.mask).any() for other in others):
        slices = ", ".join(f"{name}: {one.anatomy.slices}" for name, one in populations.items())
        raise ValueError(
            f"The sources live on different references (slices {slices}) and cannot be compared. Align and "
            "personalize them with the same --slices."
        )
    return first


def _write_modes(
    logic: InfarctSynthLogic, population: InfarctPopulation, name: str, dimensions: int, folder: Path
) -> LatentSpace:
    from cardiactwins.infarct.figures import modes_figure
    from cardiactwins.mrml.saving import save_node

    deviations = (-2, -1, 0, 1, 2)
    space, nodes = logic.modes(population, dimensions=dimensions, deviations=deviations, name=name)
    shown = min(dimensions, space.dimensions)
    modes_figure(
        space.modes(shown, deviations),
        population.anatomy,
        folder / f"{name}.modes.png",
        deviations=deviations,
        title=f"{name}, n = {len(population)}",
    )
    places = ((mode, deviation) for mode in range(1, shown + 1) for deviation in deviations)
    for node, (mode, deviation) in zip(nodes, places, strict=True):
        save_node(node, folder / f"{name}.mode{mode}_{deviation:+d}std.nrrd")
    return space


def _write_comparison(
    populations: Mapping[str, InfarctPopulation], spaces: Mapping[str, LatentSpace], folder: Path
) -> None:
    """The shared scatter with the decrease of eigenvalues (mom-2021, figure 3), and attributes."""
    from cardiactwins.infarct.embedding import shared_scatter
    from cardiactwins.infarct.figures import distribution_figure, latent_figure

    lesions = {name: population.lesions for name, population in populations.items()}
    anatomy = next(iter(populations.values())).anatomy
    scatter = shared_scatter(lesions)
    decreases = {name: space.eigenvalue_decrease for name, space in spaces.items()}
    latent_figure(scatter, decreases, folder / "latent.png")
    distribution_figure(lesions, anatomy, folder / "attributes.png")
    rows = [
        {"source": name, "case": case, "dimension_1": point[0], "dimension_2": point[1]}
        for name, population in populations.items()
        for case, point in zip(population.identifiers, _plane(scatter.of(name)), strict=True)
    ]
    write_table(folder / "latent.csv", rows)


def _plane(points: Any) -> Any:
    """The first two coordinates, the second 0 where there is one dimension only."""
    import numpy as np

    return np.pad(points[:, :2], ((0, 0), (0, max(0, 2 - points.shape[1]))))


def _eigenvalues(spaces: Mapping[str, LatentSpace]) -> list[dict[str, Any]]:
    return [
        {
            "source": name,
            "dimension": index + 1,
            "eigenvalue": float(space.eigenvalues[index]),
            "relative_to_first": float(space.eigenvalue_decrease[index]),
            "standard_deviation": float(space.deviations[index]),
        }
        for name, space in spaces.items()
        for index in range(space.dimensions)
    ]


def _table(spaces: Mapping[str, LatentSpace], rows: list[dict[str, Any]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("dimension", justify="right")
    for name in spaces:
        table.add_column(f"{escape(name)}\neigenvalue / first", justify="right")
    for dimension in range(1, 6):
        shares = {row["source"]: row["relative_to_first"] for row in rows if row["dimension"] == dimension}
        if shares:
            table.add_row(str(dimension), *(f"{shares[n]:.2f}" if n in shares else "" for n in spaces))
    return table
