"""Circumferential strain from simulated cine DENSE against its ground truth, on three subjects.

The phases come from a simulated spiral acquisition (ke 0.1 cycles/mm) on 128 pixels over 224 mm; the truth is
the Lagrangian strain on the pixels of the mask at time zero.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.lma.dense import dense_images
from cardiactwins.lma.sectors import circumferential_turns, sector_strain
from cardiactwins.lma.strain import wall_strain
from cardiactwins.lma.tracking import track_tissue
from cardiactwins.lma.wall import wall_slice

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "dense-sim"
SUBJECTS = ("invivo_1", "phantom_1", "xcat_1")
PIXEL_MM = 224 / 128

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"Simulated DENSE is not at {FOLDER}"),
]


def frame_times(name):
    block = re.search(r"\n  tt:\n((?:  - [\d.]+\n?)+)", (FOLDER / f"{name}.yaml").read_text())[1]
    return np.array([float(line[4:]) for line in block.splitlines()])


class Subject:
    """Strain found and true, (T, P), on the material points of one subject."""

    def __init__(self, name):
        data = np.load(FOLDER / f"{name}.npz")
        mask = data["LV_mask_time_lowres"]
        times = frame_times(name)[: len(mask)]
        images = dense_images(data["phase_x"], data["phase_y"], mask[1:], times[1:], ke=0.1, pixel=PIXEL_MM)
        motion = track_tissue(images, mask[0])
        self.lost = int((mask[0] > 0).sum() - motion.mask.sum())
        self.wall = wall_slice(motion.mask, PIXEL_MM)
        strain = wall_strain(motion.points, motion.displacement, self.wall.radial)
        self.found, self.truth = strain.circumferential, data["GT_Ecc"][:, motion.mask]
        self.end_systole = int(np.argmin(self.truth.mean(axis=1)))

    def matrices(self):
        turns = circumferential_turns(self.wall.points, self.wall.center, self.wall.center - [10.0, 17.0])
        return [sector_strain(strain, turns, depth=self.wall.depth) for strain in (self.found, self.truth)]


@pytest.fixture(scope="module")
def subjects():
    return {name: Subject(name) for name in SUBJECTS}


def agreement(found, truth):
    slope = np.polyfit(truth.ravel(), found.ravel(), 1)[0]
    return np.corrcoef(found.ravel(), truth.ravel())[0, 1], slope


def test_strain_of_every_pixel_of_the_wall_follows_the_truth(subjects):
    for name, subject in subjects.items():
        pooled, slope = agreement(subject.found, subject.truth)
        systolic, _ = agreement(subject.found[subject.end_systole], subject.truth[subject.end_systole])
        error = np.sqrt(((subject.found - subject.truth) ** 2).mean())
        print(
            f"{name}: {subject.found.shape[1]} points, correlation {pooled:.3f} pooled, {systolic:.3f} at "
            f"end systole, slope {slope:.2f}, RMS error {error:.4f}"
        )
        assert subject.lost == 0
        assert pooled >= (0.92 if name == "invivo_1" else 0.95)
        assert systolic >= 0.90
        assert 0.9 <= slope <= 1.1


def test_all_subjects_pooled_follow_the_truth(subjects):
    found, truth = (
        np.concatenate([getattr(subject, part).ravel() for subject in subjects.values()])
        for part in ("found", "truth")
    )
    pooled, slope = agreement(found, truth)
    print(f"all: correlation {pooled:.3f}, slope {slope:.2f}")
    assert pooled >= 0.95
    assert 0.9 <= slope <= 1.1


def test_mid_wall_strain_matrices_follow_the_truth(subjects):
    for name, subject in subjects.items():
        found, truth = subject.matrices()
        pooled, slope = agreement(found, truth)
        print(f"{name}: 18 sectors at mid-wall, correlation {pooled:.3f}, slope {slope:.2f}")
        assert pooled >= 0.95
        assert 0.9 <= slope <= 1.1
