"""Take the pictures of LMAReconstruct: `python Testing/panel/make_lma_screenshots.py [--out FOLDER]`.

The panel is worked in the Qt host with the phantom heart of its sample data, from an empty scene to a report.
What is drawn by what: see `make_screenshots.py`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = (
    "reconstructionSection",
    "activationSection",
    "mapSection",
    "lateSection",
    "reportSection",
    "weightsSection",
)
FOOT = ("progressBar", "statusLabel", "undoButton")
CHAPTERS = ("begin", "reconstruction", "activation", "map", "late", "report", "networks", "typed")


class Story:
    """What a person does with the panel, a chapter a section; `pictures` are taken on the way."""

    def __init__(self, host: Any, folder: Path) -> None:
        import slicer
        from panel_pictures import PanelPictures

        host.loadModule(ROOT / "LMAReconstruct" / "LMAReconstruct.py")
        self.host, self.folder, self.slicer = host, folder, slicer
        self.panel = host.widgetOf("LMAReconstruct")
        self.ui = self.panel.ui
        self.pictures = PanelPictures(host, self.panel, folder, SECTIONS, FOOT)
        self.scratch = Path(tempfile.gettempdir(), "activation-map")  # seen in the pictures
        self.scratch.mkdir(exist_ok=True)

    @property
    def node(self) -> Any:
        """The panel's wrapped parameter node."""
        return self.panel.panel.context.parameterNode

    def finish(self, button: Any, seconds: float = 300) -> None:
        """Click a button that runs something and wait for its end."""
        self.host.click(button)
        controls = self.panel.panel.reconstruction.controls
        self.host.wait(lambda: not controls.occupied, seconds)

    def begin(self) -> None:
        """Before anything is chosen."""
        pictures, ui = self.pictures, self.ui
        pictures.take_folded("lma-panel")
        pictures.take("lma-slices-empty", "reconstructionSection", tip=ui.reconstructButton)
        pictures.take("lma-activation-empty", "activationSection", tip=ui.activationButton)

    def reconstruction(self) -> None:
        """The sample data, and the ventricle that is rebuilt from its slices."""
        ui, pictures = self.ui, self.pictures
        self.host.click(ui.sampleButton)
        pictures.take("lma-slices-ready", "reconstructionSection", foot=True)
        self.finish(ui.reconstructButton)
        pictures.take("lma-slices-result", "reconstructionSection", foot=True)
        node = self.node
        self._views(
            "lma-view-model", [([node.slicesSegmentation], "8 slices"), ([node.model], "model")], "LAO"
        )

    def activation(self) -> None:
        """Strain and TOS from the DENSE images."""
        from view_pictures import chart_picture

        ui, pictures = self.ui, self.pictures
        pictures.take("lma-activation-ready", "activationSection")
        self.finish(ui.activationButton)
        pictures.take("lma-activation-result", "activationSection", foot=True)
        ui.slicesTable.cellClicked.emit(1, 0)
        chart = self.slicer.util.getNodesByClass("vtkMRMLPlotChartNode")[-1]
        chart.SetLegendVisibility(False)
        chart_picture(chart, self.folder / "lma-view-strain.png")

    def map(self) -> None:
        """The map, on the patient's model and on the reference model."""
        from view_pictures import chart_picture, slices_of, volume_picture

        ui, pictures, node = self.ui, self.pictures, self.node
        self.host.click(ui.referenceModelBox)
        self.host.click(ui.mapButton)
        pictures.take("lma-map-result", "mapSection", foot=True)
        model = node.model
        reference = self.slicer.mrmlScene.GetFirstNodeByName(f"{model.GetName()}: reference model")
        for projection in ("LAO", "RAO"):
            shown = [(_lined(model), "patient"), (_lined(reference), "reference model")]
            self._views(f"lma-view-{projection.lower()}", shown, projection)
        bullseye = model.GetNodeReference("CardiacTwins.Bullseye")
        tile = slices_of([bullseye], size=(300, 300))
        volume_picture([tile], [""], bullseye, "TOS (ms)", self.folder / "lma-view-bullseye.png")
        chart_picture(model.GetNodeReference("CardiacTwins.TOSCurves"), self.folder / "lma-view-curves.png")

    def late(self) -> None:
        """The late region."""
        ui, pictures = self.ui, self.pictures
        self.host.type(ui.delaySlider, 50.0)
        self.host.click(ui.lateButton)
        pictures.take("lma-late-result", "lateSection", foot=True)
        self.host.choose(ui.scalarBox, "Late region")
        found = self.panel.panel.context.lateRegion()
        shown = [*_lined(self.node.model), found.centre]
        facing = np.asarray(found.region.centre) - np.array(self.node.model.GetPolyData().GetCenter())
        self._draw(
            "lma-view-late", [(shown, "seen in LAO", self._direction("LAO")), (shown, "facing it", facing)]
        )
        self.host.choose(ui.scalarBox, "TOS (ms)")

    def report(self) -> None:
        """The report's files."""
        ui, pictures = self.ui, self.pictures
        self.host.type(ui.reportFolderPath, self.scratch)
        self.host.click(ui.reportButton)
        pictures.take("lma-report-result", "reportSection", foot=True)

    def networks(self) -> None:
        """Weights and where they come from."""
        ui, pictures = self.ui, self.pictures
        self.host.click(ui.checkWeightsButton)
        ui.weightsLabel.text = ui.weightsLabel.text.rpartition("\n")[0]  # a folder of this computer
        pictures.take("lma-networks", "weightsSection")

    def typed(self) -> None:
        """TOS that is typed in."""
        ui, pictures = self.ui, self.pictures
        self.host.choose(ui.activationSourceBox, "TOS that is known")
        self.host.click(ui.newTosButton)
        for row in range(2):
            for column in range(1, 13):
                ui.tosTable.item(row, column).setText(f"{60 + 5 * (column % 7)}")
        pictures.take("lma-tos-typed", "activationSection", foot=True)

    def _direction(self, projection: str) -> Any:
        """Where the camera of a fluoroscopic view stands."""
        from cardiactwins.mrml.lma_views import view_direction

        degrees = self.node.laoAngle if projection == "LAO" else self.node.raoAngle
        return view_direction(projection, degrees)

    def _views(self, name: str, shown: list[tuple[list[Any], str]], projection: str) -> None:
        """3D views of nodes side by side, as an implanter looks at them."""
        direction = self._direction(projection)
        self._draw(name, [(nodes, f"{caption}, {projection}", direction) for nodes, caption in shown])

    def _draw(self, name: str, shown: list[tuple[list[Any], str, Any]]) -> None:
        from view_pictures import views_picture

        views_picture(shown, self.folder / f"{name}.png")

    def close(self) -> None:
        """Take the panel down."""
        self.host.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def _lined(model: Any) -> list[Any]:
    """A mapped model and the lines of its measured range."""
    return [model, model.GetNodeReference("CardiacTwins.MeasuredRange")]


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
    print(f"{len(list(folder.glob('lma-*.png')))} pictures in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
