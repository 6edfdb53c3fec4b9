"""From simulated DENSE phases to strain matrix and TOS, against the motion they were made of."""

import numpy as np
import pytest

from cardiactwins.lma.dense import eulerian_displacement
from cardiactwins.lma.dense_phantom import dense_phantom
from cardiactwins.lma.onset import estimate_onset
from cardiactwins.lma.slice_strain import slice_strain


@pytest.fixture(scope="module")
def lbbb():
    return dense_phantom("LBBB", np.random.default_rng(0), pixel=2.0, phase_noise=0.08, heart_rate=70)


@pytest.fixture(scope="module")
def found(lbbb):
    return slice_strain(lbbb.images, lbbb.insertion, reference=lbbb.reference)


def test_the_phantom_keeps_its_area_and_wraps(lbbb):
    fine = dense_phantom("LBBB", np.random.default_rng(0), pixel=0.8, heart_rate=70, phase_noise=0.0)
    areas = fine.images.mask.sum(axis=(1, 2))
    assert areas == pytest.approx(np.pi * (33**2 - 22**2) / 0.8**2, rel=0.015)
    assert np.nanmax(np.abs(eulerian_displacement(lbbb.images))) > 5.0


def test_mid_wall_strain_is_that_of_the_curves(lbbb, found):
    matrix, truth = found.matrix(), lbbb.strain(18)
    error = np.sqrt(((matrix - truth) ** 2).mean())
    slope = np.polyfit(truth.ravel(), matrix.ravel(), 1)[0]
    print(f"mid-wall matrix: RMS error {error:.4f}, slope {slope:.2f}")
    assert error < 0.01
    assert slope == pytest.approx(1, abs=0.05)


def test_without_noise_mid_wall_strain_is_nearly_exact():
    phantom = dense_phantom("RBBB", np.random.default_rng(1), pixel=1.25, phase_noise=0.0)
    result = slice_strain(phantom.images, phantom.insertion, reference=phantom.reference, modes=0, radius=2.5)
    assert np.abs(result.matrix() - phantom.strain(18)).max() < 0.012


def test_layers_shorten_more_inside_and_thicken(found):
    endo, mid, epi = (found.matrix(layer=name).min(axis=1).mean() for name in ("endo", "mid", "epi"))
    assert endo < mid < epi < 0
    assert found.matrix(component="radial").max(axis=1).mean() > 0.1
    whole = found.matrix(layer=None).min(axis=1).mean()
    assert endo < whole < epi


def test_onset_comes_back_through_the_images(lbbb, found):
    estimate = estimate_onset(found.measured_matrix(), found.times, sectors=18)
    truth = lbbb.onset(18)
    print(f"TOS through DENSE: mean absolute error {np.abs(estimate.tos - truth).mean():.1f} ms")
    assert np.abs(estimate.tos - truth).mean() < 17
    assert abs(int(np.argmax(estimate.tos)) - int(np.argmax(truth))) <= 2


def test_intervals_hold_the_truth_through_noisy_images():
    """Phase noise of 0.3 rad, three times that of ordinary images."""
    covered, errors = [], []
    for seed, pattern in enumerate(("normal", "LBBB", "RBBB", "paced")):
        rng = np.random.default_rng(seed)
        phantom = dense_phantom(pattern, rng, pixel=2.65, phase_noise=0.3, heart_rate=75)
        result = slice_strain(phantom.images, phantom.insertion, reference=phantom.reference)
        found, truth = estimate_onset(result.measured_matrix(), result.times), phantom.onset(18)
        covered.append((found.lower <= truth) & (truth <= found.upper))
        errors.append(np.abs(found.tos - truth))
    print(f"phase noise 0.3 rad: {np.mean(errors):.1f} ms, intervals hold {100 * np.mean(covered):.0f} %")
    assert np.mean(covered) > 0.8
    assert np.mean(errors) < 17


def test_a_mirrored_image_is_read_from_the_base(lbbb, found):
    """The same heart mirrored left to right shows it from the base: the sectors must not change places."""
    images, width = lbbb.images, lbbb.images.positions[0, -1, 0]
    mirrored = type(images)(
        np.stack([-images.phase[0][..., ::-1], images.phase[1][..., ::-1]]),
        images.mask[..., ::-1],
        images.times,
        images.ke,
        images.pixel,
    )
    insertion = np.array([width - lbbb.insertion[0], lbbb.insertion[1]])
    other = slice_strain(mirrored, insertion, reference=lbbb.reference[:, ::-1], seen_from_apex=False)
    assert other.matrix() == pytest.approx(found.matrix(), abs=1e-6)


def test_names_that_do_not_exist_are_refused(lbbb, found):
    with pytest.raises(ValueError, match="Layers are"):
        found.matrix(layer="outer")
    with pytest.raises(ValueError, match="Components are"):
        found.matrix(component="longitudinal")
    with pytest.raises(ValueError, match="cannot be joined"):
        lbbb.onset(7)
    with pytest.raises(ValueError, match="Radii must rise"):
        dense_phantom("normal", np.random.default_rng(0), endocardium=30, epicardium=20)
