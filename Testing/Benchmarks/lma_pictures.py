"""Pictures of the comparison: reconstructions beside the truth in four views, and how trainings went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from lma_contenders import Answer
from mesh_volumes import poly_data, surface_distance
from numpy.typing import NDArray
from vtkmodules import vtkRenderingOpenGL2
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkFiltersCore import vtkPolyDataNormals, vtkWindowedSincPolyDataFilter
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkWindowToImageFilter,
)

from cardiactwins.infarct.figures.canvas import SERIES, new_figure, quiet_axes, save_figure
from cardiactwins.lma.shape_volume import ShapeVolume
from cardiactwins.lma.wall_surface import wall_surface

__all__ = ["curves_figure", "reconstructions_figure"]

VIEWS = {
    "anterior": ((0, 1, 0), (-1, 0, 0)),
    "lateral": ((0, 0, 1), (-1, 0, 0)),
    "from the base": ((-1, 0.35, 0), (0, 1, 0)),
    "from the apex": ((1, 0.35, 0), (0, 1, 0)),
}
"""Where the viewer stands and what is up, (k, j, i)."""
PIXELS = 260
LARGEST = 2.0
"""Voxels of distance to the truth at the end of the colours."""
COLORS = "YlOrRd"


def reconstructions_figure(
    truth: ShapeVolume, answers: Mapping[str, Answer], title: str, path: str | Path
) -> Path:
    """The truth and each method's surface in four views, coloured by the distance to the true surface."""
    from matplotlib import colormaps

    surface = wall_surface(truth)
    shown = {"truth": (surface, None)}
    for method, answer in answers.items():
        if answer.volume.mask.any():
            found = wall_surface(answer.volume)
            shown[method] = found, np.abs(surface_distance(surface.points, surface.triangles, found.points))
    figure = new_figure(1.5 * len(shown) + 0.6, 1.5 * len(VIEWS) + 0.5)
    axes = figure.subplots(len(VIEWS), len(shown), squeeze=False)
    for column, (name, (wall, distance)) in enumerate(shown.items()):
        share = np.zeros(len(wall.points)) if distance is None else np.clip(distance / LARGEST, 0, 1)
        colors = (colormaps[COLORS](share)[:, :3] * 255).astype(np.uint8)
        if distance is None:
            colors[:] = (200, 200, 205)
        for row, (view, (stand, up)) in enumerate(VIEWS.items()):
            axis = axes[row, column]
            axis.imshow(_rendered(wall.points, wall.triangles, colors, stand, up))
            axis.set_xticks([])
            axis.set_yticks([])
            for side in axis.spines.values():
                side.set_visible(False)
            if row == 0:
                axis.set_title(name, fontsize=9)
            if column == 0:
                axis.set_ylabel(view, fontsize=8)
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(ScalarMappable(Normalize(0, LARGEST), COLORS), ax=axes, fraction=0.02, pad=0.01)
    bar.set_label("distance to the truth, voxels", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    return save_figure(figure, path)


def curves_figure(models: Path, path: str | Path) -> Path | None:
    """Dice of the validation against the seconds of training, for each network and training population.

    Ours validates at even steps and tells the seconds of all; its registrations beforehand come on top.
    """
    from cardiactwins.lma.baselines.training import BASELINES, training_curve

    curves = {
        (data, name): training_curve(models / data, name)
        for data in ("phantoms", "mesa")
        for name in BASELINES
        if (models / data / f"{name}-training.safetensors").exists()
    }
    for data in ("phantoms", "mesa"):
        if (models / data / "training.safetensors").exists():
            curves[data, "ours-network"] = _own_curve(models / data / "training.safetensors")
    if not curves:
        return None
    populations = [data for data in ("phantoms", "mesa") if any(key[0] == data for key in curves)]
    figure = new_figure(4 * len(populations), 3.2)
    drawn = figure.subplots(1, len(populations), sharey=True, squeeze=False)[0]
    axes = dict(zip(populations, drawn, strict=True))
    for (data, name), rows in curves.items():
        color = SERIES[["ours-network", *BASELINES].index(name)]
        seconds, dice = ([row[key] for row in rows] for key in ("seconds", "dice"))
        axes[data].plot(seconds, dice, "o-", markersize=3, color=color, label=name)
    for data, axis in axes.items():
        quiet_axes(axis)
        axis.set_title(f"trained on {data}", fontsize=10)
        axis.set_xlabel("seconds of training")
        axis.set_xlim(left=0)
        axis.legend(fontsize=8, frameon=False, ncol=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    drawn[0].set_ylabel("Dice of the validation, 8 slices")
    return save_figure(figure, path)


def _own_curve(state: Path) -> list[dict[str, float]]:
    """Validations of a training of ours, evenly spread over its seconds."""
    from cardiactwins.compute.weights import load_state

    values = load_state(state)[1]
    steps = values["settings"]["validate_every"] * np.arange(1, len(values["history"]) + 1)
    seconds = values["seconds"] * np.minimum(steps / values["step"], 1)
    return [
        dict(zip(("seconds", "dice"), row, strict=True))
        for row in zip(seconds, values["history"], strict=True)
    ]


def _rendered(points: NDArray, triangles: NDArray, colors: NDArray, stand: tuple, up: tuple) -> NDArray:
    """A picture (p, p, 3) of a closed surface (k, j, i) seen from a side."""
    surface = poly_data(points[:, ::-1], triangles)
    scalars = numpy_to_vtk(colors, deep=True)
    scalars.SetName("colors")
    surface.GetPointData().SetScalars(scalars)
    smooth = vtkWindowedSincPolyDataFilter()
    smooth.SetInputData(surface)
    smooth.SetNumberOfIterations(10)
    smooth.SetPassBand(0.3)
    normals = vtkPolyDataNormals()
    normals.SetInputConnection(smooth.GetOutputPort())
    normals.SetFeatureAngle(60)
    mapper = vtkPolyDataMapper()
    mapper.SetInputConnection(normals.GetOutputPort())
    actor = vtkActor()
    actor.SetMapper(mapper)
    renderer = vtkRenderer()
    renderer.SetBackground(1, 1, 1)
    renderer.AddActor(actor)
    window = getattr(vtkRenderingOpenGL2, "vtkEGLRenderWindow", vtkRenderWindow)()
    window.SetOffScreenRendering(1)
    window.SetSize(PIXELS, PIXELS)
    window.AddRenderer(renderer)
    middle = np.full(3, 31.5)
    camera = renderer.GetActiveCamera()
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(middle + 100 * np.array(stand[::-1])))
    camera.SetViewUp(*up[::-1])
    camera.ParallelProjectionOn()
    camera.SetParallelScale(33)
    renderer.ResetCameraClippingRange()
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    picture = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(PIXELS, PIXELS, -1)
    window.Finalize()
    return picture[::-1, :, :3]
