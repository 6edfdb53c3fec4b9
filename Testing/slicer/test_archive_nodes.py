"""Populations and models in table nodes: through the scene, its files, and damage."""

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.population import ExcludedCase, InfarctPopulation
from cardiactwins.infarct.presets import load_preset
from cardiactwins.mrml.archive_nodes import (
    ARCHIVE_ROLE,
    MODEL_KIND,
    POPULATION_KIND,
    is_kind,
    model_of_node,
    new_model_node,
    new_population_node,
    population_of_node,
)
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.saving import save_scene
from cardiactwins.mrml.scene_files import load_scene
from cardiactwins.mrml.tables import columns_of_table, new_table


@pytest.fixture(autouse=True)
def empty_scene():
    start().scene.Clear(False)
    yield
    start().scene.Clear(False)


@pytest.fixture
def population():
    anatomy = ReferenceAnatomy()
    lesions = EllipticalModel(anatomy).sample([18, 10, 13, 18], 12, np.random.default_rng(2))
    return InfarctPopulation(
        anatomy,
        lesions,
        tuple(f"case {i}" for i in range(12)),
        territories=("LAD",) * 12,
        rotations=np.linspace(0, 0.4, 12),
        attributes={"volume (ml)": np.linspace(1, 12, 12)},
        excluded=(ExcludedCase("bad", "It is empty."),),
    )


def test_a_population_survives_a_saved_scene(population, tmp_path):
    new_population_node("Patients", population)
    save_scene(tmp_path / "scene.mrb")
    start().scene.Clear(False)
    load_scene(tmp_path / "scene.mrb")
    node = start().scene.GetFirstNodeByName("Patients")
    assert is_kind(node, POPULATION_KIND) and not is_kind(node, MODEL_KIND)
    again = population_of_node(node)
    np.testing.assert_array_equal(again.lesions, population.lesions)
    np.testing.assert_array_equal(again.rotations, population.rotations)
    np.testing.assert_array_equal(again.attributes["volume (ml)"], population.attributes["volume (ml)"])
    assert again.excluded == population.excluded and again.identifiers == population.identifiers


def test_the_table_lists_used_cases_and_those_left_out_with_the_reason(population):
    columns = columns_of_table(new_population_node("Patients", population))
    assert columns["status"].tolist() == ["used"] * 12 + ["left out"]
    assert columns["reason"][-1] == "It is empty."
    assert columns["volume (ml)"][0] == 1 and np.isnan(columns["volume (ml)"][-1])


def test_a_model_survives_a_saved_scene_with_its_source(tmp_path):
    preset = load_preset("EMIDEC 3D wavefront, KL_full")
    new_model_node("Model", preset.personalized(), preset.source, preset.licence)
    save_scene(tmp_path / "scene.mrb")
    start().scene.Clear(False)
    load_scene(tmp_path / "scene.mrb")
    node = start().scene.GetFirstNodeByName("Model")
    again = model_of_node(node)
    np.testing.assert_array_equal(again.parameters, preset.personalized().parameters)
    assert again.model.anatomy.slices == 11
    assert node.GetAttribute("CardiacTwins.Licence") == preset.licence


def test_a_model_without_a_known_loss_comes_back_without_one():
    preset = load_preset("Paper 2D elliptical, KL_full")
    found = model_of_node(new_model_node("Model", preset.personalized())).personalization
    assert np.isnan(found.loss) and np.isnan(found.loss_error)


def test_a_node_that_holds_nothing_says_what_to_do(population):
    table = new_table("Other", {"a": [1]})
    with pytest.raises(ValueError, match=r"'Other' does not hold an infarct population\. Align one first"):
        population_of_node(table)
    with pytest.raises(ValueError, match="Personalize one or load a preset"):
        model_of_node(table)
    assert not is_kind(None, POPULATION_KIND)
    node = new_population_node("Patients", population)
    start().scene.RemoveNode(node.GetNodeReference(ARCHIVE_ROLE))
    assert not is_kind(node, POPULATION_KIND)
    with pytest.raises(ValueError, match="does not hold"):
        population_of_node(node)


@pytest.mark.parametrize("text", ["not base64 !", "AAAA"])
def test_a_damaged_archive_is_refused(population, text):
    node = new_population_node("Patients", population)
    node.GetNodeReference(ARCHIVE_ROLE).SetText(text)
    with pytest.raises(ValueError, match="damaged"):
        population_of_node(node)
