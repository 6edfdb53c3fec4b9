import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cardiactwins.anatomy.phantoms import draw_lv_shape
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import points_from_file, segmentation_from_file
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.saving import save_node, save_scene
from cardiactwins.mrml.segmentations import geometry_of_segmentation, new_segmentation, segment_array
from cardiactwins.mrml.volumes import new_label_volume

FILES = {"heart.seg.nrrd", "heart.vtp", "slices.csv", "report.json"}
QUICK = ("--method", "interpolation")


@pytest.fixture(autouse=True)
def cleared_scene():
    start().scene.Clear(False)
    yield
    start().scene.Clear(False)


@pytest.fixture
def slices(sample_folder):
    return sample_folder / "slices.seg.nrrd"


def masks_of(path):
    with segmentation_from_file(path) as node:
        masks = {role: segment_array(node, role) for role in ("cavity", "myocardium", "right_ventricle")}
        return masks, geometry_of_segmentation(node)


def test_outlined_slices_become_a_whole_heart_on_disk(lma, slices, tmp_path, rows):
    outcome = lma("reconstruct", slices, *QUICK, "--out", tmp_path / "r", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert {path.name for path in (tmp_path / "r").iterdir()} == FILES
    summary = outcome.summary
    assert summary["command"] == "lma reconstruct" and summary["method"] == "interpolation"
    assert len(summary["slice_dice"]) == summary["slices"] == 8 and min(summary["slice_dice"]) > 0.9
    table = rows(tmp_path / "r" / "slices.csv")
    assert [float(row["Dice"]) for row in table] == pytest.approx(summary["slice_dice"])
    assert [row["slice"] for row in table] == [str(n) for n in range(1, 9)]
    with segmentation_from_file(tmp_path / "r" / "heart.seg.nrrd") as node:
        ml = segment_array(node, "cavity").sum() / 1000
    assert ml == pytest.approx(summary["cavity_ml"], rel=0.03)
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["job"] == "lma reconstruct" and report["parameters"]["method"] == "interpolation"
    axis = np.subtract(report["results"]["apex"], report["results"]["base"])
    assert np.linalg.norm(axis) == pytest.approx(summary["long_axis_mm"])
    np.testing.assert_allclose(
        report["results"]["insertion"], points_from_file(slices.with_name("slices.mrk.json")), atol=3
    )


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("CUDA: a fast one (the fastest that CUDA offers)", "Computed on CUDA: a fast one"),
        ("CPU, as the memory of cuda:0 was not enough.", "Computed on CPU, as the memory of cuda:0"),
        ("CPU: a slow one (CPU was chosen)", None),
    ],
)
def test_what_computed_is_told_where_it_was_not_just_the_processor(
    lma, slices, tmp_path, monkeypatch, device, said
):
    from cardiactwins.mrml import lma_slices_logic

    interpolated, chosen = lma_slices_logic.reconstruct, []

    def on_device(*arguments, **options):
        chosen.append(options["device"])
        found = interpolated(*arguments, **{**options, "device": "auto"})
        return replace(found, values={"device": device})

    monkeypatch.setattr(lma_slices_logic, "reconstruct", on_device)
    given = (*QUICK, "--device", "CUDA", "--out", tmp_path / "r")
    outcome = lma("reconstruct", slices, *given)
    assert outcome.exit_code == 0, outcome.stderr
    assert chosen == ["CUDA"]
    assert ("Computed on" in outcome.stdout) == (said is not None) and (said or "") in outcome.stdout
    assert json.loads((tmp_path / "r" / "report.json").read_text())["device"] == device


def test_label_maps_and_typed_points_give_the_same_heart(lma, slices, tmp_path):
    masks, geometry = masks_of(slices)
    labels = (5 * masks["cavity"] + 7 * masks["myocardium"]).astype(np.int16)
    save_node(new_label_volume("slices", labels, geometry), tmp_path / "map.nii.gz")
    points = [
        option
        for point in points_from_file(slices.with_name("slices.mrk.json"))
        for option in ("--insertion", ",".join(f"{value:.4f}" for value in point))
    ]
    given = ("--labels", "5=cavity,7=myocardium", *points)
    one = lma("reconstruct", tmp_path / "map.nii.gz", *given, *QUICK, "--out", tmp_path / "a", "--json")
    assert one.exit_code == 0, one.stderr
    other = lma("reconstruct", slices, *QUICK, "--out", tmp_path / "b", "--json")
    for key in ("cavity_ml", "wall_ml", "long_axis_mm"):
        assert one.summary[key] == pytest.approx(other.summary[key], rel=1e-3)
    wrong = lma("reconstruct", tmp_path / "map.nii.gz", *QUICK, "--out", tmp_path / "c")
    assert wrong.exit_code == 2 and "--insertion" not in wrong.stdout


def test_closed_curves_in_a_folder_or_scene_are_slices_too(lma, tmp_path):
    shape = draw_lv_shape(np.random.default_rng(5), deformation=0.5)
    angle, scene = np.linspace(0, 2 * np.pi, 24, endpoint=False), start().scene
    folder = tmp_path / "contours"
    folder.mkdir()
    for number in range(1, 12):
        height = (number - 0.5) / 11 * shape.epicardial_length
        inner, outer = shape.radii(angle, np.full_like(angle, height))
        for name, radius in (("endo", inner), ("epi", outer)):
            if name == "endo" and height > shape.endocardial_length:
                continue
            node = scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", f"{name} {number}")
            around = np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None] + shape.axis(height)
            for point in np.column_stack([around, np.full(24, height)]):
                node.AddControlPoint(*point)
            save_node(node, folder / f"{name} {number}.mrk.json")
            if name == "epi" and number == 5:
                turn = shape.insertion_angle(height)
                radius = float(shape.radii(turn, height)[1])
                insertion = [radius * np.cos(turn), radius * np.sin(turn), height]
    points = new_markups("RV insertion", [insertion])
    save_node(points, folder / "RV insertion.mrk.json")
    save_scene(tmp_path / "curves.mrb")
    outcome = lma("reconstruct", folder, *QUICK, "--out", tmp_path / "a", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["slices"] == 11 and min(outcome.summary["slice_dice"]) > 0.95
    assert outcome.summary["long_axis_mm"] == pytest.approx(shape.epicardial_length, rel=0.08)
    opposite = np.array(insertion) * [-1, -1, 1]
    save_node(new_markups("Elsewhere", [opposite]), folder / "posterior wall.mrk.json")
    beside = lma("reconstruct", folder, *QUICK, "--out", tmp_path / "beside", "--json")
    assert beside.summary["insertion"] == outcome.summary["insertion"]
    (folder / "posterior wall.mrk.json").unlink()
    scene.Clear(False)
    given = ("--insertion", "RV insertion", *QUICK, "--out", tmp_path / "b", "--json")
    other = lma("reconstruct", tmp_path / "curves.mrb", *given)
    assert other.exit_code == 0, other.stderr
    assert other.summary["slice_dice"] == pytest.approx(outcome.summary["slice_dice"], abs=1e-6)
    (folder / "RV insertion.mrk.json").unlink()
    outcome = lma("reconstruct", folder, *QUICK, "--out", tmp_path / "c")
    assert outcome.exit_code == 2 and "--insertion" in outcome.stderr
    (folder / "epi 1.mrk.json").write_text("{}")
    outcome = lma("reconstruct", folder, *QUICK, "--out", tmp_path / "c")
    assert outcome.exit_code == 2 and "epi 1.mrk.json is no markups file" in outcome.stderr


def test_a_scene_gives_its_segmentation_and_points_by_name(lma, sample_folder, tmp_path):
    scene = sample_folder / "scene.mrb"
    given = ("--insertion", "LBBB phantom: RV insertion", "--slices", 6)
    outcome = lma("reconstruct", scene, *given, *QUICK, "--out", tmp_path / "r", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.summary["slices"] == 6
    start().scene.Clear(False)
    unknown = lma("reconstruct", scene, "--segmentation", "Nobody", *QUICK, "--out", tmp_path / "s")
    assert unknown.exit_code == 2
    assert "0 segmentations named 'Nobody'" in unknown.stderr and "'LBBB phantom: slices'" in unknown.stderr


def test_people_get_a_line_a_slice_and_folders_are_replaced_with_force_only(lma, slices, tmp_path):
    shown = lma("reconstruct", slices, *QUICK, "--out", tmp_path / "r")
    assert shown.exit_code == 0 and "By interpolation: long axis" in shown.stdout
    refused = lma("reconstruct", slices, *QUICK, "--out", tmp_path / "r")
    assert refused.exit_code == 2 and "--force" in refused.stderr
    assert lma("reconstruct", slices, *QUICK, "--out", tmp_path / "r", "--force").exit_code == 0


def test_without_points_the_right_ventricle_tells_the_insertion_and_without_both_it_is_asked_for(
    lma, slices, tmp_path
):
    alone = shutil.copy(slices, tmp_path / "alone.seg.nrrd")
    found = lma("reconstruct", alone, *QUICK, "--out", tmp_path / "r", "--json")
    assert found.exit_code == 0, found.stderr
    masks, geometry = masks_of(slices)
    del masks["right_ventricle"]
    save_node(new_segmentation("bare", geometry, masks), tmp_path / "bare.seg.nrrd")
    asked = lma("reconstruct", tmp_path / "bare.seg.nrrd", *QUICK, "--out", tmp_path / "s")
    assert asked.exit_code == 2
    assert "no RV insertion point" in asked.stderr and "--insertion R,A,S" in asked.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("nowhere.seg.nrrd",), 2, "No such file or directory: nowhere.seg.nrrd"),
        (("file.txt",), 2, "file.txt is no segmentation or label map"),
        (("broken.seg.nrrd",), 2, "broken.seg.nrrd"),
        ((".",), 2, "holds no closed curves of the Markups module"),
        (("slices.seg.nrrd", "--segmentation", "A"), 2, "names a part of a scene"),
        (("slices.seg.nrrd", "--insertion", "1,2"), 2, "takes three numbers R,A,S"),
        (("slices.seg.nrrd", "--insertion", "there"), 2, "takes a .mrk.json file or R,A,S in mm"),
        (("slices.seg.nrrd", "--insertion", "900,0,0"), 2, "from the myocardium of the nearest slice"),
        (("slices.seg.nrrd", "--method", "magic"), 2, "A method is one of auto, refinement"),
        (("slices.seg.nrrd", "--slices", "12"), 2, "12 slices are asked for"),
        (("slices.seg.nrrd", "--slices", "2"), 2, "Invalid value for '--slices'"),
        (("slices.seg.nrrd", "--roles", "wall=A"), 2, "--roles knows the roles"),
        (("slices.seg.nrrd", "--weights", "no.safetensors"), 2, "No such file or directory: no.safetensors"),
        (("slices.seg.nrrd", "--method", "network", "--weights", "file.txt"), 2, "There is no file.json"),
        (("slices.seg.nrrd", "--out", "file.txt"), 2, "file.txt is a file"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing(
    lma, slices, tmp_path, monkeypatch, options, exit_code, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "broken.seg.nrrd").write_bytes(slices.read_bytes()[:-300])
    for name in ("slices.seg.nrrd", "slices.mrk.json"):
        shutil.copy(slices.with_name(name), tmp_path)
    if "network" in options:
        pytest.importorskip("torch")
    before = {path.name for path in tmp_path.iterdir()}
    outcome = lma("reconstruct", *options)
    assert outcome.exit_code == exit_code
    assert message in outcome.stderr
    assert {path.name for path in tmp_path.iterdir()} == before
