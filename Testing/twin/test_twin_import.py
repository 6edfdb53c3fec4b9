"""A segmented heart on the common grid and back in the patient."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import HEART_TO_PATIENT, whole_heart_phantom
from cardiactwins.compute.progress import Cancelled
from cardiactwins.twin import twin_import
from cardiactwins.twin.heart_pose import landmark_pose
from cardiactwins.twin.label_resampling import resampled_labels
from cardiactwins.twin.twin_grid import TWIN_GRID, Twin
from cardiactwins.twin.twin_import import import_twin, mask_on_twin, return_labels

TURNED = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
SHEAR = np.array([[1, 0, 0.12], [0, 1, 0], [0, 0.08, 1]])
CENTER = np.array([30.0, -20.0, 400.0])
IMAGES = {
    "axis-aligned": ((1.5, 1.5, 1.5), np.eye(3)),
    "finer, oblique": ((1.0, 1.0, 1.0), TURNED),
    "anisotropic": ((1.1, 0.9, 2.5), np.diag([-1.0, -1.0, 1.0])),
    "left-handed": ((2.0, 1.6, 2.0), TURNED @ np.diag([-1, 1, 1])),
    "sheared": ((1.5, 1.5, 2.0), SHEAR),
}


def image(spacing, axes, extent=215.0):
    """A grid of `extent` mm around CENTER."""
    size = np.ceil(extent / np.array(spacing)).astype(int)
    steps = axes * np.array(spacing)
    matrix = np.eye(4)
    matrix[:3, :3] = steps
    matrix[:3, 3] = CENTER - steps @ ((size - 1) / 2)
    return ImageGeometry(tuple(int(n) for n in size[::-1]), matrix)


def in_patient(phantom):
    """The grid of a phantom that lies in the patient at CENTER."""
    shift = np.eye(4)
    shift[:3, 3] = CENTER
    return ImageGeometry(phantom.labels.shape, shift @ phantom.patient_geometry().ijk_to_ras)


@pytest.fixture(scope="module")
def phantom():
    return whole_heart_phantom(np.random.default_rng([3, 0]))


@pytest.fixture(scope="module", params=IMAGES)
def patient(request, phantom):
    """(label map, its twin) of the phantom on an image."""
    geometry = image(*IMAGES[request.param])
    labels = resampled_labels(phantom.labels, in_patient(phantom), geometry)
    return labels, import_twin(labels, geometry)


@pytest.fixture(scope="module")
def twin(phantom):
    geometry = image(*IMAGES["axis-aligned"])
    return import_twin(resampled_labels(phantom.labels, in_patient(phantom), geometry), geometry)


def dice(a, b):
    return {
        TISSUE_NAMES[t]: 2 * np.sum((a == t) & (b == t)) / (np.sum(a == t) + np.sum(b == t)) for t in Tissue
    }


def inside_crop(twin):
    """Voxels of the patient whose centers lie a voxel of the common grid inside it: written plainly."""
    kji = np.moveaxis(np.indices(twin.original_geometry.shape), 0, -1)
    at = twin.geometry.ras_to_kji(twin.original_geometry.kji_to_ras(kji))
    return ((at >= 1) & (at <= 126)).all(axis=-1)


def plain_trilinear_labels(labels, source, target):
    """Weights of all labels at every voxel center by map_coordinates; the heaviest label wins."""
    kji = np.moveaxis(np.indices(target.shape), 0, -1)
    at = np.moveaxis(source.ras_to_kji(target.kji_to_ras(kji)), -1, 0)
    weights = [
        ndimage.map_coordinates((labels == t).astype(float), at, order=1, mode="grid-constant", cval=t == 0)
        for t in range(7)
    ]
    return np.argmax(weights, axis=0), np.sort(weights, axis=0)


def test_there_and_back_keeps_every_tissue(patient):
    labels, twin = patient
    back = return_labels(twin, twin.labels, keep_unchanged=False)
    crop = inside_crop(twin)
    agreement = dice(np.where(crop, labels, 0), np.where(crop, back, 0))
    assert min(agreement.values()) >= 0.97, agreement


def test_tissues_outside_the_crop_stay(patient):
    labels, twin = patient
    emptied = np.zeros_like(twin.labels)
    crop = inside_crop(twin)
    outside = ndimage.binary_dilation(crop, iterations=2) == 0
    assert np.any(labels[outside])
    for keep in (True, False):
        assert np.array_equal(return_labels(twin, emptied, keep_unchanged=keep)[outside], labels[outside])
        assert not return_labels(twin, emptied, keep_unchanged=False)[ndimage.binary_erosion(crop)].any()


def test_a_heart_without_changes_comes_back_voxel_by_voxel(patient):
    labels, twin = patient
    assert np.array_equal(return_labels(twin, twin.labels), labels)


def test_the_twin_lies_as_whole_hearts_do(patient, phantom):
    _, twin = patient
    step = np.linalg.inv(in_patient(phantom).ijk_to_ras) @ twin.geometry.ijk_to_ras
    assert np.degrees(Rotation.from_matrix(step[:3, :3]).magnitude()) < 7
    middle = np.append(np.full(3, 63.5), 1)
    assert np.linalg.norm((step @ middle - middle)[:3]) * 1.4 < 8
    lv, la = (np.argwhere(twin.labels == t).mean(axis=0) for t in (Tissue.LV, Tissue.LA))
    assert np.degrees(np.arccos((la - lv)[0] / np.linalg.norm(la - lv))) < 1


def test_the_pose_does_not_depend_on_the_image(phantom):
    poses = []
    for name in ("axis-aligned", "anisotropic", "left-handed"):
        geometry = image(*IMAGES[name])
        labels = resampled_labels(phantom.labels, in_patient(phantom), geometry)
        poses.append(import_twin(labels, geometry).heart_to_ras)
    for pose in poses[1:]:
        step = np.linalg.inv(poses[0]) @ pose
        assert np.degrees(Rotation.from_matrix(step[:3, :3]).magnitude()) < 1.5
        assert np.linalg.norm(step[:3, 3]) < 1.5


def test_registration_as_in_the_paper_overlaps_the_reference_at_least_as_well(phantom):
    from cardiactwins.twin.heart_pose import reference_labels

    geometry = image(*IMAGES["axis-aligned"])
    labels = resampled_labels(phantom.labels, in_patient(phantom), geometry)
    overlap = {
        alignment: np.mean(
            list(dice(import_twin(labels, geometry, alignment=alignment).labels, reference_labels()).values())
        )
        for alignment in ("axis", "rigid")
    }
    pose = landmark_pose(labels, geometry)
    unregistered = resampled_labels(labels, geometry, ImageGeometry((128,) * 3, pose @ TWIN_GRID.ijk_to_ras))
    assert overlap["rigid"] > np.mean(list(dice(unregistered, reference_labels()).values()))
    assert overlap["rigid"] > overlap["axis"] - 0.01


def test_labels_are_interpolated_by_linear_weights():
    rng = np.random.default_rng(5)
    labels = np.kron(rng.integers(0, 7, (6, 7, 8)), np.ones((3, 3, 3), int)).astype(np.uint8)
    source = ImageGeometry.from_spacing(labels.shape, (1, 1, 1), (3, 4, 5), TURNED)
    target = ImageGeometry.from_spacing((14, 15, 13), (1.1, 1.2, 1.25), (6, 8, 1), np.eye(3))
    expected, weights = plain_trilinear_labels(labels, source, target)
    clear = weights[-1] - weights[-2] > 1e-4
    assert clear.mean() > 0.95
    assert len(np.unique(expected)) == 7
    assert np.array_equal(resampled_labels(labels, source, target)[clear], expected[clear])


def test_resampling_keeps_the_volume_and_place_of_a_ball():
    fine = ImageGeometry.from_spacing((80, 80, 80), (0.5, 0.5, 0.5))
    kji = np.moveaxis(np.indices(fine.shape), 0, -1)
    ball = (np.linalg.norm(fine.kji_to_ras(kji) - [20, 19, 21], axis=-1) < 15).astype(np.uint8)
    origin = np.array([20, 19, 21]) - TURNED @ np.full(3, 1.4 * 19.3)
    coarse = ImageGeometry.from_spacing((40, 40, 40), (1.4, 1.4, 1.4), origin, TURNED)
    found = resampled_labels(ball, fine, coarse)
    points = coarse.kji_to_ras(np.argwhere(found))
    assert len(points) * coarse.voxel_volume_ml * 1000 == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.01)
    assert points.mean(axis=0) == pytest.approx([20, 19, 21], abs=0.1)


def test_a_change_comes_back_where_it_was_made_and_nothing_else_moves(twin):
    edited = twin.labels.copy()
    grown = ndimage.binary_dilation(edited == Tissue.LV, iterations=3) & (edited == Tissue.MYO)
    edited[grown] = Tissue.LV
    back = return_labels(twin, edited)
    moved = back != twin.original
    ml = np.count_nonzero(moved) * twin.original_geometry.voxel_volume_ml
    assert ml == pytest.approx(np.count_nonzero(grown) * TWIN_GRID.voxel_volume_ml, rel=0.03)
    assert (back[moved] == Tissue.LV).mean() > 0.93
    assert np.array_equal(back == Tissue.RA, twin.original == Tissue.RA)
    # No speck of wall stays where the old border was.
    pieces = ndimage.label(back == Tissue.MYO, np.ones((3, 3, 3)))[1]
    assert pieces == ndimage.label(twin.original == Tissue.MYO, np.ones((3, 3, 3)))[1]


def test_tissues_that_an_edit_leaves_alone_come_back_voxel_by_voxel(patient):
    labels, twin = patient
    rough = labels.copy()
    noise = np.random.default_rng(0).random(labels.shape) < 0.3
    edge = ndimage.binary_dilation(labels == Tissue.LV) & (labels == Tissue.MYO) & noise
    rough[edge] = Tissue.LV
    twin = import_twin(rough, twin.original_geometry)
    edited = twin.labels.copy()
    shrunk = (edited == Tissue.LV) & ~ndimage.binary_erosion(edited == Tissue.LV, iterations=3)
    edited[shrunk] = 0
    back = return_labels(twin, edited)
    for tissue in Tissue:
        same = np.array_equal(back == tissue, rough == tissue)
        assert same == (tissue != Tissue.LV), tissue
    # Nor does a crust of the LV stay along the wall.
    assert ndimage.label(back == Tissue.LV, np.ones((3, 3, 3)))[1] == 1
    whole, rest = np.count_nonzero(rough == Tissue.LV), np.count_nonzero(back == Tissue.LV)
    share = np.count_nonzero(edited == Tissue.LV) / np.count_nonzero(twin.labels == Tissue.LV)
    assert rest / whole == pytest.approx(share, abs=0.06)


def test_nothing_outside_a_region_moves(patient):
    labels, twin = patient
    region = np.zeros(TWIN_GRID.shape, bool)
    region[30:60, 40:90, 40:90] = True
    edited = twin.labels.copy()
    edited[region & (edited == Tissue.LV)] = Tissue.MYO
    outside = resampled_labels(region.astype(np.uint8), twin.geometry, twin.original_geometry) == 0
    outside &= ~ndimage.binary_dilation(~outside)
    free = return_labels(twin, edited)
    back = return_labels(twin, edited, region=region)
    assert np.array_equal(back[outside], labels[outside]) and not np.array_equal(back, labels)
    assert np.count_nonzero(back != labels) < np.count_nonzero(free != labels)
    with pytest.raises(ValueError, match="A region has the shape"):
        return_labels(twin, edited, region=region[1:])


def test_a_painted_region_lies_on_the_twin_where_it_lies_in_the_patient(twin):
    atrium = twin.original == Tissue.LA
    on_twin = mask_on_twin(atrium, twin.original_geometry, twin)
    a, b = on_twin, twin.labels == Tissue.LA
    assert 2 * np.sum(a & b) / (a.sum() + b.sum()) > 0.99


def test_a_mirrored_heart_is_refused(phantom):
    geometry = image(*IMAGES["axis-aligned"])
    labels = resampled_labels(phantom.labels, in_patient(phantom), geometry)
    with pytest.raises(ValueError, match="mirror image"):
        import_twin(labels[:, :, ::-1], geometry)


def test_a_missing_tissue_and_an_empty_map_are_told(phantom):
    geometry = in_patient(phantom)
    with pytest.raises(ValueError, match="has no left atrium: a twin needs all six"):
        import_twin(np.where(phantom.labels == Tissue.LA, 0, phantom.labels), geometry, name="A")
    with pytest.raises(ValueError, match="'A' is empty"):
        import_twin(np.zeros_like(phantom.labels), geometry, name="A")


@pytest.mark.parametrize(("scale", "said"), [(10.0, "do not fit"), (0.1, "far too small")])
def test_a_heart_in_another_unit_is_told(phantom, scale, said):
    matrix = np.diag([scale, scale, scale, 1]) @ in_patient(phantom).ijk_to_ras
    with pytest.raises(ValueError, match=f"{said}.*Check the voxel spacing"):
        import_twin(phantom.labels, ImageGeometry(phantom.labels.shape, matrix))


def test_a_map_too_large_for_the_memory_is_told(phantom, monkeypatch):
    monkeypatch.setattr(twin_import, "memory_bytes", lambda: (8_000_000, 7_000_000))
    with pytest.raises(ValueError, match=r"128 x 128 x 128 voxels need about .* GB.*Crop it"):
        import_twin(phantom.labels, in_patient(phantom))


def test_segments_in_a_line_are_told():
    labels = np.zeros((20, 20, 60), np.uint8)
    for tissue, at in zip((4, 6, 3, 5, 2, 1), range(2, 60, 10), strict=True):
        labels[8:12, 8:12, at : at + 4] = tissue
    with pytest.raises(ValueError, match="lie on a line"):
        import_twin(labels, ImageGeometry.from_spacing(labels.shape, (2.0, 2.0, 2.0)))


def test_an_import_can_be_cancelled(phantom):
    def stop(step, total, message="", values=None):
        if step == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        import_twin(phantom.labels, in_patient(phantom), progress=stop)


def test_edits_of_another_shape_and_poses_that_are_not_rigid_are_refused(twin):
    with pytest.raises(ValueError, match="shape"):
        return_labels(twin, twin.labels[1:])
    for matrix in (np.diag([2.0, 2.0, 2.0, 1.0]), np.diag([-1.0, 1.0, 1.0, 1.0])):
        with pytest.raises(ValueError, match=r"rigid|mirrors"):
            Twin(twin.labels, matrix, twin.original, twin.original_geometry)


def test_usual_directions_of_hearts_in_patients_are_no_mirror():
    assert np.linalg.det(HEART_TO_PATIENT) > 0.9
