"""TwinEditor's jobs, as the worker process calls them, against the same functions called here."""

import json
from dataclasses import replace

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import Cancelled
from cardiactwins.twin.label_files import read_heart, write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_files import load_sibling, save_sibling
from cardiactwins.twin.sibling_jobs import StepPreview, siblings_job
from cardiactwins.twin.siblings import RawHeart, make_siblings, tissue_changes

GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))
LOADER = "gaussian_hearts:load"


@pytest.fixture(scope="module")
def weights(small_model, tmp_path_factory):
    return str(small_model.save(tmp_path_factory.mktemp("weights") / "hearts.npz"))


def test_siblings_in_a_job_folder_are_those_of_a_call(small_model, weights, tmp_path):
    twin = ellipsoid_heart(np.random.default_rng(100))
    region = np.zeros_like(twin)
    region[5:24, 10:32, 20:36] = 1
    write_heart(tmp_path / "twin.nrrd", twin, GRID)
    write_heart(tmp_path / "region.nrrd", region, GRID)
    recipes = [
        Recipe("perturbational", seed=3, psi=0.5, twin="a", targets=("RV volume +10 %",)),
        Recipe("localized", seed=4, twin="a", region="painted", dilation_mm=0, exact=True),
        Recipe("unconditional", seed=5),
    ]
    told = []
    result = siblings_job(
        folder=tmp_path,
        progress=lambda *a: told.append(a),
        weights=weights,
        recipes=[recipe.values() for recipe in recipes],
        preview=True,
        loader=LOADER,
    )
    rows = json.loads(json_text(result))["siblings"]
    for recipe, row in zip(recipes, rows, strict=True):
        (made,) = make_siblings(small_model, [recipe], twin, region=region > 0, spacing=GRID.spacing)
        labels, geometry = read_heart(tmp_path / row["file"])
        same_sibling(load_sibling(tmp_path / row["record"]), made)
        np.testing.assert_array_equal(labels, made.labels)
        np.testing.assert_allclose(geometry.ijk_to_ras, GRID.ijk_to_ras)
        assert Recipe.from_values(row["recipe"]) == recipe and row["accepted"] == made.accepted
        assert row["changes"] == tissue_changes(twin, made.labels, GRID.spacing)
    assert rows[0]["targets"][0]["measure"] == "RV volume" and rows[0]["targets"][0]["met"]
    assert told[-1][0] == told[-1][1] == 60 and told[1][3]["preview"] == "preview.npy"
    for n, row in enumerate(rows, start=1):
        assert [seen["step"] for seen in row["watched"]][-2:] == [18, 19] and len(row["watched"]) >= 6
        last = [values for *_, message, values in told[1:] if message.startswith(f"Sibling {n} of 3")][-1]
        assert last["violated"] == row["watched"][-1]["violated"]
    assert np.load(tmp_path / "preview.npy").shape == (40, 40)


def test_the_preview_is_the_middle_slice_of_the_heart_expected(small_model, tmp_path):
    latent = small_model.encode(small_model_input(100))
    preview = StepPreview(small_model, tmp_path / "step.npy", plane=0, every=5)
    preview(3, 1.0, latent, latent)
    assert not (tmp_path / "step.npy").exists()
    preview(5, 1.0, latent, latent)
    labels = small_model.labels(latent)[0]
    assert [row["step"] for row in preview.counts] == [5]
    assert preview.counts[0]["violated"] == [c.name for c in topology_checks(labels) if not c.holds]
    middle = int(np.argwhere(labels > 0)[:, 0].mean())
    np.testing.assert_array_equal(np.load(tmp_path / "step.npy"), labels[middle])
    preview(7, 0.0, latent * 0, latent)
    assert (np.load(tmp_path / "step.npy") != labels[middle]).any()


def same_sibling(found, made):
    """All of a sibling but its seam comes back from a file."""
    assert (found.recipe, found.attempt, found.rejected) == (made.recipe, made.attempt, made.rejected)
    assert found.targets == made.targets and found.accepted == made.accepted
    np.testing.assert_array_equal(found.labels, made.labels)
    np.testing.assert_array_equal(found.raw, made.raw)
    assert (found.first is None) == (made.first is None)
    np.testing.assert_array_equal(found.first_raw.labels, made.first_raw.labels)
    for one, other in (
        (found.checks, made.checks),
        (found.raw_checks, made.raw_checks),
        (found.first_raw.checks, made.first_raw.checks),
    ):
        assert [(c.name, c.holds) for c in one] == [(c.name, c.holds) for c in other]
    assert (found.guarded is None) == (made.guarded is None)
    for one, other in zip(found.guarded.repairs, made.guarded.repairs, strict=True):
        assert (one.check, one.action) == (other.check, other.action)
        np.testing.assert_array_equal(one.voxels, other.voxels)


def test_the_first_attempt_comes_back_from_a_file(small_model, tmp_path):
    (made,) = make_siblings(small_model, [Recipe("unconditional", seed=0, attempts=2)], spacing=GRID.spacing)
    same_sibling(load_sibling(save_sibling(tmp_path / "one.npz", made)), made)
    torn = made.raw.copy()
    torn[2:6, 2:5, 36:39] = Tissue.RA
    later = replace(made, attempt=1, rejected=("torn",), first=RawHeart(torn, topology_checks(torn)))
    same_sibling(load_sibling(save_sibling(tmp_path / "two.npz", later)), later)


def small_model_input(seed):
    import torch

    return torch.from_numpy(ellipsoid_heart(np.random.default_rng(seed)))[None]


def test_a_job_stops_when_asked(weights, tmp_path):
    def stop(step, total, message="", values=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        siblings_job(
            folder=tmp_path,
            progress=stop,
            weights=weights,
            recipes=[Recipe("unconditional", seed=0).values()],
            loader=LOADER,
        )
    assert not (tmp_path / "sibling-1.nrrd").exists()
