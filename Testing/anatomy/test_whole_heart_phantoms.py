"""Whole-heart phantoms: published sizes, exact volumes, sound topology, anatomy where it belongs."""

import numpy as np
import pytest
from scipy import ndimage

from cardiactwins.anatomy.heart_measures import (
    HEART_KINDS,
    PUBLISHED,
    PUBLISHED_CORRELATIONS,
    draw_heart_kind,
    draw_heart_measures,
)
from cardiactwins.anatomy.heart_morphology import heart_morphology, tissue_volumes_ml, wall_thickness_mm
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.heart_topology import topology_checks
from cardiactwins.anatomy.whole_heart import GRID_SPACING, whole_heart_phantom

VOLUMES = ("lv", "rv", "la", "ra")


@pytest.fixture(scope="module")
def hearts():
    """One heart of each kind."""
    return [whole_heart_phantom(np.random.default_rng(n), kind=kind) for n, kind in enumerate(HEART_KINDS)]


def centroid(labels, tissue):
    """Right to the RV, anterior, up to the base; mm."""
    return np.argwhere(labels == tissue).mean(axis=0)[::-1] * GRID_SPACING


def contact(labels, first, second):
    """Positions (x, y, z) in mm of voxels of the first tissue that share a face with the second."""
    return np.argwhere((labels == first) & ndimage.binary_dilation(labels == second))[:, ::-1] * GRID_SPACING


def cohort_of_measures(number):
    rng = np.random.default_rng(7)
    kinds = [draw_heart_kind(rng) for _ in range(number)]
    sizes = [draw_heart_measures(rng, kind) for kind in kinds]
    return np.array(kinds), {name: np.array([getattr(s, name) for s in sizes]) for name in PUBLISHED}


def test_cohort_of_200_has_published_sizes_and_correlations():
    kinds, sizes = cohort_of_measures(200)
    ordinary = kinds == "ordinary"
    assert 0.75 < ordinary.mean() < 0.92
    for name, (mean, deviation) in PUBLISHED.items():
        assert (np.abs(sizes[name][ordinary] - mean) <= 2 * deviation).all()
        assert sizes[name][ordinary].mean() == pytest.approx(mean, abs=0.25 * deviation)
        assert 0.7 * deviation < sizes[name][ordinary].std() < 1.1 * deviation
    for (first, second), published in PUBLISHED_CORRELATIONS.items():
        for chosen in (ordinary, np.ones(200, dtype=bool)):
            found = np.corrcoef(sizes[first][chosen], sizes[second][chosen])[0, 1]
            assert found == pytest.approx(published, abs=0.15)


def test_kinds_change_what_names_them():
    def mean(kind, name):
        return np.mean(
            [getattr(draw_heart_measures(np.random.default_rng(n), kind), name) for n in range(60)]
        )

    assert mean("dilated", "lv") > 1.3 * mean("ordinary", "lv")
    assert mean("hypertrophic", "wall") > mean("ordinary", "wall") + 4
    assert all(mean("small", name) < 0.76 * mean("ordinary", name) for name in VOLUMES)
    assert mean("right-dilated", "rv") > 1.25 * mean("ordinary", "rv")
    assert mean("right-dilated", "lv") == pytest.approx(mean("ordinary", "lv"))
    assert sum(HEART_KINDS.values()) == pytest.approx(1)
    with pytest.raises(ValueError, match="no kind of heart 'huge'"):
        draw_heart_measures(np.random.default_rng(0), "huge")


def test_rasterised_hearts_have_the_volumes_that_were_drawn(hearts):
    for heart in hearts:
        volumes = tissue_volumes_ml(heart.labels)
        for name in VOLUMES:
            assert volumes[name.upper()] == pytest.approx(getattr(heart.measures, name), rel=0.035)


def test_wall_is_even_and_as_thick_as_drawn(hearts):
    for heart in hearts:
        thickness = wall_thickness_mm(heart.labels)
        assert np.mean(thickness) == pytest.approx(heart.measures.wall, rel=0.1)
        assert np.percentile(thickness, 1) > 0.55 * heart.measures.wall
        assert np.percentile(thickness, 99) < 1.35 * heart.measures.wall


@pytest.mark.parametrize("connectivity", [6, 26])
def test_all_twelve_checks_hold_for_every_kind(hearts, connectivity):
    for heart in hearts:
        failed = [c.name for c in topology_checks(heart.labels, connectivity=connectivity) if not c.holds]
        assert failed == []
        assert ndimage.label(heart.labels == Tissue.AO)[1] == 1


def test_blood_meets_only_through_the_valves(hearts):
    """LV, RV, LA, RA and Ao share no corner, save LV-LA, LV-Ao and RV-RA."""
    apart = ((4, 3), (4, 5), (6, 5), (6, 3), (1, 3), (1, 5), (1, 6))
    for heart in hearts:
        pairs = set()
        for step in np.ndindex(3, 3, 3):
            ahead = tuple(slice(n, 126 + n) for n in step)
            pairs |= set(np.unique(heart.labels[1:-1, 1:-1, 1:-1] * 8 + heart.labels[ahead]).tolist())
        assert not pairs & {first * 8 + second for first, second in apart}, heart.kind


def test_left_ventricle_is_closed_but_for_its_valves(hearts):
    for heart in hearts:
        lv = heart.labels == Tissue.LV
        surface = lv & ndimage.binary_dilation(~lv)
        bare = lv & ndimage.binary_dilation(heart.labels == 0)
        assert bare.sum() < 0.01 * surface.sum()


def test_left_atrium_lies_straight_above_the_left_ventricle(hearts):
    for heart in hearts:
        axis = centroid(heart.labels, Tissue.LA) - centroid(heart.labels, Tissue.LV)
        assert np.degrees(np.arccos(axis[2] / np.linalg.norm(axis))) < 1.5


def test_chambers_lie_where_anatomy_has_them(hearts):
    for heart in hearts:
        at = {tissue: centroid(heart.labels, tissue) for tissue in Tissue}
        assert at[Tissue.RV][0] > at[Tissue.LV][0] + 20
        assert at[Tissue.RA][0] > at[Tissue.LA][0] + 20
        assert at[Tissue.RA][2] > at[Tissue.RV][2] + 25
        mitral = contact(heart.labels, Tissue.LV, Tissue.LA)
        tricuspid = contact(heart.labels, Tissue.RV, Tissue.RA)
        aortic = contact(heart.labels, Tissue.LV, Tissue.AO).mean(axis=0)
        assert tricuspid[:, 2].mean() < mitral[:, 2].mean()
        assert mitral.mean(axis=0)[0] < aortic[0] < tricuspid.mean(axis=0)[0]
        assert aortic[1] > max(mitral[:, 1].mean(), tricuspid[:, 1].mean()) + 8
        top = np.argwhere(heart.labels == Tissue.RV)[:, ::-1] * GRID_SPACING
        infundibulum = top[top[:, 1] > np.percentile(top[:, 1], 98)].mean(axis=0)
        assert infundibulum[1] > aortic[1] + 15 and infundibulum[0] < at[Tissue.RV][0]


def test_valves_are_flat_and_of_adult_size(hearts):
    for heart in hearts:
        for ventricle, atrium in ((Tissue.LV, Tissue.LA), (Tissue.RV, Tissue.RA)):
            ring = contact(heart.labels, ventricle, atrium)
            spread = np.sqrt(np.linalg.eigvalsh(np.cov(ring.T)))
            assert spread[0] < 1.8
            assert 17 < 4 * spread[1] <= 4 * spread[2] < 52


def test_right_ventricle_wraps_the_septum(hearts):
    """In the short axis the RV spans 80 to 200 degrees about the LV and lies along its wall."""
    for heart in hearts:
        lv = centroid(heart.labels, Tissue.LV) / GRID_SPACING
        k = round(lv[2])
        rows, columns = np.nonzero(heart.labels[k] == Tissue.RV)
        angle = np.degrees(np.arctan2(rows - lv[1], columns - lv[0]))
        assert 80 < np.ptp(angle) < 200
        assert abs(angle.mean()) < 30
        septum = ndimage.binary_dilation(heart.labels[k] == Tissue.MYO) & (heart.labels[k] == Tissue.RV)
        assert septum.sum() * GRID_SPACING > 30


def test_aorta_rises_and_arches_to_the_back(hearts):
    up, back = np.array([-0.09, 0.88, 0.46]), -np.array([0.43, 0.45, -0.78])
    for heart in hearts:
        aorta = np.argwhere(heart.labels == Tissue.AO)[:, ::-1] * GRID_SPACING
        ring = contact(heart.labels, Tissue.LV, Tissue.AO).mean(axis=0)
        assert ((aorta - ring) @ up).max() > 55
        assert ((aorta - ring) @ back).max() > 30


def test_chambers_and_wall_stay_inside_the_grid(hearts):
    for heart in hearts:
        for axis in range(3):
            edge = np.take(heart.labels, [0, -1], axis=axis)
            assert np.isin(edge, (0, Tissue.AO)).all()


def test_same_seed_gives_the_same_heart():
    first, again = (whole_heart_phantom(np.random.default_rng(4)) for _ in range(2))
    assert first.kind == again.kind and first.measures == again.measures
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels, whole_heart_phantom(np.random.default_rng(5)).labels)


def test_patient_geometry_keeps_the_voxels_and_turns_the_apex_to_the_left_front_and_down(hearts):
    heart = hearts[0]
    patient = heart.patient_geometry()
    assert patient.spacing == pytest.approx(heart.geometry.spacing)
    assert not patient.is_left_handed
    lv, la, rv = (
        patient.kji_to_ras(np.argwhere(heart.labels == t)).mean(axis=0)
        for t in (Tissue.LV, Tissue.LA, Tissue.RV)
    )
    toward_apex = (lv - la) / np.linalg.norm(lv - la)
    assert toward_apex[0] < -0.2 and toward_apex[1] > 0.5 and toward_apex[2] < -0.2
    assert rv[0] > lv[0]


@pytest.mark.long
def test_200_rasterised_hearts_are_sound_and_have_published_measures():
    """About four minutes."""
    volumes, walls, axes, ordinary = [], [], [], []
    for seed in range(200):
        heart = whole_heart_phantom(np.random.default_rng(1000 + seed))
        for connectivity in (6, 26):
            assert all(c.holds for c in topology_checks(heart.labels, connectivity=connectivity)), seed
        found = tissue_volumes_ml(heart.labels)
        volumes.append([found[name.upper()] for name in VOLUMES])
        walls.append(wall_thickness_mm(heart.labels).mean())
        axes.append(heart_morphology(heart.labels).reshape(4, 3)[:, 1:])
        ordinary.append(heart.kind == "ordinary")
    volumes, walls, axes, ordinary = map(np.array, (volumes, walls, axes, ordinary))
    for column, name in enumerate(VOLUMES):
        mean, deviation = PUBLISHED[name]
        assert (np.abs(volumes[ordinary, column] - mean) <= 2.1 * deviation).all()
        assert volumes[ordinary, column].mean() == pytest.approx(mean, abs=0.25 * deviation)
    mean, deviation = PUBLISHED["wall"]
    assert (np.abs(walls[ordinary] - mean) <= 2.3 * deviation).all()
    for (first, second), published in PUBLISHED_CORRELATIONS.items():
        pair = volumes[:, [VOLUMES.index(first), VOLUMES.index(second)]]
        assert np.corrcoef(pair[ordinary].T)[0, 1] == pytest.approx(published, abs=0.15)
        assert np.corrcoef(pair.T)[0, 1] == pytest.approx(published, abs=0.15)
    lv_minor, atria_major = axes[ordinary, 0, 1], axes[ordinary, 2:, 0]
    assert (lv_minor >= 38 - 4).all() and (lv_minor <= 58 + 4).all()
    assert atria_major.min() > 50 and atria_major.max() < 100
