"""The demo makes what it promises, on fewer patients than by default."""

import json
import zipfile
from urllib.parse import unquote

import numpy as np
import pytest

from cardiactwins import demo_twin
from cardiactwins.demo import run_demo
from cardiactwins.infarct.archive import load_model, load_population
from cardiactwins.lma.tos_table import read_tos_csv
from cardiactwins.mrml import own_weights
from cardiactwins.mrml.cohorts import read_manifest
from cardiactwins.mrml.image_files import segmentation_from_file
from cardiactwins.mrml.segmentations import segment_array
from cardiactwins.mrml.twin_editor import TwinEditorLogic
from cardiactwins.mrml.twin_files import read_case


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


def test_another_heart_is_mapped_from_slices_and_dense_to_its_late_region(demo):
    folder, found = demo.directory / "activation", demo.results["activation"]
    assert found["mean_slice_dice"] > 0.9 and found["tos_mean_error_ms"] < 12
    # Left bundle branch block: the lateral wall shortens last.
    assert found["target"] in (5, 6, 11, 12, 16)
    assert read_tos_csv(folder / "tos.csv").values.shape == (4, 18)
    with np.load(folder / "dense-1.npz") as dense:
        assert dense["phase"].shape[0] == 2 and dense["phase"].shape[1:] == dense["mask"].shape
    with segmentation_from_file(folder / "heart.seg.nrrd") as node:
        assert segment_array(node, "Late activation").any()
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    page = (demo.directory / "report.html").read_text(encoding="utf-8")
    assert "late share of the epicardium" in page and "Strain and onset of shortening" in page
    with zipfile.ZipFile(demo.directory / "scene.mrb") as scene:
        assert any("LBBB phantom model.v" in unquote(name) for name in scene.namelist())


def test_a_segmented_heart_becomes_a_twin_with_surfaces(demo):
    folder, found = demo.directory / "twin", demo.results["twin"]
    assert min(found["there_and_back_dice"].values()) > 0.97 and found["violations"] == []
    assert any("Cleaned" in remark for remark in found["remarks"])
    assert found["watertight"] and found["crossing_triangles"] == 0
    assert read_case(folder / "twin.npz").twin.labels.shape == (128, 128, 128)
    assert (folder / "meshes" / "heart-LV.vtp").is_file()
    page = (demo.directory / "report.html").read_text(encoding="utf-8")
    assert "there-and-back Dice" in page and "Siblings of that heart" in page


def test_what_siblings_lack_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(own_weights, "LIBRARY_WEIGHTS", tmp_path)
    assert "no weights" in demo_twin.what_siblings_lack(TwinEditorLogic())
    (tmp_path / "twin.safetensors").write_bytes(b"weights")
    logic = TwinEditorLogic(tmp_path / "twin.safetensors")
    monkeypatch.setattr(demo_twin, "find_spec", lambda name: None)
    assert "cardiactwins[torch]" in demo_twin.what_siblings_lack(logic)
    monkeypatch.setattr(demo_twin, "find_spec", lambda name: name)
    assert demo_twin.what_siblings_lack(logic) == ""


def test_progress_runs_to_its_end(demo, steps):
    assert steps == sorted(steps) and steps[-1][0] == steps[-1][1]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not empty"):
        run_demo(tmp_path, patients=6)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
