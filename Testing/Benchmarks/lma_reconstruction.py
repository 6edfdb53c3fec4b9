"""Reconstruction of a left ventricle from 4 to 10 slices: ours and others on the same cases, in one run.

    python Testing/Benchmarks/lma_reconstruction.py --models DIR --out DIR
        [--cases 24] [--sets phantoms,mesa,...] [--methods ours,sdf,...] [--slices 4,6,8,10]
        [--pictures 2] [--resume]

Sets: phantoms that no training has seen; MESA hearts at end-diastole and end-systole, by methods trained on
phantoms (mesa) and by methods trained on other people of MESA (mesa-trained); five volumes of the
late-activation group (myocardium-64); the outlines of one patient (bivme), each slice left out in turn. Real
sets need ../shared/data. All methods are given the same slices across the long axis, the outermost within
10 % of its ends; one more row has the columns of the array that jayakumar-2023's code takes.

MESA is itself a linear model of 10 modes, its shapes sums of them: a linear model fitted to some of its
people can meet the others exactly, but for what signed distances lose, and shows no more than that.

--models: weights as lma_baselines.py leaves them, ours as reconstruction.safetensors beside them, and
mesa.npz. What cannot run is named and left out. Writes rows.csv, table.md, results.json and pictures; prints
the table and one JSON line last.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from itertools import cycle
from pathlib import Path

import numpy as np
from lma_contenders import METHODS, Answer, Contender, Unavailable, contender
from lma_leave_out import leave_one_out
from lma_measures import (
    Measures,
    Uncertainty,
    measure,
    missed_between_neighbours,
    uncertainty,
    wall_voxels,
)
from lma_pictures import curves_figure, reconstructions_figure
from lma_sets import MESA_SHAPES, held_out_phantoms, load_volumes, mesa_case, mesa_model, mesa_people
from lma_tables import tables
from real_hearts import BIVME, MYOCARDIUM_64, myocardium_64
from small_pictures import small_copy

from cardiactwins.compute.files import write_json_atomic, write_text_atomic
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.sparse_slices import PAPER_POSITIONS, SparseSlices, cut_slices, slice_positions

SETS = ("phantoms", "mesa", "mesa-trained", "myocardium-64")
TRAINED_ON = {"mesa-trained": "mesa"}
PAPER = "paper"
PICTURED_SLICES = "8"
UNCERTAINTY = tuple(field.name for field in fields(Uncertainty))


Row = dict[str, str | float]
"""One case by one method: KEY, slices, version of the weights, seconds, measures, uncertainty."""
KEY = ("set", "case", "protocol", "method")


def cases_of(name: str, count: int, models: Path) -> dict[str, ShapeVolume]:
    """At most so many volumes of a set, by their names. Raises Unavailable without the data."""
    if name == "phantoms":
        return {f"phantom {n}": volume for n, volume in enumerate(held_out_phantoms(count))}
    source = MYOCARDIUM_64 if name == "myocardium-64" else MESA_SHAPES
    if not source.exists():
        raise Unavailable(f"the data is not at {source}")
    if name == "myocardium-64":
        return dict(list(myocardium_64().items())[:count])
    model = mesa_model()
    names = [(person, phase) for person in mesa_people(model)["test"] for phase in ("ED", "ES")][:count]
    stored = models / "mesa.npz"
    if stored.exists():
        volumes: Iterable[ShapeVolume] = load_volumes(stored, "test")[:count]
    else:
        volumes = (mesa_case(model, *name) for name in names)
    return {f"{person} {phase}": v for (person, phase), v in zip(names, volumes, strict=True)}


def protocols(counts: Sequence[int]) -> dict[str, np.ndarray]:
    """Positions of the slices by the name of the row: numbers of slices, and the paper's columns."""
    return {str(count): slice_positions(count) for count in counts} | {PAPER: np.array(PAPER_POSITIONS)}


def slices_of(volume: ShapeVolume, positions: np.ndarray) -> SparseSlices:
    """Slices at those of the positions that meet the wall."""
    return cut_slices(volume, positions[volume.mask[positions].any(axis=(1, 2))])


def contenders(methods: Sequence[str], trained_on: str, models: Path) -> dict[str, Contender]:
    """The methods that can run; the others are named."""
    found = {}
    for method in methods:
        try:
            found[method] = contender(method, trained_on, models)
        except Unavailable as reason:
            print(f"{method}, trained on {trained_on}: left out, {reason}.", flush=True)
    return found


def run_set(
    name: str,
    cases: dict[str, ShapeVolume],
    running: dict[str, Contender],
    cuts: dict[str, np.ndarray],
    known: dict[tuple, Row],
    pictures: int,
    keep: Callable[[Sequence[Row]], None],
) -> tuple[list[Row], dict[str, dict[str, Answer]]]:
    """All rows of a set, and the answers to eight slices of its first cases, for so many pictures.

    known: rows of an earlier run by KEY, which are taken over where the weights are the same. keep: stores
    the rows so far, after each case.
    """
    rows, shown = [], {}
    for number, (case, volume) in enumerate(cases.items()):
        for protocol, positions in cuts.items():
            slices = slices_of(volume, positions)
            for method, reconstructed in running.items():
                pictured = protocol == PICTURED_SLICES and number < pictures
                earlier = known.get((name, case, protocol, method))
                if earlier and earlier["version"] == reconstructed.version and not pictured:
                    rows.append(earlier)
                    continue
                row, answer = run_case(reconstructed, slices, volume, mm=name != "myocardium-64")
                rows.append(dict(zip(KEY, (name, case, protocol, method), strict=True)) | row)
                if pictured:
                    shown.setdefault(case, {})[method] = answer
        keep(rows)
        print(f"{name}: {number + 1} of {len(cases)} cases", flush=True)
    return rows, shown


def run_case(
    reconstructed: Contender, slices: SparseSlices, volume: ShapeVolume, *, mm: bool
) -> tuple[Row, Answer]:
    """One case by one method."""
    began = time.perf_counter()
    answer = reconstructed(slices, volume.voxel)
    row: Row = {
        "slices": len(slices),
        "version": reconstructed.version,
        "seconds": time.perf_counter() - began,
    }
    row |= asdict(measure(answer.volume, volume, slices.positions, mm=mm))
    found = answer.reconstruction
    if found is None or found.deviation is None:
        return row | dict.fromkeys(UNCERTAINTY, float("nan")), answer
    return row | asdict(uncertainty(found, volume)), answer


def stored_rows(path: Path) -> dict[tuple, Row]:
    """Rows of an earlier run by KEY; none without the file."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [
            {key: value if key in (*KEY, "version") else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]
    return {tuple(row[key] for key in KEY): row for row in rows}


def results(rows: Sequence[Row]) -> list[dict]:
    """Means and standard deviations by set, protocol and method; "slices" is the number of slices."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["protocol"], row["method"]), []).append(row)
    found = []
    for (name, protocol, method), group in groups.items():
        entry = {"set": name, "slices": int(max(row["slices"] for row in group)), "method": method}
        if protocol == PAPER:
            entry["protocol"] = PAPER
        entry["cases"] = len(group)
        for key in (*Measures.names(), "seconds", *UNCERTAINTY):
            values = np.array([row[key] for row in group], dtype=float)
            values = values[np.isfinite(values)]
            entry[key] = float(values.mean()) if values.size else None
            entry[f"{key}_sd"] = float(values.std(ddof=1)) if values.size > 1 else None
        found.append(entry)
    return found


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """All rows so far, one a line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cases", default="24", help="of each set at most; or a number for each of --sets")
    parser.add_argument("--sets", default=",".join((*SETS, "bivme")))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--slices", default="4,6,8,10")
    parser.add_argument("--pictures", type=int, default=2, help="cases of each set to draw")
    parser.add_argument("--resume", action="store_true", help="take over rows.csv where weights are the same")
    options = parser.parse_args()
    known = stored_rows(options.out / "rows.csv") if options.resume else {}
    methods, sets = options.methods.split(","), options.sets.split(",")
    cuts = protocols([int(count) for count in options.slices.split(",")])
    counts = dict(zip(sets, cycle(int(count) for count in options.cases.split(",")), strict=False))
    rows: list[Row] = []
    walls: dict[str, float] = {}
    missed: dict[str, float] = {}

    def keep(found: Sequence[Row]) -> None:
        # Rows of sets and cases that are left out this time stay for a run that goes on.
        new = {tuple(row[key] for key in KEY): row for row in (*rows, *found)}
        write_rows(list((known | new).values()), options.out / "rows.csv")

    for name in sets:
        if name == "bivme":
            continue
        try:
            cases = cases_of(name, counts[name], options.models)
        except Unavailable as reason:
            print(f"{name}: left out, {reason}.", flush=True)
            continue
        walls[name] = float(np.mean([wall_voxels(volume) for volume in cases.values()]))
        missed[name] = float(np.mean([missed_between_neighbours(volume) for volume in cases.values()]))
        running = contenders(methods, TRAINED_ON.get(name, "phantoms"), options.models)
        found, shown = run_set(name, cases, running, cuts, known, options.pictures, keep)
        rows += found
        for number, (case, answers) in enumerate(shown.items()):
            picture = options.out / f"{name}-{number}.png"
            reconstructions_figure(cases[case], answers, f"{name}, {case}", picture)
            small_copy(picture, picture)
    left_out = []
    if "bivme" in sets and BIVME.exists():
        left_out = leave_one_out(contenders(methods, "phantoms", options.models))
    curves = options.out / "curves.png"
    if curves_figure(options.models, curves):
        small_copy(curves, curves)

    found = results(rows)
    summary = {
        "results": [row for row in found if "protocol" not in row],
        "paper_protocol": [row for row in found if "protocol" in row],
        "bivme": left_out,
        "voxels_per_wall": walls,
        "missed_between_neighbours": missed,
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
    }
    text = tables(summary)
    write_text_atomic(options.out / "table.md", text)
    write_json_atomic(options.out / "results.json", summary)
    print(text)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
