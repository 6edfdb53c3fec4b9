"""Reports from the LMAReconstruct panel."""

import json

from lma_steps import finish, parameters, tos_file, with_result


def test_the_report_is_written_from_the_results_of_the_session(host, ready, tmp_path, monkeypatch):
    from cardiactwins.mrml import lma_report
    from cardiactwins.mrml.offscreen import RenderingUnavailable

    def nothing(*_arguments):
        raise RenderingUnavailable("Nothing can be drawn in this test.")

    monkeypatch.setattr(lma_report, "map_pictures", nothing)
    finish(host, ready, ready.ui.reconstructButton)
    host.choose(ready.ui.activationSourceBox, "TOS that is known")
    host.type(ready.ui.tosFilePath, tos_file(ready))
    host.click(ready.ui.loadTosButton)
    host.click(ready.ui.mapButton)
    host.click(ready.ui.lateButton)
    host.type(ready.ui.reportFolderPath, tmp_path / "report")
    host.click(ready.ui.reportButton)
    assert host.dialogs.texts("error") == []
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert (
        record["results"]["method"] == "interpolation" and record["results"]["tos_method"] == "file tos.csv"
    )
    assert record["inputs"]["slices"] == "Patient" and record["seconds"] > 0
    host.click(ready.ui.mapButton)
    assert "find the late region of this map" in ready.ui.reportButton.toolTip


def test_the_report_tells_what_the_results_were_made_with(host, ready, tmp_path, monkeypatch):
    from datetime import UTC, datetime

    from cardiactwins.compute import report as reports
    from cardiactwins.mrml import lma_report
    from cardiactwins.mrml.offscreen import RenderingUnavailable

    def nothing(*_arguments):
        raise RenderingUnavailable("Nothing can be drawn in this test.")

    monkeypatch.setattr(lma_report, "map_pictures", nothing)
    with_result(monkeypatch, values={"device": "CUDA: a fast one (as chosen)"})
    ui = ready.ui
    finish(host, ready, ui.reconstructButton)
    host.choose(ui.activationSourceBox, "TOS that is known")
    host.type(ui.tosFilePath, tos_file(ready, slices=4))
    host.click(ui.loadTosButton)
    host.type(ui.heightsEdit, "0.2 0.4 0.6 0.8")
    host.click(ui.mapButton)
    host.type(ui.delaySlider, 40.0)
    host.click(ui.lateButton)

    class Later(datetime):
        @classmethod
        def now(cls, tz=UTC):
            return datetime.now(tz).replace(year=2999)

    monkeypatch.setattr(reports, "datetime", Later)
    host.type(ui.delaySlider, 90.0)
    host.type(ui.heightsEdit, "0.1 0.4 0.6 0.8")
    host.choose(ui.criterionBox, "The latest share of the epicardium")
    host.click(ui.newTosButton)
    host.type(ui.reportFolderPath, tmp_path / "report")
    host.click(ui.reportButton)
    record = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    said = record["parameters"]
    assert (said["delay"], said["areaShare"], said["scarLimit"]) == (40.0, None, 0.5)
    assert (said["heights"], said["heights from"]) == ([0.2, 0.4, 0.6, 0.8], "typed")
    assert record["inputs"]["TOS by"] == record["results"]["tos_method"] == "file tos.csv"
    assert record["inputs"]["segments"] == {"cavity": "LV cavity", "myocardium": "LV myocardium"}
    assert record["inputs"]["scar"] == "" and record["inputs"]["activation"].endswith("tos.csv")
    assert record["device"] == record["results"]["method_says"]["device"] == "CUDA: a fast one (as chosen)"
    assert 0 < record["seconds"] < 600
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "CUDA: a fast one" in page and "file tos.csv" in page


def test_the_report_is_that_of_the_chosen_model_and_the_map_that_it_shows(host, ready, tmp_path, monkeypatch):
    from cardiactwins.mrml import lma_report
    from cardiactwins.mrml.offscreen import RenderingUnavailable

    def nothing(*_arguments):
        raise RenderingUnavailable("Nothing can be drawn in this test.")

    monkeypatch.setattr(lma_report, "map_pictures", nothing)
    ui, hearts = ready.ui, []
    host.choose(ui.activationSourceBox, "TOS that is known")
    host.type(ui.reportFolderPath, tmp_path / "report")
    for delay, seed in ((40.0, 3), (60.0, 4)):
        parameters(ready).seed = seed
        finish(host, ready, ui.reconstructButton)
        hearts.append(parameters(ready).model)
        if len(hearts) == 1:
            host.type(ui.tosFilePath, tos_file(ready))
            host.click(ui.loadTosButton)
        assert "show the map in section 3, in this session" in ui.reportButton.toolTip
        host.click(ui.mapButton)
        host.type(ui.delaySlider, delay)
        host.click(ui.lateButton)

    host.choose(ui.modelSelector, hearts[0].GetName())
    host.type(ui.delaySlider, 80.0)
    host.click(ui.lateButton)
    host.click(ui.mapButton)
    assert "find the late region of this map" in ui.reportButton.toolTip
    host.click(ui.undoButton)
    host.click(ui.undoButton)
    assert ui.reportButton.enabled
    host.click(ui.reportButton)
    assert host.dialogs.texts("error") == []
    record = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert (record["seed"], record["parameters"]["delay"]) == (3, 40.0)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert f"Activation map: {hearts[0].GetName()}" in page
    host.click(ui.undoButton)
    assert parameters(ready).model is hearts[0] and ui.reportButton.enabled
