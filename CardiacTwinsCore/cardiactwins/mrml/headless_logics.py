"""The module logics of 3D Slicer that exist without its application."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.vtk_messages import without_vtk_messages

__all__ = ["HeadlessModule", "HeadlessModules", "create_module_logics"]

MODULE_LOGICS = {
    "colors": ("Colors", "vtkMRMLColorLogic"),
    "units": ("Units", "vtkSlicerUnitsLogic"),
    "subjecthierarchy": ("SubjectHierarchy", "vtkSlicerSubjectHierarchyModuleLogic"),
    "terminologies": ("Terminologies", "vtkSlicerTerminologiesModuleLogic"),
    "volumes": ("Volumes", "vtkSlicerVolumesLogic"),
    "models": ("Models", "vtkSlicerModelsLogic"),
    "transforms": ("Transforms", "vtkSlicerTransformLogic"),
    "markups": ("Markups", "vtkSlicerMarkupsLogic"),
    "tables": ("Tables", "vtkSlicerTablesLogic"),
    "texts": ("Texts", "vtkSlicerTextsLogic"),
    "plots": ("Plots", "vtkSlicerPlotsLogic"),
    "sequences": ("Sequences", "vtkSlicerSequencesLogic"),
    "segmentations": ("Segmentations", "vtkSlicerSegmentationsModuleLogic"),
    "segmenteditor": ("SegmentEditor", "vtkSlicerSegmentEditorLogic"),
    "cropvolume": ("CropVolume", "vtkSlicerCropVolumeLogic"),
    "cameras": ("Cameras", "vtkSlicerCamerasModuleLogic"),
    "volumerendering": ("VolumeRendering", "vtkSlicerVolumeRenderingLogic"),
    "viewcontrollers": ("ViewControllers", "vtkSlicerViewControllersLogic"),
    "sceneviews": ("SceneViews", "vtkSlicerSceneViewsModuleLogic"),
}
"""Name in `slicer.modules` -> (key in the application logic, class), each after those it needs."""


class HeadlessModule:
    """What `slicer.modules.<name>` offers without an application: its name and its logic."""

    def __init__(self, name: str, logic: Any) -> None:
        self.name = name
        self._logic = logic

    def logic(self) -> Any:
        """The module's logic, connected to the scene."""
        return self._logic


class HeadlessModules:
    """Stands for `slicer.modules`; asking for a module that needs the application says so."""

    def __init__(self, modules: dict[str, HeadlessModule]) -> None:
        self.__dict__.update(modules)

    def __getattr__(self, name: str) -> HeadlessModule:
        raise AttributeError(
            f"Module '{name}' is not available without the 3D Slicer application. "
            f"Available: {', '.join(sorted(self.__dict__))}."
        )


def create_module_logics(application_logic: Any, scene: Any) -> HeadlessModules:
    """Create every logic and connect it to the scene, which registers its node classes."""
    modules = {}
    for name, (key, class_name) in MODULE_LOGICS.items():
        logic = getattr(slicer, class_name)()
        logic.SetMRMLApplicationLogic(application_logic)
        application_logic.SetModuleLogic(key, logic)
        # The terminology logic complains about missing files of the application.
        with without_vtk_messages() if name == "terminologies" else nullcontext():
            logic.SetMRMLScene(scene)
        modules[name] = HeadlessModule(name, logic)
    application_logic.SetColorLogic(modules["colors"].logic())
    # The application's own colour logic would register this class, but it reads colour files that are not
    # here.
    scene.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())
    return HeadlessModules(modules)
