"""Loading and saving without the application: what slicer.util asks of its I/O manager."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vtkmodules.vtkCommonCore import vtkCommand

from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.headless_colors import add_perceptual_maps
from cardiactwins.mrml.installation import slicer

__all__ = ["HeadlessIOManager", "can_write"]

FILE_TYPES = {
    "SceneFile": (".mrml", ".mrb"),
    "SegmentationFile": (".seg.nrrd", ".seg.nhdr", ".seg.nii.gz", ".seg.nii", ".seg.vtm"),
    "SequenceFile": (".seq.nrrd", ".seq.nhdr", ".seq.mrb"),
    "MarkupsFile": (".mrk.json", ".fcsv"),
    "VolumeFile": (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd", ".img", ".hdr"),
    "TransformFile": (".h5", ".tfm"),
    "ModelFile": (".vtk", ".vtp", ".vtu", ".stl", ".ply", ".obj", ".g"),
    "ColorTableFile": (".ctbl", ".cxml"),
    "TableFile": (".csv", ".tsv"),
    "TextFile": (".txt", ".json", ".xml"),
}
"""File type -> endings; the first type with a matching ending is taken."""

LOADING_MODULES = {
    "VolumeFile": "volumes",
    "SegmentationFile": "segmentations",
    "SequenceFile": "sequences",
    "ModelFile": "models",
    "TransformFile": "transforms",
    "MarkupsFile": "markups",
    "TableFile": "tables",
    "ColorTableFile": "colors",
}
"""File type -> module whose logic reads it."""

VOLUME_OPTIONS = {"labelmap": 1, "center": 2, "singleFile": 4, "autoWindowLevel": 8, "discardOrientation": 16}
"""Bits of the loading options of the volumes logic, by their name in `slicer.util.loadVolume`."""


class HeadlessIOManager:
    """Stands for `slicer.app.coreIOManager()`, so that slicer.util.load*, saveNode and saveScene work."""

    def __init__(self, scene: Any, modules: Any) -> None:
        self._scene = scene
        self._modules = modules

    def fileType(self, filename: str) -> str:
        """Type of a file by its ending; 'NoFile' when it is unknown."""
        name = Path(filename).name.lower()
        return next((kind for kind, endings in FILE_TYPES.items() if name.endswith(endings)), "NoFile")

    def fileWriterFileType(self, node: Any) -> str:
        """Type under which a node is saved: each chooses its storage node by the file name."""
        return "NodeFile"

    def loadNodes(
        self, filetype: str, properties: Mapping[str, Any], nodes: Any = None, messages: Any = None
    ) -> bool:
        """Load a file into the scene and add its node to the collection `nodes`; whether it succeeded."""
        filename = str(properties["fileName"])
        if not Path(filename).exists():
            _report(messages, f"There is no file {filename}.")
            return False
        if filetype == "SceneFile":
            return self._load_scene(filename, properties, messages)
        if filetype in ("SegmentationFile", "VolumeFile"):
            try:
                check_image_file(filename)
            except ValueError as error:
                _report(messages, str(error))
                return False
        node = self._load_node(filetype, filename, properties, messages)
        if node is None:
            return False
        if nodes is not None:
            nodes.AddItem(node)
        return True

    def saveNodes(self, filetype: str, properties: Mapping[str, Any], messages: Any = None) -> bool:
        """Save the scene or one node (`nodeID`) to `fileName`. Returns whether it succeeded."""
        filename = str(properties["fileName"])
        if filetype == "SceneFile":
            return self._save_scene(filename, properties, messages)
        node = self._scene.GetNodeByID(properties["nodeID"])
        if node is None or not node.IsA("vtkMRMLStorableNode"):
            _report(messages, f"Node {properties['nodeID']} cannot be saved to a file.")
            return False
        storage = _storage_node_for(node, filename)
        if storage is None:
            _report(messages, f"{node.GetName()} cannot be saved as {Path(filename).name}.")
            return False
        storage.SetFileName(filename)
        if "useCompression" in properties:
            storage.SetUseCompression(int(properties["useCompression"]))
        succeeded = bool(storage.WriteData(node))
        _forward(storage, messages)
        return succeeded

    def _load_scene(self, filename: str, properties: Mapping[str, Any], messages: Any) -> bool:
        clear = bool(properties.get("clear", True))
        add_perceptual_maps(self._scene)
        if filename.lower().endswith(".mrb"):
            return bool(self._scene.ReadFromMRB(filename, clear, messages))
        self._scene.SetURL(filename)
        return bool(self._scene.Connect(messages) if clear else self._scene.Import(messages))

    def _save_scene(self, filename: str, properties: Mapping[str, Any], messages: Any) -> bool:
        if filename.lower().endswith(".mrb"):
            return bool(self._scene.WriteToMRB(filename, properties.get("screenShot"), messages))
        if filename.lower().endswith(".mrml"):
            self._scene.SetURL(filename)
            return bool(self._scene.Commit(filename, messages))
        Path(filename).mkdir(parents=True, exist_ok=True)
        return bool(
            self._scene.SaveSceneToSlicerDataBundleDirectory(filename, properties.get("screenShot"), messages)
        )

    def _load_node(self, filetype: str, filename: str, properties: Mapping[str, Any], messages: Any) -> Any:
        name = str(properties.get("name") or _name_of(filename))
        logic = (
            getattr(self._modules, LOADING_MODULES[filetype]).logic() if filetype in LOADING_MODULES else None
        )
        match filetype:
            case "VolumeFile":
                return logic.AddArchetypeVolume(filename, name, _volume_options(properties), None)
            case "SegmentationFile":
                opacities = bool(properties.get("autoOpacities", True))
                return logic.LoadSegmentationFromFile(filename, opacities, name, None, messages)
            case "SequenceFile":
                return logic.AddSequence(filename, messages)
            case "ModelFile":
                lps = slicer.vtkMRMLStorageNode.CoordinateSystemLPS
                return logic.AddModel(filename, int(properties.get("coordinateSystem", lps)), messages)
            case "TransformFile":
                return logic.AddTransform(filename, self._scene, messages)
            case "MarkupsFile":
                return self._scene.GetNodeByID(logic.LoadMarkups(filename, name, messages) or "")
            case "TableFile":
                return logic.AddTable(filename, name, True, "", messages)
            case "ColorTableFile":
                return logic.LoadColorFile(filename, name, messages)
            case "TextFile":
                return self._load_text(filename, name, messages)
        _report(messages, f"Files of type '{filetype}' cannot be loaded without the 3D Slicer application.")
        return None

    def _load_text(self, filename: str, name: str, messages: Any) -> Any:
        node = self._scene.AddNewNodeByClass("vtkMRMLTextNode", self._scene.GenerateUniqueName(name))
        storage = _storage_node_for(node, filename)
        storage.SetFileName(filename)
        if storage.ReadData(node):
            return node
        _forward(storage, messages)
        self._scene.RemoveNode(storage)
        self._scene.RemoveNode(node)
        return None


def can_write(storage: Any, filename: str) -> bool:
    """Whether a storage node writes files of this name."""
    if storage.IsA("vtkMRMLVolumeArchetypeStorageNode"):
        # It asks ITK when it writes and lists no endings of its own.
        return filename.lower().endswith(FILE_TYPES["VolumeFile"])
    return bool(storage.GetSupportedFileExtension(filename, False, True))


def _name_of(filename: str) -> str:
    return Path(filename).name.split(".")[0] or Path(filename).name


def _volume_options(properties: Mapping[str, Any]) -> int:
    defaults = {"autoWindowLevel": True}
    return sum(bit for name, bit in VOLUME_OPTIONS.items() if properties.get(name, defaults.get(name)))


def _storage_node_for(node: Any, filename: str) -> Any:
    """The node's storage node, replaced when it is of another kind than the file name asks for."""
    storage = node.GetStorageNode()
    if storage is not None and not can_write(storage, filename):
        node.GetScene().RemoveNode(storage)
        storage = None
    if storage is None:
        if node.IsA("vtkMRMLTextNode"):
            # A short text is kept in the scene file unless it is told otherwise.
            node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeAlways)
        node.AddDefaultStorageNode(filename)
    return node.GetStorageNode()


def _forward(storage: Any, messages: Any) -> None:
    if messages is not None:
        messages.AddMessages(storage.GetUserMessages())


def _report(messages: Any, text: str) -> None:
    if messages is not None:
        messages.AddMessage(vtkCommand.ErrorEvent, text)
