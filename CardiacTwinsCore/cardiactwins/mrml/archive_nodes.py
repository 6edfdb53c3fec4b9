"""Populations and personalized models as nodes that travel with the scene: a table to look at, and all of it.

The table shows what people read. A hidden text node that it refers to holds the archive (`population_bytes`,
`model_description`), so that a scene that was saved and opened again goes on where it was.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from cardiactwins.compute.files import atomic_path, json_text, write_text_atomic
from cardiactwins.infarct.archive import (
    PersonalizedModel,
    model_description,
    model_from_text,
    population_bytes,
    population_from_bytes,
)
from cardiactwins.infarct.attributes import lesion_attributes
from cardiactwins.infarct.population import InfarctPopulation
from cardiactwins.mrml.headless import start
from cardiactwins.mrml.results import new_parameter_table
from cardiactwins.mrml.tables import new_table

__all__ = [
    "KIND",
    "MODEL_KIND",
    "POPULATION_KIND",
    "is_kind",
    "model_file",
    "model_of_node",
    "new_model_node",
    "new_population_node",
    "population_file",
    "population_of_node",
]

KIND = "CardiacTwins.Kind"
"""Attribute of a table node that says what it stands for; node selectors filter by it."""
POPULATION_KIND = "InfarctPopulation"
MODEL_KIND = "InfarctModel"
ARCHIVE_ROLE = "CardiacTwins.Archive"


def new_population_node(name: str, population: InfarctPopulation) -> Any:
    """A table node with status, reason, size and attributes of every case, which holds the population."""
    table = _population_table(name, population)
    content = base64.b64encode(population_bytes(population)).decode("ascii")
    return _archived(table, POPULATION_KIND, content)


def population_of_node(node: Any) -> InfarctPopulation:
    """The population that a node of `new_population_node` holds. ValueError when it holds none."""
    return population_from_bytes(_population_content(node), f"'{node.GetName()}'")


def population_file(node: Any, path: str | Path) -> Path:
    """Write the population of a node to a file that `load_population` reads; errors as above."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(_population_content(node))
    return Path(path)


def new_model_node(name: str, personalized: PersonalizedModel, source: str = "", licence: str = "") -> Any:
    """A table node with the parameters of a model, which holds the model with its history.

    source, licence: where the parameters come from, kept as attributes of the node.
    """
    table = new_parameter_table(name, personalized.model, personalized.parameters)
    for key, text in (("CardiacTwins.Source", source), ("CardiacTwins.Licence", licence)):
        if text:
            table.SetAttribute(key, text)
    return _archived(table, MODEL_KIND, json_text(model_description(personalized)))


def model_of_node(node: Any) -> PersonalizedModel:
    """The model that a node of `new_model_node` holds. ValueError when it holds none."""
    return model_from_text(_model_text(node), f"'{node.GetName()}'")


def model_file(node: Any, path: str | Path) -> Path:
    """Write the model of a node to a file that `load_model` reads; errors as above."""
    return write_text_atomic(path, _model_text(node))


def is_kind(node: Any, kind: str) -> bool:
    """Whether a node (or None) is a table of this kind whose archive is there."""
    return (
        node is not None
        and node.GetAttribute(KIND) == kind
        and node.GetNodeReference(ARCHIVE_ROLE) is not None
    )


def _archived(table: Any, kind: str, content: str) -> Any:
    text = start().scene.AddNewNodeByClass("vtkMRMLTextNode", f"{table.GetName()} archive")
    text.SetHideFromEditors(True)
    text.SetText(content)
    table.SetAttribute(KIND, kind)
    table.SetNodeReferenceID(ARCHIVE_ROLE, text.GetID())
    return table


def _population_content(node: Any) -> bytes:
    text = _archive(node, POPULATION_KIND, "an infarct population. Align one first")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(
            f"The population in '{node.GetName()}' is damaged ({error}). Align it anew."
        ) from error


def _model_text(node: Any) -> str:
    return _archive(node, MODEL_KIND, "a personalized infarct model. Personalize one or load a preset")


def _archive(node: Any, kind: str, wanted: str) -> str:
    text = node.GetNodeReference(ARCHIVE_ROLE) if node.GetAttribute(KIND) == kind else None
    if text is None or not text.GetText():
        raise ValueError(f"'{node.GetName()}' does not hold {wanted}.")
    return text.GetText()


def _population_table(name: str, population: InfarctPopulation) -> Any:
    on_reference = lesion_attributes(population.lesions, population.anatomy, population.no_reflow)
    left_out = len(population.excluded)
    columns: dict[str, list] = {
        "case": [*population.identifiers, *(case.identifier for case in population.excluded)],
        "status": ["used"] * len(population) + ["left out"] * left_out,
        "reason": [""] * len(population) + [case.reason for case in population.excluded],
        "territory": [*(territory or "" for territory in population.territories), *[""] * left_out],
    }
    for attribute, values in {**on_reference, **population.attributes}.items():
        columns[attribute] = [*values, *[float("nan")] * left_out]
    return new_table(name, columns)
