"""Cases from nodes, hierarchies, sequences and folders."""

import numpy as np
import pytest
import slicer
import slicer.util

from cardiactwins.compute.progress import Cancelled
from cardiactwins.mrml.cases import case_from_masks, case_from_segmentation, patient_from_segmentation
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.population import read_cases
from cardiactwins.mrml.saving import save_node
from cardiactwins.mrml.segmentations import add_segment, new_segmentation
from cardiactwins.mrml.sequences import new_sequence
from cardiactwins.mrml.volumes import new_label_volume, new_volume

FIELDS = ("cavity", "myocardium", "infarct", "no_reflow")


def assert_case(case, masks):
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(case, field), masks[field], err_msg=field)


def healthy_only(masks):
    """The same heart with its myocardium drawn as the healthy part, and the infarct without no-reflow."""
    return {
        **masks,
        "myocardium": masks["myocardium"] & ~masks["infarct"],
        "infarct": masks["infarct"] & ~masks["no_reflow"],
    }


def emidec(masks):
    labels = np.zeros(masks["cavity"].shape, dtype=np.uint8)
    for label, role in enumerate(FIELDS, start=1):
        labels[masks[role]] = label
    return labels


def three_nodes(grid, masks):
    return [new_segmentation(f"P{number}", grid, masks) for number in (1, 2, 3)]


def test_the_case_is_the_same_however_the_myocardium_was_drawn(grid, masks):
    filled = {**masks, "myocardium": masks["myocardium"] | masks["cavity"]}
    for number, drawn in enumerate((masks, healthy_only(masks), filled)):
        case = case_from_segmentation(new_segmentation(f"P{number}", grid, drawn))
        assert_case(case, masks)
        assert case.geometry.matches(grid, 1e-6)
        assert (case.identifier, case.territory, case.right_ventricle) == (f"P{number}", None, None)


def test_infarct_in_the_cavity_or_apart_stays_outside_of_the_myocardium(oblique_grid, masks):
    wrong = masks["infarct"] & False
    wrong[2, 15, 14:16] = True
    wrong[2, 2, 2] = True
    for drawn in (masks, healthy_only(masks)):
        case = case_from_masks({**drawn, "infarct": drawn["infarct"] | wrong}, oblique_grid, "P1")
        np.testing.assert_array_equal(case.myocardium, masks["myocardium"])
        np.testing.assert_array_equal(case.infarct & ~case.myocardium, wrong)


def test_a_border_zone_is_myocardium_but_no_infarct(oblique_grid, masks):
    border = masks["infarct"] & ~masks["no_reflow"]
    drawn = {
        "cavity": masks["cavity"],
        "myocardium": masks["myocardium"] & ~masks["infarct"],
        "border_zone": border,
        "infarct": masks["no_reflow"],
    }
    case = case_from_masks(drawn, oblique_grid, "P1")
    np.testing.assert_array_equal(case.myocardium, masks["myocardium"])
    np.testing.assert_array_equal(case.infarct, masks["no_reflow"])
    assert case.no_reflow is None


def test_cases_that_cannot_be_used_are_listed_with_the_reason_and_the_others_go_on(
    scene, oblique_grid, masks
):
    nodes = three_nodes(oblique_grid, masks)
    no_infarct = new_segmentation("P4", oblique_grid, {key: masks[key] for key in ("cavity", "myocardium")})
    empty = new_segmentation("P5", oblique_grid, {**masks, "infarct": np.zeros_like(masks["infarct"])})
    empty.GetSegmentation().RemoveSegment("no_reflow")
    warped = new_segmentation("P6", oblique_grid, masks)
    warped.SetAndObserveTransformNodeID(
        scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "warp").GetID()
    )
    cases, excluded = read_cases([nodes[0], no_infarct, empty, nodes[1], warped, nodes[2]])
    assert [case.identifier for case in cases] == ["P1", "P2", "P3"]
    assert {case.identifier: case.reason.split(".")[0] for case in excluded} == {
        "P4": "There is no segment for the Infarct",
        "P5": "The Infarct is empty",
        "P6": "'P6' is under the transform 'warp', which is not linear",
    }
    for case in cases:
        assert_case(case, masks)


def test_roles_points_and_territories_are_taken_as_given(oblique_grid, masks):
    node = new_segmentation("P1", oblique_grid, {key: masks[key] for key in ("cavity", "myocardium")})
    add_segment(node, "Segment_3", masks["infarct"], oblique_grid)
    points = {"P1": new_markups("RV", [[1, 2, 3]]), "P2": [[4, 5, 6], [7, 8, 9]]}
    territories = {"P1": "LAD"}
    (first,), excluded = read_cases(
        [node], roles={"infarct": "Segment_3"}, insertion_points=points, territories=territories
    )
    assert not excluded
    np.testing.assert_array_equal(first.infarct, masks["infarct"])
    assert (first.insertion_points.tolist(), first.territory) == ([[1, 2, 3]], "LAD")
    (one, other), _ = read_cases(three_nodes(oblique_grid, masks)[1:], insertion_points=points)
    assert one.insertion_points.tolist() == points["P2"] and other.insertion_points is None
    (case, *_), _ = read_cases(
        [node], roles={"infarct": "Segment_3"}, insertion_points=np.array([[1.0, 2, 3]])
    )
    assert case.insertion_points.tolist() == [[1, 2, 3]]


def test_nodes_of_one_name_become_cases_of_different_names(oblique_grid, masks):
    cases, _ = read_cases([new_segmentation("P", oblique_grid, masks) for _ in range(3)])
    assert [case.identifier for case in cases] == ["P", "P (2)", "P (3)"]


def test_label_maps_in_the_scene_are_cases_too(oblique_grid, masks):
    (case,), _ = read_cases([new_label_volume("P1", emidec(masks), oblique_grid)])
    assert_case(case, masks)


def test_a_patient_without_an_infarct_can_receive_one(oblique_grid, masks):
    node = new_segmentation("P1", oblique_grid, {key: masks[key] for key in ("cavity", "myocardium")})
    patient = patient_from_segmentation(node, insertion_points=[[1, 2, 3]])
    np.testing.assert_array_equal(patient.myocardium, masks["myocardium"])
    assert not patient.infarct.any()
    with pytest.raises(ValueError, match=r"no segment for the Infarct.*roles=\{'infarct': ...\}"):
        case_from_segmentation(node)


def test_a_folder_of_the_subject_hierarchy_gives_its_segmentations_with_their_points(
    scene, oblique_grid, masks
):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "study")
    for number, node in enumerate(three_nodes(oblique_grid, masks), start=1):
        patient = hierarchy.CreateFolderItem(study, f"patient {number}")
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), patient)
        points = new_markups("RV insertion", [[number, 0, 0]])
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(points), patient)
    new_segmentation("elsewhere", oblique_grid, masks)
    cases, excluded = read_cases(study)
    assert not excluded
    assert [(case.identifier, case.insertion_points[0, 0]) for case in cases] == [
        ("P1", 1),
        ("P2", 2),
        ("P3", 3),
    ]
    cases, _ = read_cases(study, insertion_points=[[9, 0, 0]])
    assert {case.insertion_points[0, 0] for case in cases} == {9}


def test_points_in_a_flat_folder_belong_to_no_case_in_particular(scene, oblique_grid, masks):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for node in (*three_nodes(oblique_grid, masks), new_markups("RV insertion", [[1, 2, 3]])):
        assert hierarchy.GetItemByDataNode(node)
    cases, _ = read_cases(hierarchy.GetSceneItemID())
    assert [case.insertion_points for case in cases] == [None, None, None]


def test_a_folder_without_segmentations_is_refused(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "images")
    with pytest.raises(ValueError, match=r"item 'images' holds no segmentation"):
        read_cases(folder)


def test_a_sequence_gives_one_case_an_item(oblique_grid, masks, tmp_path):
    nodes = three_nodes(oblique_grid, masks)
    nodes[1].GetSegmentation().RemoveSegment("cavity")
    sequence = new_sequence("cohort", [(f"case {node.GetName()}", node) for node in nodes])
    save_node(sequence, tmp_path / "cohort.seq.mrb")
    for source in (sequence, slicer.util.loadSequence(str(tmp_path / "cohort.seq.mrb"))):
        cases, excluded = read_cases(source, territories={"case P3": "RCA"})
        assert [(case.identifier, case.territory) for case in cases] == [
            ("case P1", None),
            ("case P3", "RCA"),
        ]
        assert [case.identifier for case in excluded] == ["case P2"]
        assert_case(cases[0], masks)


def test_a_sequence_of_something_else_is_refused(oblique_grid, masks):
    volumes = new_sequence("images", [("a", new_volume("a", masks["infarct"], oblique_grid))])
    with pytest.raises(ValueError, match=r"'images' holds 1 nodes of class vtkMRMLScalarVolumeNode"):
        read_cases(volumes)


def test_sequences_refuse_equal_values_and_emptiness(scene, oblique_grid, masks):
    node = new_segmentation("P1", oblique_grid, masks)
    before = scene.GetNumberOfNodes()
    with pytest.raises(ValueError, match=r"two items with the case 'a'"):
        new_sequence("cohort", [("a", node), ("a", node)])
    with pytest.raises(ValueError, match=r"'cohort' would be empty"):
        new_sequence("cohort", [])
    assert scene.GetNumberOfNodes() == before


def test_a_folder_on_disk_gives_its_files_and_leaves_no_nodes(scene, oblique_grid, masks, tmp_path):
    save_node(new_segmentation("x", oblique_grid, masks), tmp_path / "b.seg.nrrd")
    save_node(new_markups("x", [[1, 2, 3]]), tmp_path / "b.mrk.json")
    save_node(new_label_volume("x", emidec(masks), oblique_grid), tmp_path / "a.nii.gz")
    save_node(new_label_volume("x", emidec(masks), oblique_grid), tmp_path / "c.nrrd")
    save_node(
        new_volume("x", np.random.default_rng(0).normal(size=oblique_grid.shape), oblique_grid),
        tmp_path / "d.nrrd",
    )
    (tmp_path / "e.seg.nrrd").write_bytes((tmp_path / "b.seg.nrrd").read_bytes()[:-50])
    (tmp_path / "notes.txt").write_text("not a case")
    (tmp_path / "folder").mkdir()
    before = scene.GetNumberOfNodes()
    cases, excluded = read_cases(tmp_path)
    assert scene.GetNumberOfNodes() == before
    assert [case.identifier for case in cases] == ["a", "b", "c"]
    assert_case(cases[1], masks)
    assert cases[1].insertion_points.tolist() == [[1, 2, 3]] and cases[0].insertion_points is None
    for case in (cases[0], cases[2]):
        places = np.round(
            case.geometry.ras_to_kji(oblique_grid.kji_to_ras(np.argwhere(masks["infarct"])))
        ).astype(int)
        assert case.infarct[tuple(places.T)].all() and case.infarct.sum() == len(places)
    assert {case.identifier: case.reason[:24] for case in excluded} == {
        "d": "It is not a label map: i",
        "e": "e.seg.nrrd is damaged: e",
    }


def test_labels_of_a_folder_can_mean_something_else(oblique_grid, masks, tmp_path):
    labels = np.select([emidec(masks) == value for value in (1, 2, 3, 4)], [500, 600, 7, 7])
    save_node(new_label_volume("x", labels.astype(np.int16), oblique_grid), tmp_path / "a.nrrd")
    meaning = {500: "cavity", 600: "myocardium", 7: "infarct"}
    (case,), _ = read_cases(tmp_path, labels=meaning, insertion_points={"a": [[1, 2, 3]]})
    assert case.infarct.sum() == masks["infarct"].sum() and case.no_reflow is None
    assert case.insertion_points.tolist() == [[1, 2, 3]]
    _, (excluded,) = read_cases(tmp_path, labels={1: "scar"})
    assert "Unknown segment roles: scar" in excluded.reason


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no segmentations"):
        read_cases(tmp_path)
    with pytest.raises(NotADirectoryError, match=r"There is no folder"):
        read_cases(tmp_path / "absent")


def test_reading_tells_its_progress_and_can_be_cancelled(oblique_grid, masks):
    nodes = three_nodes(oblique_grid, masks)
    steps = []
    read_cases(nodes, progress=lambda step, total, message="", values=None: steps.append((step, total)))
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]

    def cancel(step, total, message="", values=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        read_cases(nodes, progress=cancel)


def test_thirty_cases_from_disk_leave_the_scene_as_it_was(scene, oblique_grid, masks, tmp_path):
    for number in range(30):
        save_node(new_segmentation("x", oblique_grid, masks), tmp_path / f"{number:02d}.seg.nrrd")
        scene.Clear(False)
    counts = set()
    for _ in range(2):
        cases, excluded = read_cases(tmp_path)
        assert (len(cases), excluded) == (30, [])
        counts.add(scene.GetNumberOfNodes())
    for case in cases:
        node = new_segmentation(case.identifier, case.geometry, {"infarct": case.infarct})
        scene.RemoveNode(node.GetDisplayNode())
        scene.RemoveNode(node)
        counts.add(scene.GetNumberOfNodes())
    assert len(counts) == 1
