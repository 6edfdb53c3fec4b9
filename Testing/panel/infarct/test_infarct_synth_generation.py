"""From a model to new infarcts: on the reference, in a patient, as files and as a sequence."""

import numpy as np
from infarct_steps import finish, nodes


def test_infarcts_are_generated_on_the_reference_and_taken_back(host, synth, preset):
    import slicer

    before = nodes(host.scene)
    host.type(synth.ui.countBox, 3)
    finish(host, synth, synth.ui.generateButton)
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 3
    assert synth.ui.generatedTable.rowCount == 3
    host.click(synth.ui.undoButton)
    assert nodes(host.scene) == before


def test_an_infarct_on_request_is_painted_into_a_patient(host, synth, preset, patients):
    import slicer

    from cardiactwins.mrml.segmentations import segment_array

    host.choose(synth.ui.targetBox, "A patient's ventricle")
    assert "choose the patient's segmentation" in synth.ui.previewButton.toolTip
    host.choose(synth.ui.patientSelector, "Phantom 01")
    host.type(synth.ui.borderZoneSlider, 3.0)
    host.choose(synth.ui.territoryBox, "LAD")
    host.type(synth.ui.sizeSlider, 15.0)
    finish(host, synth, synth.ui.previewButton)
    painted = slicer.mrmlScene.GetFirstNodeByName("Preview 001")
    patient = slicer.mrmlScene.GetFirstNodeByName("Phantom 01")
    wall = segment_array(patient, "myocardium")
    np.testing.assert_array_equal(segment_array(painted, "myocardium"), wall)
    assert not (segment_array(painted, "infarct") & ~wall).any()
    assert segment_array(painted, "border_zone").any()
    size = float(synth.ui.generatedTable.item(0, 1).text())
    assert 13 <= size <= 17


def test_infarcts_go_to_files_with_a_manifest(host, synth, preset, tmp_path):
    from cardiactwins.mrml.cohorts import read_manifest

    host.choose(synth.ui.outputBox, "Files with a manifest")
    assert "choose the output folder" in synth.ui.generateButton.toolTip
    host.type(synth.ui.outputFolderPath, tmp_path / "cohort")
    host.type(synth.ui.countBox, 4)
    finish(host, synth, synth.ui.generateButton)
    assert len(read_manifest(tmp_path / "cohort")["cases"]) == 4
    assert "4 infarcts are in" in synth.ui.statusLabel.text
    synth.panel.update()
    assert "is not empty" in synth.ui.generateButton.toolTip


def test_infarcts_go_to_a_sequence_whose_items_a_click_shows(host, synth, preset):
    import slicer

    host.choose(synth.ui.outputBox, "One sequence")
    host.type(synth.ui.countBox, 3)
    finish(host, synth, synth.ui.generateButton)
    sequence = slicer.util.getNodesByClass("vtkMRMLSequenceNode")[0]
    assert sequence.GetNumberOfDataNodes() == 3
    synth.ui.generatedTable.cellClicked.emit(1, 0)
    browser = slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode")[0]
    assert browser.GetSelectedItemNumber() == 1
