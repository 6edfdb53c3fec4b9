"""Siblings from recipes, and lists of edits that can be undone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gaussian_hearts import ellipsoid_heart
from hand_made_hearts import grow_ra_to_border

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.edit_list import Edit, EditList
from cardiactwins.twin.latent_edits import perturbational
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import (
    SEEDS_APART,
    ViolationWatch,
    decoded_labels,
    encoded_twin,
    make_siblings,
    tissue_changes,
)

SPACING = (4.0, 4.0, 4.0)
KEEP = ("Ao", "Myo", "LV", "LA", "RA")


@pytest.fixture(scope="module")
def twin():
    return ellipsoid_heart(np.random.default_rng(100))


class Torn:
    """A model whose decoder adds a speck of RA to the hearts of some seeds, by the order it is asked in."""

    def __init__(self, model, torn):
        self.model, self.torn, self.asked = model, list(torn), 0
        self.latent_shape, self.device = model.latent_shape, model.device
        self.denoise, self.encode, self.widened = model.denoise, model.encode, model.widened

    def decode_labels(self, latents):
        labels = self.model.decode_labels(latents)
        if self.torn[self.asked]:
            labels[:, 2:6, 2:5, 36:39] = Tissue.RA
        self.asked += 1
        return labels


def test_a_perturbed_sibling_is_the_decoded_latent(small_model, twin):
    recipe = Recipe("perturbational", seed=3, psi=0.5, twin="a", guard=False)
    (found,) = make_siblings(small_model, [recipe], twin, spacing=SPACING)
    latent = perturbational(small_model, encoded_twin(small_model, twin), [3], psi=0.5)
    np.testing.assert_array_equal(found.labels, decoded_labels(small_model, latent)[0])
    np.testing.assert_array_equal(found.labels, found.raw)
    assert found.guarded is None and found.accepted and len(found.checks) == 12


def test_a_sibling_does_not_depend_on_its_batch(small_model, twin):
    recipe = Recipe("perturbational", seed=3, psi=0.8, twin="a", steps=8)
    together = make_siblings(small_model, [recipe, recipe.seeded(4)], twin, spacing=SPACING)
    (alone,) = make_siblings(small_model, [recipe.seeded(4)], twin, spacing=SPACING)
    np.testing.assert_array_equal(together[1].labels, alone.labels)
    assert together[1].recipe.seed == 4
    assert (together[0].labels != together[1].labels).any()
    assert make_siblings(small_model, []) == []


def test_exactly_kept_tissues_are_the_twins_after_the_guard_too(small_model, twin):
    recipe = Recipe("localized", seed=0, twin="a", keep=KEEP, dilation_mm=0, exact=True, steps=8)
    for found in make_siblings(small_model, [recipe, recipe.seeded(1)], twin, spacing=SPACING):
        for tissue in recipe.kept_tissues:
            np.testing.assert_array_equal(found.labels == tissue, twin == tissue)
        assert found.pasted is not None
        assert (found.labels == Tissue.RV).any()


def test_a_painted_region_is_all_that_changes(small_model, twin):
    region = np.zeros(twin.shape, bool)
    region[5:24, 10:32, 20:36] = True
    recipe = Recipe("localized", seed=2, twin="a", region="painted", dilation_mm=0, exact=True, steps=8)
    (found,) = make_siblings(small_model, [recipe], twin, region=region, spacing=SPACING)
    np.testing.assert_array_equal(found.labels[~region], twin[~region])
    assert (found.labels != twin).any()
    with pytest.raises(ValueError, match="within 'painted': give its mask"):
        make_siblings(small_model, [recipe], twin, spacing=SPACING)


def test_targets_are_reported_with_what_was_held(small_model, twin):
    recipe = Recipe("perturbational", seed=1, psi=0.5, twin="a", targets=("RV volume +15 %",), guard=False)
    (found,) = make_siblings(small_model, [recipe], twin, spacing=SPACING)
    assert [report.held for report in found.targets] == [False, True, True, True]
    assert all(report.met for report in found.targets)
    rows = {row["tissue"]: row for row in tissue_changes(twin, found.labels, SPACING)}
    assert rows["RV"]["change (ml)"] == pytest.approx(
        found.targets[0].reached - (twin == Tissue.RV).sum() * 0.064
    )
    assert rows["LV"]["Dice"] > 0.9 > rows["RV"]["Dice"] - 0.1


def test_the_guard_repairs_and_both_figures_are_kept(small_model):
    model = Torn(small_model, [True])
    (found,) = make_siblings(model, [Recipe("unconditional", seed=0)], spacing=SPACING)
    assert [check.name for check in found.raw_checks if not check.holds] == ["RA in one piece"]
    assert all(check.holds for check in found.checks) and found.accepted
    assert found.guarded.changed == 36 and (found.raw != found.labels).sum() == 36


def test_hearts_that_cannot_be_repaired_are_made_again_with_another_seed(small_model):
    recipe = Recipe("unconditional", seed=5, repair_limit=0.0, attempts=3)
    (found,) = make_siblings(Torn(small_model, [True, True, False]), [recipe], spacing=SPACING)
    assert found.attempt == 2 and found.accepted and len(found.rejected) == 2
    assert "more than 0.0%" in found.rejected[0]
    other = Recipe("unconditional", seed=5 + 2 * SEEDS_APART)
    np.testing.assert_array_equal(
        found.labels, make_siblings(small_model, [other], spacing=SPACING)[0].labels
    )
    assert all(check.holds for check in found.raw_checks)
    assert [check.name for check in found.first_raw.checks if not check.holds] == ["RA in one piece"]
    (once,) = make_siblings(Torn(small_model, [True]), [replace(recipe, attempts=1)], spacing=SPACING)
    np.testing.assert_array_equal(found.first_raw.labels, once.raw)
    assert once.first is None and once.first_raw.labels is once.raw
    (left,) = make_siblings(Torn(small_model, [True] * 3), [recipe], spacing=SPACING)
    assert not left.accepted and left.attempt == 2
    np.testing.assert_array_equal(left.labels, left.raw)


class Outgrown(Torn):
    """A model whose decoder lets the RA of some hearts reach the border of the grid."""

    def decode_labels(self, latents):
        labels = self.model.decode_labels(latents)
        if self.torn[self.asked]:
            grow_ra_to_border(labels[0])
        self.asked += 1
        return labels


def test_hearts_that_outgrow_the_grid_are_made_again_unless_the_twin_does(small_model, twin):
    recipe = Recipe("perturbational", seed=5, psi=0.5, twin="a", attempts=2)
    model = Outgrown(small_model, [True, False])
    (found,) = make_siblings(model, [recipe], twin, spacing=SPACING)
    assert found.attempt == 1 and found.accepted
    assert "the border of the grid cuts RA" in found.rejected[0]
    cut = twin.copy()
    grow_ra_to_border(cut)
    (found,) = make_siblings(Outgrown(small_model, [True]), [recipe], cut, spacing=SPACING)
    assert found.attempt == 0 and found.accepted and (found.labels[:, :, -1] == Tissue.RA).any()
    kept = Recipe("localized", seed=5, twin="a", keep=KEEP, steps=8)
    (found,) = make_siblings(Outgrown(small_model, [True]), [kept], twin, spacing=SPACING)
    assert found.accepted and (found.labels[:, :, -1] == Tissue.RA).any()


def test_violations_are_counted_while_sampling(small_model):
    watch = ViolationWatch(Torn(small_model, [True, False] * 5), every=8)
    recipe = Recipe("unconditional", seed=0, guard=False)
    made = make_siblings(watch.model, [recipe, recipe.seeded(1)], spacing=SPACING, after_step=watch)
    assert [row["step"] for row in watch.counts] == [0, 8, 16, 19]
    assert watch.counts[-1]["sigma"] == 0 < watch.counts[0]["sigma"]
    assert {row["sampling"] for row in watch.counts} == {0}
    assert watch.counts[-1]["violated"] == ["RA in one piece"]
    last = [[not check.holds for check in one.raw_checks] for one in made]
    assert watch.counts[-1]["violations"] == pytest.approx(100 * np.mean(last)) == pytest.approx(100 / 24)


def test_further_attempts_are_counted_apart(small_model):
    watch = ViolationWatch(Torn(small_model, [True, True, False, False]), every=20)
    recipe = Recipe("unconditional", seed=5, repair_limit=0.0, attempts=2, steps=20)
    make_siblings(Torn(small_model, [True, False]), [recipe], spacing=SPACING, after_step=watch)
    found = [(row["sampling"], row["step"], len(row["violated"])) for row in watch.counts]
    assert found == [(0, 0, 1), (0, 19, 1), (1, 0, 0), (1, 19, 0)]
    with pytest.raises(ValueError, match="every 1 or more; found 0"):
        ViolationWatch(small_model, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "mirrored"}, "unconditional, perturbational or localized"),
        ({"kind": "perturbational", "psi": 0.0, "twin": "a"}, "above 0 and at most 1"),
        ({"kind": "perturbational", "psi": 0.5}, "has a twin"),
        ({"kind": "unconditional", "twin": "a"}, "has no twin"),
        ({"kind": "unconditional", "psi": 0.5}, "psi is 1"),
        ({"kind": "localized", "twin": "a"}, "give one of the two"),
        ({"kind": "localized", "twin": "a", "keep": ["LV"], "targets": ["LV volume 90 ml"]}, "keeps LV, so"),
        ({"kind": "localized", "twin": "a", "keep": ["Myo"], "targets": ["wall +1 mm"]}, "keeps Myo, so"),
        ({"kind": "localized", "twin": "a", "keep": ["LV"], "region": "r"}, "give one of the two"),
        ({"kind": "localized", "twin": "a", "keep": ["liver"]}, "Unknown tissues to keep: liver"),
        ({"kind": "perturbational", "twin": "a", "exact": True}, "keeps no tissues"),
        ({"kind": "unconditional", "steps": 0}, "1 or more"),
        ({"kind": "unconditional", "targets": ["big"]}, "is no target"),
        ({"kind": "unconditional", "colour": "red"}, "has no colour"),
    ],
)
def test_recipes_that_cannot_be_made_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Recipe.from_values({"seed": 0, **values})


def test_recipes_of_a_batch_differ_by_their_seeds_alone(small_model, twin):
    recipe = Recipe("perturbational", seed=0, psi=0.5, twin="a")
    with pytest.raises(ValueError, match="differ by their seeds alone"):
        make_siblings(small_model, [recipe, Recipe("perturbational", seed=1, psi=0.6, twin="a")], twin)
    with pytest.raises(ValueError, match="edits 'a': give its labels"):
        make_siblings(small_model, [recipe])


def test_a_recipe_comes_back_from_its_values_and_names_itself():
    recipe = Recipe("localized", seed=7, twin="a", keep=("LV", "RV"), targets=("wall +2 mm",), exact=True)
    again = Recipe.from_values(recipe.values())
    assert again == recipe and again.name("w") == recipe.name("w")
    assert len({recipe.name("w"), recipe.name("v"), recipe.seeded(8).name("w")}) == 3
    assert recipe.title() == "localized, psi 1; Ao, Myo, RA, LA free, exact; wall +2 mm; seed 7"


def test_edits_follow_each_other_and_are_undone(small_model, twin):
    def edited(before, seed):
        recipe = Recipe("perturbational", seed=seed, psi=0.5, twin="a", steps=6, guard=False)
        return Edit(recipe, make_siblings(small_model, [recipe], before, spacing=SPACING)[0].labels)

    first = EditList(twin).add(edited(twin, 0))
    both = first.add(edited(first.current, 1))
    assert len(both) == 2 and both.current is both.edits[1].labels
    np.testing.assert_array_equal(both.undo().current, first.current)
    np.testing.assert_array_equal(both.undo(2).current, twin)
    np.testing.assert_array_equal(both.twin, ellipsoid_heart(np.random.default_rng(100)))
    rows = both.rows(SPACING)
    assert [row["edit"] for row in rows] == [1, 2] and "seed 1" in rows[1]["what"]
    change = ((both.current == Tissue.RV).sum() - (first.current == Tissue.RV).sum()) * 0.064
    assert rows[1]["RV (ml)"] == pytest.approx(change)

    def remake(before, edit):
        return make_siblings(small_model, [edit.recipe], before, spacing=SPACING)[0].labels

    alone = both.without(0, remake)
    assert len(alone) == 1
    np.testing.assert_array_equal(alone.current, edited(twin, 1).labels)
    with pytest.raises(ValueError, match="0 edits to undo"):
        EditList(twin).undo()
    with pytest.raises(ValueError, match="no edit 2"):
        both.without(2, remake)
    with pytest.raises(ValueError, match="shape of its twin"):
        both.add(Edit(first.edits[0].recipe, twin[1:]))


def test_guidance_works_within_a_call_that_keeps_no_gradients(small_model, twin):
    recipe = Recipe("localized", seed=1, twin="a", keep=KEEP, dilation_mm=0, targets=("RV volume +10 %",))
    with torch.no_grad():
        found = make_siblings(small_model, [recipe.seeded(n) for n in range(4)], twin, spacing=SPACING)
    assert all(report.met for sibling in found for report in sibling.targets)
