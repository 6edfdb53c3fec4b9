"""Names, codes and label values of the six tissues, and tables of labels in NIfTI headers."""

import gzip
import struct

import numpy as np
import pytest

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.twin.label_table import nifti_label_names
from cardiactwins.twin.label_values import heart_of_values
from cardiactwins.twin.tissue_names import (
    TOTALSEGMENTATOR_NAMES,
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2_HEART,
    missing_tissues_text,
    tissue_of_key,
    tissue_of_name,
    tissues_of_names,
)

V1_TOTAL = {
    6: "stomach",
    7: "aorta",
    8: "inferior_vena_cava",
    44: "heart_myocardium",
    45: "heart_atrium_left",
    46: "heart_ventricle_left",
    47: "heart_atrium_right",
    48: "heart_ventricle_right",
    49: "pulmonary_artery",
    58: "rib_left_1",
}
"""Label values of TotalSegmentator 1, task total, around the heart (its class map)."""
V2_HEART = {
    1: "heart_myocardium",
    2: "heart_atrium_left",
    3: "heart_ventricle_left",
    4: "heart_atrium_right",
    5: "heart_ventricle_right",
    6: "aorta",
    7: "pulmonary_artery",
}
"""Task heartchambers_highres of TotalSegmentator 2."""


@pytest.mark.parametrize(
    ("table", "values"), [(V1_TOTAL, TOTALSEGMENTATOR_V1), (V2_HEART, TOTALSEGMENTATOR_V2_HEART)]
)
def test_the_names_of_totalsegmentator_tell_the_same_as_its_label_values(table, values):
    assert tissues_of_names(table) == {tissue: value for value, tissue in values.items()}


@pytest.mark.parametrize(
    ("name", "tissue"),
    [
        ("LV_Myo", Tissue.MYO),
        ("myocardium of the left ventricle", Tissue.MYO),
        ("left atrium blood cavity", Tissue.LA),
        ("Left ventricle of heart", Tissue.LV),
        ("LV cavity", Tissue.LV),
        ("RV", Tissue.RV),
        ("ascending aorta", Tissue.AO),
        ("Linker Vorhof", Tissue.LA),
        ("oreillette droite", Tissue.RA),
        ("rechter Ventrikel", Tissue.RV),
    ],
)
def test_names_of_other_programs_and_languages(name, tissue):
    assert tissue_of_name(name) is tissue


@pytest.mark.parametrize(
    "name",
    [
        "heart",
        "RV myocardium",
        "LA wall",
        "aortic valve",
        "aorta wall",
        "left atrial appendage",
        "pulmonary_artery",
        "pulmonary_vein",
        "superior_vena_cava",
        "lung_upper_lobe_left",
        "kidney_left",
        "ventricle",
        "left and right atrium",
        "descending aorta",
    ],
)
def test_other_structures_are_none_of_the_six(name):
    assert tissue_of_name(name) is None


def test_an_exact_name_goes_before_one_that_only_looks_like_it():
    assert tissues_of_names({1: "aorta", 2: "aorta_2", 3: "LA", 4: "left atrium (old)"}) == {
        Tissue.AO: 1,
        Tissue.LA: 3,
    }


def test_two_names_for_one_tissue_are_told():
    with pytest.raises(ValueError, match="'left ventricle A' and 'left ventricle B' both look like"):
        tissues_of_names({1: "left ventricle A", 2: "left ventricle B"})


def test_a_person_names_a_tissue_as_they_like():
    for key in ("LA", "la", "left atrium", "heart_atrium_left", Tissue.LA):
        assert tissue_of_key(key) is Tissue.LA
    with pytest.raises(ValueError, match="none of the six"):
        tissue_of_key("spleen")


def test_the_reason_for_a_refusal_names_the_task_that_helps():
    text = missing_tissues_text("'scan'", {Tissue.AO}, ["aorta", "heart", "spinal_cord"])
    assert "no LV myocardium" in text and "no left atrium" in text
    assert "heartchambers_highres" in text
    other = missing_tissues_text("'scan'", {Tissue.AO}, ["aorta", "Kammer"])
    assert "heartchambers_highres" not in other and "'Kammer'" in other and "tissues={'Myo': " in other


def test_labels_without_names_that_are_left_are_told_where_a_tissue_is_missing():
    values = np.array([[[5, 6, 42, 8, 9, 10, 7]]])
    given = {"Ao": 5, "Myo": 6, "RV": 8, "LV": 9, "RA": 10}
    with pytest.raises(ValueError, match=r"no left atrium.*structures: '7', '42'.*tissues={'LA': '7'}"):
        heart_of_values("'scan'", values, given, {})


def test_an_image_is_not_taken_for_a_label_map():
    values = np.arange(-300, 300).reshape(6, 10, 10)
    preset = {"Ao": 1, "Myo": 2, "RV": 3, "LV": 4, "RA": 5, "LA": 6}
    for image, given in ((values, None), (values, preset), (values[:3], None), (values + 300, preset)):
        with pytest.raises(ValueError, match="'scan' looks like an image, not a label map: it has"):
            heart_of_values("'scan'", image, given, {})
    assert heart_of_values("'scan'", values[2:4], preset, {})[0].max() == 6


def nifti(path, extension, version=1, order="<"):
    """A NIfTI file of one voxel with one header extension, written by hand after the standard."""
    size = {1: 348, 2: 540}[version]
    head = bytearray(size)
    voxels_at = size + 4 + 8 + len(extension)
    struct.pack_into(f"{order}i", head, 0, size)
    if version == 1:
        struct.pack_into(f"{order}f", head, 108, voxels_at)
        head[344:348] = b"n+1\0"
    else:
        struct.pack_into(f"{order}q", head, 168, voxels_at)
        head[4:8] = b"n+2\0"
    flags = b"\1\0\0\0" if extension else b"\0\0\0\0"
    parts = struct.pack(f"{order}ii", 8 + len(extension), 0) + extension if extension else b""
    path.write_bytes((gzip.compress if path.suffix == ".gz" else bytes)(bytes(head) + flags + parts + b"\0"))
    return path


def caret(names):
    rows = "".join(f'<Label Key="{k}" Red="0" Alpha="1"><![CDATA[{v}]]></Label>' for k, v in names.items())
    table = f"<VolumeInformation><LabelTable>{rows}</LabelTable></VolumeInformation>"
    return f"  <CaretExtension>{table}</CaretExtension>".encode()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_label_names_are_read_from_the_header(tmp_path, version, order, ending):
    path = nifti(tmp_path / f"a{ending}", caret(V2_HEART), version, order)
    assert nifti_label_names(path) == V2_HEART


def test_a_header_without_names_has_none(tmp_path):
    assert nifti_label_names(nifti(tmp_path / "a.nii", b"")) == {}
    assert nifti_label_names(nifti(tmp_path / "b.nii.gz", b"other text")) == {}
    (tmp_path / "c.nii").write_bytes(b"short")
    assert nifti_label_names(tmp_path / "c.nii") == {}


def test_a_damaged_table_of_names_is_told(tmp_path):
    path = nifti(tmp_path / "a.nii", caret({1: "aorta"}).replace(b"</LabelTable>", b""))
    with pytest.raises(ValueError, match=r"a\.nii is damaged"):
        nifti_label_names(path)


def test_all_tables_name_all_six():
    for table in (TOTALSEGMENTATOR_V1, TOTALSEGMENTATOR_V2_HEART):
        assert set(table.values()) == set(Tissue)
    assert set(TOTALSEGMENTATOR_NAMES) == set(Tissue)
