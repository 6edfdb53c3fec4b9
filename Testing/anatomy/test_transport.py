"""Transport between patients and the reference: there and back, transmurality, rotation, plain references."""

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator

from cardiactwins.anatomy.coordinates import LVCoordinates, lv_coordinates, reference_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.anatomy.transport import Transport

THIN_WALL = 3.1
"""Wall thickness in mm of the patients below: two voxels of 1.5 mm."""


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def turned(circumferential, center):
    """Signed distance in turns from a circumferential coordinate."""
    return np.mod(circumferential - center + 0.5, 1.0) - 0.5


def patient(slices, wall=THIN_WALL, pixel=1.5, seed=0, insertion=None):
    """A semi-ellipsoidal ventricle of 92 mm with a thin wall, off the voxel centres."""
    size, length = round(96 / pixel), 92.0
    geometry = ImageGeometry.from_spacing(
        (slices, size, size), (pixel, pixel, length / slices), direction=np.diag([-1.0, -1.0, 1.0])
    )
    shift = np.random.default_rng(seed).uniform(-0.5, 0.5, 2) + (size - 1) / 2
    rows, columns = np.mgrid[:size, :size]
    radius = pixel * np.hypot(rows - shift[0], columns - shift[1])
    height = ((slices - np.arange(slices) - 0.5) * length / slices)[:, None, None]
    inner = 30 * np.sqrt(np.clip(1 - (height / 88) ** 2, 0, None))
    outer = np.maximum((30 + wall) * np.sqrt(1 - (height / 94) ** 2), inner + 0.8 * wall)
    points = None
    if insertion is not None:
        angle = 2 * np.pi * insertion
        center = shift[::-1] * pixel
        points = [[-center[0] - 33 * np.cos(angle), -center[1] + 33 * np.sin(angle), 45.0]]
    return lv_coordinates(
        geometry, radius < inner, (radius >= inner) & (radius < outer), insertion_points=points
    )


def infarct(coordinates, within, share=0.05, center=0.2):
    """A subendocardial ellipse that holds `share` of the voxels `within`."""
    distance = (turned(coordinates.circumferential, center) / 0.2) ** 2 + (coordinates.radial / 0.9) ** 2
    if np.ptp(coordinates.longitudinal[within]) > 0:
        distance += ((coordinates.longitudinal - 0.45) / 0.35) ** 2
    distance = np.where(within, distance, np.inf)
    return distance <= np.sort(distance[within])[round(share * within.sum()) - 1]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("wall", [THIN_WALL, 9.0])
def test_an_infarct_of_5_percent_survives_there_and_back_in_2d(wall, seed):
    transport = Transport(patient(9, wall, seed=seed), ReferenceAnatomy(1))
    lesion = infarct(transport.coordinates, transport.mid_level, center=0.33 * seed)
    there = transport.to_reference(lesion) >= 0.5
    assert dice(lesion, transport.to_patient(there) >= 0.5) >= 0.95


@pytest.mark.parametrize(
    ("reference_slices", "slices", "wall"),
    [(11, 8, THIN_WALL), (11, 8, 9.0), (11, 17, THIN_WALL), (21, 8, THIN_WALL), (21, 17, THIN_WALL)],
)
def test_an_infarct_of_5_percent_survives_there_and_back_in_3d(reference_slices, slices, wall):
    transport = Transport(patient(slices, wall), ReferenceAnatomy(reference_slices))
    lesion = infarct(transport.coordinates, transport.coordinates.mask, center=0.97)
    there = transport.to_reference(lesion) >= 0.5
    assert dice(lesion, transport.to_patient(there) >= 0.5) >= 0.90


@pytest.mark.parametrize(("slices", "least"), [(1, 0.95), (5, 0.9)])
def test_a_lesion_of_the_reference_survives_a_thick_walled_patient(slices, least):
    anatomy = ReferenceAnatomy(slices)
    coordinates = reference_coordinates(anatomy)
    transport = Transport(patient(max(slices, 9), wall=11.0, pixel=1.0), anatomy)
    lesion = infarct(coordinates, coordinates.mask)[coordinates.mask]
    there = transport.to_patient(lesion) >= 0.5
    assert dice(lesion, transport.to_reference(there) >= 0.5) >= least


@pytest.mark.parametrize("slices", [1, 5])
def test_the_reference_is_carried_to_itself_unchanged(slices):
    anatomy = ReferenceAnatomy(slices)
    transport = Transport(reference_coordinates(anatomy), anatomy)
    values = np.random.default_rng(0).normal(size=(2, anatomy.n_voxels))
    np.testing.assert_allclose(transport.to_reference(anatomy.to_image(values)), values, atol=1e-9)
    np.testing.assert_allclose(transport.to_patient(values), anatomy.to_image(values), atol=1e-9)


def test_inside_a_slice_the_weights_are_those_of_scattered_linear_interpolation():
    coordinates = patient(1, wall=9.0)
    anatomy = ReferenceAnatomy(1)
    mask = coordinates.mask
    turn, depth = coordinates.circumferential[mask], coordinates.radial[mask]
    values = np.cos(2 * np.pi * turn) + depth**2
    image = np.zeros(mask.shape)
    image[mask] = values
    around = np.concatenate([turn - 1, turn, turn + 1])
    ring = 2 * np.pi * np.sqrt(mask.sum() * 6 / (2 * np.pi))
    plain = LinearNDInterpolator(np.stack([ring * around, 6 * np.tile(depth, 3)], axis=1), np.tile(values, 3))
    expected = plain(ring * anatomy.circumferential, 6 * anatomy.radial)
    inside = np.isfinite(expected) & (anatomy.radial > 0.15) & (anatomy.radial < 0.85)
    found = Transport(coordinates, anatomy).to_reference(image)
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.03)


def test_a_function_that_is_linear_in_the_long_axis_is_carried_exactly():
    coordinates, anatomy = patient(7), ReferenceAnatomy(9)
    found = Transport(coordinates, anatomy).to_reference(np.nan_to_num(coordinates.longitudinal))
    np.testing.assert_allclose(found, anatomy.longitudinal, atol=1e-9)
    back = Transport(coordinates, anatomy).to_patient(anatomy.longitudinal)
    np.testing.assert_allclose(back[coordinates.mask], coordinates.longitudinal[coordinates.mask], atol=1e-9)


def test_the_angle_is_periodic():
    coordinates, anatomy = patient(1, wall=9.0), ReferenceAnatomy(1)
    wave = np.nan_to_num(np.cos(2 * np.pi * coordinates.circumferential))
    found = Transport(coordinates, anatomy).to_reference(wave)
    np.testing.assert_allclose(found, np.cos(2 * np.pi * anatomy.circumferential), atol=0.04)


@pytest.mark.parametrize(("slices", "depth"), [(1, 1 / 3), (1, 0.5), (1, 2 / 3), (5, 0.5)])
def test_transport_keeps_transmurality(depth, slices):
    anatomy = ReferenceAnatomy(slices)
    transport = Transport(patient(9, wall=9.0), anatomy)
    coordinates = transport.coordinates
    lesion = np.nan_to_num(coordinates.radial, nan=1.0) <= depth
    lesion &= np.abs(turned(np.nan_to_num(coordinates.circumferential), 0.1)) < 0.1
    values = transport.to_reference(lesion)
    middle = (np.abs(turned(anatomy.circumferential, 0.1)) < 0.08) & (
        np.abs(anatomy.longitudinal - 0.5) < 0.3
    )
    layers = np.arange(0.05, 1.0, 0.1)
    profile = [values[middle & (np.abs(anatomy.radial - layer) <= 0.05)].mean() for layer in layers]
    assert np.mean(profile) == pytest.approx(depth, abs=0.07)
    back = transport.to_patient(values >= 0.5)[transport.mid_level]
    assert np.abs(back - lesion[transport.mid_level]).mean() < 0.02


@pytest.mark.parametrize("slices", [1, 5])
def test_rotating_the_heart_rotates_the_lesion(slices):
    anatomy = ReferenceAnatomy(slices)
    still, turned_heart = patient(9, 9.0, insertion=0.3), patient(9, 9.0, insertion=0.55)
    lesion = infarct(still, still.mask, center=0.25)
    here = Transport(still, anatomy).to_reference(lesion)
    there = Transport(turned_heart, anatomy).to_reference(lesion)
    image = anatomy.to_image(here)
    quarter = np.rot90(image, k=-1, axes=(1, 2))
    assert dice(there >= 0.5, anatomy.from_image(quarter) >= 0.5) > 0.97
    assert dice(there >= 0.5, here >= 0.5) < 0.4


def test_rotated_coordinates_carry_the_lesion_by_the_shift():
    coordinates, anatomy = patient(1, wall=9.0), ReferenceAnatomy(1)
    lesion = infarct(coordinates, coordinates.mask, center=0.9)
    carried = Transport(coordinates.rotated(0.25), anatomy).to_reference(lesion)
    expected = np.rot90(anatomy.to_image(Transport(coordinates, anatomy).to_reference(lesion)), 1, (1, 2))
    assert dice(carried >= 0.5, anatomy.from_image(expected) >= 0.5) > 0.97


def test_a_2d_reference_stands_for_the_slice_nearest_to_mid_level_towards_the_base():
    coordinates, anatomy = patient(8, wall=9.0), ReferenceAnatomy(1)
    transport = Transport(coordinates, anatomy)
    slices = np.flatnonzero(transport.mid_level.any(axis=(1, 2)))
    assert slices.tolist() == [4]
    back = transport.to_patient(np.ones(anatomy.n_voxels))
    assert (back > 0.999).sum() == transport.mid_level.sum()
    assert (back[~transport.mid_level] == 0).all()


def test_many_lesions_are_carried_in_one_product():
    coordinates, anatomy = patient(3, wall=9.0), ReferenceAnatomy(5)
    transport = Transport(coordinates, anatomy)
    lesions = np.random.default_rng(1).random((4, anatomy.n_voxels)) < 0.3
    together = transport.to_patient(lesions)
    assert together.shape == (4, *coordinates.mask.shape)
    for one, image in zip(lesions, together, strict=True):
        np.testing.assert_allclose(Transport(coordinates, anatomy).to_patient(one), image, atol=1e-12)
    np.testing.assert_allclose(transport.to_reference(together)[2], transport.to_reference(together[2]))


def test_values_are_mixed_and_never_overshoot():
    transport = Transport(patient(4), ReferenceAnatomy(6))
    for weights in (transport.patient_to_reference, transport.reference_to_patient):
        assert weights.data.min() >= 0
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-9)


def test_a_dense_map_goes_to_slices_and_back():
    size = 64
    geometry = ImageGeometry.from_spacing((size,) * 3, (1.5,) * 3, direction=np.diag([-1.0, -1.0, 1.0]))
    height, rows, columns = np.indices(geometry.shape) - np.array([4, 31.7, 31.2])[:, None, None, None]
    height, radius = 86 - 1.5 * height, 1.5 * np.hypot(rows, columns)
    inner = 26 * np.sqrt(np.clip(1 - (height / 76) ** 2, 0, None))
    outer = 36 * np.sqrt(np.clip(1 - (height / 86) ** 2, 0, None))
    wall = (radius >= inner) & (radius < outer) & (height >= 0) & (height < 86)
    coordinates = lv_coordinates(geometry, (radius < inner) & (height >= 0), wall)
    assert len(np.unique(np.nonzero(wall)[0])) > 50
    lesion = infarct(coordinates, coordinates.mask)
    transport = Transport(coordinates, ReferenceAnatomy(11))
    there = transport.to_reference(lesion) >= 0.5
    assert there.mean() == pytest.approx(0.05, abs=0.01)
    assert dice(lesion, transport.to_patient(there) >= 0.5) >= 0.90


def test_a_single_slice_has_nothing_to_say_about_a_3d_reference():
    with pytest.raises(ValueError, match="has 11 slices, but this heart has a single one"):
        Transport(patient(1), ReferenceAnatomy(11))


def test_values_of_another_grid_are_refused():
    transport = Transport(patient(3), ReferenceAnatomy(1))
    with pytest.raises(ValueError, match="Images of this heart"):
        transport.to_reference(np.zeros((3, 4, 5)))
    with pytest.raises(ValueError, match="Values on this reference"):
        transport.to_patient(np.zeros(7))


def test_coordinates_are_all_that_transport_needs():
    plain = patient(3)
    bare = LVCoordinates(plain.geometry, plain.mask, plain.radial, plain.circumferential, plain.longitudinal)
    anatomy = ReferenceAnatomy(5)
    values = np.arange(anatomy.n_voxels, dtype=float)
    np.testing.assert_array_equal(
        Transport(bare, anatomy).to_patient(values), Transport(plain, anatomy).to_patient(values)
    )
