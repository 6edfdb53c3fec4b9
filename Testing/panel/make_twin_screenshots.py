"""Take the pictures of TwinEditor: `python Testing/panel/make_twin_screenshots.py [--out FOLDER]`.

The panel is worked in the Qt host with the phantom heart of its sample data, from an empty scene to surfaces
and a cohort, with the trained model that comes with the extension, or that of --weights; without either, with
a stand-in that stretches the heart. What is drawn by what: see `make_screenshots.py`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = (
    "twinSection",
    "editSection",
    "siblingsSection",
    "surfacesSection",
    "cohortSection",
    "weightsSection",
)
FOOT = ("progressBar", "statusLabel", "undoButton")
CHAPTERS = ("begin", "heart", "edit", "siblings", "region", "targets", "surfaces", "cohort", "models")
FRONT = (0.35, 1.0, 0.15)
"""Where the camera stands, RAS: in front of the patient, a little to the right."""
SLICES = (36, 46, 56)
HEARTS = 12
"""In each folder of the cohort that is judged."""


class Story:
    """What a person does with the panel, a chapter a section; `pictures` are taken on the way."""

    def __init__(self, host: Any, folder: Path, weights: Path | None) -> None:
        import slicer
        from panel_pictures import PanelPictures

        self.scratch = Path(tempfile.gettempdir(), "heart-siblings")  # seen in the pictures
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        slicer.app.slicerUserSettingsFilePath = str(self.scratch / "Slicer.ini")
        host.loadModule(ROOT / "TwinEditor" / "TwinEditor.py")
        self.host, self.folder, self.slicer, self.weights = host, folder, slicer, weights
        self.panel = host.widgetOf("TwinEditor")
        self.ui = self.panel.ui
        self.pictures = PanelPictures(host, self.panel, folder, SECTIONS, FOOT)

    @property
    def node(self) -> Any:
        """The panel's wrapped parameter node."""
        return self.panel.panel.context.parameterNode

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self.panel.panel.edit.controls.occupied

    def finish(self, button: Any, seconds: float = 900) -> None:
        """Click a button that runs something and wait for its end."""
        self.host.click(button)
        self.host.wait(lambda: self.idle, seconds)
        errors = self.host.dialogs.texts("error")
        if errors:
            raise RuntimeError(errors[-1])

    def begin(self) -> None:
        """Before anything is chosen."""
        self.pictures.take_folded("twin-panel")
        self.pictures.take("twin-edit-empty", "editSection", tip=self.ui.editButton)

    def heart(self) -> None:
        """The sample heart, imported."""
        self.host.click(self.ui.sampleButton)
        self.finish(self.ui.importButton)
        self.pictures.take("twin-heart-result", "twinSection", foot=True)
        self._choose_model()

    def edit(self) -> None:
        """Four siblings of the whole heart; one picture while they come about."""
        ui, pictures = self.ui, self.pictures
        pictures.take("twin-edit-ready", "editSection", foot=True)
        self.host.click(ui.editButton)
        self.host.wait(lambda: ui.previewLabel.visible or self.idle, 300)
        pictures.snap("twin-edit-running", "editSection", foot=True)
        self.host.wait(lambda: self.idle, 900)

    def siblings(self) -> None:
        """What was made, and what it changed."""
        from view_pictures import heart_picture, views_picture

        ui, context = self.ui, self.panel.panel.context
        self.pictures.take("twin-siblings-result", "siblingsSection", foot=True)
        shown = [self.node.segmentation, *(one.nodes.segmentation for one in context.siblings[:3])]
        captions = ["twin", "sibling 1", "sibling 2", "sibling 3"]
        for one in shown:
            one.GetDisplayNode().SetVisibility(True)
        views = [([one], caption, FRONT) for one, caption in zip(shown, captions, strict=True)]
        views_picture(views, self.folder / "twin-view-siblings.png")
        self.host.click(ui.differenceButton)
        difference = self.slicer.mrmlScene.GetFirstNodeByName(f"{shown[1].GetName()}: difference")
        shown[1].GetDisplayNode().SetVisibility(True)
        pair = [("sibling 1", shown[1]), ("what it changed", difference)]
        heart_picture(pair, self.folder / "twin-view-difference.png", SLICES)
        self.host.click(ui.undoButton)

    def region(self) -> None:
        """One region: the right ventricle alone."""
        ui = self.ui
        self.host.choose(ui.kindBox, "One region")
        self.host.click(ui.exactBox)
        self.node.number = 1
        self.pictures.take("twin-edit-region", "editSection")
        self.finish(ui.editButton)
        self.host.click(ui.goOnButton)

    def targets(self) -> None:
        """Measures that are asked for, as a design of experiments."""
        ui = self.ui
        self.host.choose(ui.kindBox, "Measures that are asked for")
        ui.designGroup.collapsed = False
        self.host.type(ui.designEdit, "RV volume 100 to 140; wall 6.5 to 8")
        self.host.type(ui.designNumberBox, 2)
        self.host.click(ui.gridButton)
        self.pictures.take("twin-edit-targets", "editSection")

    def surfaces(self) -> None:
        """Closed surfaces of the twin."""
        from view_pictures import views_picture

        ui = self.ui
        self.host.type(ui.edgeSlider, 4.0)
        self.host.type(ui.surfacesFolderPath, self.scratch / "meshes")
        self.finish(ui.surfacesButton)
        self.pictures.take("twin-surfaces-result", "surfacesSection", foot=True)
        models = self.slicer.util.getNodesByClass("vtkMRMLModelNode")
        models = [one for one in models if one.GetName().startswith("Whole heart phantom: ")]
        for one in models:
            one.GetDisplayNode().SetEdgeVisibility(True)
        chambers = [one for one in models if "myocardium" not in one.GetName()]
        shown = [(models, "all tissues", FRONT), (chambers, "without the wall", FRONT)]
        views_picture(shown, self.folder / "twin-view-surfaces.png")

    def cohort(self) -> None:
        """Hearts judged against others."""
        from twin_steps import write_hearts
        from view_pictures import chart_picture

        ui, twin = self.ui, self.panel.panel.context.case().twin
        write_hearts(self.scratch / "reference", twin.labels, HEARTS, 1)
        write_hearts(self.scratch / "made", twin.labels, HEARTS, 2)
        self.host.choose(ui.taskBox, "Judge hearts of a folder")
        self.host.type(ui.referencePath, self.scratch / "reference")
        self.host.type(ui.heartsPath, self.scratch / "made")
        self.host.type(ui.cohortPath, self.scratch / "judged")
        self.finish(ui.cohortButton)
        self.pictures.take("twin-cohort-result", "cohortSection", foot=True)
        chart_picture(self.panel.panel.cohort.results.chart, self.folder / "twin-view-cohort.png")

    def models(self) -> None:
        """The trained model and its card."""
        ui = self.ui
        self.host.click(ui.checkWeightsButton)
        ui.weightsLabel.text = ""  # a folder of this computer
        self.pictures.take("twin-models", "weightsSection")

    def close(self) -> None:
        """Take the panel down."""
        self.host.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _choose_model(self) -> None:
        """The model of the extension, that of --weights, or a stand-in."""
        context = self.panel.panel.context
        if self.weights is not None:
            folder = context.ownWeights()
            folder.mkdir(parents=True)
            for path in (self.weights, self.weights.with_suffix(".json")):
                shutil.copy(path, folder)
        elif context.weightsOf("twin") is None:
            from twin_steps import give_weights

            print("There are no trained weights: the pictures show a stand-in.", flush=True)
            give_weights(self.panel, context.case().twin.labels, delay=0.03, name="twin")
        context.panelChanged()


def main() -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "Resources" / "Screenshots")
    parser.add_argument("--weights", type=Path, default=None)
    arguments = parser.parse_args()
    from host import start

    story = Story(start(), arguments.out, arguments.weights)
    try:
        for chapter in CHAPTERS:
            getattr(story, chapter)()
            print(f"{chapter}: done", flush=True)
    finally:
        story.close()
    print(f"{len(list(arguments.out.glob('twin-*.png')))} pictures in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
