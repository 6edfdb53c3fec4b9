"""Which segment is what."""

import numpy as np
import pytest

from cardiactwins.mrml.role_guess import guess_roles, role_of_name
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES
from cardiactwins.mrml.segmentations import add_segment, new_segmentation

NAMES = {
    "cavity": "LV; LVC; LV_bp; LV blood pool; LVEndo; Endocardium; heart_ventricle_left; left ventricle; "
    "VG; cavité VG; linker Ventrikel; Blut",
    "myocardium": "LVMyo; LV_Myo; lv-myocardium; myocardium; heart_myocardium; LV wall; LVM; myocarde; "
    "paroi VG; healthy myocardium; left ventricle myocardium; Myokard; Herzmuskel; LV epicardium",
    "infarct": "Infarct; infarcted myocardium; scar; LV_scar; scar core; LGE; MI; fibrosis; "
    "late enhancement; infarctus; cicatrice; Infarkt; Infarktnarbe; Myokardinfarkt; Narbe; Segment_2_infarct",
    "no_reflow": "MVO; no-reflow; NoReflow; no_reflow; microvascular obstruction; PMO; "
    "MVO in infarct; obstruction microvasculaire; mikrovaskuläre Obstruktion",
    "border_zone": "border zone; BorderZone; BZ; grey zone; gray_zone; peri-infarct zone; "
    "zone grise; Randzone",
    "right_ventricle": "RV; RV cavity; RVBP; right ventricle; heart_ventricle_right; VD; ventricule droit; "
    "rechter Ventrikel",
}


@pytest.mark.parametrize("role", NAMES)
def test_names_in_three_languages_tell_the_role(role):
    assert {name: role_of_name(name) for name in NAMES[role].split("; ")} == dict.fromkeys(
        NAMES[role].split("; "), role
    )


def test_other_structures_have_no_role():
    others = (
        "heart_atrium_left; Aorta; papillary muscles; RV myocardium; remote myocardium; Segment_1; RA; fat"
    )
    assert {name: role_of_name(name) for name in others.split("; ")} == dict.fromkeys(others.split("; "))


def segmentation(grid, names):
    node = new_segmentation("heart", grid, {})
    for name in names:
        add_segment(node, name, np.ones(grid.shape, bool), grid, segment_id=f"id of {name}")
    return node


def test_roles_are_guessed_from_names(oblique_grid):
    node = segmentation(oblique_grid, ["scar", "LV", "LV Myo", "Aorta"])
    assert guess_roles(node) == {"cavity": "id of LV", "myocardium": "id of LV Myo", "infarct": "id of scar"}


def test_terminology_goes_before_the_name(oblique_grid):
    node = segmentation(oblique_grid, ["LV"])
    add_segment(
        node,
        "Segment_2",
        np.ones(oblique_grid.shape),
        oblique_grid,
        None,
        SEGMENT_ROLES["no_reflow"].terminology,
    )
    scarred = "Other~SCT^49755003^Morphologically Altered Structure~DCM^122113^Scarred Myocardium~^^~~^^~^^"
    add_segment(node, "LV Myo", np.ones(oblique_grid.shape), oblique_grid, None, scarred)
    assert guess_roles(node) == {"cavity": "id of LV", "infarct": "LV Myo", "no_reflow": "Segment_2"}


def test_two_segments_for_one_role_ask_which(oblique_grid):
    node = segmentation(oblique_grid, ["scar 5SD", "scar FWHM"])
    with pytest.raises(
        ValueError, match=r"'scar 5SD' and 'scar FWHM' of 'heart' both look like the role 'infarct'"
    ):
        guess_roles(node)
    assert guess_roles(node, {"infarct": "scar FWHM"}) == {"infarct": "id of scar FWHM"}


def test_the_standard_name_wins_over_another(oblique_grid):
    node = segmentation(oblique_grid, ["scar 5SD", "Infarct"])
    assert guess_roles(node) == {"infarct": "id of Infarct"}


def test_an_assigned_segment_is_not_guessed_again(oblique_grid):
    node = segmentation(oblique_grid, ["LV", "scar"])
    assert guess_roles(node, {"myocardium": "LV"}) == {"myocardium": "id of LV", "infarct": "id of scar"}


def test_wrong_assignments_are_refused(oblique_grid):
    node = segmentation(oblique_grid, ["LV"])
    with pytest.raises(ValueError, match=r"no segment 'wall'. Its segments: 'LV'"):
        guess_roles(node, {"myocardium": "wall"})
    with pytest.raises(ValueError, match=r"Unknown segment roles: scar"):
        guess_roles(node, {"scar": "LV"})
