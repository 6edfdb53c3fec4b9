"""Attributes of lesions with known depth, width and place, and against loops written plainly."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.aha import reference_segments
from cardiactwins.anatomy.coordinates import lv_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.attributes import (
    attribute_columns,
    case_attributes,
    endocardial_extent,
    infarct_center,
    infarct_size,
    lesion_attributes,
    no_reflow_share,
    sector_fractions,
    segment_fractions,
    transmurality,
    write_attributes_csv,
)
from cardiactwins.infarct.phantom_cases import paint_phantom
from cardiactwins.infarct.population import InfarctCase

FLAT = ReferenceAnatomy()
DEEP = ReferenceAnatomy(slices=11)
HALF_PIXEL = 0.5 / (FLAT.epicardial_radius - FLAT.endocardial_radius)


def wedge(anatomy, depth=1.0, width=1.0):
    """Lesions from the endocardium to a depth, from the insertion over a share of the circumference."""
    return (anatomy.radial <= depth) & (anatomy.circumferential < width)


def blobs(anatomy, n=8, seed=0):
    rng = np.random.default_rng(seed)
    centers = anatomy.positions[rng.integers(anatomy.n_voxels, size=n)]
    return np.linalg.norm(anatomy.positions - centers[:, None], axis=2) < rng.uniform(5, 25, n)[:, None]


@pytest.mark.parametrize("anatomy", [FLAT, DEEP])
@pytest.mark.parametrize("depth", [0.2, 0.5, 0.8])
def test_transmurality_is_the_depth_that_a_ring_reaches(anatomy, depth):
    assert transmurality(wedge(anatomy, depth)[None], anatomy)[0] == pytest.approx(depth, abs=HALF_PIXEL)


def test_transmurality_is_a_mean_over_spokes_with_infarct_as_a_plain_loop_takes_it():
    lesions = blobs(FLAT)
    distance = np.hypot(FLAT.positions[:, 0], FLAT.positions[:, 1])
    for lesion, found in zip(lesions, transmurality(lesions, FLAT), strict=True):
        shares = []
        for spoke in range(72):
            inside = (FLAT.circumferential >= spoke / 72) & (FLAT.circumferential < (spoke + 1) / 72)
            share = (lesion / distance)[inside].sum() / (1 / distance)[inside].sum()
            if share > 0:
                shares.append(share)
        assert found == pytest.approx(np.mean(shares), rel=1e-5)


@pytest.mark.parametrize("anatomy", [FLAT, DEEP])
def test_whole_wall_is_fully_transmural_and_no_infarct_is_not_at_all(anatomy):
    lesions = np.stack([np.ones(anatomy.n_voxels, bool), np.zeros(anatomy.n_voxels, bool)])
    np.testing.assert_allclose(transmurality(lesions, anatomy), [1, 0], atol=1e-5)
    np.testing.assert_allclose(endocardial_extent(lesions, anatomy), [1, 0], atol=1e-12)
    np.testing.assert_array_equal(infarct_size(lesions), [1, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_type_of_the_lesions_does_not_matter(dtype):
    lesions = blobs(DEEP)
    for measure in (transmurality, sector_fractions, segment_fractions, endocardial_extent, infarct_center):
        np.testing.assert_allclose(measure(lesions.astype(dtype), DEEP), measure(lesions, DEEP), rtol=1e-6)
    np.testing.assert_array_equal(infarct_size(lesions.astype(dtype)), infarct_size(lesions))


def test_turning_a_lesion_by_a_quarter_turns_its_sectors_and_keeps_the_rest():
    lesions = blobs(FLAT)
    turned = FLAT.from_image(np.rot90(FLAT.to_image(lesions), axes=(-2, -1)))
    np.testing.assert_allclose(
        sector_fractions(turned, FLAT), np.roll(sector_fractions(lesions, FLAT), 6, axis=1), atol=1e-6
    )
    np.testing.assert_allclose(transmurality(turned, FLAT), transmurality(lesions, FLAT), atol=1e-6)
    np.testing.assert_allclose(endocardial_extent(turned, FLAT), endocardial_extent(lesions, FLAT), atol=1e-9)
    shift = infarct_center(turned, FLAT)[:, 0] - infarct_center(lesions, FLAT)[:, 0]
    np.testing.assert_allclose(np.mod(shift, 1), 0.25, atol=1e-9)


@pytest.mark.parametrize("anatomy", [FLAT, DEEP])
def test_sector_fractions_add_up_to_the_size(anatomy):
    lesions = blobs(anatomy)
    sector = np.floor(anatomy.circumferential * 24 + 1e-9).astype(int)
    voxels = np.bincount(sector, minlength=24)
    total = sector_fractions(lesions, anatomy) @ voxels / anatomy.n_voxels
    np.testing.assert_allclose(total, infarct_size(lesions), rtol=1e-5)
    np.testing.assert_allclose(
        sector_fractions(np.arange(24)[:, None] == sector, anatomy), np.eye(24), atol=1e-6
    )


@pytest.mark.parametrize("anatomy", [FLAT, DEEP])
@pytest.mark.parametrize("width", [0.1, 0.37, 0.8])
def test_endocardial_extent_is_the_share_of_the_circumference_whatever_the_depth(anatomy, width):
    lesions = np.stack([wedge(anatomy, depth, width) for depth in (0.3, 1.0)])
    np.testing.assert_allclose(endocardial_extent(lesions, anatomy), width, atol=1 / 72)
    outer = wedge(anatomy, 1.0, width) & (anatomy.radial > 0.5)
    hollow = anatomy.slice_radii[0][anatomy.indices[:, 0]] > 0
    assert endocardial_extent((outer & hollow)[None], anatomy)[0] == 0


@pytest.mark.parametrize("anatomy", [FLAT, DEEP])
def test_segment_fractions_add_up_to_the_size_and_missing_segments_are_nan(anatomy):
    segments = reference_segments(anatomy)
    lesions = blobs(anatomy)
    voxels = np.bincount(segments, minlength=18)[1:]
    fractions = segment_fractions(lesions, anatomy)
    np.testing.assert_array_equal(np.isnan(fractions).all(axis=0), voxels == 0)
    np.testing.assert_allclose(
        np.nansum(fractions * voxels, axis=1) / anatomy.n_voxels, infarct_size(lesions), rtol=1e-5
    )
    mid_inferior = segment_fractions((segments == 10)[None], anatomy)[0]
    assert mid_inferior[9] == pytest.approx(1) and np.nansum(mid_inferior) == pytest.approx(1)


def test_center_of_a_lesion_across_the_insertion_is_the_insertion():
    turn = np.mod(DEEP.circumferential + 0.5, 1) - 0.5
    lesion = (np.abs(turn) < 0.1) & (DEEP.radial <= 1) & (np.abs(DEEP.longitudinal - 0.4) < 0.25)
    center = infarct_center(np.stack([lesion, np.zeros_like(lesion)]), DEEP)
    assert np.mod(center[0, 0] + 0.5, 1) - 0.5 == pytest.approx(0, abs=0.005)
    assert center[0, 1] == pytest.approx(DEEP.radial[lesion].mean())
    assert center[0, 2] == pytest.approx(DEEP.longitudinal[lesion].mean())
    assert np.isnan(center[1]).all()


def test_no_reflow_share_counts_no_reflow_within_the_infarct():
    lesion = wedge(FLAT, 1.0, 0.5)
    no_reflow = wedge(FLAT, 1.0, 1.0) & (FLAT.circumferential > 0.25)
    expected = (lesion & no_reflow).sum() / lesion.sum()
    shares = no_reflow_share(np.stack([lesion, np.zeros_like(lesion)]), np.stack([no_reflow, no_reflow]))
    np.testing.assert_allclose(shares, [expected, 0])


def test_table_of_attributes_has_a_column_of_each_kind():
    lesions = blobs(DEEP)
    table = lesion_attributes(lesions, DEEP, no_reflow=lesions & (DEEP.radial < 0.3))
    assert all(column.shape == (8,) for column in table.values())
    np.testing.assert_array_equal(table["transmurality_share"], transmurality(lesions, DEEP))
    np.testing.assert_array_equal(table["aha_17_share"], segment_fractions(lesions, DEEP)[:, 16])
    assert "no_reflow_share_of_infarct" in table
    assert "no_reflow_share_of_infarct" not in lesion_attributes(lesions, DEEP)


def painted_case(lesion, spacing=(1.4, 1.4, 8.0), seed=5):
    phantom = lv_phantom(np.random.default_rng(seed), spacing=spacing)
    case = InfarctCase(
        "patient",
        phantom.geometry,
        phantom.cavity,
        phantom.myocardium,
        paint_phantom(lesion, DEEP, phantom) >= 0.5,
    )
    coordinates = lv_coordinates(
        case.geometry, case.cavity, case.myocardium, insertion_points=phantom.insertion_points
    )
    return case, coordinates


@pytest.mark.parametrize("spacing", [(1.4, 1.4, 8.0), (1.5, 1.5, 1.5)])
def test_patients_are_measured_as_the_reference_is(spacing):
    lesion = (wedge(DEEP, 0.6, 0.3) & (np.abs(DEEP.longitudinal - 0.45) < 0.3))[None]
    row = case_attributes(*painted_case(lesion[0], spacing))
    table = lesion_attributes(lesion, DEEP)
    assert row["transmurality_share"] == pytest.approx(table["transmurality_share"][0], abs=0.05)
    assert row["endocardial_extent_share"] == pytest.approx(table["endocardial_extent_share"][0], abs=0.04)
    assert row["center_circumferential_turns"] == pytest.approx(0.15, abs=0.01)
    assert row["center_longitudinal_share"] == pytest.approx(table["center_longitudinal_share"][0], abs=0.06)
    for segment in (8, 9, 11):
        name = f"aha_{segment:02d}_share"
        assert row[name] == pytest.approx(table[name][0], abs=0.08)


def test_millilitres_and_grams_follow_from_the_voxel_size_and_only_from_a_real_one():
    myocardium = np.zeros((2, 10, 10), dtype=bool)
    myocardium[:, 2:8, 2:8] = True
    cavity = np.zeros_like(myocardium)
    cavity[:, 4:6, 4:6] = True
    myocardium &= ~cavity
    infarct = np.zeros_like(myocardium)
    infarct[0, 2:4, 2:7] = True
    no_reflow = infarct.copy()
    no_reflow[0, 2] = False
    geometry = ImageGeometry.from_spacing(myocardium.shape, (1.5, 2.0, 10.0))
    case = InfarctCase("box", geometry, cavity, myocardium, infarct, no_reflow)
    row = case_attributes(case)
    assert (row["infarct_voxels"], row["myocardium_voxels"], row["no_reflow_voxels"]) == (10, 64, 5)
    assert row["infarct_percent_lv"] == pytest.approx(100 * 10 / 64)
    assert row["infarct_ml"] == pytest.approx(10 * 0.03)
    assert row["infarct_g"] == pytest.approx(10 * 0.03 * 1.05)
    assert row["myocardium_g"] == pytest.approx(64 * 0.03 * 1.05)
    assert row["cavity_ml"] == pytest.approx(8 * 0.03)
    assert row["no_reflow_share_of_infarct"] == pytest.approx(0.5)
    without = case_attributes(case, real_spacing=False)
    assert not [name for name in without if name.endswith(("_ml", "_g"))]
    with pytest.raises(ValueError, match="box: the myocardium is empty"):
        case_attributes(replace(case, myocardium=np.zeros_like(myocardium)))


def test_rows_become_columns_and_a_csv_that_reads_back(tmp_path):
    columns = attribute_columns([{"infarct_ml": 1.5, "infarct_voxels": 10}, {"infarct_voxels": 3}])
    path = write_attributes_csv(tmp_path / "attributes.csv", ["Ann, A.", "Böb"], columns)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"case": "Ann, A.", "infarct_ml": "1.5", "infarct_voxels": "10"}
    assert rows[1] == {"case": "Böb", "infarct_ml": "", "infarct_voxels": "3"}
    with pytest.raises(ValueError, match="'infarct_ml' holds"):
        write_attributes_csv(path, ["only one"], columns)
    assert [item.name for item in tmp_path.iterdir()] == ["attributes.csv"]
