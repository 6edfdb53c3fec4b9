"""`cardiactwins twin siblings`: a cohort of one heart that runs go on with, in the patient."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml import sibling_export
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.sibling_export import export_siblings
from cardiactwins.mrml.twin_files import read_case
from cardiactwins.mrml.twin_segmentation import heart_of_file
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.patient_folder import claim_meshes
from cardiactwins.twin.twin_grid import TWIN_GRID

QUICK = ("--steps", 3, "--no-guard")


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


def test_siblings_lie_in_the_cohort_and_in_the_patient(own_names, cohort, twin_file, oblique_heart, rows):
    out, summary = cohort
    assert (summary["made"], summary["written"], summary["failed"], summary["not_written"]) == (2, 2, [], [])
    records = CohortFolder(out).records()
    assert sorted(record.recipe.seed for record in records) == [5, 6]
    assert {record.recipe.kind for record in records} == {"perturbational"}
    names = sorted(record.name for record in records)
    assert sorted(times(out / "patient")) == sorted([*(f"{name}.seg.nrrd" for name in names), "patient.json"])
    _, geometry = oblique_heart
    heart = heart_of_file(out / "patient" / f"{names[0]}.seg.nrrd", own_names)
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
    assert len(times(out / "patient")) == 4


def test_a_region_alone_changes_in_the_patient_too(
    own_names, twin, stand_in, twin_file, oblique_heart, tmp_path
):
    labels, geometry = oblique_heart
    painted = np.zeros(labels.shape, np.uint8)
    low, high = np.argwhere(labels == Tissue.RA).min(axis=0), np.argwhere(labels == Tissue.RA).max(axis=0)
    painted[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))] = 1
    file = write_heart(tmp_path / "paint.nrrd", painted, geometry)
    options = ("--region", file, "--exact", "--dilation", 0, "-n", 1, *QUICK, *stand_in)
    outcome = twin("siblings", twin_file, *options, "--out", tmp_path / "out", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    (path,) = (tmp_path / "out" / "patient").glob("*.nrrd")
    after = heart_of_file(path, own_names).labels
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
    assert len(list((tmp_path / "out" / "patient").glob("*.nrrd"))) == 1


def test_a_larger_grid_goes_on_with_each_combination(twin, stand_in, twin_file, tmp_path, rows):
    volume = np.count_nonzero(read_case(twin_file).current == Tissue.RV) * TWIN_GRID.voxel_volume_ml
    grid = f"RV volume={volume:.0f},{1.01 * volume:.0f}"
    options = ("--grid", grid, "--no-hold", *QUICK, *stand_in, "--no-in-patient")
    for number, made in ((1, 2), (2, 2)):
        outcome = twin("siblings", twin_file, "-n", number, *options, "--out", tmp_path / "out", "--json")
        assert outcome.exit_code == 0, outcome.stderr
        assert outcome.summary["made"] == made
    seeds = {}
    for row in rows(tmp_path / "out" / "manifest.csv"):
        seeds.setdefault(row["targets"], []).append(int(row["seed"]))
    assert [sorted(one) for one in seeds.values()] == [[0, 1], [0, 1]]


def test_a_folder_of_another_heart_or_import_is_left_alone(
    own_names, twin, stand_in, cohort, heart_file, tmp_path
):
    out, _ = cohort
    names = ",".join(f"{name}={own}" for name, own in own_names.items())
    options = ("--tissues", names, "--alignment", "rigid", "--out", tmp_path / "again")
    assert twin("import", heart_file, *options).exit_code == 0
    before = times(out / "patient")
    outcome = twin("siblings", tmp_path / "again", "-n", 2, "--seed", 5, *QUICK, *stand_in, "--out", out)
    told = " ".join(outcome.stderr.split())
    assert outcome.exit_code == 2 and "is a cohort of another heart or region" in told
    assert "Choose another folder" in told and times(out / "patient") == before


def test_exported_siblings_leave_no_nodes_and_are_of_one_patient_and_mesh(cohort, twin_file, tmp_path):
    out, _ = cohort
    case, folder = read_case(twin_file), CohortFolder(out)
    before = slicer.mrmlScene.GetNumberOfNodes()
    export_siblings(case, folder, folder.records()[:1], tmp_path / "patient")
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    moved = replace(
        case, twin=replace(case.twin, heart_to_ras=np.diag([-1.0, -1, 1, 1]) @ case.twin.heart_to_ras)
    )
    with pytest.raises(ValueError, match="another import of the heart"):
        export_siblings(moved, folder, folder.records()[:1], tmp_path / "patient")
    claim_meshes(tmp_path / "patient" / "meshes", 2.0, "LPS")
    with pytest.raises(ValueError, match="meshes of other settings"):
        export_siblings(case, folder, [], tmp_path / "patient", edge_length=2.0, space="RAS")


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
