"""What goes wrong while cohorts are made at the command line: kills, full disks, weights that are none."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import block_hearts
import pytest

from cardiactwins.compute.weights import sha256_of
from cardiactwins.twin import cohort_files
from cardiactwins.twin.cohort_files import CohortFolder

QUICK = ("--steps", 2, "--no-guard")


def finished(out):
    """Name, time and content of every file of the siblings that are whole."""
    return {
        file.name: (file.stat().st_mtime_ns, sha256_of(file))
        for record in CohortFolder(out).records()
        for file in (out / "siblings").glob(f"{record.name}.*")
    }


def test_a_killed_run_goes_on_and_loses_and_doubles_nothing(twin, stand_in, tmp_path):
    out = tmp_path / "out"
    options = [*map(str, ("-n", 60, *QUICK, *stand_in, "--out", out))]
    process = subprocess.Popen(
        [sys.executable, "-m", "cardiactwins", "twin", "sample", *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(block_hearts.__file__).parent)},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 600
        while len(list((out / "siblings").glob("[!.]*.json"))) < 2 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = finished(out)
    there = len(before) // 2
    assert 2 <= there < 60
    number = there + 2
    again = twin("sample", "-n", number, *QUICK, *stand_in, "--out", out, "--json")
    assert again.exit_code == 0, again.stderr
    assert (again.summary["found"], again.summary["made"]) == (there, 2)
    after = finished(out)
    assert before.items() <= after.items() and len(after) == 2 * number
    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(one["recipe"]["seed"] for one in manifest["siblings"]) == list(range(number))


def test_two_processes_make_what_one_makes(twin, stand_in, tmp_path):
    labels = []
    for workers in (0, 2):
        out = tmp_path / str(workers)
        options = ("-n", 2, *QUICK, *stand_in, "--workers", workers, "--out", out, "--json")
        outcome = twin("sample", *options)
        assert outcome.exit_code == 0, outcome.stderr
        assert (outcome.summary["made"], outcome.summary["failed"]) == (2, [])
        labels.append({name: digest for name, (_, digest) in finished(out).items() if name.endswith(".nrrd")})
    assert len(labels[0]) == 2 and labels[0] == labels[1]
    assert "2 processes" in outcome.stderr


def test_a_full_disk_ends_the_run_and_keeps_what_is_there(twin, stand_in, tmp_path, monkeypatch):
    write, count = cohort_files.write_heart, []

    def fill(path, labels, geometry):
        count.append(path)
        if len(count) == 2:
            raise OSError(errno.ENOSPC, "The disk is full (0 MB free)", str(path))
        return write(path, labels, geometry)

    options = ("-n", 3, *QUICK, *stand_in, "--out", tmp_path / "out", "--json")
    with monkeypatch.context() as full:
        full.setattr(cohort_files, "write_heart", fill)
        outcome = twin("sample", *options)
    assert outcome.exit_code == 1 and "disk is full" in outcome.stderr
    before = finished(tmp_path / "out")
    assert len(before) == 2
    again = twin("sample", *options)
    assert (again.summary["found"], again.summary["made"]) == (1, 2)
    assert before.items() <= finished(tmp_path / "out").items()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model as a training leaves it: weights and their card."""
    pytest.importorskip("torch")
    import torch

    from cardiactwins.compute.weights import save_weights

    path = tmp_path_factory.mktemp("trained") / "twin.safetensors"
    return save_weights({"scale.mean": torch.zeros(1)}, path, kind="twin", card={"steps": 1})


def test_weights_that_cannot_be_used_are_told_with_the_reason(twin, trained, tmp_path):
    pytest.importorskip("monai")

    def copied(change):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name in ("twin.safetensors", "twin.json"):
            (folder / name).write_bytes((trained.parent / name).read_bytes())
        change(folder)
        return folder / "twin.safetensors"

    def with_card(**values):
        def change(folder):
            card = json.loads((folder / "twin.json").read_text())
            (folder / "twin.json").write_text(json.dumps({**card, **values}))

        return change

    cut = copied(lambda folder: (folder / "twin.safetensors").write_bytes(trained.read_bytes()[:-4]))
    for weights, reason in (
        (tmp_path / "none.safetensors", "There are no weights"),
        (copied(lambda folder: (folder / "twin.json").unlink()), "with its card"),
        (copied(lambda folder: (folder / "twin.json").write_text("{")), "is damaged"),
        (cut, "SHA256 differs"),
        (copied(with_card(format="cardiactwins weights 9")), "not of 'twin' in this version's format"),
        (copied(with_card(kind="lma-onset")), "holds weights of 'lma-onset'"),
        (trained, "does not fit the networks of this version"),
    ):
        outcome = twin("sample", "--weights", weights, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and reason in outcome.stderr, outcome.stderr
        assert not (tmp_path / "out").exists()


def test_a_device_that_does_not_compute_is_refused(twin, stand_in, tmp_path):
    for device in ("cuda:77", "abacus"):
        outcome = twin("sample", *QUICK, *stand_in, "--device", device, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and f"--device {device} cannot be used" in outcome.stderr
        assert not (tmp_path / "out").exists()
