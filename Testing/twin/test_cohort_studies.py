"""The paper's experiments on a cohort folder: recipes, tables, filters, reports."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart
from hand_made_hearts import VIOLATIONS, grow_ra_to_border

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin.cohort import Cohort
from cardiactwins.twin.cohort_augmentation import (
    CohortFilter,
    augment,
    augmentation_recipes,
    augmentation_rows,
)
from cardiactwins.twin.cohort_comparison import compare_cohorts
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.cohort_studies import (
    augmentation_study,
    editing_study,
    evaluate_hearts,
    unconditional_study,
)
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.heat_maps import heat_maps
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.paper_experiment import bias_rows, paper_experiment, seed_hearts, violation_rows
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sensitivity import quality_row, size_rows, step_recipes
from cardiactwins.twin.siblings import RawHeart, make_siblings
from cardiactwins.twin.study_maker import StudyMaker
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.violation_places import violation_places

GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))


def cohort_of(points, violated=None):
    points = np.asarray(points, dtype=float)
    violated = np.zeros((len(points), 12), bool) if violated is None else violated
    return Cohort(tuple(f"heart {i}" for i in range(len(points))), points, violated)


@pytest.fixture(scope="module")
def population():
    return Hearts.of({f"heart {i}": ellipsoid_heart(np.random.default_rng([1, i])) for i in range(24)})


@pytest.fixture(scope="module")
def maker(small_model, tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    weights = small_model.save(place / "hearts.npz")
    folder = CohortFolder.create(place / "cohort", GRID)
    return StudyMaker(folder, weights, loader="gaussian_hearts:load", batch=4)


def test_seed_hearts_lie_where_the_paper_takes_them():
    rng = np.random.default_rng(0)
    population = cohort_of(rng.normal(100, 20, (400, 12)))
    lv, rv = population.measure("LV volume"), population.measure("RV volume")
    chosen = {label: population.names.index(name) for label, name in seed_hearts(population).items()}
    z = {n: ((lv[i] - lv.mean()) / lv.std(), (rv[i] - rv.mean()) / rv.std()) for n, i in chosen.items()}
    for label, place in {"L+R+": (1.5, 1.5), "L-R-": (-1.5, -1.5), "L+R=": (1.5, 0), "L=R=": (0, 0)}.items():
        assert np.linalg.norm(np.subtract(z[label], place)) < 0.4
    assert len(set(seed_hearts(cohort_of(np.vstack([np.eye(12)[:4], np.eye(12)[:4]]))).values())) == 4
    with pytest.raises(ValueError, match="needs 4 seed hearts"):
        seed_hearts(cohort_of(np.zeros((3, 12))))


def test_the_experiment_has_28_cohorts_of_60_with_seeds_of_their_own():
    experiment = paper_experiment({label: label for label in ("L+R+", "L-R-", "L+R=", "L=R=")}, steps=10)
    assert len(experiment.recipes) == 28 and len(experiment.all()) == 28 * 60
    assert len({recipe.seed for recipe in experiment.all()}) == 28 * 60
    edit = experiment.recipes["RV edit", "L-R-"][0]
    assert edit.keep == ("Ao", "LV", "RA", "LA") and edit.twin == "L-R-" and edit.steps == 10
    assert experiment.recipes["psi 0.35", "L=R="][7].psi == 0.35


def test_tables_give_violations_by_row_and_seed_heart():
    some = np.zeros((2, 12), bool)
    some[0, :3] = True
    cohorts = {
        ("psi 0.35", "A"): cohort_of(np.ones((2, 12)), some),
        ("psi 1", "B"): cohort_of(np.ones((2, 12))),
    }
    rows = violation_rows(cohorts, {"A": 8.3, "B": 0.0})
    assert rows[0] == {"TV (%)": "original, autoencoded", "A": 8.3, "B": 0.0}
    assert rows[1]["A"] == pytest.approx(100 * 3 / 24) and np.isnan(rows[1]["B"])
    assert rows[2]["B"] == 0


def test_bias_is_how_far_siblings_are_drawn_to_the_mean():
    rng = np.random.default_rng(0)
    population = cohort_of(rng.normal(100, 20, (200, 12)))
    lv, rv = population.measure("LV volume"), population.measure("RV volume")
    label = population.names[int(np.argmax(lv + rv))]
    seed = population.morphology[population.names.index(label)]
    middle = population.morphology.mean(axis=0)
    cohorts = {
        ("psi 0.1", "s"): cohort_of(np.tile(seed, (5, 1))),
        ("psi 0.5", "s"): cohort_of(np.tile((seed + middle) / 2, (5, 1))),
        ("psi 1", "s"): cohort_of(population.morphology),
    }
    rows = bias_rows(cohorts, population, {"s": label})
    assert [row["drawn in"] for row in rows] == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert rows[0]["LV SD"] == 0 and rows[2]["RV SD"] == pytest.approx(1)


def test_filters_keep_what_lies_between():
    cohort = cohort_of(np.arange(60.0).reshape(5, 12))
    column = cohort.measure("RV volume")
    kept = CohortFilter("RV volume", least=column[1], most=column[4])(cohort)
    assert kept.names == ("heart 2", "heart 3")
    assert str(CohortFilter("RV volume", least=115)) == "RV volume above 115"
    with pytest.raises(ValueError, match="No heart has"):
        CohortFilter("RV volume", least=5, most=4)
    with pytest.raises(ValueError, match="no measure 'mass'"):
        CohortFilter("mass")


def test_strategies_edit_half_the_targets_one_way_and_half_the_other():
    targets = [f"t{i}" for i in range(6)]
    perturbed = augmentation_recipes("perturbational", targets, 12)
    assert {r.twin: r.psi for r in perturbed} == {t: 0.5 if i < 3 else 0.35 for i, t in enumerate(targets)}
    local = augmentation_recipes("localized", targets, 12, exact=True)
    assert {r.twin: "LV" in r.keep for r in local} == {t: i >= 3 for i, t in enumerate(targets)}
    assert all(("RV" in r.keep) != ("LV" in r.keep) and r.exact for r in local)
    noise = augmentation_recipes("unconditional", [], 5, first_seed=100)
    assert [r.seed for r in noise] == [100, 101, 102, 103, 104]
    with pytest.raises(ValueError, match="no heart in the target"):
        augmentation_recipes("localized", [], 5)
    with pytest.raises(ValueError, match="augmented by"):
        augmentation_recipes("wishing", targets, 5)


def test_augmentation_compares_filtered_hearts_with_the_target_on_the_scale_of_all():
    rng = np.random.default_rng(1)
    population, made = cohort_of(rng.normal(100, 20, (300, 12))), cohort_of(rng.normal(105, 18, (400, 12)))
    chosen = CohortFilter("RV volume", least=120)
    target, (one, few) = augment(
        population,
        {"unconditional": made, "localized": made.select(range(8))},
        chosen,
        rng,
        size=50,
        repeats=30,
    )
    assert len(target) == (population.measure("RV volume") > 120).sum()
    assert one.made == 400 and one.passed == (made.measure("RV volume") > 120).sum() and len(one.kept) == 50
    expected = compare_cohorts(target, one.kept, rng, scale=population, repeats=3)
    assert one.comparison.frechet.value == expected.frechet.value
    assert few.comparison is None
    rows = augmentation_rows(target, [one, few])
    assert rows[0]["references"] == len(target) and rows[1]["FD"] == "too few hearts"
    with pytest.raises(ValueError, match="Choose a lower threshold"):
        augment(population, {}, CohortFilter("RV volume", least=1000), rng)


def test_quality_depends_on_size_as_distances_of_small_cohorts_do():
    rng = np.random.default_rng(2)
    reference, made = cohort_of(rng.normal(size=(200, 12))), cohort_of(rng.normal(size=(200, 12)))
    rows = size_rows(reference, made, rng, (5, 20, 100, 400), draws=5)
    assert [row["size"] for row in rows] == [5, 20, 100]
    assert rows[0]["FD"] > rows[1]["FD"] > rows[2]["FD"]
    assert np.isnan(rows[0]["recall"]) and 0 < rows[1]["recall"] <= 1
    assert np.isnan(quality_row(reference, made.select([0]))["FD"])
    assert [len(part) for part in step_recipes((5, 10), 3).values()] == [3, 3]


@pytest.mark.parametrize("name", sorted(VIOLATIONS))
def test_each_violation_has_a_place_in_the_patient(name):
    heart = VIOLATIONS[name]
    matrix = np.diag([-2.0, 3.0, 1.0, 1.0])
    matrix[:3, 3] = (10, 20, 30)
    checks = topology_checks(heart)
    (check,) = [check for check in checks if not check.holds]
    places = violation_places(checks, ImageGeometry(heart.shape, matrix))
    assert {place.check for place in places} == {name}
    assert sum(place.voxels for place in places) == len(check.voxels)
    for place in places:
        ijk = np.linalg.solve(matrix, [*place.position, 1])[:3]
        assert (np.rint(ijk).astype(int)[::-1] == check.voxels).all(axis=1).any()


def test_a_study_from_noise_reports_raw_and_guarded_side_by_side(maker, population):
    training = Hearts.of({f"t{i}": ellipsoid_heart(np.random.default_rng([0, i])) for i in range(16)})
    found = unconditional_study(
        maker, population, training=training, number=20, sensitivity=(5,), sensitivity_number=8
    )
    assert found["hearts"] == 20 and found["reference"] == 24
    assert {"frechet", "precision", "recall", "violations"} <= set(found["raw"]) & set(found["guarded"])
    assert found["nearest"]["synthetic"] > 0 and found["steps"][0]["steps"] == 5
    assert set(found["memorising"]) == {"difference", "near", "to_unseen", "to_training"}
    page = (maker.folder.path / "report" / "unconditional.html").read_text()
    for words in (
        "synthetic, raw",
        "synthetic, guarded",
        "two halves",
        "Nearest training heart",
        "LV in one piece",
    ):
        assert words in page
    assert page.count("data:image/png;base64,") == 5
    stored = json.loads((maker.folder.path / "report" / "unconditional.json").read_text())
    assert stored["raw"]["frechet"]["value"] == pytest.approx(found["raw"]["frechet"]["value"])


def test_the_share_rejected_is_that_of_all_attempts(maker, population, small_model):
    recipe = Recipe("unconditional", seed=0, attempts=3)
    (made,) = make_siblings(small_model, [recipe], spacing=GRID.spacing)
    first = RawHeart(population["heart 0"], topology_checks(population["heart 0"]))
    later = replace(made, attempt=2, rejected=("RA missing", "LA missing"), first=first)
    maker.folder.store(later, sha256_of(maker.weights), 1.0)
    found = unconditional_study(maker, population, number=10, attempts=3)
    assert found["attempts"] == 12 and found["rejected"] == pytest.approx(2 / 12)
    page = (maker.folder.path / "report" / "unconditional.html").read_text()
    assert "The guard accepted 10 of 12 attempts: 16.7% were rejected." in page


def test_a_study_of_edits_has_the_papers_tables(maker, population):
    autoencoded = dict(population)
    found = editing_study(
        maker,
        population,
        number=3,
        psis=(0.35, 1.0),
        steps=8,
        guard=False,
        dilation_mm=0.0,
        autoencoded=autoencoded,
    )
    assert [row["TV (%)"] for row in found["violations"]] == [
        "original, autoencoded", "psi 0.35", "psi 1", "RV edit", "LV edit"]  # fmt: skip
    assert set(found["violations"][0]) == {"TV (%)", "L+R+", "L-R-", "L+R=", "L=R="}
    drawn = {(row["edit"], row["seed heart"]): row["drawn in"] for row in found["bias"]}
    assert drawn["psi 1", "L+R+"] > drawn["psi 0.35", "L+R+"]
    page = (maker.folder.path / "report" / "edits.html").read_text()
    assert "Perturbational edits" in page and "Localized edits" in page
    assert page.count("data:image/png;base64,") == 4
    assert len(maker.folder.records()) >= 4 * 4 * 3


def test_a_study_of_augmentation_counts_what_it_made_and_kept(maker, population):
    volumes = population.measured((4.0,) * 3).measure("RV volume")
    chosen = CohortFilter("RV volume", least=float(np.median(volumes)))
    found = augmentation_study(
        maker, population, chosen, made={"unconditional": 20, "perturbational": 12, "localized": 12},
        size=8, steps=8, dilation_mm=0.0,
    )  # fmt: skip
    assert found["references"] == 12 and set(found["strategies"]) == {
        "unconditional",
        "perturbational",
        "localized",
    }
    assert found["strategies"]["perturbational"]["made"] == 12
    assert all(one["kept"] <= 8 for one in found["strategies"].values())
    page = (maker.folder.path / "report" / "augmentation.html").read_text()
    assert re.search(r"Target: 12 of 24 hearts, those with RV volume above [\d.]+", page)


def test_failed_siblings_stop_a_study_with_the_reason(maker, population):
    with pytest.raises(ValueError, match=r"batches of siblings failed, the first: .*keeps everything"):
        editing_study(maker, population, number=2, psis=(), dilation_mm=400.0)


def test_masking_by_both_shows_what_lies_outside_a_seed_heart():
    seed, other = np.zeros((3, 3, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
    seed[0], other[1] = 1, 1
    both = heat_maps(seed, other, mask="both").difference
    assert (both[0] == -1).all() and (both[1] == 1).all() and np.isnan(both[2]).all()
    assert np.isnan(heat_maps(seed, other).difference).all()


def test_hearts_of_a_folder_are_read_when_asked_for(tmp_path, population):
    for name in ("heart 3", "heart 1"):
        write_heart(tmp_path / f"{name}.nii.gz", population[name], GRID)
    found = Hearts.in_folder(tmp_path, grid=GRID)
    assert list(found) == ["heart 1", "heart 3"] and len(found) == 2
    np.testing.assert_array_equal(found["heart 3"], population["heart 3"])
    assert found.measured((4.0,) * 3).names == ("heart 1", "heart 3")
    assert list(Hearts.in_folder(tmp_path, 1)) == ["heart 1"]
    with pytest.raises(ValueError, match=r"heart 1.nii.gz lies on another grid, of 40 x 40 x 40 voxels of 4"):
        Hearts.in_folder(tmp_path)["heart 1"]
    (tmp_path / "heart 3.nrrd").touch()
    with pytest.raises(ValueError, match="would both be the heart 'heart 3'"):
        Hearts.in_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no label maps"):
        Hearts.in_folder(tmp_path / "empty")


def test_names_of_hearts_keep_what_follows_a_dot_and_hidden_files_are_no_hearts(tmp_path, population):
    for name, heart in (("scan 1.1", "heart 1"), ("scan 1.2", "heart 3")):
        write_heart(tmp_path / f"{name}.nrrd", population[heart], GRID)
    (tmp_path / ".0123-scan 1.3.nrrd").write_bytes(b"half")
    found = Hearts.in_folder(tmp_path, grid=GRID)
    assert list(found) == ["scan 1-1", "scan 1-2"]
    np.testing.assert_array_equal(found["scan 1-2"], population["heart 3"])
    write_heart(tmp_path / "scan 1-2.nii.gz", population["heart 1"], GRID)
    with pytest.raises(ValueError, match=r"scan 1-2.nii.gz and .*scan 1\.2.nrrd would both be the heart"):
        Hearts.in_folder(tmp_path)


def test_hearts_from_anywhere_are_judged_raw_and_guarded(tmp_path, population):
    rng = np.random.default_rng(5)
    hearts = {f"s{i}": ellipsoid_heart(rng) for i in range(12)}
    for name in ("s1", "s2"):
        hearts[name][2:5, 2:5, 36:39] = 5
    found = evaluate_hearts(population, Hearts.of(hearts), (4.0,) * 3, tmp_path)
    assert found["raw"]["violations"]["value"] == pytest.approx(100 * 2 / 144)
    assert found["guarded"]["violations"]["value"] == 0 and found["rejected"] == 0
    assert "12 synthetic hearts against 24" in (tmp_path / "cohort.html").read_text()
    strict = evaluate_hearts(population, Hearts.of(hearts), (4.0,) * 3, tmp_path, guard=False)
    assert strict["rejected"] == pytest.approx(2 / 12)


def test_hearts_that_the_border_cuts_are_judged_as_the_reference_is(tmp_path, population):
    rng = np.random.default_rng(5)
    hearts = {f"s{i}": ellipsoid_heart(rng) for i in range(12)}
    grow_ra_to_border(hearts["s3"])
    reference = {name: population[name] for name in population}
    found = evaluate_hearts(population, Hearts.of(hearts), (4.0,) * 3, tmp_path)
    assert found["rejected"] == pytest.approx(1 / 12)
    reference["cut"] = hearts["s3"]
    found = evaluate_hearts(Hearts.of(reference), Hearts.of(hearts), (4.0,) * 3, tmp_path)
    assert found["rejected"] == 0


def test_a_plane_of_heat_maps_runs_through_the_middle_of_the_hearts():
    seed, other = np.zeros((8, 6, 4), np.uint8), np.zeros((8, 6, 4), np.uint8)
    seed[4:7, 2:5], other[5, 3:5] = 1, 1
    maps = heat_maps(seed, other, mask="both")
    for axis, middle in enumerate((5, 3, 2)):
        cut = maps.through(axis)
        np.testing.assert_array_equal(cut.difference, np.take(maps.difference, [middle], axis=axis))


def test_a_cohort_that_the_guard_turns_away_is_reported_all_the_same(tmp_path, population):
    hearts = {f"s{i}": ellipsoid_heart(np.random.default_rng([6, i])) for i in range(8)}
    for index, heart in enumerate(hearts.values()):
        if index < 5:
            heart[heart == 5] = 0
    found = evaluate_hearts(population, Hearts.of(hearts), (4.0,) * 3, tmp_path)
    assert found["guarded"] is None and found["rejected"] == pytest.approx(5 / 8)
    assert "too few hearts" in (tmp_path / "cohort.html").read_text()


def test_folders_of_training_hearts_are_populations_too(tmp_path):
    for number in (4, 2):
        HeartFolder.write(tmp_path, number, np.full((128, 128, 128), number, np.uint8))
    found = Hearts.in_folder(tmp_path)
    assert list(found) == ["heart-00002", "heart-00004"] and found["heart-00004"].max() == 4
