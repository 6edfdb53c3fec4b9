"""Core, border zone and no-reflow: exact nesting, widths and shares, for the lesions of any model."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.regions import border_zone, nested_regions, no_reflow_region, supply_distance
from cardiactwins.infarct.wavefront import WavefrontModel

ZONE = StartZone(circumferential=0.1, longitudinal=0.45)
RING = ReferenceAnatomy()
STACK = ReferenceAnatomy(slices=11)


@pytest.fixture(params=[(WavefrontModel, RING), (EllipticalModel, RING), (WavefrontModel, STACK)], ids=str)
def lesions_and_anatomy(request):
    kind, anatomy = request.param
    model = kind(anatomy, ZONE)
    return model.sample([p.default for p in model.parameters], 8, np.random.default_rng(0)), anatomy


@pytest.fixture(scope="module")
def transmural_sector():
    """A quarter of the ring, infarcted from endocardium to epicardium, (N,)."""
    return (RING.circumferential > 0.25) & (RING.circumferential < 0.5)


@pytest.mark.parametrize("border", ["around", "within"])
def test_regions_nest_exactly(lesions_and_anatomy, border):
    lesions, anatomy = lesions_and_anatomy
    regions = nested_regions(lesions, anatomy, border_width=2.5, border=border, no_reflow_share=0.3)
    assert regions.border.any(axis=1).all()
    assert not (regions.no_reflow & ~regions.core).any()
    assert not (regions.core & regions.border).any()
    if border == "within":
        np.testing.assert_array_equal(regions.core | regions.border, lesions)
    else:
        np.testing.assert_array_equal(regions.core, lesions)
    np.testing.assert_array_equal(regions.labels() == 3, regions.no_reflow)
    np.testing.assert_array_equal(regions.labels() >= 2, regions.core)
    np.testing.assert_array_equal(regions.labels() == 1, regions.border)


def test_border_zone_is_every_surviving_voxel_within_its_width(lesions_and_anatomy):
    lesions, anatomy = lesions_and_anatomy
    lesions = lesions[:1] if anatomy.is_3d else lesions
    regions = nested_regions(lesions, anatomy, border_width=9.0)
    for lesion, border in zip(lesions, regions.border, strict=True):
        nearest = cdist(anatomy.positions[~lesion], anatomy.positions[lesion]).min(axis=1)
        np.testing.assert_array_equal(border[~lesion], nearest <= 9.0)


def test_border_zone_within_is_the_rim_towards_surviving_wall(transmural_sector):
    regions = nested_regions(transmural_sector[None], RING, border_width=3.0, border="within")
    to_surviving = cdist(RING.positions[transmural_sector], RING.positions[~transmural_sector]).min(axis=1)
    np.testing.assert_array_equal(regions.border[0, transmural_sector], to_surviving <= 3.0)


def test_share_of_the_wall_is_a_width(transmural_sector):
    thickness = RING.epicardial_radius - RING.endocardial_radius
    as_share = nested_regions(transmural_sector[None], RING, border_share=0.25)
    as_width = nested_regions(transmural_sector[None], RING, border_width=0.25 * thickness)
    np.testing.assert_array_equal(as_share.border, as_width.border)


def test_width_on_a_patient_is_in_millimetres():
    myocardium = np.ones((1, 3, 21), dtype=bool)
    lesion = np.zeros_like(myocardium)
    lesion[:, :, 10] = True
    border = border_zone(lesion, myocardium, width=3.1, spacing=(8.0, 1.5, 1.5))
    assert np.flatnonzero(border[0, 1]).tolist() == [8, 9, 11, 12]


def test_no_reflow_takes_its_share_of_the_core(lesions_and_anatomy):
    lesions, anatomy = lesions_and_anatomy
    shares = np.linspace(0, 1, len(lesions))
    regions = nested_regions(lesions, anatomy, no_reflow_share=shares)
    counts = regions.no_reflow.sum(axis=1)
    np.testing.assert_allclose(counts, shares * lesions.sum(axis=1), atol=0.5)
    np.testing.assert_array_equal(regions.no_reflow[-1], lesions[-1])


def test_larger_no_reflow_contains_the_smaller(lesions_and_anatomy):
    lesions, anatomy = lesions_and_anatomy
    smaller, larger = (
        nested_regions(lesions, anatomy, no_reflow_share=share).no_reflow for share in (0.1, 0.4)
    )
    assert not (smaller & ~larger).any()


def test_no_reflow_lies_at_the_endocardium_in_the_middle_of_a_transmural_infarct(transmural_sector):
    no_reflow = nested_regions(transmural_sector[None], RING, no_reflow_share=0.15).no_reflow[0]
    assert RING.radial[no_reflow].max() < 0.5
    assert RING.radial[no_reflow].min() == RING.radial[transmural_sector].min()
    assert np.abs(RING.circumferential[no_reflow] - 0.375).max() < 0.1


def test_supply_comes_from_epicardium_and_sides_but_not_from_the_cavity(transmural_sector):
    distance = RING.from_image(
        supply_distance(RING.to_image(transmural_sector), RING.mask, RING.cavity, (1, 1, 1))
    )
    middle = transmural_sector & (np.abs(RING.circumferential - 0.375) < 0.02)
    to_epicardium = RING.epicardial_radius * (
        1 - np.hypot(*RING.positions[middle, :2].T) / RING.epicardial_radius
    )
    np.testing.assert_allclose(distance[middle], to_epicardium, atol=1.3)
    assert (distance[~transmural_sector] == 0).all()


def test_nothing_asked_for_is_nothing_marked(lesions_and_anatomy):
    lesions, anatomy = lesions_and_anatomy
    regions = nested_regions(lesions, anatomy)
    assert not regions.border.any()
    assert not regions.no_reflow.any()
    np.testing.assert_array_equal(regions.core, lesions)


def test_an_empty_lesion_has_no_regions():
    regions = nested_regions(np.zeros((1, RING.n_voxels)), RING, border_width=3, no_reflow_share=0.5)
    assert not regions.labels().any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"border_width": -1.0}, "cannot be negative"),
        ({"border_width": 2.0, "border_share": 0.2}, "one width"),
        ({"border": "beside"}, "'around' or 'within'"),
        ({"no_reflow_share": 1.5}, r"lies in \[0, 1\]; found 1.5"),
    ],
)
def test_impossible_settings_are_refused(transmural_sector, settings, message):
    with pytest.raises(ValueError, match=message):
        nested_regions(transmural_sector[None], RING, **settings)


def test_lesions_of_another_reference_are_refused(transmural_sector):
    with pytest.raises(ValueError, match="Lesions must be"):
        nested_regions(transmural_sector[None], STACK)


def test_no_reflow_of_an_image_without_supply_still_has_its_share():
    core = np.ones((1, 4, 4), dtype=bool)
    assert no_reflow_region(core, core, np.zeros_like(core), 0.25, (1, 1, 1)).sum() == 4
