"""From patients in the scene to an aligned population."""

import json

from infarct_steps import CASES, finish, nodes, parameters


def test_patients_of_the_scene_become_a_population_that_the_table_lists(host, synth, population):
    ui = synth.ui
    assert ui.populationSelector.currentNode() is population
    assert ui.casesTable.rowCount == CASES
    statuses = [ui.casesTable.item(row, 1).text() for row in range(CASES)]
    assert set(statuses) <= {"used", "left out"} and statuses.count("used") >= 5
    assert f"{statuses.count('used')} patients used" in ui.populationLabel.text
    assert ui.personalizeButton.enabled


def test_clicking_a_row_shows_that_patient_alone(host, synth, population):
    import slicer

    name = synth.ui.casesTable.item(2, 0).text()
    synth.ui.casesTable.cellClicked.emit(2, 0)
    shown = {
        node.GetName()
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        if node.GetDisplayNode().GetVisibility()
    }
    assert shown == {name}


def test_too_few_patients_are_counted(host, synth, patients):
    import slicer

    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[: CASES - 3]:
        slicer.mrmlScene.RemoveNode(node)
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    assert not synth.ui.alignButton.enabled
    assert "at least 5 segmented patients; 3 found there" in synth.ui.alignButton.toolTip


def test_segments_with_misleading_names_can_be_assigned(host, synth, patients):
    import slicer

    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        segmentation = node.GetSegmentation()
        segment = segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("Infarct"))
        segment.SetName("Region A")
        segment.RemoveTag(slicer.vtkSegment.GetTerminologyEntryTagName())
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    finish(host, synth, synth.ui.alignButton)
    assert parameters(synth).population is None
    assert "None of the 9 patients can be read" in host.dialogs.texts("error")[-1]
    host.choose(synth.ui.infarctRoleBox, "Region A")
    assert json.loads(parameters(synth).segmentRoles) == {"infarct": "Region A"}
    finish(host, synth, synth.ui.alignButton)
    assert parameters(synth).population is not None


def test_an_alignment_can_be_cancelled_while_patients_are_read(host, synth, patients):
    before = nodes(host.scene)
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    synth.ui.alignButton.click()
    assert synth.ui.alignButton.text == "Cancel"
    synth.ui.alignButton.click()
    host.processEvents()
    assert not synth.panel.population.controls.occupied
    assert nodes(host.scene) == before and parameters(synth).population is None
