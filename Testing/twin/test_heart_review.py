"""What is told of incomplete and fragmented hearts, and what cleaning changes."""

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_defects import with_defects
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.cleaning import clean_heart
from cardiactwins.twin.flat_ends import flat_end_mm2
from cardiactwins.twin.heart_review import review_heart
from cardiactwins.twin.twin_import import import_twin

FULL = np.ones((3, 3, 3))


@pytest.fixture(scope="module")
def phantom():
    return whole_heart_phantom(np.random.default_rng([3, 1]))


def told(labels, geometry, serious=True):
    return {(f.kind, f.tissue) for f in review_heart(labels, geometry) if f.serious or not serious}


def test_nothing_is_told_of_sound_hearts():
    for kind in ("ordinary", "dilated", "small", "right-dilated", "hypertrophic"):
        heart = whole_heart_phantom(np.random.default_rng([4, 4]), kind=kind)
        assert review_heart(heart.labels, heart.patient_geometry()) == ()


@pytest.mark.parametrize(
    ("tissue", "away"),
    [
        (Tissue.LV, (-1.0, 0.2, 0.1)),
        (Tissue.LA, (1.0, -0.1, 0.2)),
        (Tissue.RA, (1.0, 0.1, 0.2)),
    ],
)
def test_a_chamber_whose_end_a_plane_cuts_off_is_incomplete(phantom, tissue, away):
    labels, geometry = phantom.labels.copy(), phantom.patient_geometry()
    voxels = np.argwhere(labels == tissue)
    height = voxels @ np.array(away)
    cut = voxels[height > np.quantile(height, 0.7)]
    labels[tuple(cut.T)] = 0
    assert ("flat end", tissue) in told(labels, geometry)


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.6, 0.64, 0.48)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.4, 1.4, 1.4), (0.9, 1.2, 1.8)])
def test_half_a_ball_ends_in_a_disc_and_a_whole_one_in_nothing(spacing, normal):
    radius, steps = 27.0, np.diag(spacing)
    size = np.ceil(64 / np.array(spacing)).astype(int)[::-1]
    away = (np.indices(size)[::-1].reshape(3, -1).T - (size[::-1] - 1) / 2) @ steps
    ball = (np.linalg.norm(away, axis=1) < radius).reshape(size)
    half = ball & (away @ np.array(normal) < 0).reshape(size)
    disc = np.pi * radius**2
    assert flat_end_mm2(half, ~half, steps) == pytest.approx(disc, rel=0.25)
    assert flat_end_mm2(ball, ~ball, steps) < 0.15 * disc
    # Where another tissue lies beyond the plane, it is no end.
    assert flat_end_mm2(half, ~ball, steps) < 0.15 * disc


@pytest.mark.parametrize("direction", [(-1.0, 0.3, 0.2), (0.2, 1.0, 0.3), (0.1, -1.0, 0.2)])
def test_a_cut_right_ventricle_is_told_from_its_flat_base(phantom, direction):
    labels, geometry = phantom.labels.copy(), phantom.patient_geometry()
    voxels = np.argwhere(labels == Tissue.RV)
    height = voxels @ np.array(direction)
    labels[tuple(voxels[height > np.quantile(height, 0.8)].T)] = 0
    assert ("flat end", Tissue.RV) in told(labels, geometry)
    assert ("flat end", Tissue.RV) not in told(phantom.labels, geometry)


def test_a_chamber_at_the_border_of_the_image_is_cut_off(phantom):
    k = int(np.argwhere(phantom.labels == Tissue.LA)[:, 0].max()) - 8
    labels = phantom.labels[:k]
    geometry = ImageGeometry(labels.shape, phantom.geometry.ijk_to_ras)
    assert ("cut off", Tissue.LA) in told(labels, geometry)
    assert ("cut off", Tissue.LV) not in told(labels, geometry)


def test_a_chamber_in_pieces_is_fragmented_and_specks_are_not_serious(phantom):
    geometry = phantom.patient_geometry()
    labels = phantom.labels.copy()
    k = int(np.argwhere(labels == Tissue.RV)[:, 0].mean())
    labels[k - 2 : k + 1][labels[k - 2 : k + 1] == Tissue.RV] = 0
    assert ("fragmented", Tissue.RV) in told(labels, geometry)
    speck = phantom.labels.copy()
    speck[3:5, 3:5, 3:5] = Tissue.RV
    found = [f for f in review_heart(speck, geometry) if f.kind == "fragmented"]
    assert [f.serious for f in found] == [False]
    assert "2 pieces" in found[0].text


def test_a_tiny_chamber_is_told(phantom):
    labels = phantom.labels.copy()
    core = ndimage.binary_erosion(labels == Tissue.LA, iterations=11)
    labels[(labels == Tissue.LA) & ~core] = 0
    assert ("size", Tissue.LA) in told(labels, phantom.patient_geometry())


def test_cleaning_takes_away_specks_and_fills_holes_and_nothing_else(phantom):
    geometry = phantom.patient_geometry()
    labels, defects = with_defects(phantom.labels, np.random.default_rng(2), number=5, kinds=("fragment",))
    k, j, i = (int(n) for n in np.argwhere(labels == Tissue.LV).mean(axis=0))
    hole = np.zeros(labels.shape, dtype=bool)
    hole[k : k + 3, j : j + 4, i : i + 5] = True
    labels[hole] = 0
    cleaned = clean_heart(labels, geometry)
    assert cleaned.filled == 60
    assert (cleaned.labels[hole] == Tissue.LV).all()
    # Written plainly: every tissue in one piece, all other voxels as they were.
    for tissue in Tissue:
        assert ndimage.label(cleaned.labels == tissue, FULL)[1] == 1
    touched = hole.copy()
    for defect in defects:
        touched[tuple(defect.voxels.T)] = True
    assert np.array_equal(cleaned.labels[~touched], labels[~touched])
    assert sum(cleaned.removed.values()) + cleaned.filled == touched.sum()
    restored = cleaned.labels[touched] == phantom.labels[touched]
    assert restored.mean() > 0.9
    assert "voxels" in cleaned.text


def test_a_sound_heart_needs_no_cleaning(phantom):
    cleaned = clean_heart(phantom.labels, phantom.patient_geometry())
    assert np.array_equal(cleaned.labels, phantom.labels)
    assert cleaned.text == "Nothing to clean."
    assert not cleaned.removed and not cleaned.filled


def test_an_import_tells_what_is_wrong_and_cleans_on_request(phantom):
    geometry = phantom.patient_geometry()
    labels, _ = with_defects(phantom.labels, np.random.default_rng(2), number=3, kinds=("fragment",))
    told_ = import_twin(labels, geometry).remarks
    assert any("pieces" in text for text in told_)
    twin = import_twin(labels, geometry, clean=True)
    assert twin.remarks[0].startswith("Cleaned")
    assert len(twin.remarks) == 1
    assert np.array_equal(twin.original, clean_heart(labels, geometry).labels)


def test_an_aorta_that_leaves_the_image_keeps_its_parts(phantom):
    geometry = phantom.patient_geometry()
    labels = phantom.labels.copy()
    aorta = np.argwhere(labels == Tissue.AO)
    k = int(np.quantile(aorta[:, 0], 0.5))
    labels[k - 1 : k + 1][labels[k - 1 : k + 1] == Tissue.AO] = 0
    labels[2, 2, 2] = Tissue.AO
    cleaned = clean_heart(labels, geometry)
    assert cleaned.removed == {Tissue.AO: 1}
    (finding,) = [f for f in review_heart(labels, geometry) if f.tissue is Tissue.AO]
    assert "is in parts" in finding.text and not finding.serious
