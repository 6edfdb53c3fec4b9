"""The scene, the logics and the I/O of 3D Slicer without its application."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import slicer
import slicer.util
from vtkmodules.vtkFiltersSources import vtkSphereSource

from cardiactwins.mrml import headless
from cardiactwins.mrml.geometry import matrix_to_vtk
from cardiactwins.mrml.markups import new_markups, points_of_markups
from cardiactwins.mrml.segment_roles import SEGMENT_ROLES, TERMINOLOGY_NAME
from cardiactwins.mrml.segmentations import new_segmentation, segment_names
from cardiactwins.mrml.tables import columns_of_table, new_table
from cardiactwins.mrml.volumes import new_volume


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def hierarchy_names(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = slicer.util.getSubjectHierarchyItemChildren(recursive=True)
    return sorted(hierarchy.GetItemName(item) for item in items)


def test_a_second_start_returns_the_same_scene(host):
    assert headless.start() is host
    assert slicer.mrmlScene is host.scene
    assert slicer.app.mrmlScene() is host.scene
    assert not host.in_application


def test_the_scene_says_that_it_comes_from_slicer_core(host):
    assert headless.where().startswith("slicer-core 5.")


def test_module_logics_work_on_the_scene(host):
    volumes = slicer.modules.volumes.logic()
    assert volumes.GetMRMLScene() is host.scene
    assert slicer.util.getModuleLogic is not None
    assert host.application_logic.GetModuleLogic("Segmentations") is slicer.modules.segmentations.logic()


def test_a_module_of_the_application_is_missed_with_a_clear_message():
    assert not hasattr(slicer.modules, "dicom")
    with pytest.raises(AttributeError, match=r"'dicom' is not available without the 3D Slicer application"):
        _ = slicer.modules.dicom


def test_the_process_ends_quietly_and_leaves_no_temporary_folder():
    ended = run_python("""
        from cardiactwins.mrml.headless import start
        import slicer
        start().scene.AddNewNodeByClass("vtkMRMLModelNode", "heart")
        print(slicer.app.temporaryPath)
    """)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert (
        run_python("import os, sys; print(os.path.exists(sys.argv[1]))", ended.stdout.strip()).stdout
        == "False\n"
    )


def test_the_namesake_from_pypi_is_told_apart(tmp_path):
    (tmp_path / "slicer").mkdir()
    (tmp_path / "slicer" / "__init__.py").write_text("class Slicer: ...")
    ended = run_python(
        "import sys; sys.path.insert(0, sys.argv[1]); import cardiactwins.mrml.headless", tmp_path
    )
    assert ended.returncode == 1
    assert "is not 3D Slicer's" in ended.stderr
    assert "pip uninstall -y slicer" in ended.stderr


def test_a_missing_slicer_core_is_told_with_the_command_that_brings_it():
    ended = run_python("import sys; sys.modules['slicer'] = None; import cardiactwins.mrml.headless")
    assert ended.returncode == 1
    assert "python -m pip install slicer-core" in ended.stderr


def test_inside_the_application_its_scene_is_used_and_nothing_is_changed():
    ended = run_python("""
        import types
        import slicer
        scene = slicer.vtkMRMLScene()
        logic = slicer.vtkSlicerApplicationLogic()
        logic.SetMRMLScene(scene)
        app = types.SimpleNamespace(applicationVersion="5.12.0", applicationLogic=lambda: logic)
        slicer.app, slicer.mrmlScene, slicer.modules = app, scene, object()
        nodes = scene.GetNumberOfNodes()
        from cardiactwins.mrml import headless
        host = headless.start()
        assert host.scene is scene and host.in_application and headless.start() is host
        assert slicer.app is app and scene.GetNumberOfNodes() == nodes
        print(headless.where())
    """)
    assert (ended.stdout, ended.stderr) == ("3D Slicer application 5.12.0\n", "")


def test_every_data_node_has_one_item_in_the_subject_hierarchy_until_it_is_removed(scene):
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "heart")
    hidden = slicer.vtkMRMLModelNode()
    hidden.SetHideFromEditors(True)
    scene.AddNode(hidden)
    assert hierarchy_names(scene) == ["heart"]
    scene.RemoveNode(node)
    assert hierarchy_names(scene) == []


def test_a_scene_file_brings_back_its_nodes_and_its_folders_once(scene, oblique_grid, masks, tmp_path):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "patients")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(new_segmentation("P1", oblique_grid, masks)), folder)
    new_volume("late enhancement", masks["infarct"], oblique_grid, "Viridis")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    counts = []
    for _ in range(3):
        slicer.util.loadScene(str(tmp_path / "scene.mrb"))
        counts.append(scene.GetNumberOfNodes())
        assert hierarchy_names(scene) == ["P1", "late enhancement", "patients"]
    assert len(set(counts)) == 1
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(slicer.util.getNode("P1"))
    assert hierarchy.GetItemName(hierarchy.GetItemParent(item)) == "patients"


def test_a_scene_file_finds_its_perceptual_colours_where_none_were_made_yet(
    scene, oblique_grid, masks, tmp_path
):
    new_volume("pattern", masks["infarct"], oblique_grid, "Inferno")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.RemoveNode(scene.GetNodeByID("vtkMRMLColorTableNodeFileInferno.txt"))
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    colors = slicer.util.getNode("pattern").GetDisplayNode().GetColorNode()
    assert colors.GetName() == "Inferno"
    color = np.zeros(4)
    assert colors.GetColor(255, color)
    np.testing.assert_allclose(color[:3], (0.988, 1.0, 0.645), atol=0.01)


def test_a_damaged_segmentation_is_an_error_and_not_the_end_of_the_process(oblique_grid, masks, tmp_path):
    path = tmp_path / "heart.seg.nrrd"
    assert slicer.util.saveNode(new_segmentation("heart", oblique_grid, masks), str(path))
    path.write_bytes(path.read_bytes()[:-60])
    for load in (slicer.util.loadSegmentation, slicer.util.loadVolume):
        with pytest.raises(RuntimeError, match=r"heart.seg.nrrd is damaged"):
            load(str(path))


def test_a_scene_can_be_added_to_what_is_there(scene, tmp_path):
    new_markups("points", [[1, 2, 3]])
    assert slicer.util.saveScene(str(tmp_path / "scene.mrml"))
    assert slicer.util.saveScene(str(tmp_path / "folder"))
    scene.Clear(False)
    new_markups("others", [[4, 5, 6]])
    slicer.util.loadScene(str(tmp_path / "folder" / "folder.mrml"), {"clear": False})
    assert {"points", "others"} <= set(slicer.util.getNodes())


def test_each_kind_of_node_is_saved_and_loaded_by_slicer_util(scene, oblique_grid, masks, tmp_path):
    segmentation = new_segmentation("heart", oblique_grid, masks)
    assert slicer.util.saveNode(segmentation, str(tmp_path / "heart.seg.nrrd"))
    loaded = slicer.util.loadSegmentation(str(tmp_path / "heart.seg.nrrd"))
    assert segment_names(loaded) == segment_names(segmentation)

    volume = new_volume("image", masks["infarct"], oblique_grid)
    assert slicer.util.saveNode(volume, tmp_path / "image.nrrd")
    assert (
        slicer.util.arrayFromVolume(slicer.util.loadVolume(tmp_path / "image.nrrd")).sum()
        == masks["infarct"].sum()
    )
    assert slicer.util.loadLabelVolume(tmp_path / "image.nrrd").IsA("vtkMRMLLabelMapVolumeNode")

    assert slicer.util.saveNode(new_markups("points", [[1, 2, 3]]), str(tmp_path / "points.mrk.json"))
    assert points_of_markups(slicer.util.loadMarkups(tmp_path / "points.mrk.json")).tolist() == [[1, 2, 3]]

    assert slicer.util.saveNode(new_table("table", {"n": [1, 2]}), str(tmp_path / "table.tsv"))
    assert columns_of_table(slicer.util.loadTable(tmp_path / "table.tsv"))["n"].tolist() == [1, 2]

    sphere = vtkSphereSource()
    model = slicer.modules.models.logic().AddModel(sphere.GetOutputPort())
    assert slicer.util.saveNode(model, str(tmp_path / "model.vtp"))
    assert slicer.util.loadModel(tmp_path / "model.vtp").GetPolyData().GetNumberOfPoints() == 50

    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    transform.SetMatrixTransformToParent(matrix_to_vtk(np.diag([1, 1, 2, 1])))
    assert slicer.util.saveNode(transform, str(tmp_path / "shift.h5"))
    assert slicer.util.arrayFromTransformMatrix(slicer.util.loadTransform(tmp_path / "shift.h5"))[2, 2] == 2

    text = scene.AddNewNodeByClass("vtkMRMLTextNode", "note")
    text.SetText("remember")
    assert slicer.util.saveNode(text, str(tmp_path / "note.txt"))
    assert slicer.util.loadText(tmp_path / "note.txt").GetText() == "remember"


@pytest.mark.parametrize("name", ["absent.nrrd", "unknown.xyz"])
def test_a_file_that_cannot_be_loaded_is_an_error_that_names_it(name, tmp_path):
    (tmp_path / "unknown.xyz").write_text("?")
    with pytest.raises(RuntimeError, match=name):
        slicer.util.loadNodeFromFile(str(tmp_path / name))


def test_the_standard_terminology_is_known_to_the_logic(host):
    logic = slicer.modules.terminologies.logic()
    assert logic.IsTerminologyContextLoaded(TERMINOLOGY_NAME)
    for role in SEGMENT_ROLES.values():
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(role.terminology, entry)
        assert entry.GetTypeObject().GetCodeMeaning() == role.type.meaning
        assert entry.GetCategoryObject().GetCodeValue() == role.category.value
        assert logic.SerializeTerminologyEntry(entry) == role.terminology
        listed = slicer.vtkSlicerTerminologyEntry()
        assert logic.FindTypeInTerminologyBy3dSlicerLabel(TERMINOLOGY_NAME, role.name, listed)
        assert listed.GetTypeObject().GetCodeValue() == role.type.value
        color = np.array(listed.GetTypeObject().GetRecommendedDisplayRGBValue()) / 255
        assert color == pytest.approx(role.color, abs=0.003)
