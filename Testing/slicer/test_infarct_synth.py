"""InfarctSynth from segmentation nodes to segmentation nodes, without the application."""

from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.alignment import weighted_mean_angle
from cardiactwins.infarct.hearts import heart_of_case
from cardiactwins.infarct.personalization import PersonalizationSettings
from cardiactwins.infarct.phantom_cases import phantom_cases
from cardiactwins.infarct.studies import grid_study
from cardiactwins.mrml.cohorts import read_manifest
from cardiactwins.mrml.infarct_synth import InfarctSynthLogic
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.segmentations import geometry_of_segmentation, new_segmentation, segment_array
from cardiactwins.mrml.tables import columns_of_table
from cardiactwins.mrml.volumes import new_volume, volume_array

QUICK = PersonalizationSettings(lesions=30, generations=3, scouts=8, searches=2, polish_generations=0)


@pytest.fixture(scope="module")
def cases():
    return phantom_cases(12, np.random.default_rng(4))


@pytest.fixture(scope="module")
def population(cases):
    """The cases through real nodes: alignment is slow enough to be done once."""
    logic = InfarctSynthLogic()
    return logic.alignPopulation(
        [new_heart_segmentation(heart_of_case(case)) for case in cases],
        territories={case.identifier: case.territory for case in cases},
    )


@pytest.fixture(scope="module")
def personalized(population):
    return InfarctSynthLogic().personalize(population, "elliptical", settings=QUICK, seed=3)


@pytest.fixture(scope="module")
def ellipsoid(cases):
    logic = InfarctSynthLogic()
    nodes = [new_heart_segmentation(heart_of_case(case)) for case in cases[:6]]
    whole = logic.alignPopulation(nodes, slices=11)
    return logic.personalize(whole, "elliptical", settings=replace(QUICK, lesions=20, generations=1))


@pytest.fixture
def logic(scene):
    return InfarctSynthLogic()


def test_a_population_of_nodes_lies_on_the_reference_in_one_territory(population, cases):
    assert len(population) + len(population.excluded) == len(cases)
    assert len(population) >= 8
    centres = [weighted_mean_angle(lesion[None], population.anatomy) for lesion in population.lesions]
    spread = np.abs(np.exp(2j * np.pi * np.array(centres)).mean())
    assert spread > 0.9, "rotated to the LAD's territory, all infarcts lie near one angle"


def test_a_case_that_cannot_be_used_is_listed_and_the_others_go_on(logic, cases):
    broken = replace(cases[0], identifier="No cavity", cavity=np.zeros_like(cases[0].cavity))
    nodes = [new_heart_segmentation(heart_of_case(case)) for case in (*cases[:7], broken)]
    aligned = logic.alignPopulation(nodes)
    reasons = {case.identifier: case.reason for case in aligned.excluded}
    assert "cavity" in reasons["No cavity"].lower()
    assert len(aligned) >= 5


def test_too_few_patients_are_refused_with_what_was_found(logic, cases):
    with pytest.raises(ValueError, match="at least 5"):
        logic.alignPopulation([new_heart_segmentation(heart_of_case(case)) for case in cases[:3]])


def test_a_personalization_becomes_tables_and_charts(logic, personalized):
    nodes = logic.showPersonalization(personalized)
    history = columns_of_table(nodes["history table"])
    found = personalized.personalization
    np.testing.assert_allclose(history["loss"], found.history.loss)
    np.testing.assert_allclose(history["radial std"], found.history.parameters[:, 3])
    assert nodes["loss chart"].GetYAxisLogScale()
    parameters = columns_of_table(nodes["parameters table"])
    np.testing.assert_allclose(parameters["value"], found.parameters)


def test_generated_infarcts_lie_in_the_patients_wall_where_the_model_starts(logic, ellipsoid, cases):
    patient = new_heart_segmentation(heart_of_case(cases[1]))
    nodes = logic.generate(ellipsoid, 4, seed=5, patient=patient, borderZone=4.0, noReflow=0.25)
    assert len(nodes) == 4
    case = cases[1]
    coordinates = lv_coordinates(
        case.geometry, case.cavity, case.myocardium, insertion_points=case.insertion_points
    )
    start = ellipsoid.model.zone.circumferential
    offsets = []
    for node in nodes:
        assert geometry_of_segmentation(node).matches(case.geometry)
        infarct = segment_array(node, "Infarct")
        border, no_reflow = segment_array(node, "Border zone"), segment_array(node, "No-reflow")
        assert infarct.any() and not (infarct & ~case.myocardium).any()
        assert not (border & infarct).any() and not (border & ~case.myocardium).any()
        assert not (no_reflow & ~infarct).any()
        assert no_reflow.sum() == round(0.25 * infarct.sum())
        turn = coordinates.circumferential[infarct & coordinates.mask]
        offsets.append(np.angle(np.exp(2j * np.pi * (turn - start)).mean()) / (2 * np.pi))
    assert np.abs(offsets).max() < 0.1, "the lesions are centred near the start zone's angle"


def test_the_same_seed_paints_the_same_infarcts(logic, ellipsoid, cases):
    patient = new_heart_segmentation(heart_of_case(cases[1]))
    one, two = (logic.generate(ellipsoid, 2, seed=8, patient=patient) for _ in range(2))
    other = logic.generate(ellipsoid, 2, seed=9, patient=patient)
    arrays = [[segment_array(node, "Infarct") for node in nodes] for nodes in (one, two, other)]
    assert all((a == b).all() for a, b in zip(arrays[0], arrays[1], strict=True))
    assert not all((a == b).all() for a, b in zip(arrays[0], arrays[2], strict=True))


def test_infarcts_come_as_a_sequence_or_as_a_folder_with_a_manifest(logic, personalized, tmp_path):
    sequence = logic.generate(personalized, 3, output="sequence", name="New")
    assert sequence.GetNumberOfDataNodes() == 3
    folder = logic.generate(personalized, 3, seed=11, output=tmp_path / "cohort")
    manifest = read_manifest(folder)
    assert manifest["seed"] == 11 and manifest["model"] == "elliptical"
    assert len(list(folder.glob("*.seg.nrrd"))) == 3
    sizes = [case["attributes"]["size_percent"] for case in manifest["cases"]]
    assert all(0 < size <= 100 for size in sizes)


def test_a_requested_lesion_has_the_requested_size(logic, personalized):
    request = {"size": 0.2, "size_tolerance": 0.05}
    for node in logic.generate(personalized, 3, seed=2, request=request):
        share = segment_array(node, "Infarct").sum() / personalized.model.anatomy.n_voxels
        assert share == pytest.approx(0.2, abs=0.05)


def test_modes_become_volumes_with_values_from_healthy_to_infarct(logic, population):
    space, nodes = logic.modes(population, dimensions=2, deviations=(-1, 0, 1))
    assert len(nodes) == 6
    image, geometry = volume_array(nodes[1])
    assert geometry.matches(population.anatomy.geometry)
    inside = image[population.anatomy.mask]
    assert inside.min() >= 0 and inside.max() <= 1
    np.testing.assert_allclose(inside, space.mean_pattern(), atol=1e-6)


def test_individual_fits_and_the_population_become_tables(logic, population):
    fits = logic.fitIndividuals(population, centres=5, axes=np.linspace(2, 60, 12))
    table = columns_of_table(logic.showIndividuals(fits))
    np.testing.assert_allclose(table["Dice"], fits.dice)
    shown = columns_of_table(logic.showPopulation(population))
    assert list(shown["status"]).count("used") == len(population)
    assert all(shown["reason"][shown["status"] == "left out"] != "")


def test_a_cancelled_run_leaves_the_scene_as_it_was(logic, ellipsoid, personalized, population, cases, scene):
    patient = new_heart_segmentation(heart_of_case(cases[1]))
    before = scene.GetNumberOfNodes()

    def cancel(step, total, message="", values=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        logic.generate(ellipsoid, 3, patient=patient, progress=cancel)
    with pytest.raises(Cancelled):
        logic.personalize(population, "spherical", settings=QUICK, progress=cancel)
    with pytest.raises(Cancelled):
        logic.generate(personalized, 3, output="sequence", progress=cancel)
    assert scene.GetNumberOfNodes() == before


def test_wrong_requests_are_refused(logic, personalized, population, cases):
    with pytest.raises(ValueError, match="At least one infarct"):
        logic.generate(personalized, 0)
    with pytest.raises(ValueError, match="elliptical"):
        logic.personalize(population, "cubic")
    healthy = {
        role: mask
        for role, mask in heart_of_case(cases[0]).masks.items()
        if role not in ("cavity", "infarct")
    }
    node = new_segmentation("No cavity", cases[0].geometry, healthy)
    with pytest.raises(ValueError, match="cavity"):
        logic.generate(personalized, 1, patient=node)


def test_a_model_that_draws_nothing_is_refused(logic, personalized):
    class Empty:
        """Draws nothing."""

        name, anatomy, parameters = "empty", personalized.model.anatomy, personalized.model.parameters

        def sample(self, parameters, n, rng):
            return np.zeros((n, self.anatomy.n_voxels), dtype=bool)

    with pytest.raises(ValueError, match="too small"):
        logic.generate(replace(personalized, model=Empty()), 2)


def test_attributes_are_measured_on_the_patients_own_grids(population, cases):
    volumes = dict(zip(population.identifiers, population.attributes["infarct_ml"], strict=True))
    for case in cases:
        if case.identifier in volumes:
            expected = case.infarct.sum() * np.prod(case.geometry.spacing) / 1000
            assert volumes[case.identifier] == pytest.approx(expected, rel=1e-6)


def test_an_infarct_is_found_in_a_late_enhancement_volume(logic, cases):
    case = cases[1]
    rng = np.random.default_rng(0)
    image = np.where(case.myocardium, 40.0, 150.0) + np.where(case.infarct, 260.0, 0.0)
    volume = new_volume("LGE", image + rng.normal(0, 8, image.shape), case.geometry)
    masks = {"cavity": case.cavity, "myocardium": case.myocardium}
    node = new_segmentation("Patient", case.geometry, masks)
    found = segment_array(logic.infarctFromLGE(volume, node), "Infarct")
    overlap = 2 * (found & case.infarct).sum() / (found.sum() + case.infarct.sum())
    assert overlap > 0.95
    with pytest.raises(ValueError, match="n-SD"):
        logic.infarctFromLGE(volume, node, method="otsu")
    bare = new_segmentation("Bare", case.geometry, {"cavity": case.cavity})
    with pytest.raises(ValueError, match="no myocardium"):
        logic.infarctFromLGE(volume, bare)


def test_a_study_becomes_a_table_and_a_heat_map(logic, population, tmp_path):
    places = {("one", "a"): {"start": (22, 10, 16, 20)}, ("one", "b"): {"start": (9, 5, 9, 5)}}
    study = grid_study("two starts", "Two", "elliptical", places, launches=1, settings=QUICK)
    result = logic.study(study, population, tmp_path, workers=1)
    nodes = logic.showStudy(result)
    table = columns_of_table(nodes["table"])
    np.testing.assert_allclose(table["loss"], [row["loss"] for row in result.rows])
    image, _ = volume_array(nodes["heat map"])
    np.testing.assert_allclose(image[0], result.losses(), rtol=1e-6)
