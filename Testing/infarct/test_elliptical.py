"""The elliptical model against ellipses, the distributions it claims, and a plain painting."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.elliptical import EllipticalModel
from cardiactwins.infarct.model import StartZone

PLAIN = runpy.run_path(str(Path(__file__).parents[1] / "Benchmarks" / "reference_personalization.py"))
PAPER = ReferenceAnatomy()
WIDE = ReferenceAnatomy(size=400, endocardial_radius=60.0, epicardial_radius=190.0)
"""A wall of 130 pixels, whose start zone reaches 26 pixels into it."""
FINE = ReferenceAnatomy(
    slices=80,
    size=120,
    endocardial_radius=20.0,
    epicardial_radius=50.0,
    endocardial_length=60.0,
    epicardial_length=80.0,
)
"""Slices one pixel apart; at mid-level the endocardium narrows by 2/3 of a pixel a slice."""


def painted_deep(model, semi_axes, depth):
    """An ellipse of these semi-axes around a start voxel below `depth`: lesion (N,), centre (3,)."""
    radial = model.anatomy.radial[model.start_voxels]
    start = np.flatnonzero(radial > depth)[0]
    uniforms = np.full((1, model.n_uniforms), 0.5)
    uniforms[0, 0] = (start + 0.5) / len(radial)
    parameters = np.zeros(2 * len(semi_axes))
    parameters[0::2] = semi_axes
    return model.paint(parameters, uniforms)[0], model.anatomy.positions[model.start_voxels[start]]


def thin_zone(turn):
    """A model on the wide wall whose start zone is a pixel or two wide: its memory grows with the zone."""
    return EllipticalModel(WIDE, StartZone(turn, circumferential_tolerance=0.002))


@pytest.mark.parametrize("semi_axes", [(30.0, 15.0), (15.0, 15.0), (40.0, 9.0)])
def test_an_ellipse_inside_the_wall_has_the_area_of_an_ellipse(semi_axes):
    lesion, _ = painted_deep(thin_zone(0.0), semi_axes, depth=0.15)
    assert lesion.sum() == pytest.approx(np.pi * semi_axes[0] * semi_axes[1], rel=0.01)


@pytest.mark.parametrize("turn", [0.0, 0.11, 0.4, 0.77])
def test_axis_1_lies_along_the_circumference_and_axis_2_along_the_radius(turn):
    """The principal axes of the painted pixels: variances are a quarter of the squared semi-axes."""
    lesion, centre = painted_deep(thin_zone(turn), (30.0, 12.0), depth=0.15)
    points = (WIDE.positions[lesion] - centre)[:, :2]
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.1)
    variances, directions = np.linalg.eigh(np.cov(points.T))
    np.testing.assert_allclose(2 * np.sqrt(variances), (12, 30), rtol=0.01)
    radius = centre[:2] / np.linalg.norm(centre[:2])
    assert abs(directions[:, 0] @ radius) > 0.9999


def test_a_lesion_reaches_as_far_along_the_ring_and_into_the_wall_as_its_semi_axes():
    lesion, centre = painted_deep(thin_zone(2 / 3), (45.0, 18.0), depth=0.15)
    offsets = (WIDE.positions[lesion] - centre)[:, :2]
    outwards = centre[:2] / np.linalg.norm(centre[:2])
    around = outwards[::-1] * [-1, 1]
    for direction, semi_axis in ((around, 45), (-around, 45), (outwards, 18), (-outwards, 18)):
        assert semi_axis - 1.5 < (offsets @ direction).max() <= semi_axis


@pytest.mark.parametrize("anatomy", [PAPER, ReferenceAnatomy(slices=11)], ids=["2D", "3D"])
def test_turning_the_start_zone_by_a_quarter_turns_the_lesions(anatomy):
    """A quarter of a turn maps the pixel grid onto itself; the lesions of all start voxels must follow."""

    def lesions(circumferential):
        model = EllipticalModel(anatomy, StartZone(circumferential, circumferential_tolerance=0.021))
        count = len(model.start_voxels)
        uniforms = np.full((count, model.n_uniforms), 0.5)
        uniforms[:, 0] = (np.arange(count) + 0.5) / count
        parameters = [17.3, 0, 9.1, 0, 21.7, 0][: 2 * len(model.axes)]
        return anatomy.to_image(model.paint(parameters, uniforms))

    here, turned = lesions(0.07), lesions(0.32)
    expected = np.rot90(here, axes=(2, 3))
    assert {image.tobytes() for image in turned} == {
        np.ascontiguousarray(image).tobytes() for image in expected
    }
    assert (turned != here).any()


def deep_zone_3d():
    return StartZone(0.3, circumferential_tolerance=0.01, longitudinal=0.5, longitudinal_tolerance=0.007)


def test_an_ellipsoid_inside_the_wall_has_the_volume_and_the_tilted_axes_of_an_ellipsoid():
    """Semi-axes are the roots of five variances; axis 2 leans as the endocardium narrows to the apex."""
    model = EllipticalModel(FINE, deep_zone_3d())
    lesion, centre = painted_deep(model, (14.0, 4.5, 10.0), depth=0.17)
    assert FINE.slice_spacing == 1
    assert lesion.sum() == pytest.approx(4 / 3 * np.pi * 14 * 4.5 * 10, rel=0.02)
    variances, directions = np.linalg.eigh(np.cov((FINE.positions[lesion] - centre).T))
    np.testing.assert_allclose(np.sqrt(5 * variances), (4.5, 10, 14), rtol=0.02)
    lean = np.degrees(np.arcsin(abs(directions[2, 0])))
    radius, height = np.hypot(*centre[:2]), FINE.slice_heights[0] - centre[2]
    base_radius = 20 / np.sqrt(1 - (40 / 60) ** 2)
    assert lean == pytest.approx(np.degrees(np.arctan(height / radius * (base_radius / 60) ** 2)), abs=1)
    assert 10 < lean < 35
    assert abs(directions[2, 2]) < 0.02


def endocardial_frames():
    """A 3D model and 200 points on its endocardial ellipsoid, at any angle and height above the apex."""
    rng = np.random.default_rng(4)
    height, angle = rng.uniform(0, 59, 200), rng.uniform(0, 2 * np.pi, 200)
    radius = 20 * np.sqrt((1 - (height / 60) ** 2) / (1 - (40 / 60) ** 2))
    z = FINE.slice_heights[0] - height
    return EllipticalModel(FINE), np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def test_frames_are_orthonormal():
    model, points = endocardial_frames()
    frames = model.frames(points * [1.2, 1.2, 1.0])
    identity = np.broadcast_to(np.eye(3), frames.shape)
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), identity, atol=1e-12)


def test_the_radial_direction_is_the_outward_normal_of_the_endocardial_ellipsoid():
    """Central differences of the implicit surface (r/R)^2 + (h/L)^2 with h the distance from the base."""
    model, points = endocardial_frames()

    def surface(p):
        height = FINE.slice_heights[0] - p[:, 2]
        at_base = 20 / np.sqrt(1 - (40 / 60) ** 2)
        return (p[:, 0] ** 2 + p[:, 1] ** 2) / at_base**2 + (height / 60) ** 2

    np.testing.assert_allclose(surface(points), 1)
    step = 1e-4 * np.eye(3)
    gradient = np.stack([surface(points + d) - surface(points - d) for d in step], axis=1)
    normal = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(model.frames(points)[:, 1], normal, atol=1e-6)
    assert (normal[:, 2] <= 0).all(), "an ellipsoid that narrows to the apex faces it"


def test_the_other_two_directions_lie_on_the_ring_and_on_the_meridian():
    model, points = endocardial_frames()
    circumferential, radial, longitudinal = model.frames(points).transpose(1, 0, 2)
    assert (circumferential[:, 2] == 0).all()
    np.testing.assert_allclose((circumferential * points)[:, :2].sum(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(np.cross(points, longitudinal)[:, 2], 0, atol=1e-10)
    assert (longitudinal[:, 2] > 0).all(), "towards the base"
    assert (radial[:, :2] * points[:, :2]).sum(axis=1).min() > 0, "outwards"


def test_in_2d_the_radial_direction_stays_in_the_slice():
    frames = EllipticalModel(PAPER).frames(PAPER.positions)
    np.testing.assert_allclose(frames[:, 1, 2], 0)
    outwards = PAPER.positions / np.linalg.norm(PAPER.positions, axis=1, keepdims=True)
    np.testing.assert_allclose(frames[:, 1], outwards, atol=1e-12)


def test_a_lesion_on_the_long_axis_beyond_the_cavity_is_painted():
    """A grid of odd size has voxels on the axis itself, where every direction is along the circumference."""
    anatomy = ReferenceAnatomy(slices=11, size=81)
    model = EllipticalModel(
        anatomy, StartZone(0, 1.0, circumferential_tolerance=0.5, longitudinal_tolerance=0.01)
    )
    on_axis = np.flatnonzero((anatomy.positions[model.start_voxels, :2] == 0).all(axis=1))
    assert len(on_axis) == 1
    uniforms = np.full((1, 4), 0.5)
    uniforms[0, 0] = (on_axis[0] + 0.5) / len(model.start_voxels)
    (lesion,) = model.paint([6.2, 0, 3, 0, 6.2, 0], uniforms)
    inside = (np.hypot(*anatomy.positions[:, :2].T) <= 6.2) & (anatomy.indices[:, 0] == 0)
    np.testing.assert_array_equal(lesion, inside)


def test_lesions_are_the_plain_references_one_by_one():
    model = EllipticalModel(PAPER)
    uniforms = np.random.default_rng(0).random((60, 3))
    parameters = (18, 10, 13, 18)
    plain = PLAIN["elliptical_lesions"](parameters, uniforms, PAPER.positions, model.start_voxels)
    np.testing.assert_array_equal(model.paint(parameters, uniforms), plain)
    assert len({lesion.tobytes() for lesion in plain}) > 50


@pytest.mark.parametrize("anatomy", [PAPER, FINE], ids=["2D", "3D"])
def test_normal_draws_are_folded_normal_on_each_axis(anatomy):
    model = EllipticalModel(anatomy)
    parameters = np.array([18.0, 10, 13, 18, 4, 22])[: 2 * len(model.axes)]
    axes = model.semi_axes(parameters, np.random.default_rng(1).random((20_000, len(model.axes))))
    for axis, (mean, std) in enumerate(parameters.reshape(-1, 2)):
        claimed = stats.foldnorm(mean / std, scale=std)
        assert stats.kstest(axes[:, axis], claimed.cdf).pvalue > 1e-3
        assert stats.kstest(axes[:, axis], stats.foldnorm(mean / std, scale=1.05 * std).cdf).pvalue < 1e-3


def test_uniform_draws_are_uniform_around_the_centre_and_lose_their_sign():
    model = EllipticalModel(PAPER, draws="uniform")
    axes = model.semi_axes((20, 8, 3, 9), np.random.default_rng(2).random((20_000, 2)))
    assert stats.kstest(axes[:, 0], stats.uniform(12, 16).cdf).pvalue > 1e-3

    def folded(length):
        """|U(-6, 12)|: lengths to 6 come from both signs."""
        return np.where(length < 6, 2 * length / 18, (length + 6) / 18)

    assert stats.kstest(axes[:, 1], folded).pvalue > 1e-3
    assert axes[:, 1].max() < 12


def test_semi_axes_are_independent_of_each_other():
    axes = EllipticalModel(FINE).semi_axes((18, 10) * 3, np.random.default_rng(3).random((20_000, 3)))
    correlations = stats.spearmanr(axes).statistic[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.03


def test_centres_are_uniform_over_the_start_zone():
    """Ellipses without extent are their centre voxels."""
    model = EllipticalModel(PAPER, StartZone(0.9, circumferential_tolerance=0.05))
    lesions = model.sample([0, 0, 0, 0], 4000, np.random.default_rng(6))
    assert (lesions.sum(axis=1) == 1).all()
    centres = lesions.argmax(axis=1)
    counts = np.array([(centres == voxel).sum() for voxel in model.start_voxels])
    assert counts.sum() == 4000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_each_axis_takes_its_own_parameters():
    assert [p.name for p in EllipticalModel(FINE).parameters] == [
        "circumferential mean",
        "circumferential std",
        "radial mean",
        "radial std",
        "longitudinal mean",
        "longitudinal std",
    ]
    assert len(EllipticalModel(PAPER).parameters) == 4
    axes = EllipticalModel(FINE).semi_axes((11, 0, 22, 0, 33, 0), np.full((1, 3), 0.3))
    np.testing.assert_allclose(axes, [[11, 22, 33]])


def test_draws_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="'normal' or 'uniform'; found 'gamma'"):
        EllipticalModel(PAPER, draws="gamma")


def test_parameters_out_of_bounds_are_refused_before_anything_is_painted():
    with pytest.raises(ValueError, match=r"'radial std' must lie in \[0, 40\] pixels"):
        EllipticalModel(PAPER).sample([18, 10, 13, -1], 5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="takes 4 parameters"):
        EllipticalModel(PAPER).sample([18, 10, 13, 18, 5, 5], 5, np.random.default_rng(0))
