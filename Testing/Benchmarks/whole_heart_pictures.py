"""Draw whole-heart phantoms: surfaces from four sides and slices in three planes.

    python Testing/Benchmarks/whole_heart_pictures.py --out Docs/whole-heart [--hearts 5] [--first 0]

One PNG file, a heart a row; five hearts or more show all kinds in turn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from vtkmodules import vtkRenderingOpenGL2
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkWindowToImageFilter,
)

from cardiactwins.anatomy.heart_measures import HEART_KINDS
from cardiactwins.anatomy.heart_tissues import TISSUE_NAMES, Tissue
from cardiactwins.anatomy.whole_heart import HEART_TO_PATIENT, WholeHeartPhantom, whole_heart_phantom

COLORS = {
    Tissue.AO: (0.84, 0.27, 0.22),
    Tissue.MYO: (0.93, 0.73, 0.60),
    Tissue.RV: (0.27, 0.47, 0.73),
    Tissue.LV: (0.75, 0.16, 0.35),
    Tissue.RA: (0.42, 0.70, 0.85),
    Tissue.LA: (0.95, 0.53, 0.30),
}
RIGHT, FRONT, UP = HEART_TO_PATIENT
VIEWS = {"front": (FRONT, UP), "left": (-RIGHT, UP), "back": (-FRONT, UP), "right": (RIGHT, UP)}
"""Where the viewer stands in the patient, and what is up, in the heart's frame."""
PIXELS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of whole-heart-phantoms.png")
    parser.add_argument("--hearts", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed of the first heart")
    chosen = parser.parse_args()
    kinds = list(HEART_KINDS) if chosen.hearts >= len(HEART_KINDS) else ["ordinary"]
    hearts = [
        whole_heart_phantom(np.random.default_rng(chosen.first + n), kind=kinds[n % len(kinds)])
        for n in range(chosen.hearts)
    ]
    chosen.out.mkdir(parents=True, exist_ok=True)
    print(draw(hearts, chosen.out / "whole-heart-phantoms.png"))


def draw(hearts: list[WholeHeartPhantom], path: Path) -> Path:
    """One row a heart: four views, then the slices through the mitral valve, the short axis and the root."""
    from matplotlib.figure import Figure

    columns = len(VIEWS) + 3
    figure = Figure(figsize=(1.6 * columns, 1.7 * len(hearts) + 0.2), layout="constrained")
    axes = figure.subplots(len(hearts), columns, squeeze=False)
    for row, heart in zip(axes, hearts, strict=True):
        for axis, (name, (stand, up)) in zip(row, VIEWS.items(), strict=False):
            axis.imshow(surface_picture(heart, stand, up))
            axis.set_title(name, fontsize=7)
        for axis, (name, picture) in zip(row[len(VIEWS) :], slices(heart).items(), strict=True):
            axis.imshow(picture, origin="lower", interpolation="nearest")
            axis.set_title(name, fontsize=7)
        for axis in row:
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set_visible(False)
        row[0].set_ylabel(heart.kind, fontsize=8)
    figure.legend(
        handles=[_patch(tissue) for tissue in Tissue], loc="outside lower center", ncols=6, fontsize=7
    )
    figure.savefig(path, dpi=115)
    return path


def slices(heart: WholeHeartPhantom) -> dict[str, NDArray[np.float64]]:
    """Four chambers, short axis and outflow tract, (rows, columns, 3), the first seen from the front."""
    labels = heart.labels
    lv, ao = (np.argwhere(labels == tissue) for tissue in (Tissue.LV, Tissue.AO))
    middle = lv.mean(axis=0).astype(int)
    touching = (labels[:-1] == Tissue.LA) & (labels[1:] == Tissue.LA)
    mitral = int(np.argwhere(touching)[:, 1].mean())
    root = int(ao[ao[:, 0] <= np.percentile(ao[:, 0], 15), 2].mean())
    return {
        "four chambers": _colored(labels[:, (mitral + middle[1]) // 2]),
        "short axis": _colored(labels[middle[0]]),
        "outflow": _colored(labels[:, :, root]),
    }


def surface_picture(heart: WholeHeartPhantom, stand: NDArray, up: NDArray) -> NDArray[np.uint8]:
    """The smoothed surfaces of all tissues, (rows, columns, 3), seen from a direction."""
    renderer = vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    image = vtkImageData()
    image.SetDimensions(heart.labels.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(heart.labels.ravel().astype(np.float32), deep=True))
    for tissue, color in COLORS.items():
        nets = vtkSurfaceNets3D()
        nets.SetInputData(image)
        nets.SetValue(0, float(tissue))
        nets.SetNumberOfIterations(24)
        mapper = vtkPolyDataMapper()
        mapper.SetInputConnection(nets.GetOutputPort())
        mapper.ScalarVisibilityOff()
        actor = vtkActor()
        actor.SetMapper(mapper)
        actor.GetProperty().SetColor(*color)
        actor.GetProperty().SetAmbient(0.15)
        renderer.AddActor(actor)
    window = getattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow", vtkRenderWindow)()
    window.SetOffScreenRendering(1)
    window.SetSize(PIXELS, PIXELS)
    window.AddRenderer(renderer)
    camera = renderer.GetActiveCamera()
    camera.ParallelProjectionOn()
    camera.SetFocalPoint(0, 0, 0)
    camera.SetPosition(*stand)
    camera.SetViewUp(*up)
    renderer.ResetCamera()
    camera.Zoom(1.5)
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.Update()
    pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(PIXELS, PIXELS, 3)
    return pixels[::-1].copy()


def _colored(labels: NDArray[np.uint8]) -> NDArray[np.float64]:
    table = np.ones((len(Tissue) + 1, 3))
    for tissue, color in COLORS.items():
        table[tissue] = color
    return table[labels]


def _patch(tissue: Tissue):
    from matplotlib.patches import Patch

    return Patch(color=COLORS[tissue], label=TISSUE_NAMES[tissue])


if __name__ == "__main__":
    main()
