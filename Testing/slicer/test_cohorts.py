"""Hearts, cohorts and scenes as nodes and as files that are whole or absent."""

import errno
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import slicer.util

from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.compute.progress import Cancelled
from cardiactwins.infarct.hearts import InfarctedHeart, heart_of_case, heart_on_reference
from cardiactwins.infarct.population import InfarctCase
from cardiactwins.mrml import cohorts, saving
from cardiactwins.mrml.cohorts import new_cohort_sequence, read_manifest, write_cohort, write_heart
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.population import read_cases
from cardiactwins.mrml.role_guess import guess_roles
from cardiactwins.mrml.saving import save_node, save_scene
from cardiactwins.mrml.segmentations import (
    geometry_of_segmentation,
    new_segmentation,
    segment_array,
    segment_names,
)
from cardiactwins.mrml.tables import new_table
from cardiactwins.twin.cohort_files import CohortFolder


@pytest.fixture(scope="module")
def anatomy():
    return ReferenceAnatomy(slices=3, size=72)


@pytest.fixture
def hearts(anatomy):
    lesion = (anatomy.circumferential < 0.3) & (anatomy.radial < 0.6)
    return [
        heart_on_reference(f"draw {number}", anatomy, np.roll(lesion, number), attributes={"seed": number})
        for number in range(4)
    ]


def incompressible(oblique_grid, size=(20, 200, 200)):
    from cardiactwins.anatomy.geometry import ImageGeometry

    grid = ImageGeometry(size, oblique_grid.ijk_to_ras)
    noise = np.random.default_rng(0).random(size) < 0.5
    return InfarctedHeart(
        "noise", grid, {"myocardium": np.ones(size, bool), "infarct": noise, "no_reflow": np.roll(noise, 1)}
    )


def test_a_lesion_on_the_reference_becomes_a_segmentation_with_the_standard_segments(anatomy):
    infarct = anatomy.radial < 0.6
    heart = heart_on_reference(
        "draw",
        anatomy,
        infarct,
        border_zone=(anatomy.radial < 0.8) & ~infarct,
        no_reflow=anatomy.radial < 0.2,
    )
    node = new_heart_segmentation(heart)
    assert list(segment_names(node).values()) == [
        "LV cavity",
        "LV myocardium",
        "Border zone",
        "Infarct",
        "No-reflow",
    ]
    assert guess_roles(node) == {
        role: role for role in ("cavity", "myocardium", "border_zone", "infarct", "no_reflow")
    }
    assert geometry_of_segmentation(node).matches(anatomy.geometry)
    np.testing.assert_array_equal(anatomy.from_image(segment_array(node, "infarct")), infarct)
    np.testing.assert_array_equal(segment_array(node, "cavity"), anatomy.cavity)


def test_a_patient_gets_another_infarct_on_the_own_grid(oblique_grid, masks):
    case = InfarctCase(
        "P1",
        oblique_grid,
        masks["cavity"],
        masks["myocardium"],
        masks["infarct"],
        masks["no_reflow"],
        masks["cavity"],
    )
    drawn = masks["myocardium"] & ~masks["infarct"]
    heart = heart_of_case(case, drawn, identifier="P1, draw 1")
    assert set(heart.masks) == {"cavity", "myocardium", "infarct", "right_ventricle"}
    np.testing.assert_array_equal(segment_array(new_heart_segmentation(heart), "infarct"), drawn)
    own = heart_of_case(case)
    np.testing.assert_array_equal(own.masks["no_reflow"], masks["no_reflow"])
    assert own.identifier == "P1"


def test_an_infarct_outside_the_myocardium_is_refused(oblique_grid, masks, anatomy):
    case = InfarctCase("P1", oblique_grid, masks["cavity"], masks["myocardium"], masks["infarct"])
    with pytest.raises(
        ValueError, match=rf"'P1': the Infarct lies outside the myocardium \({masks['cavity'].sum()} of"
    ):
        heart_of_case(case, masks["cavity"] | masks["infarct"])
    with pytest.raises(
        ValueError, match=r"infarct mask has shape \(1, 30, 28\) \(k, j, i\), its grid \(6, 30, 28\)"
    ):
        heart_of_case(case, masks["infarct"][:1])
    with pytest.raises(ValueError, match=rf"shape \(2, {anatomy.n_voxels}\).*Give one lesion at a time"):
        heart_on_reference("two", anatomy, np.zeros((2, anatomy.n_voxels)))


def test_a_cohort_folder_reads_back_as_the_same_lesions(scene, anatomy, hearts, tmp_path):
    before = scene.GetNumberOfNodes()
    folder = write_cohort(tmp_path / "cohort", hearts, {"model": "elliptical", "seed": 7})
    assert scene.GetNumberOfNodes() == before
    manifest = read_manifest(folder)
    assert (manifest["model"], manifest["seed"]) == ("elliptical", 7)
    assert sorted(path.name for path in folder.iterdir()) == [
        *sorted(case["file"] for case in manifest["cases"]),
        "manifest.json",
    ]
    assert [case["attributes"]["seed"] for case in manifest["cases"]] == [0, 1, 2, 3]
    cases, excluded = read_cases(folder)
    assert not excluded
    for case, heart, entry in zip(cases, hearts, manifest["cases"], strict=True):
        np.testing.assert_array_equal(case.infarct, heart.masks["infarct"])
        assert entry["voxels"]["infarct"] == case.infarct.sum()
        assert case.geometry.matches(anatomy.geometry)


def test_a_cohort_sequence_reads_back_as_the_same_lesions(scene, hearts, tmp_path):
    sequence = new_cohort_sequence("cohort", hearts)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == 1
    save_scene(tmp_path / "scene.mrb")
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    loaded = slicer.util.getFirstNodeByClassByName("vtkMRMLSequenceNode", "cohort")
    assert loaded is not sequence
    cases, _ = read_cases(loaded)
    assert [case.identifier for case in cases] == [heart.identifier for heart in hearts]
    for case, heart in zip(cases, hearts, strict=True):
        np.testing.assert_array_equal(case.infarct, heart.masks["infarct"])


def test_file_names_are_safe_and_different(anatomy, hearts, tmp_path):
    renamed = [
        InfarctedHeart(name, heart.geometry, heart.masks)
        for name, heart in zip(["a/b: c", "A_b_c", "../é", ""], hearts, strict=True)
    ]
    folder = write_cohort(tmp_path / "cohort", renamed)
    assert [case["file"] for case in read_manifest(folder)["cases"]] == [
        "a_b_c.seg.nrrd",
        "A_b_c_2.seg.nrrd",
        "heart.seg.nrrd",
        "heart_2.seg.nrrd",
    ]


def test_a_cancel_in_the_middle_of_a_cohort_leaves_nothing(hearts, tmp_path):
    def cancel(step, total, message="", values=None):
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_cohort(tmp_path / "cohort", hearts, progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_cohort_never_mixes_with_what_is_there(hearts, tmp_path):
    (tmp_path / "empty").mkdir()
    write_cohort(tmp_path / "empty", hearts[:1])
    with pytest.raises(ValueError, match=r"already exists and is not an empty folder"):
        write_cohort(tmp_path / "empty", hearts)
    assert len(read_manifest(tmp_path / "empty")["cases"]) == 1
    with pytest.raises(ValueError, match=r"at least one heart"):
        write_cohort(tmp_path / "none", [])


def test_a_manifest_of_something_else_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path)
    for text, message in (
        ("{", "is damaged"),
        (json.dumps({"format": "x"}), "not the manifest"),
        ("[]", "not the"),
        (json.dumps({"format": cohorts.FORMAT}), "lists no cases"),
    ):
        (tmp_path / cohorts.MANIFEST).write_text(text)
        with pytest.raises(ValueError, match=message):
            read_manifest(tmp_path)


def test_cohorts_of_infarcts_and_of_siblings_are_not_taken_for_each_other(hearts, tmp_path):
    siblings = CohortFolder.create(tmp_path / "siblings", hearts[0].geometry)
    siblings.write_manifest()
    with pytest.raises(ValueError, match=r"a cohort of siblings \(TwinEditor\), not of infarcts"):
        read_manifest(siblings.path)
    infarcts = write_cohort(tmp_path / "infarcts", hearts[:1])
    with pytest.raises(ValueError, match="holds a cohort of infarcts"):
        CohortFolder.create(infarcts, hearts[0].geometry)
    with pytest.raises(ValueError, match=r"infarcts \(InfarctSynth\), not of siblings"):
        _ = CohortFolder(infarcts).geometry
    assert len(read_manifest(infarcts)["cases"]) == 1


def test_a_full_disk_leaves_nothing_half_written(oblique_grid, tiny_disk):
    heart = incompressible(oblique_grid)
    node = new_heart_segmentation(heart)
    for write in (
        lambda: write_heart(heart, tiny_disk / "heart.seg.nrrd"),
        lambda: write_cohort(tiny_disk / "cohort", [heart] * 3),
        lambda: save_node(node, tiny_disk / "node.seg.nrrd"),
        lambda: save_scene(tiny_disk / "scene.mrb"),
    ):
        with pytest.raises(OSError, match="The disk is full") as raised:
            write()
        assert raised.value.errno == errno.ENOSPC
        assert list(tiny_disk.iterdir()) == []


@pytest.mark.parametrize("name", ["heart.seg.nrrd", "scene.mrb", "points.mrk.json"])
def test_half_a_file_that_a_writer_calls_whole_is_not_kept(name, oblique_grid, masks, tmp_path):
    node = new_markups("x", [[1, 2, 3]]) if "mrk" in name else new_segmentation("x", oblique_grid, masks)
    whole = (save_scene(tmp_path / name) if ".mrb" in name else save_node(node, tmp_path / name)).read_bytes()
    (tmp_path / name).unlink()
    for half in (whole[: len(whole) // 2], whole[:-60] + bytes(40) + whole[-20:]):
        with pytest.raises(OSError, match=r"3D Slicer could not write it"):
            saving._save(tmp_path / name, lambda draft, half=half: draft.write_bytes(half), NoMessages())
        assert list(tmp_path.iterdir()) == []


class NoMessages:
    def GetAllMessagesAsString(self):
        return ""


def test_an_older_file_survives_a_failed_write(oblique_grid, masks, tiny_disk):
    save_node(new_segmentation("old", oblique_grid, masks), tiny_disk / "heart.seg.nrrd")
    old = (tiny_disk / "heart.seg.nrrd").read_bytes()
    with pytest.raises(OSError, match="The disk is full"):
        write_heart(incompressible(oblique_grid), tiny_disk / "heart.seg.nrrd")
    assert (tiny_disk / "heart.seg.nrrd").read_bytes() == old


def test_a_place_that_cannot_be_written_is_told(hearts, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for write in (
        lambda: write_heart(hearts[0], tmp_path / "file" / "heart.seg.nrrd"),
        lambda: write_cohort(tmp_path / "file" / "cohort", hearts),
        lambda: save_scene(tmp_path / "file" / "scene.mrb"),
    ):
        with pytest.raises(NotADirectoryError, match="Choose another"):
            write()


def test_saving_keeps_the_file_that_a_node_has_in_the_scene(scene, oblique_grid, masks, tmp_path):
    node = new_segmentation("heart", oblique_grid, masks)
    before = scene.GetNumberOfNodes()
    save_node(node, tmp_path / "new" / "heart.seg.nrrd")
    assert node.GetStorageNode() is None and scene.GetNumberOfNodes() == before
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["heart.seg.nrrd"]


def test_a_scene_file_holds_the_data(oblique_grid, masks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new_segmentation("heart", oblique_grid, masks)
    new_table("table", {"n": [1]})
    assert save_scene("demo.mrb").name == "demo.mrb"
    names = zipfile.ZipFile("demo.mrb").namelist()
    assert {"demo/demo.mrml", "demo/Data/heart.seg.nrrd", "demo/Data/table.tsv"} <= set(names)
    with pytest.raises(ValueError, match=r"is a .mrb file; found demo.zip"):
        save_scene("demo.zip")


def test_a_format_that_the_node_does_not_have_is_refused(oblique_grid, masks, tmp_path):
    node = new_segmentation("heart", oblique_grid, masks)
    with pytest.raises(ValueError, match=r"'heart' cannot be saved as heart.stl"):
        save_node(node, tmp_path / "heart.stl")
    assert list(tmp_path.iterdir()) == []


def test_a_cohort_can_be_the_first_thing_that_a_process_writes(tmp_path):
    program = (
        "import sys, numpy as np\n"
        "from cardiactwins.anatomy.reference import ReferenceAnatomy\n"
        "from cardiactwins.mrml.cohorts import write_cohort\n"
        "from cardiactwins.infarct.hearts import heart_on_reference\n"
        "anatomy = ReferenceAnatomy()\n"
        "heart = heart_on_reference('one', anatomy, anatomy.circumferential < 0.2)\n"
        "write_cohort(sys.argv[1], [heart])\n"
    )
    folder = tmp_path / "cohort"
    result = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert len(list(folder.glob("*.seg.nrrd"))) == 1
