"""The iterative spherical model against a plain chain of spheres and the distributions it claims."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import StartZone
from cardiactwins.infarct.spherical import IterativeSphericalModel, chosen_voxels

PLAIN = runpy.run_path(str(Path(__file__).parents[1] / "Benchmarks" / "reference_personalization.py"))
PAPER = ReferenceAnatomy()
STACK = ReferenceAnatomy(slices=11)


def lone_zone(anatomy):
    """A start zone of a single voxel."""
    inner = np.flatnonzero((anatomy.radial < 0.2) & (np.abs(anatomy.longitudinal - 0.5) < 1e-9))
    voxel = inner[np.argmin(np.abs(anatomy.circumferential[inner] - 0.3))]
    zone = StartZone(anatomy.circumferential[voxel], 0.5, 1e-9, 1e-9, anatomy.radial[voxel] + 1e-9)
    assert zone.voxels(anatomy).tolist() == [voxel]
    return zone, voxel


@pytest.mark.parametrize("anatomy", [PAPER, STACK], ids=["2D", "11 slices"])
@pytest.mark.parametrize("parameters", [(1, 32.0), (2, 5.0), (13, 9.5), (34, 9.0), (20, 60.0)])
def test_lesions_are_the_plain_references_one_by_one(anatomy, parameters):
    model = IterativeSphericalModel(anatomy)
    uniforms = np.random.default_rng(0).random((12, model.n_uniforms))
    plain = PLAIN["spherical_lesions"](parameters, uniforms, anatomy.positions, model.start_voxels)
    np.testing.assert_array_equal(model.paint(parameters, uniforms), plain)


def test_the_first_sphere_is_centred_on_any_voxel_of_the_start_zone_alike():
    """One sphere of radius 1 is a voxel and its neighbours, which tells where its centre is."""
    zone = StartZone(0.97, circumferential_tolerance=0.04)
    model = IterativeSphericalModel(PAPER, zone)
    centres = zone.voxels(PAPER)
    distances = np.linalg.norm(PAPER.positions[centres][:, None] - PAPER.positions, axis=2)
    spheres = {sphere.tobytes(): index for index, sphere in enumerate(distances <= 1)}
    assert len(spheres) == len(centres)
    lesions = model.sample([1, 1.0], 4000, np.random.default_rng(1))
    counts = np.bincount([spheres[lesion.tobytes()] for lesion in lesions], minlength=len(centres))
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("anatomy", [PAPER, STACK], ids=["2D", "11 slices"])
def test_radii_are_uniform_between_one_pixel_and_the_maximal_radius(anatomy):
    """Each lesion of one sphere brackets its radius between the last distance inside and the next one."""
    zone, voxel = lone_zone(anatomy)
    distance = np.linalg.norm(anatomy.positions - anatomy.positions[voxel], axis=1)
    largest = 25.0
    lesions = IterativeSphericalModel(anatomy, zone).sample([1, largest], 1000, np.random.default_rng(2))
    edges = np.array([1.0, 3.0, 5.0, 8.0, 11.0, 13.0, 16.0, 20.0, 23.0, largest])
    edges[1:-1] = [distance[distance >= edge].min() for edge in edges[1:-1]]
    reached = np.where(lesions, distance, 0).max(axis=1)
    counts = np.histogram(reached, np.r_[0, edges[1:-1] - 1e-9, np.inf])[0]
    assert stats.chisquare(counts, 1000 * np.diff(edges) / (largest - 1)).pvalue > 1e-3
    assert reached.max() <= largest


def test_the_next_centre_is_any_voxel_of_the_previous_sphere_alike():
    zone, voxel = lone_zone(STACK)
    model = IterativeSphericalModel(STACK, zone)
    starts, stops = model.sphere_runs(np.array([voxel]), np.array([9.3]))
    distance = np.linalg.norm(STACK.positions - STACK.positions[voxel], axis=1)
    sphere = np.flatnonzero(distance <= 9.3)
    draws = 100 * len(sphere)
    uniforms = np.random.default_rng(3).random(draws)
    chosen = chosen_voxels(np.repeat(starts, draws, 0), np.repeat(stops, draws, 0), uniforms)
    counts = np.bincount(chosen, minlength=STACK.n_voxels)
    assert counts[sphere].sum() == draws
    assert stats.chisquare(counts[sphere]).pvalue > 1e-3


def test_a_sphere_inside_a_wide_wall_has_the_area_of_a_disc():
    """The start zone is the endocardium, so the plain disc loses what lies in the cavity."""
    anatomy = ReferenceAnatomy(size=300, endocardial_radius=40.0, epicardial_radius=148.0)
    zone, voxel = lone_zone(anatomy)
    uniforms = np.full((1, 121), 0.5)
    (lesion,) = IterativeSphericalModel(anatomy, zone).paint([1, 59.0], uniforms)
    radius, cavity, between = 30.0, 40.0, np.hypot(*anatomy.positions[voxel, :2])
    angle_1 = np.arccos((between**2 + radius**2 - cavity**2) / (2 * between * radius))
    angle_2 = np.arccos((between**2 + cavity**2 - radius**2) / (2 * between * cavity))
    lens = radius**2 * (angle_1 - np.sin(2 * angle_1) / 2) + cavity**2 * (angle_2 - np.sin(2 * angle_2) / 2)
    assert 0 < lens < np.pi * radius**2 / 2
    assert lesion.sum() == pytest.approx(np.pi * radius**2 - lens, rel=0.01)


def test_spheres_reach_over_slices_by_their_true_distance():
    """Slices lie 96 / 11 = 8.73 pixels apart: radius 8.6 stays in the slice, 8.8 takes the neighbours."""
    zone, voxel = lone_zone(STACK)
    model = IterativeSphericalModel(STACK, zone)
    own = STACK.indices[voxel, 0]
    for radius, reach in ((8.6, 0), (8.8, 1), (17.4, 1), (17.5, 2)):
        uniforms = np.full((1, model.n_uniforms), 0.5)
        (lesion,) = model.paint([1, 2 * radius - 1], uniforms)
        slices = set(STACK.indices[lesion, 0])
        assert slices == set(range(own - reach, own + reach + 1))


@pytest.mark.parametrize("anatomy", [PAPER, STACK], ids=["2D", "11 slices"])
def test_one_more_sphere_never_takes_a_voxel_away(anatomy):
    model = IterativeSphericalModel(anatomy, most_spheres=30)
    uniforms = np.random.default_rng(4).random((8, model.n_uniforms))
    smaller = model.paint([1, 9.0], uniforms)
    first = smaller
    for count in range(2, 31):
        larger = model.paint([count, 9.0], uniforms)
        assert (larger >= smaller).all()
        smaller = larger
    assert (smaller.sum(axis=1) > first.sum(axis=1)).all()


def test_rows_of_parameters_with_different_counts_do_not_mix():
    """A lesion that stops early must not go on with its neighbours' spheres."""
    model = IterativeSphericalModel(PAPER, most_spheres=20)
    uniforms = np.random.default_rng(5).random((6, model.n_uniforms))
    rows = np.array([[1, 4.0], [20, 3.0], [7, 12.0], [2, 30.0], [13, 1.0], [5, 8.0]])
    together = model.paint(rows, uniforms)
    for row in range(6):
        plain = PLAIN["spherical_lesions"](
            rows[row], uniforms[row : row + 1], PAPER.positions, model.start_voxels
        )
        np.testing.assert_array_equal(together[row], plain[0])


def test_the_number_of_spheres_is_rounded():
    model = IterativeSphericalModel(PAPER)
    uniforms = np.random.default_rng(6).random((4, model.n_uniforms))
    np.testing.assert_array_equal(model.paint([3.4, 9], uniforms), model.paint([3, 9], uniforms))
    np.testing.assert_array_equal(model.paint([2.6, 9], uniforms), model.paint([3, 9], uniforms))
    assert (model.paint([4, 9], uniforms) != model.paint([3, 9], uniforms)).any()


def test_a_chain_stays_in_one_piece():
    """Each centre lies in the sphere before, so a lesion is connected (in a slice, through the wall)."""
    from skimage.measure import label

    model = IterativeSphericalModel(PAPER)
    lesions = model.sample([12, 6.0], 40, np.random.default_rng(7))
    for image in PAPER.to_image(lesions):
        assert label(image[0], connectivity=2).max() == 1


def test_the_number_of_spheres_is_limited_as_the_model_says():
    model = IterativeSphericalModel(PAPER, most_spheres=3)
    assert [parameter.default for parameter in model.parameters] == [3, 35]
    with pytest.raises(ValueError, match=r"'spheres' must lie in \[1, 3\]; found 4"):
        model.sample([4, 9], 2, np.random.default_rng(0))
    with pytest.raises(ValueError, match="2 or more; found 1"):
        IterativeSphericalModel(PAPER, most_spheres=1)
