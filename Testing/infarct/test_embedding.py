"""Latent space of a population: Isomap against graph distances, decoding against plain kernel regression."""

import numpy as np
import pytest
from scipy.sparse.csgraph import dijkstra

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.embedding import LatentSpace, shared_scatter
from cardiactwins.infarct.individual import ellipse_coordinates
from cardiactwins.infarct.regression import MultiscaleRegression

ANATOMY = ReferenceAnatomy(size=40, endocardial_radius=9.0, epicardial_radius=15.0)


def lesion(centre, axis1=7.0, axis2=5.0):
    u, v = ellipse_coordinates(ANATOMY, centre)
    return (u / axis1) ** 2 + (v / axis2) ** 2 <= 1


@pytest.fixture(scope="module")
def varied_lesions():
    rng = np.random.default_rng(5)
    return np.array([lesion(rng.normal(0, 0.03), rng.uniform(2, 16), rng.uniform(2, 7)) for _ in range(60)])


@pytest.fixture(scope="module")
def latent_space(varied_lesions):
    return LatentSpace.fit(varied_lesions)


def test_lesions_that_turn_along_an_arc_lie_on_a_line_in_order_of_their_angle():
    angles = np.random.default_rng(0).permutation(np.linspace(0, 0.5, 60))
    space = LatentSpace.fit(np.array([lesion(angle) for angle in angles]), neighbors=4)
    along = space.coordinates[:, 0]
    assert abs(np.corrcoef(along, angles)[0, 1]) > 0.999
    in_order = np.argsort(angles)
    assert abs(np.sign(np.diff(along[in_order])).sum()) == len(angles) - 1
    assert space.eigenvalue_decrease[1] < 0.02


def test_lesions_that_turn_all_around_lie_on_a_circle():
    angles = np.linspace(0, 1, 60, endpoint=False)
    space = LatentSpace.fit(np.array([lesion(angle) for angle in angles]), neighbors=4)
    x, y = space.coordinates[:, :2].T
    np.testing.assert_allclose(np.hypot(x, y), np.hypot(x, y).mean(), rtol=0.03)
    turned = np.unwrap(np.arctan2(y, x)) / (2 * np.pi)
    np.testing.assert_allclose(np.abs(turned - turned[0]), angles, atol=0.01)


def test_geodesics_are_shortest_paths_through_the_nearest_neighbours():
    images = np.random.default_rng(1).random((25, 6))
    distances = np.linalg.norm(images[:, None] - images, axis=-1)
    graph = np.zeros_like(distances)
    for i, row in enumerate(distances):
        nearest = np.argsort(row)[1:4]
        graph[i, nearest] = row[nearest]
    expected = dijkstra(np.maximum(graph, graph.T), directed=False)
    assert np.isfinite(expected).all()
    space = LatentSpace.fit(images, neighbors=3)
    np.testing.assert_allclose(space.geodesics, expected)
    assert space.parts == 1


def test_variance_along_a_dimension_is_its_eigenvalue_over_the_number_of_images(latent_space, varied_lesions):
    np.testing.assert_allclose(latent_space.coordinates.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(
        latent_space.deviations**2, latent_space.eigenvalues / len(varied_lesions), rtol=1e-9
    )
    assert latent_space.eigenvalue_decrease[0] == 1
    assert (np.diff(latent_space.eigenvalue_decrease) <= 0).all()


def test_regression_agrees_with_plain_kernel_ridge_regression_scale_by_scale():
    rng = np.random.default_rng(2)
    points, values, queries = rng.normal(size=(30, 3)), rng.random((30, 11)), rng.normal(size=(4, 3))

    def kernel(first, second, scale):
        return np.array([[np.exp(-np.sum((p - q) ** 2) / scale) for q in second] for p in first])

    distances = np.array([[np.linalg.norm(p - q) for q in points] for p in points])
    nearest = np.mean([np.sort(row)[1:6].mean() for row in distances])
    residual, expected, scale, scales = values.copy(), np.zeros((4, 11)), distances.max() ** 2, []
    while scale >= nearest**2:
        gram = kernel(points, points, scale)
        coefficients = np.linalg.inv(gram + np.eye(30) / 0.7) @ residual
        residual = residual - gram @ coefficients
        expected += kernel(queries, points, scale) @ coefficients
        scales.append(scale)
        scale /= 2

    regression = MultiscaleRegression.fit(points, values, gamma=0.7)
    np.testing.assert_allclose(regression.scales, scales)
    np.testing.assert_allclose(regression.predict(queries), expected, atol=2e-6)


def test_every_finer_scale_brings_the_regression_closer_to_its_samples(latent_space, varied_lesions):
    decoder = latent_space.decoder
    errors = [
        np.linalg.norm(
            MultiscaleRegression(
                decoder.points, decoder.values, decoder.scales[:count], decoder.operators[:count]
            ).predict(decoder.points)
            - varied_lesions
        )
        for count in range(1, len(decoder.scales) + 1)
    ]
    assert len(errors) > 3
    assert (np.diff(errors) < 0).all()


def test_regression_with_a_heavy_data_term_reproduces_its_samples():
    rng = np.random.default_rng(6)
    points, values = rng.normal(size=(20, 2)), rng.random((20, 5))
    regression = MultiscaleRegression.fit(points, values, gamma=1e8)
    np.testing.assert_allclose(regression.predict(points), values, atol=1e-3)


def test_patterns_stay_between_healthy_and_infarct(latent_space):
    far = np.random.default_rng(3).normal(size=(50, latent_space.dimensions)) * 2 * latent_space.deviations
    patterns = latent_space.decode(far)
    assert latent_space.decoder.predict(far).min() < 0
    assert patterns.min() >= 0 and patterns.max() <= 1


def test_modes_pass_through_the_mean_and_the_first_is_size(latent_space):
    modes = latent_space.modes()
    assert modes.shape == (3, 5, ANATOMY.n_voxels)
    for mode in modes:
        np.testing.assert_allclose(mode[2], latent_space.mean_pattern(), atol=1e-6)
    sizes = np.diff(modes[0].mean(axis=1))
    assert (sizes > 0).all() or (sizes < 0).all()


def test_a_mode_is_the_decoded_point_at_that_many_deviations(latent_space):
    point = np.zeros(latent_space.dimensions)
    point[1] = 1.5 * latent_space.deviations[1]
    np.testing.assert_allclose(
        latent_space.modes(dimensions=2, deviations=[1.5])[1, 0], latent_space.decode(point), atol=1e-6
    )
    np.testing.assert_array_equal(latent_space.decode(point[:2]), latent_space.decode(point))


def test_encoding_a_member_gives_its_own_coordinates(latent_space, varied_lesions):
    np.testing.assert_allclose(
        latent_space.encode(varied_lesions[:5]), latent_space.coordinates[:5], atol=1e-6
    )
    np.testing.assert_allclose(
        latent_space.encode(varied_lesions[7])[0], latent_space.coordinates[7], atol=1e-6
    )


def test_a_new_lesion_is_encoded_between_those_it_resembles():
    sizes = np.linspace(4, 16, 40)
    space = LatentSpace.fit(np.array([lesion(0, size) for size in sizes]), neighbors=3)
    along = np.argsort(space.coordinates[:, 0])
    rank = np.searchsorted(space.coordinates[along, 0], space.encode(lesion(0, 10.15))[0, 0])
    expected = np.searchsorted(sizes if along[0] == 0 else -sizes[::-1], 10.15 if along[0] == 0 else -10.15)
    assert abs(rank - expected) <= 1


def test_two_far_groups_are_joined():
    left = [lesion(0.2 + 0.004 * i) for i in range(8)]
    right = [lesion(0.7 + 0.004 * i) for i in range(8)]
    space = LatentSpace.fit(np.array(left + right), neighbors=3)
    assert space.parts == 2
    assert np.isfinite(space.geodesics).all()
    first = space.coordinates[:, 0]
    assert first[:8].max() < first[8:].min() or first[:8].min() > first[8:].max()


def test_copies_of_an_image_share_one_place(varied_lesions):
    crowd = np.concatenate([varied_lesions, np.repeat(varied_lesions[:1], 9, axis=0)])
    space = LatentSpace.fit(crowd)
    np.testing.assert_array_equal(space.geodesics[0, 60:], 0)
    np.testing.assert_allclose(space.coordinates[60:], space.coordinates[[0] * 9], atol=1e-6)
    assert np.isfinite(space.modes()).all()


def test_only_copies_of_two_images_still_make_a_line():
    space = LatentSpace.fit(np.repeat([lesion(0, 4), lesion(0, 12)], 10, axis=0))
    assert space.dimensions == 1
    apart = np.sqrt((lesion(0, 4) ^ lesion(0, 12)).sum())
    np.testing.assert_allclose(np.ptp(space.coordinates), apart)


def test_small_populations_keep_their_positive_dimensions(varied_lesions):
    space = LatentSpace.fit(varied_lesions[:9])
    assert 1 <= space.dimensions <= 8
    assert (space.eigenvalues > 0).all()


def test_the_same_population_gives_the_same_latent_space(latent_space, varied_lesions):
    again = LatentSpace.fit(varied_lesions)
    np.testing.assert_array_equal(again.coordinates, latent_space.coordinates)
    np.testing.assert_array_equal(again.modes(), latent_space.modes())


def test_shared_scatter_keeps_populations_apart_by_name(varied_lesions):
    small = np.array([lesion(0.01 * i, 2.5, 2.5) for i in range(12)])
    scatter = shared_scatter({"real": varied_lesions, "synthetic": small})
    assert scatter.names == ("real", "synthetic")
    assert scatter.of("real").shape[0] == 60 and scatter.of("synthetic").shape[0] == 12
    together = LatentSpace.fit(np.concatenate([varied_lesions, small]))
    np.testing.assert_array_equal(scatter.of("synthetic"), together.coordinates[60:])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.ones((20, 30)), "All 20 images are the same"),
        (np.eye(6), "at least 7 images; found 6"),
        (np.ones(30), r"shape \(30,\)"),
        (np.full((9, 4), np.nan), "NaN"),
    ],
)
def test_images_that_cannot_be_embedded_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        LatentSpace.fit(images)


def test_points_and_modes_beyond_the_dimensions_are_refused(latent_space):
    with pytest.raises(ValueError, match="1 to 20 coordinates; found 21"):
        latent_space.decode(np.zeros(21))
    with pytest.raises(ValueError, match="30 modes"):
        latent_space.modes(30)


@pytest.mark.parametrize(
    ("points", "values", "gamma", "message"),
    [
        (np.ones((5, 2)), np.ones((5, 3)), 1, "coincide"),
        (np.eye(5), np.ones((4, 3)), 1, "same n"),
        (np.eye(5), np.ones((5, 3)), 0, "must be positive"),
    ],
)
def test_points_without_a_regression_are_refused(points, values, gamma, message):
    with pytest.raises(ValueError, match=message):
        MultiscaleRegression.fit(points, values, gamma)
