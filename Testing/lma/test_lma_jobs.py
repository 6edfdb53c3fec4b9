"""LMAReconstruct's jobs, as the worker process calls them, against the same functions called here."""

import json

import numpy as np
import pytest

from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import silent
from cardiactwins.lma.dense_phantom import dense_phantom
from cardiactwins.lma.heart_files import (
    load_outlines,
    load_reconstruction,
    save_outlines,
    save_reconstruction,
)
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.jobs import onset_job, reconstruct_job, strain_job
from cardiactwins.lma.onset import estimate_onset
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.shape_volume import phantom_volume
from cardiactwins.lma.slice_strain import slice_strain
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.strain_phantom import simulate_strain


@pytest.fixture(scope="module")
def outlines():
    cut = cut_slices(phantom_volume(np.random.default_rng(0)), 6)
    points = np.random.default_rng(1).uniform(10, 50, (5, 3))
    return SliceOutlines(cut.positions, cut.cavity, cut.myocardium, points, np.ones((5, 2), np.float32), 51.0)


def same(first, second):
    np.testing.assert_array_equal(first.volume.myocardium, second.volume.myocardium)
    np.testing.assert_array_equal(first.surface.points, second.surface.points)
    np.testing.assert_array_equal(first.surface.triangles, second.surface.triangles)
    assert first.agreement == second.agreement and first.method == second.method


def test_outlines_and_reconstructions_come_back_from_files(outlines, tmp_path):
    found, voxel = load_outlines(save_outlines(outlines, 1.6, tmp_path / "outlines.npz"))
    assert voxel == 1.6
    for name in ("positions", "cavity", "myocardium", "points", "values", "apex"):
        np.testing.assert_array_equal(getattr(found, name), getattr(outlines, name))
    made = reconstruct(outlines, method="interpolation", voxel=1.6)
    same(load_reconstruction(save_reconstruction(made, tmp_path / "made.npz")), made)
    with pytest.raises(ValueError, match="holds 'cardiactwins slice outlines 2'"):
        load_reconstruction(tmp_path / "outlines.npz")
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        load_outlines(tmp_path / "broken.npz")


def test_a_reconstruction_in_a_job_folder_is_that_of_a_call(outlines, tmp_path):
    save_outlines(outlines, 1.5, tmp_path / "outlines.npz")
    result = reconstruct_job(folder=tmp_path, progress=silent, method="interpolation")
    assert json.loads(json_text(result))["method"] == "interpolation"
    found = load_reconstruction(tmp_path / result["file"])
    same(found, reconstruct(outlines, method="interpolation", voxel=1.5))
    assert result["dice"] == [slice_.dice for slice_ in found.agreement]


def test_onsets_of_a_job_are_those_of_a_call():
    slices = [simulate_strain("LBBB", np.random.default_rng(seed)) for seed in (0, 1)]
    result = onset_job(
        folder=None,
        progress=silent,
        strain=[slice_.strain.tolist() for slice_ in slices],
        times=[slice_.times.tolist() for slice_ in slices],
        method="change point",
    )
    for tos, upper, slice_ in zip(result["tos"], result["upper"], slices, strict=True):
        expected = estimate_onset(slice_.strain, slice_.times)
        np.testing.assert_array_equal(tos, expected.tos)
        np.testing.assert_array_equal(upper, expected.upper)
    assert result["method"] == "change point" and result["late"] == [None, None]
    json_text(result)


def test_strain_of_a_job_is_that_of_a_call(tmp_path):
    ring = dense_phantom("normal", np.random.default_rng(0), pixel=3.0)
    images = ring.images
    parts = {name: getattr(images, name) for name in ("phase", "mask", "times", "ke", "pixel")}
    np.savez(tmp_path / "dense.npz", insertion=ring.insertion, **parts)
    result = strain_job(folder=tmp_path, progress=silent, sectors=12)
    expected = slice_strain(images, ring.insertion)
    with np.load(tmp_path / result["file"]) as found:
        np.testing.assert_allclose(found["matrix"], expected.matrix(12))
        np.testing.assert_allclose(found["measured"], expected.measured_matrix(12))
