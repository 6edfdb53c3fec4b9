"""Hearts before and after the guard, and hearts that others are judged by, from whatever holds them."""

from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.heart_morphology import heart_morphology
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.twin_case import SiblingNodes
from cardiactwins.mrml.twin_cohorts import attempts_at, cohort_pair, evaluate_cohort, known_cohort
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.guarded_hearts import tissues_cut_in
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import RawHeart, Sibling
from cardiactwins.twin.topology_guard import guard_topology
from cardiactwins.twin.twin_grid import TWIN_GRID


@pytest.fixture(scope="module")
def hearts():
    """A sound heart, one with a speck that the guard removes, one without RA, which it turns away."""
    sound = whole_heart_phantom(np.random.default_rng([3, 1])).labels
    speck = sound.copy()
    speck[1:3, 1:3, 1:3] = Tissue.RA
    return {"sound": sound, "speck": speck, "without RA": np.where(sound == Tissue.RA, 0, sound)}


@pytest.fixture
def folder(hearts, tmp_path):
    for name, labels in hearts.items():
        write_heart(tmp_path / f"{name}.nrrd", labels, TWIN_GRID)
    return tmp_path


def sibling(labels, seed):
    guarded = guard_topology(labels)
    return Sibling(
        Recipe("unconditional", seed),
        guarded.labels,
        labels,
        guarded.after if guarded.accepted else guarded.before,
        guarded.before,
        guarded,
    )


def test_hearts_of_a_folder_are_guarded(folder, hearts):
    raw, guarded = cohort_pair(folder)
    assert raw.names == tuple(hearts) and guarded.names == ("sound", "speck")
    assert raw.violated.any(axis=1).tolist() == [False, True, True] and not guarded.violated.any()
    assert raw.occupancy is not None
    for row, name in zip(guarded.morphology, guarded.names, strict=True):
        assert row == pytest.approx(heart_morphology(guard_topology(hearts[name]).labels))


def test_label_maps_are_guarded_and_siblings_were(hearts):
    for items in (
        list(hearts.values()),
        [SiblingNodes(sibling(one, 0), None, None, None) for one in hearts.values()],
    ):
        raw, guarded = cohort_pair(items, heat_map=False)
        assert raw.names == ("0", "1", "2") and guarded.names == ("0", "1")
        assert raw.violations_percent > 0 == guarded.violations_percent


def test_the_border_may_cut_what_it_cuts_in_the_reference(hearts):
    moved = np.zeros_like(hearts["sound"])
    first = int(np.flatnonzero((hearts["sound"] == Tissue.LV).any(axis=(1, 2)))[0]) + 4
    moved[: 128 - first] = hearts["sound"][first:]
    cut = tissues_cut_in(known_cohort([moved]))
    assert Tissue.LV in cut and tissues_cut_in(known_cohort([hearts["sound"]])) == {Tissue.AO}
    assert not len(cohort_pair([moved], heat_map=False)[1])
    assert len(cohort_pair([moved], heat_map=False, cut=cut)[1])


def test_of_a_cohort_that_others_are_judged_by_the_accepted_hearts_are_taken(hearts, tmp_path):
    cohort = CohortFolder.create(tmp_path, TWIN_GRID)
    cohort.store(sibling(hearts["without RA"], 0), "weights", 1.0)
    with pytest.raises(ValueError, match="no siblings yet that the guard accepted"):
        known_cohort(tmp_path)
    cohort.store(sibling(hearts["speck"], 1), "weights", 1.0)
    known = known_cohort(tmp_path)
    assert len(known) == 1 and not known.violated.any() and known.occupancy is not None
    assert known.morphology[0] == pytest.approx(heart_morphology(guard_topology(hearts["speck"]).labels))
    nodes = [SiblingNodes(sibling(one, 0), None, None, None) for one in hearts.values()]
    assert len(known_cohort(nodes, heat_map=False)) == 2
    with pytest.raises(ValueError, match="accepted none of the 1 siblings"):
        known_cohort(nodes[2:])


def test_hearts_that_violate_and_cannot_be_repaired_leave_no_guarded_row(hearts):
    scattered = np.random.default_rng(0).normal(100, 20, (12, 12))
    known = Cohort(tuple(map(str, range(12))), scattered, np.zeros((12, 12), bool))
    judged = evaluate_cohort("c", [hearts["without RA"]] * 6, known, repeats=3)
    assert list(columns_of_table(judged.quality_table)["cohort"]) == ["raw"]
    rows = columns_of_table(judged.morphology_table)
    assert list(rows["accepted"]) == ["no"] * 6 and "RA" in rows["violated checks"][0]


def test_figures_before_the_guard_are_those_of_first_attempts(hearts, tmp_path):
    made = replace(
        sibling(hearts["sound"], 0),
        attempt=1,
        rejected=("RA missing",),
        first=RawHeart(hearts["without RA"], topology_checks(hearts["without RA"])),
    )
    nodes = [SiblingNodes(made, None, None, None), SiblingNodes(sibling(hearts["speck"], 1), *[None] * 3)]
    raw, guarded = cohort_pair(iter(nodes), heat_map=False)
    assert raw.violated[0].any() and not guarded.violated.any()
    assert attempts_at(nodes, 2) == 3 and attempts_at(list(hearts.values()), 3) == 3
    cohort = CohortFolder.create(tmp_path, TWIN_GRID)
    for one in nodes:
        cohort.store(one.sibling, "weights", 1.0)
    assert attempts_at(tmp_path, 2) == 3
    scattered = np.random.default_rng(0).normal(100, 20, (12, 12))
    known = Cohort(tuple(map(str, range(12))), scattered, np.zeros((12, 12), bool))
    judged = evaluate_cohort("c", iter(nodes * 4), known, repeats=3, directory=tmp_path / "page")
    assert judged.attempts == 12 and len(judged.raw) == 8
    assert "33.3%" in (tmp_path / "page" / "report.html").read_text()
