"""Pictures of a heart's meshes: from outside, wire frame, and cut open with its valves.

python Testing/Benchmarks/twin_surface_pictures.py OUT.png [--edge 2.5] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
from vtkmodules.vtkCommonDataModel import vtkPlane
from vtkmodules.vtkFiltersCore import vtkClipPolyData
from vtkmodules.vtkIOImage import vtkPNGWriter
from vtkmodules.vtkRenderingCore import (
    vtkActor,
    vtkPolyDataMapper,
    vtkRenderer,
    vtkRenderWindow,
    vtkTextActor,
    vtkWindowToImageFilter,
)

from cardiactwins.anatomy.heart_tissues import Tissue
from cardiactwins.anatomy.whole_heart import whole_heart_phantom
from cardiactwins.mrml.segment_roles import TISSUE_ROLES
from cardiactwins.mrml.twin_surfaces import OUTSIDE, VALVES, heart_surfaces, tissue_poly_data
from cardiactwins.twin.interface_mesh import InterfaceMesh

SIZE = (1200, 450)
VALVE_COLOR = (0.95, 0.9, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--edge", type=float, default=2.5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    phantom = whole_heart_phantom(np.random.default_rng([3, arguments.seed]))
    mesh = heart_surfaces(phantom.labels, phantom.geometry, edge_length=arguments.edge).mesh
    window = vtkRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(*SIZE)
    views = (
        ("Surfaces", None, False),
        ("Triangles", None, True),
        ("Cut open, valves yellow", (0, -1, 0), False),
    )
    for number, (title, normal, edges) in enumerate(views):
        renderer = vtkRenderer()
        renderer.SetViewport(number / 3, 0, (number + 1) / 3, 1)
        renderer.SetBackground(1, 1, 1)
        for poly, color, is_valve in borders(mesh):
            renderer.AddActor(shown(poly, color, edges or is_valve, None if is_valve else normal))
        text = vtkTextActor()
        text.SetInput(title)
        text.GetTextProperty().SetColor(0, 0, 0)
        text.GetTextProperty().SetFontSize(20)
        renderer.AddViewProp(text)
        camera = renderer.GetActiveCamera()
        camera.SetPosition(*((0.4, 1.0, 0.15) if normal is None else (0, 1, 0)))
        camera.SetViewUp(0, 0, 1)
        renderer.ResetCamera()
        camera.Zoom(1.4)
        window.AddRenderer(renderer)
    write(window, arguments.out)


def shown(poly, color, edges, normal=None):
    """An actor, cut by a plane through the middle of the heart where a normal is given."""
    if normal is not None:
        plane = vtkPlane()
        plane.SetNormal(*normal)
        plane.SetOrigin(0, 2, 0)
        clip = vtkClipPolyData()
        clip.SetInputData(poly)
        clip.SetClipFunction(plane)
        clip.Update()
        poly = clip.GetOutput()
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(poly)
    mapper.ScalarVisibilityOff()
    actor = vtkActor()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*color)
    actor.GetProperty().SetEdgeVisibility(edges)
    actor.GetProperty().SetLineWidth(0.5)
    if edges:
        actor.GetProperty().SetInterpolationToFlat()
    return actor


def borders(mesh):
    """Each border once: its surface, colour, and whether it is a valve opening."""
    pairs, interface = mesh.interfaces()
    for number, pair in enumerate(pairs.tolist()):
        rows = interface == number
        part = InterfaceMesh(mesh.points, mesh.triangles[rows], mesh.sides[rows])
        tissue = Tissue(max(label for label in pair if label != OUTSIDE))
        is_valve = frozenset(pair) in VALVES
        color = VALVE_COLOR if is_valve else TISSUE_ROLES[tissue].color
        yield tissue_poly_data(part, tissue), color, is_valve


def write(window, path):
    window.Render()
    grab = vtkWindowToImageFilter()
    grab.SetInput(window)
    writer = vtkPNGWriter()
    writer.SetInputConnection(grab.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()


if __name__ == "__main__":
    main()
