"""The demo makes what it promises, on fewer patients than by default."""

import json
import zipfile

import numpy as np
import pytest

from cardiactwins.demo import run_demo
from cardiactwins.infarct.archive import load_model, load_population
from cardiactwins.mrml.cohorts import read_manifest
from cardiactwins.mrml.image_files import segmentation_from_file
from cardiactwins.mrml.segmentations import segment_array


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def demo(tmp_path_factory, steps):
    directory = tmp_path_factory.mktemp("demo") / "out"
    return run_demo(
        directory,
        patients=10,
        seed=5,
        progress=lambda step, total, message="", values=None: steps.append((step, total)),
    )


def test_every_file_is_there_and_can_be_read(demo):
    directory = demo.directory
    with zipfile.ZipFile(directory / "scene.mrb") as scene:
        names = scene.namelist()
    assert sum(name.endswith(".seg.nrrd") for name in names) >= 10 + 6
    population = load_population(directory / "population-2d.npz")
    assert len(population) == demo.results["patients_used"]
    assert load_population(directory / "population-3d.npz").anatomy.slices == 11
    model = load_model(directory / "model-3d.json")
    assert model.sample(2, np.random.default_rng(0)).shape == (2, model.model.anatomy.n_voxels)
    report = json.loads((directory / "report.json").read_text())
    assert report["seed"] == 5 and report["seconds"] > 0 and "numpy" in report["versions"]
    page = (directory / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") >= 6


def test_painted_infarcts_lie_in_the_wall(demo):
    cases = read_manifest(demo.directory / "segmentations")["cases"]
    assert len(cases) == 6
    for case in cases:
        with segmentation_from_file(demo.directory / "segmentations" / case["file"]) as node:
            infarct, wall = segment_array(node, "Infarct"), segment_array(node, "LV myocardium")
        assert infarct.any() and not (infarct & ~wall).any()


def test_progress_runs_to_its_end(demo, steps):
    assert steps == sorted(steps) and steps[-1][0] == steps[-1][1]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not empty"):
        run_demo(tmp_path, patients=6)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
