"""The InfarctSynth panel as a whole: what is missing, tooltips, folders, saved scenes."""

from infarct_steps import CASES, parameters


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
