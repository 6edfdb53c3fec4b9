"""Left ventricles to reconstruct: phantoms held out of training, and hearts of the MESA study.

    python Testing/Benchmarks/lma_sets.py FILE.npz

writes the MESA sets, with which a training may be fed and which stay outside of the project.

MESA (the Cardiac Atlas Project's shape model with 10 modes at either phase) has one frame for all hearts: x
from base to apex along the axis of the left ventricle, y toward the right ventricle, z to complete a
right-handed system, hence inferior. The grid's lateral is -y and its anterior -z.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from mesh_volumes import HeartFrame, capped, open_rim, wall_volume
from numpy.typing import NDArray

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.lma.shape_volume import ShapeVolume, phantom_volume

__all__ = [
    "DATA",
    "MESA_SHAPES",
    "held_out_phantoms",
    "load_volumes",
    "mesa_case",
    "mesa_meshes",
    "mesa_model",
    "mesa_people",
    "mesa_sets",
    "save_volumes",
    "training_phantoms",
    "validation_phantoms",
]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MESA_SHAPES = DATA / "mesa-lv-shapes" / "mesa_lv_pca.npz"
TRAINING_STREAM, VALIDATION_STREAM, HELD_OUT_STREAM = 1, 3, 7
PHASES = ("ED", "ES")
PARTS = ("train", "validate", "test")
PEOPLE, PEOPLE_SEED = 215, 2023
SHARES = (0.70, 0.15)


def training_phantoms(count: int) -> Iterator[ShapeVolume]:
    """Phantoms to train on: number n is drawn with seed [1, n]."""
    return (phantom_volume(np.random.default_rng([TRAINING_STREAM, n])) for n in range(count))


def validation_phantoms(count: int) -> Iterator[ShapeVolume]:
    """Phantoms to choose among weights by: number n is drawn with seed [3, n]."""
    return (phantom_volume(np.random.default_rng([VALIDATION_STREAM, n])) for n in range(count))


def held_out_phantoms(count: int) -> Iterator[ShapeVolume]:
    """Phantoms that no training has seen: number n is drawn with seed [7, n]."""
    return (phantom_volume(np.random.default_rng([HELD_OUT_STREAM, n])) for n in range(count))


def mesa_people(model: dict[str, NDArray] | None = None) -> dict[str, NDArray[np.int64]]:
    """Rows of 215 people of the MESA model, split 70/15/15 (jayakumar-2023, 4.1) by a fixed seed."""
    total = len((model or mesa_model())["scores_ED"])
    people = np.random.default_rng(PEOPLE_SEED).permutation(total)[:PEOPLE]
    ends = np.round(np.cumsum(SHARES) * PEOPLE).astype(int)
    return dict(zip(PARTS, np.split(people, ends), strict=True))


def mesa_meshes(
    model: dict[str, NDArray], person: int, phase: str
) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray], HeartFrame]:
    """Endocardium and epicardium of a person, points (n, 3) mm and triangles, base closed; and the frame."""
    shape = model[f"mean_{phase}"] + model[f"modes_{phase}"] @ model[f"scores_{phase}"][person]
    points = shape.reshape(-1, 3).astype(float)
    count = len(points) // 2
    inner, outer = points[:count], points[count:]
    inner_triangles, outer_triangles = model["faces_endo"], model["faces_epi"] - count
    rims = inner[open_rim(inner_triangles, inner)], outer[open_rim(outer_triangles, outer)]
    frame = HeartFrame.of(np.vstack(rims), outer, lateral=np.array([0.0, -1.0, 0.0]))
    return capped(inner, inner_triangles), capped(outer, outer_triangles), frame


def mesa_case(model: dict[str, NDArray], person: int, phase: str) -> ShapeVolume:
    """One person's ventricle at end-diastole ("ED") or end-systole ("ES")."""
    return wall_volume(*mesa_meshes(model, person, phase))


def mesa_sets(progress: Progress = silent) -> dict[str, list[ShapeVolume]]:
    """ "train", "validate" and "test": both phases of each person, ED before ES."""
    model = mesa_model()
    people = mesa_people(model)
    total, done = len(PHASES) * PEOPLE, 0
    sets: dict[str, list[ShapeVolume]] = {}
    for part in PARTS:
        sets[part] = []
        for person in people[part]:
            for phase in PHASES:
                sets[part].append(mesa_case(model, person, phase))
                done += 1
                progress(done, total, f"MESA {part}, person {person}, {phase}")
    return sets


def save_volumes(sets: dict[str, list[ShapeVolume]], path: str | Path) -> None:
    """Write sets as float16 shares, (n, 2, 64, 64, 64) of cavity and wall each, and their voxels in mm."""
    arrays = {}
    for name, volumes in sets.items():
        arrays[name] = np.array([[v.cavity, v.myocardium] for v in volumes], dtype=np.float16)
        arrays[f"{name}_voxel"] = np.array([v.voxel for v in volumes])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def load_volumes(path: str | Path, name: str) -> list[ShapeVolume]:
    """Read one of the sets of `save_volumes`."""
    with np.load(path) as stored:
        shares, voxels = stored[name].astype(np.float32), stored[f"{name}_voxel"]
    return [ShapeVolume(*share, float(voxel)) for share, voxel in zip(shares, voxels, strict=True)]


def mesa_model() -> dict[str, NDArray]:
    """Means, modes, scores and triangles as stored."""
    with np.load(MESA_SHAPES) as stored:
        return dict(stored)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="npz file to write the MESA sets to")
    file = parser.parse_args().file
    save_volumes(mesa_sets(lambda done, total, text, values=None: print(f"{done}/{total} {text}")), file)


if __name__ == "__main__":
    main()
