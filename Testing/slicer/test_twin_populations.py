"""Folders of whole hearts, from whatever made them."""

import sys

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_files import write_case
from cardiactwins.mrml.twin_populations import hearts_of_folder, plain_names
from cardiactwins.twin.label_files import write_heart
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
    found = hearts_of_folder(tmp_path)
    assert set(found) == {"Ann v1-2", "Bob", "Cy"}
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
