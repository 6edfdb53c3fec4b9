"""The job of the panel that computes strain and onset of all slices, and the preview of a reconstruction."""

import json

import numpy as np
import pytest

from cardiactwins.compute.files import json_text
from cardiactwins.compute.progress import silent
from cardiactwins.lma.dense_phantom import dense_phantom
from cardiactwins.lma.heart_files import load_reconstruction, save_outlines
from cardiactwins.lma.heart_reconstruction import SliceOutlines
from cardiactwins.lma.jobs import activation_job, onset_job, reconstruct_job
from cardiactwins.lma.reconstruction import reconstruct
from cardiactwins.lma.shape_volume import phantom_volume
from cardiactwins.lma.slice_strain import slice_strain
from cardiactwins.lma.sparse_slices import cut_slices
from cardiactwins.lma.strain_phantom import simulate_strain

TRIM = 3


@pytest.fixture(scope="module")
def ring():
    return dense_phantom("LBBB", np.random.default_rng(0), pixel=3.0)


def written(ring, folder, name="dense-1.npz"):
    parts = {part: getattr(ring.images, part) for part in ("phase", "mask", "times", "ke", "pixel")}
    np.savez(folder / name, insertion=ring.insertion, **parts)
    return {"images": name, "seen_from_apex": True}


def test_images_and_strain_give_what_the_single_steps_give(ring, tmp_path):
    simulated = simulate_strain("LBBB", np.random.default_rng(1))
    steps = []
    result = activation_job(
        folder=tmp_path,
        progress=lambda *step: steps.append(step[:2]),
        slices=[
            written(ring, tmp_path),
            {"strain": simulated.strain.tolist(), "times": simulated.times.tolist()},
        ],
        method="change point",
        trim=TRIM,
    )
    strain = slice_strain(ring.images, ring.insertion)
    measured, times = strain.measured_matrix()[:, :-TRIM], strain.times[:-TRIM]
    expected = onset_job(
        folder=tmp_path,
        progress=silent,
        strain=[measured, simulated.strain],
        times=[times, simulated.times],
        method="change point",
    )
    assert {key: result[key] for key in expected} == expected
    assert result["strain"] == ["strain-1.npz", None]
    with np.load(tmp_path / "strain-1.npz") as found:
        np.testing.assert_allclose(found["matrix"], strain.matrix()[:, :-TRIM])
        np.testing.assert_allclose(found["measured"], measured)
        np.testing.assert_allclose(found["times"], times)
    assert steps == sorted(steps) and steps[0] == (0, 4) and steps[-1] == (4, 4)
    json.loads(json_text(result))


def test_a_slice_that_cannot_be_used_is_named(ring, tmp_path):
    given = [written(ring, tmp_path), written(ring, tmp_path, "dense-2.npz")]
    with np.load(tmp_path / "dense-2.npz") as parts:
        broken = {name: parts[name] for name in parts.files}
    broken["phase"] = np.where(broken["mask"], np.nan, broken["phase"])
    np.savez(tmp_path / "dense-2.npz", **broken)
    with pytest.raises(ValueError, match=r"Slice 2: .*NaN"):
        activation_job(folder=tmp_path, progress=silent, slices=given, method="change point")


def test_a_preview_is_the_interpolated_heart_and_comes_first(tmp_path):
    cut = cut_slices(phantom_volume(np.random.default_rng(0)), 5)
    outlines = SliceOutlines(cut.positions, cut.cavity, cut.myocardium)
    save_outlines(outlines, 1.5, tmp_path / "outlines.npz")
    told = []

    def note(_step, _total, _message="", values=None):
        told.append(values)
        raise KeyboardInterrupt  # what takes long need not be waited for

    with pytest.raises(KeyboardInterrupt):
        reconstruct_job(folder=tmp_path, progress=note, method="auto", preview=True)
    assert told == [{"preview": "preview.npz"}]
    quick = reconstruct(outlines, method="interpolation", voxel=1.5)
    found = load_reconstruction(tmp_path / "preview.npz")
    np.testing.assert_array_equal(found.surface.points, quick.surface.points)
    assert not (tmp_path / "reconstruction.npz").exists()
