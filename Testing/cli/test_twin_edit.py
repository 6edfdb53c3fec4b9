"""`cardiactwins twin edit`: siblings in the patient's grid, with a stand-in for trained weights."""

import json

import numpy as np
import pytest
from block_hearts import BlockHearts

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.cli_twin_designs import design_of
from cardiactwins.mrml.twin_files import read_case
from cardiactwins.mrml.twin_segmentation import heart_of_file
from cardiactwins.twin.label_files import write_heart

QUICK = ("--steps", 4, "--no-guard")


def test_siblings_come_back_in_the_grid_of_the_patient(
    own_names, twin, stand_in, twin_file, oblique_heart, tmp_path, rows
):
    out = tmp_path / "s"
    outcome = twin("edit", twin_file, "--psi", 0.5, "-n", 2, *QUICK, *stand_in, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert "2 hearts to make: about" in outcome.stderr and "to make" not in outcome.stdout
    names = {"sibling-1.seg.nrrd", "sibling-2.seg.nrrd", "volumes.csv", "report.json"}
    assert {path.name for path in out.iterdir()} == names
    _, geometry = oblique_heart
    first = heart_of_file(out / "sibling-1.seg.nrrd", own_names)
    assert first.geometry.shape == geometry.shape
    np.testing.assert_allclose(first.geometry.ijk_to_ras, geometry.ijk_to_ras, atol=1e-4)
    siblings = outcome.summary["siblings"]
    assert [one["recipe"]["seed"] for one in siblings] == [0, 1]
    assert siblings[0]["recipe"]["psi"] == 0.5 and siblings[0]["recipe"]["kind"] == "perturbational"
    table = rows(out / "volumes.csv")
    assert [row["sibling"] for row in table] == ["sibling-1"] * 6 + ["sibling-2"] * 6
    told = {row["tissue"]: float(row["sibling (ml)"]) for row in table[:6]}
    measured = np.count_nonzero(first.labels == Tissue.LV) * geometry.voxel_volume_ml
    assert measured == pytest.approx(told["LV"], rel=0.1)


def test_a_heart_that_lies_outside_what_the_model_has_seen_is_told(
    twin, stand_in, twin_file, tmp_path, monkeypatch
):
    for name, ranges in (("far", {"RV volume": [400, 500]}), ("near", {"RV volume": [50, 500]})):
        monkeypatch.setattr(BlockHearts, "card", {"ranges": ranges}, raising=False)
        options = (twin_file, "-n", 1, *QUICK, *stand_in, "--json", "--out")
        told = [twin("edit", *options, tmp_path / name)]
        told += [twin("siblings", *options, tmp_path / f"{name} cohort")]
        for outcome in told:
            assert outcome.exit_code == 0, outcome.stderr
            assert ("Outside what the model has seen: RV volume" in outcome.stderr) == (name == "far")
            assert any("Outside" in remark for remark in outcome.summary["remarks"]) == (name == "far")


def test_violations_are_counted_while_siblings_are_sampled(twin, stand_in, twin_file, tmp_path):
    options = ("--steps", 5, "--no-guard", "--psi", 1, *stand_in, "--json", "--out")
    plain = twin("edit", twin_file, *options, tmp_path / "plain").summary
    summary = twin("edit", twin_file, "--watch", 4, *options, tmp_path / "s").summary
    assert [row["step"] for row in summary["watched"]] == [0, 4] and "watched" not in plain
    (sibling,) = summary["siblings"]
    assert sibling["violations_raw"] == summary["watched"][-1]["violated"]
    assert sibling["volumes"] == plain["siblings"][0]["volumes"]


def test_kept_tissues_stay_exactly(twin, stand_in, twin_file, tmp_path):
    out = tmp_path / "s"
    options = ("--keep", "lv,Myo,Ao,LA", "--exact")
    outcome = twin("edit", twin_file.parent, *options, *QUICK, *stand_in, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    recipe = outcome.summary["siblings"][0]["recipe"]
    assert (recipe["kind"], recipe["keep"], recipe["psi"]) == ("localized", ["LV", "Myo", "Ao", "LA"], 1.0)
    changes = {row["tissue"]: row for row in outcome.summary["siblings"][0]["volumes"]}
    assert changes["LV"]["Dice"] == 1.0 and changes["LA"]["change (ml)"] == 0.0
    assert changes["RV"]["Dice"] < 1.0


@pytest.mark.long
def test_surfaces_state_their_units_and_space(twin, stand_in, twin_file, tmp_path):
    out = tmp_path / "s"
    options = ("--surfaces", "--edge-length", 6, "--space", "RAS", *QUICK, *stand_in)
    outcome = twin("edit", twin_file, *options, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    mesh = json.loads((out / "meshes" / "sibling-1-mesh.json").read_text())
    assert (mesh["units"], mesh["space"]) == ("mm", "RAS")
    assert (out / "meshes" / "sibling-1-RV.stl").is_file() and (out / "meshes" / "sibling-1-RV.vtp").is_file()


def test_a_painted_region_alone_changes(own_names, twin, stand_in, twin_file, oblique_heart, tmp_path):
    labels, geometry = oblique_heart
    painted = write_heart(tmp_path / "paint.nrrd", (labels == Tissue.RA).astype(np.uint8), geometry)
    options = ("--region", painted, "--exact", "--dilation", 0, *QUICK, *stand_in)
    outcome = twin("edit", twin_file, *options, "--out", tmp_path / "s", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    after = heart_of_file(tmp_path / "s" / "sibling-1.seg.nrrd", own_names).labels
    np.testing.assert_array_equal(after[labels == Tissue.LV], Tissue.LV)
    other = write_heart(tmp_path / "other.nrrd", np.ones((4, 4, 4), np.uint8), geometry)
    refused = twin("edit", twin_file, "--region", other, *QUICK, *stand_in, "--out", tmp_path / "t")
    assert refused.exit_code == 2 and "another grid" in refused.stderr


def test_targets_are_reported_with_what_was_reached(twin, stand_in, twin_file, tmp_path):
    options = ("--target", "RV volume +1 %", "--no-hold", "--steps", 3, "--no-guard", *stand_in)
    outcome = twin("edit", twin_file, *options, "--out", tmp_path / "s", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    sibling = outcome.summary["siblings"][0]
    (target,) = sibling["targets"]
    before = {row["tissue"]: row["twin (ml)"] for row in sibling["volumes"]}["RV"]
    assert target["wanted"] == pytest.approx(1.01 * before, rel=1e-3)
    assert target["met"] == (abs(target["reached"] / target["wanted"] - 1) <= 0.05)


def test_siblings_that_the_guard_turns_away_say_why(twin, without_ra, twin_file, tmp_path):
    options = ("--psi", 1, "--steps", 20, *without_ra, "--out", tmp_path / "s")
    outcome = twin("edit", twin_file, *options)
    assert outcome.exit_code == 0, outcome.stderr
    assert "sibling-1 was turned away by the guard and is given as it came: RA missing" in outcome.stdout
    summary = twin("edit", twin_file, *options[:-1], tmp_path / "json", "--json").summary
    assert [(one["accepted"], one["reason"]) for one in summary["siblings"]] == [(False, "RA missing")]


def test_a_design_makes_a_sibling_of_each_combination(twin, stand_in, twin_file, tmp_path):
    options = ("--grid", "RV volume=130,140", "--grid", "wall=9", "--psi", 0.5, "--no-hold")
    outcome = twin(
        "edit", twin_file, *options, "--steps", 2, "--no-guard", *stand_in, "--out", tmp_path / "s", "--json"
    )
    assert outcome.exit_code == 0, outcome.stderr
    assert [(one["recipe"]["seed"], one["recipe"]["targets"]) for one in outcome.summary["siblings"]] == [
        (0, ["RV volume 130 ml", "wall 9 mm"]),
        (1, ["RV volume 140 ml", "wall 9 mm"]),
    ]


def test_designs_are_grids_and_latin_hypercubes():
    assert design_of(None, None, ["wall +1 mm"], 2, 0) == [("wall +1 mm",)] * 2
    assert design_of(["LV volume=90"], None, ["wall +1 mm"], 2, 0) == [("wall +1 mm", "LV volume 90 ml")] * 2
    plans = design_of(None, ["LV volume=100:140", "wall=8:12"], None, 4, 0)
    for position, (low, high) in enumerate(((100, 140), (8, 12))):
        values = sorted(float(plan[position].split()[-2]) for plan in plans)
        parts = [int((value - low) / (high - low) * 4) for value in values]
        assert parts == [0, 1, 2, 3]


def test_edits_that_cannot_be_made_are_refused(twin, stand_in, twin_file, tmp_path):
    everything = ",".join(TISSUE_NAMES.values())
    for options, reason in (
        (("--psi", 1.5), "psi"),
        (("--psi", 0), "psi"),
        (("--keep", "LV,Lung"), "--keep knows Ao, Myo"),
        (("--keep", everything), "keep"),
        (("--keep", "LV", "--region", twin_file), "give one of them"),
        (("--exact",), "--keep or --region"),
        (("--segment", "paint"), "--region"),
        (("--space", "XYZ"), "LPS or RAS"),
        (("--target", "RV volume 150 mm"), "is in ml"),
        (("--target", "RV volume -100 %"), "that is no heart"),
        (("--grid", "RV volume"), "--grid takes a measure and numbers"),
        (("--grid", "spleen=3"), "There is no measure 'spleen'"),
        (("--latin", "RV volume=120"), "--latin takes a range"),
        (("--latin", "RV volume=180:120"), "range that rises"),
        (("--latin", "wall=8:12", "--grid", "wall=8"), "give one of them"),
    ):
        outcome = twin("edit", twin_file, *options, *QUICK, *stand_in, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and reason in outcome.stderr, options
        assert not (tmp_path / "out").exists()


def test_the_twin_is_not_changed(twin_file, oblique_heart):
    np.testing.assert_array_equal(read_case(twin_file).twin.original, oblique_heart[0])
