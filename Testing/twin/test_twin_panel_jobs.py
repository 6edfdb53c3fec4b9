"""The jobs of TwinEditor's panel, as the worker process calls them."""

import json
import os

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import silent
from cardiactwins.mrml.twin_cohort_jobs import _edit_rows, cohort_job
from cardiactwins.twin.case_jobs import estimate_job
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.sibling_files import load_sibling

GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))
LOADER = "gaussian_hearts:load"


@pytest.fixture(scope="module")
def weights(small_model, tmp_path_factory):
    return str(small_model.save(tmp_path_factory.mktemp("weights") / "hearts.npz"))


def test_hearts_from_noise_come_back_as_a_table_figures_and_volumes(weights, tmp_path):
    for index in range(12):
        heart = ellipsoid_heart(np.random.default_rng([1, index]))
        write_heart(tmp_path / "reference" / f"heart {index}.nrrd", heart, GRID)
    CohortFolder.create(tmp_path / "cohort", GRID)
    found = cohort_job(
        folder=tmp_path,
        progress=silent,
        task="sampling",
        cohort=str(tmp_path / "cohort"),
        reference=str(tmp_path / "reference"),
        number=7,
        steps=12,
        device="CPU",
        weights=weights,
        loader=LOADER,
    )
    found = json.loads(json_text(found))
    rows = {row["cohort"]: row for row in found["rows"]}
    assert rows["raw"]["hearts"] == 7 and rows["halves of the reference"]["hearts"] == 12
    assert np.shape(found["volumes"]["reference"]) == (12, 2)
    accepted = [record for record in CohortFolder(tmp_path / "cohort").records() if record.accepted]
    assert np.shape(found["volumes"]["made"]) == (len(accepted), 2) and accepted
    assert found["figures"] and found["report"].endswith("unconditional.html")


def test_a_report_of_an_earlier_task_in_the_folder_is_none_of_this_one(tmp_path):
    page = tmp_path / "cohort" / "report" / "cohort.html"
    page.parent.mkdir(parents=True)
    page.write_text("of another task", encoding="utf-8")
    os.utime(page, (0, 0))
    found = cohort_job(
        folder=tmp_path, progress=silent, task="phantoms", cohort=str(tmp_path / "cohort"), number=1
    )
    assert found["rows"][0]["hearts"] == 1
    assert found["report"] == "" and found["figures"] == []


def test_tables_of_edits_have_raw_and_guarded_figures_side_by_side():
    found = {
        "violations": [{"TV (%)": "psi 0.5", "L+R+": 3.0, "L-R-": 1.26}],
        "violations_guarded": [{"TV (%)": "psi 0.5", "L+R+": 0.0, "L-R-": 0.0}],
    }
    assert _edit_rows(found) == [
        {"edit": "psi 0.5", "L+R+: TV (%) raw, guarded": "3.0, 0.0", "L-R-: TV (%) raw, guarded": "1.3, 0.0"}
    ]


def test_a_task_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no task 'guessing'"):
        cohort_job(folder=tmp_path, progress=silent, task="guessing", cohort=str(tmp_path), number=1)


def test_an_estimate_tells_seconds_and_memory_of_one_sibling(weights, tmp_path):
    write_heart(tmp_path / "twin.nrrd", ellipsoid_heart(np.random.default_rng(5)), GRID)
    recipe = Recipe("perturbational", 0, twin="a", psi=0.5)
    found = estimate_job(
        folder=tmp_path, progress=silent, weights=weights, recipe=recipe.values(), loader=LOADER
    )
    assert found["seconds"] > 0 and found["memory_bytes"] > 1e8


def test_a_file_that_holds_no_sibling_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", labels=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz is no sibling"):
        load_sibling(tmp_path / "other.npz")
