"""Views of the scene without windows: 3D Slicer's displayable managers on off-screen OpenGL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindowInteractor, vtkWindowToImageFilter

from cardiactwins.mrml.headless import start
from cardiactwins.mrml.installation import slicer

__all__ = ["OffscreenView", "RenderingUnavailable", "offscreen_view", "rendering_problem"]

MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
)
MANAGERS_SLICE = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
)

PROBE = """
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
import vtkmodules.vtkRenderingOpenGL2 as opengl
window = getattr(opengl, "vtkEGLRenderWindow", vtkRenderWindow)()
window.SetOffScreenRendering(1)
window.SetSize(8, 8)
window.AddRenderer(vtkRenderer())
window.Render()
raise SystemExit(0 if window.SupportsOpenGL() else 1)
"""


class RenderingUnavailable(RuntimeError):
    """Nothing can be drawn on this machine; the message says why and what to install."""


@cache
def rendering_problem() -> str | None:
    """Why nothing can be drawn off screen here, with what to install; None when it works.

    Tried once, in a process of its own: where the OpenGL libraries are missing, VTK ends the process.
    """
    if start().in_application:
        return None
    try:
        probe = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "Pictures need off-screen OpenGL, which did not answer within two minutes."
    if probe.returncode == 0:
        return None
    remedy = (
        "On Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri libglx0 libopengl0."
        if sys.platform == "linux"
        else "Update the graphics driver, or work in a session with a display."
    )
    return f"Pictures need off-screen OpenGL, which does not work here. {remedy}"


class OffscreenView:
    """One 3D or slice view with its node, logic and renderer. Made by `offscreen_view`."""

    def __init__(self, node: Any, logic: Any, renderer: Any, window: Any, group: Any) -> None:
        self.node = node
        self.logic = logic
        self.renderer = renderer
        self.group = group
        self._window = window

    def pixels(self) -> NDArray[np.uint8]:
        """Draw, and return the picture (rows, columns, 3), first row on top."""
        self._window.Render()
        grabber = vtkWindowToImageFilter()
        grabber.SetInput(self._window)
        grabber.ReadFrontBufferOff()
        grabber.ShouldRerenderOff()
        grabber.Update()
        image = grabber.GetOutput()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()


@contextmanager
def offscreen_view(kind: str, size: tuple[int, int]) -> Iterator[OffscreenView]:
    """A view of the scene, "3D" or "slice", of `size` (width, height) pixels, for the length of the block.

    The scene is left as it was. Raises RenderingUnavailable where nothing can be drawn. Processes must not be
    forked after this (use spawn): OpenGL hangs in the child.
    """
    problem = rendering_problem()
    if problem:
        raise RenderingUnavailable(problem)
    host = start()
    nodes_before = _node_ids(host.scene)
    window = _window(size)
    renderer = vtkRenderer()
    window.AddRenderer(renderer)
    interactor = vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    is_3d = kind == "3D"
    logic = slicer.vtkMRMLViewLogic() if is_3d else slicer.vtkMRMLSliceLogic()
    logics = host.application_logic.GetViewLogics() if is_3d else host.application_logic.GetSliceLogics()
    group = slicer.vtkMRMLDisplayableManagerGroup()
    try:
        logic.SetMRMLApplicationLogic(host.application_logic)
        logics.AddItem(logic)
        logic.SetMRMLScene(host.scene)
        node = logic.AddViewNode("CardiacTwins") if is_3d else logic.AddSliceNode("CardiacTwins")
        group.Initialize(_factory(is_3d, host.application_logic), renderer)
        group.SetMRMLDisplayableNode(node)
        yield OffscreenView(node, logic, renderer, window, group)
    finally:
        group.SetMRMLDisplayableNode(None)
        logics.RemoveItem(logic)
        logic.SetMRMLScene(None)
        window.Finalize()
        for node_id in _node_ids(host.scene) - nodes_before:
            host.scene.RemoveNode(host.scene.GetNodeByID(node_id))


def _window(size: tuple[int, int]) -> Any:
    import vtkmodules.vtkRenderingOpenGL2 as opengl
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    window = getattr(opengl, "vtkEGLRenderWindow", vtkRenderWindow)()
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(0)
    window.SetSize(*size)
    return window


def _factory(is_3d: bool, application_logic: Any) -> Any:
    name = "ThreeDView" if is_3d else "SliceView"
    factory = getattr(slicer, f"vtkMRML{name}DisplayableManagerFactory").GetInstance()
    if factory.GetMRMLApplicationLogic() is None:
        factory.SetMRMLApplicationLogic(application_logic)
    managers: Sequence[str] = MANAGERS_3D if is_3d else MANAGERS_SLICE
    for manager in managers:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    return factory


def _node_ids(scene: Any) -> set[str]:
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}
