"""Folders of whole hearts, from whatever made them."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from nifti_names import with_names

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.mrml import twin_populations
from cardiactwins.mrml.heart_files import heart_files
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_files import write_case
from cardiactwins.mrml.twin_populations import doubtful_hearts, hearts_of_folder, plain_names
from cardiactwins.twin.hearts import Hearts
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.training_hearts import HeartFolder
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin


def heart(tissue):
    labels = np.zeros(TWIN_GRID.shape, np.uint8)
    labels[40:60, 40:60, 40:60] = tissue
    return labels


def case(tissue):
    small = heart(tissue)[::4, ::4, ::4]
    return TwinCase(Twin(heart(tissue), np.eye(4), small, ImageGeometry(small.shape, np.eye(4)), "x"))


def test_twins_and_label_maps_are_hearts_by_their_files_names(tmp_path):
    write_case(tmp_path / "Ann v1.2.npz", case(Tissue.LV))
    (tmp_path / "Bob").mkdir()
    write_case(tmp_path / "Bob" / "twin.npz", case(Tissue.RV))
    write_heart(tmp_path / "Cy.nii.gz", heart(Tissue.LA), TWIN_GRID)
    # As `twin import` leaves it beside a twin.
    (tmp_path / "Ann v1.2.seg.nrrd").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("no heart")
    # As a killed run and macOS leave them.
    for name in (".0a1b2c-Cy.nii.gz", "._Cy.nii.gz", "._Ann.npz"):
        (tmp_path / name).write_bytes(b"half")
    found = hearts_of_folder(tmp_path)
    assert set(found) == {"Ann v1-2", "Bob", "Cy"}
    assert [path.name for path in heart_files(tmp_path)] == ["Ann v1.2.seg.nrrd", "Cy.nii.gz"]
    for name, tissue in (("Ann v1-2", Tissue.LV), ("Bob", Tissue.RV), ("Cy", Tissue.LA)):
        np.testing.assert_array_equal(found[name], heart(tissue))


def test_two_hearts_of_one_name_and_none_at_all_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no label maps"):
        hearts_of_folder(tmp_path)
    for ending in (".nrrd", ".mha"):
        write_heart(tmp_path / f"Ann{ending}", heart(Tissue.LV), TWIN_GRID)
    with pytest.raises(ValueError, match="would both be the heart 'Ann'"):
        hearts_of_folder(tmp_path)


def test_the_file_of_a_heart_that_cannot_be_used_is_named(tmp_path):
    labels = heart(Tissue.LV)
    write_heart(tmp_path / "Ann.nrrd", labels, TWIN_GRID)
    np.savez(tmp_path / "Bob.npz", nothing=labels[:1])
    found = hearts_of_folder(tmp_path)
    with pytest.raises(ValueError, match=r"Bob\.npz is no twin"):
        found["Bob"]
    np.testing.assert_array_equal(found["Ann"], labels)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_file_that_is_cut_off_is_refused_and_not_filled_with_background(tmp_path, ending):
    path = write_heart(tmp_path / f"Ann{ending}", heart(Tissue.LV), TWIN_GRID)
    path.write_bytes(path.read_bytes()[: int(0.9 * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"Ann\."):
        hearts_of_folder(tmp_path)["Ann"]
    with pytest.raises(ValueError, match=r"Ann\."):
        Hearts.in_folder(tmp_path)["Ann"]


def test_a_segmentation_where_mrml_is_not_at_hand_is_refused_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "Ann.seg.nrrd").write_bytes(b"")
    write_heart(tmp_path / "Bob.nrrd", heart(Tissue.LV), TWIN_GRID)
    monkeypatch.setitem(sys.modules, "cardiactwins.mrml.twin_segmentation", None)
    found = hearts_of_folder(tmp_path)
    np.testing.assert_array_equal(found["Bob"], heart(Tissue.LV))
    with pytest.raises(ValueError, match=r"Ann\.seg\.nrrd cannot be read here.*twin import"):
        found["Ann"]


def test_names_are_made_such_as_files_can_have_and_none_twice():
    found = plain_names(["2: CTA", "2- CTA", "2- cta", "", "v1.2", "2- CTA 2"])
    assert found == ["2- CTA", "2- CTA 2", "2- cta 3", "heart", "v1-2", "2- CTA 2 2"]


@pytest.fixture(scope="module")
def phantom():
    return whole_heart_phantom(np.random.default_rng([3, 1]))


@pytest.fixture
def imported(monkeypatch):
    """Hearts that would be imported come back as they were read."""
    monkeypatch.setattr(
        twin_populations, "import_twin", lambda labels, *_, **named: SimpleNamespace(labels=labels)
    )


def test_maps_with_names_are_read_by_them_and_others_by_values_of_tissues(phantom, imported, tmp_path):
    labels, wide = phantom.labels[::2, ::2, ::2], ImageGeometry((64,) * 3, np.diag([2.8, 2.8, 2.8, 1]))
    turned = np.where(labels > 0, 7 - labels, 0).astype(np.uint8)
    path = write_heart(tmp_path / "named.nii.gz", turned, wide)
    with_names(path, {7 - tissue: f"my {name}" for tissue, name in TISSUE_NAMES.items()})
    write_heart(tmp_path / "plain.nii.gz", labels, wide)
    found = hearts_of_folder(tmp_path)
    for name in ("named", "plain"):
        assert np.bincount(found[name].ravel()).tolist() == np.bincount(labels.ravel()).tolist()
    given = hearts_of_folder(tmp_path, {name: int(7 - tissue) for tissue, name in TISSUE_NAMES.items()})
    assert np.bincount(given["plain"].ravel()).tolist() == np.bincount(turned.ravel()).tolist()
    with_names(write_heart(path, turned, wide), dict.fromkeys(range(1, 7), "lung"))
    with pytest.raises(ValueError, match=r"named.*no left atrium"):
        hearts_of_folder(tmp_path)["named"]


def test_what_is_seriously_wrong_with_patients_hearts_is_told(phantom, tmp_path):
    wide = ImageGeometry((64,) * 3, np.diag([2.8, 2.8, 2.8, 1]))
    small = phantom.labels[::2, ::2, ::2]
    lowest = int(np.flatnonzero((small == Tissue.LV).any(axis=(1, 2)))[0])
    cut = np.concatenate([small[lowest + 3 :], np.zeros_like(small[: lowest + 3])])
    write_heart(tmp_path / "cut.nrrd", cut, wide)
    write_heart(tmp_path / "whole.nrrd", small, wide)
    write_heart(tmp_path / "on the grid.nrrd", heart(Tissue.LV), TWIN_GRID)
    write_case(tmp_path / "twin.npz", TwinCase(Twin(phantom.labels, np.eye(4), cut, wide, "x")))
    found = doubtful_hearts(tmp_path)
    assert set(found) == {"cut", "twin"}
    assert all("LV is cut off" in " ".join(remarks) for remarks in found.values())
    assert set(hearts_of_folder(tmp_path).without(found)) == {"on the grid", "whole"}
    HeartFolder.write(tmp_path / "training", 0, cut)
    assert doubtful_hearts(tmp_path / "training") == {}
