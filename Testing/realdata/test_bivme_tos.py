"""The network on a patient's motion with imposed delays: they come back, and what is late is told.

The motion is that of a model fitted to images, not of tracked material; only the delays are known.
"""

import runpy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from cardiactwins.lma.tos_network import estimate_onset_network  # noqa: E402

FILE = Path(__file__).resolve().parents[2].parent / "shared/data/bivme-patient-4d/surfaces_25_frames.npz"
SETS = Path(__file__).resolve().parents[1] / "Benchmarks" / "tos_sets.py"

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FILE.is_file(), reason=f"The bivme patient is not at {FILE}"),
]


def test_imposed_delays_come_back_from_the_network():
    sets = runpy.run_path(str(SETS))
    slices = sets["patient_slices"](FILE)
    rng = np.random.default_rng(0)
    still, late = sets["delayed"](slices, undelayed=True), sets["delayed"](slices)

    def estimated(case):
        return estimate_onset_network(case.strain, case.times)

    plain = [[], [], []]
    while min(map(len, plain)) < 8:
        case = still(rng, 12)
        plain[case.slice].append(estimated(case).tos)
    errors, latest, others = [], [], []
    for _ in range(24):
        case = late(rng, 12)
        found = estimated(case)
        errors.append(found.tos - np.mean(plain[case.slice], axis=0) - case.onset)
        late_by_far = case.onset > 70
        latest.extend(found.late[late_by_far])
        others.extend(found.late[case.onset < 10])
    print(f"imposed delays of up to 140 ms: mean absolute error {np.abs(errors).mean():.1f} ms")
    assert np.abs(errors).mean() < 17
    assert np.mean(latest) > np.mean(others) + 0.4
