"""How well hearts come to the common grid and back, how they then lie, and how good their meshes are.

python Testing/Benchmarks/twin_import.py [--hearts 10] [--edge 2.5] [--no-meshes]

Whole-heart phantoms of all kinds lie in images of five grids (spacing, orientation, handedness). Prints rows,
then one line of JSON: the least and the mean Dice coefficient a tissue there and back by interpolation alone,
inside the crop; the pose against the own one (degrees, mm); seconds an import and a return; of the meshes the
worst values.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.twin.label_resampling import resampled_labels
from cardiactwins.twin.twin_import import import_twin, mask_on_twin, return_labels

TURNED = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
IMAGES = {
    "0.7 x 0.7 x 1.0 mm": ((0.7, 0.7, 1.0), np.diag([-1.0, -1.0, 1.0])),
    "1.0 mm, oblique": ((1.0, 1.0, 1.0), TURNED),
    "1.5 mm": ((1.5, 1.5, 1.5), np.eye(3)),
    "2.0 mm, left-handed": ((2.0, 2.0, 2.0), TURNED @ np.diag([-1, 1, 1])),
    "1.2 x 1.2 x 3.0 mm": ((1.2, 1.2, 3.0), TURNED.T),
}
KINDS = ("ordinary", "dilated", "hypertrophic", "small", "right-dilated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hearts", type=int, default=10)
    parser.add_argument("--edge", type=float, default=2.5)
    parser.add_argument("--meshes", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    dice, turns, shifts, times, meshes = [], [], [], [], []
    for seed in range(arguments.hearts):
        kind = KINDS[seed % len(KINDS)]
        phantom = whole_heart_phantom(np.random.default_rng([21, seed]), kind=kind)
        for name, (spacing, axes) in IMAGES.items():
            row = one_image(phantom, spacing, axes)
            dice.append(row["dice"])
            turns.append(row["turn"])
            shifts.append(row["shift"])
            times.append(row["seconds"])
            print(f"{kind:13} {name:20} least Dice {min(row['dice']):.4f}", flush=True)
        if arguments.meshes:
            meshes.append(one_mesh(phantom, arguments.edge))
            print(f"{kind:13} mesh {meshes[-1]}", flush=True)
    dice_array, names = np.array(dice), list(TISSUE_NAMES.values())
    found = {
        "dice_min": dict(zip(names, dice_array.min(axis=0).round(4).tolist(), strict=True)),
        "dice_mean": dict(zip(names, dice_array.mean(axis=0).round(4).tolist(), strict=True)),
        "turn_degrees": [round(float(np.mean(turns)), 2), round(float(np.max(turns)), 2)],
        "shift_mm": [round(float(np.mean(shifts)), 2), round(float(np.max(shifts)), 2)],
        "import_seconds": round(float(np.mean(times, axis=0)[0]), 2),
        "return_seconds": round(float(np.mean(times, axis=0)[1]), 2),
    }
    if meshes:
        found["mesh"] = {
            "watertight": all(row["watertight"] for row in meshes),
            "crossing": max(row["crossing"] for row in meshes),
            "angle_min": min(row["angle_min"] for row in meshes),
            "edge_mean": round(float(np.mean([row["edge_mean"] for row in meshes])), 3),
            "volume_error_percent": max(row["volume_error_percent"] for row in meshes),
            "voxels_changed_percent": max(row["voxels_changed_percent"] for row in meshes),
            "seconds": round(float(np.mean([row["seconds"] for row in meshes])), 1),
        }
    print(json.dumps(found))


def one_image(phantom, spacing, axes):
    steps = axes * np.array(spacing)
    size = np.ceil(210 / np.array(spacing)).astype(int)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = steps, -steps @ ((size - 1) / 2)
    geometry = ImageGeometry(tuple(int(n) for n in size[::-1]), matrix)
    own = phantom.patient_geometry()
    labels = resampled_labels(phantom.labels, own, geometry)
    began = time.perf_counter()
    twin = import_twin(labels, geometry)
    imported = time.perf_counter()
    back = return_labels(twin, twin.labels, keep_unchanged=False)
    returned = time.perf_counter()
    inner = np.zeros(twin.labels.shape, dtype=np.uint8)
    inner[1:-1, 1:-1, 1:-1] = 1
    crop = resampled_labels(inner, twin.geometry, geometry) > 0
    assert mask_on_twin(crop, geometry, twin).any()
    a, b = labels[crop], back[crop]
    dice = [2 * np.sum((a == t) & (b == t)) / max(np.sum(a == t) + np.sum(b == t), 1) for t in Tissue]
    step = np.linalg.inv(own.ijk_to_ras) @ twin.geometry.ijk_to_ras
    middle = np.append(np.full(3, 63.5), 1)
    return {
        "dice": dice,
        "turn": np.degrees(Rotation.from_matrix(step[:3, :3]).magnitude()),
        "shift": 1.4 * np.linalg.norm((step @ middle - middle)[:3]),
        "seconds": (imported - began, returned - imported),
    }


def one_mesh(phantom, edge):
    from cardiactwins.mrml.twin_surfaces import heart_surfaces

    began = time.perf_counter()
    found = heart_surfaces(phantom.labels, phantom.geometry, edge_length=edge)
    quality = found.quality
    errors = []
    for tissue, name in TISSUE_NAMES.items():
        voxels = np.count_nonzero(phantom.labels == tissue) * phantom.geometry.voxel_volume_ml
        errors.append(100 * abs(quality.tissues[name].volume_ml / voxels - 1))
    return {
        "watertight": quality.watertight,
        "crossing": quality.crossing,
        "angle_min": round(quality.angle_min, 2),
        "edge_mean": round(quality.edge_mean, 3),
        "volume_error_percent": round(max(errors), 3),
        "voxels_changed_percent": round(100 * found.changed / np.count_nonzero(phantom.labels), 3),
        "seconds": round(time.perf_counter() - began, 1),
    }


if __name__ == "__main__":
    main()
