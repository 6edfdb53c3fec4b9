"""Cohorts that are judged and enriched from the console."""

from dataclasses import replace

import numpy as np
import pytest
from block_hearts import BlockHearts

from cardiactwins.anatomy.heart_morphology import heart_morphology
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_cohorts import cohort_pair
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_files import CohortFolder


def population(heart, number=40):
    """Measures scattered by 15 % around those of a heart."""
    rng = np.random.default_rng(0)
    morphology = heart_morphology(heart) * (1 + 0.15 * rng.standard_normal((number, 12)))
    names = tuple(f"heart {n}" for n in range(number))
    return Cohort(names, morphology, np.zeros((number, 12), dtype=bool))


def test_siblings_are_measured_before_and_after_the_guard(logic, shared_case, scene):
    made = logic.perturb(shared_case, psi=0.4, number=2, steps=6, guard=False)
    raw, guarded = cohort_pair(made, heat_map=False)
    assert len(raw) == len(guarded) == 2
    for heart, row in zip(made, raw.morphology, strict=True):
        assert row == pytest.approx(np.nan_to_num(heart_morphology(heart.sibling.raw)))


def test_a_cohort_is_judged_with_tables_and_a_page(logic, shared_case, tmp_path, scene):
    known = population(shared_case.twin.labels)
    asked = population(shared_case.twin.labels, 20)
    found = logic.evaluateCohort(asked, known, directory=tmp_path, repeats=20, name="Test")
    assert found.raw is asked and found.reference is known
    assert list(columns_of_table(found.quality_table)["cohort"]) == ["raw", "guarded"]
    rows = columns_of_table(found.morphology_table)
    assert rows["RV volume (ml)"] == pytest.approx(asked.measure("RV volume (ml)"))
    assert found.report.is_file()
    with pytest.raises(ValueError, match="no hearts"):
        logic.evaluateCohort([], known)


def test_a_cohort_is_enriched_and_a_second_run_makes_nothing_twice(logic, shared_case, tmp_path, scene):
    known = population(shared_case.twin.labels)
    asked = {"measure": "RV volume", "least": 20.0, "number": 2, "strategies": ("perturbational",)}
    (first,) = logic.augment([shared_case], known, tmp_path, **asked)
    assert (first.strategy, len(first.kept)) == ("perturbational", first.passed)
    siblings = tmp_path / "perturbational" / "siblings"
    files = {path: path.stat().st_mtime_ns for path in siblings.iterdir()}
    assert len(files) == 4
    (second,) = logic.augment([shared_case], known, tmp_path, **asked)
    assert second.made == first.made
    assert {path: path.stat().st_mtime_ns for path in siblings.iterdir()} == files


def test_an_augmentation_starts_from_the_edited_heart_and_judges_its_own_run(
    logic, shared_case, tmp_path, scene
):
    known = population(shared_case.twin.labels)
    asked = {"measure": "RV volume", "least": 20.0, "number": 2, "strategies": ("perturbational",)}
    named = TwinCase(replace(shared_case.twin, name="2: CTA segmentation"))
    (sibling,) = logic.perturb(named, psi=1.0, steps=2, guard=False)
    edited = named.with_edit(sibling.sibling)
    logic.augment([edited, named], known, tmp_path, **asked)
    folder = CohortFolder(tmp_path / "perturbational")
    np.testing.assert_array_equal(folder.twin("2- CTA segmentation"), edited.current)
    np.testing.assert_array_equal(folder.twin("2- CTA segmentation 2"), named.twin.labels)
    (found,) = logic.augment([edited, named], known, tmp_path, seed=10, **asked)
    assert len(folder.records()) == 4
    own = {record.name for record in folder.records() if record.recipe.seed >= 10 and record.accepted}
    assert found.made == len(own) and set(found.kept.names) <= own


def test_an_augmentation_that_fails_says_why(logic, shared_case, tmp_path, scene, monkeypatch):
    known = population(shared_case.twin.labels)
    asked = {"measure": "RV volume", "least": 20.0, "number": 1, "strategies": ("unconditional",)}
    with monkeypatch.context() as patch:
        patch.setattr(BlockHearts, "denoise", lambda *_: 1 / 0)
        with pytest.raises(ValueError, match=r"siblings failed, the first: .*division by zero"):
            logic.augment([shared_case], known, tmp_path / "failed", **asked)
    without = np.where(shared_case.twin.labels == Tissue.RA, 0, shared_case.twin.labels)
    np.savez_compressed(tmp_path / "without.npz", labels=without)
    monkeypatch.setattr(logic, "weightsFile", tmp_path / "without.npz")
    with pytest.raises(ValueError, match=r"accepted none of 1 siblings, the first: RA missing"):
        logic.augment([shared_case], known, tmp_path / "turned away", **asked)
