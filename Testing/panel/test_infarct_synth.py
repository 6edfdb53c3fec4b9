"""The InfarctSynth panel, worked as a person would: from patients in the scene to new infarcts, and back."""

import json

import numpy as np
import pytest

CASES = 9


@pytest.fixture
def synth(panel):
    """The open panel."""
    return panel("InfarctSynth")


@pytest.fixture(scope="module")
def hearts():
    """Phantom patients, made once."""
    from cardiactwins.infarct.hearts import heart_of_case
    from cardiactwins.infarct.phantom_cases import phantom_cases

    return [heart_of_case(case) for case in phantom_cases(CASES, np.random.default_rng(7))]


@pytest.fixture
def patients(host, hearts):
    """The phantoms as segmentation nodes in a folder of the scene; the item id of the folder."""
    import slicer

    from cardiactwins.mrml.lesions import new_heart_segmentation

    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Patients")
    for heart in hearts:
        node = new_heart_segmentation(heart)
        hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    return folder


@pytest.fixture(scope="module")
def aligned():
    """The population that the first test aligns, for those that come after it."""
    return []


@pytest.fixture
def population(host, patients, synth, aligned):
    """The patients chosen and, once, aligned by clicks; the table node of the population."""
    from cardiactwins.mrml.archive_nodes import new_population_node, population_of_node

    host.choose(synth.ui.hierarchyItemBox, "Patients")
    if aligned:
        parameters(synth).population = new_population_node("Infarct population", aligned[0])
    else:
        finish(host, synth, synth.ui.alignButton)
        aligned.append(population_of_node(parameters(synth).population))
    return parameters(synth).population


@pytest.fixture
def preset(host, synth):
    """A preset loaded by a click; its model node."""
    host.choose(synth.ui.presetBox, "Paper 2D elliptical, KL_full")
    host.click(synth.ui.loadPresetButton)
    return parameters(synth).personalizedModel


def parameters(synth):
    return synth.panel.context.parameterNode


def finish(host, synth, button, seconds=240):
    """Click a button that runs something and wait until nothing runs any more."""
    host.click(button)
    controls = synth.panel.population.controls
    host.wait(lambda: not controls.occupied, seconds)


def nodes(scene):
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def test_buttons_say_what_is_missing_before_anything_is_chosen(synth):
    ui = synth.ui
    for button, text in (
        (ui.alignButton, "choose the folder in the scene that holds the patients"),
        (ui.personalizeButton, "align a population in section 1"),
        (ui.generateButton, "personalize a model in section 2"),
        (ui.previewButton, "personalize a model in section 2"),
        (ui.modesButton, "align a population in section 1"),
        (ui.compareButton, "align a population in section 1"),
        (ui.studyButton, "choose the folder of the study"),
    ):
        assert not button.enabled
        assert text in button.toolTip
    assert not ui.undoButton.enabled
    assert not ui.mode1Slider.enabled and not ui.resetModesButton.enabled and not ui.bullseyeButton.enabled


def test_every_control_that_a_person_can_use_has_a_tooltip(synth):
    import ctk
    import qt
    import slicer

    kinds = (
        qt.QAbstractButton,
        qt.QComboBox,
        qt.QSpinBox,
        qt.QDoubleSpinBox,
        qt.QTableWidget,
        ctk.ctkSliderWidget,
        ctk.ctkPathLineEdit,
        slicer.qMRMLNodeComboBox,
    )
    own = {name: widget for name, widget in vars(synth.ui).items() if not name.startswith("qt_")}
    named = {name: widget for name, widget in own.items() if isinstance(widget, kinds)}
    assert len(named) > 50
    assert [name for name, widget in named.items() if not widget.toolTip and "Section" not in name] == []


def test_folders_are_asked_for_where_folders_are_wanted(host, synth, tmp_path):
    import ctk

    paths = {
        name: widget for name, widget in vars(synth.ui).items() if isinstance(widget, ctk.ctkPathLineEdit)
    }
    assert len(paths) == 3
    for widget in paths.values():
        assert widget.filters == ctk.ctkPathLineEdit.Dirs
        host.dialogs.answer("path", tmp_path)
        widget.browse()
        assert widget.currentPath == str(tmp_path)
    assert parameters(synth).studyFolder == tmp_path


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


def test_a_personalization_is_watched_and_its_result_chosen(host, synth, population):
    ui = synth.ui
    host.choose(ui.searchPresetBox, "Quick (one search)")
    host.wait(lambda: "about" in ui.estimateLabel.text)
    host.click(ui.personalizeButton)
    assert ui.personalizeButton.text == "Cancel" and not ui.alignButton.enabled
    assert "Another computation" in ui.alignButton.toolTip
    live = synth.panel.personalization.live
    seen = []

    def ended():
        seen.append(live.generations)
        return not synth.panel.personalization.controls.running

    host.wait(ended, 240)
    assert len(set(seen)) > 1 and max(seen) == 20
    model = parameters(synth).personalizedModel
    assert ui.modelSelector.currentNode() is model
    assert "KL_full on fresh draws" in ui.modelLabel.text
    assert ui.generateButton.enabled and ui.personalizeButton.text == "Personalize"


def test_a_cancelled_personalization_leaves_the_scene_as_it_was(host, synth, population):
    before = nodes(host.scene)
    host.click(synth.ui.personalizeButton)
    host.wait(lambda: synth.panel.personalization.live.generations >= 2, 240)
    assert nodes(host.scene) > before
    host.click(synth.ui.personalizeButton)
    host.wait(lambda: not synth.panel.personalization.controls.running, 240)
    assert nodes(host.scene) == before
    assert "Cancelled" in synth.ui.statusLabel.text


def test_an_alignment_can_be_cancelled_while_patients_are_read(host, synth, patients):
    before = nodes(host.scene)
    host.choose(synth.ui.hierarchyItemBox, "Patients")
    synth.ui.alignButton.click()
    assert synth.ui.alignButton.text == "Cancel"
    synth.ui.alignButton.click()
    host.processEvents()
    assert not synth.panel.population.controls.occupied
    assert nodes(host.scene) == before and parameters(synth).population is None


def test_start_and_bounds_are_edited_kept_by_model_and_refused_where_they_do_not_fit(host, synth):
    table = synth.ui.parametersTable
    table.item(0, 1).setText("30")
    assert synth.panel.personalization.table.start()[0] == 30
    table.item(0, 3).setText("25")
    assert "Not changed" in synth.ui.statusLabel.text
    assert table.item(0, 3).text() == "80"
    table.item(0, 3).setText("40")
    assert synth.panel.personalization.table.bounds() == {"circumferential mean": (0.0, 40.0)}
    host.choose(synth.ui.modelBox, "Iterative spherical (konik-2024)")
    assert synth.panel.personalization.table.bounds() == {} and table.rowCount == 2
    host.choose(synth.ui.modelBox, "Elliptical, normal axes (konik-2024)")
    assert table.item(0, 1).text() == "30"


def test_settings_are_shown_and_only_own_ones_can_be_changed(host, synth):
    host.choose(synth.ui.searchPresetBox, "Paper (konik-2024)")
    assert synth.ui.generationsBox.value == 34 and not synth.ui.generationsBox.enabled
    host.choose(synth.ui.searchPresetBox, "Own numbers")
    host.type(synth.ui.parentsBox, 40)
    assert not synth.ui.personalizeButton.enabled
    assert "40 parents cannot be chosen from 15 candidates" in synth.ui.personalizeButton.toolTip
    host.type(synth.ui.parentsBox, 5)
    assert synth.panel.personalization.search.settings().parents == 5


def test_a_preset_says_its_source_and_becomes_the_model(host, synth, preset):
    assert "Pattern Recognition Letters 2024" in synth.ui.presetLabel.text
    assert "circumferential mean 18" in synth.ui.modelLabel.text
    assert synth.ui.generateButton.enabled


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


def test_sliders_move_the_pattern_of_a_mode(host, synth, population):
    from cardiactwins.mrml.volumes import volume_array

    finish(host, synth, synth.ui.modesButton)
    volume = synth.panel.explore.live.nodes[0]
    mean = volume_array(volume)[0]
    host.type(synth.ui.mode1Slider, 2.0)
    moved = volume_array(volume)[0]
    assert np.abs(moved - mean).max() > 0.2
    host.click(synth.ui.resetModesButton)
    np.testing.assert_array_equal(volume_array(volume)[0], mean)
    host.click(synth.ui.modeSegmentationBox)
    assert len(synth.panel.explore.live.nodes) == 2


def test_real_and_synthetic_infarcts_are_compared(host, synth, population, preset):
    import slicer

    finish(host, synth, synth.ui.compareButton)
    assert synth.ui.comparisonTable.rowCount == 3
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")) == 3
    host.click(synth.ui.bullseyeButton)
    host.choose(synth.ui.bullseyeBox, "400 infarcts of the model")
    host.click(synth.ui.bullseyeButton)
    assert len(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")) == 2


def test_a_study_says_how_long_it_takes_and_shows_its_table(host, synth, population, tmp_path):
    host.choose(synth.ui.searchPresetBox, "Own numbers")
    for box, value in (("generationsBox", 1), ("searchesBox", 1), ("polishBox", 0), ("lesionsBox", 10)):
        host.type(getattr(synth.ui, box), value)
    host.choose(synth.ui.studyBox, "Loss")
    host.type(synth.ui.launchesBox, 1)
    host.type(synth.ui.workersBox, 1)
    host.type(synth.ui.studyFolderPath, tmp_path / "study")
    host.wait(lambda: "4 runs, about" in synth.ui.studyEstimateLabel.text)
    finish(host, synth, synth.ui.studyButton)
    assert synth.ui.studyTable.rowCount == 1 and synth.ui.studyTable.columnCount == 5
    assert (tmp_path / "study" / "loss.csv").exists()


def test_a_2d_population_is_not_studied_in_3d(host, synth, population, tmp_path):
    host.type(synth.ui.studyFolderPath, tmp_path)
    host.choose(synth.ui.studyBox, "Starts in 3D (table 4)")
    assert "a population of the whole ventricle (3D)" in synth.ui.studyButton.toolTip


def test_values_results_and_choices_survive_a_saved_scene(host, synth, population, preset, tmp_path):
    import slicer

    from cardiactwins.mrml.saving import save_scene
    from cardiactwins.mrml.scene_files import load_scene

    host.type(synth.ui.countBox, 17)
    host.choose(synth.ui.lossBox, "Size and transmurality (KL_attr)")
    host.type(synth.ui.noReflowSlider, 25.0)
    synth.ui.parametersTable.item(1, 1).setText("12")
    save_scene(tmp_path / "scene.mrb")
    slicer.mrmlScene.Clear(False)
    host.processEvents()
    assert synth.ui.countBox.value == 10 and synth.ui.casesTable.rowCount == 0
    load_scene(tmp_path / "scene.mrb")
    host.processEvents()
    assert synth.ui.countBox.value == 17 and synth.ui.noReflowSlider.value == 25
    assert synth.ui.lossBox.currentText == "Size and transmurality (KL_attr)"
    assert synth.ui.parametersTable.item(1, 1).text() == "12"
    assert synth.ui.casesTable.rowCount == CASES
    assert synth.ui.personalizeButton.enabled and synth.ui.generateButton.enabled
    assert synth.ui.hierarchyItemBox.currentItem() and synth.ui.alignButton.enabled


def test_a_result_arrives_although_another_module_was_entered(host, synth, population):
    host.choose(synth.ui.searchPresetBox, "Quick (one search)")
    host.click(synth.ui.personalizeButton)
    synth.exit()
    host.wait(lambda: not synth.panel.personalization.controls.running, 240)
    assert parameters(synth).personalizedModel is not None
    synth.enter()
    assert synth.ui.generateButton.enabled
