"""Strain of a patient's fitted endocardium, and TOS when parts of its motion are delayed.

The motion is that of a model fitted to images, not of tracked material. The delays are imposed, so their
differences are known; how late the undelayed heart itself is, is not.
"""

from pathlib import Path

import numpy as np
import pytest

from cardiactwins.lma.mesh_strain import circumferential_mesh_strain
from cardiactwins.lma.onset import estimate_onset
from cardiactwins.lma.sectors import sector_strain

FILE = Path(__file__).resolve().parents[2].parent / "shared/data/bivme-patient-4d/surfaces_25_frames.npz"
BEAT_MS = 900.0

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FILE.is_file(), reason=f"The bivme patient is not at {FILE}"),
]


@pytest.fixture(scope="module")
def heart():
    """Long axis, circumferential position (turns) and height (0..1) of the triangles, strain (25, M)."""
    data = np.load(FILE)
    points, triangles = data["lv_endocardial_points"].astype(float), data["lv_endocardial_triangles"]
    start = points[0] - points[0].mean(axis=0)
    axis, first, second = np.linalg.svd(start, full_matrices=False)[2]
    strain = circumferential_mesh_strain(points, triangles, axis)
    middle = start[triangles].mean(axis=1)
    height = middle @ axis
    turns = np.arctan2(middle @ second, middle @ first) / (2 * np.pi)
    return strain, np.mod(turns, 1), (height - height.min()) / np.ptp(height)


def matrix_of(heart):
    """Strain matrix (18, 25) of the middle third of the ventricle."""
    strain, turns, height = heart
    middle = (height > 1 / 3) & (height < 2 / 3)
    return sector_strain(strain[:, middle], turns[middle])


def test_the_middle_of_the_ventricle_shortens_in_systole_and_returns(heart):
    matrix = matrix_of(heart)
    mean = matrix.mean(axis=0)
    print(f"peak mid-ventricular endocardial strain {mean.min():.3f} in frame {np.argmin(mean)} of 25")
    assert mean[0] == pytest.approx(0, abs=1e-12)
    assert -0.40 < mean.min() < -0.15
    assert 6 <= np.argmin(mean) <= 14
    assert mean[-1] > mean.min() / 3


def test_imposed_delays_come_back(heart):
    """Each sector's curve starts later by a known delay; sampled every 17 ms with noise (SNR 12).

    All curves start 40 ms late, as the fit's first frame is end diastole and TOS is at least one frame.
    """
    matrix = matrix_of(heart)
    given = np.arange(25) * BEAT_MS / 25
    times = 17.0 * np.arange(1, 45)
    delay = 45 * (1 - np.cos(2 * np.pi * (np.arange(18) + 0.5) / 18))
    noise = -matrix.mean(axis=0).min() / 12
    rng = np.random.default_rng(0)

    def measured(late):
        curves = [np.interp(times - 40 - d, given, row) for d, row in zip(late, matrix, strict=True)]
        return np.array(curves) + noise * rng.standard_normal((18, len(times)))

    plain = np.mean([estimate_onset(measured(0 * delay), times).tos for _ in range(10)], axis=0)
    errors = np.array([estimate_onset(measured(delay), times).tos - plain - delay for _ in range(10)])
    print(f"imposed delays of 0 to 90 ms: mean absolute error {np.abs(errors).mean():.1f} ms")
    assert np.abs(errors).mean() < 17
