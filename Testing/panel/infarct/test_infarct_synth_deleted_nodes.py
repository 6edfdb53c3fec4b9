"""Nodes that are deleted while the panel works with them."""

from infarct_steps import choose_search, finish, leftovers, occupied, parameters, state


def test_a_run_goes_on_with_what_was_chosen_when_its_nodes_are_deleted(host, ready):
    """Population, model, patient and the live plots may go: the run has its own copies."""
    import slicer

    scene = slicer.mrmlScene
    host.choose(ready.ui.searchPresetBox, "Quick (one search)")
    host.type(ready.ui.countBox, 5)
    host.click(ready.ui.generateButton)
    scene.RemoveNode(parameters(ready).patient)
    scene.RemoveNode(parameters(ready).personalizedModel)
    host.wait(lambda: not occupied(ready))
    assert scene.GetFirstNodeByName("Infarct 005") is not None
    assert not ready.ui.generateButton.enabled and not ready.ui.compareButton.enabled
    host.click(ready.ui.loadPresetButton)
    host.click(ready.ui.compareButton)
    scene.RemoveNode(parameters(ready).personalizedModel)
    host.wait(lambda: not occupied(ready))
    assert ready.ui.comparisonTable.rowCount == 3
    # Long enough for the panel to be seen at work, also beside other work.
    choose_search(host, ready, generations=100)
    host.click(ready.ui.personalizeButton)
    host.wait(lambda: ready.panel.personalization.live.generations >= 2)
    scene.RemoveNode(ready.panel.personalization.live.charts["loss"])
    scene.RemoveNode(ready.panel.personalization.live.table)
    scene.RemoveNode(parameters(ready).population)
    assert not ready.ui.modesButton.enabled and ready.ui.personalizeButton.text == "Cancel"
    host.wait(lambda: not occupied(ready))
    assert parameters(ready).personalizedModel is not None
    assert not ready.ui.personalizeButton.enabled and host.dialogs.said == []


def test_modes_of_a_population_that_was_deleted_meanwhile_are_not_shown(host, plain, temporary):
    import slicer

    host.click(plain.ui.modesButton)
    slicer.mrmlScene.RemoveNode(parameters(plain).population)
    host.processEvents()
    before = state(host.scene)
    host.wait(lambda: not occupied(plain))
    assert state(host.scene) == before and leftovers(temporary) == []
    assert "The population was deleted meanwhile" in host.dialogs.texts("error")[0]
    assert not plain.ui.mode1Slider.enabled


def test_a_patient_deleted_while_patients_are_read_is_left_out_with_the_reason(host, ready):
    import slicer

    host.click(ready.ui.alignButton)
    host.wait(lambda: ready.ui.progressBar.value >= 2)
    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetFirstNodeByName("Phantom 07"))
    host.wait(lambda: not occupied(ready))
    table = ready.ui.casesTable
    (row,) = [row for row in range(table.rowCount) if table.item(row, 0).text() == "Phantom 07"]
    assert table.item(row, 1).text() == "left out"
    assert "was deleted" in table.item(row, 4).text()


def test_deleting_the_pattern_of_a_mode_brings_it_back_with_the_next_move(host, plain):
    import slicer

    finish(host, plain, plain.ui.modesButton)
    slicer.mrmlScene.RemoveNode(plain.panel.explore.live.nodes[0])
    host.type(plain.ui.mode1Slider, 1.0)
    assert len(plain.panel.explore.live.nodes) == 1
    before = state(host.scene)["nodes"]
    host.click(plain.ui.modeSegmentationBox)
    assert len(plain.panel.explore.live.nodes) == 2
    host.click(plain.ui.undoButton)
    assert state(host.scene)["nodes"] == before
