"""Damaged files are told apart before 3D Slicer reads them."""

import gzip
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.image_files import labels_from_file, points_from_file, segmentation_from_file
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.segmentations import new_segmentation, segment_array
from cardiactwins.mrml.volumes import new_label_volume, volume_array

LOAD_WHAT_PASSES = """
import sys
from cardiactwins.mrml.image_files import segmentation_from_file
passed = 0
for path in sys.argv[1:]:
    try:
        with segmentation_from_file(path):
            passed += 1
    except ValueError:
        pass
print(passed)
"""


@pytest.fixture
def whole(oblique_grid, masks, tmp_path):
    """A sound .seg.nrrd: its header and its compressed voxels."""
    path = save_node(new_segmentation("heart", oblique_grid, masks), tmp_path / "whole.seg.nrrd")
    header, data = path.read_bytes().split(b"\n\n", 1)
    return header, data


def changed(header, pattern, replacement):
    result, count = re.subn(pattern, replacement, header, flags=re.MULTILINE)
    assert count == 1
    return result


DAMAGES = {
    "empty file": (lambda header, data: b"", "is empty"),
    "another format": (lambda header, data: b"\x01\x02" * 500, "is not a valid NRRD file"),
    "half a header": (lambda header, data: header[:200], "is not a valid NRRD file"),
    "no voxels": (lambda header, data: header + b"\n\n", "cut off: its header promises 15,120 bytes"),
    "half the voxels": (
        lambda header, data: header + b"\n\n" + data[: len(data) // 2],
        "expected 15120 bytes",
    ),
    "more voxels than told": (
        lambda header, data: changed(header, rb"^sizes: (.*) 6$", rb"sizes: \1 5") + b"\n\n" + data,
        r"promises 12,600 bytes of voxels, it holds 15,120",
    ),
    "an absurd size": (
        lambda header, data: changed(header, rb"^sizes: (.*) 6$", rb"sizes: \1 600000000") + b"\n\n" + data,
        "cut off: its header promises 1,512,000,000,000 bytes",
    ),
    "no size": (
        lambda header, data: changed(header, rb"^sizes: .*$", rb"sizes: 3 28 x 6") + b"\n\n" + data,
        "not a valid NRRD file",
    ),
    "a flat grid": (
        lambda header, data: (
            changed(header, rb"^(space directions: none) \(.*?\)", rb"\1 (0,0,0)") + b"\n\n" + data
        ),
        "space directions are zero",
    ),
    "a grid with nan": (
        lambda header, data: (
            changed(header, rb"^space origin: .*$", rb"space origin: (nan,0,0)") + b"\n\n" + data
        ),
        "not a valid NRRD file",
    ),
    "another type": (
        lambda header, data: changed(header, rb"^type: .*$", rb"type: double") + b"\n\n" + data,
        "not a valid NRRD file",
    ),
    "a long line cut in two": (
        lambda header, data: header.replace(b"Smoothing factor", b"Smoothing\nfactor", 1) + b"\n\n" + data,
        r"line \d+ of its header is damaged",
    ),
    "a wrong checksum": (
        lambda header, data: header + b"\n\n" + data[:-8] + bytes([data[-8] ^ 1]) + data[-7:],
        "damaged",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_segmentation_is_refused_with_its_name_and_the_damage(damage, whole, tmp_path):
    make, message = DAMAGES[damage]
    (tmp_path / "case 7.seg.nrrd").write_bytes(make(*whole))
    with pytest.raises(ValueError, match=rf"^case 7.seg.nrrd .*{message}"):
        check_image_file(tmp_path / "case 7.seg.nrrd")


def test_no_damage_ends_the_process(whole, tmp_path):
    """Loading a damaged .seg.nrrd blindly aborts: whatever the check lets pass must load."""
    header, data = whole
    generator = random.Random(0)
    paths = []
    for number in range(80):
        damaged = bytearray(header + b"\n\n" + data)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        paths.append(tmp_path / f"{number}.seg.nrrd")
        paths[-1].write_bytes(damaged)
    ended = subprocess.run(
        [sys.executable, "-c", LOAD_WHAT_PASSES, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert 10 < int(ended.stdout.split()[-1]) < 80


def test_a_sound_segmentation_is_read_without_a_trace_in_the_scene(scene, oblique_grid, masks, tmp_path):
    save_node(new_segmentation("heart", oblique_grid, masks), tmp_path / "heart.seg.nrrd")
    before = scene.GetNumberOfNodes()
    with segmentation_from_file(tmp_path / "heart.seg.nrrd") as node:
        np.testing.assert_array_equal(segment_array(node, "infarct"), masks["infarct"])
    assert scene.GetNumberOfNodes() == before


@pytest.mark.parametrize("ending", ["nrrd", "nii", "nii.gz", "mha"])
def test_label_maps_of_every_format_are_read_whole_and_refused_in_part(
    scene, oblique_grid, masks, ending, tmp_path
):
    labels = masks["myocardium"] + 2 * masks["cavity"]
    path = save_node(new_label_volume("labels", labels, oblique_grid), tmp_path / f"labels.{ending}")
    before = scene.GetNumberOfNodes()
    with labels_from_file(path) as node:
        found, geometry = volume_array(node)
    places = np.round(geometry.ras_to_kji(oblique_grid.kji_to_ras(np.argwhere(labels == 2)))).astype(int)
    assert (found[tuple(places.T)] == 2).all() and (found == 2).sum() == len(places)
    whole = path.read_bytes()
    for length in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"^labels.{ending}"), labels_from_file(path):
            pass
    assert scene.GetNumberOfNodes() == before


def test_a_nifti_header_in_the_other_byte_order_is_understood(oblique_grid, masks, tmp_path):
    path = save_node(
        new_label_volume("labels", masks["cavity"].astype(np.uint8), oblique_grid), tmp_path / "a.nii"
    )
    header = bytearray(path.read_bytes()[:352])
    for start, size, count in ((0, 4, 1), (40, 2, 8), (70, 2, 2), (108, 4, 1)):
        for field in range(start, start + size * count, size):
            header[field : field + size] = header[field : field + size][::-1]
    swapped = tmp_path / "swapped.nii.gz"
    swapped.write_bytes(gzip.compress(bytes(header) + bytes(masks["cavity"].size)))
    check_image_file(swapped)
    swapped.write_bytes(gzip.compress(bytes(header) + bytes(masks["cavity"].size - 1)))
    with pytest.raises(ValueError, match="promises 5,040 bytes of voxels, but only 5,039 bytes follow"):
        check_image_file(swapped)


def test_voxels_in_a_file_of_their_own_are_checked_too(oblique_grid, masks, tmp_path):
    path = save_node(
        new_label_volume("labels", masks["cavity"].astype(np.uint8), oblique_grid), tmp_path / "a.nrrd"
    )
    header, data = path.read_bytes().split(b"\n\n", 1)
    detached = tmp_path / "b.nhdr"
    detached.write_bytes(header + b"\ndata file: b.raw.gz\n")
    (tmp_path / "b.raw.gz").write_bytes(data)
    check_image_file(detached)
    (tmp_path / "b.raw.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"b.nhdr is damaged"):
        check_image_file(detached)
    Path(tmp_path / "b.raw.gz").unlink()
    with pytest.raises(ValueError, match=r"b.nhdr"):
        check_image_file(detached)


def test_points_are_read_from_their_file_in_the_space_it_is_in(scene, tmp_path):
    points = [[1.0, 2.0, 3.0], [-4.0, 5.0, 6.5]]
    path = save_node(new_markups("insertion", points), tmp_path / "insertion.mrk.json")
    assert "LPS" in path.read_text()
    np.testing.assert_allclose(points_from_file(path), points)
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match=r"^insertion.mrk.json cannot be read"):
        points_from_file(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        check_image_file(tmp_path / "heart.seg.nrrd")
    shutil.rmtree(tmp_path)
