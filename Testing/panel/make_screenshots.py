"""Take the pictures of the documents: `python Testing/panel/make_screenshots.py [--out FOLDER]`.

The InfarctSynth panel is worked in the Qt host with the phantom patients of Sample Data, from an empty scene
to new infarcts in a patient. Widgets are drawn in Qt's Fusion style, not in the application's; slice and 3D
views by slicer-core's displayable managers off screen; plots by matplotlib from the chart nodes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = (
    "populationSection",
    "personalizationSection",
    "generateSection",
    "exploreSection",
    "studySection",
)
FOOT = ("progressBar", "statusLabel", "undoButton")
CHAPTERS = (
    "begin",
    "population",
    "personalization",
    "explore",
    "study",
    "whole_ventricles",
    "generate",
    "setup",
)


class Story:
    """What a person does with the panel, a chapter a section; `pictures` are taken on the way."""

    def __init__(self, host: Any, folder: Path) -> None:
        import slicer
        from panel_pictures import PanelPictures

        host.loadModule(ROOT / "InfarctSynth" / "InfarctSynth.py")
        self.host, self.folder, self.slicer = host, folder, slicer
        self.panel = host.widgetOf("InfarctSynth")
        self.ui = self.panel.ui
        self.pictures = PanelPictures(host, self.panel, folder, SECTIONS, FOOT)
        self.scratch = Path(tempfile.gettempdir(), "infarcts")  # seen in the pictures
        self.scratch.mkdir()

    @property
    def node(self) -> Any:
        """The panel's wrapped parameter node."""
        return self.panel.panel.context.parameterNode

    def finish(self, button: Any, seconds: float = 300) -> None:
        """Click a button that runs something and wait for its end."""
        self.host.click(button)
        controls = self.panel.panel.population.controls
        self.host.wait(lambda: not controls.occupied, seconds)

    def _pause(self, seconds: float = 1.0) -> None:
        """Let pass what is estimated a moment after the last change."""
        end = time.monotonic() + seconds
        self.host.wait(lambda: time.monotonic() > end, 2 * seconds)

    def begin(self) -> None:
        """Before anything is chosen."""
        pictures, ui = self.pictures, self.ui
        pictures.take_folded("panel")
        pictures.take("population-empty", "populationSection", tip=ui.alignButton)
        pictures.take("personalization-empty", "personalizationSection", tip=ui.personalizeButton)
        pictures.take("generate-empty", "generateSection", tip=ui.generateButton)
        pictures.take("explore-empty", "exploreSection")
        pictures.take("study-empty", "studySection", tip=ui.studyButton)

    def population(self) -> None:
        """Phantom patients, aligned; one of them has lost its infarct, and all their misleading name."""
        from cardiactwins.panel.infarct.sample_data import addPhantoms

        ui, host, pictures = self.ui, self.host, self.pictures
        self.patients = addPhantoms()
        host.processEvents()
        host.choose(ui.hierarchyItemBox, "Phantom patients")
        pictures.take("population-ready", "populationSection")
        self._unreadable_names()
        host.click(ui.alignButton)
        pictures.open("populationSection")
        host.wait(lambda: ui.progressBar.value >= 8, 60)
        pictures.snap("population-running", "populationSection", foot=True)
        host.wait(lambda: not self.panel.panel.population.controls.occupied, 60)
        ui.casesTable.scrollToBottom()
        pictures.take("population-result", "populationSection", foot=True)

    def _unreadable_names(self) -> None:
        """Names that say nothing: the error, and the choice that mends it."""
        ui, host = self.ui, self.host
        tag = self.slicer.vtkSegment.GetTerminologyEntryTagName()
        segments = []
        for patient in self.patients:
            segmentation = patient.GetSegmentation()
            segments.append(segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName("Infarct")))
        for segment in segments:
            segment.SetName("Region A")
            segment.RemoveTag(tag)
        host.choose(ui.populationSourceBox, "Sequence")
        host.choose(ui.populationSourceBox, "Folder in the scene")
        self.finish(ui.alignButton)
        self.pictures.take_message("population-error", host.dialogs.texts("error")[-1])
        ui.segmentsGroup.collapsed = False
        host.choose(ui.infarctRoleBox, "Region A")
        self.pictures.take("population-segments", "populationSection")
        host.choose(ui.infarctRoleBox, ui.infarctRoleBox.itemText(0))
        ui.segmentsGroup.collapsed = True
        for segment in segments:
            segment.SetName("Infarct")
        host.choose(ui.populationSourceBox, "Sequence")
        host.choose(ui.populationSourceBox, "Folder in the scene")

    def personalization(self) -> None:
        """A model of the population, watched."""
        ui, host, pictures = self.ui, self.host, self.pictures
        pictures.open("personalizationSection")
        host.wait(lambda: "This run takes" in ui.estimateLabel.text, 60)
        pictures.take("personalization-ready", "personalizationSection")
        ui.searchGroup.collapsed = False
        host.choose(ui.searchPresetBox, "Own numbers")
        before = ui.estimateLabel.text
        host.type(ui.lesionsBox, 400)
        host.wait(lambda: ui.estimateLabel.text != before, 60)
        pictures.take("personalization-search", "personalizationSection")
        host.choose(ui.searchPresetBox, "Default (does not depend on the start)")
        ui.searchGroup.collapsed = True
        own = ui.estimateLabel.text
        host.wait(lambda: ui.estimateLabel.text != own, 60)
        host.click(ui.personalizeButton)
        pictures.open("personalizationSection")
        live = self.panel.panel.personalization.live
        host.wait(lambda: live.generations >= 30 and "left" in ui.statusLabel.text, 300)
        pictures.snap("personalization-running", "personalizationSection", foot=True)
        self.plots(live.charts)
        host.wait(lambda: not self.panel.panel.personalization.controls.running, 300)
        pictures.take("personalization-result", "personalizationSection", foot=True)

    def _search(self, preset: str) -> None:
        """Choose the settings of the search; folded, they cannot be changed."""
        self.ui.searchGroup.collapsed = False
        self.host.choose(self.ui.searchPresetBox, preset)
        self.ui.searchGroup.collapsed = True

    def plots(self, charts: dict[str, Any]) -> None:
        """The live charts of a search."""
        from view_pictures import chart_picture

        for kind in ("loss", "parameters"):
            chart_picture(charts[kind], self.folder / f"view-{kind}.png")

    def explore(self) -> None:
        """Modes that are moved, and real beside synthetic infarcts."""
        from view_pictures import chart_picture, slices_of, volume_picture

        ui, host, pictures = self.ui, self.host, self.pictures
        self.finish(ui.modesButton)
        host.click(ui.modeSegmentationBox)
        nodes = self.panel.panel.explore.live.nodes
        tiles = []
        for score in (-2.0, 0.0, 2.0):
            host.type(ui.mode1Slider, score)
            tiles.append(slices_of(nodes, size=(300, 300)))
        captions = ("mode 1 at -2 SD", "0 SD: mean infarct", "mode 1 at +2 SD")
        volume_picture(
            tiles, captions, nodes[0], "infarct (0 never, 1 always)", self.folder / "view-modes.png"
        )
        self.finish(ui.compareButton)
        pictures.take("explore-result", "exploreSection", foot=True)
        chart = self.slicer.mrmlScene.GetNodeByID(self.panel.panel.explore._charts[0])
        chart_picture(chart, self.folder / "view-comparison.png")

    def study(self) -> None:
        """A study: how long it takes, and what it finds."""
        from view_pictures import slices_of, volume_picture

        ui, host, pictures = self.ui, self.host, self.pictures
        self._search("Quick (one search)")
        host.type(ui.launchesBox, 1)
        host.type(ui.workersBox, 1)
        host.type(ui.studyFolderPath, self.scratch / "starts")
        self._pause()
        pictures.take("study-ready", "studySection")
        host.click(ui.studyButton)
        pictures.open("studySection")
        host.wait(lambda: ui.progressBar.value >= 8 and "left" in ui.statusLabel.text, 300)
        pictures.snap("study-running", "studySection", foot=True)
        host.wait(lambda: not self.panel.panel.study.controls.running, 600)
        pictures.take("study-result", "studySection")
        heat_map = self.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1]
        header = [
            ui.studyTable.horizontalHeaderItem(column).text() for column in range(ui.studyTable.columnCount)
        ]
        rows = [ui.studyTable.item(row, 0).text() for row in range(ui.studyTable.rowCount)]
        tile = slices_of([heat_map], size=(300, 300))
        named = (header[1:], rows, *(title[:-2] for title in header[0].splitlines()))
        volume_picture([tile], [""], heat_map, "loss", self.folder / "view-study.png", named)

    def whole_ventricles(self) -> None:
        """The patients once more, aligned and personalized from apex to base; their bull's-eye."""
        from view_pictures import slices_of, volume_picture

        ui, host = self.ui, self.host
        host.choose(ui.referenceBox, "3D: whole ventricle, 11 slices")
        self.finish(ui.alignButton)
        self._search("Default (does not depend on the start)")
        self.finish(ui.personalizeButton)
        host.click(ui.bullseyeButton)
        bullseye = self.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1]
        tile = slices_of([bullseye], size=(300, 300))
        volume_picture(
            [tile],
            ["mean of the population"],
            bullseye,
            "infarcted share (%)",
            self.folder / "view-bullseye.png",
        )

    def generate(self) -> None:
        """Infarcts on request in a patient, and a cohort in files."""
        from view_pictures import heart_picture

        ui, host, pictures = self.ui, self.host, self.pictures
        host.choose(ui.targetBox, "A patient's ventricle")
        host.choose(ui.patientSelector, "Phantom 01")
        host.type(ui.borderZoneSlider, 3.0)
        host.type(ui.noReflowSlider, 20.0)
        pictures.take("generate-ready", "generateSection")
        ui.requestGroup.collapsed = False
        host.choose(ui.territoryBox, "LAD")
        host.type(ui.sizeSlider, 15.0)
        self.finish(ui.generateButton)
        pictures.take("generate-request", "generateSection", foot=True)
        patient, new = (
            self.slicer.mrmlScene.GetFirstNodeByName(name) for name in ("Phantom 01", "Infarct 001")
        )
        hearts = (("Phantom 01 with its own infarct", patient), ("Infarct 001 in the same heart", new))
        heart_picture(hearts, self.folder / "view-infarct.png", (4, 6, 8))
        ui.requestGroup.collapsed = True
        host.choose(ui.outputBox, "Files with a manifest")
        host.type(ui.outputFolderPath, self.scratch / "cohort")
        host.type(ui.countBox, 20)
        self.finish(ui.generateButton)
        pictures.take("generate-files", "generateSection", foot=True)

    def setup(self) -> None:
        """Versions and machine."""
        section = self.panel.setupSection
        section.widget.collapsed = False
        self.host.click(section.checkButton)
        self.pictures.take_widget("setup", section.widget, section.table)

    def close(self) -> None:
        """Take the panel down."""
        self.host.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def main() -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    folder = parser.parse_args().out
    from host import start

    story = Story(start(), folder)
    try:
        for chapter in CHAPTERS:
            getattr(story, chapter)()
            print(f"{chapter}: done", flush=True)
    finally:
        story.close()
    size = sum(path.stat().st_size for path in folder.glob("*.png"))
    print(f"{len(list(folder.glob('*.png')))} pictures, {size / 1e6:.1f} MB, in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
