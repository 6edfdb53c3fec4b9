"""LV coordinates: against the closed form on round hearts, however these are stored, cut or torn."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.coordinates import lv_coordinates, reference_coordinates
from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.anatomy.reference import INSERTION_ANGLE, ReferenceAnatomy


def turn_error(a, b):
    """Distance of circumferential coordinates in turns, the short way round."""
    return np.abs(np.mod(a - b + 0.5, 1.0) - 0.5)


def displayed(radius, angle, slice_height=0.0):
    """RAS position at a radius and an angle (rad) of the reference as displayed: x to the left, y down."""
    return [-radius * np.cos(angle), radius * np.sin(angle), slice_height]


def stored(geometry, *images, axes=(0, 1, 2), flips=()):
    """The same heart in another order of voxels: axes permuted, then flipped; RAS positions stay."""
    columns = geometry.ijk_to_ras[:3, 2::-1][:, list(axes)]
    shape = [geometry.shape[axis] for axis in axes]
    origin = geometry.ijk_to_ras[:3, 3].copy()
    for axis in flips:
        origin += columns[:, axis] * (shape[axis] - 1)
        columns[:, axis] *= -1
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = columns[:, ::-1], origin
    changed = [np.flip(np.transpose(image, axes), flips) for image in images]
    return ImageGeometry(tuple(shape), matrix), *changed


def by_position(coordinates, decimals=4):
    """(positions, coordinates) sorted by RAS position."""
    ras = np.round(coordinates.geometry.kji_to_ras(np.argwhere(coordinates.mask)), decimals) + 0.0
    mask = coordinates.mask
    values = np.stack(
        [coordinates.radial[mask], coordinates.circumferential[mask], coordinates.longitudinal[mask]], axis=1
    )
    order = np.lexsort(ras.T)
    return ras[order], values[order]


def ring_heart(n_slices, inner, outer, pixel=(1.0, 1.0), field=90.0, spacing=8.0, center=(0.0, 0.0)):
    """A tube with round walls (mm): geometry, cavity, myocardium, analytic depth and angle (rad)."""
    columns, rows = (round(field / step) for step in pixel)
    geometry = ImageGeometry.from_spacing(
        (n_slices, rows, columns), (*pixel, spacing), (field / 2, field / 2, 0), np.diag([-1.0, -1.0, 1.0])
    )
    ras = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))
    x, y = -ras[..., 0] - center[0], ras[..., 1] - center[1]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    wall = (radius >= inner) & (radius < outer)
    return geometry, radius < inner, wall, np.clip((radius - inner) / (outer - inner), 0, 1), angle


@pytest.mark.parametrize("slices", [1, 11, 21])
def test_the_reference_ventricle_gets_its_own_coordinates_from_its_labels(slices):
    anatomy = ReferenceAnatomy(slices)
    truth = reference_coordinates(anatomy)
    found = lv_coordinates(
        anatomy.geometry,
        anatomy.cavity,
        anatomy.mask,
        insertion_points=[displayed(31, INSERTION_ANGLE)],
    )
    mask = anatomy.mask
    assert (found.mask == mask).all()
    assert np.abs(found.radial - truth.radial)[mask].max() < 0.05
    assert turn_error(found.circumferential, truth.circumferential)[mask].max() < 1e-9
    np.testing.assert_allclose(found.longitudinal[mask], truth.longitudinal[mask], atol=1e-12)
    assert found.cavity_end == pytest.approx(truth.cavity_end)
    assert np.isnan(found.radial[~mask]).all() and np.isnan(found.circumferential[~mask]).all()


@pytest.mark.parametrize("slices", [1, 11])
def test_without_any_sign_of_the_right_ventricle_the_insertion_is_a_flagged_estimate_at_the_upper_left(
    slices,
):
    anatomy = ReferenceAnatomy(slices)
    found = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask)
    expected = reference_coordinates(anatomy).circumferential
    assert found.insertion == "estimate"
    assert turn_error(found.circumferential, expected)[anatomy.mask].max() < 1e-9


STORAGE = [
    pytest.param((0, 1, 2), (0,), id="base first"),
    pytest.param((0, 1, 2), (2,), id="mirrored columns"),
    pytest.param((0, 1, 2), (1,), id="mirrored rows"),
    pytest.param((0, 2, 1), (), id="transposed"),
    pytest.param((0, 2, 1), (0, 1, 2), id="transposed and turned round"),
    pytest.param((1, 0, 2), (), id="slices along j"),
    pytest.param((2, 1, 0), (0, 2), id="slices along i"),
]


@pytest.mark.parametrize(("axes", "flips"), STORAGE)
@pytest.mark.parametrize("sign", ["points", "right ventricle", "estimate"])
def test_storage_order_and_handedness_do_not_change_the_coordinates(axes, flips, sign):
    anatomy = ReferenceAnatomy(7, size=64, endocardial_radius=12, epicardial_radius=24)
    x, y = anatomy._plane
    crescent = (np.hypot(x + 12, y - 2) < 20) & (x < 0) & ~anatomy.mask & ~anatomy.cavity
    geometry, cavity, wall, beside = stored(
        anatomy.geometry,
        anatomy.cavity,
        anatomy.mask,
        np.broadcast_to(crescent, anatomy.shape),
        axes=axes,
        flips=flips,
    )
    signs = {
        "points": {"insertion_points": [displayed(25, 2.0, 10), displayed(25, 2.6, 70)]},
        "right ventricle": {"right_ventricle": crescent},
        "estimate": {},
    }[sign]
    plain = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, **signs)
    if sign == "right ventricle":
        signs = {"right_ventricle": beside}
    other = lv_coordinates(geometry, cavity, wall, **signs)
    assert plain.insertion == other.insertion == sign
    (here, expected), (there, found) = by_position(plain), by_position(other)
    np.testing.assert_allclose(there, here, atol=1e-3)
    np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=1e-9)
    assert turn_error(found[:, 1], expected[:, 1]).max() < 0.01
    assert np.abs(found[:, 0] - expected[:, 0]).max() < 0.06


def test_an_oblique_patient_gets_the_coordinates_of_the_upright_one():
    anatomy = ReferenceAnatomy(9)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [35, -50, 20], degrees=True).as_matrix()
    turn[:3, 3] = (12.0, -40.0, 7.0)
    oblique = ImageGeometry(anatomy.shape, turn @ anatomy.geometry.ijk_to_ras)
    point = np.array([*displayed(31, 1.3), 1.0])
    upright = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, insertion_points=point[None, :3])
    tilted = lv_coordinates(oblique, anatomy.cavity, anatomy.mask, insertion_points=(turn @ point)[None, :3])
    for name in ("radial", "circumferential", "longitudinal"):
        expected, found = getattr(upright, name)[anatomy.mask], getattr(tilted, name)[anatomy.mask]
        np.testing.assert_allclose(found, expected, atol=1e-8)


def test_pixels_that_are_not_square_give_the_angles_and_depths_of_the_round_heart():
    geometry, cavity, wall, radial, angle = ring_heart(3, 20, 32, pixel=(0.8, 1.7))
    found = lv_coordinates(geometry, cavity, wall, insertion_points=[displayed(33, 0.0)])
    assert np.abs(found.radial - radial)[wall].max() < 0.1
    assert turn_error(found.circumferential, angle / (2 * np.pi))[wall].max() < 0.01


@pytest.mark.parametrize("wall_pixels", [2.2, 3.0])
def test_thin_walls_keep_their_radial_resolution(wall_pixels):
    geometry, cavity, wall, radial, _ = ring_heart(1, 24, 24 + wall_pixels, center=(0.3, 0.2))
    found = lv_coordinates(geometry, cavity, wall).radial[wall]
    assert np.corrcoef(found, radial[wall])[0, 1] > 0.97
    assert np.abs(found - radial[wall]).max() < 0.3
    assert found.min() < 0.25 and found.max() > 0.75


@pytest.mark.parametrize("leak", [False, True])
def test_an_open_wall_is_closed_around_the_outflow_tract(leak):
    geometry, cavity, wall, radial, angle = ring_heart(4, 18, 28, center=(0.4, 0.1))
    gap = np.abs(np.mod(angle - 1.0 + np.pi, 2 * np.pi) - np.pi) < 0.6
    gap[2:] = False
    if leak:
        cavity |= gap & wall
    torn = wall & ~gap
    whole = lv_coordinates(geometry, cavity & ~gap, wall, insertion_points=[displayed(29, 3.0)])
    found = lv_coordinates(geometry, cavity, torn, insertion_points=[displayed(29, 3.0)])
    assert (found.mask == torn).all()
    assert np.abs(found.radial - radial)[torn].max() < 0.17
    assert turn_error(found.circumferential, whole.circumferential)[torn].max() < 0.03


def test_the_cavity_may_shrink_to_nothing_towards_the_apex():
    anatomy = ReferenceAnatomy(21)
    found = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask)
    cap = found.mask & (found.longitudinal > found.cavity_end + 1e-9)
    assert sorted(np.unique(np.nonzero(cap)[0])) == [0, 1, 2]
    radius = np.hypot(*np.broadcast_arrays(*anatomy._plane)[::1])[0]
    for k in range(3):
        expected = radius[found.mask[k]] / anatomy.slice_radii[1][k]
        np.testing.assert_allclose(found.radial[k][found.mask[k]], expected, atol=0.06)


def test_insertion_points_are_interpolated_between_slices_the_short_way_round():
    geometry, cavity, wall, _, angle = ring_heart(5, 18, 28)
    points = [displayed(29, np.radians(-20), 0.0), displayed(29, np.radians(40), 32.0)]
    found = lv_coordinates(geometry, cavity, wall, insertion_points=points, apex="first")
    for k in range(5):
        start = np.radians(-20 + 15 * k)
        expected = (angle[k] - start) / (2 * np.pi)
        assert turn_error(found.circumferential[k], expected)[wall[k]].max() < 0.005


def test_the_septum_starts_at_the_insertion_that_a_right_ventricle_shows():
    geometry, cavity, wall, _, angle = ring_heart(4, 20, 30)
    ras = geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1))
    radius = np.hypot(ras[..., 0], ras[..., 1])
    along_septum = np.mod(angle - np.radians(100), 2 * np.pi) < np.radians(120)
    crescent = (radius > 31) & (radius < 40) & along_septum
    found = lv_coordinates(geometry, cavity, wall, right_ventricle=crescent, apex="first")
    expected = (angle - np.radians(100)) / (2 * np.pi)
    assert turn_error(found.circumferential, expected)[wall].max() < 0.015


def test_the_apex_is_found_from_the_taper_and_can_be_overruled():
    anatomy = ReferenceAnatomy(6)
    plain = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask)
    overruled = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, apex="last")
    mask = overruled.mask & plain.mask
    np.testing.assert_allclose(overruled.longitudinal[mask], 1 - plain.longitudinal[mask], atol=1e-12)
    points = {"insertion_points": [displayed(31, 2.0)]}
    plain = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, **points)
    overruled = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask, apex="last", **points)
    assert turn_error(overruled.circumferential, -plain.circumferential)[mask].max() < 1e-9


def dense_heart(seed, step=1.5):
    """A half ellipsoid in a cubic grid at a random pose: labels, insertion point, analytic coordinates."""
    axes = Rotation.random(random_state=seed).as_matrix()
    size = round(126 / step)
    geometry = ImageGeometry.from_spacing((size,) * 3, (step,) * 3, direction=np.diag([-1.0, 1.0, 1.0]))
    base = geometry.kji_to_ras([(size - 1) / 2] * 3) - 42 * axes[:, 2]
    local = (geometry.kji_to_ras(np.moveaxis(np.indices(geometry.shape), 0, -1)) - base) @ axes
    radius, height = np.hypot(local[..., 0], local[..., 1]), local[..., 2]
    inner = 22 * np.sqrt(np.clip(1 - (height / 74) ** 2, 0, None))
    outer = 31 * np.sqrt(np.clip(1 - (height / 86) ** 2, 1e-9, None))
    below = (height >= 0) & (height < 86)
    wall = below & (radius >= inner) & (radius <= outer)
    cavity = below & (radius < inner)
    truth = (radius - inner) / (outer - inner), np.arctan2(local[..., 1], local[..., 0]), height / 86
    return geometry, cavity, wall, base + axes @ [33.0, 0.0, 30.0], truth


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_dense_map_is_measured_along_its_own_long_axis(seed):
    geometry, cavity, wall, point, (radial, angle, longitudinal) = dense_heart(seed)
    found = lv_coordinates(geometry, cavity, wall, insertion_points=[point])
    assert (found.mask == wall).all()
    assert np.abs(found.longitudinal - longitudinal)[wall].max() < 0.02
    body = wall & (longitudinal < 0.8)
    assert np.percentile(np.abs(found.radial - radial)[body], 99) < 0.12
    assert turn_error(found.circumferential, angle / (2 * np.pi))[body].max() < 0.01
    assert found.cavity_end == pytest.approx(74 / 86, abs=0.04)


PHANTOMS = [
    pytest.param({}, 0.05, id="oblique stack"),
    pytest.param({"left_handed": True, "spacing": (1.2, 2.0, 10.0)}, 0.05, id="mirrored, oblong pixels"),
    pytest.param({"open_base": True}, 0.05, id="outflow tract"),
    pytest.param({"open_base": True, "thin_wall": True}, 0.08, id="thin wall"),
    pytest.param({"open_base": True, "spacing": (1.8, 1.8, 1.8)}, 0.05, id="dense"),
]


@pytest.mark.parametrize(("options", "depth_error"), PHANTOMS)
@pytest.mark.parametrize("seed", [3, 4])
def test_a_heart_of_irregular_shape_gets_the_coordinates_it_was_made_with(options, depth_error, seed):
    heart = lv_phantom(np.random.default_rng(seed), **options)
    labels = heart.geometry, heart.cavity, heart.myocardium
    found = lv_coordinates(*labels, insertion_points=heart.insertion_points)
    body = found.mask & (heart.longitudinal < 0.8)
    assert body.sum() == (heart.longitudinal < 0.8).sum()
    assert np.abs(found.radial - heart.radial)[body].mean() < depth_error
    assert turn_error(found.circumferential, heart.circumferential)[body].mean() < 0.003
    assert np.corrcoef(found.longitudinal[body], heart.longitudinal[body])[0, 1] > 0.997
    beside = lv_coordinates(*labels, right_ventricle=heart.right_ventricle)
    assert beside.insertion == "right ventricle"
    assert turn_error(beside.circumferential, heart.circumferential)[body].mean() < 0.015
    guessed = lv_coordinates(*labels)
    assert guessed.insertion == "estimate"
    assert turn_error(guessed.circumferential, heart.circumferential)[body].mean() < 0.1


def test_a_missing_slice_leaves_the_others_where_they_were():
    anatomy = ReferenceAnatomy(9)
    wall = anatomy.mask.copy()
    wall[4] = False
    found = lv_coordinates(anatomy.geometry, anatomy.cavity & (wall.any(axis=(1, 2))[:, None, None]), wall)
    expected = reference_coordinates(anatomy)
    np.testing.assert_allclose(found.longitudinal[wall], expected.longitudinal[wall], atol=1e-12)


def test_holes_count_as_cavity_only_where_the_labelled_cavity_goes_on():
    anatomy = ReferenceAnatomy(11)
    plain = lv_coordinates(anatomy.geometry, anatomy.cavity, anatomy.mask)
    cavity, wall = anatomy.cavity.copy(), anatomy.mask.copy()
    cavity[-2:] = False
    wall[0, 38:42, 38:42] = False
    found = lv_coordinates(anatomy.geometry, cavity, wall)
    assert found.cavity_end == plain.cavity_end
    np.testing.assert_allclose(found.radial[wall], plain.radial[wall], atol=1e-9)


def test_strays_and_papillary_muscles_do_not_move_the_borders():
    geometry, cavity, wall, radial, _ = ring_heart(1, 20, 30)
    stray, papillary = np.zeros_like(wall), np.zeros_like(wall)
    stray[0, 3:5, 3:5] = True
    papillary[0, 40:43, 38:41] = True
    found = lv_coordinates(geometry, cavity & ~papillary, wall | stray | papillary)
    assert not found.mask[stray].any()
    assert (found.radial[papillary] == 0).all()
    assert np.abs(found.radial - radial)[wall].max() < 0.1


class TestBadInput:
    anatomy = ReferenceAnatomy(3)

    def coordinates(self, cavity=None, myocardium=None, **options):
        cavity = self.anatomy.cavity if cavity is None else cavity
        myocardium = self.anatomy.mask if myocardium is None else myocardium
        return lv_coordinates(self.anatomy.geometry, cavity, myocardium, **options)

    def test_no_myocardium(self):
        with pytest.raises(ValueError, match="myocardium is empty"):
            self.coordinates(myocardium=np.zeros(self.anatomy.shape))

    def test_no_cavity(self):
        with pytest.raises(ValueError, match="cavity is empty"):
            self.coordinates(cavity=np.zeros(self.anatomy.shape))

    def test_a_cavity_of_another_place(self):
        cavity = np.zeros(self.anatomy.shape)
        cavity[:, :4, :4] = 1
        filled = self.anatomy.mask | self.anatomy.cavity
        with pytest.raises(ValueError, match="do not touch"):
            self.coordinates(cavity=cavity, myocardium=filled)

    def test_another_shape(self):
        with pytest.raises(ValueError, match=r"cavity has shape \(3, 80, 79\)"):
            self.coordinates(cavity=self.anatomy.cavity[..., 1:])

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_point_that_is_not_finite(self, value):
        with pytest.raises(ValueError, match="NaN or infinite"):
            self.coordinates(insertion_points=[[0.0, value, 0.0]])

    def test_a_point_far_from_the_heart(self):
        with pytest.raises(ValueError, match=r"point 2 .* mm from the myocardium"):
            self.coordinates(insertion_points=[displayed(31, 2.0), displayed(62, 2.0)])

    def test_a_right_ventricle_apart_from_the_wall(self):
        beside = np.zeros(self.anatomy.shape)
        beside[:, :2, :2] = 1
        with pytest.raises(ValueError, match="touches the left-ventricular wall in no slice"):
            self.coordinates(right_ventricle=beside)

    def test_an_unknown_apex_or_kind(self):
        with pytest.raises(ValueError, match="'first' or the 'last'"):
            self.coordinates(apex="top")
        with pytest.raises(ValueError, match="'stack', 'dense'"):
            self.coordinates(kind="mesh")
