"""The real-data study of InfarctSynth on EMIDEC: makes every figure of Docs/emidec.md again.

    python Testing/realdata/emidec_study.py

Alignments, fits and held-out losses are cells of `run_cells`, kept in build/emidec: a study that was killed
goes on where it stopped, and one that is complete only draws. Aligned populations are files named by their
lesions, so that another alignment makes new cells; after a change of a model, a loss or the search remove
build/emidec. The personalized models are left in build/emidec/presets; Docs/emidec/figures.json gets the
figures, Docs/emidec/*.png the pictures, and the tables between markers in Docs/emidec.md are written anew.
Nothing of a single patient leaves build/emidec but the names of those left out.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import emidec_figures
import emidec_tables
from emidec import emidec_cases
from emidec_cells import SLICES, WIDE
from emidec_rows import best, combinations

from cardiactwins import __version__
from cardiactwins.cli_progress import progress_bar
from cardiactwins.compute.files import json_text, write_text_atomic
from cardiactwins.compute.scheduling import run_cells

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "Docs"
CREDIT = (
    "EMIDEC challenge data (Lalande et al. 2020, Data 5(4):89), CC BY-NC-SA 4.0. These are aggregates and "
    "model parameters derived from it; the data itself is not part of the project."
)

MODELS = ("elliptical", "spherical", "wavefront")
LOSSES = ("KL_full", "KL_attr", "KL_attr fixed")
TURNS = (0, -30, 30)
SEEDS = {"2D": (0, 1, 2, 3, 4, 5), "3D": (0, 1)}
RANDOM_SPLITS = {"2D": 10, "3D": 2}
CONTENDERS = {"2D": (*MODELS, WIDE), "3D": MODELS}
SETTINGS = {
    "2D": {"searches": 5, "scouts": 256, "generations": 15, "polish_generations": 15},
    "3D": {"generations": 20, "polish_generations": 15},
}
"""More than the defaults, as 38 patients make a loss with several valleys."""
PAPERS_OPTIMA = {
    "2D": {"elliptical": (18, 10, 13, 18), "spherical": (1, 32)},
    "3D": {"spherical": (34, 9)},
}
CENTRE_SPREADS = (0.2, 0.025)
"""Turns around the start in which individual ellipses are centred: as `fit_individuals`, as the models."""


def results(directory: Path, workers: int, dimensions: Sequence[str]) -> dict[str, list[dict]]:
    """All cells by the name of their function, each a dict of what was asked and what came out."""
    found: dict[str, list[dict]] = {}

    def run(function: str, jobs: Sequence[tuple[Mapping, Mapping]]) -> list[dict]:
        """jobs: pairs of notes for the reader and arguments of the cell."""
        cells = [arguments for _, arguments in jobs]
        with progress_bar(f"{function}, {len(cells)} cells") as progress:
            outcomes = run_cells(
                f"emidec_cells:{function}", cells, directory / "cells", workers=workers, progress=progress
            )
        failed = [f"{outcome.cell}: {outcome.error}" for outcome in outcomes if outcome.error]
        if failed:
            raise SystemExit("\n".join(failed))
        rows = [
            {**outcome.result, **outcome.cell, **notes, "seconds": outcome.seconds}
            for (notes, _), outcome in zip(jobs, outcomes, strict=True)
        ]
        found.setdefault(function, []).extend(rows)
        return rows

    for dimension in dimensions:
        note = {"dimension": dimension}
        place = {"directory": str(directory), "dimension": dimension}
        settings = {"settings": SETTINGS[dimension]}
        populations = run("aligned", [({}, {**place, "turn": turn}) for turn in TURNS])
        of_turn = {row["turn"]: {"population": row["population"]} for row in populations}
        run(
            "evaluated",
            [
                (note, {**of_turn[0], "model": model, "parameters": list(optimum)})
                for model, optimum in PAPERS_OPTIMA[dimension].items()
            ],
        )
        if dimension == "2D":
            run("landed", [(note, {})])
            run("individual", [(note, {**of_turn[0], "spread": spread}) for spread in CENTRE_SPREADS])
        fits = [(0, model, loss, seed) for model in MODELS for loss in LOSSES for seed in SEEDS[dimension]]
        fits += [(turn, model, loss, 0) for turn in TURNS[1:] for model in MODELS for loss in LOSSES[:2]]
        run(
            "fitted",
            [
                (
                    {**note, "turn": turn},
                    {**of_turn[turn], "model": model, "loss": loss, "seed": seed, **settings}
                    | {"models": str(directory / "models")},
                )
                for turn, model, loss, seed in fits
            ],
        )
        splits = [
            {"split": split, "swap": swap}
            for split in ("names", *range(RANDOM_SPLITS[dimension]))
            for swap in (False, True)
        ]
        halves = run("halved", [({}, {**place, **split}) for split in splits])
        run(
            "held_out",
            [
                (
                    {**note, **split},
                    {"train": half["train"], "test": half["test"], "model": model, "loss": loss, **settings},
                )
                for split, half in zip(splits, halves, strict=True)
                for model in CONTENDERS[dimension]
                for loss in LOSSES
            ],
        )
    return found


def published(found: Mapping[str, Sequence[Mapping]]) -> dict:
    """What goes into the project: no paths, no territory or rotation of a single patient."""
    secret = {"directory", "population", "train", "test", "models", "file", "territories", "rotations"}
    secret |= {"axis1", "axis2"}
    figures: dict = {"data": CREDIT, "version": __version__, "cases": len(emidec_cases())}
    for function, rows in found.items():
        figures[function] = [{k: rounded(row[k]) for k in row if k not in secret} for row in rows]
    for row, shown in zip(found["aligned"], figures["aligned"], strict=True):
        straight = next(
            other
            for other in found["aligned"]
            if other["dimension"] == row["dimension"] and not other["turn"]
        )
        territories = row["territories"]
        shown["territories"] = dict(Counter(territories.values()))
        shown["rotations"] = rounded(row["rotations"])
        shown["changed_territory"] = sum(
            territories.get(name, artery) != artery for name, artery in straight["territories"].items()
        )
    return figures


def rounded(value: Any) -> Any:
    """Numbers to five digits, which the errors of the study do not reach."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def lines_of_json(figures: Mapping) -> str:
    """JSON with one row of the study a line."""
    entries = []
    for key, value in figures.items():
        text = json_text(value)
        if isinstance(value, list):
            text = "[\n" + ",\n".join(json_text(row) for row in value) + "\n]"
        entries.append(f"{json_text(key)}: {text}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "emidec", help="cells, models and presets"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--only", choices=tuple(SLICES), help="do this part of the cells and write nothing")
    arguments = parser.parse_args()
    found = results(
        arguments.out.resolve(), arguments.workers, [arguments.only] if arguments.only else [*SLICES]
    )
    if arguments.only:
        return
    fits = {(d, model, loss): best(found, d, model, loss) for d, loss, model in combinations(found)}
    for (dimension, model, loss), row in fits.items():
        preset = arguments.out / "presets" / f"emidec-{dimension}-{model}-{loss.replace(' ', '-')}.json"
        preset.parent.mkdir(exist_ok=True)
        shutil.copyfile(row["file"], preset)
    figures = published(found)
    write_text_atomic(DOCS / "emidec" / "figures.json", lines_of_json(figures))
    emidec_figures.draw_all(found, fits, DOCS / "emidec")
    emidec_tables.fill(DOCS / "emidec.md", figures)


if __name__ == "__main__":
    main()
