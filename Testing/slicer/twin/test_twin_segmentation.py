"""Whole hearts read from segmentation nodes, label maps and files, and written as nodes."""

import struct

import numpy as np
import pytest
from nifti_names import with_names

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.mrml.geometry import geometry_of_volume, matrix_to_vtk
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.segment_roles import TISSUE_ROLES
from cardiactwins.mrml.segmentations import (
    add_segment,
    geometry_of_segmentation,
    segment_array,
    segment_names,
)
from cardiactwins.mrml.twin_segmentation import (
    SegmentStyle,
    heart_of_file,
    heart_of_label_map,
    heart_of_segmentation,
    new_heart_segmentation,
)
from cardiactwins.mrml.volumes import new_volume
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.tissue_names import (
    TOTALSEGMENTATOR_NAMES,
    TOTALSEGMENTATOR_V1,
    TOTALSEGMENTATOR_V2_HEART,
)


@pytest.fixture
def geometry(grid):
    return grid


@pytest.fixture
def blocks(geometry):
    """A block of each tissue side by side on a grid, as labels."""
    labels = np.zeros(geometry.shape, dtype=np.uint8)
    for number, tissue in enumerate(Tissue):
        labels[1:5, 3:25, 2 + 4 * number : 5 + 4 * number] = tissue
    return labels


def styles(names):
    """Styles without terminology, so that names alone tell."""
    return {tissue: SegmentStyle(names[tissue], TISSUE_ROLES[tissue].color, "") for tissue in Tissue}


def test_a_heart_comes_back_from_its_node(blocks, geometry, scene):
    node = new_heart_segmentation("Heart", blocks, geometry)
    heart = heart_of_segmentation(node)
    assert np.array_equal(heart.labels, blocks)
    assert heart.geometry.matches(geometry)
    assert heart.name == "Heart" and not heart.remarks
    assert list(segment_names(node).values()) == [TISSUE_ROLES[tissue].name for tissue in Tissue]
    for tissue in Tissue:
        assert heart.styles[tissue] == SegmentStyle.standard(tissue)


def test_siblings_get_the_names_colours_and_codes_of_the_twin(blocks, geometry, scene):
    node = new_heart_segmentation("Heart", blocks, geometry)
    segmentation = node.GetSegmentation()
    segmentation.GetSegment("LV").SetName("Ventrikel A")
    segmentation.GetSegment("LV").SetColor(0.1, 0.2, 0.3)
    heart = heart_of_segmentation(node)
    sibling = new_heart_segmentation("Sibling", blocks[::-1], geometry, heart.styles)
    again = heart_of_segmentation(sibling)
    assert np.array_equal(again.labels, blocks[::-1])
    assert again.styles == heart.styles
    assert again.styles[Tissue.LV].name == "Ventrikel A"
    assert again.styles[Tissue.LV].color == pytest.approx((0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    "names",
    [
        TOTALSEGMENTATOR_NAMES,
        dict(
            zip(
                Tissue,
                ("Aorta", "LV_myo", "RV blood", "LV blood", "right atrium", "left atrium"),
                strict=True,
            )
        ),
    ],
    ids=["TotalSegmentator", "by hand"],
)
def test_names_tell_where_there_are_no_codes(blocks, geometry, scene, names):
    node = new_heart_segmentation("Heart", blocks, geometry, styles(names))
    heart = heart_of_segmentation(node)
    assert np.array_equal(heart.labels, blocks)
    assert heart.sources == dict(names)


def test_codes_go_before_names(blocks, geometry, scene):
    """Names in another language, codes of TotalSegmentator's terminology table."""
    codes = {1: "15825003", 2: "74281007", 3: "53085002", 4: "87878005", 5: "73829009", 6: "82471001"}
    entry = "Segmentation category and type - Total Segmentator~SCT^123037004^Anatomical Structure"
    entry += "~SCT^{}^x~^^~~^^~^^"
    named = {
        tissue: SegmentStyle(f"Struktur {tissue.value}", (0.5, 0.5, 0.5), entry.format(codes[tissue]))
        for tissue in Tissue
    }
    node = new_heart_segmentation("Herz", blocks, geometry, named)
    assert np.array_equal(heart_of_segmentation(node).labels, blocks)


def test_a_person_says_which_is_which(blocks, geometry, scene):
    names = {tissue: f"thing {tissue.value}" for tissue in Tissue}
    node = new_heart_segmentation("Heart", blocks, geometry, styles(names))
    with pytest.raises(ValueError, match="Say which is which"):
        heart_of_segmentation(node)
    given = {"Ao": "thing 1", "Myo": "thing 2", "right ventricle": "thing 3", Tissue.LV: "thing 4"}
    given |= {"RA": "thing 5", "LA": "thing 6"}
    assert np.array_equal(heart_of_segmentation(node, given).labels, blocks)


def test_a_missing_and_an_empty_segment_are_told(blocks, geometry, scene):
    node = new_heart_segmentation("Heart", np.where(blocks == Tissue.LA, 0, blocks), geometry)
    with pytest.raises(ValueError, match="Segmentation 'Heart' has no left atrium"):
        heart_of_segmentation(node)
    add_segment(node, "Left atrium", np.zeros(geometry.shape, bool), geometry)
    with pytest.raises(ValueError, match="segment 'Left atrium' is empty"):
        heart_of_segmentation(node)


def test_a_myocardium_painted_over_its_cavity_loses_it(blocks, geometry, scene):
    node = new_heart_segmentation("Heart", np.where(blocks == Tissue.MYO, 0, blocks), geometry)
    both = (blocks == Tissue.MYO) | (blocks == Tissue.LV)
    add_segment(node, "LV myocardium", both, geometry)
    heart = heart_of_segmentation(node)
    assert np.array_equal(heart.labels, blocks)
    assert f"{np.count_nonzero(blocks == Tissue.LV):,} voxels" in heart.remarks[0]


def test_transforms_above_the_segmentation_count(blocks, geometry, scene):
    node = new_heart_segmentation("Heart", blocks, geometry)
    turn = np.array([[0, -1, 0, 5], [1, 0, 0, -7], [0, 0, 1, 9], [0, 0, 0, 1]], float)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(turn))
    node.SetAndObserveTransformNodeID(transform.GetID())
    heart = heart_of_segmentation(node)
    assert np.array_equal(heart.labels, blocks)
    assert heart.geometry.matches(ImageGeometry(geometry.shape, turn @ geometry.ijk_to_ras))


@pytest.mark.parametrize(
    ("preset", "values"),
    [
        ("TotalSegmentator v1", TOTALSEGMENTATOR_V1),
        ("TotalSegmentator v2 heartchambers_highres", TOTALSEGMENTATOR_V2_HEART),
        ("CardiacTwins", {int(tissue): tissue for tissue in Tissue}),
    ],
)
def test_label_values_of_known_programs(blocks, geometry, scene, preset, values):
    coded = np.zeros(blocks.shape, dtype=np.int16)
    for value, tissue in values.items():
        coded[blocks == tissue] = value
    coded[0, 0, 0] = 99
    node = new_volume("map", coded, geometry)
    heart = heart_of_label_map(node, preset)
    assert np.array_equal(heart.labels, blocks)
    assert heart.geometry.matches(geometry_of_volume(node))
    with pytest.raises(ValueError, match="carries no names of its labels"):
        heart_of_label_map(node)


def test_label_values_can_be_given(blocks, geometry, scene):
    node = new_volume("map", (blocks * 10).astype(np.uint8), geometry)
    given = {name: 10 * (n + 1) for n, name in enumerate(("Ao", "Myo", "RV", "LV", "RA", "LA"))}
    assert np.array_equal(heart_of_label_map(node, given).labels, blocks)
    with pytest.raises(ValueError, match=r"no label '77'\. Its labels: 10, 20"):
        heart_of_label_map(node, given | {"LA": 77})
    with pytest.raises(ValueError, match="no table of labels 'other'"):
        heart_of_label_map(node, "other")


def test_an_empty_map_and_one_of_fractions_are_told(geometry, scene):
    with pytest.raises(ValueError, match="is empty"):
        heart_of_label_map(new_volume("map", np.zeros(geometry.shape, np.uint8), geometry))
    with pytest.raises(ValueError, match="no whole numbers"):
        heart_of_label_map(new_volume("map", np.full(geometry.shape, 0.5), geometry))


def test_names_of_a_label_maps_own_colour_table_tell(blocks, geometry, scene):
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "map")
    slicer.util.updateVolumeFromArray(node, (blocks + 3 * (blocks > 0)).astype(np.int16))
    node.SetIJKToRASMatrix(matrix_to_vtk(geometry.ijk_to_ras))
    node.CreateDefaultDisplayNodes()
    with pytest.raises(ValueError, match="carries no names"):
        heart_of_label_map(node)
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetNumberOfColors(10)
    for tissue in Tissue:
        table.SetColor(tissue + 3, TOTALSEGMENTATOR_NAMES[tissue], 1, 0, 0, 1)
    node.GetDisplayNode().SetAndObserveColorNodeID(scene.AddNode(table).GetID())
    heart = heart_of_label_map(node)
    assert np.array_equal(heart.labels, blocks)
    assert heart.sources[Tissue.LA] == "heart_atrium_left"


@pytest.mark.parametrize("values", [TOTALSEGMENTATOR_V1, TOTALSEGMENTATOR_V2_HEART], ids=["v1", "v2"])
def test_files_of_totalsegmentator_are_read_by_their_names(blocks, geometry, scene, tmp_path, values):
    import SimpleITK

    path = write_heart(tmp_path / "heart.nii.gz", blocks, geometry)
    image = SimpleITK.ReadImage(str(path))
    plain = SimpleITK.GetArrayFromImage(image)
    coded = np.zeros(plain.shape, dtype=np.uint8)
    for value, tissue in values.items():
        coded[plain == tissue] = value
    changed = SimpleITK.GetImageFromArray(coded)
    changed.CopyInformation(image)
    SimpleITK.WriteImage(changed, str(path))
    names = {value: TOTALSEGMENTATOR_NAMES[tissue] for value, tissue in values.items()}
    heart = heart_of_file(with_names(path, {**names, 90: "pulmonary_artery"}))
    assert heart.sources == dict(TOTALSEGMENTATOR_NAMES)
    # 3D Slicer mirrors an axis of left-handed images: compare where the voxels lie.
    for tissue in Tissue:
        here = heart.geometry.kji_to_ras(np.argwhere(heart.labels == tissue))
        there = geometry.kji_to_ras(np.argwhere(blocks == tissue))
        assert len(here) == len(there)
        assert np.sort(here, axis=0) == pytest.approx(np.sort(there, axis=0), abs=1e-3)
    assert slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode", scene) == []


def test_segmentation_files_are_read(blocks, geometry, scene, tmp_path):
    node = new_heart_segmentation("Heart", blocks, geometry)
    path = tmp_path / "heart.seg.nrrd"
    assert slicer.util.saveNode(node, str(path))
    heart = heart_of_file(path)
    for tissue in Tissue:
        mask = segment_array(node, TISSUE_ROLES[tissue].name, heart.geometry)
        assert np.array_equal(heart.labels == tissue, mask)
    assert geometry_of_segmentation(node).matches(geometry)


def test_files_that_cannot_be_hearts_are_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        heart_of_file(tmp_path / "none.nii.gz")
    with pytest.raises(ValueError, match="no segmentation or label map"):
        heart_of_file(tmp_path / "a.txt")
    (tmp_path / "b.nii.gz").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b\.nii\.gz"):
        heart_of_file(tmp_path / "b.nii.gz")


def masks(folder, labels, geometry, names):
    """One file a structure, as TotalSegmentator writes them by default."""
    for tissue, name in names.items():
        write_heart(folder / f"{name}.nii.gz", (labels == tissue).astype(np.uint8), geometry)
    write_heart(folder / "liver.nii.gz", np.zeros_like(labels), geometry)
    return folder


def test_folders_of_masks_are_read_by_the_names_of_their_files(blocks, geometry, scene, tmp_path):
    heart = heart_of_file(masks(tmp_path, blocks, geometry, TOTALSEGMENTATOR_NAMES))
    assert heart.sources == dict(TOTALSEGMENTATOR_NAMES)
    whole = heart_of_file(write_heart(tmp_path / "whole.nii.gz", blocks, geometry), "CardiacTwins")
    assert np.array_equal(heart.labels, whole.labels)
    assert heart.geometry.matches(whole.geometry)


def test_folders_that_cannot_be_hearts_are_told(oblique_grid, scene, tmp_path):
    labels = np.zeros(oblique_grid.shape, np.uint8)
    labels[1:3, 2:20, 2:20] = np.resize(np.arange(1, 7), 18)
    names = dict(TOTALSEGMENTATOR_NAMES)
    folder = masks(tmp_path, labels, oblique_grid, names)
    (folder / "heart_atrium_left.nii.gz").unlink()
    with pytest.raises(ValueError, match="has no left atrium"):
        heart_of_file(folder)
    with pytest.raises(ValueError, match="has no mask lung"):
        heart_of_file(folder, {"LA": "lung"})
    with pytest.raises(ValueError, match=r"liver\.nii\.gz is empty"):
        heart_of_file(folder, {"LA": "liver"})
    moved = ImageGeometry(oblique_grid.shape, np.diag([2, 2, 2, 1]) @ oblique_grid.ijk_to_ras)
    write_heart(folder / "heart_atrium_left.nii.gz", (labels == 6).astype(np.uint8), moved)
    with pytest.raises(ValueError, match="lies on another grid"):
        heart_of_file(folder)


def test_sheared_axes_are_told(scene, tmp_path):
    labels = np.zeros((5, 20, 30), np.uint8)
    path = write_heart(tmp_path / "tilted.nii", labels, ImageGeometry.from_spacing(labels.shape, (1, 1, 3)))
    raw = bytearray(path.read_bytes())
    struct.pack_into("<h", raw, 254, 2)
    struct.pack_into("<12f", raw, 280, 1, 0, 0, 0, 0, 1, 0.8, 0, 0, 0, 3, 0)
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"tilted\.nii are sheared: two of them meet at 75\.1 degrees"):
        heart_of_file(path, "CardiacTwins")
