"""All of LMAReconstruct in one call, its report, and the views of an implanter."""

import json

import numpy as np
import pytest
from matplotlib.image import imsave

from cardiactwins.anatomy.phantoms import lv_phantom
from cardiactwins.compute.progress import Cancelled
from cardiactwins.lma.dyssynchrony import cure
from cardiactwins.lma.long_axis_frame import LongAxisFrame
from cardiactwins.lma.pose import Pose
from cardiactwins.lma.reference_heart import reference_heart
from cardiactwins.lma.strain_phantom import simulate_strain
from cardiactwins.mrml import lma_report
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.lma_inputs import known_points
from cardiactwins.mrml.lma_models import open_edges, surface_of_model
from cardiactwins.mrml.lma_sample import new_sample_heart
from cardiactwins.mrml.lma_strain import new_strain_table
from cardiactwins.mrml.lma_views import view_direction
from cardiactwins.mrml.markups import new_markups
from cardiactwins.mrml.offscreen import rendering_problem
from cardiactwins.mrml.role_guess import roles_by_name
from cardiactwins.mrml.segmentations import new_segmentation


@pytest.fixture
def outlined(scene):
    heart = lv_phantom(np.random.default_rng(3), slices=5, spacing=(1.4, 1.4, 8.0))
    node = new_segmentation(
        "Patient", heart.geometry, {"cavity": heart.cavity, "myocardium": heart.myocardium}
    )
    return node, heart.insertion_points


def test_a_run_from_dense_writes_page_sheet_and_record(logic, tmp_path, scene):
    sample = new_sample_heart(2)
    steps = []
    found = logic.run(
        sample.segmentation,
        sample.insertion,
        dense=[slice_.arguments() for slice_ in sample.dense[1:3]],
        onset="change point",
        method="interpolation",
        directory=tmp_path / "report",
        seed=5,
        progress=lambda *step: steps.append(step),
    )
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Research use only" in page and "data:image/png" in page and "latest segment" in page
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert record["seed"] == 5 and record["seconds"] > 0 and record["versions"]
    assert record["results"]["method"] == "interpolation"
    assert record["results"]["target"] == found.late.target
    assert len(record["results"]["slice_dice"]) == 8 and np.shape(record["results"]["tos_ms"]) == (2, 18)
    assert steps[0][0] == 0 and steps[-1][0] == steps[-1][1] == 5
    assert [step for step, *_ in steps] == sorted(step for step, *_ in steps)
    names = [scene.GetNthNode(index).GetName() for index in range(scene.GetNumberOfNodes())]
    assert "Reference model" not in names
    if rendering_problem() is None:
        assert found.report is not None and len(page) > 200_000


def test_a_run_from_a_table_needs_no_image_and_no_network(logic, outlined):
    tos = np.tile(40 + 45 * (1 - np.cos(2 * np.pi * ((np.arange(18) + 0.5) / 18 - 1 / 6))), (5, 1))
    found = logic.run(*outlined, tos=tos, method="interpolation", areaShare=0.2)
    assert found.report is None and found.tos is None
    assert found.late.region.share == pytest.approx(0.2, abs=0.01)
    np.testing.assert_allclose(found.activation.tos_table.longitudinal, (np.arange(5) + 0.5) / 5, atol=0.08)


def test_pictures_that_show_nothing_are_no_reason_to_write_no_report(logic, outlined, tmp_path, monkeypatch):
    def white(_models, folder, _marks):
        imsave(folder / "white.png", np.ones((40, 60, 3)))
        return {"Patient, LAO": folder / "white.png"}

    monkeypatch.setattr(lma_report, "map_pictures", white)
    logic.run(*outlined, tos=np.full((5, 18), 40.0), method="interpolation", directory=tmp_path / "report")
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_run_from_dense_takes_the_insertion_that_the_right_ventricle_shows(logic, scene):
    sample = new_sample_heart(2)
    dense = [sample.dense[1].arguments()]
    found = logic.run(sample.segmentation, dense=dense, onset="change point", method="interpolation")
    pointed = logic.computeStrain(**dense[0], insertionPoints=sample.insertion, model=found.heart)
    # The insertion of a segment lies a few degrees from the points: sectors are nearly the same.
    assert np.abs(found.strain[0].matrix - pointed.matrix).max() < 0.05
    unplaced = new_markups("Nothing yet", np.zeros((0, 3)))
    again = logic.computeStrain(**dense[0], insertionPoints=unplaced, model=found.heart.model)
    np.testing.assert_allclose(again.matrix, found.strain[0].matrix)


def test_a_run_from_strain_tells_its_uniformity(logic, outlined):
    slices = [simulate_strain("LBBB", np.random.default_rng(seed)) for seed in (1, 2)]
    tables = [new_strain_table("Strain", slice_.strain, slice_.times) for slice_ in slices]
    given = {"slicePositions": [0.3, 0.7], "onset": "change point", "method": "interpolation"}
    expected = np.mean([cure(slice_.strain) for slice_ in slices])
    for strain in (tables, [(slice_.strain, slice_.times) for slice_ in slices]):
        found = logic.run(*outlined, strain=strain, **given)
        value, unit = found.record.results["late"]["CURE"]
        assert float(value) == pytest.approx(expected, rel=1e-3) and unit == ""
    alone = logic.run(*outlined, strain=tables[0], **{**given, "slicePositions": [0.5]})
    assert float(alone.record.results["late"]["CURE"][0]) == pytest.approx(cure(slices[0].strain), rel=1e-3)


def test_a_run_wants_one_source_of_activation_and_can_be_cancelled(logic, outlined, scene):
    with pytest.raises(ValueError, match="just one of dense, strain and tos"):
        logic.run(*outlined)
    before = scene.GetNumberOfNodes()

    for last in (0, 2):

        def stop(step, total, message, last=last):
            if step >= last:
                raise Cancelled

        with pytest.raises(Cancelled):
            logic.run(*outlined, tos=np.full((5, 18), 40.0), progress=stop)
        names = [scene.GetNthNode(index).GetName() for index in range(scene.GetNumberOfNodes())]
        assert not any("Left ventricle" in name for name in names)
    with pytest.raises(ValueError, match="no segment for the infarct"):
        logic.run(*outlined, tos=np.full((5, 18), 40.0), scar=outlined[0])
    assert not scene.GetNodesByClass("vtkMRMLModelNode").GetNumberOfItems()
    assert scene.GetNumberOfNodes() <= before + 1


def test_roles_of_the_slices_are_those_of_scar_and_long_axis_slices_of_the_same_names(logic, outlined):
    names = {"cavity": "A1", "myocardium": "A2", "infarct": "A3"}
    heart = lv_phantom(np.random.default_rng(3), slices=5, spacing=(1.4, 1.4, 8.0))
    half = heart.myocardium & (heart.circumferential > 0.5)
    nodes = []
    for title in ("slices", "scar"):
        masks = {"cavity": heart.cavity, "myocardium": heart.myocardium, "infarct": half}
        nodes.append(new_segmentation(title, heart.geometry, masks))
        for role, name in names.items():
            segment = nodes[-1].GetSegmentation().GetSegment(role)
            segment.SetName(name)
            segment.RemoveTag(slicer.vtkSegment.GetTerminologyEntryTagName())
    slices, scar = nodes
    tos = np.tile(40 + 45 * (1 - np.cos(2 * np.pi * ((np.arange(18) + 0.5) / 18 - 1 / 6))), (5, 1))
    given = {"tos": tos, "method": "interpolation", "roles": names, "areaShare": 0.3}
    excluded = [
        logic.run(slices, heart.insertion_points, scar=node, **given).late.region.excluded for node in nodes
    ]
    assert excluded[0] == excluded[1] > 0.1
    by_id = {role: slices.GetSegmentation().GetSegmentIdBySegmentName(name) for role, name in names.items()}
    again = logic.run(slices, heart.insertion_points, scar=slices, **{**given, "roles": by_id})
    assert again.late.region.excluded == excluded[0]
    assert roles_by_name(scar, {"myocardium": "a2", "cavity": "cavity"}) == {"myocardium": "a2"}
    with pytest.raises(ValueError, match="no segment for the LV cavity in 'scar'"):
        known_points([scar])
    points, _ = known_points([scar], names)
    assert len(points) > 0


def test_views_look_from_the_patients_left_and_right_front():
    left = view_direction("LAO", 35)
    assert left[0] == pytest.approx(-np.sin(np.radians(35))) and left[1] > 0 and left[2] == 0
    right = view_direction("RAO", 30)
    assert right[0] == pytest.approx(0.5) and right[1] > 0
    with pytest.raises(ValueError, match="LAO or RAO"):
        view_direction("AP", 0)


def test_the_reference_model_lies_along_the_patients_axis_with_the_same_map(logic, outlined):
    found = logic.run(*outlined, tos=np.tile(np.linspace(30, 120, 18), (5, 1)), method="interpolation")
    node = logic.referenceModel(found.activation)
    assert open_edges(node) == 0
    surface = surface_of_model(node)
    frame: LongAxisFrame = found.activation.frame
    _, height = frame.coordinates(surface.points)
    assert height.min() == pytest.approx(0, abs=0.02) and height.max() == pytest.approx(1, abs=0.03)
    pose = Pose.of(frame)
    rest = pose.to_ras(reference_heart().surface.points)
    assert np.abs(surface.points - rest).max() < 2
    assert node.GetDisplayNode().GetActiveScalarName() == "TOS (ms)"
