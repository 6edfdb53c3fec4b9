"""Studies of cohorts as the worker process calls them, on folders of all kinds."""

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_morphology import tissue_volumes_ml
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import silent
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_files import write_case
from cardiactwins.mrml.twin_study_jobs import augmentation_job, editing_job, evaluation_job, sampling_job
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.label_resampling import resampled_labels
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import Sibling
from cardiactwins.twin.topology_guard import guard_topology
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin

GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))
LOADER = "gaussian_hearts:load"


@pytest.fixture(scope="module")
def weights(small_model, tmp_path_factory):
    return str(small_model.save(tmp_path_factory.mktemp("weights") / "hearts.npz"))


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    folder = tmp_path_factory.mktemp("population")
    for index in range(12):
        write_heart(folder / f"heart {index}.nrrd", ellipsoid_heart(np.random.default_rng([1, index])), GRID)
    return str(folder)


def on_twin_grid(seed):
    """An ellipsoid heart on the common grid, three voxels for each of the small one."""
    return np.pad(ellipsoid_heart(np.random.default_rng(seed)).repeat(3, 0).repeat(3, 1).repeat(3, 2), 4)


def test_studies_run_as_jobs_and_share_a_cohort_of_which_each_tells_its_own(weights, population, tmp_path):
    CohortFolder.create(tmp_path / "cohort", GRID)
    common = {"folder": tmp_path, "progress": silent, "weights": weights, "loader": LOADER, "batch": 4}
    noise = sampling_job(reference=population, number=10, steps=6, **common)
    assert noise["hearts"] == 10 and noise["nearest"] is None
    edits = editing_job(
        population=population, number=1, psis=[0.5], steps=6, dilation_mm=0.0, guard=False, **common
    )
    assert [row["TV (%)"] for row in edits["violations"]] == ["psi 0.5", "RV edit", "LV edit"]
    found = augmentation_job(
        population=population,
        measure="RV volume",
        least=0.0,
        made={"unconditional": 10},
        size=8,
        steps=6,
        **common,
    )
    assert found["references"] == 12 and found["strategies"]["unconditional"]["made"] == 10
    records = CohortFolder(tmp_path / "cohort").records()
    assert len(records) == 10 + 12 + 10
    for result, recipes in ((noise, 10), (edits, 12), (found, 10)):
        json_text(result)
        assert np.shape(result["volumes"]["reference"]) == (12, 2)
        assert 0 < len(result["volumes"]["made"]) <= recipes
    assert len(edits["volumes"]["made"]) == 12
    own = sorted(row.morphology[0] for row in records if row.recipe.twin)
    assert sorted(row[0] for row in edits["volumes"]["made"]) == pytest.approx(own)


def test_hearts_of_folders_with_which_something_is_seriously_wrong_are_told(tmp_path):
    wide = ImageGeometry.from_spacing((64,) * 3, (2.8,) * 3)
    phantom = whole_heart_phantom(np.random.default_rng([3, 1])).labels[::2, ::2, ::2]
    broken = phantom.copy()
    broken[int(np.argwhere(phantom == Tissue.LA)[:, 0].mean())][broken[0] == 0] = 0
    write_heart(tmp_path / "made" / "patient.nrrd", broken, wide)
    for number in range(12):
        write_heart(tmp_path / "reference" / f"{number}.nrrd", on_twin_grid(number), TWIN_GRID)
        write_heart(tmp_path / "made" / f"{number}.nrrd", on_twin_grid([2, number]), TWIN_GRID)
    found = evaluation_job(
        folder=tmp_path / "out",
        progress=silent,
        reference=str(tmp_path / "reference"),
        synthetic=str(tmp_path / "made"),
    )
    (told,) = found["doubtful"]
    assert told.startswith("made/patient: LA is fragmented")
    assert found["raw"]["hearts"] == 13


def test_hearts_on_another_grid_than_the_cohorts_are_refused(weights, population, tmp_path):
    common = {"folder": tmp_path, "progress": silent, "weights": weights, "loader": LOADER}
    CohortFolder.create(tmp_path / "cohort", GRID)
    write_heart(tmp_path / "other" / "one.nrrd", on_twin_grid(1), TWIN_GRID)
    with pytest.raises(ValueError, match=r"one\.nrrd lies on another grid, of 128 x 128 x 128 voxels"):
        sampling_job(reference=str(tmp_path / "other"), number=1, **common)


def test_twins_other_grids_and_cohorts_are_judged_by_what_they_hold(tmp_path):
    phantom = whole_heart_phantom(np.random.default_rng([3, 1]))
    fine = phantom.patient_geometry()
    matrix = fine.ijk_to_ras.copy()
    matrix[:3, :3] *= 2 / 1.4
    wide = ImageGeometry((90, 90, 90), matrix)
    patient = resampled_labels(phantom.labels, fine, wide)
    reference = tmp_path / "reference"
    for number in range(10):
        write_heart(reference / f"{number}.nrrd", on_twin_grid(number), TWIN_GRID)
    write_heart(reference / "patient.nrrd", patient, wide)
    twin = Twin(
        on_twin_grid(10), np.eye(4), np.zeros((2, 2, 2), np.uint8), ImageGeometry((2,) * 3, np.eye(4))
    )
    write_case(reference / "twin.npz", TwinCase(twin))
    cohort = CohortFolder.create(tmp_path / "cohort", TWIN_GRID)
    for number in range(8):
        labels = on_twin_grid([2, number])
        labels[2:4, 2:4, 2:4] = Tissue.RA
        if number == 0:
            labels[labels == Tissue.LA] = 0
        guarded = guard_topology(labels)
        checks = guarded.after if guarded.accepted else guarded.before
        recipe = Recipe("unconditional", number)
        cohort.store(Sibling(recipe, guarded.labels, labels, checks, guarded.before, guarded), "weights", 1.0)
    found = evaluation_job(
        folder=tmp_path, progress=silent, reference="reference", synthetic=str(cohort.path)
    )
    assert found["hearts"] == 8 and found["rejected"] == pytest.approx(1 / 8)
    assert found["raw"]["violations"]["value"] > 8 and found["guarded"]["violations"]["value"] == 0
    volumes = {tuple(np.round(row, 1)) for row in found["volumes"]["reference"]}
    ours = tissue_volumes_ml(on_twin_grid(10), TWIN_GRID.spacing)
    assert len(volumes) == 12 and (round(ours["LV"], 1), round(ours["RV"], 1)) in volumes
    size = np.count_nonzero(patient == Tissue.LV) * 0.008
    assert min(abs(row[0] - size) for row in volumes) < 0.02 * size
    assert np.shape(found["volumes"]["made"]) == (8, 2)
    assert (tmp_path / "report" / "cohort.html").is_file()
    json_text(found)
