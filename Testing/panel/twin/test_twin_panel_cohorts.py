"""Surfaces and cohorts in the TwinEditor panel."""

import json
from pathlib import Path

import numpy as np
from twin_steps import (
    NAME,
    finish,
    parameters,
    show_siblings,
    sibling_of,
    texts,
    write_hearts,
)


def test_surfaces_become_models_and_files(host, heart, tmp_path):
    ui = heart.ui
    show_siblings(host, heart, sibling_of(heart.panel.context.case(), size=0.4))
    host.choose(ui.surfaceOfBox, f"{NAME}: sibling 1")
    host.type(ui.edgeSlider, 4.0)
    host.choose(ui.spaceBox, "RAS, mm")
    host.type(ui.surfacesFolderPath, tmp_path / "meshes")
    finish(host, heart, ui.surfacesButton)
    assert host.dialogs.texts("error") == []
    assert [row[0] for row in texts(ui.meshTable)] == ["Ao", "Myo", "RV", "LV", "RA", "LA"]
    assert all(row[5:] == ["0", "0"] for row in texts(ui.meshTable))
    assert ui.meshLabel.text.startswith("Watertight.") and "RAS, mm" in ui.meshLabel.text
    report = json.loads(
        (tmp_path / "meshes" / "Whole-heart-phantom--sibling-1-mesh.json").read_text(encoding="utf-8")
    )
    assert report["space"] == "RAS" and report["watertight"]
    model = host.scene.GetFirstNodeByName(f"{NAME}: sibling 1: Left ventricle")
    bounds, heart_bounds = np.zeros(6), np.zeros(6)
    model.GetRASBounds(bounds)
    parameters(heart).segmentation.GetRASBounds(heart_bounds)
    assert (bounds[::2] > heart_bounds[::2] - 2).all() and (bounds[1::2] < heart_bounds[1::2] + 2).all()
    host.click(ui.undoButton)
    assert host.scene.GetFirstNodeByName(f"{NAME}: sibling 1: Left ventricle") is None


def test_a_cohort_is_judged_with_a_table_a_chart_and_figures(host, editor, twin, tmp_path):
    ui = editor.ui
    host.choose(ui.taskBox, "Judge hearts of a folder")
    assert "choose the folder of the reference hearts" in ui.cohortButton.toolTip
    host.type(ui.referencePath, write_hearts(tmp_path / "reference", twin.labels, 12, 1))
    host.type(ui.heartsPath, write_hearts(tmp_path / "made", twin.labels, 7, 2))
    host.type(ui.cohortPath, tmp_path / "judged")
    finish(host, editor, ui.cohortButton, 240)
    assert host.dialogs.texts("error") == []
    rows = texts(ui.cohortTable)
    assert [row[0] for row in rows] == ["raw", "guarded", "halves of the reference"]
    assert rows[0][1] == "7" and " to " in rows[0][2] and rows[1][5].startswith("0 ")
    assert ui.figureBox.count >= 2 and ui.chartButton.enabled and ui.reportButton.enabled
    assert Path(ui.cohortLabel.text).is_file()
    chart = editor.panel.cohort.results.chart
    assert [chart.GetNthPlotSeriesNode(n).GetName() for n in (0, 1)] == ["reference", "made"]
    assert chart.GetNthPlotSeriesNode(1).GetTableNode().GetNumberOfRows() == 7
    host.click(ui.undoButton)
    assert not host.scene.IsNodePresent(chart)


def test_doubtful_hearts_of_a_cohort_are_named(host, editor, tmp_path):
    told = [f"made/{number}: LA is fragmented." for number in range(12)]
    result = {"rows": [{"cohort": "raw"}], "volumes": {}, "figures": [], "report": "page.html"}
    editor.panel.cohort.results.show("Judged", {**result, "doubtful": told})
    lines = editor.ui.cohortLabel.text.splitlines()
    assert lines[:2] == ["page.html", f"Doubtful: {told[0]}"]
    assert len(lines) == 12 and lines[-1] == "... and 2 more doubtful hearts."
    editor.panel.cohort.results.show("Judged", result)
    assert editor.ui.cohortLabel.text == "page.html"


def test_a_cohort_from_noise_goes_on_in_its_folder(host, ready, twin, tmp_path):
    ui, node = ready.ui, parameters(ready)
    host.choose(ui.taskBox, "Rare hearts enriched")
    for box in (ui.fromNoiseBox, ui.wholeHeartBox, ui.oneChamberBox):
        host.click(box)
    host.type(ui.referencePath, write_hearts(tmp_path / "reference", twin.labels, 8, 1))
    host.type(ui.cohortPath, tmp_path / "cohort")
    assert "check at least one way of making hearts" in ui.cohortButton.toolTip
    host.click(ui.fromNoiseBox)
    node.cohortNumber, node.cohortSteps, node.keepNumber, node.least = 6, 2, 6, 10.0
    assert ui.cohortEstimateLabel.text.startswith("6 siblings: typically 1 s")
    finish(host, ready, ui.cohortButton, 240)
    assert host.dialogs.texts("error") == []
    (row,) = texts(ui.cohortTable)
    assert row[:5] == ["unconditional + filtering", "6", "6", "6", "8"]
    stored = sorted((tmp_path / "cohort" / "siblings").iterdir())
    ages = [path.stat().st_mtime_ns for path in stored]
    finish(host, ready, ui.cohortButton, 240)
    assert [path.stat().st_mtime_ns for path in stored] == ages


def test_the_experiment_of_four_seed_hearts_has_a_row_for_each_edit_and_goes_on(host, ready, twin, tmp_path):
    ui, node = ready.ui, parameters(ready)
    host.choose(ui.taskBox, "Four seed hearts, five scales, two masks")
    host.type(ui.referencePath, write_hearts(tmp_path / "reference", twin.labels, 6, 1))
    host.type(ui.cohortPath, tmp_path / "cohort")
    node.cohortNumber, node.cohortSteps = 1, 2
    assert ui.cohortEstimateLabel.text.startswith("28 siblings")
    finish(host, ready, ui.cohortButton, 300)
    assert host.dialogs.texts("error") == []
    rows = [row[0] for row in texts(ui.cohortTable)]
    for wanted in ("psi 0.35", "psi 0.5", "psi 0.65", "psi 0.8", "psi 1", "RV edit", "LV edit"):
        assert any(row.startswith(wanted) for row in rows), rows
    stored = sorted((tmp_path / "cohort" / "siblings").iterdir())
    assert len([path for path in stored if path.suffix == ".gz" or path.suffix == ".nrrd"]) == 28
    assert ui.figureBox.count >= 4


def test_phantoms_are_drawn_into_a_folder_that_other_tasks_can_read(host, editor, tmp_path):
    ui, node = editor.ui, parameters(editor)
    ui.cohortSection.collapsed = False
    host.choose(ui.taskBox, "Draw phantom hearts")
    assert not ui.cohortNumberBox.isHidden()
    assert ui.referencePath.isHidden() and ui.cohortStepsBox.isHidden()
    host.type(ui.cohortPath, tmp_path / "phantoms")
    node.cohortNumber = 3
    finish(host, editor, ui.cohortButton, 240)
    assert host.dialogs.texts("error") == []
    from cardiactwins.twin.hearts import Hearts

    hearts = Hearts.in_folder(tmp_path / "phantoms")
    assert len(hearts) == 3


def test_hundreds_of_siblings_of_the_imported_heart_come_into_the_patient(host, ready, scan, tmp_path):
    from cardiactwins.anatomy.heart_tissues import Tissue
    from cardiactwins.twin.label_files import read_heart

    ui, node = ready.ui, parameters(ready)
    ui.cohortSection.collapsed = False
    host.choose(ui.taskBox, "Siblings of the imported heart, edited as in section 2")
    assert ui.referencePath.isHidden() and not ui.cohortStepsBox.isHidden()
    host.choose(ui.kindBox, "New heart from noise")
    host.type(ui.cohortPath, tmp_path / "cohort")
    assert "choose an edit of the heart in section 2" in ui.cohortButton.toolTip
    host.choose(ui.kindBox, "One region")
    node.exact, node.dilation, node.seed, node.guard = True, 0.0, 7, False
    node.cohortNumber, node.cohortSteps = 3, 4
    assert ui.cohortEstimateLabel.text.startswith("3 siblings")
    finish(host, ready, ui.cohortButton, 240)
    assert host.dialogs.texts("error") == []
    rows = {row[0]: row for row in texts(ui.cohortTable)}
    assert rows["made"][2] == rows["accepted"][2] == "3" and rows["failed"][2] == "0"
    assert rows["LV (ml)"][1] == rows["LV (ml)"][2] and float(rows["RV (ml)"][3]) > 0
    records = sorted((tmp_path / "cohort" / "siblings").glob("*.json"))
    assert sorted(json.loads(path.read_text())["recipe"]["seed"] for path in records) == [7, 8, 9]
    files = sorted((tmp_path / "cohort" / "patient").glob("*.nrrd"))
    assert [path.stem for path in files] == [path.stem for path in records]
    labels, geometry = scan
    for path in files:
        returned, found = read_heart(path)
        assert found.matches(geometry)
        for tissue in (Tissue.AO, Tissue.LV, Tissue.RA, Tissue.LA):
            np.testing.assert_array_equal(returned == tissue, labels == tissue)
        assert ((returned == Tissue.RV) != (labels == Tissue.RV)).any()
    ages = [path.stat().st_mtime_ns for path in (*records, *files)]
    node.cohortNumber = 4
    finish(host, ready, ui.cohortButton, 240)
    assert [path.stat().st_mtime_ns for path in (*records, *files)] == ages
    assert len(list((tmp_path / "cohort" / "patient").glob("*.nrrd"))) == 4
    chart = ready.panel.cohort.results.chart
    names = [chart.GetNthPlotSeriesNode(n).GetName() for n in (0, 1)]
    assert names == ["heart", "made"]
