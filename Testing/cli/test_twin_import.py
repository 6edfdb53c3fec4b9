"""`cardiactwins twin import`: hearts in files as twins, and what is told of them."""

import json

import numpy as np
import pytest

from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.mrml.twin_files import read_case
from cardiactwins.mrml.twin_segmentation import heart_of_file
from cardiactwins.twin.label_files import write_heart

FILES = {"twin.npz", "twin.seg.nrrd", "report.json"}
OWN_NAMES = ",".join(f"{name}=My {name}" for name in TISSUE_NAMES.values())


@pytest.fixture(scope="module")
def imported(twin, heart_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("import") / "twin"
    outcome = twin("import", heart_file, "--tissues", OWN_NAMES, "--out", out, "--json")
    assert outcome.exit_code == 0, outcome.stderr
    return out, outcome.summary


def test_a_segmentation_becomes_a_twin_with_the_way_back(imported, oblique_heart):
    out, summary = imported
    assert {path.name for path in out.iterdir()} == FILES
    case = read_case(out / "twin.npz")
    labels, geometry = oblique_heart
    np.testing.assert_array_equal(case.in_patient(), labels)
    np.testing.assert_allclose(case.twin.original_geometry.ijk_to_ras, geometry.ijk_to_ras, atol=1e-6)
    assert case.styles[Tissue.LV].name == "My LV"
    assert case.styles[Tissue.RA].color == pytest.approx((0.5, 0.5, 0.2), abs=1e-3)
    np.testing.assert_allclose(summary["heart_to_ras"], case.twin.heart_to_ras)
    assert summary["volumes_ml"]["LV"] == pytest.approx((labels == Tissue.LV).sum() * 2.5**3 / 1000)
    assert min(summary["there_and_back_dice"].values()) > 0.95


def test_the_twin_to_look_at_lies_in_the_patient(imported):
    out, _ = imported
    case = read_case(out / "twin.npz")
    names = {name: f"My {name}" for name in TISSUE_NAMES.values()}
    seen = heart_of_file(out / "twin.seg.nrrd", names)
    assert seen.labels.shape == (128, 128, 128)
    np.testing.assert_array_equal(seen.labels, case.twin.labels)
    np.testing.assert_allclose(seen.geometry.ijk_to_ras, case.twin.geometry.ijk_to_ras, atol=1e-4)


def test_the_report_tells_what_is_wrong_and_cleaning_mends_it(twin, oblique_heart, tmp_path):
    labels, geometry = oblique_heart
    broken = labels.copy()
    broken[2:6, 2:6, 2:6] = Tissue.LA
    path = write_heart(tmp_path / "broken.nrrd", broken, geometry)
    known = ("--tissues", "CardiacTwins", "--json")
    assert twin("import", path, *known, "--out", tmp_path / "a").exit_code == 0
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert any("LA" in remark and "pieces" in remark for remark in report["results"]["remarks"])
    assert twin("import", path, *known, "--clean", "--out", tmp_path / "b").exit_code == 0
    np.testing.assert_array_equal(read_case(tmp_path / "b" / "twin.npz").twin.original, labels)


def test_what_is_no_whole_heart_is_refused_with_the_reason(twin, oblique_heart, tmp_path):
    labels, geometry = oblique_heart

    def refused(path, *options):
        outcome = twin("import", path, *options, "--out", tmp_path / "out")
        assert outcome.exit_code == 2 and not (tmp_path / "out").exists()
        return outcome.stderr

    assert "No such file" in refused(tmp_path / "none.nrrd")
    without_ra = write_heart(tmp_path / "no-ra.nrrd", np.where(labels == Tissue.RA, 0, labels), geometry)
    assert "has no right atrium" in refused(without_ra, "--tissues", "CardiacTwins")
    empty = write_heart(tmp_path / "empty.nrrd", np.zeros_like(labels), geometry)
    assert "is empty" in refused(empty, "--tissues", "CardiacTwins")
    whole = write_heart(tmp_path / "whole.nrrd", labels, geometry)
    assert "--tissues" in refused(whole, "--tissues", "LA=2,LA=3")
    assert "which is which (--tissues LA=2,...)" in refused(whole)
    assert "There is no table of labels 'Mine'" in refused(whole, "--tissues", "Mine")
    assert "--alignment is axis or rigid" in refused(whole, "--alignment", "free")
    (tmp_path / "text.nrrd").write_text("no image")
    assert "text.nrrd" in refused(tmp_path / "text.nrrd")


def test_a_file_that_is_no_twin_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    (tmp_path / "text.npz").write_text("no archive")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match=f"{name} is no twin"):
            read_case(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_case(tmp_path / "none.npz")
