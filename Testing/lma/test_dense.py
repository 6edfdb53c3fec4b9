"""Displacement and tracked tissue from the phase of motions that are known exactly."""

import numpy as np
import pytest
import skimage.restoration

from cardiactwins.lma.dense import dense_images, eulerian_displacement, phase_from_pixels, unwrapped_phase
from cardiactwins.lma.tracking import track_tissue

KE = 0.1
PIXEL = (2.0, 2.5)
SIZE = (44, 52)
CENTER = np.array([50.0, 54.0])
TIMES = np.array([15.0, 30.0, 52.0, 60.0, 81.0, 99.0])


def ring(points):
    radius = np.linalg.norm(points - CENTER, axis=-1)
    return (radius >= 16) & (radius <= 30)


def wrapped(phase):
    return np.angle(np.exp(1j * phase))


def images_of(matrices, shifts, through_plane=None, noise=0.0, **options):
    """Images of a ring that moves as x = center + A (X - center) + b, with their reference mask."""
    rows, columns = np.indices(SIZE)
    now = np.stack([columns * PIXEL[0], rows * PIXEL[1]], axis=-1)
    rng = np.random.default_rng(0)
    phase, mask = [], []
    for index, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
        before = (now - shift - CENTER) @ np.linalg.inv(matrix).T + CENTER
        moved = np.concatenate(
            [now - before, np.full((*SIZE, 1), 0 if through_plane is None else through_plane[index])], axis=-1
        )
        clean = 2 * np.pi * KE * moved
        phase.append(wrapped(clean + noise * rng.standard_normal(moved.shape)))
        mask.append(ring(before))
    phase = np.moveaxis(np.array(phase), -1, 0)
    options = {"ke": KE, "pixel": PIXEL} | options
    third = {} if through_plane is None else {"phase_z": phase[2]}
    return dense_images(phase[0], phase[1], np.array(mask), TIMES, **third, **options), ring(now)


def still():
    return [np.eye(2)] * len(TIMES)


SHARE = np.linspace(0, 1, len(TIMES))[:, None]


def test_displacement_beyond_one_wrap_is_followed_from_the_reference():
    """12 mm at 0.1 cycles/mm is more than a whole cycle: no single frame could tell it."""
    shifts = SHARE * [12.0, -11.0]
    images, _ = images_of(still(), shifts)
    found = eulerian_displacement(images)
    for frame, shift in enumerate(shifts):
        inside = found[:, frame, images.mask[frame]]
        assert inside == pytest.approx(np.broadcast_to(shift[:, None], inside.shape), abs=1e-9)
    assert np.isnan(found[:, ~images.mask]).all()


def test_a_gradient_that_wraps_within_the_wall_is_unwrapped_in_space():
    matrices = [np.eye(2) * (1 - 0.35 * s) for s in SHARE[:, 0]]
    images, _ = images_of(matrices, np.zeros((len(TIMES), 2)))
    last = images.phase[0, -1][images.mask[-1]]
    found = unwrapped_phase(images)[0, -1]
    x = images.positions[..., 0] - CENTER[0]
    truth = 2 * np.pi * KE * (x - x / 0.65)
    assert np.abs(truth[images.mask[-1]]).max() > 1.5 * np.pi
    assert found[images.mask[-1]] == pytest.approx(truth[images.mask[-1]], abs=1e-9)
    assert not np.allclose(last, truth[images.mask[-1]])


def test_a_background_of_nan_changes_nothing(monkeypatch):
    images, _ = images_of(still(), SHARE * [12.0, -11.0])
    phase = np.where(images.mask, images.phase, np.nan)
    unwrap = skimage.restoration.unwrap_phase

    def unwrap_finite(masked, **options):
        # It never returns when it is given NaN, masked or not.
        assert np.isfinite(np.ma.getdata(masked)).all()
        return unwrap(masked, **options)

    monkeypatch.setattr(skimage.restoration, "unwrap_phase", unwrap_finite)
    empty = dense_images(*phase, images.mask, TIMES, ke=KE, pixel=PIXEL)
    np.testing.assert_array_equal(unwrapped_phase(empty), unwrapped_phase(images))


def test_regions_that_do_not_touch_are_each_settled():
    images, _ = images_of(still(), SHARE * [12.0, 0.0])
    mask = images.mask.copy()
    mask[:, :, 24:28] = False
    split = dense_images(*images.phase, mask, TIMES, ke=KE, pixel=PIXEL)
    found = eulerian_displacement(split)[0]
    for frame in range(len(TIMES)):
        assert found[frame][mask[frame]] == pytest.approx(12.0 * SHARE[frame, 0], abs=1e-9)


def test_displacement_scales_with_the_encoding_frequency_and_turns_with_the_sign():
    shifts = SHARE * [3.0, -2.0]
    images, _ = images_of(still(), shifts)
    halved, _ = images_of(still(), shifts, ke=2 * KE)
    turned, _ = images_of(still(), shifts, signs=(-1, 1))
    plain = eulerian_displacement(images)
    assert eulerian_displacement(halved) == pytest.approx(plain / 2, nan_ok=True)
    assert eulerian_displacement(turned)[0] == pytest.approx(-plain[0], nan_ok=True)
    assert eulerian_displacement(turned)[1] == pytest.approx(plain[1], nan_ok=True)


def test_tracked_points_of_an_affine_motion_lie_where_the_motion_puts_them():
    angle = np.radians(14)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    final = turn @ np.array([[0.8, 0.1], [0.0, 0.9]])
    matrices = [np.eye(2) + s * (final - np.eye(2)) for s in SHARE[:, 0]]
    shifts = SHARE * [4.0, -6.0]
    images, reference = images_of(matrices, shifts)
    motion = track_tissue(images, reference, modes=0)
    for frame, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
        truth = (motion.points - CENTER) @ (matrix - np.eye(2)).T + shift
        assert motion.displacement[frame] == pytest.approx(truth, abs=1e-6)
    assert motion.points == pytest.approx(np.argwhere(motion.mask)[:, ::-1] * PIXEL)
    assert (motion.mask == reference).all()


def test_through_plane_motion_is_carried_by_the_tissue():
    height = SHARE[:, 0] * 9.0
    images, reference = images_of(still(), SHARE * [5.0, 0.0], through_plane=height)
    motion = track_tissue(images, reference)
    assert motion.displacement.shape[2] == 3
    assert motion.displacement[..., 2] == pytest.approx(
        np.broadcast_to(height[:, None], motion.displacement.shape[:2]), abs=1e-6
    )


def test_reduction_to_modes_takes_noise_away():
    matrices = [np.eye(2) * (1 - 0.2 * s) for s in SHARE[:, 0]]
    images, reference = images_of(matrices, np.zeros((len(TIMES), 2)), noise=0.15)
    errors = []
    for modes in (0, 1):
        motion = track_tissue(images, reference, modes=modes)
        truth = -0.2 * SHARE[:, :, None] * (motion.points - CENTER)
        errors.append(np.sqrt(((motion.displacement - truth) ** 2).mean()))
    assert errors[1] < 0.6 * errors[0]
    assert track_tissue(images, reference).modes == 1


def test_stored_values_become_phase():
    assert phase_from_pixels([0, 2048, 4096]) == pytest.approx([-np.pi, 0, np.pi])
    with pytest.raises(ValueError, match="must rise"):
        phase_from_pixels([0], 5, 5)


def arrays():
    images, _ = images_of(still(), SHARE * [1.0, 0.0])
    return {"phase_x": images.phase[0].copy(), "phase_y": images.phase[1].copy(), "mask": images.mask.copy()}


@pytest.mark.parametrize("ke", [None, 0.0, np.nan, -0.1])
def test_phase_without_encoding_frequency_is_refused(ke):
    with pytest.raises(ValueError, match="encoding frequency must be positive"):
        dense_images(**arrays(), times=TIMES, ke=ke, pixel=2.0)


def test_input_that_cannot_be_used_is_named():
    broken = arrays()
    broken["phase_y"][3][broken["mask"][3]] = np.nan
    with pytest.raises(ValueError, match=r"NaN inside the myocardium in 1 frames \(first: frame 4\)"):
        dense_images(**broken, times=TIMES, ke=KE, pixel=2.0)
    stored = arrays()
    stored["phase_x"] = stored["phase_x"] * 1000
    with pytest.raises(ValueError, match="phase_from_pixels"):
        dense_images(**stored, times=TIMES, ke=KE, pixel=2.0)
    empty = arrays()
    empty["mask"][2] = False
    with pytest.raises(ValueError, match=r"no myocardium .first: frame 3"):
        dense_images(**empty, times=TIMES, ke=KE, pixel=2.0)
    with pytest.raises(ValueError, match="rising"):
        dense_images(**arrays(), times=TIMES[::-1], ke=KE, pixel=2.0)
    with pytest.raises(ValueError, match="looks like seconds"):
        dense_images(**arrays(), times=TIMES / 1000, ke=KE, pixel=2.0)
    with pytest.raises(ValueError, match="pixel size"):
        dense_images(**arrays(), times=TIMES, ke=KE, pixel=0.0)
    with pytest.raises(ValueError, match="must all be"):
        dense_images(**(arrays() | {"mask": np.ones((2, 2, 2))}), times=TIMES, ke=KE, pixel=2.0)


def test_tissue_that_leaves_its_mask_is_reported():
    images, reference = images_of(still(), SHARE * [1.0, 0.0])
    mask = images.mask.copy()
    mask[3, :, 20:] = False
    cut = dense_images(*images.phase, mask, TIMES, ke=KE, pixel=PIXEL)
    with pytest.raises(ValueError, match=r"(?s)can be followed.*frame 4"):
        track_tissue(cut, reference)
