"""Morphology of chambers: analytic solids, and scikit-image's own answer."""

import numpy as np
import pytest
from skimage.measure import regionprops

from cardiactwins.anatomy.heart_morphology import (
    MORPHOLOGY_NAMES,
    heart_morphology,
    tissue_volumes_ml,
    wall_thickness_mm,
)
from cardiactwins.anatomy.heart_tissues import Tissue


def points(shape, spacing):
    k, j, i = np.indices(shape, dtype=float)
    return (np.stack([i, j, k], axis=-1) - (np.array(shape[::-1]) - 1) / 2) * spacing


def turned_ellipsoid(center, radii, angle, shape=(60, 70, 80), spacing=(1.4, 1.2, 1.6)):
    offset = points(shape, spacing) - center
    c, s = np.cos(angle), np.sin(angle)
    offset = offset @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return ((offset / radii) ** 2).sum(axis=-1) < 1


def test_ellipsoids_have_their_volumes_and_axes():
    spacing = (1.4, 1.2, 1.6)
    labels = np.zeros((60, 70, 80), dtype=np.uint8)
    labels[turned_ellipsoid((-20, 0, 5), (30, 18, 14), 0.6)] = Tissue.LV
    labels[turned_ellipsoid((32, 0, -5), (15, 22, 19), -0.3)] = Tissue.RA
    found = dict(zip(MORPHOLOGY_NAMES, heart_morphology(labels, spacing), strict=True))
    assert found["LV volume (ml)"] == pytest.approx(4 / 3 * np.pi * 30 * 18 * 14 / 1000, rel=0.01)
    assert found["LV major axis (mm)"] == pytest.approx(60, abs=0.5)
    assert found["LV minor axis (mm)"] == pytest.approx(28, abs=0.5)
    assert found["RA major axis (mm)"] == pytest.approx(44, abs=0.5)
    assert found["RA minor axis (mm)"] == pytest.approx(30, abs=0.5)


def test_boxes_have_the_axes_of_the_ellipsoid_of_the_same_moments():
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    labels[5:35, 10:22, 14:20] = Tissue.LA
    volume, major, minor = heart_morphology(labels, (1, 1, 1))[6:9]
    assert volume == pytest.approx(30 * 12 * 6 / 1000)
    assert major == pytest.approx(np.sqrt(20 * (30**2 - 1) / 12))
    assert minor == pytest.approx(np.sqrt(20 * (6**2 - 1) / 12))


def test_measures_agree_with_regionprops():
    rng = np.random.default_rng(3)
    labels = np.zeros((30, 28, 26), dtype=np.uint8)
    for tissue in (Tissue.LV, Tissue.RV, Tissue.LA, Tissue.RA):
        low = rng.integers(0, 14, 3)
        high = low + rng.integers(6, 12, 3)
        labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = tissue
    found = heart_morphology(labels, (1.4, 1.4, 1.4)).reshape(4, 3)
    regions = {r.label: r for r in regionprops(labels, spacing=(1.4, 1.4, 1.4))}
    for row, tissue in zip(found, (Tissue.LV, Tissue.RV, Tissue.LA, Tissue.RA), strict=True):
        region = regions[tissue]
        expected = (region.area / 1000, region.axis_major_length, region.axis_minor_length)
        assert row == pytest.approx(expected, rel=1e-9)


def test_names_follow_the_papers_twelve_measures():
    assert len(MORPHOLOGY_NAMES) == 12
    assert MORPHOLOGY_NAMES[:4] == (
        "LV volume (ml)",
        "LV major axis (mm)",
        "LV minor axis (mm)",
        "RV volume (ml)",
    )


def test_missing_chamber_has_no_axes():
    measures = heart_morphology(np.zeros((4, 4, 4), dtype=np.uint8))
    assert (measures[::3] == 0).all()
    assert np.isnan(measures[[1, 2, 4, 5, 7, 8, 10, 11]]).all()


def test_volumes_count_each_tissue():
    labels = np.repeat(np.arange(7), 10).reshape(7, 2, 5)
    volumes = tissue_volumes_ml(labels, (2, 3, 4))
    assert volumes == pytest.approx(dict.fromkeys(("Ao", "Myo", "RV", "LV", "RA", "LA"), 0.24))


@pytest.mark.parametrize("thickness", [6.0, 9.0, 12.0])
def test_shells_have_their_thickness(thickness):
    distance = np.linalg.norm(points((90, 90, 90), 1.0), axis=-1)
    labels = np.zeros(distance.shape, dtype=np.uint8)
    labels[distance < 25 + thickness] = Tissue.MYO
    labels[distance < 25] = Tissue.LV
    found = wall_thickness_mm(labels, (1, 1, 1))
    assert np.median(found) == pytest.approx(thickness, abs=0.35)
    assert found.std() < 0.6


def test_rim_of_an_open_cup_does_not_count_as_wall():
    distance = np.linalg.norm(points((90, 90, 90), 1.0), axis=-1)
    height = points((90, 90, 90), 1.0)[..., 2]
    labels = np.zeros(distance.shape, dtype=np.uint8)
    labels[(distance < 33) & (height < 0)] = Tissue.MYO
    labels[(distance < 25) & (height < 0)] = Tissue.LV
    labels[(distance < 20) & (height >= 0)] = Tissue.LA
    found = wall_thickness_mm(labels, (1, 1, 1))
    assert found.min() > 6.5 and found.max() < 9.5


def test_wall_is_empty_without_a_ventricle():
    assert len(wall_thickness_mm(np.zeros((5, 5, 5), dtype=np.uint8))) == 0


def test_bad_spacing_is_refused():
    with pytest.raises(ValueError, match="three positive voxel sizes"):
        heart_morphology(np.zeros((4, 4, 4), dtype=np.uint8), (1, 1, 0))
