"""`cardiactwins twin siblings`: a cohort of one heart that runs go on with, in the patient."""

import json

import numpy as np
import pytest

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.mrml import sibling_export
from cardiactwins.mrml.twin_segmentation import heart_of_file
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.label_files import write_heart

QUICK = ("--steps", 3, "--no-guard")
NAMES = {name: f"My {name}" for name in TISSUE_NAMES.values()}


@pytest.fixture(scope="module")
def twin_file(twin, heart_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("twin") / "twin"
    names = ",".join(f"{name}={own}" for name, own in NAMES.items())
    assert twin("import", heart_file, "--tissues", names, "--out", out).exit_code == 0
    return out / "twin.npz"


@pytest.fixture(scope="module")
def cohort(twin, stand_in, twin_file, tmp_path_factory):
    """A cohort of two siblings, and what was told of it."""
    out = tmp_path_factory.mktemp("siblings") / "cohort"
    outcome = twin("siblings", twin_file, "-n", 2, "--seed", 5, *QUICK, *stand_in, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "2 hearts to make: about" in outcome.stderr
    return out, outcome.summary


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_siblings_lie_in_the_cohort_and_in_the_patient(cohort, twin_file, oblique_heart, rows):
    out, summary = cohort
    assert (summary["made"], summary["written"], summary["failed"], summary["not_written"]) == (2, 2, [], [])
    records = CohortFolder(out).records()
    assert sorted(record.recipe.seed for record in records) == [5, 6]
    assert {record.recipe.kind for record in records} == {"perturbational"}
    names = sorted(record.name for record in records)
    assert sorted(times(out / "patient")) == [f"{name}.seg.nrrd" for name in names]
    _, geometry = oblique_heart
    heart = heart_of_file(out / "patient" / f"{names[0]}.seg.nrrd", NAMES)
    assert heart.geometry.shape == geometry.shape
    np.testing.assert_allclose(heart.geometry.ijk_to_ras, geometry.ijk_to_ras, atol=1e-4)
    table = rows(out / "volumes.csv")
    assert sorted({row["sibling"] for row in table}) == names and len(table) == 12
    told = {row["tissue"]: float(row["sibling (ml)"]) for row in table if row["sibling"] == names[0]}
    measured = np.count_nonzero(heart.labels == Tissue.LV) * geometry.voxel_volume_ml
    assert measured == pytest.approx(told["LV"], rel=0.1)
    assert json.loads((out / "report.json").read_text())["job"] == "twin siblings"


def test_the_same_command_goes_on_where_it_stopped(twin, stand_in, twin_file, cohort):
    out, _ = cohort
    before = [times(out / part) for part in ("siblings", "patient")]
    again = twin("siblings", twin_file, "-n", 3, "--seed", 5, *QUICK, *stand_in, "--out", out, "--json")
    assert (again.summary["made"], again.summary["found"], again.summary["written"]) == (1, 2, 1)
    for part, old in zip(("siblings", "patient"), before, strict=True):
        assert old.items() <= times(out / part).items()
    assert len(times(out / "patient")) == 3


def test_a_region_alone_changes_in_the_patient_too(twin, stand_in, twin_file, oblique_heart, tmp_path):
    labels, geometry = oblique_heart
    painted = np.zeros(labels.shape, np.uint8)
    low, high = np.argwhere(labels == Tissue.RA).min(axis=0), np.argwhere(labels == Tissue.RA).max(axis=0)
    painted[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = 1
    file = write_heart(tmp_path / "paint.nrrd", painted, geometry)
    options = ("--region", file, "--exact", "--dilation", 0, "-n", 1, *QUICK, *stand_in)
    outcome = twin("siblings", twin_file, *options, "--out", tmp_path / "out", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    (path,) = (tmp_path / "out" / "patient").iterdir()
    after = heart_of_file(path, NAMES).labels
    assert (after != labels).any() and not (after != labels)[painted == 0].any()


def test_a_sibling_that_cannot_be_written_is_told_and_the_others_are(
    twin, stand_in, twin_file, tmp_path, monkeypatch
):
    export, calls = sibling_export._write, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise ValueError("no colours")
        export(*arguments)

    monkeypatch.setattr(sibling_export, "_write", failing)
    outcome = twin("siblings", twin_file, "-n", 2, *QUICK, *stand_in, "--out", tmp_path / "out")
    assert outcome.exit_code == 1 and "no colours" in outcome.stdout
    assert len(times(tmp_path / "out" / "patient")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--keep", "LV", "--region", "x.nrrd"), "--keep and --region are two ways"),
        (("--exact",), "belong to localized edits"),
        (("--target", "RV volume 90 %"), "Write +90 % or -90 %"),
        (("--keep", "LV", "--target", "LV volume +5 %"), "The edit keeps LV"),
    ],
)
def test_what_cannot_be_made_leaves_no_folder(twin, stand_in, twin_file, tmp_path, options, message):
    outcome = twin("siblings", twin_file, *options, *QUICK, *stand_in, "--out", tmp_path / "out")
    assert outcome.exit_code == 2 and message in " ".join(outcome.stderr.split())
    assert not (tmp_path / "out").exists()
