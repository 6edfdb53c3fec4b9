"""TwinEditor's console interface, with a stand-in for the trained model."""

import json
from dataclasses import replace

import numpy as np
import pytest
from block_hearts import BlockHearts
from scipy import ndimage

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.compute.progress import Cancelled
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segmentations import (
    add_segment,
    geometry_of_segmentation,
    segment_array,
    segment_names,
)
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.twin_editor import TwinEditorLogic
from cardiactwins.mrml.twin_segmentation import heart_of_segmentation


def nodes():
    return {node.GetID() for node in slicer.util.getNodesByClass("vtkMRMLNode", start().scene)}


def test_an_imported_segmentation_comes_back_as_it_was(logic, source, patient):
    labels, geometry = patient
    before = nodes()
    case = logic.importTwin(source)
    assert nodes() == before
    shown = logic.showHeart(case)
    again = heart_of_segmentation(shown)
    assert np.array_equal(again.labels, labels)
    assert again.geometry.matches(geometry)
    assert again.styles == heart_of_segmentation(source).styles


def test_siblings_come_back_into_the_patient(logic, source, patient):
    case = logic.importTwin(source)
    labels, geometry = patient
    made = logic.perturb(case, psi=0.5, number=2, seed=4, guard=False)
    assert len(made) == 2
    for sibling in made:
        heart = heart_of_segmentation(sibling.segmentation)
        assert heart.geometry.matches(geometry)
        assert np.array_equal(heart.labels, case.in_patient(sibling.sibling.labels))
        rows = columns_of_table(sibling.changes)
        assert list(rows["tissue"]) == list(TISSUE_NAMES.values())
        lv = np.count_nonzero(sibling.sibling.labels == Tissue.LV) * 1.4**3 / 1000
        assert rows["sibling (ml)"][list(rows["tissue"]).index("LV")] == pytest.approx(lv)
    assert not np.array_equal(made[0].sibling.labels, made[1].sibling.labels)
    (again,) = logic.perturb(case, psi=0.5, number=1, seed=5, guard=False)
    assert np.array_equal(again.sibling.labels, made[1].sibling.labels)
    assert np.array_equal(case.twin.original, labels)


def test_an_exact_edit_leaves_kept_tissues_alone(logic, shared_case, scene):
    keep = ("Ao", "Myo", "LV", "LA", "RA")
    (sibling,) = logic.editRegion(shared_case, keep=keep, exact=True, guard=False, seed=2)
    for name in keep:
        tissue = next(t for t, short in TISSUE_NAMES.items() if short == name)
        kept = shared_case.twin.labels == tissue
        assert (sibling.sibling.labels[kept] == tissue).mean() > 0.99


def test_a_painted_region_alone_changes(logic, source, patient, scene):
    case = logic.importTwin(source)
    labels, geometry = patient
    center = np.argwhere(labels == Tissue.RA).mean(axis=0)
    kji = np.moveaxis(np.indices(labels.shape), 0, -1)
    ball = np.linalg.norm(kji - center, axis=-1) * 2.5 < 25
    add_segment(source, "Painted", ball, geometry)
    (sibling,) = logic.editRegion(case, (source, "Painted"), exact=True, guard=False, seed=3)
    (by_mask,) = logic.editRegion(case, ball, exact=True, guard=False, seed=3)
    assert np.array_equal(by_mask.sibling.labels, sibling.sibling.labels)
    changed = heart_of_segmentation(sibling.segmentation).labels != labels
    near = ndimage.distance_transform_edt(~ball) * 2.5 < 6
    assert changed.any()
    assert not changed[~near].any()
    assert sibling.sibling.recipe.region == "Painted"


def test_edits_follow_each_other_and_are_undone(logic, shared_case, scene):
    (first,) = logic.perturb(shared_case, psi=0.4, seed=1, guard=False)
    case = shared_case.with_edit(first.sibling)
    (second,) = logic.perturb(case, psi=0.4, seed=2, guard=False)
    case = case.with_edit(second.sibling)
    assert [row["edit"] for row in case.edits.rows()] == [1, 2]
    assert np.array_equal(case.current, second.sibling.labels)
    assert np.array_equal(case.undone().current, first.sibling.labels)
    assert np.array_equal(case.undone(2).current, shared_case.twin.labels)
    assert np.array_equal(case.twin.labels, shared_case.twin.labels)


def test_hearts_from_noise_lie_on_the_models_grid_or_in_the_patient(logic, shared_case, patient, scene):
    (alone,) = logic.sample(seed=3, guard=False)
    assert alone.changes is None
    assert geometry_of_segmentation(alone.segmentation).shape == (128, 128, 128)
    (placed,) = logic.sample(case=shared_case, seed=3, guard=False)
    assert geometry_of_segmentation(placed.segmentation).matches(patient[1])
    assert np.array_equal(placed.sibling.labels, alone.sibling.labels)


def test_differences_and_violations_are_shown_where_they_are(logic, shared_case, scene):
    (sibling,) = logic.perturb(shared_case, psi=0.6, seed=1, guard=False)
    node = logic.showDifference(shared_case, sibling)
    after = shared_case.in_patient(sibling.sibling.labels)
    moved = after != shared_case.twin.original
    mask = segment_array(node, "now LV", shared_case.twin.original_geometry)
    assert np.array_equal(mask, moved & (after == Tissue.LV))
    with pytest.raises(ValueError, match="no difference"):
        logic.showDifference(shared_case, shared_case.twin.labels)
    failed = [check for check in sibling.sibling.checks if not check.holds and len(check.voxels)]
    assert (sibling.violations is None) == (not failed)


def test_a_target_is_told_with_what_was_reached(logic, shared_case, scene):
    volume = np.count_nonzero(shared_case.twin.labels == Tissue.LV) * 1.4**3 / 1000
    plans = [[f"LV volume {volume:.0f} ml"], [f"LV volume {volume * 1.03:.0f} ml"]]
    made = logic.editToTarget(shared_case, plans, guard=False, steps=2)
    assert len(made) == 2
    for plan, one in zip(plans, made, strict=True):
        report = one.sibling.targets[0]
        assert f"LV volume {report.wanted:g} ml" == plan[0]
        reached = np.count_nonzero(one.sibling.labels == Tissue.LV) * 1.4**3 / 1000
        assert report.reached == pytest.approx(reached, rel=1e-3)
    names = [one.segmentation.GetName() for one in made]
    assert names == ["Patient: sibling 1", "Patient: sibling 2"]
    (alone,) = logic.editToTarget(shared_case, plans[0][0], guard=False, steps=2)
    assert alone.sibling.recipe.targets == tuple(plans[0])
    np.testing.assert_array_equal(alone.sibling.labels, made[0].sibling.labels)


def test_surfaces_lie_in_the_patient_and_in_files(logic, shared_case, tmp_path, scene):
    twin = shared_case.twin
    left = np.where(np.isin(twin.labels, (Tissue.LV, Tissue.LA)), twin.labels, 0)
    found, models = logic.makeSurfaces(shared_case, left, edgeLength=6.0, directory=tmp_path)
    assert found.quality.watertight
    assert set(models) == {Tissue.LV, Tissue.LA}
    center = twin.original_geometry.kji_to_ras(np.argwhere(twin.original == Tissue.LV)).mean(axis=0)
    points = slicer.util.arrayFromModelPoints(models[Tissue.LV])
    assert points.mean(axis=0) == pytest.approx(center, abs=2.5)
    assert json.loads((tmp_path / "Patient-mesh.json").read_text())["space"] == "LPS"


def test_files_of_a_siblings_surfaces_have_its_name(logic, shared_case, tmp_path, scene):
    (sibling,) = logic.perturb(shared_case, psi=0.2, seed=1, steps=2, guard=False, name="CT 1/2: sibling")
    small = np.zeros_like(sibling.sibling.labels)
    small[60:68, 60:68, 60:68] = Tissue.LV
    sibling = replace(sibling, sibling=replace(sibling.sibling, labels=small))
    surfaces, models = logic.makeSurfaces(
        shared_case, sibling, edgeLength=None, directory=tmp_path, show=False
    )
    assert models == {} and (tmp_path / "CT-1-2--sibling-mesh.json").is_file()
    assert set(surfaces.quality.tissues) == {"LV"}  # of the sibling, not of the heart it was made from


def test_siblings_of_another_run_have_other_names(logic, shared_case, scene):
    volume = np.count_nonzero(shared_case.twin.labels == Tissue.LV) * 1.4**3 / 1000
    plans = [[f"LV volume {volume:.0f} ml"]] * 2
    quick = {"steps": 2, "guard": False}
    runs = [logic.perturb(shared_case, seed=seed, **quick) for seed in (0, 1)]
    runs += [logic.perturb(shared_case, number=2, **quick), logic.editToTarget(shared_case, plans, **quick)]
    names = [one.segmentation.GetName() for run in runs for one in run]
    assert names == ["Patient: sibling", *(f"Patient: sibling {n}" for n in range(1, 6))]


def test_exactly_kept_tissues_stay_in_the_patients_own_grid(logic, shared_case, patient, scene):
    keep = ("Ao", "Myo", "RV", "LA", "RA")
    (sibling,) = logic.editRegion(shared_case, keep=keep, exact=True, dilation=0, steps=4, guard=False)
    original, after = shared_case.twin.original, labels_of_node(sibling.segmentation, patient[1])
    assert not np.array_equal(after == Tissue.LV, original == Tissue.LV)
    for name in keep:
        tissue = Tissue[name.upper()]
        assert np.array_equal(after == tissue, original == tissue), name


def test_an_exact_edit_of_a_painted_region_moves_nothing_outside_of_it(logic, shared_case, patient, scene):
    labels, geometry = patient
    region = np.zeros(labels.shape, bool)
    low, high = np.argwhere(labels == Tissue.RV).min(axis=0), np.argwhere(labels == Tissue.RV).max(axis=0)
    region[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    options = {"exact": True, "dilation": 0, "steps": 4, "guard": False}
    (sibling,) = logic.editRegion(shared_case, region, **options)
    after = labels_of_node(sibling.segmentation, geometry)
    beside = ndimage.binary_dilation(region, iterations=2)
    assert np.array_equal(after[~beside], labels[~beside]) and not np.array_equal(after, labels)
    node = logic.showDifference(shared_case, sibling)
    shown = [segment_array(node, name, geometry) for name in segment_names(node).values()]
    assert np.array_equal(np.any(shown, axis=0), after != labels)


def test_what_a_second_edit_keeps_stays_as_the_first_had_left_it(logic, shared_case, scene):
    (first,) = logic.perturb(shared_case, psi=0.5, seed=3, steps=4, guard=False)
    case = shared_case.with_edit(first.sibling)
    before = case.in_patient()
    assert not np.array_equal(before == Tissue.RV, case.twin.original == Tissue.RV)
    options = {"keep": ("Ao", "Myo", "RV", "LA", "RA"), "exact": True, "dilation": 0, "seed": 5}
    (second,) = logic.editRegion(case, steps=4, guard=False, **options)
    after = case.in_patient(second.sibling.labels)
    for tissue in Tissue:
        same = np.array_equal(after == tissue, before == tissue)
        assert same == (tissue != Tissue.LV), tissue
    twice = case.with_edit(second.sibling)
    assert np.array_equal(twice.in_patient(), after) and np.array_equal(twice.edited.labels, twice.current)
    assert np.array_equal(twice.undone().in_patient(), before)


def labels_of_node(node, geometry):
    """The label map (k, j, i) of a heart's segmentation."""
    found = np.zeros(geometry.shape, np.uint8)
    for tissue, name in TISSUE_NAMES.items():
        found[np.asarray(segment_array(node, name, geometry)).astype(bool)] = tissue
    return found


def test_what_the_model_has_not_seen_is_a_remark_of_siblings_of_that_heart(
    logic, shared_case, scene, monkeypatch
):
    for low, told in ((400, True), (1, False)):
        monkeypatch.setattr(BlockHearts, "card", {"ranges": {"RV volume": [low, 500]}}, raising=False)
        (sibling,) = logic.perturb(shared_case, steps=2, guard=False)
        assert any("Outside what the model has seen: RV" in text for text in sibling.remarks) == told
        assert (len(sibling.remarks) == 1) == told
        assert logic.sample(case=shared_case, steps=2, guard=False)[0].remarks == ()


def test_bad_input_is_told_before_anything_is_made(logic, shared_case, patient, scene):
    before = nodes()
    with pytest.raises(ValueError, match="psi"):
        logic.perturb(shared_case, psi=1.5)
    with pytest.raises(ValueError, match=r"seed is a whole number; found 1\.5"):
        logic.perturb(shared_case, seed=1.5)
    with pytest.raises(ValueError, match="number of siblings"):
        logic.perturb(shared_case, number=0)
    with pytest.raises(ValueError, match="no measure 'spleen volume'"):
        logic.editToTarget(shared_case, ["spleen volume 100 ml"])
    for plans in ([], [["LV volume 150 ml"], []]):
        with pytest.raises(ValueError, match="There is no target"):
            logic.editToTarget(shared_case, plans)
    with pytest.raises(ValueError, match="'spleen' is none of the six"):
        logic.editRegion(shared_case, keep="spleen")
    with pytest.raises(ValueError, match="patient's grid"):
        logic.editRegion(shared_case, np.ones((2, 2, 2), bool))
    with pytest.raises(ValueError, match="is none of the six"):
        logic.editRegion(shared_case, keep=["spleen"])
    with pytest.raises(ValueError, match=r"keep|region"):
        logic.editRegion(shared_case)
    assert nodes() == before


def test_missing_weights_are_told(tmp_path, shared_case):
    with pytest.raises(FileNotFoundError, match="There are no weights"):
        TwinEditorLogic(tmp_path / "none.safetensors").perturb(shared_case)


def test_a_run_can_be_cancelled_and_leaves_the_scene_as_it_was(logic, shared_case, scene):
    before = nodes()

    def stop(step, total, message="", values=None):
        if step >= 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        logic.perturb(shared_case, progress=stop)
    assert nodes() == before
