"""Results of a personalization as nodes: patterns on the reference, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cardiactwins.anatomy.geometry import ImageGeometry
from cardiactwins.anatomy.reference import ReferenceAnatomy
from cardiactwins.infarct.model import InfarctModel
from cardiactwins.infarct.personalization import PersonalizationHistory
from cardiactwins.mrml.plots import new_plot
from cardiactwins.mrml.tables import new_table
from cardiactwins.mrml.volumes import new_volume

__all__ = ["new_heat_map", "new_history", "new_mode_volumes", "new_parameter_table", "new_pattern_volume"]


def new_pattern_volume(
    name: str,
    anatomy: ReferenceAnatomy,
    values: ArrayLike,
    color: str = "Viridis",
    value_range: tuple[float, float] | None = None,
) -> Any:
    """A volume node of values (N,) on the reference myocardium (a mean lesion, a mode); 0 elsewhere."""
    image = anatomy.to_image(np.asarray(values, dtype=np.float32))
    return new_volume(name, image, anatomy.geometry, color, value_range)


def new_mode_volumes(
    name: str, anatomy: ReferenceAnatomy, modes: ArrayLike, deviations: Sequence[float] = (-2, -1, 0, 1, 2)
) -> list[list[Any]]:
    """D lists of S volume nodes of the modes of a latent space, (D, S, N) of `LatentSpace.modes`.

    deviations: the S multiples of the standard deviation, for the names. All are shown from 0 to 1.
    """
    return [
        [
            new_pattern_volume(
                f"{name} mode {dimension}, {deviation:+g} SD", anatomy, pattern, value_range=(0.0, 1.0)
            )
            for deviation, pattern in zip(deviations, patterns, strict=True)
        ]
        for dimension, patterns in enumerate(np.asarray(modes), start=1)
    ]


def new_heat_map(name: str, values: ArrayLike, color: str = "Viridis") -> Any:
    """A volume node of one slice from a table of values (R, C), row 0 on top, a pixel a millimetre."""
    values = np.atleast_2d(np.asarray(values, dtype=np.float32))
    geometry = ImageGeometry.from_spacing((1, *values.shape), direction=np.diag([-1.0, -1.0, 1.0]))
    return new_volume(name, values[None], geometry, color)


def new_parameter_table(name: str, model: InfarctModel, parameters: ArrayLike) -> Any:
    """A table node with one row a parameter of the model: name, value, unit and bounds."""
    values = np.asarray(parameters, dtype=float)
    if values.shape != (len(model.parameters),):
        raise ValueError(f"{model.name} has {len(model.parameters)} parameters; found values {values.shape}.")
    return new_table(
        name,
        {
            "parameter": [parameter.name for parameter in model.parameters],
            "value": values,
            "unit": [parameter.unit for parameter in model.parameters],
            "lower": [parameter.lower for parameter in model.parameters],
            "upper": [parameter.upper for parameter in model.parameters],
        },
    )


def new_history(name: str, history: PersonalizationHistory, model: InfarctModel) -> tuple[Any, Any, Any]:
    """Table of a personalization, one row a generation, chart of its losses and of its parameters."""
    units: dict[str, str] = {}
    columns: dict[str, ArrayLike] = {
        "generation": np.arange(1, len(history.loss) + 1),
        "stage": history.stage,
        "loss": history.loss,
        "mean loss": history.mean_loss,
        "condition": history.condition,
    }
    for index, parameter in enumerate(model.parameters):
        for column, values in (
            (parameter.name, history.parameters),
            (f"{parameter.name} spread", history.spread),
        ):
            columns[column] = values[:, index]
            units[column] = parameter.unit
    for index, eigenvalues in enumerate(history.eigenvalues.T, start=1):
        columns[f"eigenvalue {index}"] = eigenvalues
    table = new_table(name, columns, units)
    losses = new_plot(f"{name}: loss", table, "generation", ["loss", "mean loss"], y_title="loss", log_y=True)
    names = [parameter.name for parameter in model.parameters]
    return table, losses, new_plot(f"{name}: parameters", table, "generation", names)
