"""Sensitivity studies: their cells, their tables, and going on after a kill."""

import csv
import itertools
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct import studies
from cardiactwins.infarct.archive import save_population
from cardiactwins.infarct.models import make_model
from cardiactwins.infarct.paper_studies import STUDIES, named_study
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.infarct.studies import (
    StudyResult,
    estimate_seconds,
    grid_study,
    personalize_cell,
    run_study,
)

SMALL = ReferenceAnatomy(size=40, endocardial_radius=9.2, epicardial_radius=15.3)
QUICK = PersonalizationSettings(
    lesions=20, candidates=4, parents=2, generations=2, searches=1, scouts=0, polish_generations=0
)


@pytest.fixture(scope="module")
def population():
    lesions = make_model("elliptical", SMALL).sample((9, 4, 6, 4), 15, np.random.default_rng(1))
    return InfarctPopulation(SMALL, lesions, tuple(f"case {i}" for i in range(15)))


def small_study(launches=2, **changes):
    places = {
        (f"{second}", f"{first}"): {"start": (first, 4, second, 4)} for first in (5, 12) for second in (4, 9)
    }
    return grid_study("small", "Small", "elliptical", places, launches=launches, settings=QUICK, **changes)


def test_the_papers_tables_have_their_starts():
    starts = {name: {tuple(cell["start"]) for cell in named_study(name).cells} for name in STUDIES}
    assert len(starts["starts-means"]) == 30 and (30.0, 10.0, 5.0, 20.0) in starts["starts-means"]
    assert len(starts["starts-stds"]) == 20 and (22.0, 25.0, 16.0, 5.0) in starts["starts-stds"]
    assert len(starts["starts-spherical"]) == 35 and (20.0, 5.0) in starts["starts-spherical"]
    assert starts["starts-3d"] == {(1.0, 30.0), (10.0, 20.0), (20.0, 10.0), (30.0, 1.0)}
    losses = {cell["loss"] for cell in named_study("starts-3d").cells}
    assert losses == {"KL_full", "KL_attr"}
    sizes = {
        (c["settings"]["candidates"], c["settings"]["parents"]) for c in named_study("search-size").cells
    }
    assert {(15, 3), (50, 12)} <= sizes
    assert {cell["model"] for cell in named_study("search-size").cells} == {"elliptical", "spherical"}
    assert len(named_study("starts-means", launches=3).cells) == 90
    with pytest.raises(ValueError, match="starts-3d"):
        named_study("starts-4d")


def test_every_launch_of_every_place_has_a_seed_of_its_own():
    for name in STUDIES:
        seeds = [cell["seed"] for cell in named_study(name).cells]
        assert len(set(seeds)) == len(seeds)


def test_a_study_writes_one_line_a_launch_and_the_table_as_a_picture(population, tmp_path):
    result = run_study(small_study(), population, tmp_path, workers=2)
    assert not result.failed and len(result.rows) == 8
    with result.table.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8
    assert {(line["row"], line["column"]) for line in lines} == {
        ("4", "5"), ("9", "5"), ("4", "12"), ("9", "12")
    }  # fmt: skip
    row = result.rows[3]
    line = next(line for line in lines if line["seed"] == str(row["seed"]))
    assert float(line["final radial mean"]) == pytest.approx(row["parameters"][2])
    assert float(line["start circumferential mean"]) == row["start"][0]
    assert result.picture.read_bytes().startswith(b"\x89PNG")
    place = next(mean for mean in result.means() if (mean["row"], mean["column"]) == ("9", "12"))
    of_place = [one for one in result.rows if (one["row"], one["column"]) == ("9", "12")]
    assert place["launches"] == 2
    assert place["loss"] == pytest.approx(np.mean([one["loss"] for one in of_place]))


def table_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_means_and_curves_are_those_of_the_launches_of_each_place(population, tmp_path):
    """Two models with other parameters and other numbers of generations in one study."""
    places = {
        ("elliptical", "2"): {"start": (9, 4, 6, 4), "settings": {"generations": 2}},
        ("spherical", "3"): {"start": (2, 8), "model": "spherical", "settings": {"generations": 3}},
    }
    study = grid_study("mixed", "Mixed", "elliptical", places, launches=3, settings=QUICK)
    result = run_study(study, population, tmp_path, workers=2)
    spheres = [row for row in result.rows if row["row"] == "spherical"]
    assert {row["model"] for row in spheres} == {"spherical"}

    means = {line["row"]: line for line in table_of(tmp_path / "mixed.means.csv")}
    radii = [row["parameters"][1] for row in spheres]
    assert float(means["spherical"]["mean maximal radius"]) == pytest.approx(np.mean(radii))
    assert float(means["spherical"]["std maximal radius"]) == pytest.approx(np.std(radii))
    assert means["spherical"]["mean radial mean"] == "" and means["elliptical"]["launches"] == "3"

    curves = table_of(tmp_path / "mixed.curves.csv")
    assert [(line["row"], line["generation"]) for line in curves] == [
        ("elliptical", "1"), ("elliptical", "2"), ("spherical", "1"), ("spherical", "2"), ("spherical", "3"),
    ]  # fmt: skip
    assert float(curves[-1]["loss"]) == pytest.approx(np.mean([row["losses"][2] for row in spheres]))
    assert (tmp_path / "mixed.curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_launch_that_ended_early_keeps_its_last_loss_in_the_curve():
    rows = [{"row": "a", "column": "b", "losses": losses} for losses in ([3.0, 2.0, 1.0], [5.0])]
    curves = StudyResult(small_study(), rows, []).curves()
    np.testing.assert_array_equal(curves["a", "b"], [[3, 2, 1], [5, 5, 5]])


def test_a_model_of_ones_own_is_studied_by_its_import_name(population, tmp_path):
    name = "cardiactwins.infarct.spherical:IterativeSphericalModel"
    places = {("all", "one"): {"start": (2, 8)}}
    study = grid_study("own", "Own", name, places, launches=1, settings=QUICK)
    named = grid_study("own", "Own", "spherical", places, launches=1, settings=QUICK)
    (own,), (ours,) = (run_study(one, population, tmp_path, workers=1).rows for one in (study, named))
    assert own["parameters"] == ours["parameters"]


def test_a_cell_alone_gives_what_the_study_found(population, tmp_path):
    result = run_study(small_study(launches=1), population, tmp_path, workers=1)
    cell = {**result.study.cells[2], "population": str(save_population(population, tmp_path / "p.npz"))}
    again = personalize_cell(**cell)
    assert again["parameters"] == result.rows[2]["parameters"]
    assert again["loss"] == result.rows[2]["loss"]


def test_finished_cells_are_never_run_again_and_other_data_gets_cells_of_its_own(population, tmp_path):
    first = run_study(small_study(launches=1), population, tmp_path, workers=1)
    began = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    again = run_study(small_study(launches=1), population, tmp_path, workers=1)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()} == began
    assert [row["seconds"] for row in again.rows] == [row["seconds"] for row in first.rows]
    other = replace(population, lesions=population.lesions[::-1])
    run_study(small_study(launches=1), other, tmp_path, workers=1)
    assert len(list((tmp_path / "cells").iterdir())) == 2 * len(began)


def test_a_study_that_was_moved_goes_on(population, tmp_path):
    study, longer = small_study(launches=1), small_study(launches=2)
    run_study(study, population, tmp_path / "here", workers=1)
    moved = (tmp_path / "here").rename(tmp_path / "there")
    finished = {path: path.stat().st_mtime_ns for path in (moved / "cells").iterdir()}
    result = run_study(replace(longer, cells=(*study.cells, longer.cells[1])), population, moved, workers=1)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not result.failed and len(list((moved / "cells").iterdir())) == len(finished) + 1


def test_a_study_killed_in_the_middle_goes_on_where_it_stopped(population, tmp_path):
    save_population(population, tmp_path / "population.npz")
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_studies import small_study
        from cardiactwins.infarct.archive import load_population
        from cardiactwins.infarct.studies import run_study

        def kill(step, total, message="", values=None):
            if step == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        run_study(small_study(launches=4), load_population({str(tmp_path / "population.npz")!r}),
                  {str(tmp_path)!r}, workers=1, progress=kill)
        """
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").glob("[!.]*.json")}
    assert len(finished) == 3
    result = run_study(small_study(launches=4), population, tmp_path, workers=2)
    assert len(result.rows) == 16 and not result.failed
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_a_cell_that_fails_is_listed_and_the_others_go_on(population, tmp_path):
    places = {
        ("all", "good"): {"start": (9, 4, 6, 4)},
        ("all", "out of bounds"): {"start": (900, 4, 6, 4)},
    }
    study = grid_study("mixed", "Mixed", "elliptical", places, launches=1, settings=QUICK)
    result = run_study(study, population, tmp_path, workers=1)
    assert len(result.rows) == 1
    ((cell, reason),) = result.failed
    assert cell["column"] == "out of bounds" and "must lie in" in reason


def test_a_population_of_the_wrong_dimension_is_refused(population, tmp_path):
    with pytest.raises(ValueError, match="3D population"):
        run_study(named_study("starts-3d", launches=1), population, tmp_path)


def test_the_estimate_grows_with_the_study_and_shrinks_with_the_cores(population, monkeypatch):
    assert estimate_seconds(small_study(launches=1), population) > 0
    ticks = itertools.count()
    monkeypatch.setattr(studies, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    one = estimate_seconds(small_study(launches=1), population)
    assert estimate_seconds(small_study(launches=20), population) == pytest.approx(20 * one)
    assert estimate_seconds(small_study(launches=20), population, workers=2) == pytest.approx(10 * one)
