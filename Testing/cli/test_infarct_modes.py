import json

import numpy as np
import pytest

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.archive import load_population, save_population
from cardiactwins.infarct.embedding import LatentSpace
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.mrml.image_files import labels_from_file
from cardiactwins.mrml.volumes import volume_array


def test_modes_are_pictures_volumes_and_eigenvalues(
    infarct, population_file, small_reference, rows, tmp_path
):
    out = tmp_path / "modes"
    outcome = infarct("modes", population_file, "--dimensions", 2, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    space = LatentSpace.fit(load_population(population_file).lesions)
    table = rows(out / "eigenvalues.csv")
    np.testing.assert_allclose([float(row["eigenvalue"]) for row in table], space.eigenvalues, rtol=1e-6)
    patterns = space.modes(2)
    for mode in (1, 2):
        for step, deviation in enumerate((-2, -1, 0, 1, 2)):
            with labels_from_file(out / f"population.mode{mode}_{deviation:+d}std.nrrd") as node:
                values = volume_array(node)[0]
            inside = small_reference.from_image(values)
            np.testing.assert_allclose(inside, patterns[mode - 1, step], atol=1e-5)
            assert not values[~small_reference.mask].any()
    for picture in ("population.modes.png", "mean.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    assert set(outcome.summary["files"]) | {"report.json"} == {path.name for path in out.iterdir()}
    assert outcome.summary["sources"]["population"]["infarcts"] == 12
    assert json.loads((out / "report.json").read_text())["job"] == "infarct modes"


def test_a_population_and_a_model_share_one_latent_space(
    infarct, population_file, model_file, rows, tmp_path
):
    out = tmp_path / "modes"
    outcome = infarct("modes", population_file, model_file, "--count", 10, "--dimensions", 1, "--out", out)
    assert outcome.exit_code == 0, outcome.stderr
    table = rows(out / "latent.csv")
    assert [row["source"] for row in table] == ["population"] * 12 + ["model"] * 10
    assert table[0]["case"] == "case 0"
    for picture in ("latent.png", "attributes.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    assert "population" in outcome.stdout


def test_sources_of_one_name_are_kept_apart(infarct, population_file, rows, tmp_path):
    out = tmp_path / "modes"
    outcome = infarct("modes", population_file, population_file, "--dimensions", 1, "--out", out, "--json")
    assert list(outcome.summary["sources"]) == ["population", "population-2"]
    assert {row["source"] for row in rows(out / "eigenvalues.csv")} == {"population", "population-2"}


def test_sources_on_different_references_are_refused(infarct, population_file, tmp_path):
    anatomy = ReferenceAnatomy()
    lesions = np.random.default_rng(0).random((8, anatomy.n_voxels)) < 0.5
    other = save_population(InfarctPopulation(anatomy, lesions, tuple("abcdefgh")), tmp_path / "other.npz")
    outcome = infarct("modes", population_file, other, "--out", tmp_path / "modes")
    assert outcome.exit_code == 2
    assert "different references" in outcome.stderr
    assert not (tmp_path / "modes").exists()


@pytest.mark.parametrize("cases", [1, 6])
def test_a_population_too_small_for_a_latent_space_leaves_no_folder(
    infarct, population_file, tmp_path, cases
):
    population = load_population(population_file)
    few = InfarctPopulation(population.anatomy, population.lesions[:cases], population.identifiers[:cases])
    save_population(few, tmp_path / "few.npz")
    outcome = infarct("modes", tmp_path / "few.npz", "--out", tmp_path / "modes")
    assert outcome.exit_code == 2
    assert f"needs at least 7 images; found {cases}" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["few.npz"]
