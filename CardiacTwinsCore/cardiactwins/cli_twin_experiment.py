"""`cardiactwins twin experiment`: what the paper did with its model, on hearts of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cardiactwins.cli_run import REPORT, CommandRun, Json, Seed, write_table
from cardiactwins.cli_twin_cohort import measured, population_of, study_maker
from cardiactwins.cli_twin_inputs import (
    MODEL_LOADER,
    Attempts,
    Batch,
    Devices,
    Guard,
    LeaveOut,
    Loader,
    Scheduler,
    Steps,
    Tissues,
    Weights,
    Workers,
)
from cardiactwins.cli_values import numbers_from

if TYPE_CHECKING:
    from cardiactwins.mrml.twin_editor import TwinEditorLogic
    from cardiactwins.twin.hearts import Hearts

__all__ = ["experiment"]

PARTS = ("edits", "noise")
PSIS, STEPS_TRIED, SIZES_TRIED = "0.35,0.5,0.65,0.8,1", "5,10,20,50,100,200", "5,10,20,50,100,200"


def experiment(
    context: typer.Context,
    population: Annotated[
        Path,
        typer.Argument(
            help="Folder of hearts, best such as the model has never seen: twins, segmentations, label maps."
        ),
    ],
    parts: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            help="edits: siblings of four seed hearts. noise: hearts from noise, and how they depend on "
            "steps and cohort size. Repeatable. Default: edits.",
        ),
    ] = None,
    siblings: Annotated[
        int, typer.Option(min=1, help="Edits: siblings of each seed heart by each psi and mask.")
    ] = 60,
    psi: Annotated[str, typer.Option(help="Edits: shares of the sampling that are made anew.")] = PSIS,
    hearts: Annotated[int, typer.Option(min=6, help="Noise: hearts.")] = 360,
    training: Annotated[
        Path | None,
        typer.Option(help="Noise: folder of hearts that the model was trained on, to find copies of them."),
    ] = None,
    steps_tried: Annotated[str, typer.Option(help="Noise: numbers of steps to try; 0: none.")] = STEPS_TRIED,
    hearts_tried: Annotated[int, typer.Option(min=6, help="Noise: hearts for each number of steps.")] = 100,
    sizes_tried: Annotated[str, typer.Option(help="Noise: sizes of the cohort to try.")] = SIZES_TRIED,
    tissues: Tissues = None,
    leave_out: LeaveOut = False,
    seed: Seed = 0,
    steps: Steps = 20,
    guard: Guard = True,
    attempts: Attempts = 1,
    weights: Weights = None,
    loader: Loader = MODEL_LOADER,
    workers: Workers = 0,
    batch: Batch = 1,
    devices: Devices = None,
    scheduler: Scheduler = None,
    out: Annotated[Path, typer.Option(help="Folder of the cohort, also to go on.")] = Path("experiment"),
    as_json: Json = False,
) -> None:
    """Repeat the experiments of Kadry et al. 2023 with a model, on hearts of yours.

    edits: the hearts of the population that come nearest to L+R+, L-R-, L+R= and L=R= (volumes of LV and RV
    1.5 deviations above, 1.5 below, or at the mean) are edited with each psi and with two masks (RV or LV
    free, with the myocardium): tables 2 and 3, figures 6 to 9. noise: hearts from noise against the
    population, figures 4 and 5, and the sensitivity to sampling steps and cohort size (appendix C).

    Writes the hearts (siblings), all of them in manifest.csv, tables (violations.csv, bias.csv; quality.csv,
    steps.csv, sizes.csv), pages with pictures (report/edits.html, report/unconditional.html), and
    report.json. A run that was stopped goes on when the command is given again.
    """
    run = CommandRun.begin(context, {"population": population, "training": training, "weights": weights})
    chosen = tuple(dict.fromkeys(parts or PARTS[:1]))
    if unknown := [part for part in chosen if part not in PARTS]:
        raise ValueError(f"--part is {' or '.join(PARTS)}; found '{unknown[0]}'.")
    psis = numbers_from(psi, "--psi")
    if not all(0 < value <= 1 for value in psis):
        raise ValueError(f"--psi takes shares above 0 to 1; found '{psi}'.")
    tried, sizes = _counts(steps_tried, "--steps-tried"), _counts(sizes_tried, "--sizes-tried")
    known, left_out = population_of(run, population, tissues, leave_out)
    seen = None
    if training is not None:
        seen, others = population_of(run, training, tissues, leave_out, "--training")
        left_out |= others

    import numpy as np

    from cardiactwins.twin.cohort_studies import editing_study, unconditional_study
    from cardiactwins.twin.paper_experiment import seed_hearts

    with run.progress("Measure") as progress:
        real = measured(known, progress)
    if "edits" in chosen:
        seed_hearts(real)
    if "noise" in chosen and len(real) < 12:
        raise ValueError(
            f"{population} holds {len(real)} hearts; to judge hearts from noise against two halves of them "
            "takes 12 at least. Use more hearts."
        )
    logic, maker = study_maker(
        out,
        weights,
        loader,
        known,
        workers=workers,
        batch=batch,
        devices=devices,
        scheduler=scheduler,
    )
    common: dict[str, Any] = {"steps": steps, "guard": guard, "attempts": attempts, "first_seed": seed}
    figures: dict[str, Any] = {"left_out": left_out}
    outputs = {"folder": out}
    if "edits" in chosen:
        with run.progress("Edits") as progress:
            found = editing_study(
                maker,
                known,
                number=siblings,
                psis=psis,
                autoencoded=autoencoded_hearts(logic, known),
                measured=real,
                progress=progress,
                **common,
            )
        raw, guarded = found["violations"], found["violations_guarded"]
        rows = [{"guard": "before", **row} for row in raw] + [{"guard": "after", **row} for row in guarded]
        outputs |= {
            "violations": write_table(out / "violations.csv", rows),
            "bias": write_table(out / "bias.csv", found["bias"]),
            "page of edits": out / "report" / "edits.html",
        }
        figures["edits"] = found
        run.show("Violations of the topology (%), before the guard:", _table(raw))
        if guarded:
            run.show("\nAfter it, of the hearts that it accepted:", _table(guarded))
    if "noise" in chosen:
        with run.progress("Noise") as progress:
            found = unconditional_study(
                maker,
                known,
                training=seen,
                number=hearts,
                sensitivity=tried,
                sensitivity_number=hearts_tried,
                sizes=sizes,
                rng=np.random.default_rng(seed),
                progress=progress,
                **common,
            )
        for name in ("steps", "sizes"):
            if found[name]:
                outputs[name] = write_table(out / f"{name}.csv", found[name])
        quality = quality_rows(found)
        outputs |= {
            "quality": write_table(out / "quality.csv", quality),
            "page of hearts from noise": out / "report" / "unconditional.html",
        }
        figures["noise"] = found
        run.show("\nHearts from noise, with intervals of 95 %:", _table(quality))
        for name, title in (("steps", "By sampling steps"), ("sizes", "By cohort size")):
            if found[name]:
                run.show(f"\n{title}:", _table(found[name]))
    run.finish(figures, outputs, out / REPORT)


def autoencoded_hearts(logic: TwinEditorLogic, hearts: Hearts) -> Hearts:
    """The hearts encoded and decoded, each when it is asked for."""
    from cardiactwins.twin.hearts import Hearts
    from cardiactwins.twin.siblings import decoded_labels, encoded_twin

    model = logic.model()
    return Hearts(
        tuple(hearts), lambda name: decoded_labels(model, encoded_twin(model, hearts[name])[None])[0]
    )


def quality_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raw and guarded hearts, and two halves of the reference, as rows of a table."""
    from cardiactwins.twin.estimate import Estimate

    names = {"frechet": "FD", "precision": "precision", "recall": "recall", "violations": "TV (%)"}
    rows = []
    for title in ("raw", "guarded"):
        if (values := found[title]) is not None:
            own = {heading: str(Estimate(**values[name])) for name, heading in names.items()}
            rows.append({"cohort": title, "hearts": values["hearts"], **own})
    halves = found["halves"]
    own = {heading: str(getattr(halves, name, "")) for name, heading in names.items()}
    rows.append({"cohort": "two halves of the population", "hearts": found["reference"] // 2, **own})
    return rows


def _counts(text: str, option: str) -> tuple[int, ...]:
    """'5,10' as whole numbers of 1 or more; '0' as none. ValueError that names the option."""
    numbers = numbers_from(text, option)
    if numbers == [0]:
        return ()
    if any(number != int(number) or number < 1 for number in numbers):
        raise ValueError(f"{option} takes whole numbers of 1 or more, or 0 alone; found '{text}'.")
    return tuple(int(number) for number in numbers)


def _table(rows: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table
