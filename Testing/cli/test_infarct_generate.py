import json

import numpy as np
import pytest

from cardiactwins.infarct.archive import load_model, save_model
from cardiactwins.mrml.cases import patient_from_segmentation
from cardiactwins.mrml.cohorts import read_manifest
from cardiactwins.mrml.image_files import segmentation_from_file
from cardiactwins.mrml.segmentations import segment_array, segment_names


def masks_of(path):
    with segmentation_from_file(path) as node:
        return {name: segment_array(node, name) for name in segment_names(node).values()}


def test_every_infarct_is_a_segmentation_on_the_reference_with_its_attributes(
    infarct, model_file, small_reference, tmp_path
):
    out = tmp_path / "new"
    outcome = infarct("generate", model_file, "--count", 3, "--seed", 4, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    lesions = load_model(model_file).sample(3, np.random.default_rng(4))
    cases = read_manifest(out)["cases"]
    assert outcome.summary["files"] == [case["file"] for case in cases]
    for case, lesion in zip(cases, lesions, strict=True):
        masks = masks_of(out / case["file"])
        assert set(masks) == {"LV cavity", "LV myocardium", "Infarct"}
        np.testing.assert_array_equal(masks["LV myocardium"], small_reference.mask)
        np.testing.assert_array_equal(small_reference.from_image(masks["Infarct"]), lesion)
        assert case["attributes"]["size_percent"] == pytest.approx(100 * lesion.mean())
    report = json.loads((out / "report.json").read_text())
    assert report["seed"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_infarcts_are_painted_into_the_wall_of_a_patient(
    infarct, model_file, patient_folder, patients, tmp_path
):
    patient = patient_folder / "Phantom_01.seg.nrrd"
    out = tmp_path / "new"
    outcome = infarct(
        *("generate", model_file, "--count", 2, "--patient", patient, "--out", out),
        *("--border-zone", 10, "--no-reflow", 0.3),
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert "fills the patient's mid-level slice alone" in outcome.stdout
    for file in ("Infarct_001.seg.nrrd", "Infarct_002.seg.nrrd"):
        masks = masks_of(out / file)
        wall = masks["LV myocardium"]
        np.testing.assert_array_equal(wall, patients[0].myocardium)
        assert masks["Infarct"].any()
        assert not (masks["Infarct"] & ~wall).any()
        assert (masks["Border zone"] & ~masks["Infarct"]).any()
        assert not (masks["No-reflow"] & ~masks["Infarct"]).any()
        assert masks["No-reflow"].sum() == pytest.approx(0.3 * masks["Infarct"].sum(), abs=1)
        with segmentation_from_file(out / file) as node:
            assert patient_from_segmentation(node).geometry.matches(patients[0].geometry)


def test_infarcts_on_request_have_the_size_that_was_asked_for(infarct, model_file, tmp_path):
    sizes = {}
    for asked in (15, 25):
        out = tmp_path / str(asked)
        outcome = infarct(
            *("generate", model_file, "--count", 4, "--territory", "lcx", "--size", asked, "--broaden"),
            *("--size-tolerance", 1.5, "--out", out),
        )
        assert outcome.exit_code == 0, outcome.stderr
        sizes[asked] = [case["attributes"]["size_percent"] for case in read_manifest(out)["cases"]]
        assert np.abs(np.array(sizes[asked]) - asked).max() <= 1.5
        assert read_manifest(out)["request"]["territory"] == "LCX"


def test_force_replaces_an_earlier_cohort_and_nothing_else(infarct, model_file, tmp_path):
    out = tmp_path / "new"
    assert infarct("generate", model_file, "--count", 3, "--out", out).exit_code == 0
    refused = infarct("generate", model_file, "--count", 1, "--out", out)
    assert refused.exit_code == 2
    assert "add --force" in refused.stderr
    failing = infarct("generate", model_file, "--size", 1, "--transmurality", 100, "--out", out, "--force")
    assert failing.exit_code == 2
    assert len(read_manifest(out)["cases"]) == 3
    assert infarct("generate", model_file, "--count", 1, "--out", out, "--force").exit_code == 0
    assert {path.name for path in out.iterdir()} == {"Infarct_001.seg.nrrd", "manifest.json", "report.json"}

    other = tmp_path / "thesis"
    other.mkdir()
    (other / "report.json").write_text('{"job": "infarct modes"}')
    foreign = infarct("generate", model_file, "--out", other, "--force")
    assert foreign.exit_code == 2
    assert "holds files of something else" in foreign.stderr
    assert [path.name for path in other.iterdir()] == ["report.json"]


def test_a_cancel_leaves_nothing_behind(infarct, model_file, tmp_path, monkeypatch):
    from cardiactwins.mrml import cohorts

    def press_ctrl_c(heart, path):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cohorts, "write_heart", press_ctrl_c)
    outcome = infarct("generate", model_file, "--count", 2, "--out", tmp_path / "new")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("Cancelled")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("--size", 0), 2, "--size is above 0 and at most 100 %"),
        (("--transmurality", 101), 2, "--transmurality is above 0 and at most 100 %"),
        (("--territory", "LM"), 2, "A territory is one of LAD, RCA, LCX"),
        (("--broaden",), 2, "--broaden goes with a request"),
        (("--size", 1, "--transmurality", 100), 2, "or use --broaden, whose lesions"),
        (("--patient", "nowhere.seg.nrrd"), 2, "No such file or directory: nowhere.seg.nrrd"),
        (("--patient", "file.txt"), 2, "--patient takes a segmentation (.seg.nrrd"),
        (("--patient", "cut.seg.nrrd"), 2, "cut.seg.nrrd is not a valid NRRD file"),
        (("--out", "file.txt"), 2, "file.txt is a file. Choose a folder"),
        (("--out", "file.txt/new"), 1, "a file stands in its way"),
    ],
)
def test_bad_usage_is_told_in_one_line(
    infarct, model_file, tmp_path, monkeypatch, options, exit_code, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "cut.seg.nrrd").write_bytes(b"NRRD0004\ntype: uint8\n")
    outcome = infarct("generate", model_file, *options)
    assert outcome.exit_code == exit_code
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt", "cut.seg.nrrd"}


def test_what_is_no_model_is_refused(infarct, model_file, population_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = model_file.read_text()
    (tmp_path / "cut.json").write_text(text[: len(text) // 2])
    saved = json.loads(text)
    (tmp_path / "other.json").write_text("[1, 2]")
    (tmp_path / "cube.json").write_text(json.dumps({**saved, "model": "cube"}))
    del saved["personalization"]["parameters"]
    (tmp_path / "lacking.json").write_text(json.dumps(saved))
    for source, message in (
        (population_file, "perhaps a population. This command needs a model (.json)"),
        ("cut.json", "cut.json is not a personalized model"),
        ("other.json", "other.json is not a personalized model"),
        ("cube.json", "holds the model 'cube'"),
        ("lacking.json", "lacking.json is damaged"),
        ("nowhere.json", "No such file or directory: nowhere.json"),
    ):
        outcome = infarct("generate", source)
        assert outcome.exit_code == 2
        assert message in outcome.stderr


def test_a_model_survives_saving(model_file, tmp_path):
    copy = save_model(load_model(model_file), tmp_path / "copy.json")
    assert json.loads(copy.read_text()) == json.loads(model_file.read_text())
