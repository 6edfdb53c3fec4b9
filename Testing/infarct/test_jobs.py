"""The jobs of InfarctSynth against the functions they stand for, through the files of a job folder."""

import itertools
import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import silent
from cardiactwins.infarct import estimates, jobs
from cardiactwins.infarct.alignment import align_population
from cardiactwins.infarct.archive import load_model, load_population, save_model, save_population
from cardiactwins.infarct.bounds import with_bounds
from cardiactwins.infarct.case_files import load_cases, load_hearts, save_cases
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.embedding import LatentSpace
from cardiactwins.infarct.estimates import estimate_personalization, evaluations_of, readable_time
from cardiactwins.infarct.mode_space import ModeSpace
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.phantom_cases import phantom_cases
from cardiactwins.infarct.population import ExcludedCase, InfarctPopulation
from cardiactwins.infarct.presets import load_preset, preset_of, presets

QUICK = PersonalizationSettings(lesions=20, generations=2, searches=1, scouts=0, polish_generations=0)


@pytest.fixture(scope="module")
def cases():
    return phantom_cases(8, np.random.default_rng(7))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cases):
    """A job folder with a 2D population aligned by the job, and a model personalized to it by the job."""
    folder = tmp_path_factory.mktemp("job")
    save_cases(cases, folder / "cases.npz", [ExcludedCase("lost", "The file is damaged.")])
    aligned = jobs.align_job(folder=folder, progress=silent)
    assert aligned["used"] + aligned["left_out"] == len(cases) + 1
    jobs.personalize_job(folder=folder, progress=silent, settings=asdict(QUICK), seed=3)
    return folder


def test_cases_come_back_from_their_file_as_they_were(cases, tmp_path):
    save_cases(cases, tmp_path / "cases.npz", [ExcludedCase("a", "b")])
    loaded, excluded = load_cases(tmp_path / "cases.npz")
    assert excluded == [ExcludedCase("a", "b")]
    for before, after in zip(cases, loaded, strict=True):
        assert (after.identifier, after.territory) == (before.identifier, before.territory)
        np.testing.assert_array_equal(after.geometry.ijk_to_ras, before.geometry.ijk_to_ras)
        np.testing.assert_array_equal(after.insertion_points, before.insertion_points)
        for name in ("cavity", "myocardium", "infarct", "no_reflow", "right_ventricle"):
            np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_a_damaged_file_of_cases_is_refused_with_what_to_do(cases, tmp_path):
    path = save_cases(cases[:1], tmp_path / "cases.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"damaged.*Run the step"):
        load_cases(path)


def test_the_job_aligns_as_the_library_does(cases, folder):
    direct = align_population(cases, ReferenceAnatomy(), clip=False)
    population = load_population(folder / "population.npz")
    np.testing.assert_array_equal(population.lesions, direct.lesions)
    assert population.excluded[0] == ExcludedCase("lost", "The file is damaged.")
    assert "ml" in " ".join(population.attributes)


def test_the_job_personalizes_as_the_library_does(folder):
    population = load_population(folder / "population.npz")
    found = load_model(folder / "model.json")
    direct = personalize(population, found.model, settings=QUICK, seed=3)
    np.testing.assert_array_equal(found.parameters, direct.parameters)


def test_a_search_stays_within_narrower_bounds(folder, tmp_path):
    (tmp_path / "population.npz").write_bytes((folder / "population.npz").read_bytes())
    bounds = {"circumferential mean": (40.0, 45.0)}
    result = jobs.personalize_job(
        folder=tmp_path, progress=silent, bounds=bounds, settings=asdict(QUICK), seed=3
    )
    assert 40 <= result["parameters"]["circumferential mean"] <= 45
    assert 40 <= result["start"][0] <= 45


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"depth": (1, 2)}, "no parameter depth"),
        ({"radial std": (1, 99)}, r"within \[0, 40\] pixels; found \[1, 99\]"),
        ({"radial std": (9, 9)}, "must rise"),
    ],
)
def test_bounds_that_a_model_does_not_have_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        with_bounds(EllipticalModel(ReferenceAnatomy()), bounds)


def test_bounding_a_model_leaves_the_model_as_it_was():
    model = EllipticalModel(ReferenceAnatomy())
    before = model.parameters
    bounded = with_bounds(model, {"radial mean": (1.0, 2.0)})
    assert model.parameters == before
    assert bounded.parameters[2].upper == bounded.parameters[2].default == 2.0
    rng = (np.random.default_rng(1), np.random.default_rng(1))
    point = [20, 5, 1.5, 1]
    np.testing.assert_array_equal(bounded.sample(point, 5, rng[0]), model.sample(point, 5, rng[1]))


def test_generated_hearts_of_a_patient_keep_the_patient(cases, folder):
    save_cases(cases[:1], folder / "patient.npz")
    result = jobs.generate_job(
        folder=folder, progress=silent, count=2, seed=5, patient="patient.npz", no_reflow=0.3
    )
    hearts = load_hearts(folder / result["hearts"])
    assert [heart.identifier for heart in hearts] == ["Infarct 001", "Infarct 002"]
    for heart in hearts:
        np.testing.assert_array_equal(heart.masks["myocardium"], cases[0].myocardium)
        assert heart.masks["infarct"].any() and not (heart.masks["infarct"] & ~cases[0].myocardium).any()


def test_modes_from_the_file_are_those_of_the_latent_space(folder):
    result = jobs.modes_job(folder=folder, progress=silent)
    space = LatentSpace.fit(load_population(folder / "population.npz").lesions)
    stored = ModeSpace.load(folder / result["modes"])
    for scores in ((0.0,), (1.5,), (-2.0, 1.0)):
        point = np.array(scores) * space.deviations[: len(scores)]
        np.testing.assert_allclose(stored.pattern(scores), space.decode(point), atol=1e-6)
    with pytest.raises(ValueError, match="scores"):
        stored.pattern([0.0] * (stored.dimensions + 1))


def test_comparing_a_model_with_a_population_of_its_own_draws_finds_no_difference(folder, tmp_path):
    model = load_model(folder / "model.json")
    lesions = model.sample(300, np.random.default_rng(0))
    names = tuple(map(str, range(300)))
    save_population(InfarctPopulation(model.model.anatomy, lesions, names), tmp_path / "population.npz")
    save_model(model, tmp_path / "model.json")
    result = jobs.compare_job(folder=tmp_path, progress=silent, seed=1)
    assert all(row["p_value"] > 0.01 for row in result["comparison"])
    assert len(load_population(tmp_path / result["synthetic"])) == jobs.COMPARED_LESIONS


def test_a_population_is_not_compared_with_a_model_of_another_reference(folder, tmp_path):
    (tmp_path / "population.npz").write_bytes((folder / "population.npz").read_bytes())
    save_model(load_preset("Paper 3D spherical, KL_full").personalized(), tmp_path / "model.json")
    with pytest.raises(ValueError, match="same dimension"):
        jobs.compare_job(folder=tmp_path, progress=silent)


def test_a_study_leaves_its_table_and_its_means(folder, tmp_path):
    (tmp_path / "population.npz").write_bytes((folder / "population.npz").read_bytes())
    result = jobs.study_job(
        folder=tmp_path,
        progress=silent,
        study="starts-spherical",
        directory="study",
        launches=1,
        settings={**asdict(QUICK), "generations": 1},
        workers=1,
    )
    losses = np.array(json.loads(json_text(result["losses"])), dtype=float)
    assert losses.shape == (len(result["rows"]), len(result["columns"]))
    assert not result["failed"] and (tmp_path / "study" / "starts-spherical.csv").exists()


def test_results_of_jobs_are_plain_json(folder):
    json.loads(json_text(jobs.modes_job(folder=folder, progress=silent)))


def test_presets_say_where_they_come_from_and_draw_lesions():
    found = presets()
    assert {preset.is_3d for preset in found} == {False, True}
    for preset in found:
        assert preset.source and preset.licence and preset.subjects
        personalized = preset.personalized()
        np.testing.assert_allclose(personalized.parameters, list(preset.parameters.values()))
        assert personalized.sample(20, np.random.default_rng(0)).any(axis=1).mean() > 0.8
        again = preset_of(personalized, preset.name, preset.subjects, preset.source, preset.licence)
        assert again.parameters == preset.parameters


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="Paper 2D elliptical, KL_full"):
        load_preset("nothing")


def test_a_search_takes_as_many_evaluations_as_are_foretold(folder, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(estimates, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    population = load_population(folder / "population.npz")
    model = EllipticalModel(population.anatomy)
    for settings in (QUICK, PersonalizationSettings(lesions=20, generations=3, scouts=16, stagnation=0.0)):
        found = personalize(population, model, settings=settings)
        same_size = evaluations_of(settings) - settings.candidates * settings.polish_generations * (
            settings.polish_lesions / settings.lesions - 1
        )
        assert found.evaluations == pytest.approx(same_size, abs=30)
        estimate = estimate_personalization(population, model, "KL_full", settings)
        one_a_second = estimates.START_SECONDS + evaluations_of(settings) / estimates.usable_cores()
        assert estimate.seconds == pytest.approx(one_a_second) and 1e8 < estimate.memory_bytes < 1e10


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (45, "45 s"), (300, "5 min"), (5400 * 2, "3.0 h")]
)
def test_durations_are_readable(seconds, text):
    assert readable_time(seconds) == text
