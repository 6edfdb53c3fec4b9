"""Scene files, and the folders and sequences in a scene by their names."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from vtkmodules.vtkCommonCore import vtkCollection, vtkIdList

from cardiactwins.mrml.file_checks import check_image_file
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import LABEL_MAP_ENDINGS
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.vtk_messages import without_vtk_messages

__all__ = ["SCENE_ENDINGS", "folder_named", "load_scene", "remove_proxies", "root_folder", "sequence_named"]

SCENE_ENDINGS = (".mrb", ".mrml")
CHECKED_ENDINGS = tuple(
    ending for ending in LABEL_MAP_ENDINGS if ending.startswith((".nrrd", ".nhdr", ".nii"))
)


def load_scene(path: str | Path) -> None:
    """Add the nodes of a scene file (.mrb, .mrml) to the scene of this process.

    The images it refers to are checked first, as a damaged segmentation ends the process when 3D Slicer loads
    it. FileNotFoundError when there is no file; ValueError when it, or an image in it, cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    start()
    if path.suffix.lower() == ".mrb":
        _check_bundle(path)
    elif path.suffix.lower() == ".mrml":
        _check_images(path)
    else:
        raise ValueError(f"{path.name} is no scene. A scene is a file {' or '.join(SCENE_ENDINGS)}.")
    try:
        with without_vtk_messages():
            slicer.util.loadScene(str(path.absolute()), {"clear": False})
    except RuntimeError as error:
        raise ValueError(f"{path.name} cannot be loaded as a scene. Save it again in 3D Slicer.") from error


def root_folder() -> int:
    """The subject hierarchy item of the scene itself, that all others are below."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(start().scene).GetSceneItemID()


def folder_named(name: str) -> int:
    """The subject hierarchy item of the only folder, patient or study of this name.

    ValueError that lists the folders when there is none or more than one.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(start().scene)
    folders = [
        (item, hierarchy.GetItemName(item))
        for item in _items(hierarchy)
        if hierarchy.GetItemDataNode(item) is None
    ]
    return _only([item for item, found in folders if found == name], "folder", name, [n for _, n in folders])


def sequence_named(name: str) -> Any:
    """The only sequence node of this name. ValueError that lists the sequences when there is none or more."""
    scene = start().scene
    count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceNode")
    nodes = [scene.GetNthNodeByClass(index, "vtkMRMLSequenceNode") for index in range(count)]
    names = [node.GetName() for node in nodes]
    return _only([node for node in nodes if node.GetName() == name], "sequence", name, names)


def remove_proxies() -> None:
    """Take sequence browsers, and the nodes that show the current item of a sequence, out of the scene.

    Else each such item would count twice among the scene's nodes.
    """
    scene = start().scene
    count = scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode")
    browsers = [scene.GetNthNodeByClass(index, "vtkMRMLSequenceBrowserNode") for index in range(count)]
    for browser in browsers:
        proxies = vtkCollection()
        browser.GetAllProxyNodes(proxies)
        # A browser makes a new proxy for one that is missing.
        scene.RemoveNode(browser)
        for index in range(proxies.GetNumberOfItems()):
            scene.RemoveNode(proxies.GetItemAsObject(index))


def _only(matches: list[Any], kind: str, name: str, names: list[str]) -> Any:
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(f"'{found}'" for found in sorted(set(names))) or "none"
    found = f"{len(matches)} {kind}s" if matches else f"no {kind}"
    raise ValueError(f"The scene has {found} named '{name}'. Its {kind}s: {listed}.")


def _items(hierarchy: Any) -> list[int]:
    ids = vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), ids, True)
    return [ids.GetId(index) for index in range(ids.GetNumberOfIds())]


def _check_bundle(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as bundle:
                bundle.extractall(folder)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path.name} is damaged ({error}). Save the scene again.") from error
        scenes = list(Path(folder).rglob("*.mrml"))
        if not scenes:
            raise ValueError(f"{path.name} holds no scene (.mrml). Save the scene again.")
        for scene in scenes:
            _check_images(scene)


def _check_images(scene: Path) -> None:
    """ValueError when a scene is no XML, or an image file that it names is missing or damaged."""
    try:
        root = ElementTree.parse(scene).getroot()
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{scene.name} is not a scene file ({error}). Save the scene again.") from error
    for storage in root.iter():
        name = unquote(storage.get("fileName", ""))
        if not name.lower().endswith((".mrb", *CHECKED_ENDINGS)) or "://" in name:
            continue
        file = scene.parent / name
        if not file.is_file():
            raise ValueError(f"{scene.name} names the file {name}, which is missing.")
        if file.suffix.lower() == ".mrb":
            _check_bundle(file)
        else:
            check_image_file(file)
