"""The cases of a population from nodes, a subject hierarchy folder, a sequence, or a folder on disk.

One bad case does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtkmodules.vtkCommonCore import vtkIdList

from cardiactwins.compute.progress import Progress, silent
from cardiactwins.infarct.population import ExcludedCase, InfarctCase
from cardiactwins.mrml.cases import case_from_labels, case_from_segmentation
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.image_files import (
    LABEL_MAP_ENDINGS,
    SEGMENTATION_ENDINGS,
    labels_from_file,
    points_from_file,
    segmentation_from_file,
)
from cardiactwins.mrml.installation import slicer
from cardiactwins.mrml.sequences import nodes_of_sequence

__all__ = [
    "CaseReader",
    "Cases",
    "read_cases",
    "read_stepwise",
    "readers_of",
]

Cases = tuple[list[InfarctCase], list[ExcludedCase]]


@dataclass(frozen=True)
class CaseReader:
    """One case that has yet to be read: name, and what reads it (ValueError or OSError with the reason)."""

    name: str
    read: Callable[[], InfarctCase]


POINTS_ENDING = ".mrk.json"


def readers_of(
    source: Any,
    *,
    labels: Mapping[int, str] | None = None,
    roles: Mapping[str, str] | None = None,
    insertion_points: Any = None,
    territories: Mapping[str, str] | None = None,
) -> list[CaseReader]:
    """Readers of the cases of a source, to be read one by one where reading them all would take too long.

    source: a list of segmentation nodes (label-map volume nodes are read with the EMIDEC labels), a subject
    hierarchy item id (folder, patient, study), a sequence node of segmentations, which names each by its
    index value, or a folder on disk, whose files are checked before 3D Slicer reads them and leave no nodes
    in the scene. Cases of one name get a number.
    labels: label value -> role in the label maps of a folder (default: `EMIDEC_LABELS`). roles: role ->
    segment id or name, for all cases, where the names would mislead. insertion_points: of the anterior RV
    insertion, as a markups node or positions (M, 3) in RAS mm, one for all cases or a mapping from case name;
    unless given, those of a hierarchy are point markups in the subfolder of exactly one segmentation, or
    below its item, and those of `<name>.seg.nrrd` in a folder are in `<name>.mrk.json`. territories: case
    name -> culprit artery.
    ValueError when a source is unknown or holds no case, NotADirectoryError when there is no such folder.
    """
    common = (roles, insertion_points, territories)
    if isinstance(source, str | Path):
        return _readers_from_folder(source, labels, *common)
    if isinstance(source, int):
        return _readers_from_hierarchy(source, *common)
    if hasattr(source, "IsA"):
        if source.IsA("vtkMRMLSequenceNode"):
            return _readers_from_sequence(source, *common)
        source = [source]
    return _readers_from_nodes(list(source), *common)


def read_stepwise(
    readers: Sequence[CaseReader], cases: list[InfarctCase], excluded: list[ExcludedCase]
) -> Iterator[tuple[int, int, str]]:
    """Read one case a step into `cases`, or into `excluded` with the reason; yields step, total, message."""
    for step, reader in enumerate(readers):
        yield step, len(readers), f"Read {reader.name}"
        try:
            cases.append(reader.read())
        except (ValueError, OSError) as error:
            excluded.append(ExcludedCase(reader.name, str(error)))
    yield len(readers), len(readers), f"{len(cases)} of {len(readers)} cases read"


def read_cases(
    source: Any,
    *,
    labels: Mapping[int, str] | None = None,
    roles: Mapping[str, str] | None = None,
    insertion_points: Any = None,
    territories: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Cases:
    """The cases of a source that can be used, and those that cannot, with the reason.

    Arguments and errors as of `readers_of`.
    """
    readers = readers_of(
        source, labels=labels, roles=roles, insertion_points=insertion_points, territories=territories
    )
    cases: list[InfarctCase] = []
    excluded: list[ExcludedCase] = []
    for step, total, message in read_stepwise(readers, cases, excluded):
        progress(step, total, message)
    return cases, excluded


def _readers_from_nodes(
    nodes: Sequence[Any],
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> list[CaseReader]:
    return [
        CaseReader(name, _reader_of_node(node, name, roles, insertion_points, territories))
        for node, name in zip(nodes, _unique([node.GetName() for node in nodes]), strict=True)
    ]


def _readers_from_hierarchy(
    folder_item_id: int,
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> list[CaseReader]:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(start().scene)
    items = [
        (item, node)
        for item in _items_below(hierarchy, folder_item_id)
        if (node := hierarchy.GetItemDataNode(item)) is not None and node.IsA("vtkMRMLSegmentationNode")
    ]
    if not items:
        raise ValueError(
            f"The subject hierarchy item '{hierarchy.GetItemName(folder_item_id)}' holds no segmentation. "
            "Choose the folder that holds the patients."
        )
    nodes = [node for _, node in items]
    if insertion_points is None:
        names = _unique([node.GetName() for node in nodes])
        siblings = [_markups_beside(hierarchy, item) for item, _ in items]
        insertion_points = dict(zip(names, siblings, strict=True))
    return _readers_from_nodes(nodes, roles, insertion_points, territories)


def _readers_from_sequence(
    sequence: Any,
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> list[CaseReader]:
    if sequence.GetNumberOfDataNodes() == 0 or sequence.GetDataNodeClassName() != "vtkMRMLSegmentationNode":
        raise ValueError(
            f"Sequence '{sequence.GetName()}' holds {sequence.GetNumberOfDataNodes()} nodes of class "
            f"{sequence.GetDataNodeClassName() or 'none'}. Choose a sequence of segmentations."
        )
    return [
        CaseReader(value, _reader_of_node(node, value, roles, insertion_points, territories))
        for value, node in nodes_of_sequence(sequence)
    ]


def _readers_from_folder(
    path: str | Path,
    labels: Mapping[int, str] | None,
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> list[CaseReader]:
    path = Path(path)
    if not path.is_dir():
        raise NotADirectoryError(f"There is no folder {path}.")
    files = [
        file
        for file in sorted(path.iterdir())
        if file.name.lower().endswith(LABEL_MAP_ENDINGS) and not file.name.startswith(".")
    ]
    if not files:
        raise ValueError(
            f"The folder {path} holds no segmentations (.seg.nrrd) and no label maps "
            f"({', '.join(LABEL_MAP_ENDINGS)})."
        )
    return [
        CaseReader(name, _reader_of_file(file, name, labels, roles, insertion_points, territories))
        for file, name in zip(files, _unique([_stem(file) for file in files]), strict=True)
    ]


def _reader_of_node(
    node: Any,
    name: str,
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> Callable[[], InfarctCase]:
    points, territory = _of_case(insertion_points, name), (territories or {}).get(name)
    scene = node.GetScene()

    def read() -> InfarctCase:
        if node.GetScene() is not scene:
            raise ValueError("The node was deleted before it was read.")
        if node.IsA("vtkMRMLVolumeNode"):
            return case_from_labels(node, None, points, name, territory)
        return case_from_segmentation(node, roles, points, name, territory)

    return read


def _reader_of_file(
    file: Path,
    name: str,
    labels: Mapping[int, str] | None,
    roles: Mapping[str, str] | None,
    insertion_points: Any,
    territories: Mapping[str, str] | None,
) -> Callable[[], InfarctCase]:
    territory = (territories or {}).get(name)

    def read() -> InfarctCase:
        points = _of_case(insertion_points, name)
        beside = file.with_name(_stem(file) + POINTS_ENDING)
        if points is None and beside.exists():
            points = points_from_file(beside)
        if file.name.lower().endswith(SEGMENTATION_ENDINGS):
            with segmentation_from_file(file) as node:
                return case_from_segmentation(node, roles, points, name, territory)
        with labels_from_file(file) as node:
            return case_from_labels(node, labels, points, name, territory)

    return read


def _of_case(insertion_points: Any, name: str) -> Any:
    return insertion_points.get(name) if isinstance(insertion_points, Mapping) else insertion_points


def _stem(file: Path) -> str:
    endings = (*SEGMENTATION_ENDINGS, *LABEL_MAP_ENDINGS)
    return file.name[: -len(next(ending for ending in endings if file.name.lower().endswith(ending)))]


def _unique(names: Iterable[str]) -> list[str]:
    """The names, those that come again with a number."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def _items_below(hierarchy: Any, item: int, recursive: bool = True) -> list[int]:
    children = vtkIdList()
    hierarchy.GetItemChildren(item, children, recursive)
    return [children.GetId(index) for index in range(children.GetNumberOfIds())]


def _markups_beside(hierarchy: Any, segmentation_item: int) -> Any:
    """The only point markups below a segmentation's item, or beside it if it has its folder alone."""
    for items in (
        _items_below(hierarchy, segmentation_item),
        _items_below(hierarchy, hierarchy.GetItemParent(segmentation_item), recursive=False),
    ):
        nodes = [node for item in items if (node := hierarchy.GetItemDataNode(item)) is not None]
        markups = [node for node in nodes if node.IsA("vtkMRMLMarkupsFiducialNode")]
        if len(markups) == 1 and sum(node.IsA("vtkMRMLSegmentationNode") for node in nodes) <= 1:
            return markups[0]
    return None
