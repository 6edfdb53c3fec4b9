import json
import shutil
import zipfile

import numpy as np
import pytest
import slicer

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.infarct.alignment import align_population
from cardiactwins.infarct.archive import load_population
from cardiactwins.infarct.hearts import heart_of_case
from cardiactwins.mrml.cohorts import new_cohort_sequence
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.lesions import new_heart_segmentation
from cardiactwins.mrml.saving import save_node, save_scene
from cardiactwins.mrml.volumes import new_label_volume

PNG = b"\x89PNG"


@pytest.fixture
def cleared_scene():
    """The scene of this process, empty before and after."""
    scene = start().scene
    scene.Clear(False)
    yield scene
    scene.Clear(False)


@pytest.fixture(scope="module")
def aligned(infarct, patient_folder, tmp_path_factory):
    """Outcome and output file of one run on the patients' folder."""
    out = tmp_path_factory.mktemp("aligned") / "p.npz"
    return infarct("align", patient_folder, "--out", out, "--json"), out


def test_a_folder_of_segmentations_becomes_the_population_that_the_library_aligns(aligned, patients):
    outcome, out = aligned
    assert outcome.exit_code == 0, outcome.stderr
    population = load_population(out)
    unlabelled = [type(case)(**{**vars(case), "territory": None}) for case in patients]
    expected = align_population(unlabelled, population.anatomy)
    assert population.identifiers == tuple(case.identifier.replace(" ", "_") for case in patients)
    assert population.territories == expected.territories
    overlap = (population.lesions & expected.lesions).sum() / (population.lesions | expected.lesions).sum()
    assert overlap > 0.9


def test_attributes_picture_and_report_lie_beside_the_population(aligned, patients, rows):
    outcome, out = aligned
    population = load_population(out)
    table = rows(out.with_suffix(".attributes.csv"))
    assert [row["case"] for row in table] == list(population.identifiers)
    sizes = [float(row["infarct_size_share"]) for row in table]
    np.testing.assert_allclose(sizes, population.lesions.mean(axis=1), rtol=1e-6)
    voxels = [case.infarct.sum() for case in patients]
    assert [int(row["patient_infarct_voxels"]) for row in table] == voxels
    ml = [case.infarct.sum() * case.geometry.voxel_volume_ml for case in patients]
    np.testing.assert_allclose([float(row["patient_infarct_ml"]) for row in table], ml, rtol=1e-4)
    assert out.with_suffix(".mean.png").read_bytes().startswith(PNG)
    report = json.loads(out.with_suffix(".report.json").read_text())
    assert report["job"] == "infarct align"
    assert report["parameters"]["slices"] == 1
    assert report["results"]["cases_used"] == outcome.summary["cases_used"] == 6
    assert outcome.summary["insertions_estimated"] == 0
    assert set(outcome.summary["outputs"].values()) == {str(path) for path in out.parent.iterdir()}


def test_a_damaged_case_is_left_out_with_the_reason_and_the_exit_code_is_1(infarct, patient_folder, tmp_path):
    folder = shutil.copytree(patient_folder, tmp_path / "patients")
    victim = folder / "Phantom_02.seg.nrrd"
    victim.write_bytes(victim.read_bytes()[:-200])
    outcome = infarct("align", folder, "--no-rotate", "--out", tmp_path / "p.npz")
    assert outcome.exit_code == 1
    (line,) = (line for line in outcome.stdout.splitlines() if line.startswith("Left out: Phantom_02: "))
    assert "Phantom_02.seg.nrrd is damaged" in line
    assert len(load_population(tmp_path / "p.npz")) == 5
    tolerated = infarct("align", folder, "--out", tmp_path / "p.npz", "--force", "--allow-left-out", "--json")
    assert tolerated.exit_code == 0
    assert list(tolerated.summary["cases_left_out"]) == ["Phantom_02"]


def test_outputs_that_exist_are_replaced_with_force_only_and_people_get_a_table(
    infarct, patient_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("cardiactwins.cli_progress.SECONDS_BETWEEN_LINES", float("inf"))
    out = tmp_path / "p.npz"
    out.write_text("precious")
    refused = infarct("align", patient_folder, "--out", out)
    assert (refused.exit_code, out.read_text()) == (2, "precious")
    assert "--force" in refused.stderr
    forced = infarct("align", patient_folder, "--out", out, "--no-rotate", "--no-real-spacing", "--force")
    assert (forced.exit_code, forced.stderr) == (0, "")
    assert "Phantom_03" in forced.stdout
    assert "6 of 6 cases used." in forced.stdout
    population = load_population(out)
    assert not population.rotations.any()
    assert "infarct_voxels" in population.attributes
    assert "infarct_ml" not in population.attributes


def test_territories_come_from_a_table(infarct, patient_folder, patients, tmp_path):
    lines = [f"{case.identifier.replace(' ', '_')}, lcx" for case in patients]
    table = tmp_path / "arteries.csv"
    table.write_text("\n".join(["case, territory", *lines, "Somebody, LAD"]))
    outcome = infarct("align", patient_folder, "--territories", table, "--out", tmp_path / "p.npz", "--json")
    assert outcome.summary["territories"] == {"LCX": 6}
    assert outcome.summary["territories_without_case"] == ["Somebody"]
    turns = load_population(tmp_path / "p.npz").rotations
    assert np.ptp(turns) == 0
    assert turns[0] != 0


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,artery\na,LAD\n", "must have the columns case and territory"),
        ("case,territory\nPhantom_01,LM\n", "must be one of LAD, RCA, LCX; found 'LM'"),
        ("case,territory\nNobody,LAD\n", "None of the 1 cases of --territories is a case here"),
        ("", "at least one row"),
    ],
)
def test_a_table_of_territories_that_does_not_fit_is_refused(
    infarct, patient_folder, tmp_path, table, message
):
    path = tmp_path / "arteries.csv"
    path.write_text(table)
    outcome = infarct("align", patient_folder, "--territories", path, "--out", tmp_path / "p.npz")
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert not (tmp_path / "p.npz").exists()


def test_label_maps_are_read_with_the_labels_that_are_given(infarct, patients, tmp_path, cleared_scene):
    folder = tmp_path / "maps"
    for case in patients[:5]:
        labels = 10 * case.cavity + 20 * (case.myocardium & ~case.infarct) + 30 * case.infarct
        node = new_label_volume(case.identifier, labels.astype(np.int16), case.geometry)
        save_node(node, folder / f"{case.identifier}.nrrd")
    given = ("--labels", "10=cavity,20=myocardium", "--labels", "30=infarct")
    outcome = infarct("align", folder, *given, "--no-rotate", "--out", tmp_path / "p.npz", "--json")
    assert outcome.exit_code == 0, outcome.stderr
    assert (outcome.summary["cases_used"], outcome.summary["insertions_estimated"]) == (5, 5)
    assert infarct("align", folder, "--out", tmp_path / "q.npz").exit_code == 2


def test_roles_name_segments_that_the_names_do_not_tell(infarct, patients, tmp_path, cleared_scene):
    new_names = {"LV cavity": "A", "LV myocardium": "B", "Infarct": "C"}
    folder = tmp_path / "renamed"
    for case in patients[:5]:
        node = new_heart_segmentation(heart_of_case(case))
        segmentation = node.GetSegmentation()
        for index in reversed(range(segmentation.GetNumberOfSegments())):
            segment = segmentation.GetNthSegment(index)
            if segment.GetName() not in new_names:
                segmentation.RemoveSegment(segment)
                continue
            segment.SetName(new_names[segment.GetName()])
            segment.RemoveTag(slicer.vtkSegment.GetTerminologyEntryTagName())
        save_node(node, folder / f"{case.identifier}.seg.nrrd")
    unnamed = infarct("align", folder, "--out", tmp_path / "p.npz")
    assert unnamed.exit_code == 2
    named = infarct(
        "align",
        folder,
        "--no-rotate",
        "--roles",
        "cavity=A,myocardium=B,infarct=C",
        "--out",
        tmp_path / "p.npz",
        "--json",
    )
    assert named.exit_code == 0, named.stderr
    assert named.summary["cases_used"] == 5


@pytest.fixture
def scene_file(patients, tmp_path, cleared_scene):
    """A scene bundle: a folder 'Patients' with five, and all six in a sequence 'Cohort'."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(cleared_scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patients")
    for case in patients[:5]:
        node = new_heart_segmentation(heart_of_case(case))
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    new_cohort_sequence("Cohort", [heart_of_case(case) for case in patients])
    path = save_scene(tmp_path / "scene.mrb")
    cleared_scene.Clear(False)
    return path


def test_a_scene_gives_its_folder_its_sequence_or_all_its_segmentations_once(infarct, scene_file, tmp_path):
    def cases(*options):
        outcome = infarct(
            "align", scene_file, *options, "--out", tmp_path / "p.npz", "--no-rotate", "--force", "--json"
        )
        assert outcome.exit_code == 0, outcome.stderr
        slicer.mrmlScene.Clear(False)
        return load_population(tmp_path / "p.npz").identifiers

    six = tuple(f"Phantom {number:02d}" for number in range(1, 7))
    assert cases("--folder", "Patients") == six[:5]
    assert cases("--sequence", "Cohort") == six
    assert cases() == six[:5]
    for option, kind in (("--folder", "folder"), ("--sequence", "sequence")):
        outcome = infarct("align", scene_file, option, "Nobody", "--out", tmp_path / "q.npz")
        assert outcome.exit_code == 2
        assert f"no {kind} named 'Nobody'" in outcome.stderr
        slicer.mrmlScene.Clear(False)


def test_a_damaged_segmentation_in_a_scene_is_an_error_and_no_crash(infarct, scene_file, tmp_path):
    damaged = tmp_path / "damaged.mrb"
    with zipfile.ZipFile(scene_file) as whole, zipfile.ZipFile(damaged, "w") as copy:
        for name in whole.namelist():
            data = whole.read(name)
            copy.writestr(name, data[:-300] if name.endswith("Phantom 04.seg.nrrd") else data)
    outcome = infarct("align", damaged, "--out", tmp_path / "p.npz")
    assert outcome.exit_code == 2
    assert "Phantom 04.seg.nrrd is damaged" in outcome.stderr


def test_a_scene_that_cannot_be_read_is_an_error(infarct, tmp_path):
    (tmp_path / "cut.mrb").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "text.mrml").write_text("no scene")
    (tmp_path / "missing.mrml").write_text('<MRML><SegmentationStorage fileName="a%20b.seg.nrrd"/></MRML>')
    for name, message in (
        ("cut.mrb", "cut.mrb is damaged"),
        ("text.mrml", "text.mrml is not a scene file"),
        ("missing.mrml", "names the file a b.seg.nrrd, which is missing"),
    ):
        outcome = infarct("align", tmp_path / name, "--out", tmp_path / "p.npz")
        assert outcome.exit_code == 2
        assert message in outcome.stderr


def test_one_slice_segmentations_cannot_be_aligned_to_a_3d_reference(infarct, patients, tmp_path):
    folder = tmp_path / "slices"
    for case in patients[:5]:
        k = int(case.infarct.sum(axis=(1, 2)).argmax())
        labels = 1 * case.cavity[[k]] + 2 * case.myocardium[[k]] + case.infarct[[k]]
        geometry = ImageGeometry(labels.shape, case.geometry.ijk_to_ras)
        save_node(new_label_volume("slice", labels, geometry), folder / f"{case.identifier}.nrrd")
    outcome = infarct("align", folder, "--slices", 11, "--out", tmp_path / "p.npz")
    assert outcome.exit_code == 2
    assert "The segmentation has a single slice, but the reference is 3D." in outcome.stderr
    assert infarct("align", folder, "--no-rotate", "--out", tmp_path / "p.npz").exit_code == 0


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (("nowhere",), 2, "No such file or directory: nowhere"),
        ((".", "--out", "p.csv"), 2, "A population is an .npz file"),
        ((".", "--labels", "1=blood"), 2, "--labels knows the roles cavity"),
        ((".", "--labels", "one=cavity"), 2, "--labels takes label values"),
        ((".", "--roles", "infarct"), 2, "--roles takes pairs key=value; found 'infarct'"),
        ((".", "--roles", "infarct=A,infarct=B"), 2, "--roles names 'infarct' twice"),
        ((".", "--territories", "nowhere.csv"), 2, "No such file or directory: nowhere.csv"),
        ((".", "--folder", "A"), 2, "the source is a folder on disk"),
        ((".", "--folder", "A", "--sequence", "B"), 2, "not both"),
        ((".",), 2, "holds no segmentations"),
        (("file.txt",), 2, "file.txt is a single file"),
        ((".", "--out", "file.txt/p.npz"), 1, "a file stands in its way"),
        ((".", "--out", "folder.npz"), 2, "would be overwritten"),
        ((".", "--out", "folder.npz", "--force"), 1, "A folder stands where this file would go"),
    ],
)
def test_bad_usage_is_told_in_one_line(infarct, tmp_path, monkeypatch, options, exit_code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "folder.npz").mkdir()
    outcome = infarct("align", *options)
    assert outcome.exit_code == exit_code
    assert message in outcome.stderr
    assert outcome.stderr.startswith("Error: ")
    assert outcome.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt", "folder.npz"}
