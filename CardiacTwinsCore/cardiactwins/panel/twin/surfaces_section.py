"""Section 4: closed meshes of a heart, as models and as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from slicer.i18n import tr as _

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.compute.files import file_name
from cardiactwins.mrml.surface_jobs import load_surfaces
from cardiactwins.mrml.twin_case import TwinCase
from cardiactwins.mrml.twin_models import new_surface_models
from cardiactwins.panel.context import Section, fillTable
from cardiactwins.panel.twin.context import TwinContext
from cardiactwins.twin.label_files import write_heart
from cardiactwins.twin.mesh_quality import MeshQuality

__all__ = ["SurfacesSection", "cropped"]

MARGIN = 3
"""Empty voxels that are left around a heart."""


class SurfacesSection(Section):
    """Makes surfaces in the worker; they become models, and files where a folder is chosen."""

    context: TwinContext

    def __init__(self, context: TwinContext) -> None:
        super().__init__(context)
        self.controls = context.controls(self.ui.surfacesButton, self.make)
        self._offered: Any = None

    def missing(self) -> list[str]:
        """What has to be chosen before surfaces can be made."""
        missing = [] if self._hearts() else [_("import a heart in section 1")]
        if self._folder() is not None and self._folder().is_file():
            missing.append(_("choose a folder for the files, not a file"))
        return missing

    def make(self) -> None:
        """Make the surfaces of the chosen heart."""
        hearts, index = self._hearts(), max(self.ui.surfaceOfBox.currentIndex, 0)
        title, labels, case = hearts[min(index, len(hearts) - 1)]
        node, folder = self.parameterNode, self._folder()
        arguments = {
            "edge_length": node.edgeLength,
            "directory": None if folder is None else str(folder.absolute()),
            "name": file_name(title),
            "space": node.space.value,
        }

        def prepare(place: Path) -> dict[str, Any]:
            write_heart(place / "heart.nrrd", *cropped(labels, case.twin.geometry))
            return arguments

        def done(place: Path, result: Mapping[str, Any]) -> None:
            surfaces = load_surfaces(place, dict(result))
            with self.context.results.recording(_("Surfaces of {name}").format(name=title)):
                new_surface_models(title, surfaces, case.styles)
            self._tell(surfaces.quality, surfaces.changed, result["files"])
            self.context.say(_("The surfaces of {name} are models now.").format(name=title))

        self.context.start(self.controls, "cardiactwins.mrml.surface_jobs:surfaces_job", prepare, done)

    def update(self) -> None:
        """Offer the hearts that there are, and show what is missing."""
        offered = [title for title, _labels, _case in self._hearts()]
        if offered != self._offered:
            self._offered = offered
            box = self.ui.surfaceOfBox
            chosen = box.currentText
            box.clear()
            for title in offered:
                box.addItem(title)
            if chosen in offered:
                box.setCurrentIndex(offered.index(chosen))
        self.controls.setMissing(self.missing())

    def sceneChanged(self) -> None:
        self.controls.cancel()
        fillTable(self.ui.meshTable, [], [])
        self.ui.meshLabel.text = ""

    def close(self) -> None:
        self.controls.close()

    def _folder(self) -> Path | None:
        chosen = str(self.parameterNode.surfacesFolder)
        return None if chosen in ("", ".") else Path(chosen)

    def _hearts(self) -> list[tuple[str, Any, TwinCase]]:
        """Title, labels and case of every heart that surfaces can be made of."""
        hearts: list[tuple[str, Any, TwinCase]] = []
        case = self.context.case()
        if case is not None:
            hearts.append((case.name, case.twin.labels, case))
            if len(case.edits):
                hearts.append((_("{name}: edited").format(name=case.name), case.current, case))
        return hearts + [(one.name, one.nodes.sibling.labels, one.case) for one in self.context.siblings]

    def _tell(self, quality: MeshQuality, changed: int, files: list[str]) -> None:
        rows = [
            (
                name,
                part.triangles,
                part.area_cm2,
                part.volume_ml,
                part.label_volume_ml,
                part.open_edges,
                part.nonmanifold_edges,
            )
            for name, part in quality.tissues.items()
        ]
        header = [
            _("tissue"),
            _("triangles"),
            _("area (cm²)"),
            _("volume (ml)"),
            _("voxels (ml)"),
            _("open edges"),
            _("non-manifold"),
        ]
        fillTable(self.ui.meshTable, header, rows)
        lines = [
            _("Watertight.") if quality.watertight else _("Not watertight: see the open edges."),
            _(
                "Edges {mean:.2f} ± {sd:.2f} mm, smallest angle {angle:.0f}° (1 % below {first:.0f}°), "
            ).format(
                mean=quality.edge_mean,
                sd=quality.edge_sd,
                angle=quality.angle_min,
                first=quality.angle_first_percentile,
            )
            + _("shape {shape:.2f} in the mean, {crossing} crossing triangles.").format(
                shape=quality.shape_mean, crossing=quality.crossing
            ),
        ]
        if changed:
            lines.append(
                _("{count:,} voxels were changed so that borders are manifold.").format(count=changed)
            )
        if files:
            text = _("{count} files in {folder}, {space}, mm.")
            folder, space = Path(files[0]).parent, self.parameterNode.space.value
            lines.append(text.format(count=len(files), folder=folder, space=space))
        self.ui.meshLabel.text = "\n".join(lines)


def cropped(labels: NDArray[np.uint8], geometry: ImageGeometry) -> tuple[NDArray[np.uint8], ImageGeometry]:
    """A heart without the empty space around it, but for `MARGIN` voxels, and where that lies."""
    box = tuple(
        slice(max(part.start - MARGIN, 0), part.stop + MARGIN)
        for part in ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    )
    matrix = np.array(geometry.ijk_to_ras)
    matrix[:3, 3] = geometry.kji_to_ras([[part.start for part in box]])[0]
    part = np.ascontiguousarray(labels[box])
    return part, ImageGeometry(part.shape, matrix)
