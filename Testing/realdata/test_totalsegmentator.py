"""A real label map of TotalSegmentator: its names are read, and it is refused with the reason."""

from pathlib import Path

import pytest

from cardiactwins.mrml.twin_editor import TwinEditorLogic
from cardiactwins.mrml.twin_segmentation import heart_of_file
from cardiactwins.twin.label_table import nifti_label_names

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "totalsegmentator-ct"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the real data are not there ({FOLDER})"),
]


def test_the_names_of_117_structures_are_read():
    names = nifti_label_names(FOLDER / "example_seg.nii.gz")
    assert len(names) == 117
    assert (names[1], names[51], names[52], names[117]) == ("spleen", "heart", "aorta", "costal_cartilages")


def test_a_map_without_chambers_is_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"has no LV myocardium.*Found: aorta.*heartchambers_highres"):
        TwinEditorLogic().importTwin(FOLDER / "example_seg.nii.gz")


def test_a_mask_without_names_asks_what_it_is():
    with pytest.raises(ValueError, match="carries no names of its labels"):
        heart_of_file(FOLDER / "heart.nii.gz")
