"""Folders of siblings in a patient's grid."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.twin.patient_folder import claim_patient
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin


@pytest.fixture
def heart():
    original = np.zeros((20, 30, 40), np.uint8)
    geometry = ImageGeometry.from_spacing(original.shape, (1.5, 1.5, 3), (-10.1, 20.2, 30.3))
    pose = np.eye(4)
    pose[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[:3, 3] = 12.3, -45.6, 78.9
    return Twin(np.zeros(TWIN_GRID.shape, np.uint8), pose, original, geometry)


def moved(matrix, shift):
    matrix = np.array(matrix)
    matrix[0, 3] += shift
    return matrix


def test_a_folder_goes_on_with_an_import_that_rounding_alone_moves(heart, tmp_path):
    claim_patient(tmp_path, heart)
    kept = (tmp_path / "patient.json").read_text(encoding="utf-8")
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(1e-6), -np.sin(1e-6)], [np.sin(1e-6), np.cos(1e-6)]]
    for pose in (moved(heart.heart_to_ras, 1e-9), moved(heart.heart_to_ras, 5e-3), heart.heart_to_ras @ turn):
        claim_patient(tmp_path, replace(heart, heart_to_ras=pose))
    grid = ImageGeometry(heart.original.shape, moved(heart.original_geometry.ijk_to_ras, 1e-9))
    claim_patient(tmp_path, replace(heart, original_geometry=grid))
    assert (tmp_path / "patient.json").read_text(encoding="utf-8") == kept


def test_a_folder_of_another_import_grid_or_format_is_refused(heart, tmp_path):
    claim_patient(tmp_path, heart)
    grid, turn = heart.original_geometry, np.eye(4)
    turn[:2, :2] = [[np.cos(1e-3), -np.sin(1e-3)], [np.sin(1e-3), np.cos(1e-3)]]
    larger = np.zeros((20, 30, 41), np.uint8)
    for other in (
        replace(heart, heart_to_ras=moved(heart.heart_to_ras, 0.02)),
        replace(heart, heart_to_ras=heart.heart_to_ras @ turn),
        replace(heart, original_geometry=ImageGeometry(grid.shape, moved(grid.ijk_to_ras, 0.02))),
        replace(heart, original=larger, original_geometry=ImageGeometry(larger.shape, grid.ijk_to_ras)),
    ):
        with pytest.raises(ValueError, match="of another import of the heart"):
            claim_patient(tmp_path, other)
    for content in ([], {"shape": grid.shape}, {"shape": 3, "ijk_to_ras": "x", "heart_to_ras": None}):
        (tmp_path / "patient.json").write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ValueError, match="of another import of the heart"):
            claim_patient(tmp_path, heart)
