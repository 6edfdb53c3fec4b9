"""From a population to a personalized model: settings, live plots and result."""

from infarct_steps import nodes, parameters


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

    host.wait(ended)
    assert len(set(seen)) > 1 and max(seen) == 20
    model = parameters(synth).personalizedModel
    assert ui.modelSelector.currentNode() is model
    assert "KL_full on fresh draws" in ui.modelLabel.text
    assert ui.generateButton.enabled and ui.personalizeButton.text == "Personalize"


def test_a_cancelled_personalization_leaves_the_scene_as_it_was(host, synth, population):
    before = nodes(host.scene)
    host.click(synth.ui.personalizeButton)
    host.wait(lambda: synth.panel.personalization.live.generations >= 2)
    assert nodes(host.scene) > before
    host.click(synth.ui.personalizeButton)
    host.wait(lambda: not synth.panel.personalization.controls.running)
    assert nodes(host.scene) == before
    assert "Cancelled" in synth.ui.statusLabel.text


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


def test_a_result_arrives_although_another_module_was_entered(host, synth, population):
    host.choose(synth.ui.searchPresetBox, "Quick (one search)")
    host.click(synth.ui.personalizeButton)
    synth.exit()
    host.wait(lambda: not synth.panel.personalization.controls.running)
    assert parameters(synth).personalizedModel is not None
    synth.enter()
    assert synth.ui.generateButton.enabled
