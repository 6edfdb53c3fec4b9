"""Populations and personalized models survive their files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.archive import (
    PersonalizedModel,
    load_model,
    load_population,
    save_model,
    save_population,
)
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.models import MODELS, make_model
from cardiactwins.infarct.personalization import PersonalizationSettings, personalize
from cardiactwins.infarct.population import ExcludedCase, InfarctPopulation

SMALL = ReferenceAnatomy(size=40, endocardial_radius=9.2, epicardial_radius=15.3)


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(1)
    lesions = make_model("elliptical", SMALL).sample((9, 4, 6, 4), 12, rng)
    return InfarctPopulation(
        SMALL,
        lesions,
        tuple(f"case {i}" for i in range(12)),
        no_reflow=lesions & (SMALL.radial < 0.3),
        territories=("LAD", None) * 6,
        rotations=rng.normal(size=12),
        attributes={"infarct_ml": np.arange(12.0)},
        excluded=(ExcludedCase("case x", "The infarct is empty."),),
    )


@pytest.fixture(scope="module")
def personalized(population):
    zone = StartZone(circumferential=0.1)
    model = make_model("elliptical", SMALL, zone)
    settings = PersonalizationSettings(lesions=20, generations=2, scouts=4, searches=2, polish_generations=0)
    return PersonalizedModel(model, "elliptical", personalize(population, model, settings=settings))


def test_a_population_comes_back_as_it_was(population, tmp_path):
    back = load_population(save_population(population, tmp_path / "population.npz"))
    assert back.anatomy.shape == population.anatomy.shape and back.anatomy.n_voxels == SMALL.n_voxels
    np.testing.assert_array_equal(back.lesions, population.lesions)
    np.testing.assert_array_equal(back.no_reflow, population.no_reflow)
    np.testing.assert_array_equal(back.rotations, population.rotations)
    np.testing.assert_array_equal(back.attributes["infarct_ml"], population.attributes["infarct_ml"])
    assert back.identifiers == population.identifiers
    assert back.territories == population.territories
    assert back.excluded == population.excluded


def test_a_damaged_population_file_is_refused_without_running_what_it_holds(population, tmp_path):
    path = save_population(population, tmp_path / "population.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="damaged"):
        load_population(path)
    np.savez(tmp_path / "pickled.npz", description=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(ValueError, match="damaged"):
        load_population(tmp_path / "pickled.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(ValueError, match=r"text\.npz"):
        load_population(tmp_path / "text.npz")
    with pytest.raises(FileNotFoundError):
        load_population(tmp_path / "absent.npz")


def test_a_personalized_model_comes_back_and_draws_the_same_lesions(personalized, tmp_path):
    back = load_model(save_model(personalized, tmp_path / "model.json"))
    np.testing.assert_array_equal(back.parameters, personalized.parameters)
    assert back.model.zone == personalized.model.zone
    assert back.personalization.settings == personalized.personalization.settings
    assert back.personalization.history.stage == personalized.personalization.history.stage
    for name in ("loss", "parameters", "eigenvalues"):
        ours = getattr(personalized.personalization.history, name)
        np.testing.assert_array_equal(getattr(back.personalization.history, name), ours)
    draws = [one.sample(5, np.random.default_rng(3)) for one in (personalized, back)]
    np.testing.assert_array_equal(*draws)


def test_files_that_hold_no_model_are_refused(personalized, tmp_path):
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "broken.json").write_text("{")
    for name in ("list.json", "broken.json"):
        with pytest.raises(ValueError, match="not a personalized model"):
            load_model(tmp_path / name)
    path = save_model(replace(personalized, name="my own"), tmp_path / "own.json")
    with pytest.raises(ValueError, match="my own"):
        load_model(path)
    own = load_model(path, {**MODELS, "my own": MODELS["elliptical"]})
    assert own.name == "my own"


def test_a_model_file_is_plain_json(personalized, tmp_path):
    saved = json.loads(save_model(personalized, tmp_path / "model.json").read_text())
    assert saved["personalization"]["parameter_names"] == list(personalized.personalization.parameter_names)


def test_models_have_names_and_unknown_ones_are_refused():
    assert {"elliptical", "elliptical-uniform", "spherical", "wavefront"} <= set(MODELS)
    for name in MODELS:
        model = make_model(name, SMALL, StartZone(circumferential=0.3))
        assert model.zone.circumferential == 0.3
        defaults = [parameter.default for parameter in model.parameters]
        assert model.sample(defaults, 3, np.random.default_rng(0)).any()
    with pytest.raises(ValueError, match="wavefront"):
        make_model("cubic", SMALL)
