"""Modes, comparisons and studies of a population."""

import numpy as np
from infarct_steps import finish


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
