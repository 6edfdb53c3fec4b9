"""A model whose parameters are searched in a part of their range."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from cardiactwins.infarct.model import InfarctModel, Parameter

__all__ = ["with_bounds"]

Model = TypeVar("Model", bound=InfarctModel)


def with_bounds(model: Model, bounds: Mapping[str, tuple[float, float]]) -> Model:
    """The same model with narrower bounds of some parameters: name -> (lower, upper) in its unit.

    A default outside of the bounds moves to the nearer one. ValueError for a parameter that the model does
    not have, bounds that reach beyond the model's own, and a lower bound that is not below the upper.
    """
    names = [parameter.name for parameter in model.parameters]
    unknown = sorted(set(bounds) - set(names))
    if unknown:
        raise ValueError(f"{model.name} has no parameter {', '.join(unknown)}. Its own: {', '.join(names)}.")
    bounded = copy.copy(model)
    # Models are frozen, and their parameters are made on first use: the instance's own come before them.
    vars(bounded)["parameters"] = tuple(
        _narrowed(parameter, *bounds[parameter.name], model.name) if parameter.name in bounds else parameter
        for parameter in model.parameters
    )
    return bounded


def _narrowed(parameter: Parameter, lower: float, upper: float, model: str) -> Parameter:
    if not parameter.lower <= lower < upper <= parameter.upper:
        raise ValueError(
            f"{model}: the bounds of '{parameter.name}' must rise within [{parameter.lower:g}, "
            f"{parameter.upper:g}] {parameter.unit}; found [{lower:g}, {upper:g}]."
        )
    return replace(parameter, lower=lower, upper=upper, default=min(max(parameter.default, lower), upper))
