"""Cohorts on disk: written once, resumed after a kill, never doubled."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gaussian_hearts import ellipsoid_heart

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_morphology import MORPHOLOGY_NAMES, heart_morphology
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.anatomy.whole_heart import HEART_TO_PATIENT
from cardiactwins.compute.memory import NotEnoughMemory
from cardiactwins.compute.progress import Cancelled
from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin import cohort_files
from cardiactwins.twin.cohort import measure_cohort
from cardiactwins.twin.cohort_files import CohortFolder, attempts_of, cohort_of
from cardiactwins.twin.cohort_run import make_cohort, own_device
from cardiactwins.twin.label_files import read_heart, write_heart
from cardiactwins.twin.recipe import Recipe
from cardiactwins.twin.siblings import RawHeart, make_siblings

LOADER = "gaussian_hearts:load"
GRID = ImageGeometry.from_spacing((40, 40, 40), (4.0, 4.0, 4.0), (-78.0, -78.0, -78.0))


@pytest.fixture(scope="module")
def weights(small_model, tmp_path_factory):
    return small_model.save(tmp_path_factory.mktemp("weights") / "hearts.npz")


@pytest.fixture
def folder(tmp_path):
    cohort = CohortFolder.create(tmp_path / "cohort", GRID)
    cohort.add_twin("seed heart", ellipsoid_heart(np.random.default_rng(100)))
    return cohort


def recipes(number, **values):
    values = {"kind": "perturbational", "twin": "seed heart", "psi": 0.5, "steps": 6, **values}
    return [Recipe(seed=seed, **values) for seed in range(number)]


def written(folder):
    """Name, time and content of every sibling's files."""
    return {
        file.name: (file.stat().st_mtime_ns, sha256_of(file))
        for file in (folder.path / "siblings").iterdir()
        if not file.name.startswith(".")
    }


def test_a_heart_comes_back_from_its_file_with_its_place_in_the_patient(tmp_path):
    heart = ellipsoid_heart(np.random.default_rng(0))[:, 2:, 4:]
    matrix = np.eye(4)
    turn = np.linalg.qr(HEART_TO_PATIENT)[0]
    matrix[:3, :3], matrix[:3, 3] = turn * (1.0, 2.0, 3.0), (5, -6, 7)
    geometry = ImageGeometry(heart.shape, matrix)
    for suffix in (".nrrd", ".nii.gz"):
        labels, found = read_heart(write_heart(tmp_path / f"heart{suffix}", heart, geometry))
        np.testing.assert_array_equal(labels, heart)
        np.testing.assert_allclose(found.ijk_to_ras, matrix, atol=1e-4)
    (tmp_path / "text.nrrd").write_text("nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        read_heart(tmp_path / "text.nrrd")


def test_each_sibling_is_written_with_its_recipe_and_what_it_measures(folder, weights, small_model):
    wanted = (
        recipes(2) + recipes(1, targets=("RV volume +10 %",)) + [Recipe("unconditional", seed=0, steps=6)]
    )
    run = make_cohort(folder, wanted, weights, loader=LOADER)
    assert (run.found, run.made, run.failed) == (0, 4, ())
    records = folder.records()
    assert {record.recipe for record in records} == set(wanted)
    key = sha256_of(weights)
    for record in records:
        assert record.weights == key and record.name == record.recipe.name(key)
        twin = folder.twin("seed heart") if record.recipe.twin else None
        (made,) = make_siblings(small_model, [record.recipe], twin, spacing=(4.0,) * 3)
        np.testing.assert_array_equal(folder.labels(record.name), made.labels)
        assert [row["met"] for row in record.targets] == [report.met for report in made.targets]
    measured = measure_cohort(list(folder.hearts(records)), (4.0,) * 3)
    stored = cohort_of(records)
    np.testing.assert_allclose(stored.morphology, measured.morphology)
    np.testing.assert_array_equal(stored.violated, measured.violated)
    assert len(cohort_of(records, raw=True)) == 4 and len(cohort_of([])) == 0


def test_a_heart_of_a_later_attempt_keeps_what_the_first_was(folder, small_model):
    (recipe,) = recipes(1, attempts=3, psi=0.2)
    (made,) = make_siblings(small_model, [recipe], folder.twin("seed heart"), spacing=(4.0,) * 3)
    torn = made.raw.copy()
    torn[2:6, 2:5, 36:39] = Tissue.RA
    first, reasons = RawHeart(torn, topology_checks(torn)), ("LA missing", "RA missing")
    folder.store(replace(made, attempt=2, rejected=reasons, first=first), "w", 1.0)
    record = folder.record(recipe, "w")
    assert record.raw_violated == ("RA in one piece",) and record.violated == ()
    np.testing.assert_allclose(record.raw_morphology, heart_morphology(torn, (4.0,) * 3))
    np.testing.assert_allclose(record.morphology, heart_morphology(made.labels, (4.0,) * 3))
    assert record.rejected == reasons and record.repaired == (made.labels != made.raw).sum()
    (row,) = csv.DictReader(folder.write_manifest().open())
    assert row["rejected"] == "LA missing; RA missing" and attempts_of([record]) == 3
    file = folder.path / "siblings" / f"{record.name}.json"
    values = json.loads(file.read_text())
    del values["rejected"]
    file.write_text(json.dumps(values))
    assert folder.record(recipe, "w") == replace(record, rejected=())


def test_the_manifest_has_one_row_a_sibling(folder, weights):
    make_cohort(folder, recipes(3), weights, loader=LOADER)
    rows = list(csv.DictReader((folder.path / "manifest.csv").open()))
    assert [row["name"] for row in rows] == [record.name for record in folder.records()]
    assert {int(row["seed"]) for row in rows} == {0, 1, 2}
    assert float(rows[0][MORPHOLOGY_NAMES[0]]) == pytest.approx(folder.records()[0].morphology[0])
    siblings = json.loads((folder.path / "manifest.json").read_text())["siblings"]
    assert [Recipe.from_values(one["recipe"]) for one in siblings] == [r.recipe for r in folder.records()]


def test_a_heat_map_counts_the_label_maps_as_they_are_stored(folder, weights):
    make_cohort(folder, recipes(3), weights, loader=LOADER)
    cohort = cohort_of(folder.records())
    found = folder.with_occupancy(cohort)
    hearts = [folder.labels(name) for name in cohort.names]
    for tissue in (0, 3):
        share = np.mean([labels == tissue for labels in hearts], axis=0)
        np.testing.assert_allclose(found.occupancy[tissue], share, atol=1e-6)
    assert found.names == cohort.names


def test_nothing_is_made_twice(folder, weights):
    make_cohort(folder, recipes(3), weights, loader=LOADER)
    before = written(folder)
    run = make_cohort(folder, recipes(5) + recipes(5), weights, loader=LOADER, batch=2)
    assert (run.found, run.made) == (3, 2)
    after = written(folder)
    assert {name: after[name] for name in before} == before and len(after) == 10


def test_other_weights_make_other_siblings(folder, weights, tmp_path):
    make_cohort(folder, recipes(1), weights, loader=LOADER)
    other = tmp_path / "other.npz"
    with np.load(weights) as archive:
        values = dict(archive)
    values["rest"] = values["rest"] * 2
    np.savez(other, **values)
    assert make_cohort(folder, recipes(1), other, loader=LOADER).made == 1
    assert len(folder.records()) == 2


def test_a_damaged_sibling_is_made_again(folder, weights):
    make_cohort(folder, recipes(3), weights, loader=LOADER)
    first, second, third = folder.records()
    whole = written(folder)
    (folder.path / "siblings" / f"{first.name}.nrrd").write_bytes(b"NRRD0004")
    (folder.path / "siblings" / f"{second.name}.json").write_text('{"name": ')
    (folder.path / "siblings" / f"{third.name}.nrrd").unlink()
    assert folder.records() == []
    assert make_cohort(folder, recipes(3), weights, loader=LOADER).made == 3
    labels = {name: digest for name, (_, digest) in written(folder).items() if name.endswith(".nrrd")}
    assert labels == {name: digest for name, (_, digest) in whole.items() if name.endswith(".nrrd")}


def test_batches_and_processes_make_the_same_cohort(folder, weights, tmp_path):
    make_cohort(folder, recipes(5), weights, loader=LOADER)
    other = CohortFolder.create(tmp_path / "pool", GRID)
    other.add_twin("seed heart", folder.twin("seed heart"))
    told = []
    run = make_cohort(
        other, recipes(5), weights, loader=LOADER, workers=2, batch=2, progress=lambda *a: told.append(a[:2])
    )
    assert (run.made, run.failed) == (5, ()) and told[-1] == (5, 5)
    for name, (_, digest) in written(folder).items():
        if name.endswith(".nrrd"):
            assert written(other)[name][1] == digest
    assert not list(other.path.glob(".cells*"))


def test_processes_take_the_devices_in_turn(tmp_path):
    devices, slots = ("cuda:0", "cuda:1", "cuda:2"), str(tmp_path / "slots")
    taken = [own_device.__wrapped__(devices, slots) for _ in range(5)]
    assert taken == ["cuda:0", "cuda:1", "cuda:2", "cuda:0", "cuda:1"]
    assert own_device(devices, slots) == own_device(devices, slots) == "cuda:2"


def test_a_dask_cluster_makes_the_same_cohort(folder, weights, tmp_path):
    distributed = pytest.importorskip("distributed")
    make_cohort(folder, recipes(3), weights, loader=LOADER)
    other = CohortFolder.create(tmp_path / "dask", GRID)
    other.add_twin("seed heart", folder.twin("seed heart"))
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        memory_limit=None,
        dashboard_address=":0",
        protocol="tcp://",
    ) as cluster:
        run = make_cohort(
            other,
            recipes(3),
            weights,
            loader=LOADER,
            scheduler=cluster.scheduler_address,
            devices=("cpu", "cpu"),
        )
    assert (run.made, run.failed) == (3, ())
    for name, (_, digest) in written(folder).items():
        if name.endswith(".nrrd"):
            assert written(other)[name][1] == digest


SCRIPT = """
import sys
sys.path[:0] = [{tests!r}, {benchmarks!r}]
import time
import numpy as np
from pathlib import Path
from test_cohort_files import LOADER, recipes
from cardiactwins.twin import cohort_files
from cardiactwins.twin.cohort_files import CohortFolder
from cardiactwins.twin.cohort_run import make_cohort, own_device
slow = cohort_files.write_heart
def write_slowly(path, labels, geometry):
    time.sleep(0.05)
    return slow(path, labels, geometry)
cohort_files.write_heart = write_slowly
make_cohort(CohortFolder(Path({folder!r})), recipes(40), {weights!r}, loader=LOADER, workers={workers})
"""


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.long), 2])
def test_a_kill_loses_nothing_finished_and_doubles_nothing(folder, weights, workers):
    here = Path(__file__).resolve().parent
    script = SCRIPT.format(
        tests=str(here),
        benchmarks=str(here.parent / "Benchmarks"),
        folder=str(folder.path),
        weights=str(weights),
        workers=workers,
    )
    command, single = [sys.executable, "-c", script], {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=single, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 600
        while len(folder.records()) < 4 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        # The workers hold its errors too: they end with the last of them, and nobody writes any more.
        process.communicate(timeout=600)
    finished = {record.name for record in folder.records()}
    assert 4 <= len(finished) < 40
    before = written(folder)
    run = make_cohort(folder, recipes(40), weights, loader=LOADER)
    assert run.found == len(finished) and run.made == 40 - len(finished)
    after = written(folder)
    for name in finished:
        for suffix in (".json", ".nrrd"):
            assert after[name + suffix] == before[name + suffix]
    records = folder.records()
    assert len(records) == 40 == len({record.recipe.seed for record in records})
    assert len(after) == 80
    assert len(list(csv.DictReader((folder.path / "manifest.csv").open()))) == 40


def test_a_full_disk_ends_the_run_and_keeps_what_is_there(folder, weights, monkeypatch):
    write, count = cohort_files.write_heart, []

    def fill(path, labels, geometry):
        count.append(path)
        if len(count) == 3:
            raise OSError(errno.ENOSPC, "The disk is full (0 MB free)")
        return write(path, labels, geometry)

    monkeypatch.setattr(cohort_files, "write_heart", fill)
    with pytest.raises(OSError, match="disk is full"):
        make_cohort(folder, recipes(5), weights, loader=LOADER)
    assert len(folder.records()) == 2
    monkeypatch.undo()
    assert make_cohort(folder, recipes(5), weights, loader=LOADER).found == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_want_of_memory_ends_the_run_and_keeps_what_is_there(folder, weights, workers):
    make_cohort(folder, recipes(2), weights, loader=LOADER)
    tried = []
    with pytest.raises(NotEnoughMemory, match=r"^Not enough memory\. Lower the batch or the number"):
        make_cohort(
            folder,
            recipes(6),
            weights,
            loader="greedy_loader:load",
            workers=workers,
            progress=lambda *values: tried.append(values[0]),
        )
    assert max(tried) == 2 and len(folder.records()) == 2
    assert make_cohort(folder, recipes(3), weights, loader=LOADER).found == 2


def test_cancelling_keeps_what_is_finished(folder, weights):
    def stop(step, total, message="", values=None):
        if step == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        make_cohort(folder, recipes(6), weights, loader=LOADER, progress=stop)
    assert len(folder.records()) == 3


def test_recipes_that_fail_are_told_and_the_others_made(folder, weights):
    wanted = [*recipes(2), *recipes(1, twin="nobody"), *recipes(1, targets=("RV volume 900 ml",))]
    run = make_cohort(folder, wanted, weights, loader=LOADER, ranges={"RV volume": (40.0, 120.0)})
    assert run.made == 2 and len(run.failed) == 2
    assert any("Add it to the cohort" in one for one in run.failed)
    assert any("outside what the model has seen" in one for one in run.failed)


def test_folders_and_names_that_do_not_fit_are_refused(folder, weights, tmp_path):
    with pytest.raises(ValueError, match="another grid"):
        CohortFolder.create(folder.path, ImageGeometry.from_spacing((40, 40, 40)))
    assert CohortFolder.create(folder.path, GRID) == folder
    with pytest.raises(ValueError, match="holds no cohort"):
        CohortFolder(tmp_path / "none").records() or CohortFolder(tmp_path / "none").geometry
    twin = folder.twin("seed heart")
    folder.add_twin("seed heart", twin)
    with pytest.raises(ValueError, match="is there and differs"):
        folder.add_twin("seed heart", np.roll(twin, 1, axis=0))
    with pytest.raises(ValueError, match="plain name"):
        folder.add_twin("../seed", twin)
    folder.add_region("patch", twin == 3)
    np.testing.assert_array_equal(folder.region("patch"), twin == 3)
    with pytest.raises(ValueError, match="1 sibling or more"):
        make_cohort(folder, recipes(1), weights, loader=LOADER, batch=0)
    with pytest.raises(FileNotFoundError):
        make_cohort(folder, recipes(1), tmp_path / "none.npz", loader=LOADER)


def test_what_a_killed_run_left_half_written_is_swept(folder, weights):
    old, new = (folder.path / "siblings" / f".0123456789ab-{name}.nrrd" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"NRRD")
    cells = folder.path / ".cells-old"
    cells.mkdir()
    for path in (old, cells):
        os.utime(path, (time.time() - 7200,) * 2)
    make_cohort(folder, recipes(1), weights, loader=LOADER)
    assert not old.exists() and not cells.exists() and new.exists() and len(folder.records()) == 1
